//! A model file of this program or of others: which format it has, and which of its tensors are the model.
//! Read this for what is accepted from PyTorch and from foreign safetensors files.

use std::path::Path;

use super::file::{self, TensorMap, described, likelihood, safetensors, take};
use super::{naming, pth};
use crate::config::{Likelihood, ModelConfig};
use crate::error::{Error, Result};
use crate::model::architectures::infer;
use crate::model::{OptimizerState, StateDict};

/// A model read from a file.
#[derive(Debug, Clone)]
pub struct Model {
    /// sizes, inferred from the tensor shapes
    pub config: ModelConfig,
    /// parameters
    pub weights: StateDict,
    /// likelihood of the pixels that it was trained with
    pub likelihood: Likelihood,
    /// optimizer state, if a file of PyTorch holds a training checkpoint; the reason, if its optimizer is not Adam or does
    /// not fit the model
    pub adam: std::result::Result<Option<Adam>, String>,
    /// remarks for the user: tensors left out, and the choice between several models
    pub notes: Vec<String>,
}

/// State of PyTorch's Adam.
#[derive(Debug, Clone)]
pub struct Adam {
    /// finished steps
    pub step: u64,
    /// first and second moments
    pub state: OptimizerState,
    /// hyperparameters
    pub settings: pth::Settings,
}

/// Reads a model file of either format and infers the sizes from the shapes of its tensors.
///
/// # Errors
/// [`Error::Model`] if it is incomplete, or not a model of this architecture.
pub fn read_model(path: &Path) -> Result<Model> {
    let bytes = file::read(path)?;
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if pth::is_torch(&bytes) || ["pth", "pt", "ckpt"].contains(&extension.as_str()) {
        return torch(path, &bytes);
    }
    let mut found = safetensors(path, &bytes)?;
    let (described, likelihood) = (described(path, &bytes)?, likelihood(path, &bytes)?);
    drop(bytes);
    if let Some(described) = described {
        let weights = take(path, &mut found, "", &described.config)?;
        file::refuse_extra(path, &found)?;
        file::refuse_non_finite(path, &weights)?;
        let (config, likelihood) = (described.config, described.likelihood);
        return Ok(Model { config, weights, likelihood, adam: Ok(None), notes: Vec::new() });
    }
    let (mut found, notes) = renamed(found, likelihood).map_err(|reason| Error::model(path, reason))?;
    let (config, weights) = reference(path, likelihood, &mut found)?;
    Ok(Model { config, weights, likelihood, adam: Ok(None), notes })
}

/// The names of the tensors of a reference model.
fn needed(likelihood: Likelihood) -> Vec<String> {
    StateDict::names(&ModelConfig::REFERENCE.with_likelihood(likelihood))
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

/// The model's tensors by its own names, and remarks for the user.
fn renamed(
    mut tensors: TensorMap,
    likelihood: Likelihood,
) -> std::result::Result<(TensorMap, Vec<String>), String> {
    let needed = needed(likelihood);
    let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
    let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
    let all: Vec<_> = tensors.values().collect();
    let found = naming::find(&names, &needed, |one, two| all[one] == all[two])?;
    let shapes = all.iter().zip(&names).enumerate();
    let shapes = shapes.map(|(index, ((shape, _), name))| (index, *name, shape.as_slice()));
    let left = naming::beside(&found, &needed, shapes)?;
    let keys: Vec<String> = found.at.iter().map(|&index| names[index].to_owned()).collect();
    let moved =
        needed.iter().zip(&keys).filter_map(|(&name, key)| Some((name.to_owned(), tensors.remove(key)?)));
    Ok((moved.collect(), found.notes.into_iter().chain(left).collect()))
}

/// Sizes and weights of a reference model out of its tensors.
fn reference(path: &Path, likelihood: Likelihood, found: &mut TensorMap) -> Result<(ModelConfig, StateDict)> {
    let shape = |name: &str| found.get(name).map(|(shape, _)| shape.as_slice());
    let config = infer(shape).map_err(|reason| Error::model(path, reason))?;
    let config = config.with_likelihood(likelihood);
    let weights = take(path, found, "", &config)?;
    file::refuse_non_finite(path, &weights)?;
    Ok((config, weights))
}

fn torch(path: &Path, bytes: &[u8]) -> Result<Model> {
    let reason = |reason: String| Error::model(path, reason);
    let likelihood = Likelihood::default();
    let needed = needed(likelihood);
    let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
    let pth::Training { model, adam, notes, .. } =
        pth::read(bytes).and_then(|value| pth::training(value, &needed)).map_err(reason)?;
    let found = |tensors: Vec<(String, pth::Tensor)>| -> TensorMap {
        tensors.into_iter().map(|(name, t)| (name, (t.shape, t.values))).collect()
    };
    let (config, weights) = reference(path, likelihood, &mut found(model))?;
    let adam = match adam {
        Ok(Some(pth::Adam { step, first, second, settings })) => {
            let moment = |tensors| take(path, &mut found(tensors), "", &config);
            Ok(Some(Adam { step, state: OptimizerState::adam(moment(first)?, moment(second)?), settings }))
        }
        Ok(None) => Ok(None),
        Err(reason) => Err(reason),
    };
    Ok(Model { config, weights, likelihood, adam, notes })
}
