//! Shared parts of the `.pth` tests: fixtures, and zip files made by hand.

use std::path::{Path, PathBuf};

use wgvae::checkpoint::pth::{Key, Tensor, Value};

/// The bytes of a small file made by tools/make_pth.py.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pth").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folder of golden files, if WGVAE_GOLDEN names it.
pub(crate) fn golden() -> Option<PathBuf> {
    let folder = std::env::var_os("WGVAE_GOLDEN").map(PathBuf::from);
    if folder.is_none() {
        super::report::left_out("WGVAE_GOLDEN does not name a folder of PyTorch's values");
    }
    folder
}

/// Tensors in the order of the file, the names of nested dictionaries joined by '/'.
pub(crate) fn flatten<'v>(value: &'v Value<'_>, prefix: &str, into: &mut Vec<(String, &'v Tensor)>) {
    match value {
        Value::Tensor(tensor) => into.push((prefix.to_owned(), tensor)),
        Value::Map(map) => {
            for (key, inner) in map {
                let key = match key {
                    Key::Text(text) => (*text).to_owned(),
                    Key::Int(number) => number.to_string(),
                    Key::Other => continue,
                };
                let name = if prefix.is_empty() { key } else { format!("{prefix}/{key}") };
                flatten(inner, &name, into);
            }
        }
        _ => {}
    }
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// An entry of a zip file, and the claims of its directory.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    /// offset in the directory; the real one if `None`
    pub(crate) at: Option<u32>,
}

impl Entry {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let crc = crc32fast::hash(bytes);
        Self { name: name.to_owned(), bytes: bytes.to_vec(), method: 0, crc, at: None }
    }
}

/// A zip file of `entries`.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = entry.at.unwrap_or(file.len() as u32);
        let mut fields = Vec::new();
        fields.extend([20, 0, 0, 0]);
        fields.extend(entry.method.to_le_bytes());
        fields.extend([0; 4]);
        fields.extend(entry.crc.to_le_bytes());
        fields.extend((entry.bytes.len() as u32).to_le_bytes());
        fields.extend((entry.bytes.len() as u32).to_le_bytes());
        fields.extend((entry.name.len() as u16).to_le_bytes());
        fields.extend([0; 2]);
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(entry.name.bytes());
        file.extend(&entry.bytes);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(entry.name.bytes());
    }
    let start = file.len() as u32;
    let count = (entries.len() as u16).to_le_bytes();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// A torch.save file with this pickle and the storages "0", "1", ...
pub(crate) fn pth(pickle: &[u8], storages: &[&[u8]]) -> Vec<u8> {
    let mut entries = vec![Entry::new("a/data.pkl", pickle)];
    for (index, bytes) in storages.iter().enumerate() {
        entries.push(Entry::new(&format!("a/data/{index}"), bytes));
    }
    zip(&entries)
}

/// The pickle of a tensor of storage "0", which has `held` floats.
pub(crate) fn tensor(held: u32, start: i32, shape: &[u64], strides: &[u64]) -> Vec<u8> {
    let mut pickle =
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n".to_vec();
    pickle.extend(b"X\x01\0\0\x000X\x03\0\0\0cpuJ");
    pickle.extend(held.to_le_bytes());
    pickle.extend(b"tQJ");
    pickle.extend(start.to_le_bytes());
    for sizes in [shape, strides] {
        pickle.push(b'(');
        for size in sizes {
            pickle.extend(b"\x8a\x08");
            pickle.extend(size.to_le_bytes());
        }
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    pickle
}

/// A complete pickle around the operations that create its value.
pub(crate) fn pickle(operations: &[u8]) -> Vec<u8> {
    [b"\x80\x02", operations, b"."].concat()
}
