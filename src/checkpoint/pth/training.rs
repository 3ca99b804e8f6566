//! Interpretation of a file: a bare state_dict, or the dictionary of a training checkpoint.
//! Read this to support another layout of checkpoint dictionaries.
//!
//! It knows the usual layouts of such dictionaries, and no particular model.

use super::adam::{Adam, adam};
use super::value::name;
use super::{ADVICE, Key, Result, Tensor, Value};

const MODEL_KEYS: [&str; 3] = ["model", "state_dict", "model_state_dict"];
const OPTIMIZER_KEYS: [&str; 2] = ["optimizer", "optimizer_state_dict"];
/// Name prefixes added by DataParallel and torch.compile.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// Key-value pairs of a dictionary.
pub(super) type Map<'a> = Vec<(Key<'a>, Value<'a>)>;
/// Tensors with their names.
pub(super) type NamedTensors = Vec<(String, Tensor)>;

/// A model, and the state of its training if the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// parameters, in the order of the state_dict
    pub model: Vec<(String, Tensor)>,
    /// `None` if the file has no optimizer or one without steps
    pub adam: Option<Adam>,
    /// epoch, as the file counts it
    pub epoch: Option<u64>,
}

/// Finds the model, Adam's state and the epoch in a file's value.
///
/// # Errors
/// If there is no model, or if the optimizer's state is not Adam's or does not match the model.
pub fn training(value: Value<'_>) -> Result<Training> {
    let Value::Map(mut map) = value else {
        return Err(format!("holds {} and no state_dict; {ADVICE}", value.kind()));
    };
    if !map.is_empty() && map.iter().all(|(_, value)| matches!(value, Value::Tensor(_))) {
        return Ok(Training { model: model(map)?, adam: None, epoch: None });
    }
    let is_map = |key: &&&str| map.iter().any(|(k, v)| *k == Key::Text(key) && matches!(v, Value::Map(_)));
    let mut found = MODEL_KEYS.iter().filter(is_map);
    let key = match (found.next(), found.next()) {
        (Some(key), None) => key,
        (Some(one), Some(two)) => return Err(format!("holds two models, {one} and {two}; {ADVICE}")),
        (None, _) => {
            let keys = keys(&map);
            return Err(format!(
                "is not a state_dict, and has none under {}: it holds {keys}; {ADVICE}",
                MODEL_KEYS.join(", ")
            ));
        }
    };
    let model = match take(&mut map, key) {
        Some(Value::Map(map)) => model(map)?,
        _ => Vec::new(),
    };
    let epoch = match take(&mut map, "epoch") {
        None | Some(Value::None) => None,
        Some(Value::Int(epoch)) => Some(u64::try_from(epoch).map_err(|_| format!("its epoch is {epoch}"))?),
        Some(other) => return Err(format!("its epoch is {}, not an int", other.kind())),
    };
    let adam = match OPTIMIZER_KEYS.iter().find_map(|key| take(&mut map, key)) {
        None | Some(Value::None) => None,
        Some(Value::Map(optimizer)) => adam(optimizer, &model)?,
        Some(other) => return Err(format!("its optimizer is {}, not a dictionary", other.kind())),
    };
    Ok(Training { model, adam, epoch })
}

/// A state_dict's tensors, with wrapper prefixes removed from the names.
fn model(map: Map<'_>) -> Result<NamedTensors> {
    let mut model = Vec::with_capacity(map.len());
    for (key, value) in map {
        match (key, value) {
            (Key::Text(name), Value::Tensor(tensor)) => model.push((name, tensor)),
            (key, Value::Tensor(_)) => return Err(format!("its state_dict names a tensor {}", name(key))),
            (key, other) => return Err(format!("its state_dict holds {}, {}", name(key), other.kind())),
        }
    }
    if model.is_empty() {
        return Err("its state_dict is empty".to_owned());
    }
    let (mut names, tensors): (Vec<_>, Vec<_>) = model.into_iter().unzip();
    unwrapped(&mut names);
    Ok(names.into_iter().map(str::to_owned).zip(tensors).collect())
}

/// Removes a wrapper prefix from all `names` if every one of them has it.
pub(super) fn unwrapped(names: &mut [&str]) {
    let wraps =
        |names: &[&str], wrapper: &str| !names.is_empty() && names.iter().all(|n| n.starts_with(wrapper));
    while let Some(wrapper) = WRAPPERS.into_iter().find(|wrapper| wraps(names, wrapper)) {
        for name in &mut *names {
            *name = name.strip_prefix(wrapper).unwrap_or(name);
        }
    }
}

/// Takes the value of `key` out of `map`; this changes the order of the rest.
pub(super) fn take<'a>(map: &mut Map<'a>, key: &str) -> Option<Value<'a>> {
    let at = map.iter().position(|(found, _)| *found == Key::Text(key))?;
    Some(map.swap_remove(at).1)
}

/// The first keys of `map`, for a message.
pub(super) fn keys(map: &Map<'_>) -> String {
    const MAX_STEP: usize = 12;
    let mut keys: Vec<_> = map.iter().take(MAX_STEP).map(|&(key, _)| name(key)).collect();
    if map.len() > MAX_STEP {
        keys.push(format!("and {} more", map.len() - MAX_STEP));
    }
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}
