//! A training's process after the first: it does what rank 0 does with the GPU, and leaves files and messages to it.

use std::path::Path;

use anyhow::Result;
use wgvae::checkpoint::State;
use wgvae::config::Table;
use wgvae::data::Skipped;
use wgvae::gpu::Adapter;
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::ops::Tuning;
use wgvae::train::{EpochMetrics, Observer, StepMetrics, TrainOptions, TrainOutcome, Trainer};
use wgvae::tune::file::TuningFile;

use super::data::{pictures, resident};
use super::peers::{Begin, Orders, Peers};
use super::session::{Ended, Session};
use super::settings::{Layers, PER_PROCESS, Settings};
use crate::cli::TuningArgs;
use crate::commands::terminal::Screen;
use crate::commands::{output, tune};

/// Trains as rank 0 does. Every call of `peers` has its counterpart there.
pub(super) fn train(session: &Session, peers: &Peers, layers: &Layers, flags: &TuningArgs) -> Result<Ended> {
    peers.together(Ok(()))?;
    let Some(orders) = peers.hear::<Option<Orders>>()? else { return Ok(Ended::Finished) };
    let settings = peers.together(own_settings(&orders, layers))?;
    let build = settings.model_options();
    let Settings { config, options } = settings;
    let adapter = peers.adapter(&options)?;
    let ranks = peers.rank_options(&options);
    let build = peers.together(ranks.share(build, &adapter.capabilities()).map_err(Into::into))?;
    peers.together(Ok(()))?;
    let screen = Screen::new(true, config.epochs);
    let data = peers.pictures(|| pictures(&screen, &options, &config, true))?;
    // rank 0 looks at its settings, and ahead
    peers.together(Ok(()))?;
    peers.together(Ok(()))?;
    if session.dry_run {
        peers.hear::<Option<Begin>>()?;
        return Ok(Ended::Finished);
    }
    peers.together(Ok(()))?;
    let Begin { state, tuning } = peers.hear::<Option<Begin>>()?.unwrap_or_default();
    let build = ModelOptions { resident: resident(&options, &config, &adapter, data.train.len()), ..build };
    // rank 0 says what to know
    session.requested.of_several(|| {});
    session.requested.catch()?;
    let kept = tuning.get(peers.rank()).cloned().flatten();
    let tuning = kernels(&adapter, &build, flags, kept.as_deref())?;
    // the parameters come from rank 0
    let vae = Vae::empty(Device::Tuned(&adapter, &tuning), build)?;
    peers.collect(&TuningFile::new(&adapter, tuning.used()).to_text()?)?;
    let state = state.map(|text| serde_json::from_str::<State>(&text)).transpose()?;
    let begin = TrainOptions {
        every: options.checkpoint_every,
        limits: super::attempts::limits(&options, session),
        save: session.requested.save.clone(),
        ranks: Some(ranks),
        state,
        ..config.into()
    };
    let run = orders.run();
    let mut trainer = Trainer::new(vae, data, run, begin, session.requested.stop.clone())?;
    let mut skipped = SkippedOnly { name: peers.own_name() };
    Ok(match trainer.train(&mut skipped)? {
        TrainOutcome::Finished | TrainOutcome::Early(_) => Ended::Finished,
        TrainOutcome::Stopped(_) => Ended::Stopped,
        TrainOutcome::Limited(limit, _) => Ended::Limited(limit),
    })
}

/// The run's settings, with this process's own where they may differ.
fn own_settings(orders: &Orders, layers: &Layers) -> Result<Settings> {
    let below: Table = toml::from_str(&orders.settings)?;
    let given = layers.given.only(|key| PER_PROCESS.contains(&key));
    Layers { given, ..Layers::default() }.above(&below).settings()
}

/// Kernel configurations: those that the run has kept for this rank, else this adapter's.
fn kernels(
    adapter: &Adapter,
    build: &ModelOptions,
    flags: &TuningArgs,
    kept: Option<&str>,
) -> Result<Tuning> {
    if let (Some(text), None, false) = (kept, &flags.tuning, flags.no_tune)
        && let Ok(file) = TuningFile::of_text(text, Path::new("tuning of this rank"))
        && file.is_for(adapter)
    {
        return Ok(Tuning::with(&adapter.capabilities(), file.configs));
    }
    tune::choose(adapter, build, flags, true)
}

/// Names the pictures that this process could not read, which rank 0 does not know of.
struct SkippedOnly {
    name: String,
}

impl Observer for SkippedOnly {
    fn epoch_begins(&mut self, _: u32, _: u64, _: u64) {}

    fn step(&mut self, _: &StepMetrics) {}

    fn epoch_ends(&mut self, _: &EpochMetrics, _: &[std::path::PathBuf]) {}

    fn skipped(&mut self, problem: &Skipped) {
        output::note(&format!("{}: skipped: {problem}", self.name));
    }
}
