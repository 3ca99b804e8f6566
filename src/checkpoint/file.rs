//! Safetensors files of named f32 tensors.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::model::{Named, Weights};

/// Writes `bytes` to a new file and waits until they are on the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}

/// Writes several sets of tensors into one file, each name behind its set's prefix, and syncs it.
///
/// # Errors
/// If the file cannot be written.
pub fn write_weights(path: &Path, sets: &[(&str, &Weights)]) -> Result<()> {
    let mut views = Vec::new();
    for (prefix, weights) in sets {
        for tensor in &weights.tensors {
            // safetensors are little-endian; so is every machine that wgpu runs on
            let bytes = bytemuck::cast_slice(&tensor.values);
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
            let view = view.map_err(|e| Error::model(path, format!("{}: {e}", tensor.name)))?;
            views.push((format!("{prefix}{}", tensor.name), view));
        }
    }
    let about = [("format".to_owned(), "pt".to_owned())].into();
    let bytes = safetensors::serialize(views, Some(about)).map_err(|e| Error::model(path, e.to_string()))?;
    write_synced(path, &bytes)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::io("read", path))
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes).map_err(|e| {
        let reason = format!("not a whole safetensors file ({e}); it may be truncated or of another kind");
        Error::model(path, reason)
    })
}

fn tensor(path: &Path, file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let view = file.tensor(name).map_err(|_| Error::model(path, format!("has no tensor {name}")))?;
    if view.shape() != shape {
        let reason =
            format!("{name} is {:?} and should be {shape:?}: the file is for another model", view.shape());
        return Err(Error::model(path, reason));
    }
    if view.dtype() != Dtype::F32 {
        return Err(Error::model(path, format!("{name} is {:?}; only F32 is read", view.dtype())));
    }
    Ok(bytemuck::pod_collect_to_vec(view.data()))
}

/// Reads the tensors of a model of `config`, each name behind `prefix`.
///
/// # Errors
/// [`Error::Model`] naming the first tensor that is missing or has another shape.
pub fn read_weights(path: &Path, prefix: &str, config: &ModelConfig) -> Result<Weights> {
    let bytes = read(path)?;
    let file = parse(path, &bytes)?;
    weights(path, &file, prefix, config)
}

fn weights(path: &Path, file: &SafeTensors<'_>, prefix: &str, config: &ModelConfig) -> Result<Weights> {
    let one = |(name, shape): (String, Vec<usize>)| {
        let values = tensor(path, file, &format!("{prefix}{name}"), &shape)?;
        Ok(Named { name, shape, values })
    };
    Ok(Weights { tensors: Weights::names(config).into_iter().map(one).collect::<Result<_>>()? })
}

/// Reads a model whose sizes follow from the shapes of its tensors.
///
/// # Errors
/// [`Error::Model`] if it is not a model of this architecture.
pub fn read_model(path: &Path) -> Result<(ModelConfig, Weights)> {
    let bytes = read(path)?;
    let file = parse(path, &bytes)?;
    let config = infer(path, &file)?;
    Ok((config, weights(path, &file, "", &config)?))
}

/// Hidden width from the first convolution, latent and size from `fc_mu`.
fn infer(path: &Path, file: &SafeTensors<'_>) -> Result<ModelConfig> {
    let shape = |name: &str, rank: usize| match file.tensor(name) {
        Ok(view) if view.shape().len() == rank => Ok(view.shape().to_vec()),
        Ok(view) => {
            Err(Error::model(path, format!("{name} is {:?}: not a model of this kind", view.shape())))
        }
        Err(_) => Err(Error::model(path, format!("has no tensor {name}: not a model of this kind"))),
    };
    let hidden = shape("encoder.0.weight", 4)?[0];
    let head = shape("fc_mu.weight", 2)?;
    let (latent, flat) = (head[0], head[1]);
    let side = (flat / (8 * hidden).max(1)).isqrt();
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let config = ModelConfig { size: number(16 * side), hidden: number(hidden), latent: number(latent) };
    if 8 * hidden * side * side != flat {
        let reason =
            format!("fc_mu.weight {head:?} does not fit hidden {hidden}: not a square picture's model");
        return Err(Error::model(path, reason));
    }
    config.checked().map_err(|e| Error::model(path, format!("impossible sizes: {e}")))
}
