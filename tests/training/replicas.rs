//! Several processes that train one model, here threads: their steps are those of one process, up to rounding.

use std::ops::Range;
use std::sync::Arc;

use wgvae::config::{Augmentation, Likelihood, LossKind, ModelConfig, Sigma};
use wgvae::distributed::{Group, Threads};
use wgvae::gpu::Element;
use wgvae::model::{
    BatchPart, Device, Input, ModelOptions, Outcome, StateDict, StepSettings, TrainFeatures, Vae,
};
use wgvae::ops::loss_scale::LossScale;

use crate::common::{adapter, has_f16};

const SIZE: u32 = 16;
const BATCH: u32 = 6;
const STEPS: u64 = 4;

fn rgba(pictures: Range<u32>) -> Vec<u32> {
    let pixel = |i: u32| (i.wrapping_mul(2_654_435_761) >> 5) & 0x00ff_ffff;
    (pictures.start * SIZE * SIZE..pictures.end * SIZE * SIZE).map(pixel).collect()
}

/// Sizes of the batches; the last one of an epoch is short.
fn total(step: u64) -> u32 {
    if step % 3 == 2 { 2 } else { BATCH }
}

fn settings(step: u64) -> StepSettings {
    StepSettings { seed: 7, step, lr: 1e-3, beta: 0.5, mmd: 20.0, average: 0.1, ..StepSettings::default() }
}

/// Losses of the steps, and the weights after the last one.
type Trained = (Vec<(u64, Outcome)>, StateDict);

/// The first picture of a rank in a batch of a given size; the end of the last rank is the size.
type Ends<'a> = &'a (dyn Fn(u32, usize) -> u32 + Sync);

/// Trains as a process alone.
fn train(options: ModelOptions) -> Trained {
    with_model(options, |vae| run(vae, &|total| (0, total)))
}

/// Trains as one of several processes; each takes its part of a batch by `ends`.
fn train_in(options: ModelOptions, group: Group, ends: Ends<'_>, wire: Element) -> Trained {
    with_model(options, |vae| {
        let rank = group.rank();
        // several buckets
        vae.join_with(Arc::new(group), wire, 512).expect("a share");
        run(vae, &|total| (ends(total, rank), ends(total, rank + 1)))
    })
}

fn with_model<T>(options: ModelOptions, go: impl FnOnce(&mut Vae) -> T) -> T {
    let adapter = adapter();
    let device = adapter.as_ref().map_or(Device::Twins, Device::Gpu);
    go(&mut Vae::new(device, options, 3).expect("a model"))
}

fn run(vae: &mut Vae, place: &dyn Fn(u32) -> (u32, u32)) -> Trained {
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let total = total(step);
        let (first, end) = place(total);
        let own = rgba(first..end);
        let part = BatchPart { first, count: end - first, total };
        vae.train_part(Input::Rgba(&own), part, &settings(step)).expect("a step");
        losses.extend(vae.losses(false).expect("losses"));
    }
    losses.extend(vae.losses(true).expect("losses"));
    (losses, vae.weights().expect("weights"))
}

/// Trains by `ranks` threads, and returns what rank 0 has; all have the same.
fn by_ranks(options: ModelOptions, ranks: usize, ends: Ends<'_>, wire: Element) -> Trained {
    let share = (0..ranks).map(|rank| ends(BATCH, rank + 1) - ends(BATCH, rank)).max().unwrap_or(1);
    let options = ModelOptions { share: Some(share), ..options };
    std::thread::scope(|scope| {
        let threads: Vec<_> = Threads::connect(ranks)
            .into_iter()
            .map(|one| {
                let group = Group::new(move || Ok(Box::new(one))).expect("a group");
                scope.spawn(move || train_in(options, group, ends, wire))
            })
            .collect();
        let mut all = threads.into_iter().map(|thread| thread.join().expect("a rank"));
        let first = all.next().expect("rank 0");
        all.for_each(|other| assert_same(&other, &first, "all ranks"));
        first
    })
}

/// Losses and weights have equal bits.
fn assert_same(one: &Trained, other: &Trained, what: &str) {
    assert_eq!(one.0, other.0, "{what}: losses");
    for (a, b) in one.1.tensors.iter().zip(&other.1.tensors) {
        assert!(a.values == b.values, "{what}: {} differs", a.name);
    }
}

fn evenly(ranks: usize) -> impl Fn(u32, usize) -> u32 + Sync {
    move |total, rank| total * rank as u32 / ranks as u32
}

/// The largest difference of losses, relative.
fn difference(a: &[(u64, Outcome)], b: &[(u64, Outcome)]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b).flat_map(|((step, a), (other, b))| {
        assert_eq!(step, other);
        // MMD is a difference of sums of kernels of about 1 each, and may be close to zero
        let figures = |o: &Outcome| {
            [
                (o.loss.nll, 0.0),
                (o.loss.kl, 0.0),
                (o.loss.kl_penalty, 0.0),
                (o.loss.mmd, 1.0),
                (o.gradient_norm, 1e-9),
            ]
        };
        figures(a).into_iter().zip(figures(b)).collect::<Vec<_>>()
    });
    pairs.map(|((a, least), (b, _))| (a - b).abs() / b.abs().max(least)).fold(0.0, f64::max)
}

/// The models of these tests, each with parts that need what other processes know.
fn models() -> Vec<(&'static str, ModelOptions)> {
    let plain = ModelOptions::training(ModelConfig::reference(SIZE, 4, 6), BATCH);
    let extras = TrainFeatures {
        mmd: true,
        clip: Some(3.0),
        average: true,
        augmentation: Augmentation { flip: true, crop: 0.1, jitter: 0.1 },
    };
    let spatial = ModelOptions::training(ModelConfig::spatial(SIZE, 4, 4, 4), BATCH);
    let gaussian = |sigma| Likelihood { kind: LossKind::Gaussian, sigma };
    let learned = spatial.config.with_likelihood(gaussian(Sigma::Learned));
    vec![
        ("bce", plain),
        ("mmd, clipping, average, augmentation", ModelOptions { extras, ..plain }),
        ("a width for each channel", ModelOptions { likelihood: gaussian(Sigma::Channel), ..spatial }),
        (
            "a learned width",
            ModelOptions { config: learned, likelihood: gaussian(Sigma::Learned), ..spatial },
        ),
        (
            "micro-batches",
            ModelOptions { micro: Some(1), extras, likelihood: gaussian(Sigma::Common), ..spatial },
        ),
    ]
}

#[test]
fn ranks_train_as_one_process_does() {
    for (name, options) in models() {
        let (alone, _) = train(options);
        assert_eq!(alone.len() as u64, STEPS);
        for ranks in [2, 3] {
            let (losses, _) = by_ranks(options, ranks, &evenly(ranks), Element::F32);
            let off = difference(&losses, &alone);
            assert!(off < 1e-5, "{name}, {ranks} ranks: losses differ by {off}");
        }
    }
}

/// The number of pictures of each rank changes nothing but rounding, and a rank may have none.
#[test]
fn shares_may_be_uneven() {
    let (_, options) = models().remove(1);
    let (alone, _) = train(options);
    for cuts in [[0, 5, 6, 6], [0, 0, 1, 6]] {
        let ends = move |total: u32, rank: usize| if rank == 3 { total } else { total.min(cuts[rank]) };
        let (losses, _) = by_ranks(options, 3, &ends, Element::F32);
        let off = difference(&losses, &alone);
        assert!(off < 1e-5, "{cuts:?}: losses differ by {off}");
    }
}

/// Equal numbers of ranks give equal bits; gradients of 16 bits give others.
#[test]
fn ranks_repeat_their_bits() {
    let (_, options) = models().remove(0);
    let train = |wire| by_ranks(options, 3, &evenly(3), wire);
    let (first, half) = (train(Element::F32), train(Element::F16));
    assert_same(&first, &train(Element::F32), "f32");
    assert_same(&half, &train(Element::F16), "f16");
    assert!(first.1 != half.1, "gradients of 16 bits are not those of 32");
    let off = difference(&half.0, &first.0);
    assert!(off < 1e-3, "gradients of 16 bits: losses differ by {off}");
}

/// Losses arrive on all ranks at the same steps: all but the last without waiting.
#[test]
fn losses_arrive_on_all_ranks_at_the_same_steps() {
    let (_, options) = models().remove(0);
    let options = ModelOptions { share: Some(3), ..options };
    std::thread::scope(|scope| {
        for one in Threads::connect(2) {
            scope.spawn(move || {
                let adapter = adapter();
                let device = adapter.as_ref().map_or(Device::Twins, Device::Gpu);
                let mut vae = Vae::new(device, options, 3).expect("a model");
                let group = Arc::new(Group::new(move || Ok(Box::new(one))).expect("a group"));
                let first = 3 * group.rank() as u32;
                vae.join(group, Element::F32).expect("a share");
                let pictures = rgba(first..first + 3);
                for step in 0..6 {
                    let part = BatchPart { first, count: 3, total: BATCH };
                    vae.train_part(Input::Rgba(&pictures), part, &settings(step)).expect("a step");
                    let steps: Vec<u64> =
                        vae.losses(false).expect("losses").iter().map(|(step, _)| *step).collect();
                    assert_eq!(steps, step.checked_sub(1).into_iter().collect::<Vec<_>>());
                }
            });
        }
    });
}

/// In f16 a gradient that overflows on one rank skips the step on all, and lowers the loss scale on all.
#[test]
fn an_overflow_on_one_rank_skips_the_step_on_all() {
    let Some(adapter) = adapter().filter(has_f16) else { return };
    let options = ModelOptions {
        precision: Element::F16,
        share: Some(3),
        ..ModelOptions::training(ModelConfig::reference(SIZE, 4, 6), BATCH)
    };
    let scalings: Vec<LossScale> = std::thread::scope(|scope| {
        let adapter = &adapter;
        let threads: Vec<_> = Threads::connect(2)
            .into_iter()
            .map(|one| {
                scope.spawn(move || {
                    let mut vae = Vae::new(Device::Gpu(adapter), options, 3).expect("a model");
                    let group = Arc::new(Group::new(move || Ok(Box::new(one))).expect("a group"));
                    let rank = group.rank() as u32;
                    // gradients of rank 1 alone are too large for f16: those of rank 0 have no pictures
                    let count = 3 * rank;
                    vae.join(group, Element::F32).expect("a share");
                    vae.load_scaling(LossScale { exponent: 24, ..LossScale::START });
                    let before = vae.weights().expect("weights");
                    let part = BatchPart { first: 0, count, total: 3 };
                    vae.train_part(Input::Rgba(&rgba(0..count)), part, &settings(0)).expect("a step");
                    assert!(vae.weights().expect("weights") == before, "rank {rank} has taken the step");
                    vae.scaling().expect("a scale")
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a rank")).collect()
    });
    assert_eq!(scalings[0], LossScale { exponent: 23, skipped: 1, growth_tracker: 0, found_inf: 0 });
    assert_eq!(scalings[0], scalings[1]);
}
