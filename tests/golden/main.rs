//! Golden tests against PyTorch: one step (every tensor, every gradient) and all Adam steps of each folder in
//! `WGVAE_GOLDEN`, on the adapter and on the CPU twins.
//!
//! A folder holds `meta.json`, `model.safetensors` and `golden.safetensors` for any model size, as tools/make_golden.py
//! writes them. One small folder is in `tests/fixtures/golden`.

mod adam_step;
#[path = "../common/mod.rs"]
mod common;
mod flow;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use adam_step::{Counts, Elements, compare_steps};
use rayon::prelude::*;
use wgvae::config::{Likelihood, LossKind, ModelConfig};
use wgvae::gpu::Element;
use wgvae::model::{Device, ModelOptions, NamedTensor, StateDict, StepSettings, Vae};
use wgvae::ops::Tuning;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::tunable::{KernelConfig, Table};

use common::report::{self, Progress};
use common::{Choose, Scale};

/// Relative L2 error bounds for PyTorch's float32 and ours.
#[derive(Clone, Copy)]
struct Bounds {
    /// bound of activations
    tensor: f64,
    /// bound of each gradient, a sum over all pixels of all pictures
    gradient: f64,
    /// bound of each step's loss
    loss: f64,
    /// bound of an element of a gradient, relative to the largest of its tensor: the rounding error of a sum is
    /// proportional to its terms, not to its result
    element: f64,
}

impl Bounds {
    /// PyTorch's own float32 and float64 differ by about 1e-6.
    const F32: Self = Self { tensor: 2e-5, gradient: 1e-4, loss: 1e-5, element: 1e-5 };
    /// Each stored activation and gradient is rounded to 11 bits, at most 4.9e-4 of it, and up to eight layers add up.
    /// A ReLU that rounding switches on or off changes a gradient of a narrow model by percents, and single elements by
    /// more: the twins, which sum in f64, deviate as much as the adapter.
    const F16: Self = Self { tensor: 5e-4, gradient: 3e-2, loss: 1e-4, element: 0.15 };

    fn of(precision: Element) -> Self {
        match precision {
            Element::F32 => Self::F32,
            Element::F16 => Self::F16,
        }
    }
}

type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let floats = |data: &[u8]| data.chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    file.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), floats(view.data())))).collect()
}

/// `[N, 3, S, S]` to `[N, S, S, 3]`.
fn nhwc(values: &[f32], size: usize) -> Vec<f32> {
    let area = size * size;
    let pixel = |image: &[f32], i: usize| [image[i], image[area + i], image[2 * area + i]];
    values.chunks(3 * area).flat_map(|image| (0..area).flat_map(move |i| pixel(image, i))).collect()
}

/// The largest absolute value.
fn largest(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max)
}

/// The largest difference of two elements; NaN if any is NaN.
fn furthest(got: &[f32], want: &[f32]) -> f64 {
    let differences = got.iter().zip(want).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    differences.fold(0.0, |furthest, d| if d > furthest || d.is_nan() { d } else { furthest })
}

fn distance(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        got.iter().zip(want).map(|(&a, &b)| f(a.into(), b.into())).sum()
    };
    (sum(&|a, b| (a - b).powi(2)) / sum(&|_, b| b * b).max(1e-300)).sqrt()
}

/// Collects all violations, so that one run shows everything.
#[derive(Default)]
struct Report {
    wrong: Vec<String>,
    worst: HashMap<&'static str, f64>,
    steps: Counts,
}

impl Report {
    fn hold(&mut self, class: &'static str, name: &str, error: f64, bound: f64) {
        let worst = self.worst.entry(class).or_default();
        *worst = worst.max(error);
        if error.is_nan() || error > bound {
            self.wrong.push(format!("{class} {name}: {error:.2e}, allowed {bound:.0e}"));
        }
    }

    /// Prints the worst value of each class, and returns the violations, prefixed with `name`.
    fn said_of(&self, name: &str) -> Vec<String> {
        let mut worst: Vec<_> = self.worst.iter().map(|(class, e)| format!("{class} {e:.1e}")).collect();
        worst.sort();
        println!("{name}: worst {}", worst.join(", "));
        println!("{name}: {}", self.steps);
        self.wrong.iter().map(|line| format!("{name}: {line}")).collect()
    }
}

/// Content of a folder's `meta.json`.
struct Meta(serde_json::Value);

impl Meta {
    fn of(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("meta.json")).expect("meta.json");
        Self(serde_json::from_str(&text).expect("meta.json"))
    }

    fn number(&self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or_else(|| panic!("meta.json: {key}"))
    }

    fn build(&self, precision: Element) -> ModelOptions {
        let [size, hidden, latent, batch] =
            ["size", "hidden", "latent", "batch"].map(|key| self.number(key) as u32);
        // files of the reference do not say a grid, or 0
        let config = match self.0["grid"].as_u64() {
            None | Some(0) => ModelConfig::reference(size, hidden, latent),
            Some(grid) => ModelConfig::spatial(size, hidden, latent, grid as u32),
        };
        // files of the reference's loss may not say it
        let kind = self.0["loss"].as_str().map_or(LossKind::Bce, |name| name.parse().expect("a loss"));
        ModelOptions {
            micro: Some(batch),
            precision,
            likelihood: Likelihood { kind, ..Likelihood::default() }.consistent(),
            keep_gradients: true,
            ..ModelOptions::training(config, batch)
        }
    }
}

fn check(folder: &Path, place: Device<'_>, precision: Element) -> Report {
    let bounds = Bounds::of(precision);
    let meta = Meta::of(folder);
    let build = meta.build(precision);
    let (config, steps) = (build.config, meta.number("steps") as u32);
    let size = config.size;
    let golden = read(&folder.join("golden.safetensors"));
    let initial = read(&folder.join("model.safetensors"));
    let named = |(name, shape): (String, Vec<usize>)| {
        let (found, values) =
            initial.get(&name).unwrap_or_else(|| panic!("model.safetensors: {name}")).clone();
        assert_eq!(found, shape, "{name}");
        NamedTensor { name, shape, values }
    };
    let weights = StateDict { tensors: StateDict::names(&config).into_iter().map(named).collect() };

    let mut vae = Vae::empty(place, build).expect("build");
    vae.load(&weights).expect("load");
    let mut report = Report::default();
    let x = nhwc(&golden["x"].1, size as usize);
    for step in 0..steps {
        let settings = StepSettings {
            seed: 0,
            step: step.into(),
            lr: meta.number("lr"),
            beta: meta.number("beta"),
            ..StepSettings::default()
        };
        let probe = vae.probe(&x, &golden[&format!("eps.{step}")].1, &settings).expect("step");
        let losses =
            [("loss", probe.loss.total(settings.beta)), ("bce", probe.loss.nll), ("kl", probe.loss.kl)];
        for (name, got) in losses {
            let want = f64::from(golden[name].1[step as usize]);
            // KL near zero is a difference of nearly equal numbers in PyTorch's float32 too: it has its own class
            let (class, bound) =
                if name == "kl" { ("kl (not judged)", f64::INFINITY) } else { ("loss", bounds.loss) };
            report.hold(class, &format!("{name} of step {step}"), (got - want).abs() / want.abs(), bound);
        }
        if step > 0 {
            continue;
        }
        let plain = [("mu", &probe.mu), ("logvar", &probe.logvar), ("z", &probe.z)];
        for (name, got) in plain {
            report.hold("tensor", name, distance(got, &golden[name].1), bounds.tensor);
        }
        for (name, got) in [("logits", &probe.logits), ("recon", &probe.recon)] {
            report.hold("tensor", name, distance(got, &nhwc(&golden[name].1, size as usize)), bounds.tensor);
        }
        for gradient in &probe.gradients.tensors {
            let want = &golden[&format!("grad.{}", gradient.name)].1;
            report.hold("gradient", &gradient.name, distance(&gradient.values, want), bounds.gradient);
            let furthest = furthest(&gradient.values, want) / largest(want).max(f64::MIN_POSITIVE);
            report.hold("gradient's element", &gradient.name, furthest, bounds.element);
        }
        let stepped = vae.weights().expect("weights");
        for ((before, own), ours) in
            weights.tensors.iter().zip(&probe.gradients.tensors).zip(&stepped.tensors)
        {
            assert!(before.name == own.name && before.name == ours.name, "{} {}", own.name, ours.name);
            let theirs = &golden[&format!("grad.{}", before.name)].1;
            let after = golden.get(&format!("param.{}.1", before.name)).map(|(_, values)| values.as_slice());
            let gradients = [theirs.as_slice(), &own.values];
            let elements = Elements { before: &before.values, gradients, after, ours: &ours.values };
            let (share, at, counts) = compare_steps(&elements, settings.lr);
            report.steps += counts;
            report.hold("first step, of what is allowed", &format!("{}[{at}]", before.name), share, 1.0);
        }
    }
    let Counts { determined, moved, turned, .. } = report.steps;
    let proves = precision == Element::F16 || determined > 10 * (moved + turned);
    assert!(proves, "{}: too few first steps are determined: {:?}", folder.display(), report.steps);
    // Adam turns the sign of a vanishing gradient into a full step, so later parameters are only reported
    if let Some(last) = recorded(&golden, &weights, steps) {
        report.hold(
            "parameters at the end (not judged)",
            "all",
            distance(&flat(&mut vae), &last),
            f64::INFINITY,
        );
    }
    report
}

/// All parameters one after the other.
fn flat(vae: &mut Vae) -> Vec<f32> {
    vae.weights().expect("weights").tensors.into_iter().flat_map(|t| t.values).collect()
}

/// The file's parameters after `step` steps; large folders omit them.
fn recorded(golden: &Tensors, weights: &StateDict, step: u32) -> Option<Vec<f32>> {
    let one =
        |t: &NamedTensor| golden.get(&format!("param.{}.{step}", t.name)).map(|(_, values)| values.clone());
    let all: Option<Vec<Vec<f32>>> = weights.tensors.iter().map(one).collect();
    Some(all?.concat())
}

fn folders() -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden"))];
    roots.extend(std::env::var_os("WGVAE_GOLDEN").map(PathBuf::from));
    let mut all = Vec::new();
    for root in roots {
        let entries = std::fs::read_dir(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
        let folders = entries.map(|e| e.expect("entry").path()).filter(|p| p.join("meta.json").exists());
        let before = all.len();
        all.extend(folders);
        assert!(all.len() > before, "{}: no folder with a meta.json", root.display());
    }
    all.sort();
    all
}

fn check_all(place: Device<'_>, name: &str, precision: Element) {
    let (mut wrong, mut steps, folders) = (Vec::new(), Counts::default(), folders());
    for folder in &folders {
        let report = check(folder, place, precision);
        let folder = folder.file_name().unwrap_or_default().to_string_lossy();
        wrong.extend(report.said_of(&format!("{folder} on {name}")));
        steps += report.steps;
    }
    report::checked(folders.len(), "folders against PyTorch");
    report::note(&format!("{name}: {steps}"));
    assert!(wrong.is_empty(), "{name} disagrees with PyTorch:\n{}", wrong.join("\n"));
}

#[test]
fn the_adapter_agrees_with_pytorch() {
    let Some(adapter) = common::adapter() else { return };
    check_all(Device::Gpu(&adapter), &adapter.info.name, Element::F32);
}

#[test]
fn the_adapter_in_f16_agrees_with_pytorch() {
    let Some(adapter) = common::adapter() else { return };
    if !common::has_f16(&adapter) {
        return;
    }
    check_all(Device::Gpu(&adapter), &format!("{} in f16", adapter.info.name), Element::F16);
}

/// Our small fixture with every core that the adapter can run, each forced on every layer; with f16 the cores that
/// round their factors. The usual run only uses the cores that the adapter uses without measurements.
#[test]
fn every_variant_agrees_with_pytorch() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.capabilities();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/small");
    let plain = Tuning::of(&target);
    Meta::of(&folder).build(Element::F32).plan_with(&target, &plain).expect("a plan");
    let by_winograd = KernelConfig::Winograd { variant: Variant::PLAIN, splits: 1 };
    let convolutions = plain.ops().into_iter().filter(|(op, _)| op.allows(by_winograd));
    let table: Table = convolutions.map(|(op, _)| (op.key(), by_winograd)).collect();
    assert!(table.len() >= 3, "convolutions, their transposes and their weight gradients: {table:?}");
    let mut all = vec![("winograd".to_owned(), Tuning::with(&target, table), Element::F32)];
    all.retain(|(name, ..)| common::scale() != Scale::Rest && Choose::from_environment().variant(name));
    let precision = if target.f16 { Element::F16 } else { Element::F32 };
    all.extend(
        common::variants(&target, precision)
            .into_iter()
            .map(|variant| (variant.name(), Tuning::with_variant(&target, variant), variant.factors())),
    );
    let progress = Progress::new(all.len(), "variants");
    let count = all.len();
    // most of the time is spent in compilation, which drivers do on one core
    let wrong = all.into_par_iter().flat_map_iter(|(name, tuning, factors)| {
        let report = check(&folder, Device::Tuned(&adapter, &tuning), factors);
        progress.step();
        report.said_of(&name)
    });
    let wrong: Vec<String> = wrong.collect();
    report::checked(count, "variants against PyTorch");
    assert!(wrong.is_empty(), "variants that disagree with PyTorch:\n{}", wrong.join("\n"));
}

#[test]
fn the_twins_agree_with_pytorch() {
    check_all(Device::Twins, "the CPU twins", Element::F32);
    check_all(Device::Twins, "the CPU twins in f16", Element::F16);
}
