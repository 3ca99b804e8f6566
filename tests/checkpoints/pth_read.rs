//! Files saved by PyTorch give the values that PyTorch reads.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::SafeTensors;
use wgvae::checkpoint::pth::{self, Key, Value};

use crate::common::pth::{bits, fixture, flatten, golden, pth, tensor};

/// Every fixture with expected tensors has exactly these, in this order and bit for bit.
#[test]
fn tensors_as_pytorch_reads_them() {
    let expected = fixture("expected.json");
    let expected: HashMap<String, Vec<serde_json::Value>> = serde_json::from_slice(&expected).expect("json");
    let (mut files, mut tensors) = (0, 0);
    for (file, expected) in &expected {
        let bytes = fixture(file);
        let value = pth::read(&bytes).unwrap_or_else(|reason| panic!("{file} {reason}"));
        let mut found = Vec::new();
        flatten(&value, "", &mut found);
        assert_eq!(found.len(), expected.len(), "{file}");
        for ((name, tensor), expected) in found.iter().zip(expected) {
            let numbers = |key: &str| {
                let list = expected[key].as_array().expect("a list").iter();
                list.map(|n| n.as_u64().expect("a number")).collect::<Vec<_>>()
            };
            assert_eq!(*name, expected["name"].as_str().expect("a name"), "{file}");
            let shape: Vec<_> = tensor.shape.iter().map(|&n| n as u64).collect();
            assert_eq!(shape, numbers("shape"), "{file} {name}");
            let found: Vec<_> = bits(&tensor.values).into_iter().map(u64::from).collect();
            assert_eq!(found, numbers("bits"), "{file} {name}");
            tensors += 1;
        }
        files += 1;
    }
    println!("{files} files, {tensors} tensors");
    assert!(files >= 20 && tensors >= 150);
}

#[test]
fn plain_values() {
    for file in ["plain.pth", "plain5.pth"] {
        let list = |items: &[i128]| Value::List(items.iter().map(|&item| Value::Int(item)).collect());
        let text = Key::Text;
        let nested = Value::Map(vec![(text("deep"), Value::List(vec![Value::None]))]);
        let inner = Value::List(vec![Value::Float(2.5), Value::Text("x")]);
        let expected = Value::Map(vec![
            (text("none"), Value::None),
            (text("yes"), Value::Bool(true)),
            (text("no"), Value::Bool(false)),
            (text("int"), Value::Int(-3)),
            (text("big"), Value::Int((1 << 63) + 5)),
            (text("negative"), Value::Int(-(1 << 40))),
            (text("float"), Value::Float(0.1)),
            (text("text"), Value::Text("größe")),
            (text("bytes"), Value::Bytes(Cow::Borrowed(b"\x00\xe9z"))),
            (text("empty"), Value::Bytes(Cow::Borrowed(b""))),
            (text("list"), Value::List(vec![Value::Int(1), inner, Value::List(vec![])])),
            (text("tuple"), list(&[1, 2, 3, 4])),
            (text("size"), list(&[2, 3])),
            (text("nested"), Value::Map(vec![(Key::Int(7), nested)])),
        ]);
        assert_eq!(pth::read(&fixture(file)), Ok(expected), "{file}");
    }
}

/// The golden models and the safetensors beside them have identical bits.
#[test]
fn golden_models() {
    let Some(folder) = golden() else { return };
    for name in ["tiny", "odd"] {
        let bytes = std::fs::read(folder.join(name).join("model.pth")).expect("model.pth");
        let beside = std::fs::read(folder.join(name).join("model.safetensors")).expect("model.safetensors");
        let beside = SafeTensors::deserialize(&beside).expect("safetensors");
        let needed: Vec<String> = beside.names().into_iter().map(|name| name.to_string()).collect();
        let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
        let training = pth::read(&bytes).and_then(|value| pth::training(value, &needed)).expect("a model");
        assert_eq!(training.model.len(), beside.len());
        assert_eq!((&training.adam, training.epoch), (&Ok(None), None));
        let mut numbers = 0;
        for (name, tensor) in &training.model {
            let view = beside.tensor(name).expect("the same name");
            assert_eq!(tensor.shape, view.shape(), "{name}");
            let raw: Vec<_> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert!(raw == view.data(), "{name}");
            numbers += tensor.values.len();
        }
        println!("{name}: {} tensors, {numbers} numbers, the same bits", training.model.len());
    }
}

/// NaNs keep their payload: f32 is copied, not converted.
#[test]
fn every_bit_of_an_f32() {
    let patterns = [0x7fc0_1234u32, 0xffa0_0001, 1, 0x8000_0000];
    let bytes: Vec<_> = patterns.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let file = pth(&crate::common::pth::pickle(&tensor(4, 0, &[4], &[1])), &[&bytes]);
    let Ok(Value::Tensor(tensor)) = pth::read(&file) else { panic!("no tensor") };
    assert_eq!(bits(&tensor.values), patterns);
}

/// Entries beyond 4 GiB have their sizes and offsets in an extra field; here a small entry has them.
#[test]
fn sizes_in_the_extra_field() {
    let mut file = pth(b"\x80\x02K\x07.", &[]);
    let (end, name) = (file.len() - 22, "a/data.pkl".len());
    let central = end - 46 - name;
    let numbers = [5u64, 5, 0].iter().flat_map(|number| number.to_le_bytes());
    // another field before it, which is skipped
    let extra: Vec<u8> = [9, 9, 1, 0, 0xff, 1, 0, 24, 0].into_iter().chain(numbers).collect();
    for field in [20, 24, 42] {
        file[central + field..central + field + 4].fill(0xff);
    }
    assert!(pth::read(&file).is_err(), "the extra field is missing");
    file[central + 30] = extra.len() as u8;
    file[end + 12] += extra.len() as u8;
    file.splice(end..end, extra);
    assert_eq!(pth::read(&file), Ok(Value::Int(7)));
}
