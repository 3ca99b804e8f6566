//! Where a training begins: anew, from a model's parameters, from PyTorch's training, from a run's checkpoint.

use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{self, Checkpoint, Model, State, pth};
use wgvae::config::{Likelihood, TrainConfig};
use wgvae::data::Rules;
use wgvae::error::Error;
use wgvae::gpu::Element;
use wgvae::model::Weights;
use wgvae::ops::adam::{BETA1, BETA2, EPS};
use wgvae::ops::scaling::Scaling;
use wgvae::train::{Data, Lock, RunFolder};

use super::screen::{Screen, shown};
use super::{output, settings};
use crate::cli::TrainSettings;

/// What a training goes on from.
pub(super) enum Origin {
    /// the initial parameters of the seed
    Seed,
    /// these parameters
    Parameters(Weights),
    /// a checkpoint of another program: parameters, Adam's moments and step
    Imported(Box<Checkpoint>),
    /// a checkpoint of this run
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
    /// held by a run that is there already; a new one is locked when it is made
    pub(super) lock: Option<Lock>,
}

/// What the flags mean: a new run, or with `resume` one that goes on.
pub(super) fn start(asked: TrainSettings, resume: Option<Option<PathBuf>>, quiet: bool) -> Result<Start> {
    match resume {
        None => fresh(asked),
        Some(None) => resumed(asked, quiet),
        Some(Some(file)) => imported(asked, &file, quiet),
    }
}

pub(super) fn runs(asked: &TrainSettings) -> PathBuf {
    asked.runs.clone().unwrap_or_else(|| "runs".into())
}

pub(super) fn samples(asked: &TrainSettings) -> PathBuf {
    asked.samples.clone().unwrap_or_else(|| "samples".into())
}

/// A new run's folder: its name is the data folder's, made free.
fn folder(asked: &TrainSettings) -> Result<RunFolder> {
    let folder = asked.data.as_deref().and_then(|path| path.canonicalize().ok());
    let folder = folder.and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let base = folder.map_or_else(|| "landscapes".into(), |name| name.chars().map(plain).collect::<String>());
    let base = base.trim_start_matches('.').to_owned();
    let base = if base.is_empty() { "run".into() } else { base };
    let name = asked.name.clone().unwrap_or_else(|| RunFolder::free_name(&runs(asked), &base));
    let run = RunFolder::open(&runs(asked), &name, &samples(asked))?;
    run.vacant()?;
    Ok(run)
}

/// A new run begins with the present rules for folders, and keeps to them.
fn with_rules(asked: TrainSettings) -> TrainSettings {
    TrainSettings {
        folder_rules: asked.folder_rules.or(asked.data.as_ref().map(|_| Rules::default())),
        ..asked
    }
}

fn fresh(asked: TrainSettings) -> Result<Start> {
    let run = folder(&asked)?;
    let asked = with_rules(asked);
    begin(run, asked, None)
}

/// A run that has no checkpoint yet: from --init, or from the seed.
fn begin(run: RunFolder, asked: TrainSettings, lock: Option<Lock>) -> Result<Start> {
    let Some(file) = asked.init.clone() else {
        let config = settings::training(&asked, asked.data.is_some())?;
        return Ok(Start { run, asked, config, origin: Origin::Seed, lock });
    };
    let model = checkpoint::open(&file)?;
    let asked = likely(sized(asked, &model, &file)?, model.likelihood);
    let config = settings::training(&asked, asked.data.is_some())?;
    Ok(Start { run, asked, config, origin: Origin::Parameters(model.weights), lock })
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
    if let Some(init) = &asked.init {
        let (init, file) = (shown(init), shown(file));
        return Err(Error::Usage(format!("--init {init} and --resume={file}: give one of them")).into());
    }
    let run = folder(&asked)?;
    let model = checkpoint::open(file)?;
    let asked = sized(with_rules(asked), &model, file)?;
    let Some(adam) = model.adam else {
        return Err(Error::Usage(format!(
            "--resume={}: holds a model without an optimizer; --init starts from its parameters",
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
    let scaling = (config.precision == Element::F16).then_some(Scaling::START);
    let state = State { step: adam.step, scaling, ..State::new(config.clone()) };
    let checkpoint = Checkpoint { weights: model.weights, moments: adam.moments, average: None, state };
    Ok(Start { run, asked, config, origin: Origin::Imported(Box::new(checkpoint)), lock: None })
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

/// The run to go on with; its own settings stand below the flags.
fn resumed(asked: TrainSettings, quiet: bool) -> Result<Start> {
    let runs = runs(&asked);
    let name = asked.name.clone().or_else(|| RunFolder::newest(&runs));
    let name = name.ok_or_else(|| Error::Usage(format!("--resume: no run in {}", shown(&runs))))?;
    let run = RunFolder::open(&runs, &name, &samples(&asked))?;
    let path = run.path.join("config.toml");
    if !path.exists() {
        return Err(Error::Usage(format!("--resume: {} is not a run", shown(&run.path))).into());
    }
    let lock = Some(run.lock()?);
    let asked = settings::merge(Some(&path), asked)?;
    let run = RunFolder { samples: samples(&asked), ..run };
    if run.vacant().is_ok() {
        if !quiet {
            output::line(&format!("{name} has no checkpoint yet: it begins from the start"));
        }
        return begin(run, asked, lock);
    }
    let (folder, checkpoint, broken) = run.newest_checkpoint()?;
    for error in broken {
        output::note(&format!("passed over: {error}"));
    }
    if !quiet {
        let step = checkpoint.state.step;
        output::line(&format!("resuming {name} from {} (step {step})", shown(&folder)));
    }
    let config = settings::training(&asked, asked.data.is_some())?;
    fits(&config, &checkpoint, &folder)?;
    Ok(Start { run, asked, config, origin: Origin::Own(folder, Box::new(checkpoint)), lock })
}

/// A checkpoint can only be gone on with under the settings that decide what a step is.
fn fits(config: &TrainConfig, checkpoint: &Checkpoint, folder: &Path) -> Result<()> {
    let was = &checkpoint.state.config;
    let same = was.model == config.model && was.batch_size == config.batch_size && was.seed == config.seed;
    let same = same && was.resize == config.resize && was.precision == config.precision;
    if same && was.objective.likelihood == config.objective.likelihood {
        return Ok(());
    }
    let text = |c: &TrainConfig| {
        let m = c.model;
        let (size, hidden, latent, batch) = (m.size, m.hidden, m.latent, c.batch_size);
        format!(
            "--size {size} --hidden {hidden} --latent {latent} --batch-size {batch} --seed {} --resize {} \
             --precision {} --loss {} --sigma {}",
            c.seed,
            c.resize,
            c.precision.name(),
            c.objective.likelihood.kind.name(),
            c.objective.likelihood.sigma
        )
    };
    let reason = format!("was made with {}\nand cannot go on with {}", text(was), text(config));
    Err(Error::model(folder, reason).into())
}

/// In the middle of an epoch the order of its pictures must stay; at its end others may come in.
pub(super) fn same_data(screen: &Screen, data: &Data, checkpoint: &Checkpoint, folder: &Path) -> Result<()> {
    let same = same_pictures(data, &checkpoint.state, folder);
    if same.is_err() && checkpoint.state.cursor == 0 {
        screen
            .say("the training pictures are not those that the run began with; it goes on with the new ones");
        return Ok(());
    }
    same
}

/// An error if the training pictures are not those of `state`.
pub(super) fn same_pictures(data: &Data, state: &State, folder: &Path) -> Result<()> {
    if state.data == format!("{:016x}", data.train.fingerprint()) {
        return Ok(());
    }
    let reason =
        "was written with other training pictures than are there now; put those back, or start a new run";
    Err(Error::model(folder, reason).into())
}
