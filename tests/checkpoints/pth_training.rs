//! Models, Adam's moments and epochs in the files of training scripts.

use safetensors::SafeTensors;
use wgvae::checkpoint::pth::{self, Adam, Settings, Training};
use wgvae::config::ModelConfig;
use wgvae::model::StateDict;

use crate::common::pth::{fixture, golden};

fn training(name: &str) -> Result<Training, String> {
    let bytes = fixture(name);
    pth::read(&bytes).and_then(|value| pth::training(value, &NAMES))
}

/// Adam's state in a file that has it.
fn adam(training: &Training) -> &Adam {
    training.adam.as_ref().expect("Adam").as_ref().expect("moments")
}

fn names(training: &Training) -> Vec<&str> {
    training.model.iter().map(|(name, _)| name.as_str()).collect()
}

fn refuses(name: &str, parts: &[&str]) {
    let reason = training(name).and_then(|training| training.adam).expect_err(name);
    println!("{name} {reason}");
    for part in parts {
        assert!(reason.contains(part), "{name}: {part:?} is missing in: {reason}");
    }
}

const NAMES: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];

#[test]
fn bare_models_and_wrapped_names() {
    for file in [
        "state_dict.pth",
        "data_parallel.pth",
        "compiled.pth",
        "parameters.pth",
        "protocol4.pth",
        "legacy.pth",
    ] {
        let training = training(file).expect(file);
        assert_eq!(names(&training)[..4], NAMES, "{file}");
        assert_eq!(training.model[0].1.shape, [3, 2]);
        assert_eq!((&training.adam, training.epoch), (&Ok(None), None));
    }
}

#[test]
fn adam_and_its_settings() {
    let read = training("adamw.pth").expect("adamw.pth");
    assert_eq!((names(&read), read.epoch), (NAMES.to_vec(), Some(7)));
    let adam = adam(&read);
    let weight_decay = Some(0.25);
    let settings =
        Settings { lr: Some(3e-4), betas: Some([0.8, 0.95]), eps: Some(1e-7), weight_decay, amsgrad: false };
    assert_eq!((adam.step, adam.settings), (3, settings));
    for (moments, sign) in [(&adam.first, false), (&adam.second, true)] {
        assert_eq!(moments.len(), 4);
        for ((name, moment), (model, tensor)) in moments.iter().zip(&read.model) {
            assert_eq!((name, &moment.shape), (model, &tensor.shape));
            assert!(moment.values.iter().any(|&value| value != 0.0));
            assert!(!sign || moment.values.iter().all(|&value| value >= 0.0), "squares are not negative");
        }
    }
    let of = |file: &str| self::adam(&training(file).expect(file)).clone();
    let old = of("int_step.pth");
    assert_eq!((old.step, &old.first), (3, &adam.first));
    assert!(of("amsgrad.pth").settings.amsgrad);
    assert_eq!(of("groups.pth").settings.lr, Some(1e-3));
    assert_eq!(of("named.pth").step, 3);
    assert_eq!(training("fresh.pth").expect("fresh.pth").adam, Ok(None));
}

#[test]
fn what_does_not_fit() {
    refuses("sgd.pth", &["not Adam", "momentum", "lr"]);
    refuses("nadam.pth", &["not Adam", "mu_product", "0.weight"]);
    refuses("two_steps.pth", &["0.weight", "2.weight", " 3 ", " 4 "]);
    refuses("too_few.pth", &["2 parameters", "model has 4"]);
    // weights first, then biases: the second parameter is 2.weight, but the model has 0.bias there
    refuses("groups_reordered.pth", &["0.bias", "[3]", "[1, 3]"]);
    refuses("plain.pth", &["state_dict", "none, yes, no, int", "and 2 more", "torch.save("]);
    // the model of a file whose training cannot be continued is read
    assert_eq!(names(&training("sgd.pth").expect("sgd.pth")), NAMES);
}

/// PyTorch's checkpoint after training: moments and parameters equal those of the golden file.
#[test]
fn golden_checkpoints() {
    let Some(folder) = golden() else { return };
    for (name, steps) in [("tiny", 20), ("odd", 5)] {
        let bytes = std::fs::read(folder.join(name).join("optimizer.pth")).expect("optimizer.pth");
        let beside = std::fs::read(folder.join(name).join("golden.safetensors")).expect("golden.safetensors");
        let beside = SafeTensors::deserialize(&beside).expect("safetensors");
        let needed = StateDict::names(&ModelConfig::REFERENCE);
        let needed: Vec<&str> = needed.iter().map(|(name, _)| name.as_str()).collect();
        let training =
            pth::read(&bytes).and_then(|value| pth::training(value, &needed)).expect("a checkpoint");
        let adam = adam(&training);
        assert_eq!((training.epoch, adam.step), (Some(1), steps));
        let (first, second) = (&adam.first, &adam.second);
        assert_eq!((training.model.len(), first.len(), second.len()), (22, 22, 22));
        for (tensor, one, two) in
            training.model.iter().zip(first).zip(second).map(|((tensor, one), two)| (tensor, one, two))
        {
            let view = beside.tensor(&format!("param.{}.{steps}", tensor.0)).expect("the same name");
            let raw: Vec<_> = tensor.1.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert!(raw == view.data(), "{}", tensor.0);
            assert_eq!((&tensor.0, &tensor.1.shape), (&one.0, &one.1.shape));
            assert_eq!((&tensor.0, &tensor.1.shape), (&two.0, &two.1.shape));
            assert!(two.1.values.iter().all(|&value| value >= 0.0), "squares are not negative");
        }
        println!(
            "{name}: {} tensors and their moments, step {}, {:?}",
            first.len(),
            adam.step,
            adam.settings
        );
    }
}
