//! Checkpoints of other programs: Lightning's, averaged models, and what training scripts store beside a model.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use wgvae::checkpoint::pth::{self, Key, Value};
use wgvae::checkpoint::{self, Model};
use wgvae::config::ModelConfig;
use wgvae::model::StateDict;

use crate::common::pth::{fixture, pickle, pth, tensor};

/// A file of tools/make_checkpoints.py, and the values that must be found in it.
fn read(name: &str) -> (Model, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints");
    let path: PathBuf = folder.join(name);
    let model = checkpoint::read_model(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(model.config, ModelConfig::reference(16, 1, 2), "{name}");
    println!("{name}: {:?}", model.notes);
    (model, std::fs::read(path.with_extension("safetensors")).expect("the values"))
}

/// Every tensor is bit for bit that of the safetensors file, under its name with `prefix`.
fn same(name: &str, tensors: &StateDict, bytes: &[u8], prefix: &str) {
    let expected = SafeTensors::deserialize(bytes).expect("safetensors");
    for tensor in &tensors.tensors {
        let view = expected.tensor(&format!("{prefix}{}", tensor.name)).expect("the same name");
        assert_eq!(view.shape(), tensor.shape, "{name}: {}", tensor.name);
        assert!(
            view.data() == bytemuck::cast_slice::<f32, u8>(&tensor.values),
            "{name}: {prefix}{}",
            tensor.name
        );
    }
    assert_eq!(tensors.tensors.len(), 22, "{name}");
}

#[test]
fn checkpoints_of_lightning() {
    for name in ["lightning.ckpt", "lightning_average.ckpt"] {
        let (model, expected) = read(name);
        same(name, &model.weights, &expected, "");
        let adam = model.adam.expect("Adam").expect("moments");
        assert_eq!((adam.step, adam.settings.lr), (4, Some(2e-3)), "{name}");
        for (prefix, moments) in ["exp_avg.", "exp_avg_sq."].iter().zip(&adam.state.slots) {
            same(name, &moments.1, &expected, prefix);
        }
        let left = "left out the tensors ";
        assert!(model.notes.iter().any(|note| note.starts_with(left) && note.contains("metric.weight")));
        let chosen = "took the model under current_model_state.vae, not that under state_dict.vae";
        assert_eq!(model.notes.iter().any(|note| note == chosen), name == "lightning_average.ckpt");
    }
}

#[test]
fn averaged_models() {
    let (model, expected) = read("average_beside.bin");
    same("average_beside.bin", &model.weights, &expected, "");
    assert_eq!(model.notes, ["took the model under generator, not that under generator_ema.module"]);
    let (model, expected) = read("average_only.pth");
    same("average_only.pth", &model.weights, &expected, "");
    assert_eq!(model.notes.len(), 2);
    assert!(model.notes[0].contains("is an average (EMA or SWA)"), "{:?}", model.notes);
    assert_eq!(model.notes[1], "left out the tensors n_averaged");
}

/// Objects are kept by the names of their classes, in every protocol.
#[test]
fn objects_beside_a_model() {
    for file in ["objects.pth", "objects3.pth", "objects4.pth", "objects5.pth"] {
        let bytes = fixture(file);
        let value = pth::read(&bytes).unwrap_or_else(|reason| panic!("{file} {reason}"));
        let Value::Map(map) = &value else { panic!("{file} is no dictionary") };
        let of = |key: &str| map.iter().find(|(found, _)| *found == Key::Text(key)).map(|(_, value)| value);
        for (key, is) in [
            ("epoch", Value::Int(7)),
            ("loss", Value::Float(0.1)),
            ("half", Value::Float(0.5)),
            ("byte", Value::Int(200)),
            ("yes", Value::Bool(true)),
            ("counter", Value::Map(vec![(Key::Text("a"), Value::Int(2)), (Key::Text("b"), Value::Int(1))])),
            ("default", Value::Map(vec![(Key::Text("a"), Value::List(vec![Value::Int(1)]))])),
        ] {
            assert_eq!(of(key), Some(&is), "{file}: {key}");
        }
        let class = |key: &str| match of(key) {
            Some(Value::Opaque(opaque)) => opaque.to_string(),
            other => panic!("{file}: {key} is {other:?}"),
        };
        let mut classes = String::new();
        for key in
            ["set", "frozen", "complex", "slice", "device", "array", "namespace", "path", "date", "large"]
        {
            classes += &format!("{key} is {}; ", class(key));
        }
        println!("{file}: {classes}");
        for key in ["range", "deque", "surrogate", "complex64", "negated", "sparse", "float8", "module"] {
            assert!(class(key).starts_with("an object of "), "{file}: {key}");
        }
        assert_eq!(class("namespace"), "an object of argparse.Namespace");
        assert_eq!(class("class"), "the class or function collections.OrderedDict");
        assert_eq!(map.iter().filter(|(key, _)| *key == Key::Other).count(), 4, "{file}");
        let training = pth::training(value, &["0.weight", "0.bias"]).expect(file);
        assert_eq!((training.model.len(), training.epoch), (2, Some(7)), "{file}");
    }
}

/// The model of a file of one tensor `a`, under these operations of a pickle.
fn found(operations: &[&[u8]]) -> Result<pth::Training, String> {
    let file = pth(&pickle(&operations.concat()), &[&[0; 16], &[0; 16]]);
    pth::read(&file).and_then(|value| pth::training(value, &["a"]))
}

#[test]
fn the_model_may_be_anywhere() {
    let one = tensor(4, 0, &[4], &[1]);
    let text = |text: &str| [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let model = [&b"}"[..], &text("a"), &one, b"s"].concat();
    for (what, operations) in [
        ("alone", model.clone()),
        ("under a key", [&b"}"[..], &text("net"), &model, b"s"].concat()),
        ("deeper", [&b"}"[..], &text("x"), b"}", &text("generator"), &model, b"ss"].concat()),
        ("in a list", [&b"](K\x03"[..], &model, b"e"].concat()),
        ("in a tuple", [&model[..], b"N\x86"].concat()),
        ("under a number", [&b"}K\x07"[..], &model, b"s"].concat()),
        ("of Python 2", [&b"ccollections\nOrderedDict\n]](U\x01a"[..], &one, b"ea\x85R"].concat()),
        (
            "by a class",
            [&b"ccollections\ndefaultdict\ncos\nsystem\n\x85R"[..], &text("a"), &one, b"s"].concat(),
        ),
    ] {
        let training = found(&[&operations]).unwrap_or_else(|reason| panic!("{what}: {reason}"));
        assert_eq!((training.model.len(), training.notes.len()), (1, 0), "{what}: {:?}", training.notes);
    }
    let unnamed = [&b"}"[..], &text("shadow_params"), b"]", &one, b"as"].concat();
    let reason = found(&[&unnamed]).expect_err("no names");
    assert!(reason.contains("shadow_params") && reason.contains("copy_to"), "{reason}");
    let module = [&b"}"[..], &text("model"), b"cmodels\nVae\n)\x81}bs"].concat();
    let reason = found(&[&module]).expect_err("a module");
    assert!(
        reason.contains("model (an object of models.Vae)") && reason.contains("state_dict()"),
        "{reason}"
    );
}

/// Settings of an optimizer that are not numbers are named, and do not keep the model from being read.
#[test]
fn an_optimizer_that_is_not_understood() {
    let model = [&b"}X\x01\0\0\0a"[..], &tensor(4, 0, &[4], &[1]), b"s"].concat();
    let with = |key: &str, optimizer: &[u8]| {
        let key = [b"X".as_slice(), &(key.len() as u32).to_le_bytes(), key.as_bytes()].concat();
        let training = found(&[b"}(X\x03\0\0\0net", &model, &key, optimizer, b"u"]).expect("a model");
        training.adam.expect_err("not Adam")
    };
    let group = |lr: &[u8]| {
        let betas = b"X\x05\0\0\0betasG?\xe0\0\0\0\0\0\0G?\xe0\0\0\0\0\0\0\x86";
        let params = b"X\x06\0\0\0params]K\0a";
        [b"}(X\x05\0\0\0state}X\x0c\0\0\0param_groups]}(X\x02\0\0\0lr", lr, betas, params, b"uau"].concat()
    };
    assert_eq!(with("optimizer", &group(b"cos\nsystem\n)R")), "its optimizer's lr is an object of os.system");
    assert_eq!(with("optimizer_states", b"](}}e"), "it was trained with 2 optimizers");
    assert_eq!(with("opt", b"cx\nAdam\n)\x81"), "its optimizer is an object of x.Adam, not a dictionary");
}
