//! Interchange with PyTorch: its files load bit for bit, its training can be resumed, and mismatches are named.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use wgvae::checkpoint::{self, Model};
use wgvae::config::{Likelihood, ModelConfig};
use wgvae::model::{Device, ModelOptions, StateDict, StepSettings, Vae};

use crate::common;
use crate::common::report;

/// Relative L2 error of all parameters after three steps compared with PyTorch's own continuation, and of each loss.
/// Adam divides by the root of the second moment, so rounding of gradients near zero is visible.
const PARAMETERS: f64 = 1e-5;
const LOSS: f64 = 1e-5;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn bits(weights: &StateDict) -> Vec<(String, Vec<u32>)> {
    let one = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect();
    weights.tensors.iter().map(|t| (t.name.clone(), one(&t.values))).collect()
}

/// Adapters draw pictures of such parameters that look like those of a model.
#[test]
fn parameters_that_are_no_numbers_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("m.safetensors");
    let config = ModelConfig::reference(16, 3, 5);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut weights = StateDict::initial(&config, 1);
        let last = weights.tensors.last_mut().expect("tensors");
        *last.values.last_mut().expect("values") = value;
        let name = last.name.clone();
        checkpoint::write_model(&path, &weights, (config, Likelihood::default())).expect("written");
        let said = checkpoint::open(&path).expect_err("refused").to_string();
        assert!(said.contains(&format!("{name} has values that are NaN or infinite")), "{said}");
    }
}

#[test]
fn pth_and_safetensors_of_one_model_are_the_same() {
    let Some(golden) = std::env::var_os("WGVAE_GOLDEN").map(PathBuf::from) else {
        report::left_out("WGVAE_GOLDEN does not name a folder of PyTorch's values");
        return;
    };
    for name in ["tiny", "odd"] {
        let folder = golden.join(name);
        let pth = checkpoint::read_model(&folder.join("model.pth")).expect("model.pth");
        let safetensors =
            checkpoint::read_model(&folder.join("model.safetensors")).expect("model.safetensors");
        assert_eq!(pth.config, safetensors.config);
        assert_eq!(bits(&pth.weights), bits(&safetensors.weights), "{name}");
        let training = checkpoint::read_model(&folder.join("optimizer.pth")).expect("optimizer.pth");
        let adam = training.adam.expect("Adam").expect("an optimizer");
        println!("{name}: {:?}, step {} of Adam", training.config, adam.step);
        assert_eq!(training.config, pth.config);
        assert_ne!(bits(&training.weights), bits(&pth.weights), "{name}: trained");
    }
}

type Tensors = HashMap<String, Vec<f32>>;

fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).expect("golden.safetensors");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    file.iter().map(|(name, view)| (name.to_owned(), bytemuck::pod_collect_to_vec(view.data()))).collect()
}

/// Steps 3 to 5 of a PyTorch training, resumed from its dictionary after step 2.
fn continues(device: Device<'_>) {
    let folder = fixtures().join("continued");
    let golden = read(&folder.join("golden.safetensors"));
    let Model { config, weights, adam, .. } =
        checkpoint::read_model(&folder.join("training.pth")).expect("pth");
    let adam = adam.expect("Adam").expect("an optimizer");
    assert_eq!((config, adam.step), (ModelConfig::reference(16, 2, 3), 3));
    let build = ModelOptions { keep_gradients: true, ..ModelOptions::training(config, 2) };
    let mut vae = Vae::empty(device, build).expect("build");
    vae.restore(&weights, &adam.state, None, None).expect("restored");
    let area = 16 * 16;
    let pixel = |image: &[f32], i: usize| [image[i], image[area + i], image[2 * area + i]];
    let x: Vec<f32> =
        golden["x"].chunks(3 * area).flat_map(|image| (0..area).flat_map(move |i| pixel(image, i))).collect();
    for step in 3..6 {
        let settings = StepSettings {
            seed: 0,
            step,
            lr: adam.settings.lr.expect("lr"),
            beta: 0.2,
            ..StepSettings::default()
        };
        let probe = vae.probe(&x, &golden[&format!("eps.{step}")], &settings).expect("step");
        let (got, want) = (probe.loss.total(0.2), f64::from(golden["loss"][step as usize]));
        let error = (got - want).abs() / want;
        println!("step {step}: loss {got:.4}, PyTorch {want:.4}, {error:.1e} apart");
        assert!(error <= LOSS, "step {step}: loss {got}, PyTorch {want}");
    }
    let (mut apart, mut all) = (0.0, 0.0);
    for tensor in vae.weights().expect("weights").tensors {
        for (&a, &b) in tensor.values.iter().zip(&golden[&format!("param.{}.6", tensor.name)]) {
            apart += (f64::from(a) - f64::from(b)).powi(2);
            all += f64::from(b).powi(2);
        }
    }
    let error = (apart / all).sqrt();
    println!("parameters after step 6: {error:.1e} apart");
    assert!(error <= PARAMETERS, "parameters are {error:.1e} apart");
}

#[test]
fn a_pytorch_training_goes_on_where_it_stood() {
    continues(Device::Twins);
    if let Some(adapter) = common::adapter() {
        continues(Device::Gpu(&adapter));
    }
}

/// The error for a model with one wrong tensor.
fn refused(change: impl FnOnce(&mut StateDict)) -> String {
    let config = ModelConfig::reference(16, 2, 3);
    let mut weights = StateDict::initial(&config, 1);
    change(&mut weights);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("m.safetensors");
    checkpoint::write_model(&path, &weights, (config, Likelihood::default())).expect("written");
    checkpoint::read_model(&path).expect_err("refused").to_string()
}

#[test]
fn a_tensor_that_does_not_fit_is_named_with_both_shapes() {
    let at =
        |weights: &StateDict, name: &str| weights.tensors.iter().position(|t| t.name == name).expect(name);
    let text = refused(|w| {
        let i = at(w, "decoder.2.weight");
        w.tensors[i].shape = vec![2, 16, 4, 4];
    });
    assert!(text.contains("decoder.2.weight is [2, 16, 4, 4] and should be [8, 4, 4, 4]"), "{text}");
    let text = refused(|w| w.tensors.retain(|t| t.name != "fc_logvar.bias"));
    assert!(text.contains("has no tensor fc_logvar.bias"), "{text}");
    let text = refused(|w| {
        let mut more = w.tensors[1].clone();
        more.name = "encoder.1.running_mean".into();
        w.tensors.push(more);
    });
    assert!(text.contains("encoder.1.running_mean [2] that this kind of model does not have"), "{text}");
    let text = refused(|w| {
        let i = at(w, "fc_mu.weight");
        w.tensors[i].shape = vec![16, 3];
    });
    assert!(text.contains("fc_mu.weight [16, 3] does not fit hidden 2"), "{text}");
}

/// Half precision files are common in Python.
#[test]
fn half_precision_safetensors_are_read() {
    let config = ModelConfig::reference(16, 2, 3);
    let weights = StateDict::initial(&config, 1);
    let folder = tempfile::tempdir().expect("folder");
    for (dtype, bound) in [(safetensors::Dtype::F16, 5e-4), (safetensors::Dtype::BF16, 4e-3)] {
        let halves: Vec<Vec<u8>> = (weights.tensors.iter())
            .map(|t| {
                let bytes = |v: &f32| match dtype {
                    safetensors::Dtype::F16 => half::f16::from_f32(*v).to_le_bytes(),
                    _ => half::bf16::from_f32(*v).to_le_bytes(),
                };
                t.values.iter().flat_map(bytes).collect()
            })
            .collect();
        let views = weights.tensors.iter().zip(&halves).map(|(t, bytes)| {
            let view = safetensors::tensor::TensorView::new(dtype, t.shape.clone(), bytes).expect("view");
            (t.name.clone(), view)
        });
        let path = folder.path().join("half.safetensors");
        std::fs::write(&path, safetensors::serialize(views, None).expect("bytes")).expect("written");
        let read = checkpoint::read_model(&path).expect("read");
        assert_eq!(read.config, config);
        for (a, b) in read.weights.tensors.iter().zip(&weights.tensors) {
            for (a, b) in a.values.iter().zip(&b.values) {
                assert!((a - b).abs() <= bound * b.abs() + 1e-7, "{dtype:?}: {a} and {b}");
            }
        }
    }
}
