//! `--resume`: the run that it names, and the checkpoint to continue from.

use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{self, MODEL, STATE, State};
use wgvae::config::{Preset, Table, TrainConfig};
use wgvae::error::Error;
use wgvae::train::{Healthy, METRICS, RunFolder, SETTINGS};

use super::changes::fits;
use super::session::Session;
use super::settings::{Layers, file};
use super::start::{Origin, Start, begin, claim, with_rules};
use crate::commands::output;
use crate::commands::terminal::shown;

/// A value of `--resume`.
pub(super) enum ResumeFrom {
    /// the run called --name, or the newest one
    Newest,
    /// the run in this folder
    Run(PathBuf),
    /// a checkpoint, and the run that it is in, if any
    Checkpoint(PathBuf, Option<PathBuf>),
    /// a file of another program
    File(PathBuf),
}

impl ResumeFrom {
    /// # Errors
    /// If there is no run, checkpoint or file of that name.
    pub(super) fn find(given: Option<&Path>, runs: &Path) -> Result<Self> {
        let Some(given) = given else { return Ok(Self::Newest) };
        let by_name = runs.join(given);
        // words of other programs for the newest run
        let word = ["last", "latest", "auto"].iter().any(|word| given.as_os_str() == *word);
        if word && !given.exists() && !by_name.exists() {
            return Ok(Self::Newest);
        }
        // a run has the name of its folder of pictures, which may be in the working folder
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
            return wrong("is neither a run nor a checkpoint; give the folder of pictures before --resume");
        }
        // as any other missing file: the flag itself is right
        let reason = format!("there is no such run, checkpoint or file{}", known_runs(runs));
        Err(Error::model(path, reason).into())
    }

    fn checkpoint(folder: PathBuf) -> Self {
        // ./checkpoints/epoch_0001 within a run is a checkpoint of `.`
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let run = whole.parent().and_then(Path::parent).filter(|run| is_run(run)).map(Path::to_path_buf);
        Self::Checkpoint(folder, run)
    }
}

/// Whether `folder` is a run that can be resumed.
fn is_run(folder: &Path) -> bool {
    folder.join(SETTINGS).is_file() && folder.join("checkpoints").is_dir()
}

/// The run that `folder` is, or is in.
pub(super) fn run_around(folder: &Path) -> Option<PathBuf> {
    let whole = folder.canonicalize().ok()?;
    whole.ancestors().find(|folder| wgvae::data::is_run(folder)).map(Path::to_path_buf)
}

/// The names of all runs in `runs`, as the end of a sentence.
fn known_runs(runs: &Path) -> String {
    let entries = std::fs::read_dir(runs).into_iter().flatten().filter_map(std::result::Result::ok);
    let mut names: Vec<String> =
        entries.filter(|e| is_run(&e.path())).map(|e| shown(Path::new(&e.file_name()))).collect();
    names.sort();
    if names.is_empty() { String::new() } else { format!("; {} has {}", shown(runs), names.join(", ")) }
}

/// The run of --name, or the newest one, from its newest checkpoint.
pub(super) fn newest(layers: Layers, session: &Session) -> Result<Start> {
    let options = layers.options()?;
    let runs = &options.runs;
    let name = options.name.or_else(|| RunFolder::newest(runs));
    let name = name.ok_or_else(|| Error::Usage(format!("--resume: no run in {}", shown(runs))))?;
    let run = RunFolder::open(runs, &name, &options.samples)?;
    if !run.path.join(SETTINGS).exists() {
        let reason = format!("--resume: {} is not a run{}", shown(&run.path), known_runs(runs));
        return Err(Error::Usage(reason).into());
    }
    own(run, layers, session)
}

/// The run in the folder `path`, from its newest checkpoint.
pub(super) fn by_folder(path: &Path, layers: Layers, session: &Session) -> Result<Start> {
    let options = layers.options()?;
    let whole = path.canonicalize().map_err(Error::io("read", path))?;
    let (Some(runs), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(Error::Usage(format!("--resume {}: is not a run", shown(path))).into());
    };
    let name = name.to_string_lossy().into_owned();
    if let Some(other) = options.name.as_ref().filter(|other| **other != name) {
        let path = shown(path);
        return Err(Error::Usage(format!("--resume {path} and --name {other}: name one run")).into());
    }
    // as it was typed, if that has a folder before the name
    let runs = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty() && path.ends_with(&name))
        .unwrap_or(runs);
    own(RunFolder::open(runs, &name, &options.samples)?, layers, session)
}

/// `run` from its newest checkpoint, with its own settings below the flags.
fn own(run: RunFolder, layers: Layers, session: &Session) -> Result<Start> {
    let lock = run.lock()?;
    let kept = file::of_run(&run.path.join(SETTINGS))?;
    fixed_preset(&layers, &kept, &run)?;
    let layers = layers.above(&kept);
    let run = RunFolder { samples: layers.options()?.samples, ..run };
    for folder in run.folders().iter().filter(|_| !session.dry_run) {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let Healthy { newest, passed_over, diverged } = run.healthy()?;
    for reason in &passed_over {
        output::note(&format!("passed over: {reason}"));
    }
    if newest.is_none() && diverged.len() < passed_over.len() {
        // a damaged checkpoint may be restored by the user: nothing is started over it
        let reasons: String = passed_over.iter().map(|reason| format!("\n  {reason}")).collect();
        return Err(Error::model(&run.path, format!("no checkpoint to resume from{reasons}")).into());
    }
    if !diverged.is_empty() && !session.dry_run {
        run.set_aside(&diverged)?;
        output::note(&format!("moved to {}", shown(&run.path.join("diverged"))));
    }
    let Some((folder, checkpoint)) = newest else {
        if !session.quiet {
            let why = if diverged.is_empty() {
                "has no checkpoint yet"
            } else {
                "has no checkpoint from before it diverged"
            };
            output::line(&format!("{} {why}: it starts from the first step", run.name));
        }
        return begin(run, layers, lock);
    };
    if !session.quiet {
        let step = checkpoint.state.step;
        output::line(&format!("resuming {} from {} (step {step})", run.name, shown(&folder)));
    }
    let settings = layers.settings()?;
    fits(&settings.config, &checkpoint, &folder)?;
    Ok(Start { run, settings, origin: Origin::Own(folder, Box::new(checkpoint)), lock })
}

/// The checkpoint in `folder`. If it is the newest one of its run, the run continues; else a new run continues from it, and
/// nothing of the old run is overwritten.
pub(super) fn chosen(folder: &Path, run: Option<&Path>, layers: Layers, session: &Session) -> Result<Start> {
    let checkpoint = checkpoint::load(folder)?;
    let same = |path: &Path| path.canonicalize().ok() == folder.canonicalize().ok();
    if let Some(run) = run {
        let all = checkpoint::list(&run.join("checkpoints"))?.whole;
        let newest = all.last().is_some_and(|(newest, _)| same(newest));
        let other = layers.options()?.name.is_some_and(|name| !run.ends_with(name));
        if newest && !other {
            return by_folder(run, layers, session);
        }
    }
    let below = match run {
        Some(run) => file::of_run(&run.join(SETTINGS))?.only(|key| key != "init"),
        None => checkpoint.state.config.table()?,
    };
    let base = run.and_then(Path::file_name).map_or("run".into(), |name| name.to_string_lossy().into_owned());
    let layers = layers.above(&below);
    let layers = if run.is_none() { with_rules(layers)? } else { layers };
    let settings = layers.settings()?;
    fits(&settings.config, &checkpoint, folder)?;
    let (new, lock) = claim(&settings.options, &base)?;
    let step = checkpoint.state.step;
    output::note(&format!(
        "continuing from {} (step {step}) in a new run, {}; the old run does not change",
        shown(folder),
        shown(&new.path)
    ));
    if let (Some(run), false) = (run, session.dry_run) {
        copy_history(run, &new, &checkpoint.state)?;
    }
    Ok(Start { run: new, settings, origin: Origin::Own(folder.to_path_buf(), Box::new(checkpoint)), lock })
}

/// Copies the metrics and the best checkpoint so far into the new run.
fn copy_history(old: &Path, new: &RunFolder, state: &State) -> Result<()> {
    let copy = |from: &Path, to: &Path| std::fs::copy(from, to).map(drop).map_err(Error::io("copy", from));
    let metrics = old.join(METRICS);
    if metrics.is_file() {
        copy(&metrics, &new.path.join(METRICS))?; // the training drops the lines of later steps
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

/// Refuses a preset whose sizes are not those of the run.
fn fixed_preset(layers: &Layers, kept: &Table, run: &RunFolder) -> Result<()> {
    let Some(preset) = layers.given.get::<Preset>("preset")? else { return Ok(()) };
    let own = TrainConfig::read(&Table::default(), kept, Preset::Reference)?;
    let asked = preset.table(own.model.architecture)?.only(|key| key != "epochs");
    let own = own.table()?;
    if asked.differences(&own) == Table::default() {
        return Ok(());
    }
    let reason = format!(
        "--preset {preset}: {} has its own sizes, {}; leave the flag out, or start a new run",
        shown(&run.path),
        own.only(|key| asked.has(key)).flags()
    );
    Err(Error::Usage(reason).into())
}
