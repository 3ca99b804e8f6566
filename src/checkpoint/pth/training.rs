//! Interpretation of a file: the model, wherever it is, and the training beside it.
//! Read this to support another layout of checkpoint dictionaries.
//!
//! It knows the usual layouts of such dictionaries, and of a model only the names of its tensors.

use std::collections::HashSet;

use super::adam::{Adam, Layout, adam};
use super::flat::{Flat, Leaf};
use super::value::name;
use super::{ADVICE, Key, Result, Tensor, Value, shown};
use crate::checkpoint::naming;

/// Keys of one optimizer, or with Lightning of a list of them.
const OPTIMIZER_KEYS: [&str; 6] =
    ["optimizer", "optimizer_state_dict", "optimizer_states", "optimizer_state", "optim", "opt"];
/// Number of keys in a message.
const MAX_KEYS: usize = 12;

/// Key-value pairs of a dictionary.
pub(super) type Map<'a> = Vec<(Key<'a>, Value<'a>)>;
/// Tensors with their names.
pub(super) type NamedTensors = Vec<(String, Tensor)>;

/// A model, and the state of its training if the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// parameters by the names that were asked for, in the order of the file
    pub model: Vec<(String, Tensor)>,
    /// `None` if the file has no optimizer or one without steps; the reason, if its state is not Adam's or does not match
    /// the model
    pub adam: Result<Option<Adam>>,
    /// epoch, as the file counts it
    pub epoch: Option<u64>,
    /// remarks for the user: tensors left out, and the choice between several models
    pub notes: Vec<String>,
}

/// Finds the model that has tensors with the names `needed`, Adam's state and the epoch in a file's value.
///
/// # Errors
/// If there is no such model, or if there are several that differ.
pub fn training(mut value: Value<'_>, needed: &[&str]) -> Result<Training> {
    let mut flat = Flat::new(&mut value, needed)?;
    if flat.leaves.is_empty() {
        return Err(without_names(flat.unnamed, &value));
    }
    let names: Vec<&str> = flat.leaves.iter().map(|leaf| leaf.name.as_str()).collect();
    let same = |one: usize, two: usize| flat.leaves[one].value == flat.leaves[two].value;
    let found = match naming::find(&names, needed, same) {
        Ok(found) => found,
        Err(_) if flat.unnamed => return Err(without_names(true, &value)),
        Err(reason) => return Err(reason + &objects(&value)),
    };
    let mut notes = found.notes.clone();
    if flat.unnamed {
        notes.push("left out averaged parameters without names (shadow_params)".to_owned());
    }
    // the rest of the dictionaries that the model is in
    let groups: HashSet<usize> = found.at.iter().map(|&index| flat.leaves[index].group).collect();
    let beside: Vec<usize> = (0..names.len())
        .filter(|&index| {
            let Leaf { group, value, .. } = &flat.leaves[index];
            groups.contains(group) && (found.at.contains(&index) || matches!(value, Value::Tensor(_)))
        })
        .collect();
    let shapes = beside.iter().filter_map(|&index| match &flat.leaves[index].value {
        Value::Tensor(tensor) => Some((index, names[index], tensor.shape.as_slice())),
        _ => None,
    });
    notes.extend(naming::beside(&found, needed, shapes)?);
    let path = names[found.at[0]].to_owned();
    let mut order: Vec<(usize, &str)> = found.at.iter().copied().zip(needed.iter().copied()).collect();
    order.sort_unstable();
    let places = order.iter().map(|(index, _)| beside.iter().position(|other| other == index).unwrap_or(0));
    let layout = Layout { places: places.collect(), all: beside.len() };
    let mut model = Vec::with_capacity(order.len());
    for (index, needed) in order {
        let Leaf { name, value, .. } = &mut flat.leaves[index];
        match std::mem::replace(*value, Value::None) {
            Value::Tensor(tensor) => model.push((needed.to_owned(), tensor)),
            other => return Err(format!("{} is {}, not a tensor; {ADVICE}", shown(name), other.kind())),
        }
    }
    let epoch = nearest(&mut value, &path, &["epoch"]).and_then(|epoch| match epoch {
        Value::Bool(_) => None,
        epoch => whole(&epoch),
    });
    let adam = nearest(&mut value, &path, &OPTIMIZER_KEYS)
        .map_or(Ok(None), |value| optimizer(value, &model, &layout));
    Ok(Training { model, adam, epoch, notes })
}

/// The error for a file in which no tensor has a name.
fn without_names(unnamed: bool, value: &Value<'_>) -> String {
    match value {
        _ if unnamed => format!(
            "holds averaged parameters without names (shadow_params), and no model beside them: copy them into the model \
             (ema.copy_to()), then {ADVICE}"
        ),
        Value::Map(map) if map.is_empty() => format!("holds an empty dictionary and no state_dict; {ADVICE}"),
        Value::Map(map) => format!("holds no state_dict: it holds {}; {ADVICE}", keys(map)),
        other => format!("holds {} and no state_dict; {ADVICE}", other.kind()),
    }
}

/// The opaque values of the outermost dictionary, which may be the model that was not found.
fn objects(value: &Value<'_>) -> String {
    let Value::Map(map) = value else { return String::new() };
    let objects: Vec<_> =
        map.iter().filter(|(_, value)| matches!(value, Value::Opaque(_))).cloned().collect();
    if objects.is_empty() { String::new() } else { format!(" (beside them, it holds {})", keys(&objects)) }
}

/// Takes the value of the first of `keys` out of the innermost dictionary on the way to `path` that has one.
fn nearest<'a>(value: &mut Value<'a>, path: &str, keys: &[&str]) -> Option<Value<'a>> {
    match value {
        Value::Map(map) => {
            for (key, inner) in &mut *map {
                let key = match key {
                    Key::Text(text) => (*text).to_owned(),
                    Key::Int(number) => number.to_string(),
                    Key::Other => continue,
                };
                if let Some(rest) = path.strip_prefix(&key).and_then(|rest| rest.strip_prefix('.'))
                    && let Some(found) = nearest(inner, rest, keys)
                {
                    return Some(found);
                }
            }
            keys.iter().find_map(|key| take(map, key))
        }
        Value::List(list) => {
            let (index, rest) = path.split_once('.')?;
            nearest(list.get_mut(index.parse::<usize>().ok()?)?, rest, keys)
        }
        _ => None,
    }
}

/// Adam's state out of what a file has as its optimizer.
fn optimizer(value: Value<'_>, model: &NamedTensors, layout: &Layout) -> Result<Option<Adam>> {
    match value {
        Value::None => Ok(None),
        Value::Map(optimizer) => adam(optimizer, model, layout),
        Value::List(mut optimizers) => match (optimizers.pop(), optimizers.len()) {
            (None, _) => Ok(None),
            (Some(only), 0) => optimizer(only, model, layout),
            (_, more) => Err(format!("it was trained with {} optimizers", more + 1)),
        },
        other => Err(format!("its optimizer is {}, not a dictionary", other.kind())),
    }
}

/// A whole number that is not negative.
fn whole(value: &Value<'_>) -> Option<u64> {
    let number = value.number()?;
    (number >= 0.0 && number.fract() == 0.0 && number <= super::adam::MAX_STEP).then_some(number as u64)
}

/// Takes the value of `key` out of `map`; this changes the order of the rest.
pub(super) fn take<'a>(map: &mut Map<'a>, key: &str) -> Option<Value<'a>> {
    let at = map.iter().position(|(found, _)| *found == Key::Text(key))?;
    Some(map.swap_remove(at).1)
}

/// The first keys of `map`, for a message, and what is opaque under them.
pub(super) fn keys(map: &Map<'_>) -> String {
    let one = |(key, value): &(Key<'_>, Value<'_>)| match value {
        Value::Opaque(opaque) => format!("{} ({opaque})", name(*key)),
        _ => name(*key),
    };
    let mut keys: Vec<_> = map.iter().take(MAX_KEYS).map(one).collect();
    if map.len() > MAX_KEYS {
        keys.push(format!("and {} more", map.len() - MAX_KEYS));
    }
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}
