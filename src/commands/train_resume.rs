//! `--resume`: which run it means, and from which of its checkpoints it goes on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{self, MODEL, STATE, State};
use wgvae::error::Error;
use wgvae::train::{Healthy, METRICS, RunFolder, SETTINGS};

use super::terminal::shown;
use super::train_changes::fits;
use super::train_start::{Origin, Start, begin, claim, runs, samples, with_rules};
use super::{output, settings};
use crate::cli::TrainSettings;

/// What `--resume` names.
pub(super) enum ResumeFrom {
    /// the run called --name, or the newest one
    Newest,
    /// this run
    Run(PathBuf),
    /// this checkpoint, of this run if it lies in one
    Checkpoint(PathBuf, Option<PathBuf>),
    /// a file of another program
    File(PathBuf),
}

impl ResumeFrom {
    /// # Errors
    /// If there is nothing of that name to go on from.
    pub(super) fn find(given: Option<&Path>, runs: &Path) -> Result<Self> {
        let Some(given) = given else { return Ok(Self::Newest) };
        let by_name = runs.join(given);
        // words that other programs have for it
        let word = ["last", "latest", "auto"].iter().any(|word| given.as_os_str() == *word);
        if word && !given.exists() && !by_name.exists() {
            return Ok(Self::Newest);
        }
        // a run is called as its folder of pictures, which may lie here
        let meant = given.is_file() || given.join(STATE).is_file() || is_run(given);
        let path = if !meant && by_name.exists() { by_name } else { given.to_path_buf() };
        let wrong = |what: &str| {
            let given = shown(given);
            Err(Error::Usage(format!("--resume {given}: {what}")).into())
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parent = path.parent().unwrap_or(Path::new("")).to_path_buf();
        if path.is_file() {
            return Ok(match name.as_str() {
                "best" | "last" => match checkpoint::resolve_pointer(&parent, &name) {
                    Some(folder) => Self::checkpoint(folder),
                    None => Self::File(path),
                },
                SETTINGS => Self::Run(parent),
                _ if parent.join(STATE).is_file() => Self::checkpoint(parent),
                _ => Self::File(path),
            });
        }
        if path.join(STATE).is_file() {
            return Ok(Self::checkpoint(path));
        }
        if is_run(&path) {
            return Ok(Self::Run(path));
        }
        if name == "checkpoints" && is_run(&parent) {
            return Ok(Self::Run(parent));
        }
        if path.is_dir() {
            return wrong("is neither a run nor a checkpoint; the folder of pictures stands before --resume");
        }
        wrong(&format!("there is no such run, checkpoint or file{}", known(runs)))
    }

    fn checkpoint(folder: PathBuf) -> Self {
        // ./checkpoints/epoch_0001 within a run is a checkpoint of `.`
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let run = whole.parent().and_then(Path::parent).filter(|run| is_run(run)).map(Path::to_path_buf);
        Self::Checkpoint(folder, run)
    }
}

/// Whether `folder` can be gone on with, now that it was named.
fn is_run(folder: &Path) -> bool {
    folder.join(SETTINGS).is_file() && folder.join("checkpoints").is_dir()
}

/// The run that `folder` is or lies in.
pub(super) fn run_around(folder: &Path) -> Option<PathBuf> {
    let whole = folder.canonicalize().ok()?;
    whole.ancestors().find(|folder| wgvae::data::is_run(folder)).map(Path::to_path_buf)
}

/// The names of the runs that are there, as the end of a sentence.
fn known(runs: &Path) -> String {
    let entries = std::fs::read_dir(runs).into_iter().flatten().filter_map(std::result::Result::ok);
    let mut names: Vec<String> =
        entries.filter(|e| is_run(&e.path())).map(|e| shown(Path::new(&e.file_name()))).collect();
    names.sort();
    if names.is_empty() { String::new() } else { format!("; {} has {}", shown(runs), names.join(", ")) }
}

/// The run to go on with; its own settings stand below the flags.
pub(super) fn newest(asked: TrainSettings, quiet: bool) -> Result<Start> {
    let runs = runs(&asked);
    let name = asked.name.clone().or_else(|| RunFolder::newest(&runs));
    let name = name.ok_or_else(|| Error::Usage(format!("--resume: no run in {}", shown(&runs))))?;
    let run = RunFolder::open(&runs, &name, &samples(&asked))?;
    if !run.path.join(SETTINGS).exists() {
        let reason = format!("--resume: {} is not a run{}", shown(&run.path), known(&runs));
        return Err(Error::Usage(reason).into());
    }
    own(run, asked, quiet)
}

/// The same, by its folder.
pub(super) fn by_folder(path: &Path, asked: TrainSettings, quiet: bool) -> Result<Start> {
    let whole = path.canonicalize().map_err(Error::io("read", path))?;
    let (Some(runs), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(Error::Usage(format!("--resume {}: is not a run", shown(path))).into());
    };
    let name = name.to_string_lossy().into_owned();
    if let Some(other) = asked.name.as_ref().filter(|other| **other != name) {
        let path = shown(path);
        return Err(Error::Usage(format!("--resume {path} and --name {other}: name one run")).into());
    }
    // its path as it was typed, where that has a folder before the name
    let runs = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty() && path.ends_with(&name))
        .unwrap_or(runs);
    let run = RunFolder::open(runs, &name, &samples(&asked))?;
    own(run, TrainSettings { runs: Some(runs.to_path_buf()), ..asked }, quiet)
}

/// `run` from its newest checkpoint.
fn own(run: RunFolder, asked: TrainSettings, quiet: bool) -> Result<Start> {
    let lock = run.lock()?;
    fixed_preset(&asked, &run)?;
    let asked = settings::merge(Some(&run.path.join(SETTINGS)), asked)?;
    let run = RunFolder { samples: samples(&asked), ..run };
    for folder in run.folders() {
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    }
    let Healthy { newest, passed_over, diverged } = run.healthy()?;
    for reason in &passed_over {
        output::note(&format!("passed over: {reason}"));
    }
    if newest.is_none() && diverged.len() < passed_over.len() {
        // what is broken may be mended: nothing is begun again over it
        let reasons: String = passed_over.iter().map(|reason| format!("\n  {reason}")).collect();
        return Err(Error::model(&run.path, format!("no checkpoint to resume from{reasons}")).into());
    }
    run.set_aside(&diverged)?;
    if !diverged.is_empty() {
        output::note(&format!("moved to {}", shown(&run.path.join("diverged"))));
    }
    let Some((folder, checkpoint)) = newest else {
        if !quiet {
            let why = if diverged.is_empty() {
                "has no checkpoint yet"
            } else {
                "has no checkpoint from before it diverged"
            };
            output::line(&format!("{} {why}: it begins from the start", run.name));
        }
        return begin(run, asked, lock);
    };
    if !quiet {
        let step = checkpoint.state.step;
        output::line(&format!("resuming {} from {} (step {step})", run.name, shown(&folder)));
    }
    let config = settings::training(&asked, asked.data.is_some())?;
    fits(&config, &checkpoint, &folder)?;
    Ok(Start { run, asked, config, origin: Origin::Own(folder, Box::new(checkpoint)), lock })
}

/// A run from one of its checkpoints: the run itself if it is the newest, else a new run, so that nothing of the old one is
/// written over.
pub(super) fn chosen(folder: &Path, run: Option<&Path>, asked: TrainSettings, quiet: bool) -> Result<Start> {
    let checkpoint = checkpoint::load(folder)?;
    let same = |path: &Path| path.canonicalize().ok() == folder.canonicalize().ok();
    if let Some(run) = run {
        let all = checkpoint::list(&run.join("checkpoints"))?.whole;
        let newest = all.last().is_some_and(|(newest, _)| same(newest));
        let other = asked.name.as_ref().is_some_and(|name| !run.ends_with(name));
        if newest && !other {
            return by_folder(run, asked, quiet);
        }
    }
    let below = match run {
        Some(run) => super::config_file::read(&run.join(SETTINGS))?,
        None => settings::of(&checkpoint.state.config),
    };
    let base = run.and_then(Path::file_name).map_or("run".into(), |name| name.to_string_lossy().into_owned());
    let kept = TrainSettings { init: None, ..below };
    let asked = settings::over(asked, kept);
    let asked = if run.is_none() { with_rules(asked) } else { asked };
    let config = settings::training(&asked, asked.data.is_some())?;
    fits(&config, &checkpoint, folder)?;
    let (new, lock) = claim(&asked, &base)?;
    let step = checkpoint.state.step;
    output::note(&format!(
        "going on from {} (step {step}) in a new run, {}; the one it comes from stays as it is",
        shown(folder),
        shown(&new.path)
    ));
    if let Some(run) = run {
        history(run, &new, &checkpoint.state)?;
    }
    Ok(Start {
        run: new,
        asked,
        config,
        origin: Origin::Own(folder.to_path_buf(), Box::new(checkpoint)),
        lock,
    })
}

/// What a new run takes over from the one it comes from: the metrics, and the best checkpoint so far.
fn history(old: &Path, new: &RunFolder, state: &State) -> Result<()> {
    let copy = |from: &Path, to: &Path| std::fs::copy(from, to).map(drop).map_err(Error::io("copy", from));
    let metrics = old.join(METRICS);
    if metrics.is_file() {
        copy(&metrics, &new.path.join(METRICS))?; // later lines are left out when the training begins
    }
    let Some(best) = &state.best else { return Ok(()) };
    let (from, to) = (old.join("checkpoints").join(&best.name), new.checkpoints().join(&best.name));
    if from.join(MODEL).is_file() {
        std::fs::create_dir_all(&to).map_err(Error::io("create", &to))?;
        for name in [MODEL, checkpoint::OPTIMIZER, STATE] {
            copy(&from.join(name), &to.join(name))?;
        }
    }
    Ok(())
}

/// A run keeps its sizes: a preset is refused, where it would say others.
fn fixed_preset(flags: &TrainSettings, run: &RunFolder) -> Result<()> {
    let Some(preset) = flags.preset else { return Ok(()) };
    let own = settings::merge(Some(&run.path.join(SETTINGS)), TrainSettings::default())?;
    let [is, asked] = [own, TrainSettings { preset: Some(preset), ..TrainSettings::default() }]
        .map(|settings| settings::training(&settings, true));
    let (is, asked) = (is?, asked?);
    if (is.model, is.batch_size) == (asked.model, asked.batch_size) {
        return Ok(());
    }
    let reason = format!(
        "--preset {}: {} has its own sizes, --size {} --hidden {} --latent {} --batch-size {}; leave the flag out, or \
         start a new run",
        preset.name(),
        shown(&run.path),
        is.model.size,
        is.model.hidden,
        is.model.latent,
        is.batch_size
    );
    Err(Error::Usage(reason).into())
}
