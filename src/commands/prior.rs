//! The prior that `--prior` names, for the commands that draw samples.

use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::config::ModelConfig;
use wgvae::generate::{Fitted, FittedFlow, flow_file, prior_file};
use wgvae::model::StateDict;

use super::destination::usage;
use super::terminal::shown;

/// The prior that the flags mean, with the path of its file.
pub(super) enum Wanted {
    Normal,
    Mixture(Option<PathBuf>),
    Flow(Option<PathBuf>),
}

/// The prior to draw from.
pub(super) enum Prior {
    Normal,
    Mixture(Fitted),
    Flow(Box<FittedFlow>),
}

impl Wanted {
    /// The prior that `--prior` means for MODEL: `auto` is the flow beside it, else the mixture, else N(0, I). It passes
    /// over those of other checkpoints of the run, and says so.
    pub(super) fn of(model: &Path, prior: &str, weights: &StateDict) -> Self {
        let Beside { flow, fitted: mixture } = match prior {
            "auto" => Beside::own(model, weights),
            _ => Beside { flow: flow_file::beside(model), fitted: prior_file::beside(model) },
        };
        match prior {
            "normal" => Self::Normal,
            "fitted" => Self::Mixture(mixture),
            "flow" => Self::Flow(flow),
            "auto" => match (flow, mixture) {
                (Some(flow), _) => Self::Flow(Some(flow)),
                (None, Some(mixture)) => Self::Mixture(Some(mixture)),
                (None, None) => Self::Normal,
            },
            path if flow_file::is_flow(Path::new(path)) => Self::Flow(Some(path.into())),
            path => Self::Mixture(Some(path.into())),
        }
    }

    /// The path of its file, if there is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Normal => None,
            Self::Mixture(path) | Self::Flow(path) => path.clone(),
        }
    }

    /// Reads the prior of MODEL, which has this architecture and these parameters.
    pub(super) fn read(&self, model: &Path, parts: (&ModelConfig, &StateDict)) -> Result<Prior> {
        Ok(match self {
            Self::Normal => Prior::Normal,
            Self::Mixture(path) => Prior::Mixture(prior_file::find(model, path.as_deref(), parts.1)?),
            Self::Flow(Some(path)) => Prior::Flow(Box::new(FittedFlow::read(path, parts)?)),
            Self::Flow(None) => {
                let model = shown(model);
                return usage(format!(
                    "{model} has no flow yet: make one with wgvae fit-prior {model} DATA --flow"
                ));
            }
        })
    }
}

/// The files of the priors beside a model.
pub(super) struct Beside {
    pub(super) flow: Option<PathBuf>,
    pub(super) fitted: Option<PathBuf>,
}

impl Beside {
    /// Those of MODEL with these parameters. It passes over those of other checkpoints, and says so.
    pub(super) fn own(model: &Path, weights: &StateDict) -> Self {
        let digest = prior_file::digest(weights);
        Self {
            flow: own(flow_file::all_beside(model), digest, flow_file::model_of),
            fitted: own(prior_file::all_beside(model), digest, prior_file::model_of),
        }
    }
}

/// The first of `files` that names the model with this digest as its own. A file that names no model is damaged, and is left
/// for its reader to refuse.
fn own(files: Vec<PathBuf>, digest: u32, model_of: fn(&Path) -> Option<u32>) -> Option<PathBuf> {
    let other = files.first().cloned();
    let found = files.into_iter().find(|path| model_of(path).is_none_or(|named| named == digest));
    if let Some(other) = other.filter(|_| found.is_none()) {
        super::note(&format!("{} is of another checkpoint, and is not used", shown(&other)));
    }
    found
}

impl Prior {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Normal => "N(0, I)",
            Self::Mixture(_) => "fitted Gaussians",
            Self::Flow(_) => "flow",
        }
    }
}

/// `--guidance` as a sampler takes it. The velocity of the class alone, a guidance of 1, needs one evaluation instead of
/// two.
pub(super) fn guidance(weight: f32) -> Result<Option<f32>> {
    if !(0.0..=100.0).contains(&weight) {
        return usage(format!("--guidance {weight}: must be between 0 and 100"));
    }
    Ok((weight.to_bits() != 1f32.to_bits()).then_some(weight))
}
