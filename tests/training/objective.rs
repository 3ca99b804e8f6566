//! Optional terms of the objective, optimizer options and augmentation: each behaves as documented, on the adapter as
//! on the twins, and with micro-batches as without.

use wgvae::config::{Augmentation, Likelihood, LossKind, ModelConfig, Sigma};
use wgvae::data;
use wgvae::gpu::Op;
use wgvae::model::{Device, Input, ModelOptions, Outcome, StateDict, StepSettings, TrainFeatures, Vae};
use wgvae::ops::augment::Augment;
use wgvae::ops::rgba_to_float::RgbaToFloat;
use wgvae::ops::step::Step;

use crate::common;

const TINY: ModelConfig = ModelConfig::reference(16, 3, 5);
const PICTURES: u32 = 5;

/// A training setup with a name.
struct Way {
    name: String,
    likelihood: Likelihood,
    extras: TrainFeatures,
    settings: StepSettings,
}

fn way(name: &str) -> Way {
    let settings = StepSettings { seed: 3, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
    let (likelihood, extras) = (Likelihood::default(), TrainFeatures::default());
    Way { name: name.to_owned(), likelihood, extras, settings }
}

fn ways() -> Vec<Way> {
    let mut all = Vec::new();
    for &kind in &LossKind::ALL[1..] {
        let likelihood = Likelihood { kind, sigma: Sigma::Fixed(0.3) }.consistent();
        all.push(Way { likelihood, ..way(kind.name()) });
    }
    let likelihood = Likelihood { kind: LossKind::Gaussian, sigma: Sigma::Channel };
    all.push(Way { likelihood, ..way("gaussian per channel") });
    let plain = way("").settings;
    let setting = |name: &str, settings| Way { settings, ..way(name) };
    all.push(setting("capacity", StepSettings { capacity: 5.0, ..plain }));
    all.push(setting("free bits", StepSettings { free_bits: 0.5, ..plain }));
    all.push(setting("weight decay", StepSettings { weight_decay: 1.0, ..plain }));
    let mmd = TrainFeatures { mmd: true, ..TrainFeatures::default() };
    all.push(Way { extras: mmd, ..setting("mmd", StepSettings { mmd: 100.0, ..plain }) });
    all.push(Way { extras: TrainFeatures { clip: Some(1.0), ..TrainFeatures::default() }, ..way("clip") });
    let none = Augmentation::default();
    for (name, augmentation) in [
        ("flip", Augmentation { flip: true, ..none }),
        ("crop", Augmentation { crop: 0.3, ..none }),
        ("jitter", Augmentation { jitter: 0.3, ..none }),
    ] {
        all.push(Way { extras: TrainFeatures { augmentation, ..TrainFeatures::default() }, ..way(name) });
    }
    all
}

fn open(place: Device<'_>, way: &Way, micro: u32) -> Vae {
    let Way { likelihood, extras, .. } = *way;
    let build = ModelOptions {
        micro: Some(micro),
        likelihood,
        extras,
        keep_gradients: true,
        ..ModelOptions::training(TINY, PICTURES)
    };
    Vae::new(place, build, 5).expect("build")
}

fn step(vae: &mut Vae, way: &Way, step: u64) -> Outcome {
    let pictures = 0..u64::from(PICTURES);
    let rgba: Vec<u32> = pictures.flat_map(|i| data::rgba_of(&data::landscape(9, i, TINY.size).0)).collect();
    let settings = StepSettings { step, ..way.settings };
    vae.train_step(Input::Rgba(&rgba), PICTURES, &settings).expect("step");
    vae.losses(true).expect("losses")[0].1
}

/// The losses of three steps, the last gradients, and the final parameters.
fn train(place: Device<'_>, way: &Way, micro: u32) -> (Vec<f64>, [StateDict; 2]) {
    let mut vae = open(place, way, micro);
    let mut losses = Vec::new();
    for number in 0..3 {
        let loss = step(&mut vae, way, number).loss;
        losses.push(loss.objective(way.settings.beta, way.settings.mmd));
    }
    (losses, [vae.gradients().expect("gradients"), vae.weights().expect("weights")])
}

/// The largest difference between the parameters of two models.
fn apart(a: &StateDict, b: &StateDict) -> f32 {
    let values = |w: &StateDict| w.tensors.iter().flat_map(|t| t.values.clone()).collect::<Vec<f32>>();
    values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn close(what: &str, a: &[f64], b: &[f64]) {
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 2e-5 * b.abs(), "{what}: {a} and {b}");
    }
}

#[test]
fn every_way_trains_as_on_the_twins_and_in_micro_batches() {
    let Some(adapter) = common::adapter() else { return };
    let (_, plain) = train(Device::Gpu(&adapter), &way("plain"), PICTURES);
    for way in ways() {
        let (losses, ends) = train(Device::Gpu(&adapter), &way, PICTURES);
        let (parts, _) = train(Device::Gpu(&adapter), &way, 2);
        let (twins, _) = train(Device::Twins, &way, 2);
        println!("{}: {losses:?}", way.name);
        close(&format!("{} in micro-batches", way.name), &parts, &losses);
        close(&format!("{} on the twins", way.name), &losses, &twins);
        // Adam is invariant to a factor on all gradients, and gradients do not show changes of the parameters alone
        let moved = apart(&plain[0], &ends[0]) + apart(&plain[1], &ends[1]);
        assert!(moved > 1e-6, "{}: {moved} from the plain training", way.name);
    }
}

/// The reported norm is that of the gradients, and the moments are those of the clipped ones.
#[test]
fn clipping_shortens_gradients_to_their_norm() {
    let Some(adapter) = common::adapter() else { return };
    let norm = |weights: &StateDict| {
        let values = weights.tensors.iter().flat_map(|t| &t.values);
        values.map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
    };
    for (most, micro) in [(1.0, PICTURES), (1.0, 2), (1e6, PICTURES)] {
        let way =
            Way { extras: TrainFeatures { clip: Some(most), ..TrainFeatures::default() }, ..way("clip") };
        let mut vae = open(Device::Gpu(&adapter), &way, micro);
        let told = step(&mut vae, &way, 0).gradient_norm;
        let whole = norm(&vae.gradients().expect("gradients"));
        close("norm", &[told], &[whole / f64::from(PICTURES)]);
        assert!(told > 10.0, "{told}: proves nothing");
        let optimizer = vae.optimizer_state().expect("moments");
        let (_, first) = &optimizer.slots[0];
        let shortened = told.min(most) * f64::from(PICTURES);
        close("first moment", &[norm(first)], &[0.1 * shortened]);
    }
}

#[test]
fn weight_decay_takes_its_share_of_every_parameter() {
    let Some(adapter) = common::adapter() else { return };
    let decayed = Way { settings: StepSettings { weight_decay: 10.0, ..way("").settings }, ..way("decay") };
    let before = open(Device::Gpu(&adapter), &decayed, PICTURES).weights().expect("weights");
    let [without, with] = [way("plain"), decayed].map(|way| {
        let mut vae = open(Device::Gpu(&adapter), &way, PICTURES);
        step(&mut vae, &way, 0);
        vae.weights().expect("weights")
    });
    for ((before, without), with) in before.tensors.iter().zip(&without.tensors).zip(&with.tensors) {
        for ((before, without), with) in before.values.iter().zip(&without.values).zip(&with.values) {
            // a learning rate of 1e-3 times a weight decay of 10
            assert!((without - with - 0.01 * before).abs() < 1e-7, "{before}, {without}, {with}");
        }
    }
}

/// The average follows its recurrence, and an exchange swaps it in and out bit for bit.
#[test]
fn the_average_follows_the_parameters_and_is_exchanged_for_them() {
    let Some(adapter) = common::adapter() else { return };
    let settings = StepSettings { average: 0.25, ..way("").settings };
    let way = Way {
        extras: TrainFeatures { average: true, ..TrainFeatures::default() },
        settings,
        ..way("average")
    };
    let mut vae = open(Device::Gpu(&adapter), &way, PICTURES);
    let mut expected = vae.weights().expect("weights");
    for number in 0..3 {
        step(&mut vae, &way, number);
        let weights = vae.weights().expect("weights");
        let old = expected.tensors.iter_mut().flat_map(|t| &mut t.values);
        let new = weights.tensors.iter().flat_map(|t| &t.values);
        old.zip(new).for_each(|(old, new)| *old += 0.25 * (new - *old));
    }
    let (weights, average) = (vae.weights().expect("weights"), vae.average().expect("average"));
    assert!(apart(&average, &expected) < 1e-6 && apart(&average, &weights) > 1e-4);
    vae.swap_average().expect("swap");
    assert_eq!(
        (vae.weights().expect("average"), vae.average().expect("weights")),
        (average, weights.clone())
    );
    vae.swap_average().expect("swap");
    assert_eq!(vae.weights().expect("weights"), weights);
}

/// Without MMD the latents leave the prior; with it they stay close.
#[test]
fn the_discrepancy_is_smaller_where_it_counts() {
    let Some(adapter) = common::adapter() else { return };
    let extras = TrainFeatures { mmd: true, ..TrainFeatures::default() };
    let last = |mmd: f64| {
        let settings = StepSettings { beta: 0.0, mmd, lr: 3e-3, ..way("").settings };
        let way = Way { extras, settings, ..way("mmd") };
        let mut vae = open(Device::Gpu(&adapter), &way, PICTURES);
        let found: Vec<f64> = (0..80).map(|number| step(&mut vae, &way, number).loss.mmd).collect();
        found[40..].iter().sum::<f64>() / 40.0
    };
    let [without, with] = [0.0, 1e3].map(last);
    println!("n MMD over the last 40 steps: {without:.4} without a weight, {with:.4} with one");
    assert!(with < 0.5 * without);
}

fn varied(how: Augmentation, step: Step, images: u32, rgba: &[f32]) -> Vec<f32> {
    let size = 8;
    let step: Vec<f32> = bytemuck::cast_slice(&[step]).to_vec();
    let which: Vec<f32> = (0..images).map(f32::from_bits).collect();
    let x = vec![f32::NAN; (images * size * size * 4) as usize];
    let mut buffers = vec![step, which, rgba.to_vec(), x];
    Augment::new(how, images, size, images).twin(&mut buffers);
    buffers.remove(3)
}

/// Without augmentation nothing changes; with flips half of the pictures are mirrored and otherwise unchanged; draws
/// differ between steps and pictures.
#[test]
fn pictures_are_varied_as_asked() {
    let images = 64;
    let rgb: Vec<u32> =
        (0..u64::from(images)).flat_map(|i| data::rgba_of(&data::landscape(4, i, 8).0)).collect();
    let rgba: Vec<f32> = rgb.iter().map(|&word| f32::from_bits(word)).collect();
    let which: Vec<f32> = (0..images).map(f32::from_bits).collect();
    let mut buffers = vec![which, rgba.clone(), vec![f32::NAN; rgba.len() * 4]];
    RgbaToFloat { batch: images, pixels: 64, slots: images }.twin(&mut buffers);
    let plain = &buffers[2];
    let none = Augmentation::default();
    assert_eq!(&varied(none, Step::default(), images, &rgba), plain);

    let flip = Augmentation { flip: true, ..none };
    let mirrored = |step: Step| -> Vec<bool> {
        let x = varied(flip, step, images, &rgba);
        let one = |(x, plain): (&[f32], &[f32])| {
            let rows = plain.chunks(8 * 4);
            let mirror: Vec<f32> = rows.flat_map(|row| row.chunks(4).rev().flatten().copied()).collect();
            assert!(x == plain || x == mirror, "neither the picture nor its mirror image");
            x != plain
        };
        x.chunks(8 * 8 * 4).zip(plain.chunks(8 * 8 * 4)).map(one).collect()
    };
    let first = mirrored(Step::default());
    let count = first.iter().filter(|mirrored| **mirrored).count();
    assert!((20..=44).contains(&count), "{count} of {images} are mirrored");
    assert_ne!(first, mirrored(Step { step: 1, ..Step::default() }));
    // draws depend on the picture, not on the start of its micro-batch
    assert_eq!(mirrored(Step { sample_offset: 8, ..Step::default() })[..56], first[8..]);

    // a constant picture stays constant when cropped, and jitter changes it within its limits
    let grey: Vec<f32> = vec![f32::from_bits(0xff80_8080); rgba.len()];
    let x = varied(Augmentation { crop: 0.5, ..none }, Step::default(), images, &grey);
    assert!(x.chunks(4).all(|p| (p[0] - 128.0 / 255.0).abs() < 1e-6));
    let x = varied(Augmentation { jitter: 0.2, ..none }, Step::default(), images, &grey);
    let [least, most] = [f32::min, f32::max].map(|f| x.chunks(4).map(|p| p[0]).fold(0.5, f));
    assert!(least > 0.35 && least < 0.46 && most < 0.65 && most > 0.54, "{least} to {most}");
}
