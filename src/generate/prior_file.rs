//! Files of fitted priors, beside the model: safetensors, because a covariance factor has thousands of numbers.
//! Read this for the layout of the file and for its search path.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::data::write_whole;
use crate::error::{Error, Result};
use crate::model::StateDict;
use crate::prior::{Component, Mixture};

/// File name of the prior in the folder of a run or a checkpoint.
const NAME: &str = "prior.safetensors";
/// Metadata key of the digest of the model; with classes, of [`Named`] as JSON.
const MODEL: &str = "model";

/// A mixture fitted to a model's latents.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// density of the latents
    pub mixture: Mixture,
    /// names of the classes, one for each component; none if the components are no classes
    pub classes: Vec<String>,
    /// mean KL divergence of each dimension over the pictures that the prior was fitted to, in nats, `[Z]`
    pub kl: Vec<f64>,
    /// digest of the model
    pub model: u32,
}

/// The model and the classes of a prior.
#[derive(Serialize, Deserialize)]
struct Named {
    digest: u32,
    classes: Vec<String>,
}

impl Named {
    fn parse(text: &str) -> Option<Self> {
        let digest_alone = text.parse().ok().map(|digest| Self { digest, classes: Vec::new() });
        digest_alone.or_else(|| serde_json::from_str(text).ok())
    }
}

/// Digest of a model's parameters: a prior is only valid for the latents of its model.
pub fn digest(weights: &StateDict) -> u32 {
    let mut digest = crc32fast::Hasher::new();
    weights.tensors.iter().for_each(|tensor| digest.update(bytemuck::cast_slice(&tensor.values)));
    digest.finalize()
}

/// Path of the prior of MODEL: in the folder of the run or checkpoint, or beside the file.
pub fn place(model: &Path) -> PathBuf {
    if model.is_dir() { model.join(NAME) } else { model.with_extension(NAME) }
}

impl Fitted {
    /// Draws the points `[N, Z]` with the numbers in `range`; point i depends on `seed`, `temperature` and i alone.
    pub fn draw_range(&self, range: std::ops::Range<u32>, seed: u64, temperature: f32) -> Vec<f32> {
        range.flat_map(|index| self.mixture.sample(seed, index.into(), temperature.into())).collect()
    }

    /// As [`Fitted::draw_range`], of the class with this label.
    ///
    /// # Panics
    /// If there is no such component.
    pub fn draw_class(
        &self,
        label: u32,
        range: std::ops::Range<u32>,
        (seed, temperature): (u64, f32),
    ) -> Vec<f32> {
        let draw =
            |index: u32| self.mixture.sample_of(label as usize, seed, index.into(), temperature.into());
        range.flat_map(draw).collect()
    }

    /// Writes the file, completely or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        write_whole(path, |file| file.write_all(&bytes))
    }

    /// Encodes the file.
    ///
    /// # Errors
    /// If the numbers are inconsistent.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.encode(Dtype::F64)
    }

    /// Encodes the file of a page, in 32 bits: half of the bytes, and the samples differ by less than a unit of 255.
    ///
    /// # Errors
    /// If the numbers are inconsistent.
    pub fn to_page_bytes(&self) -> Result<Vec<u8>> {
        self.encode(Dtype::F32)
    }

    fn encode(&self, dtype: Dtype) -> Result<Vec<u8>> {
        let Mixture { dims, components } = &self.mixture;
        let all =
            |of: fn(&Component) -> &[f64]| components.iter().flat_map(of).copied().collect::<Vec<f64>>();
        let weights: Vec<f64> = components.iter().map(|component| component.weight).collect();
        let (means, factors) = (all(|c| &c.mean), all(|c| &c.factor));
        let k = components.len();
        let tensors = [
            ("weights", vec![k], &weights),
            ("means", vec![k, *dims], &means),
            ("factors", vec![k, dims * (dims + 1) / 2], &factors),
            ("kl", vec![*dims], &self.kl),
        ];
        let wrong = |e: safetensors::SafeTensorError| Error::model(NAME, e.to_string());
        let narrow = |values: &Vec<f64>| values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
        let tensors = tensors.map(|(name, shape, values)| {
            let bytes: Cow<'_, [u8]> = match dtype {
                Dtype::F32 => Cow::Owned(narrow(values)),
                _ => bytemuck::cast_slice(values).into(),
            };
            (name, shape, bytes)
        });
        let views = tensors.iter().map(|(name, shape, bytes)| {
            TensorView::new(dtype, shape.clone(), bytes).map(|view| (*name, view))
        });
        let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(wrong)?;
        // one entry: a map of several has no fixed order, and equal priors would give different files
        let named = if self.classes.is_empty() {
            self.model.to_string()
        } else {
            let named = Named { digest: self.model, classes: self.classes.clone() };
            serde_json::to_string(&named).map_err(|e| Error::model(NAME, e.to_string()))?
        };
        let about: HashMap<String, String> = [(MODEL.into(), named)].into();
        safetensors::serialize(views, Some(about)).map_err(wrong)
    }

    /// Reads a prior for the model whose parameters are `weights`.
    ///
    /// # Errors
    /// If it is missing or damaged, or belongs to another model.
    pub fn read(path: &Path, weights: &StateDict) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let damaged = |reason: String| Error::model(path, format!("not a valid fitted prior: {reason}"));
        let fitted = parse(&bytes).map_err(damaged)?;
        if fitted.model != digest(weights) {
            let reason = "was fitted to another model's latents; fit it again with wgvae fit-prior";
            return Err(Error::model(path, reason));
        }
        Ok(fitted)
    }
}

/// The digest of the model that the prior at `path` names as its own.
pub fn model_of(path: &Path) -> Option<u32> {
    Named::parse(&checkpoint::metadata_of(path, MODEL)?).map(|named| named.digest)
}

fn parse(bytes: &[u8]) -> std::result::Result<Fitted, String> {
    let text = |e: safetensors::SafeTensorError| crate::error::printable_text(&e.to_string());
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
    let named = header.metadata().as_ref().and_then(|about| Named::parse(about.get(MODEL)?));
    let Named { digest, classes } = named.ok_or("does not name its model")?;
    let file = SafeTensors::deserialize(bytes).map_err(text)?;
    let values = |name: &str| -> std::result::Result<Vec<f64>, String> {
        let view = file.tensor(name).map_err(text)?;
        match view.dtype() {
            Dtype::F64 => Ok(bytemuck::pod_collect_to_vec(view.data())),
            other => Err(format!("{name} is {other:?}")),
        }
    };
    let (weights, means, factors, kl) =
        (values("weights")?, values("means")?, values("factors")?, values("kl")?);
    let (k, dims) = (weights.len(), kl.len());
    let packed = dims * (dims + 1) / 2;
    if k == 0 || dims == 0 || means.len() != k * dims || factors.len() != k * packed {
        return Err(format!("{k} weights, {} means and {} factors", means.len(), factors.len()));
    }
    let rows = weights.iter().zip(means.chunks(dims)).zip(factors.chunks(packed));
    let component = |((weight, mean), factor): ((&f64, &[f64]), &[f64])| Component {
        weight: *weight,
        mean: mean.to_vec(),
        factor: factor.to_vec(),
    };
    let mixture = Mixture { dims, components: rows.map(component).collect() }.checked()?;
    if !classes.is_empty() && classes.len() != k {
        return Err(format!("{} names of {k} classes", classes.len()));
    }
    Ok(Fitted { mixture, classes, kl, model: digest })
}

/// The prior of MODEL: from `path`, or else beside the model or beside the run that contains it.
///
/// # Errors
/// If there is no prior, or it belongs to another model.
pub fn find(model: &Path, path: Option<&Path>, weights: &StateDict) -> Result<Fitted> {
    if let Some(path) = path {
        return Fitted::read(path, weights);
    }
    let Some(there) = beside(model) else {
        return Err(Error::model(model, "has no fitted prior yet: make one with wgvae fit-prior MODEL DATA"));
    };
    Fitted::read(&there, weights)
}

/// The path of the prior beside MODEL, or beside the run that contains it.
pub fn beside(model: &Path) -> Option<PathBuf> {
    all_beside(model).into_iter().next()
}

/// The paths of all priors beside MODEL, its checkpoint, or the run that contains it.
pub fn all_beside(model: &Path) -> Vec<PathBuf> {
    files_by(model, place)
}

/// The files that are at the `place` of MODEL, of its checkpoint, or of the run that contains it.
pub(super) fn files_by(model: &Path, place: fn(&Path) -> PathBuf) -> Vec<PathBuf> {
    let mut places = vec![place(model)];
    if let Ok(file) = checkpoint::find(model) {
        places.push(place(&file));
        places.extend(file.ancestors().skip(1).take(3).map(place));
    }
    places.retain(|path| path.is_file());
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;

    #[test]
    fn a_prior_comes_back_and_only_for_its_model() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(NAME);
        let weights = StateDict::initial(&ModelConfig::reference(16, 1, 2), 1);
        let component =
            |weight, mean: [f64; 2]| Component { weight, mean: mean.to_vec(), factor: vec![1.0, 0.25, 2.0] };
        let components = vec![component(0.25, [1.0, -1.0]), component(0.75, [0.0, 3.0])];
        let mixture = Mixture { dims: 2, components };
        let model = digest(&weights);
        let fitted = Fitted { mixture, classes: Vec::new(), kl: vec![1.5, 0.5], model };
        fitted.write(&path).expect("written");
        assert_eq!(find(folder.path(), None, &weights).expect("found"), fitted);
        assert_eq!(model_of(&path), Some(model));
        let classes = ["sea".to_owned(), "a \"wood\"".to_owned()].to_vec();
        let of_classes = Fitted { classes, ..fitted.clone() };
        of_classes.write(&path).expect("written");
        assert_eq!(find(folder.path(), None, &weights).expect("found"), of_classes);
        assert_eq!(model_of(&path), Some(model));
        assert_eq!(of_classes.draw_class(1, 0..2, (5, 0.0)), [0.0, 3.0, 0.0, 3.0]);
        fitted.write(&path).expect("written");
        let other = StateDict::initial(&ModelConfig::reference(16, 1, 2), 2);
        let error = Fitted::read(&path, &other).expect_err("another model").to_string();
        assert!(error.contains("another model's latents"), "{error}");
        let mut bytes = std::fs::read(&path).expect("read");
        // the last number of the first factor, on the diagonal, becomes negative; factors come first, by name
        let data = bytes.len() - 8 * (6 + 2 + 4 + 2);
        bytes[data + 3 * 8 - 1] ^= 0x80;
        std::fs::write(&path, &bytes).expect("written");
        let error = Fitted::read(&path, &weights).expect_err("damaged").to_string();
        assert!(error.contains("not a valid fitted prior"), "{error}");
        assert!(find(&folder.path().join("nowhere"), None, &weights).is_err());
    }
}
