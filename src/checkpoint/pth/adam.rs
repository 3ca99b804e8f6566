//! Adam's moments in an optimizer's state_dict, which numbers the parameters instead of naming them.
//! The numbers follow the optimizer's groups, and the groups follow the model unless a user reordered them.

use std::collections::BTreeMap;

use super::training::{Map, NamedTensors, keys, take};
use super::{Key, Result, Tensor, Value, shown};
use crate::checkpoint::naming::unwrapped;

/// Largest step: beyond this, an f64 no longer holds every integer.
pub(super) const MAX_STEP: f64 = 9_007_199_254_740_992.0;
/// Keys of the state that Adam and AdamW keep per parameter.
const KEPT: [&str; 4] = ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"];

/// The state of torch.optim.Adam or AdamW.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// number of finished steps
    pub step: u64,
    /// first moments (means of gradients), named and ordered as the model
    pub first: Vec<(String, Tensor)>,
    /// second moments (means of squared gradients)
    pub second: Vec<(String, Tensor)>,
    /// hyperparameters of the first parameter group
    pub settings: Settings,
}

/// Hyperparameters of the optimizer, if the file has them; the caller compares them with its own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Settings {
    /// learning rate
    pub lr: Option<f64>,
    /// decay rates of the moments
    pub betas: Option<[f64; 2]>,
    /// term added to the denominator for numerical stability
    pub eps: Option<f64>,
    /// weight decay
    pub weight_decay: Option<f64>,
    /// whether the AMSGrad variant is used, which is not supported
    pub amsgrad: bool,
}

/// Places of the model's parameters in the dictionary of a file.
pub(super) struct Layout {
    /// the place of each among all tensors of the dictionary
    pub(super) places: Vec<usize>,
    /// number of all tensors
    pub(super) all: usize,
}

/// Adam's state for `model`; `None` before the first step.
pub(super) fn adam(mut optimizer: Map<'_>, model: &NamedTensors, layout: &Layout) -> Result<Option<Adam>> {
    let found = keys(&optimizer);
    let (Some(Value::Map(state)), Some(Value::List(groups))) =
        (take(&mut optimizer, "state"), take(&mut optimizer, "param_groups"))
    else {
        return Err(format!("its optimizer has no state and param_groups: it holds {found}"));
    };
    let mut groups: Vec<_> = groups.into_iter().filter_map(as_map).collect();
    let found = groups.first().map(keys).unwrap_or_default();
    let settings = groups.first_mut().map(settings).transpose()?.unwrap_or_default();
    if settings.betas.is_none() {
        return Err(format!("its optimizer is not Adam or AdamW: its settings are {found}"));
    }
    let (order, others) = order(&mut groups, model, layout)?;
    if state.is_empty() {
        return Ok(None);
    }
    let mut state: BTreeMap<_, _> = state.into_iter().filter_map(numbered).collect();
    let (mut step, mut first, mut second) = (None, Vec::new(), Vec::new());
    for (index, (name, tensor)) in order.iter().zip(model) {
        let moments =
            state.remove(index).ok_or_else(|| format!("its optimizer has no state for {}", shown(name)))?;
        let (made, [one, two]) = of_parameter(moments, name, tensor)?;
        first.push((name.clone(), one));
        second.push((name.clone(), two));
        let (before, earlier) = *step.get_or_insert((made, name));
        if before != made {
            let (earlier, name) = (shown(earlier), shown(name));
            return Err(format!("the optimizer made {before} steps for {earlier}, but {made} for {name}"));
        }
    }
    if !others && !state.is_empty() {
        return Err(format!("its optimizer has {} states more than its groups name", state.len()));
    }
    let step = step.map_or(0, |(step, _)| step);
    Ok(Some(Adam { step, first, second, settings }))
}

/// The steps and moments of the parameter `name`.
fn of_parameter(mut kept: Map<'_>, name: &str, tensor: &Tensor) -> Result<(u64, [Tensor; 2])> {
    let name = shown(name);
    let other = format!("its optimizer is not Adam or AdamW: for {name} it keeps {}", keys(&kept));
    if !kept.iter().all(|(key, _)| KEPT.iter().any(|known| *key == Key::Text(known))) {
        return Err(other);
    }
    let mut moment = |key: &str| match take(&mut kept, key) {
        Some(Value::Tensor(moment)) if moment.shape == tensor.shape => Ok(moment),
        Some(Value::Tensor(Tensor { shape, .. })) => {
            Err(format!("{name} is {:?}, but the optimizer's {key} of it is {shape:?}", tensor.shape))
        }
        _ => Err(other.clone()),
    };
    let moments = [moment("exp_avg")?, moment("exp_avg_sq")?];
    let step = take(&mut kept, "step").and_then(|step| step.number());
    match step {
        Some(step) if (0.0..=MAX_STEP).contains(&step) && step.fract() == 0.0 => Ok((step as u64, moments)),
        Some(step) => Err(format!("the optimizer's number of steps for {name} is {step}")),
        None => Err(other),
    }
}

/// The optimizer's number for each of the model's parameters, in the model's order, and whether it has other ones too.
fn order(groups: &mut [Map<'_>], model: &NamedTensors, layout: &Layout) -> Result<(Vec<i128>, bool)> {
    let (mut order, mut names) = (Vec::new(), Vec::new());
    for group in groups {
        let Some(Value::List(params)) = take(group, "params") else {
            return Err("its optimizer has a group without params".to_owned());
        };
        order.extend(
            params.iter().filter_map(|index| if let Value::Int(index) = index { Some(*index) } else { None }),
        );
        if let Some(Value::List(params)) = take(group, "param_names") {
            names.extend(
                params
                    .iter()
                    .filter_map(|name| if let Value::Text(name) = name { Some(*name) } else { None }),
            );
        }
    }
    let others = order.len() != model.len();
    if others {
        // an optimizer of a module that the model is a part of has the parameters of the other parts, too
        if order.len() != layout.all {
            return Err(format!(
                "its optimizer has {} parameters, but the model has {}",
                order.len(),
                model.len()
            ));
        }
        order = layout.places.iter().filter_map(|&place| order.get(place).copied()).collect();
        names = layout.places.iter().filter_map(|&place| names.get(place).copied()).collect();
    }
    // names are present only if the optimizer was given them
    let differs = |found: &str, name: &str| {
        let found = unwrapped(found);
        found.strip_suffix(name).is_none_or(|prefix| !prefix.is_empty() && !prefix.ends_with('.'))
    };
    match names.iter().zip(model).find(|(found, (name, _))| differs(found, name)) {
        Some((found, (name, _))) => {
            let (found, name) = (shown(found), shown(name));
            Err(format!(
                "its optimizer has {found} at the position of {name} in the model: their orders differ"
            ))
        }
        None => Ok((order, others)),
    }
}

/// Hyperparameters of a group.
fn settings(group: &mut Map<'_>) -> Result<Settings> {
    let mut setting = |key: &str| match take(group, key) {
        None | Some(Value::None) => Ok(None),
        Some(value) => {
            value.number().map(Some).ok_or_else(|| format!("its optimizer's {key} is {}", value.kind()))
        }
    };
    let (lr, eps, weight_decay) = (setting("lr")?, setting("eps")?, setting("weight_decay")?);
    let betas = match take(group, "betas") {
        Some(Value::List(betas)) => match betas.as_slice() {
            [one, two] => match (one.number(), two.number()) {
                (Some(one), Some(two)) => Some([one, two]),
                _ => {
                    let [one, two] = [one, two].map(Value::kind);
                    return Err(format!("its optimizer's betas are {one} and {two}"));
                }
            },
            _ => None,
        },
        _ => None,
    };
    let amsgrad = take(group, "amsgrad") == Some(Value::Bool(true));
    Ok(Settings { lr, betas, eps, weight_decay, amsgrad })
}

fn as_map(value: Value<'_>) -> Option<Map<'_>> {
    if let Value::Map(map) = value { Some(map) } else { None }
}

fn numbered<'a>((key, value): (Key<'a>, Value<'a>)) -> Option<(i128, Map<'a>)> {
    match (key, value) {
        (Key::Int(index), Value::Map(map)) => Some((index, map)),
        _ => None,
    }
}
