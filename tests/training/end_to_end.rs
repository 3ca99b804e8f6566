//! End-to-end tests of whole runs: exact resume, non-finite losses, lost devices, vanishing photographs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wgvae::checkpoint;
use wgvae::config::{
    Augmentation, BetaSchedule, Likelihood, LossKind, LrSchedule, ModelConfig, Objective, Optimizer, Sigma,
    TrainConfig,
};
use wgvae::data::{self, Dataset, Resize, Skipped, Source};
use wgvae::error::Error;
use wgvae::gpu::{Adapter, Element};
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::train::{
    self, EpochMetrics, Observer, RunFolder, Splits, StepMetrics, TrainOptions, TrainOutcome, Trainer,
};

use crate::common;

const SMALL: ModelConfig = ModelConfig::reference(32, 8, 12);

/// Counts steps, and stops the training at one of them.
struct Watcher {
    stop: Arc<AtomicBool>,
    at: u64,
    epochs: Vec<EpochMetrics>,
}

impl Observer for Watcher {
    fn epoch_begins(&mut self, _: u32, _: u64, _: u64) {}
    fn step(&mut self, m: &StepMetrics) {
        if m.step == self.at {
            self.stop.store(true, Ordering::SeqCst);
        }
    }
    fn epoch_ends(&mut self, m: &EpochMetrics, _: &[std::path::PathBuf]) {
        self.epochs.push(m.clone());
    }
    fn skipped(&mut self, problem: &Skipped) {
        panic!("{problem}");
    }
}

fn config(lr: f64) -> TrainConfig {
    let (resize, precision) = (Resize::Stretch, Element::F32);
    let (model, batch_size) = (SMALL, 8);
    TrainConfig { model, batch_size, epochs: 3, lr, seed: 1, resize, precision, ..TrainConfig::default() }
}

/// All terms, schedules and augmentations.
fn everything() -> TrainConfig {
    let objective = Objective {
        likelihood: Likelihood { kind: LossKind::ContinuousBernoulli, sigma: Sigma::Fixed(0.1) },
        beta_schedule: BetaSchedule::Cyclical,
        free_bits: 0.01,
        mmd: 10.0,
        ..Objective::default()
    };
    let optimizer = Optimizer {
        lr_schedule: LrSchedule::Cosine,
        warmup: 3,
        clip_norm: Some(10.0),
        weight_decay: 0.1,
        ema: Some(0.9),
        patience: Some(3),
    };
    let augmentation = Augmentation { flip: true, crop: 0.2, jitter: 0.2 };
    TrainConfig { objective, optimizer, augmentation, ..config(1e-3) }
}

fn pictures(first: u64, count: usize) -> Arc<Dataset> {
    let source = Source::Synthetic { seed: 2, first, count };
    Arc::new(Dataset::prepare(source, SMALL.size, 1 << 30, &|_, _| ()).expect("pictures"))
}

/// Runs or continues the run `name`, stopping after step `at`.
fn run(
    adapter: &Adapter,
    folder: &Path,
    at: u64,
    lr: f64,
) -> Result<(TrainOutcome, Vec<EpochMetrics>), Error> {
    run_with(adapter, folder, at, &config(lr))
}

fn run_with(
    adapter: &Adapter,
    folder: &Path,
    at: u64,
    config: &TrainConfig,
) -> Result<(TrainOutcome, Vec<EpochMetrics>), Error> {
    let run = RunFolder::open(folder, "r", &folder.join("samples"))?;
    let _lock = if run.path.exists() { run.lock()? } else { run.create()? };
    let checkpoint = run.newest_checkpoint().ok().map(|(_, checkpoint)| checkpoint);
    let vae = Vae::new(Device::Gpu(adapter), ModelOptions::of(config), 1)?;
    let data = Splits { train: pictures(0, 30), validation: Some(pictures(1000, 5)), classes: Vec::new() };
    let stop = Arc::new(AtomicBool::new(false));
    let mut watcher = Watcher { stop: stop.clone(), at, epochs: Vec::new() };
    let mut trainer =
        Trainer::new(vae, data, run, TrainOptions { checkpoint, ..config.clone().into() }, stop)?;
    let end = trainer.train(&mut watcher)?;
    Ok((end, watcher.epochs))
}

fn read(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join("r/checkpoints/epoch_0003").join(file)).expect(file)
}

/// In the middle of an epoch, and in its last step, where two checkpoints have equal step numbers.
#[test]
fn a_stopped_run_goes_on_bit_for_bit() {
    let Some(adapter) = common::adapter() else { return };
    for at in [6, 8] {
        stop_and_go_on(&adapter, at, &config(1e-3));
        stop_and_go_on(&adapter, at, &everything());
    }
    if common::has_f16(&adapter) {
        stop_and_go_on(&adapter, 6, &TrainConfig { precision: Element::F16, ..config(1e-3) });
    }
}

fn stop_and_go_on(adapter: &Adapter, at: u64, config: &TrainConfig) {
    let [straight, stopped] = [0, 1].map(|_| tempfile::tempdir().expect("folder"));
    let (end, epochs) = run_with(adapter, straight.path(), 0, config).expect("straight");
    assert_eq!((end, epochs.len()), (TrainOutcome::Finished, 3));
    let (end, before) = run_with(adapter, stopped.path(), at, config).expect("stopped");
    assert!(matches!(end, TrainOutcome::Stopped(_)), "{end:?}");
    let (end, after) = run_with(adapter, stopped.path(), 0, config).expect("resumed");
    assert_eq!((end, before.len() + after.len()), (TrainOutcome::Finished, 3));
    for file in [checkpoint::MODEL, checkpoint::OPTIMIZER] {
        assert!(read(straight.path(), file) == read(stopped.path(), file), "{file} differs");
    }
    let losses = |folder: &Path| -> Vec<(String, u64, f64)> {
        let text = std::fs::read_to_string(folder.join("r/metrics.jsonl")).expect("metrics");
        let value = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("json") };
        let loss =
            |v: &serde_json::Value| v["loss"].as_f64().or(v["validation_loss"].as_f64()).expect("loss");
        let one = |v: serde_json::Value| (v["kind"].to_string(), v["step"].as_u64().expect("step"), loss(&v));
        let is_figure = |v: &serde_json::Value| v["kind"] == "step" || v["kind"] == "epoch";
        text.lines().map(value).filter(is_figure).map(one).collect()
    };
    let state =
        checkpoint::State::read(&stopped.path().join("r/checkpoints/epoch_0003/state.json")).expect("state");
    assert_eq!((state.step, state.epoch, state.step_in_epoch), (12, 4, 0));
    let kept = state.scaling.map(|scaling| scaling.growth_tracker);
    assert_eq!(kept, (config.precision == Element::F16).then_some(12), "steps since the factor last changed");
    // 12 steps and 3 epochs, none repeated, none missing
    assert_eq!(losses(straight.path()).len(), 15);
    assert_eq!(losses(straight.path()), losses(stopped.path()));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let error = run(&adapter, folder.path(), 0, 1e20).expect_err("the loss overflows");
    let text = error.to_string();
    assert!(matches!(error, Error::Diverged(_)), "{error:?}");
    for part in ["the loss of step", "--lr", "number that is not finite: encoder.0.weight"] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

/// A divergence in the last update of an epoch is only visible in validation: such weights must not become a
/// checkpoint.
#[test]
fn weights_that_validate_to_no_number_are_not_kept() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("folder");
    run(&adapter, folder.path(), 0, 1e20).expect_err("the loss overflows");
    let checkpoints = folder.path().join("r/checkpoints");
    assert_eq!(std::fs::read_dir(checkpoints).expect("read").count(), 0, "a checkpoint of a diverged run");
    run(&adapter, folder.path(), 0, 1e-3).expect("a run without a checkpoint can be begun again");
}

/// A lost device ends the attempt with a device error; the next one resumes from the checkpoint with the same
/// micro-batch, because memory was not the cause.
#[test]
fn a_lost_device_is_tried_once_more() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("folder");
    run(&adapter, folder.path(), 6, 1e-3).expect("stopped after step 6");
    let begin = config(1e-3);
    let mut attempts = Vec::new();
    let end = train::retry(
        (8, train::FAILURES),
        || 0,
        |attempt| {
            let folder = RunFolder::open(folder.path(), "r", &folder.path().join("samples"))?;
            let (_, checkpoint) = folder.newest_checkpoint()?;
            let build = ModelOptions { micro: Some(attempt.micro), ..ModelOptions::training(SMALL, 8) };
            let mut vae = Vae::empty(Device::Gpu(&adapter), build)?;
            let data =
                Splits { train: pictures(0, 30), validation: Some(pictures(1000, 5)), classes: Vec::new() };
            let stop = Arc::new(AtomicBool::new(false));
            let mut watcher = Watcher { stop: stop.clone(), at: 0, epochs: Vec::new() };
            if attempt.failure.is_none() {
                vae.lose_device();
            }
            attempts.push(attempt);
            let begin = TrainOptions { checkpoint: Some(checkpoint), ..begin.clone().into() };
            let mut trainer = Trainer::new(vae, data, folder, begin, stop)?;
            trainer.train(&mut watcher).map(|end| (end, trainer.state().step))
        },
    );
    assert_eq!(end.expect("the second attempt"), (TrainOutcome::Finished, 12));
    println!("{attempts:?}");
    assert_eq!(
        attempts.iter().map(|a| (a.micro, a.failure.is_some())).collect::<Vec<_>>(),
        [(8, false), (8, true)]
    );
    let mut calls = 0;
    let error = train::retry(
        (3, train::FAILURES),
        || 0,
        |_| -> Result<(), Error> {
            calls += 1;
            Err(Error::Device("gone".into()))
        },
    );
    assert!(matches!(error, Err(Error::Device(_))) && calls == 2, "one retry, not more: {calls}");
    let error =
        train::retry((3, train::FAILURES), || 0, |_| -> Result<(), Error> { Err(Error::Usage("no".into())) });
    assert!(matches!(error, Err(Error::Usage(_))));
}

/// After the first epoch one photograph is missing and one is damaged: both are named, the others are trained on.
struct Vandal {
    folder: std::path::PathBuf,
    skipped: Vec<String>,
    steps: u64,
}

impl Observer for Vandal {
    fn epoch_begins(&mut self, _: u32, _: u64, _: u64) {}
    fn step(&mut self, _: &StepMetrics) {
        self.steps += 1;
    }
    fn epoch_ends(&mut self, metrics: &EpochMetrics, _: &[std::path::PathBuf]) {
        if metrics.epoch == 1 {
            std::fs::remove_file(self.folder.join("3.png")).expect("removed");
            std::fs::write(self.folder.join("5.png"), b"no picture any more").expect("written");
        }
    }
    fn skipped(&mut self, problem: &Skipped) {
        self.skipped.push(problem.to_string());
    }
}

#[test]
fn photographs_that_vanish_between_epochs_are_named_and_left_out() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).expect("folder");
    for i in 0..20u64 {
        let picture = data::landscape(4, i, SMALL.size).0;
        let grid = data::grid(&[picture], SMALL.size, 1, 0);
        data::save_png(&grid, &photos.join(format!("{i}.png"))).expect("written");
    }
    let found = data::scan(&photos, 0).expect("scanned");
    let source = Source::Folder { root: found.root.clone(), items: found.train, how: Resize::Stretch.into() };
    let count = source.len();
    // no memory for pictures: each epoch decodes the files again
    let pictures = Arc::new(Dataset::prepare(source, SMALL.size, 0, &|_, _| ()).expect("pictures"));
    let run = RunFolder::open(folder.path(), "r", &folder.path().join("samples")).expect("run");
    let _lock = run.create().expect("created");
    let vae = Vae::new(Device::Gpu(&adapter), ModelOptions::training(SMALL, 8), 1).expect("build");
    let data = Splits { train: pictures, validation: None, classes: Vec::new() };
    let mut vandal = Vandal { folder: photos, skipped: Vec::new(), steps: 0 };
    let begin = TrainOptions::from(config(1e-3));
    let mut trainer = Trainer::new(vae, data, run, begin, Arc::new(AtomicBool::new(false))).expect("trainer");
    assert_eq!(trainer.train(&mut vandal).expect("trained"), TrainOutcome::Finished);
    assert_eq!(vandal.steps, 3 * count.div_ceil(8) as u64);
    let named = |name: &str| vandal.skipped.iter().filter(|text| text.contains(name)).count();
    println!("{:?}", vandal.skipped);
    // only those of the training split, in each of the two following epochs
    let expected = |name: &str| {
        if found.validation.iter().chain(&found.test).any(|i| i.path.ends_with(name)) { 0 } else { 2 }
    };
    assert_eq!([named("3.png"), named("5.png")], [expected("3.png"), expected("5.png")]);
    assert!(named("3.png") + named("5.png") > 0, "neither is trained on: another seed is wanted");
}
