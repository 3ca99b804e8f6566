//! Where a training begins: anew, from a model's parameters, from PyTorch's training, from a run's checkpoint.

use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{self, Checkpoint, Model, State, pth};
use wgvae::config::{Likelihood, TrainConfig};
use wgvae::data::Rules;
use wgvae::error::Error;
use wgvae::gpu::Element;
use wgvae::model::StateDict;
use wgvae::ops::adam::{BETA1, BETA2, EPS};
use wgvae::ops::loss_scale::LossScale;
use wgvae::train::{Lock, RunFolder};

use super::terminal::shown;
use super::train_resume::{self, ResumeFrom};
use super::{output, settings};
use crate::cli::TrainSettings;

/// What a training goes on from.
pub(super) enum Origin {
    /// the initial parameters of the seed
    Seed,
    /// these parameters
    Parameters(StateDict),
    /// a checkpoint of another program: parameters, Adam's moments and step
    Imported(Box<Checkpoint>),
    /// a checkpoint of this run, or of the one that it comes from
    Own(PathBuf, Box<Checkpoint>),
}

impl Origin {
    pub(super) fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Self::Imported(checkpoint) | Self::Own(_, checkpoint) => Some(checkpoint),
            Self::Seed | Self::Parameters(_) => None,
        }
    }
}

/// A run, its settings, and where it begins.
pub(super) struct Start {
    pub(super) run: RunFolder,
    pub(super) asked: TrainSettings,
    pub(super) config: TrainConfig,
    pub(super) origin: Origin,
    /// held until the training ends
    pub(super) lock: Lock,
}

/// What the flags mean: a new run, or with `resume` one that goes on.
pub(super) fn start(asked: TrainSettings, resume: Option<&Option<PathBuf>>, quiet: bool) -> Result<Start> {
    let Some(given) = resume else { return fresh(asked) };
    if let Some(init) = &asked.init {
        return Err(Error::Usage(format!("--init {} and --resume: give one of them", shown(init))).into());
    }
    match ResumeFrom::find(given.as_deref(), &runs(&asked))? {
        ResumeFrom::Newest => train_resume::newest(asked, quiet),
        ResumeFrom::Run(folder) => train_resume::by_folder(&folder, asked, quiet),
        ResumeFrom::Checkpoint(folder, run) => train_resume::chosen(&folder, run.as_deref(), asked, quiet),
        ResumeFrom::File(file) => imported(asked, &file, quiet),
    }
}

pub(super) fn runs(asked: &TrainSettings) -> PathBuf {
    asked.runs.clone().unwrap_or_else(|| "runs".into())
}

pub(super) fn samples(asked: &TrainSettings) -> PathBuf {
    asked.samples.clone().unwrap_or_else(|| "samples".into())
}

/// Makes a new run's folder and takes it; without --name it is called `base`, made free.
pub(super) fn claim(asked: &TrainSettings, base: &str) -> Result<(RunFolder, Lock)> {
    Ok(RunFolder::claim(&runs(asked), asked.name.as_deref(), base, &samples(asked))?)
}

/// What a new run is called: as its data folder.
fn base(asked: &TrainSettings) -> String {
    let folder = asked.data.as_deref().and_then(|path| path.canonicalize().ok());
    let folder = folder.and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let base = folder.map_or_else(|| "landscapes".into(), |name| name.chars().map(plain).collect::<String>());
    let base = base.trim_start_matches('.').to_owned();
    if base.is_empty() { "run".into() } else { base }
}

/// A new run begins with the present rules for folders, and keeps to them.
pub(super) fn with_rules(asked: TrainSettings) -> TrainSettings {
    TrainSettings {
        folder_rules: asked.folder_rules.or(asked.data.as_ref().map(|_| Rules::default())),
        ..asked
    }
}

fn fresh(asked: TrainSettings) -> Result<Start> {
    let (asked, config, origin) = beginning(with_rules(asked))?;
    let (run, lock) = claim(&asked, &base(&asked))?;
    Ok(Start { run, asked, config, origin, lock })
}

/// A run that has no checkpoint yet.
pub(super) fn begin(run: RunFolder, asked: TrainSettings, lock: Lock) -> Result<Start> {
    let (asked, config, origin) = beginning(asked)?;
    Ok(Start { run, asked, config, origin, lock })
}

/// Where a run begins: from --init, or from the seed.
fn beginning(asked: TrainSettings) -> Result<(TrainSettings, TrainConfig, Origin)> {
    let Some(file) = asked.init.clone() else {
        let config = settings::training(&asked, asked.data.is_some())?;
        return Ok((asked, config, Origin::Seed));
    };
    let model = checkpoint::open(&file)?;
    let asked = likely(sized(asked, &model, &file)?, model.likelihood);
    let config = settings::training(&asked, asked.data.is_some())?;
    Ok((asked, config, Origin::Parameters(model.weights)))
}

/// The likelihood that a model was trained with, unless the flags name another one.
fn likely(asked: TrainSettings, is: Likelihood) -> TrainSettings {
    let loss = asked.loss.unwrap_or(is.kind);
    let own = (loss == is.kind && loss.has_width()).then_some(is.sigma);
    TrainSettings { loss: Some(loss), sigma: asked.sigma.or(own), ..asked }
}

/// The sizes of a file's model, which the flags may repeat but not change.
fn sized(asked: TrainSettings, model: &Model, file: &Path) -> Result<TrainSettings> {
    let is = model.config;
    for (name, wanted, is) in [
        ("size", asked.size, is.size),
        ("hidden", asked.hidden, is.hidden),
        ("latent", asked.latent, is.latent),
    ] {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
            return Err(Error::Usage(format!(
                "--{name} {wanted}: the model in {} has {name} {is}; leave the flag out",
                shown(file)
            ))
            .into());
        }
    }
    Ok(TrainSettings { size: Some(is.size), hidden: Some(is.hidden), latent: Some(is.latent), ..asked })
}

/// A new run that goes on from PyTorch's parameters, moments and step.
fn imported(asked: TrainSettings, file: &Path, quiet: bool) -> Result<Start> {
    let model = checkpoint::open(file)?;
    let asked = sized(with_rules(asked), &model, file)?;
    let Some(adam) = model.adam else {
        return Err(Error::Usage(format!(
            "--resume {}: holds a model without an optimizer; --init starts from its parameters",
            shown(file)
        ))
        .into());
    };
    let asked = TrainSettings { lr: asked.lr.or(adam.settings.lr), ..asked };
    let config = settings::training(&asked, asked.data.is_some())?;
    for difference in differences(&adam.settings) {
        output::note(&format!("{}: {difference}", shown(file)));
    }
    if !quiet {
        output::line(&format!("going on from {} (step {} of Adam)", shown(file), adam.step));
    }
    let scaling = (config.precision == Element::F16).then_some(LossScale::START);
    let state = State { step: adam.step, scaling, ..State::new(config.clone()) };
    let checkpoint = Checkpoint { weights: model.weights, moments: adam.moments, average: None, state };
    let (run, lock) = claim(&asked, &base(&asked))?;
    Ok(Start { run, asked, config, origin: Origin::Imported(Box::new(checkpoint)), lock })
}

/// Where the optimizer of a file was not our Adam.
fn differences(theirs: &pth::Settings) -> Vec<String> {
    let mut all = Vec::new();
    let [beta1, beta2] = theirs.betas.unwrap_or([BETA1, BETA2]);
    let eps = theirs.eps.unwrap_or(EPS);
    if [beta1, beta2, eps] != [BETA1, BETA2, EPS] {
        all.push(format!(
            "was trained with betas {beta1} and {beta2}, eps {eps:e}; this training goes on with {BETA1}, {BETA2}, \
             {EPS:e}"
        ));
    }
    if theirs.weight_decay.is_some_and(|decay| decay != 0.0) {
        all.push(
            "was trained with weight decay within the gradient; --weight-decay is AdamW's, apart from it"
                .to_owned(),
        );
    }
    if theirs.amsgrad {
        all.push("was trained with amsgrad; this training goes on without".to_owned());
    }
    all
}
