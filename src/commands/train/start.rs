//! The start of a training: from random parameters, a model's parameters, PyTorch's training, or a checkpoint.

use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{Checkpoint, Model, State, pth};
use wgvae::config::{Likelihood, LossKind, Table};
use wgvae::data::Rules;
use wgvae::error::Error;
use wgvae::gpu::Element;
use wgvae::model::StateDict;
use wgvae::ops::adam::{BETA1, BETA2, EPS};
use wgvae::ops::loss_scale::LossScale;
use wgvae::train::{Lock, RunFolder};

use super::resume::{self, ResumeFrom};
use super::session::Session;
use super::settings::{Layers, RunOptions, Settings};
use crate::commands::terminal::shown;
use crate::commands::{load_model, output};

/// The parameters and the progress that a training starts from.
pub(super) enum Origin {
    /// random parameters of the seed
    Seed,
    /// parameters of a model
    Parameters(StateDict),
    /// parameters, Adam's moments and step of another program
    Imported(Box<Checkpoint>),
    /// a checkpoint in this folder, of this run or of the run that it continues
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

/// A run with its settings and its origin.
pub(super) struct Start {
    pub(super) run: RunFolder,
    pub(super) settings: Settings,
    pub(super) origin: Origin,
    /// held until the training ends
    pub(super) lock: Lock,
}

/// Starts a new run, or with `resume` continues one.
pub(super) fn start(layers: Layers, resume: Option<&Option<PathBuf>>, session: &Session) -> Result<Start> {
    let Some(given) = resume else { return fresh(layers) };
    let options = layers.options()?;
    if let Some(init) = &options.init {
        return Err(Error::Usage(format!("--init {} and --resume: give one of them", shown(init))).into());
    }
    match ResumeFrom::find(given.as_deref(), &options.runs)? {
        ResumeFrom::Newest => resume::newest(layers, session),
        ResumeFrom::Run(folder) => resume::by_folder(&folder, layers, session),
        ResumeFrom::Checkpoint(folder, run) => resume::chosen(&folder, run.as_deref(), layers, session),
        ResumeFrom::File(file) => imported(layers, &file, session),
    }
}

/// Creates a new run's folder and locks it. Without --name it is called `base`, or `base` with a number.
pub(super) fn claim(options: &RunOptions, base: &str) -> Result<(RunFolder, Lock)> {
    Ok(RunFolder::claim(&options.runs, options.name.as_deref(), base, &options.samples)?)
}

/// The default name of a new run: that of its data folder.
pub(super) fn base(options: &RunOptions) -> String {
    let folder = options.data.as_deref().and_then(|path| path.canonicalize().ok());
    let folder = folder.and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    let base = folder.map_or_else(|| "landscapes".into(), |name| plain(&name));
    let base = base.trim_start_matches('.').to_owned();
    if base.is_empty() { "run".into() } else { base }
}

/// `text` as a part of a run's name.
pub(super) fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().map(plain).collect()
}

/// With the present rules for folders, unless the settings have others. A new run starts with them, and keeps them.
pub(super) fn with_rules(layers: Layers) -> Result<Layers> {
    let has_data = layers.options()?.data.is_some();
    let rules =
        if has_data { Table::of_setting("folder-rules", Rules::default())? } else { Table::default() };
    Ok(layers.above(&rules))
}

fn fresh(layers: Layers) -> Result<Start> {
    let (settings, origin) = beginning(with_rules(layers)?)?;
    let (run, lock) = claim(&settings.options, &base(&settings.options))?;
    Ok(Start { run, settings, origin, lock })
}

/// Starts a run that has a folder, and no checkpoint yet.
pub(super) fn begin(run: RunFolder, layers: Layers, lock: Lock) -> Result<Start> {
    let (settings, origin) = beginning(layers)?;
    Ok(Start { run, settings, origin, lock })
}

/// The settings and the origin of a run without a checkpoint: the model of --init, or random parameters.
fn beginning(layers: Layers) -> Result<(Settings, Origin)> {
    let Some(file) = layers.options()?.init else { return Ok((layers.settings()?, Origin::Seed)) };
    let model = load_model::read(&file)?;
    let layers = with_sizes(layers, &model, &file)?;
    let layers = with_likelihood(layers, model.likelihood)?;
    let settings = layers.settings()?;
    let weights = model.weights.with_likelihood(&settings.config.model);
    Ok((settings, Origin::Parameters(weights)))
}

/// With the likelihood that a model was trained with, unless the settings name another one.
fn with_likelihood(layers: Layers, is: Likelihood) -> Result<Layers> {
    let loss: Option<LossKind> = layers.merged().get("loss")?;
    let mut own = Table::of_setting("loss", is.kind)?;
    if loss.unwrap_or(is.kind) == is.kind {
        own = own.over(&Table::of_setting("sigma", is.sigma)?);
    }
    Ok(layers.above(&own))
}

/// With the sizes of a file's model. The settings may repeat them, but not change them.
fn with_sizes(layers: Layers, model: &Model, file: &Path) -> Result<Layers> {
    let (given, is) = (layers.merged(), model.config.table()?);
    for (key, size) in is.iter() {
        if given.has(key) && given.text(key) != size.to_string() {
            return Err(Error::Usage(format!(
                "--{key} {}: the model in {} has {key} {size}; leave the flag out",
                given.text(key),
                shown(file)
            ))
            .into());
        }
    }
    Ok(layers.above(&is))
}

/// A new run that continues PyTorch's training from its parameters, moments and step.
fn imported(layers: Layers, file: &Path, session: &Session) -> Result<Start> {
    let model = load_model::read(file)?;
    let layers = with_sizes(with_rules(layers)?, &model, file)?;
    let without = |reason: &str| {
        Error::Usage(format!("--resume {}: {reason}; --init starts from its parameters", shown(file)))
    };
    let adam = model.adam.map_err(|reason| without(&reason))?;
    let adam = adam.ok_or_else(|| without("holds a model without an optimizer"))?;
    let settings = layers.above(&Table::of_setting("lr", adam.settings.lr)?).settings()?;
    for difference in differences(&adam.settings) {
        output::note(&format!("{}: {difference}", shown(file)));
    }
    if !session.quiet {
        output::line(&format!("continuing from {} (step {} of Adam)", shown(file), adam.step));
    }
    let scaling = (settings.config.precision == Element::F16).then_some(LossScale::START);
    let state = State { step: adam.step, scaling, ..State::new(settings.config.clone()) };
    let checkpoint = Checkpoint { weights: model.weights, optimizer: adam.state, average: None, state };
    let (run, lock) = claim(&settings.options, &base(&settings.options))?;
    Ok(Start { run, settings, origin: Origin::Imported(Box::new(checkpoint)), lock })
}

/// Settings of a file's optimizer that this program's Adam does not have.
fn differences(theirs: &pth::Settings) -> Vec<String> {
    let mut all = Vec::new();
    let [beta1, beta2] = theirs.betas.unwrap_or([BETA1, BETA2]);
    let eps = theirs.eps.unwrap_or(EPS);
    if [beta1, beta2, eps] != [BETA1, BETA2, EPS] {
        all.push(format!(
            "was trained with betas {beta1} and {beta2}, eps {eps:e}; this training continues with {BETA1}, {BETA2}, \
             {EPS:e}"
        ));
    }
    if theirs.weight_decay.is_some_and(|decay| decay != 0.0) {
        all.push(
            "was trained with L2 weight decay in the gradient; --weight-decay is the decoupled decay of AdamW"
                .to_owned(),
        );
    }
    if theirs.amsgrad {
        all.push("was trained with amsgrad; this training continues without it".to_owned());
    }
    all
}
