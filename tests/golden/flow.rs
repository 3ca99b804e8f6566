//! The flow against PyTorch: velocity, loss and every gradient of a step, AdamW steps with clipping and an average, and the
//! sampler. Folders are those of tools/make_golden_flow.py.

use std::path::Path;

use rayon::prelude::*;
use wgvae::config::FlowConfig;
use wgvae::model::flow::{Flow, FlowProbe, FlowWeights};
use wgvae::model::{Device, NamedTensor, StateDict, StepSettings};

use crate::common;
use crate::{Bounds, Meta, Tensors, distance, read};

/// A parameter moves by at most the learning rate in a step of Adam, and by nearly that even where its gradient is only
/// rounding: after ten steps of 1e-3 tensors of 0.1 may be this far apart.
const AFTER_STEPS: f64 = 2e-3;

struct Golden {
    flow: Flow,
    initial: StateDict,
    values: Tensors,
    meta: Meta,
}

impl Golden {
    fn open(folder: &str, device: Device<'_>) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden_flow").join(folder);
        let meta = Meta::of(&folder);
        let number = |key: &str| meta.number(key) as u32;
        let config = FlowConfig {
            edge: number("edge"),
            channels: number("channels"),
            width: number("width"),
            blocks: number("blocks"),
            classes: number("classes"),
        };
        let z = config.latents() as usize;
        let standard = [vec![0.0; z], vec![1.0; z]];
        let mut flow = Flow::new(device, (config, number("batch")), standard, 0).expect("a flow");
        let mut own = read(&folder.join("flow.safetensors"));
        let tensors = wgvae::model::flow::names(&config).into_iter().map(|(name, shape)| {
            let (of_torch, values) = own.remove(&name).unwrap_or_else(|| panic!("no tensor {name}"));
            assert_eq!(of_torch, shape, "{name}");
            NamedTensor { name, shape, values }
        });
        let initial = StateDict { tensors: tensors.collect() };
        assert!(own.is_empty(), "more tensors: {:?}", own.keys());
        flow.load(&initial);
        Self { flow, initial, values: read(&folder.join("golden.safetensors")), meta }
    }

    fn of(&self, name: &str) -> &[f32] {
        &self.values.get(name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// A step of the training on the recorded points.
    fn step(&mut self, step: u64, settings: &StepSettings) -> FlowProbe {
        let [x, target, t, labels] =
            ["x", "target", "t", "labels"].map(|name| self.of(&format!("{name}.{step}")).to_vec());
        let labels: Vec<u32> = labels.iter().map(|label| *label as u32).collect();
        self.flow.probe([&x, &target, &t], &labels, settings).expect("a step")
    }

    fn compare(&self, wrong: &mut Vec<String>, prefix: &str, suffix: &str, got: &StateDict, bound: f64) {
        for NamedTensor { name, values, .. } in &got.tensors {
            let error = distance(values, self.of(&format!("{prefix}.{name}{suffix}")));
            if error.is_nan() || error > bound {
                wrong.push(format!("{prefix} {name}{suffix}: {error:.2e}, allowed {bound:.0e}"));
            }
        }
    }
}

fn check(folder: &str, device: Device<'_>) -> Vec<String> {
    let mut golden = Golden::open(folder, device);
    let mut wrong = Vec::new();
    let mut hold = |what: String, error: f64, bound: f64| {
        if error.is_nan() || error > bound {
            wrong.push(format!("{what}: {error:.2e}, allowed {bound:.0e}"));
        }
    };
    let steps = golden.meta.number("steps") as u64;
    let mut first = None;
    for step in 0..steps {
        let average = 0.001f64.max(9.0 / (10.0 + step as f64));
        let settings =
            StepSettings { step, lr: 1e-3, weight_decay: 0.05, average, ..StepSettings::default() };
        let probe = golden.step(step, &settings);
        let loss = f64::from(golden.of(&format!("loss.{step}"))[0]);
        // the first loss is exact, the later ones follow the parameters
        let bound = if step == 0 { Bounds::F32.loss } else { AFTER_STEPS };
        hold(format!("loss of step {step}"), (probe.loss - loss).abs() / loss, bound);
        if step == 0 {
            hold("velocity".into(), distance(&probe.velocity, golden.of("velocity")), Bounds::F32.tensor);
            first = Some((probe.gradients, golden.flow.weights().expect("parameters")));
        }
    }
    let (gradients, after_one) = first.expect("a step");
    golden.compare(&mut wrong, "grad", "", &gradients, Bounds::F32.gradient);
    golden.compare(&mut wrong, "param", ".1", &after_one, AFTER_STEPS);
    let last = golden.flow.weights().expect("parameters");
    golden.compare(&mut wrong, "param", &format!(".{steps}"), &last, AFTER_STEPS);
    let FlowWeights { weights, .. } = golden.flow.average().expect("an average");
    golden.compare(&mut wrong, "average", &format!(".{steps}"), &weights, AFTER_STEPS);
    // last, because every probe is a step of the optimizer
    golden.flow.load(&golden.initial.clone());
    let sample = heun(&mut golden, 4, 2.0);
    let error = distance(&sample, golden.of("sample"));
    if error.is_nan() || error > 10.0 * Bounds::F32.tensor {
        wrong.push(format!("sample: {error:.2e}"));
    }
    assert!(distance(&flat(&last), &flat(&golden.initial)) > 2.0 * AFTER_STEPS, "the steps prove nothing");
    wrong.into_iter().map(|line| format!("{folder}: {line}")).collect()
}

fn flat(weights: &StateDict) -> Vec<f32> {
    weights.tensors.iter().flat_map(|tensor| tensor.values.clone()).collect()
}

/// Heun's method with guidance by its definition, from the recorded noise.
fn heun(golden: &mut Golden, steps: u32, guidance: f32) -> Vec<f32> {
    let mut x = golden.of("noise").to_vec();
    let classes = golden.flow.config().classes;
    let batch = golden.flow.batch() as usize;
    let mut velocity = |x: &[f32], t: f32| -> Vec<f32> {
        let zeros = vec![0.0; x.len()];
        let [with_class, without] = [1.min(classes), classes].map(|label| {
            let probe = golden.flow.probe(
                [x, &zeros, &vec![t; batch]],
                &vec![label; batch],
                &StepSettings::default(),
            );
            probe.expect("a probe").velocity
        });
        with_class.iter().zip(&without).map(|(with, without)| without + guidance * (with - without)).collect()
    };
    let dt = 1.0 / steps as f32;
    for step in 0..steps {
        let first = velocity(&x, step as f32 * dt);
        let ahead: Vec<f32> = x.iter().zip(&first).map(|(x, v)| x + dt * v).collect();
        let second = velocity(&ahead, (step + 1) as f32 * dt);
        for ((x, first), second) in x.iter_mut().zip(&first).zip(&second) {
            *x += dt / 2.0 * (first + second);
        }
    }
    x
}

const FOLDERS: [&str; 2] = ["grid", "vector"];

fn hold(device: Device<'_>) {
    let wrong: Vec<String> = FOLDERS.par_iter().flat_map(|folder| check(folder, device)).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_twins_of_the_flow_agree_with_pytorch() {
    hold(Device::Twins);
}

#[test]
fn the_flow_on_the_adapter_agrees_with_pytorch() {
    let Some(adapter) = common::adapter() else { return };
    hold(Device::Gpu(&adapter));
}
