//! The spatial architecture through the commands: trained, resumed, sampled, encoded, decoded, evaluated, exported.

use wgvae::checkpoint;
use wgvae::config::{Architecture, LossKind, Sigma};
use wgvae::model::{Device, ModelOptions, StateDict, Vae};

use crate::common;
use crate::common::program::{all_said, refuses};

const SIZES: [&str; 11] =
    ["train", "--model", "spatial", "--size", "32", "--hidden", "4", "--latent", "4", "--landscapes", "24"];

#[test]
fn a_spatial_model_goes_through_every_command() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let run = |args: &[&str]| all_said(at, args);
    let train = |name: &str, epochs: &str, more: &[&str]| {
        run(&[&SIZES[..], &["--batch-size", "5", "--no-tune", "--name", name, "--epochs", epochs], more]
            .concat())
    };
    train("whole", "2", &["--prior", "gaussian"]);
    train("parts", "1", &["--prior", "normal"]);
    run(&["train", "--resume", "runs/parts", "--epochs", "2", "--reschedule", "--no-tune"]);
    train("micro", "2", &["--micro-batch", "2", "--prior", "normal"]);
    let whole = checkpoint::open(&at.join("runs/whole")).expect("a model");
    assert_eq!((whole.config.architecture, whole.config.latents()), (Architecture::Spatial, 64));
    assert_eq!((whole.likelihood.kind, whole.likelihood.sigma), (LossKind::Gaussian, Sigma::Common));
    let micro = checkpoint::open(&at.join("runs/micro")).expect("a model");
    for (a, b) in whole.weights.tensors.iter().zip(&micro.weights.tensors) {
        let far = a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-3, "{}: micro-batches are off by {far}", a.name);
    }

    run(&["data", "synth", "pictures", "--count", "6", "--size", "32"]);
    run(&["sample", "runs/whole", "--count", "4"]);
    run(&["encode", "runs/whole", "pictures", "-o", "z.npy"]);
    run(&["decode", "runs/whole", "z.npy", "-o", "decoded"]);
    run(&["fit-prior", "runs/whole", "pictures", "--force"]);
    run(&["sample", "runs/whole", "--prior", "fitted", "-o", "fitted.png"]);
    let told = run(&["traverse", "runs/whole", "--dims", "2", "--steps", "3"]);
    assert!(told.contains("of variance") && told.contains(" %"), "{told}");
    // without a prior, pictures have the directions
    refuses(at, &["traverse", "runs/parts"], 2, &["give DATA, a folder of them"]);
    let told = run(&["traverse", "runs/parts", "pictures", "--dims", "9"]);
    assert_eq!(told.matches(" %").count(), 5, "six pictures have five directions: {told}");
    run(&["verify", "runs/whole"]);
    run(&["export-web", "runs/whole", "page"]);
    let report = run(&["evaluate", "runs/whole", "--landscapes", "10", "--json", "--no-features"]);
    assert!(report.contains("psnr"), "{report}");
    let safetensors = at.join("runs/whole/checkpoints/epoch_0002/model.safetensors");
    run(&["convert", safetensors.to_str().expect("a path"), "copy.safetensors"]);
    let copy = checkpoint::open(&at.join("copy.safetensors")).expect("a copy");
    let original = checkpoint::open(&safetensors).expect("the checkpoint's model");
    assert!(copy.weights == original.weights && copy.config == original.config, "a copy of other numbers");
    run(&[
        &SIZES[..],
        &["--init", "copy.safetensors", "--epochs", "1", "--name", "again", "--no-tune", "--prior", "normal"],
    ]
    .concat());

    refuses(
        at,
        &["train", "--model", "reference", "--grid", "8", "--epochs", "1"],
        2,
        &["--grid", "--model spatial"],
    );
    let odd = ["train", "--model", "spatial", "--size", "48", "--grid", "5"];
    refuses(at, &odd, 2, &["--grid 5", "for example --grid 6"]);
    let odd = ["train", "--model", "spatial", "--latent", "6"];
    refuses(at, &odd, 2, &["--latent 6", "multiple of 4"]);
}

/// The adapter and the CPU reference compute the same latents and pictures.
#[test]
fn the_adapter_agrees_with_the_twins() {
    let Some(adapter) = common::adapter() else { return };
    let config = wgvae::config::ModelConfig::spatial(32, 5, 8, 8);
    let weights = StateDict::initial(&config, 3);
    let pictures: Vec<f32> = (0..2 * 32 * 32 * 3).map(|i| 0.5 + 0.5 * (0.37 * i as f32).sin()).collect();
    let [a, b] = [Device::Gpu(&adapter), Device::Twins].map(|device| {
        let mut vae = Vae::empty(device, ModelOptions::inference(config, 2)).expect("a model");
        vae.load(&weights).expect("loaded");
        let latents = vae.encode(&pictures).expect("latents");
        let decoded = vae.decode(&latents.mu).expect("pictures");
        (latents, decoded)
    });
    let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert_eq!((a.0.mu.len(), a.1.len()), (2 * 8 * 8 * 8, pictures.len()));
    assert!(far(&a.0.mu, &b.0.mu) < 1e-4 && far(&a.0.logvar, &b.0.logvar) < 1e-4 && far(&a.1, &b.1) < 1e-5);
}
