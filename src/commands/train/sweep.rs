//! `--sweep`: the same training once for each value of a setting, one run after the other.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::State;
use wgvae::config::Table;
use wgvae::error::Error;
use wgvae::train::{Limit, SETTINGS};

use super::session::{Ended, Session};
use super::settings::{Layers, file};
use super::start::{base, plain};
use crate::cli::{ResumeArgs, TrainArgs};
use crate::commands::output;
use crate::commands::runs::{RunState, Summary, shorten};
use crate::commands::terminal::shown;

/// Settings that decide where a run is, and not what it computes.
const FIXED: [&str; 4] = ["data", "name", "runs", "samples"];
/// Runs of a sweep, at most.
const MAX_RUNS: usize = 1000;
/// Settings of which losses depend, so that those of different values are not comparable.
const MEASURES: [&str; 7] = ["beta", "capacity", "beta-schedule", "loss", "sigma", "size", "colour"];

/// A run of a sweep.
struct Member {
    name: String,
    /// the settings that differ from run to run
    own: Table,
    layers: Layers,
}

pub(super) fn run(session: &Session, layers: &Layers, args: &TrainArgs) -> Result<ExitCode> {
    let options = layers.options()?;
    let name = options.name.clone().unwrap_or_else(|| base(&options));
    let members = members(layers, &name, &args.sweep)?;
    for member in &members {
        member.layers.settings()?;
        member.ensure_same(&options.runs)?;
    }
    let say = |line: &str| {
        if !session.quiet {
            output::line(line);
        }
    };
    let mut end = Ended::Finished;
    let mut failed = None;
    for (number, member) in (1..).zip(&members) {
        let title = format!("run {number} of {}: {} ({})", members.len(), member.name, member.own.flags());
        let Some(resume) = member.resume(&options.runs)? else {
            say(&format!("{title} has ended"));
            continue;
        };
        say(&title);
        match super::train(session, member.layers.clone(), (&resume, &args.tuning)) {
            Ok(ended @ (Ended::Stopped | Ended::Limited(Limit::Time))) => {
                end = ended;
                break;
            }
            Ok(Ended::Finished | Ended::Limited(Limit::Steps)) => {}
            Ok(ended @ Ended::Failed(_)) => return Ok(ended.code()),
            // other values may do better
            Err(error) if matches!(error.downcast_ref(), Some(Error::Diverged(_))) => {
                output::note(&format!("{}: {error:#}", member.name));
                failed = Some(Ended::Failed(1));
            }
            Err(error) => return Err(error),
        }
        if session.requested.stops() {
            end = Ended::Stopped;
            break;
        }
    }
    if !session.dry_run {
        table(&options.runs, &members).iter().for_each(|line| say(line));
    }
    if end != Ended::Finished {
        say("the sweep has not ended: the same command continues it");
    }
    Ok(failed.filter(|_| end == Ended::Finished).unwrap_or(end).code())
}

/// All combinations of the values, the last setting varying first.
fn members(layers: &Layers, name: &str, sweeps: &[String]) -> Result<Vec<Member>> {
    let usage = |reason: String| Error::Usage(format!("--sweep {reason}"));
    let mut all = vec![(name.to_owned(), Table::default())];
    let mut seen = Vec::new();
    for sweep in sweeps {
        let Some((key, values)) = sweep.split_once('=') else {
            return Err(usage(format!("{sweep}: must be KEY=VALUE,VALUE, such as beta=0.05,0.2")).into());
        };
        let key = key.trim().trim_start_matches("--");
        if FIXED.contains(&key) {
            return Err(usage(format!("{key}: is not a setting of the training itself")).into());
        }
        if seen.contains(&key) || layers.given.has(key) {
            return Err(usage(format!("{key}: is given more than once")).into());
        }
        seen.push(key);
        let values: Vec<&str> = values.split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
        if values.is_empty() {
            return Err(usage(format!("{sweep}: has no values")).into());
        }
        let mut next = Vec::new();
        for (name, table) in &all {
            for value in &values {
                let own = file::setting(key, value).map_err(|error| usage(error.to_string()))?;
                next.push((format!("{name}-{key}-{}", plain(value)), own.over(table)));
            }
        }
        if next.len() > MAX_RUNS {
            return Err(usage(format!("{key}: more than {MAX_RUNS} runs")).into());
        }
        all = next;
    }
    all.into_iter()
        .map(|(name, own)| {
            let given = own.over(&Table::of_setting("name", &name)?).over(&layers.given);
            Ok(Member { name, own, layers: Layers { given, ..layers.clone() } })
        })
        .collect()
}

impl Member {
    fn folder(&self, runs: &Path) -> std::path::PathBuf {
        runs.join(&self.name)
    }

    /// Refuses a run of this name that was trained with other settings.
    fn ensure_same(&self, runs: &Path) -> Result<()> {
        let folder = self.folder(runs);
        if !folder.join(SETTINGS).is_file() {
            return Ok(());
        }
        let whole = |layers: Layers| -> Result<Table> { Ok(layers.settings()?.config.table()?) };
        let below = file::of_run(&folder.join(SETTINGS))?;
        let was = whole(Layers { given: Table::default(), below })?;
        let is = whole(self.layers.clone())?.only(|key| {
            // a longer sweep continues its runs
            self.layers.given.has(key) && was.has(key) && key != "epochs"
        });
        let other = is.differences(&was);
        if other == Table::default() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{} was trained with {}, and not with {}; choose another --name for the sweep",
            shown(&folder),
            was.only(|key| other.has(key)).flags(),
            other.flags()
        ))
        .into())
    }

    /// The flags with which the run starts or continues; nothing if it has ended.
    fn resume(&self, runs: &Path) -> Result<Option<ResumeArgs>> {
        let folder = self.folder(runs);
        let fresh = ResumeArgs { resume: None, new_data: false, reschedule: false };
        if !folder.join(SETTINGS).is_file() {
            return Ok(Some(fresh));
        }
        let layers = self.layers.clone().above(&file::of_run(&folder.join(SETTINGS))?);
        let summary = Summary::read(&folder);
        let finished = |state: &State| {
            layers.settings().is_ok_and(|settings| super::finished_reason(state, &settings).is_some())
        };
        // with its settings it would diverge again
        let ended = summary.state == RunState::Diverged || summary.progress().is_some_and(finished);
        Ok((!ended).then_some(ResumeArgs { resume: Some(None), ..fresh }))
    }
}

/// The losses of all runs that there are.
fn table(runs: &Path, members: &[Member]) -> Vec<String> {
    let all: Vec<(&Member, Summary)> = members
        .iter()
        .filter(|member| member.folder(runs).join(SETTINGS).is_file())
        .map(|member| (member, Summary::read(&member.folder(runs))))
        .collect();
    if all.is_empty() {
        return Vec::new();
    }
    let width = all.iter().map(|(member, _)| member.name.chars().count()).max().unwrap_or(0).clamp(4, 36);
    let head =
        format!("{:width$} {:>6} {:>10} {:>10} {:>9}  state", "run", "epochs", "best loss", "NLL", "KL");
    let figure = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let line = |(member, summary): &(&Member, Summary)| {
        let best = summary.best_epoch();
        let of = |key: &str| best.as_ref().and_then(|line| line[key].as_f64());
        let loss = summary.best().map(|best| best.loss).or_else(|| of("train_loss"));
        let nll = of("validation_nll").or_else(|| of("train_nll"));
        let kl = of("validation_kl").or_else(|| of("train_kl"));
        let (name, done) = (shorten(&member.name, width), summary.epochs_done());
        let (loss, nll, kl) = (figure(loss, 1), figure(nll, 1), figure(kl, 2));
        format!("{name:width$} {done:>6} {loss:>10} {nll:>10} {kl:>9}  {}", summary.state)
    };
    let mut lines = vec![String::new(), head];
    lines.extend(all.iter().map(line));
    let differ = |key: &&&str| members.iter().any(|member| member.own.has(key));
    if let Some(key) = MEASURES.iter().find(differ) {
        lines.push(format!("losses of different --{key} are different measures: compare NLL and KL"));
    }
    lines
}
