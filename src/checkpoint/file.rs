//! Model files of this program: named tensors in safetensors, and what the metadata say of the model.
//! Read this for tensor names and metadata.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::config::{Likelihood, LossKind, ModelConfig};
use crate::error::{Error, Result, printable_text};
use crate::gpu::Element;
use crate::model::architectures::addressable;
use crate::model::{ADAM_SLOTS, NamedTensor, OptimizerState, StateDict};

/// Maximum size of a file read into memory: larger than any model with 32-bit indices.
const MAX_FILE: u64 = 64 << 30;

/// Largest header in bytes: that of the format.
const MAX_HEADER: u64 = 100_000_000;

/// Writes `bytes` to a new file and waits until they are on the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).and_then(|()| crate::data::sync(&file)).map_err(Error::io("write", path))
}

/// Prefix of the raw parameters, which Adam updates, in a checkpoint whose model is their average (EMA).
pub(super) const RAW_PREFIX: &str = "raw.";
/// Metadata key of a model that is not of the reference architecture: sizes and likelihood as JSON.
const MODEL: &str = "wgvae.model";
/// Metadata key of the likelihood, if it is not the reference's: `mse 0.1`, `gaussian common`.
const LIKELIHOOD: &str = "wgvae.likelihood";

/// Encodes several sets of tensors as a safetensors file, each name with its set's prefix, and the likelihood in the
/// metadata.
pub(super) fn encode(
    path: &Path,
    (sets, element): (&[(&str, &StateDict)], Element),
    described: Option<(ModelConfig, Likelihood)>,
) -> Result<Vec<u8>> {
    // one entry only: the order of several would vary between processes, and one run must give identical bytes
    let about = match described {
        Some((config, likelihood)) if !config.architecture.is_reference() => {
            let text = serde_json::to_string(&Described { config, likelihood });
            (MODEL, text.map_err(|e| Error::model(path, e.to_string()))?)
        }
        Some((_, Likelihood { kind, sigma })) if kind != LossKind::Bce => {
            (LIKELIHOOD, format!("{kind} {sigma}"))
        }
        _ => ("format", "pt".to_owned()),
    };
    encode_tensors(path, (sets, element), about)
}

/// Encodes several sets of tensors as a safetensors file of numbers of type `element`, each name with its set's prefix,
/// and one entry of metadata.
///
/// # Errors
/// If the shapes are inconsistent, or `element` does not hold a number.
pub fn encode_tensors(
    path: &Path,
    (sets, element): (&[(&str, &StateDict)], Element),
    (key, text): (&str, String),
) -> Result<Vec<u8>> {
    let all = sets.iter().flat_map(|(prefix, set)| set.tensors.iter().map(move |tensor| (*prefix, tensor)));
    let encoded = all.map(|(prefix, tensor)| Ok((prefix, tensor, numbers(tensor, element)?)));
    let encoded = encoded.collect::<Result<Vec<_>>>()?;
    let dtype = match element {
        Element::F32 => Dtype::F32,
        Element::F16 => Dtype::F16,
    };
    let mut views = Vec::new();
    for (prefix, tensor, bytes) in &encoded {
        let view = TensorView::new(dtype, tensor.shape.clone(), bytes);
        let view = view.map_err(|e| Error::model(path, format!("{}: {e}", tensor.name)))?;
        views.push((format!("{prefix}{}", tensor.name), view));
    }
    let about = [(key.to_owned(), text)].into();
    safetensors::serialize(views, Some(about)).map_err(|e| Error::model(path, e.to_string()))
}

/// The numbers of a tensor as a file has them. Safetensors are little-endian; so is every machine that wgpu runs on.
fn numbers(tensor: &NamedTensor, element: Element) -> Result<Cow<'_, [u8]>> {
    match element {
        Element::F32 => Ok(bytemuck::cast_slice(&tensor.values).into()),
        Element::F16 => {
            let halves = tensor.halved()?;
            Ok(halves.into_iter().flat_map(f16::to_le_bytes).collect::<Vec<_>>().into())
        }
    }
}

/// Reads a file that is not larger than a model could be.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    if size > MAX_FILE {
        return Err(Error::model(path, format!("is of {size} bytes, larger than any model of this kind")));
    }
    std::fs::read(path).map_err(Error::io("read", path))
}

/// The metadata of the safetensors file at `path` under `key`; only its header is read.
pub fn metadata_of(path: &Path, key: &str) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let header = u64::from_le_bytes(length);
    if header > MAX_HEADER {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(header).read_to_end(&mut bytes).ok()?;
    let header: Header = serde_json::from_slice(&bytes).ok()?;
    header.metadata.get(key).cloned()
}

/// The part of a safetensors header that is no tensor.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    metadata: HashMap<String, String>,
}

/// The metadata of a safetensors file under `key`.
pub fn metadata(bytes: &[u8], key: &str) -> Option<String> {
    let (_, about) = SafeTensors::read_metadata(bytes).ok()?;
    about.metadata().as_ref()?.get(key).cloned()
}

/// The likelihood in the metadata of a safetensors file; the reference's if the metadata has none.
pub(super) fn likelihood(path: &Path, bytes: &[u8]) -> Result<Likelihood> {
    let Some(text) = metadata(bytes, LIKELIHOOD) else { return Ok(Likelihood::default()) };
    let parsed = text.split_once(' ').and_then(|(kind, sigma)| {
        let likelihood = Likelihood { kind: kind.parse().ok()?, sigma: sigma.parse().ok()? };
        likelihood.is_valid().then_some(likelihood)
    });
    let text = printable_text(&text);
    parsed
        .ok_or_else(|| Error::model(path, format!("its {LIKELIHOOD} is \"{text}\", which is not known here")))
}

/// Sizes and likelihood of a model that is not of the reference architecture.
#[derive(Serialize, Deserialize)]
pub(super) struct Described {
    #[serde(flatten)]
    pub(super) config: ModelConfig,
    pub(super) likelihood: Likelihood,
}

/// The description in the metadata of a safetensors file; nothing in files of the reference architecture.
pub(super) fn described(path: &Path, bytes: &[u8]) -> Result<Option<Described>> {
    let Some(text) = metadata(bytes, MODEL) else { return Ok(None) };
    let bad = |reason: String| Error::model(path, format!("its {MODEL}: {}", printable_text(&reason)));
    let found: Described = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    found.config.checked().and_then(|config| addressable(&config)).map_err(|e| bad(e.to_string()))?;
    let Likelihood { kind, sigma } = found.likelihood;
    if !found.likelihood.is_valid() {
        return Err(bad(format!("{kind} with sigma {sigma}")));
    }
    Ok(Some(Described { config: found.config.with_likelihood(found.likelihood), ..found }))
}

/// A file's tensors by name, each with shape and values.
pub(super) type TensorMap = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The tensors of a safetensors file.
pub(super) fn safetensors(path: &Path, bytes: &[u8]) -> Result<TensorMap> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| {
        let e = printable_text(&e.to_string());
        let reason = format!("not a whole safetensors file ({e}); it may be truncated or of another kind");
        Error::model(path, reason)
    })?;
    let read_tensor = |(name, view): (String, TensorView<'_>)| {
        let values = floats(&view).ok_or_else(|| {
            let name = printable_text(&name);
            let reason = format!("{name} is {:?}; F32, F16, BF16 and F64 are read", view.dtype());
            Error::model(path, reason)
        })?;
        Ok((name, (view.shape().to_vec(), values)))
    };
    file.tensors().into_iter().map(read_tensor).collect()
}

/// A tensor's values as f32; `None` if its elements are not floats.
fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => bytemuck::pod_collect_to_vec(data),
        Dtype::F16 => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        _ => return None,
    })
}

/// Moves the tensors of `config` out of `found`, each name with `prefix`.
pub(super) fn take(
    path: &Path,
    found: &mut TensorMap,
    prefix: &str,
    config: &ModelConfig,
) -> Result<StateDict> {
    take_named(path, found, prefix, StateDict::names(config))
}

/// Moves the tensors of these names and shapes out of `found`, each name with `prefix`.
fn take_named(
    path: &Path,
    found: &mut TensorMap,
    prefix: &str,
    names: impl IntoIterator<Item = (String, Vec<usize>)>,
) -> Result<StateDict> {
    let take_tensor = |(name, shape): (String, Vec<usize>)| {
        let Some((is, values)) = found.remove(&format!("{prefix}{name}")) else {
            return Err(Error::model(path, format!("has no tensor {prefix}{name}")));
        };
        if is != shape {
            let reason = format!("{name} is {is:?} and should be {shape:?}: the file is for another model");
            return Err(Error::model(path, reason));
        }
        Ok(NamedTensor { name, shape, values })
    };
    Ok(StateDict { tensors: names.into_iter().map(take_tensor).collect::<Result<_>>()? })
}

/// Refuses values that are NaN or infinite: adapters draw pictures of them that look like those of a model.
pub(super) fn refuse_non_finite(path: &Path, weights: &StateDict) -> Result<()> {
    weights.tensors.iter().find(|tensor| !tensor.is_finite()).map_or(Ok(()), |tensor| {
        let reason =
            format!("{} has values that are NaN or infinite: the training has diverged", tensor.name);
        Err(Error::model(path, reason))
    })
}

/// Refuses left-over tensors: they belong to a layer that this model does not have, so the result would differ.
pub(super) fn refuse_extra(path: &Path, found: &TensorMap) -> Result<()> {
    found.first_key_value().map_or(Ok(()), |(name, (shape, _))| {
        let name = printable_text(name);
        Err(Error::model(
            path,
            format!("has a tensor {name} {shape:?} that this kind of model does not have"),
        ))
    })
}

/// Decodes the tensors of these names and shapes from a safetensors file that has no others.
///
/// # Errors
/// [`Error::Model`] naming the first tensor that is missing, has the wrong shape, or is not expected.
pub fn decode_tensors(
    path: &Path,
    bytes: &[u8],
    names: impl IntoIterator<Item = (String, Vec<usize>)>,
) -> Result<StateDict> {
    let mut found = safetensors(path, bytes)?;
    let tensors = take_named(path, &mut found, "", names)?;
    refuse_extra(path, &found)?;
    Ok(tensors)
}

/// Decodes the optimizer's state from our own safetensors file, and the raw parameters if the model is their average.
///
/// # Errors
/// [`Error::Model`] naming the first tensor that is missing or has the wrong shape.
pub(super) fn decode_optimizer(
    path: &Path,
    bytes: &[u8],
    config: &ModelConfig,
) -> Result<(OptimizerState, Option<StateDict>)> {
    let mut found = safetensors(path, bytes)?;
    let raw = if found.keys().any(|name| name.starts_with(RAW_PREFIX)) {
        Some(take(path, &mut found, RAW_PREFIX, config)?)
    } else {
        None
    };
    let slots = ADAM_SLOTS.map(|name| Ok((name, take(path, &mut found, &format!("{name}."), config)?)));
    Ok((OptimizerState { slots: slots.into_iter().collect::<Result<_>>()? }, raw))
}

/// Decodes the tensors of a model of `config` from our own safetensors file.
///
/// # Errors
/// [`Error::Model`] naming the first tensor that is missing or has the wrong shape.
pub(super) fn decode_weights(path: &Path, bytes: &[u8], config: &ModelConfig) -> Result<StateDict> {
    decode_tensors(path, bytes, StateDict::names(config))
}
