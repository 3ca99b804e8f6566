//! The flow of a model: its sampler against Heun's method by definition, its fit, and the rule that keeps the Gaussian.

use wgvae::config::{FlowConfig, FlowSize, ModelConfig};
use wgvae::gpu::Op;
use wgvae::model::flow::{Flow, FlowSampling, FlowWeights, NO_CLASS};
use wgvae::model::{Device, ModelOptions, StateDict, StepSettings, Vae};
use wgvae::ops::normal::Normal;
use wgvae::ops::{Step, Stream};
use wgvae::train::{FlowLatents, FlowLength, FlowSettings, fit_flow};

use crate::common;

const MODEL: ModelConfig = ModelConfig::spatial(16, 4, 4, 4);
const CLASSES: u32 = 2;
const SEED: u64 = 0x1_0000_0005;

fn wave(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|i| (step * i as f32).sin()).collect()
}

/// A flow whose layers are far from zero.
fn flow(device: Device<'_>, rows: u32) -> (Flow, FlowWeights) {
    let config = FlowConfig { edge: 4, channels: 4, width: 8, blocks: 1, classes: CLASSES };
    let z = config.latents() as usize;
    let standard = [wave(z, 0.7), wave(z, 0.3).iter().map(|v| 1.5 + v).collect()];
    let mut flow = Flow::new(device, (config, rows), standard, 3).expect("a flow");
    let mut weights = flow.weights().expect("weights");
    for (at, tensor) in weights.tensors.iter_mut().enumerate() {
        let moves = wave(tensor.values.len(), 0.9 + at as f32);
        // the condition is strong, so that a class shows
        let strength =
            if tensor.name.starts_with("time") || tensor.name.contains("scale_shift") { 0.8 } else { 0.2 };
        tensor.values.iter_mut().zip(moves).for_each(|(value, by)| *value += strength * by);
    }
    flow.load(&weights);
    let trained = flow.average().expect("the average");
    (flow, trained)
}

fn model(device: Device<'_>, trained: &FlowWeights, batch: u32, guidance: Option<f32>) -> Vae {
    let flow = Some(FlowSampling { config: trained.config, steps: 3, guidance });
    let mut vae =
        Vae::empty(device, ModelOptions { flow, ..ModelOptions::inference(MODEL, batch) }).expect("a model");
    vae.load(&StateDict::initial(&MODEL, 9)).expect("loaded");
    vae.load_flow(trained).expect("loaded");
    vae
}

/// The pictures of two samples by the definition of Heun's method, with velocities of the training's plan.
fn by_definition(labels: [u32; 2], guidance: Option<f32>) -> Vec<Vec<u32>> {
    let (mut flow, trained) = flow(Device::Twins, 2);
    let z = trained.config.latents() as usize;
    let step =
        Step { stream: Stream::Samples as u32, noise_std: 1.0, valid: 2, ..Step::default() }.seeded(SEED);
    let words: Vec<f32> = bytemuck::cast_slice(&[step]).to_vec();
    let mut buffers = [words, vec![0.0; 2 * z]];
    Normal { rows: 2, pictures: 2, vec4s: z as u32 / 4 }.twin(&mut buffers);
    let mut x = buffers[1].clone();
    let mut velocity = |x: &[f32], t: f32| -> Vec<f32> {
        let zeros = vec![0.0; x.len()];
        let mut of = |labels: [u32; 2]| {
            let probe = flow.probe([x, &zeros, &[t, t]], &labels, &StepSettings::default());
            probe.expect("a velocity").velocity
        };
        let own = of(labels);
        let Some(guidance) = guidance else { return own };
        own.iter().zip(of([NO_CLASS; 2])).map(|(own, none)| none + guidance * (own - none)).collect()
    };
    for step in 0..3 {
        let (t, dt) = (step as f32 / 3.0, 1.0 / 3.0);
        let first = velocity(&x, t);
        let ahead: Vec<f32> = x.iter().zip(&first).map(|(x, v)| x + dt * v).collect();
        let second = velocity(&ahead, t + dt);
        x.iter_mut().zip(first.iter().zip(&second)).for_each(|(x, (a, b))| *x += dt / 2.0 * (a + b));
    }
    let [mean, deviation] = &trained.standard;
    let latents: Vec<f32> = x.iter().enumerate().map(|(i, x)| mean[i % z] + deviation[i % z] * x).collect();
    model(Device::Twins, &trained, 2, None).decode_rgba(&latents).expect("pictures")
}

/// The largest difference of a channel, in 1/255.
fn apart(a: &[Vec<u32>], b: &[Vec<u32>]) -> u8 {
    let bytes =
        |all: &[Vec<u32>]| all.iter().flatten().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let (a, b) = (bytes(a), bytes(b));
    assert_eq!(a.len(), b.len());
    a.iter().zip(&b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn the_sampler_is_heuns_method() {
    let mut devices: Vec<(&str, Device<'_>)> = vec![("twins", Device::Twins)];
    let adapter = common::adapter();
    devices.extend(adapter.iter().map(|adapter| ("adapter", Device::Gpu(adapter))));
    let mut all = Vec::new();
    for (label, guidance) in [(None, None), (Some(1), None), (Some(1), Some(2.5)), (Some(0), Some(2.5))] {
        // without a class they take turns
        let in_turn = [0, 1].map(|number| ((SEED + number) % u64::from(CLASSES)) as u32);
        let want = by_definition(label.map_or(in_turn, |label| [label; 2]), guidance);
        for (name, device) in &devices {
            let (_, trained) = flow(*device, 2);
            let mut vae = model(*device, &trained, 2, guidance);
            let got = vae.sample_flow(0..2, (SEED, 1.0), label).expect("samples");
            let far = apart(&got, &want);
            assert!(far <= 1, "{name}, class {label:?}, guidance {guidance:?}: {far}/255 off");
        }
        all.push(want);
    }
    // class and guidance change the pictures, or the comparison shows nothing of them
    for (a, b) in [(0, 1), (1, 2), (2, 3)] {
        assert!(apart(&all[a], &all[b]) > 2, "cases {a} and {b} are alike");
    }
}

/// A sample depends on its number, not on those beside it.
#[test]
fn a_sample_does_not_depend_on_its_batch() {
    let (_, trained) = flow(Device::Twins, 2);
    let whole =
        model(Device::Twins, &trained, 4, Some(2.0)).sample_flow(0..4, (SEED, 0.8), None).expect("four");
    let mut few = model(Device::Twins, &trained, 3, Some(2.0));
    let rest = few.sample_flow(1..4, (SEED, 0.8), None).expect("three");
    assert_eq!(whole[1..], rest[..]);
}

/// Latents of two kinds, far apart, which a Gaussian joins: `x[1] = x[0]^2` for half of the numbers. The error must fall
/// below that of the Gaussian, be that of the flow that is returned, and be equal in a second fit.
#[test]
fn a_fit_learns_what_a_gaussian_does_not_have() {
    let Some(adapter) = common::adapter() else { return };
    let model = ModelConfig::reference(16, 2, 4);
    let draws = wave(4 * 400, 12.9898);
    let mu: Vec<f32> = draws
        .chunks(4)
        .flat_map(|row| {
            let side = if row[0] > 0.0 { 2.0 } else { -2.0 };
            [side, side * row[1], side * side * row[2].signum(), row[3]]
        })
        .collect();
    let logvar = vec![-6.0; mu.len()];
    let latents = FlowLatents { versions: vec![[mu, logvar]], labels: vec![NO_CLASS; 400], dims: 4 };
    let settings = FlowSettings { size: FlowSize::Small, length: FlowLength::Steps(60), classes: 0, seed: 4 };
    let fit = || {
        let mut measured = Vec::new();
        let fit = fit_flow(Device::Gpu(&adapter), &model, &latents, &settings, &mut |at| {
            measured.extend(at.held_out);
            true
        });
        (fit.expect("a fit").expect("not stopped"), measured)
    };
    let (first, measured) = fit();
    assert!(first.best.1 < 0.8 * measured[0], "{measured:?}");
    // the flow is that of the last step, or of the minimum if the error had turned
    let least = measured.iter().copied().fold(f64::MAX, f64::min);
    let wanted = if first.stopped { least } else { measured[measured.len() - 1] };
    assert_eq!(first.best.1.to_bits(), wanted.to_bits(), "{measured:?}");
    assert_eq!(first, fit().0, "a second fit differs");
    let stopped = fit_flow(Device::Gpu(&adapter), &model, &latents, &settings, &mut |at| at.step < 3);
    assert_eq!(stopped.expect("a fit"), None);
    let few =
        FlowLatents { versions: vec![[vec![0.0; 40], vec![0.0; 40]]], labels: vec![NO_CLASS; 10], dims: 4 };
    let error = fit_flow(Device::Gpu(&adapter), &model, &few, &settings, &mut |_| true).expect_err("too few");
    assert!(error.to_string().contains("at least 20 pictures"), "{error}");
}
