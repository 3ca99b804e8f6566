//! Files of flows, beside the model: safetensors with PyTorch's names, and the sizes in the metadata.
//! Read this for the layout of the file and for its search path.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::prior_file::{self, digest};
use crate::checkpoint;
use crate::config::{FlowConfig, ModelConfig};
use crate::data::write_whole;
use crate::error::{Error, Result, printable_text};
use crate::gpu::Element;
use crate::model::flow::{self, FlowSampling, FlowWeights};
use crate::model::{NamedTensor, StateDict};

/// File name of the flow in the folder of a run or a checkpoint.
const NAME: &str = "flow.safetensors";
/// Metadata key of the sizes, as JSON.
const KEY: &str = "wgvae.flow";
/// Names of mean and standard deviation of the latents.
const STANDARD: [&str; 2] = ["standard.mean", "standard.std"];

/// A flow fitted to a model's latents.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedFlow {
    /// sizes, parameters, mean and standard deviation of the latents
    pub flow: FlowWeights,
    /// names of the classes, in the order of their labels
    pub classes: Vec<String>,
    /// error of held-out latents, per dimension
    pub held_out: f64,
    /// digest of the model
    pub model: u32,
}

/// The metadata.
#[derive(Serialize, Deserialize)]
struct Described {
    #[serde(flatten)]
    config: FlowConfig,
    /// names of the classes
    names: Vec<String>,
    held_out: f64,
    model: u32,
}

/// Path of the flow of MODEL: in the folder of the run or checkpoint, or beside the file.
pub fn place(model: &Path) -> PathBuf {
    if model.is_dir() { model.join(NAME) } else { model.with_extension(NAME) }
}

/// The path of the flow beside MODEL, or beside the run that contains it.
pub fn beside(model: &Path) -> Option<PathBuf> {
    all_beside(model).into_iter().next()
}

/// The paths of all flows beside MODEL, its checkpoint, or the run that contains it.
pub fn all_beside(model: &Path) -> Vec<PathBuf> {
    prior_file::files_by(model, place)
}

/// Whether the file at `path` is a flow's.
pub fn is_flow(path: &Path) -> bool {
    checkpoint::metadata_of(path, KEY).is_some()
}

/// The digest of the model that the flow at `path` names as its own.
pub fn model_of(path: &Path) -> Option<u32> {
    let text = checkpoint::metadata_of(path, KEY)?;
    Some(serde_json::from_str::<Described>(&text).ok()?.model)
}

impl FittedFlow {
    /// Settings of a sampler for it; `guidance` is the weight of the class, without effect if there are no classes.
    pub fn sampling(&self, steps: u32, guidance: Option<f32>) -> FlowSampling {
        let guidance = guidance.filter(|_| !self.classes.is_empty());
        FlowSampling { config: self.flow.config, steps, guidance }
    }

    /// Writes the file, completely or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes(Element::F32)?;
        write_whole(path, |file| file.write_all(&bytes))
    }

    /// Encodes the file, with numbers of type `element`.
    ///
    /// # Errors
    /// If the numbers are inconsistent, or `element` does not hold one.
    pub fn to_bytes(&self, element: Element) -> Result<Vec<u8>> {
        let FlowWeights { config, weights, standard } = &self.flow;
        let described = Described {
            config: *config,
            names: self.classes.clone(),
            held_out: self.held_out,
            model: self.model,
        };
        let text = serde_json::to_string(&described).map_err(|e| Error::model(NAME, e.to_string()))?;
        let named = |(name, values): (&str, &Vec<f32>)| NamedTensor {
            name: name.into(),
            shape: vec![values.len()],
            values: values.clone(),
        };
        let standard = StateDict { tensors: STANDARD.into_iter().zip(standard).map(named).collect() };
        let sets = [("", weights), ("", &standard)];
        checkpoint::encode_tensors(Path::new(NAME), (&sets, element), (KEY, text))
    }

    /// Reads the flow of the model of `config` whose parameters are `weights`.
    ///
    /// # Errors
    /// If it is missing or damaged, or belongs to another model.
    pub fn read(path: &Path, (config, weights): (&ModelConfig, &StateDict)) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let damaged =
            |reason: String| Error::model(path, format!("not a valid flow: {}", printable_text(&reason)));
        let text = checkpoint::metadata(&bytes, KEY).ok_or_else(|| damaged("it has no sizes".into()))?;
        let described: Described = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        let sizes = described.config.checked().map_err(|e| damaged(e.to_string()))?;
        if described.names.len() != sizes.classes as usize {
            return Err(damaged(format!("{} names of {} classes", described.names.len(), sizes.classes)));
        }
        if described.model != digest(weights) || !sizes.fits(config) {
            let reason = "was fitted to another model's latents; fit it again with wgvae fit-prior --flow";
            return Err(Error::model(path, reason));
        }
        let latents = sizes.latents() as usize;
        let names = flow::names(&sizes).into_iter().chain(STANDARD.map(|name| (name.into(), vec![latents])));
        let mut all = checkpoint::decode_tensors(path, &bytes, names)?.tensors;
        let standard = all.split_off(all.len() - 2);
        let good = |value: &f32| value.is_finite();
        if !all.iter().chain(&standard).all(|tensor| tensor.values.iter().all(good))
            || !standard[1].values.iter().all(|deviation| *deviation > 0.0)
        {
            return Err(damaged("a number is not finite, or a deviation not positive".into()));
        }
        let standard = [&standard[0], &standard[1]].map(|tensor| tensor.values.clone());
        let flow = FlowWeights { config: sizes, weights: StateDict { tensors: all }, standard };
        Ok(Self { flow, classes: described.names, held_out: described.held_out, model: described.model })
    }
}
