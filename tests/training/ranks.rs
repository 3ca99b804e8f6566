//! Whole trainings by several processes, here threads: epochs, validation, resumption, stops, shares, and their errors.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wgvae::checkpoint::{self, State};
use wgvae::config::{ModelConfig, TrainConfig};
use wgvae::data::{Dataset, Skipped, Source};
use wgvae::distributed::{Group, Threads};
use wgvae::error::Error;
use wgvae::gpu::{Adapter, Element};
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::train::{
    EpochMetrics, Observer, RankOptions, RunFolder, Sharing, Splits, StepMetrics, TrainOptions, TrainOutcome,
    Trainer,
};

use crate::common;

const SMALL: ModelConfig = ModelConfig::reference(16, 4, 6);

fn config() -> TrainConfig {
    TrainConfig { model: SMALL, batch_size: 8, epochs: 3, seed: 1, ..TrainConfig::default() }
}

fn pictures(first: u64, count: usize) -> Arc<Dataset> {
    let source = Source::Synthetic { seed: 2, first, count };
    Arc::new(Dataset::prepare(source, SMALL.size, 1 << 30, &|_, _| ()).expect("pictures"))
}

/// Notes what happens, and asks rank `rank` to stop after its step `at`.
struct Watcher {
    stop: Arc<AtomicBool>,
    at: Option<u64>,
    steps: Vec<(u64, f64)>,
    epochs: Vec<EpochMetrics>,
}

impl Observer for Watcher {
    fn epoch_begins(&mut self, _: u32, _: u64, _: u64) {}
    fn step(&mut self, m: &StepMetrics) {
        self.steps.push((m.step, m.loss));
        if self.at == Some(m.step) {
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

/// A training by several threads.
struct Trial {
    config: TrainConfig,
    ranks: usize,
    sharing: Sharing,
    /// rank and step of a request to stop
    stop: Option<(usize, u64)>,
}

impl Trial {
    fn of(ranks: usize) -> Self {
        Self { config: config(), ranks, sharing: Sharing::Even, stop: None }
    }

    /// Trains in `folder`, or goes on there; what each rank has seen, and how it ended.
    fn run(&self, adapter: &Adapter, folder: &Path) -> Vec<(Result<TrainOutcome, Error>, Watcher, State)> {
        if self.ranks == 1 {
            return vec![self.rank(adapter, folder, None)];
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = Threads::connect(self.ranks)
                .into_iter()
                .map(|one| {
                    let group = Group::new(move || Ok(Box::new(one))).expect("a group");
                    scope.spawn(move || self.rank(adapter, folder, Some(Arc::new(group))))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a rank")).collect()
        })
    }

    fn rank(
        &self,
        adapter: &Adapter,
        folder: &Path,
        group: Option<Arc<Group>>,
    ) -> (Result<TrainOutcome, Error>, Watcher, State) {
        let run = RunFolder::open(folder, "r", &folder.join("samples")).expect("a run");
        let rank = group.as_ref().map_or(0, |group| group.rank());
        let _lock = (rank == 0).then(|| run.create().expect("a lock"));
        let checkpoint = run.newest_checkpoint().ok().map(|(_, checkpoint)| checkpoint);
        let ranks =
            group.clone().map(|group| RankOptions { group, wire: Element::F32, sharing: self.sharing });
        let build = ModelOptions::of(&self.config);
        let build = match &ranks {
            Some(ranks) => ranks.share(build, &adapter.capabilities()).expect("a share"),
            None => build,
        };
        let vae = match rank {
            0 => Vae::new(Device::Gpu(adapter), build, 1),
            // the parameters come from rank 0
            _ => Vae::empty(Device::Gpu(adapter), build),
        };
        let data =
            Splits { train: pictures(0, 30), validation: Some(pictures(1000, 5)), classes: Vec::new() };
        let stop = Arc::new(AtomicBool::new(false));
        let at = self.stop.filter(|(who, _)| *who == rank).map(|(_, step)| step);
        let mut watcher = Watcher { stop: stop.clone(), at, steps: Vec::new(), epochs: Vec::new() };
        let state = checkpoint.as_ref().map(|checkpoint| checkpoint.state.clone());
        let checkpoint = checkpoint.filter(|_| rank == 0);
        let begin = TrainOptions { checkpoint, state, ranks, ..self.config.clone().into() };
        let mut trainer = Trainer::new(vae.expect("a model"), data, run, begin, stop).expect("a trainer");
        let end = trainer.train(&mut watcher);
        let state = trainer.state().clone();
        if let (true, Some(group)) = (end.is_ok() || matches!(end, Err(Error::Diverged(_))), group) {
            group.finish();
        }
        (end, watcher, state)
    }
}

fn model(folder: &Path, epoch: u32) -> Vec<u8> {
    std::fs::read(folder.join(format!("r/checkpoints/epoch_{epoch:04}/model.safetensors"))).expect("a model")
}

#[track_caller]
fn close(a: &[(u64, f64)], b: &[(u64, f64)]) {
    assert_eq!(a.len(), b.len());
    for ((step, a), (other, b)) in a.iter().zip(b) {
        assert!(step == other && (a - b).abs() <= 1e-5 * b.abs(), "step {step}: {a} and {b}");
    }
}

#[test]
fn a_training_by_ranks_is_that_of_one_process() {
    let Some(adapter) = common::adapter() else { return };
    let folders = [(); 4].map(|()| tempfile::tempdir().expect("folder"));
    let (_, alone, _) = Trial::of(1).run(&adapter, folders[0].path()).remove(0);
    assert_eq!(alone.steps.len(), 12);
    for ranks in 2..=4 {
        let at = folders[ranks - 1].path();
        let all = Trial::of(ranks).run(&adapter, at);
        for (end, watcher, state) in &all {
            assert_eq!(*end.as_ref().expect("trained"), TrainOutcome::Finished);
            close(&watcher.steps, &alone.steps);
            assert_eq!(state.ranks as usize, ranks);
        }
        // the leader's metrics: validation is shared out, and summed
        for (is, wanted) in all[0].1.epochs.iter().zip(&alone.epochs) {
            let (is, wanted) = (is.validation_loss.expect("a loss"), wanted.validation_loss.expect("a loss"));
            assert!((is - wanted).abs() <= 1e-5 * wanted.abs(), "{is} and {wanted}");
        }
        assert!(all[1..].iter().all(|(_, watcher, _)| watcher.epochs.is_empty()), "only rank 0 reports");
    }
    // an equal number of ranks gives equal bits
    Trial::of(3).run(&adapter, folders[3].path().join("again").as_path());
    assert!(model(folders[2].path(), 3) == model(&folders[3].path().join("again"), 3));
}

/// A stop that any rank is asked for stops all after the same step; the run goes on with the same bits, or with another
/// number of ranks.
#[test]
fn a_stop_is_agreed_on_and_resumed() {
    let Some(adapter) = common::adapter() else { return };
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("folder"));
    Trial::of(3).run(&adapter, folders[0].path());
    for (folder, after) in [(&folders[1], 3), (&folders[2], 1)] {
        let at = folder.path();
        let all = Trial { stop: Some((2, 5)), ..Trial::of(3) }.run(&adapter, at);
        let steps: Vec<u64> = all.iter().map(|(_, _, state)| state.step).collect();
        assert!(steps[0] > 5 && steps[0] < 10 && steps.iter().all(|step| *step == steps[0]), "{steps:?}");
        for (end, ..) in &all {
            assert!(matches!(end, Ok(TrainOutcome::Stopped(_))), "{end:?}");
        }
        let again = Trial::of(after).run(&adapter, at);
        assert_eq!(*again[0].0.as_ref().expect("trained"), TrainOutcome::Finished);
        let same = model(at, 3) == model(folders[0].path(), 3);
        assert_eq!(same, after == 3, "{after} processes");
    }
}

/// A loss that is not finite ends all ranks with the same error, at the same step.
#[test]
fn a_divergence_ends_all_ranks() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let all =
        Trial { config: TrainConfig { lr: 1e30, ..config() }, ..Trial::of(3) }.run(&adapter, folder.path());
    let said: Vec<String> =
        all.iter().map(|(end, ..)| end.as_ref().expect_err("diverged").to_string()).collect();
    assert!(said[0].contains("not finite") || said[0].contains("NaN"), "{}", said[0]);
    let first = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    assert!(said.iter().all(|text| first(text) == first(&said[0])), "{said:?}");
}

/// Shares follow the speed of the ranks, are kept in the state and in the metrics, and change nothing but rounding.
#[test]
fn automatic_shares_are_kept() {
    let Some(adapter) = common::adapter() else { return };
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("folder"));
    let (_, alone, _) = Trial::of(1).run(&adapter, folders[0].path()).remove(0);
    let all = Trial { sharing: Sharing::Auto, ..Trial::of(2) }.run(&adapter, folders[1].path());
    close(&all[1].1.steps, &alone.steps);
    let shares = |state: &State| state.shares.clone();
    assert_eq!(shares(&all[0].2), shares(&all[1].2));
    assert_eq!(shares(&all[0].2).iter().sum::<u32>(), 8);
    assert_eq!(all[0].1.epochs[0].shares, Some(vec![4, 4]), "the first epoch is even");
    let run = RunFolder::open(folders[1].path(), "r", folders[1].path()).expect("a run");
    let kept = checkpoint::list(&run.checkpoints()).expect("checkpoints").whole.pop().expect("one").1;
    assert_eq!(shares(&kept), shares(&all[0].2));
}
