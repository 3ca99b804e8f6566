//! The likelihood `gaussian`, with the width that is best for all pictures together: for a batch in any micro-batches,
//! for the held-out pictures, for an evaluation; or with a width that is learned. Files and commands name it.

use std::f64::consts::PI;
use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use wgvae::checkpoint;
use wgvae::config::{Likelihood, LossKind, ModelConfig, Sigma};
use wgvae::data::{self, Resize};
use wgvae::evaluate::{Priors, Settings, evaluate};
use wgvae::generate;
use wgvae::gpu::Element;
use wgvae::model::{Device, Input, Loss, ModelOptions, StateDict, StepSettings, TrainFeatures, Vae};
use wgvae::ops::normal::normal;

use crate::common;
use crate::common::program::{all_said, refuses};

const TINY: ModelConfig = ModelConfig::reference(16, 3, 5);
const COMMON: Likelihood = Likelihood { kind: LossKind::Gaussian, sigma: Sigma::Common };
const CHANNEL: Likelihood = Likelihood { kind: LossKind::Gaussian, sigma: Sigma::Channel };
const LEARNED: Likelihood = Likelihood { kind: LossKind::Gaussian, sigma: Sigma::Learned };
const SEED: u64 = 9;

fn options(likelihood: Likelihood, batch: u32, micro: u32) -> ModelOptions {
    let micro = Some(micro);
    ModelOptions { micro, likelihood, keep_gradients: true, ..ModelOptions::training(TINY, batch) }
}

fn open(place: Device<'_>, options: ModelOptions) -> Vae {
    Vae::new(place, options, 5).expect("build")
}

fn rgba(pictures: std::ops::Range<u64>) -> Vec<u32> {
    pictures.flat_map(|i| data::rgba_of(&data::landscape(SEED, i, TINY.size).0)).collect()
}

/// Pixels from 0 to 1 of the first `count` pictures, `[N, S, S, 3]`.
fn floats(count: u64) -> Vec<f32> {
    let bytes = (0..count).flat_map(|i| data::landscape(SEED, i, TINY.size).0);
    bytes.map(|byte| f32::from(byte) / 255.0).collect()
}

fn sigmoid(l: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(l)).exp())
}

/// Squared errors of each channel.
fn squares(logits: &[f32], x: &[f32]) -> [f64; 3] {
    let mut sums = [0.0; 3];
    let errors = logits.iter().zip(x).map(|(&l, &x)| sigmoid(l) - f64::from(x));
    errors.enumerate().for_each(|(i, error)| sums[i % 3] += error * error);
    sums
}

/// The width of a new model with a learned one.
const INITIAL: f64 = 0.2;

/// The formula of the paper for `values` values of each channel: `values / 2 (ln(2 pi m) + 1)`; with a learned width its
/// density.
fn nats(likelihood: Likelihood, sums: [f64; 3], values: f64) -> f64 {
    let of = |sum: f64, values: f64| 0.5 * values * ((2.0 * PI * sum / values).ln() + 1.0);
    match likelihood.sigma {
        Sigma::Channel => sums.iter().map(|&sum| of(sum, values)).sum(),
        Sigma::Learned => {
            let errors = sums.iter().sum::<f64>() / (2.0 * INITIAL * INITIAL);
            errors + 3.0 * values * (INITIAL * (2.0 * PI).sqrt()).ln()
        }
        _ => of(sums.iter().sum(), 3.0 * values),
    }
}

fn near(what: &str, a: f64, b: f64, share: f64) {
    assert!((a - b).abs() <= share * b.abs(), "{what}: {a} and {b}");
}

/// The largest difference of two gradients, each relative to the largest element of its tensor.
fn apart(a: &StateDict, b: &StateDict) -> f32 {
    let far = |(a, b): (&wgvae::model::NamedTensor, &wgvae::model::NamedTensor)| {
        let largest = b.values.iter().map(|v| v.abs()).fold(f32::MIN_POSITIVE, f32::max);
        a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
    };
    a.tensors.iter().zip(&b.tensors).map(far).fold(0.0, f32::max)
}

/// The width is that of the batch: 5 pictures in parts of 2, 2 and 1, and 2 pictures where 5 may be.
#[test]
fn gradients_do_not_depend_on_micro_batches() {
    let Some(adapter) = common::adapter() else { return };
    let step_in = |precision, likelihood, micro: u32, count: u32, mmd: f64| {
        let extras = TrainFeatures { mmd: mmd > 0.0, ..TrainFeatures::default() };
        let options = ModelOptions { precision, extras, ..options(likelihood, 5, micro) };
        let mut vae = open(Device::Gpu(&adapter), options);
        let settings = StepSettings { seed: 3, lr: 1e-3, beta: 0.2, mmd, ..StepSettings::default() };
        vae.train_step(Input::Rgba(&rgba(0..count.into())), count, &settings).expect("step");
        let loss = vae.losses(true).expect("losses")[0].1.loss;
        (loss, vae.gradients().expect("gradients"))
    };
    let step = |likelihood, micro, count, mmd| step_in(Element::F32, likelihood, micro, count, mmd);
    for likelihood in [COMMON, CHANNEL, LEARNED] {
        for (count, mmd) in [(5, 0.0), (5, 100.0), (2, 0.0)] {
            let (loss, whole) = step(likelihood, 5, count, mmd);
            for micro in [1, 2, 3] {
                let (in_parts, parts) = step(likelihood, micro, count, mmd);
                let far = apart(&parts, &whole);
                println!("{} {count} in parts of {micro}, MMD {mmd}: off by {far:.1e}", likelihood.sigma);
                assert!(far < 1e-4, "{count} in parts of {micro}: gradients are off by {far}");
                near("nats", in_parts.nll, loss.nll, 1e-5);
            }
        }
    }
    let [(common, of_common), (channel, of_channel)] = [COMMON, CHANNEL].map(|way| step(way, 2, 5, 0.0));
    println!("nats {} and {}, gradients {}", common.nll, channel.nll, apart(&of_common, &of_channel));
    assert!(common.nll > channel.nll + 1.0 && apart(&of_common, &of_channel) > 1e-2, "the widths are equal");
    for (likelihood, in_f32) in [(CHANNEL, of_channel), (LEARNED, step(LEARNED, 5, 5, 0.0).1)] {
        if !common::has_f16(&adapter) {
            continue;
        }
        let [(loss, whole), (in_parts, parts)] =
            [5, 2].map(|micro| step_in(Element::F16, likelihood, micro, 5, 0.0));
        let far = apart(&parts, &whole);
        println!("in f16: off by {far:.1e}, {:.1e} from f32", apart(&whole, &in_f32));
        assert!(far < 1e-3 && apart(&whole, &in_f32) < 0.15, "in f16: gradients are off by {far}");
        near("nats in f16", in_parts.nll, loss.nll, 1e-5);
    }
    // the twins know no other order of the programs
    let step_on = |place| {
        let mut vae = open(place, options(COMMON, 5, 2));
        let settings = StepSettings { seed: 3, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
        vae.train_step(Input::Rgba(&rgba(0..5)), 5, &settings).expect("step");
        vae.gradients().expect("gradients")
    };
    assert!(apart(&step_on(Device::Gpu(&adapter)), &step_on(Device::Twins)) < 1e-4);
}

/// The nats of a set are those of its own width: computed directly on the CPU, in parts, and in whole.
#[test]
fn a_set_has_the_width_of_all_its_pictures() {
    let Some(adapter) = common::adapter() else { return };
    for likelihood in [COMMON, CHANNEL, LEARNED] {
        let mut vae = open(Device::Gpu(&adapter), options(likelihood, 4, 2));
        let x = floats(7);
        let latents = vae.encode(&x).expect("latents");
        let z = vae.reparameterize(&latents, 3, 2).expect("draws");
        let logits = vae.logits(&z).expect("logits");
        let shown = vae.decode(&z).expect("pictures");
        assert!(
            shown.iter().zip(&logits).all(|(&p, &l)| (f64::from(p) - sigmoid(l)).abs() < 1e-6),
            "the mean"
        );
        let values = 7.0 * 256.0;
        let wanted = nats(likelihood, squares(&logits, &x), values);
        near("loss", vae.loss(&x, 3, 2).expect("loss").nll, wanted, 1e-6);

        let part = |vae: &mut Vae, first: u64, count: u64| {
            let pictures = rgba(first..first + count);
            vae.evaluate(Input::Rgba(&pictures), count as u32, first as u32, (3, 0.0)).expect("loss")
        };
        let whole = part(&mut vae, 0, 7);
        let parts = [(0, 4), (4, 2), (6, 1)].map(|(first, count)| part(&mut vae, first, count));
        let mut sum = Loss::default();
        parts.iter().for_each(|part| sum.add(part));
        near("added", sum.nll, whole.nll, 1e-6);
        near("mean", sum.per(7.0).nll, whole.nll / 7.0, 1e-6);
        let logarithms: f64 = parts.iter().map(|part| part.nll).sum();
        if likelihood == LEARNED {
            near("added", logarithms, whole.nll, 1e-6);
            continue;
        }
        assert!(
            whole.nll - logarithms > 1.0,
            "one width for all is worse than three: {whole:?}, {logarithms}"
        );
        // the sums survive in a checkpoint within an epoch; other losses are stored as before
        let text = serde_json::to_string(&sum).expect("JSON");
        assert_eq!(serde_json::from_str::<Loss>(&text).expect("a loss"), sum);
        assert_eq!(
            serde_json::to_string(&Loss::default()).expect("JSON"),
            r#"{"nll":0.0,"kl":0.0,"kl_penalty":0.0,"mmd":0.0}"#
        );
    }
}

/// Nats and importance-weighted bound, from the same draws on the CPU.
#[test]
fn an_evaluation_has_the_width_of_all_its_pictures() {
    let Some(adapter) = common::adapter() else { return };
    let (count, draws) = (6, 3);
    for likelihood in [COMMON, CHANNEL, LEARNED] {
        let mut vae = open(Device::Gpu(&adapter), options(likelihood, 4, 4));
        // larger weights than a new model's, whose samples are too flat for the distances
        let mut weights = vae.weights().expect("weights");
        let networks = weights.tensors.iter_mut().filter(|t| t.name != "log_sigma");
        networks.flat_map(|t| &mut t.values).for_each(|v| *v *= 3.0);
        vae.load(&weights).expect("load");
        let inputs = generate::landscapes(SEED, count);
        let settings =
            Settings { reading: Resize::Stretch.into(), draws, samples: Some(4), seed: 8, gallery: false };
        let report = evaluate(&mut vae, &inputs, &Priors::default(), None, &settings, &mut |_, _, _| ())
            .expect("an evaluation");
        let found = report.evaluation;

        let x = floats(count.into());
        let latents = vae.encode(&x).expect("latents");
        let mut log_ratios = Vec::new();
        let mut z = Vec::new();
        for picture in 0..count as usize {
            let mut stream = ChaCha8Rng::seed_from_u64(8);
            stream.set_stream(picture as u64);
            for _ in 0..draws {
                let mut log_ratio = 0.0;
                for at in 5 * picture..5 * picture + 5 {
                    let (mu, logvar) = (f64::from(latents.mu[at]), f64::from(latents.logvar[at]));
                    let eps = normal(&mut stream);
                    let drawn = mu + eps * (0.5 * logvar).exp();
                    log_ratio += 0.5 * (eps * eps + logvar - drawn * drawn);
                    z.push(drawn as f32);
                }
                log_ratios.push(log_ratio);
            }
        }
        let logits = vae.logits(&z).expect("logits");
        let (picture, values) = (3 * 256, 256.0);
        let each: Vec<[f64; 3]> = logits
            .chunks(picture)
            .enumerate()
            .map(|(draw, logits)| {
                let of = draw / draws as usize;
                squares(logits, &x[of * picture..(of + 1) * picture])
            })
            .collect();
        let all = [0, 1, 2].map(|channel| each.iter().map(|sums| sums[channel]).sum::<f64>());
        let drawn = each.len() as f64;
        near("nats", found.nll, nats(likelihood, all, drawn * values) / drawn, 1e-6);
        let means = match likelihood.sigma {
            Sigma::Channel => all.map(|sum| sum / (drawn * values)),
            Sigma::Learned => [INITIAL * INITIAL; 3],
            _ => [all.iter().sum::<f64>() / (3.0 * drawn * values); 3],
        };
        let pixels = |sums: &[f64; 3]| -> f64 {
            let channels = sums.iter().zip(means);
            channels.map(|(sum, m)| 0.5 * (values * (2.0 * PI * m).ln() + sum / m)).sum()
        };
        let weights: Vec<f64> =
            log_ratios.iter().zip(&each).map(|(log_ratio, sums)| log_ratio - pixels(sums)).collect();
        let bound = |weights: &[f64]| {
            let largest = weights.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = weights.iter().map(|weight| (weight - largest).exp()).sum();
            largest + (sum / weights.len() as f64).ln()
        };
        let iwae = weights.chunks(draws as usize).map(bound).sum::<f64>() / f64::from(count);
        near("bound", found.iwae, iwae, 1e-6);
        let bits = (found.nll + found.kl) / picture as f64 / std::f64::consts::LN_2;
        near("bits per dimension", found.bits_per_dim.expect("a density"), bits + 8.0, 1e-12);
    }
}

/// Trained, resumed within an epoch, converted, evaluated, exported; refused where it makes no sense.
#[test]
fn a_gaussian_goes_through_the_commands() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let run = |args: &[&str]| all_said(at, args);
    let sizes = ["--landscapes", "24", "--size", "16", "--hidden", "2", "--latent", "2", "--batch-size", "8"];
    let train = |more: &[&str]| run(&[&["train", "--no-tune", "--epochs", "1"], &sizes[..], more].concat());
    let said = train(&["--name", "a", "--loss", "gaussian", "--sigma", "channel", "--checkpoint-every", "1"]);
    assert!(said.contains(" bits/dim"), "{said}");
    train(&["--name", "b", "--loss", "gaussian"]);
    a_learned_width_goes_through_the_commands(at, &train);
    let likelihood = |path: &str| checkpoint::open(&at.join(path)).expect("a model").likelihood;
    assert_eq!([likelihood("runs/a"), likelihood("runs/b")], [CHANNEL, COMMON]);
    run(&["convert", "runs/a", "m.safetensors"]);
    assert_eq!(likelihood("m.safetensors"), CHANNEL);
    run(&["export-web", "runs/a", "page"]);
    run(&["verify", "runs/a"]);
    let file = std::fs::read_to_string(at.join("runs/a/config.toml")).expect("settings");
    assert!(file.contains("loss = \"gaussian\"") && file.contains("sigma = \"channel\""), "{file}");

    // the first steps of the epoch are in the checkpoint as sums
    train(&["--name", "c", "--resume", "runs/a/checkpoints/step_00000002"]);
    let last = |name: &str| {
        let metrics =
            std::fs::read_to_string(at.join(format!("runs/{name}/metrics.jsonl"))).expect("metrics");
        let line: serde_json::Value =
            serde_json::from_str(metrics.lines().rfind(|line| line.contains("train_nll")).expect("a line"))
                .expect("JSON");
        ["train_nll", "validation_nll"].map(|key| line[key].as_f64().expect(key))
    };
    assert_eq!(last("a"), last("c"));

    let gaussian = ["train", "--loss", "gaussian", "--sigma"];
    refuses(at, &[&gaussian[..], &["0.1"]].concat(), 2, &["--sigma: has no effect without --loss mse"]);
    refuses(at, &[&gaussian[..], &["wide"]].concat(), 2, &["must be a number, common, channel or learned"]);
    let mse = ["train", "--loss", "mse", "--sigma", "common"];
    refuses(at, &mse, 2, &["--sigma: has no effect without --loss gaussian"]);
    let other = ["train", "--resume", "runs/b", "--sigma", "channel"];
    refuses(at, &other, 1, &["was made with --sigma common\nand cannot continue with --sigma channel"]);
}

/// The width is in every file with the parameters, moves in a training, and goes on where a training is resumed.
fn a_learned_width_goes_through_the_commands(at: &Path, train: &dyn Fn(&[&str]) -> String) {
    let open = |path: &str| checkpoint::open(&at.join(path)).expect("a model");
    let log_sigma = |path: &str| {
        let model = open(path);
        assert_eq!(model.likelihood, LEARNED, "{path}");
        let own = model.weights.tensors.iter().find(|tensor| tensor.name == "log_sigma");
        f64::from(own.expect("a width").values[0])
    };
    let learned = ["--loss", "gaussian", "--sigma", "learned", "--ema", "0.5", "--clip-norm", "1000"];
    train(&[&["--name", "l", "--checkpoint-every", "1"], &learned[..]].concat());
    assert!((log_sigma("runs/l") - INITIAL.ln()).abs() > 1e-4, "it does not move");
    train(&["--name", "m", "--resume", "runs/l/checkpoints/step_00000002"]);
    assert_eq!(log_sigma("runs/l"), log_sigma("runs/m"), "a resumed training has another width");
    let run = |args: &[&str]| all_said(at, args);
    run(&["convert", "runs/l", "l.safetensors"]);
    assert_eq!(log_sigma("l.safetensors"), log_sigma("runs/l"));
    run(&["evaluate", "l.safetensors", "--landscapes", "4", "--samples", "4"]);
    run(&["export-web", "runs/l", "page_l"]);
    run(&["verify", "runs/l"]);
    let file = std::fs::read_to_string(at.join("runs/l/config.toml")).expect("settings");
    assert!(file.contains("sigma = \"learned\"") && !file.contains("learned-sigma"), "{file}");
    // a training may begin with another likelihood
    train(&["--name", "n", "--init", "runs/l", "--sigma", "common", "--loss", "gaussian"]);
    assert_eq!(open("runs/n").likelihood, COMMON);
    train(&[&["--name", "o", "--init", "runs/b"], &learned[..]].concat());
    log_sigma("runs/o");
}

/// A file that says a width which its likelihood cannot have.
#[test]
fn files_with_a_width_of_another_likelihood_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("m.safetensors");
    for config in [TINY, ModelConfig::spatial(16, 2, 4, 4)] {
        let weights = StateDict::initial(&config, 1);
        let opened = |likelihood| {
            checkpoint::write_model(&path, &weights, (config, likelihood)).expect("written");
            checkpoint::open(&path).map(|model| model.likelihood)
        };
        for likelihood in [COMMON, CHANNEL] {
            assert_eq!(opened(likelihood).expect("a model"), likelihood);
        }
        let missing = opened(LEARNED).expect_err("refused").to_string();
        assert!(missing.contains("has no tensor log_sigma"), "{missing}");
        for (kind, sigma) in [(LossKind::Mse, Sigma::Common), (LossKind::Gaussian, Sigma::Fixed(0.1))] {
            let said = opened(Likelihood { kind, sigma }).expect_err("refused").to_string();
            assert!(said.contains(&sigma.to_string()), "{said}");
        }
    }
}
