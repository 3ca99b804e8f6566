//! Files of PyTorch before version 1.6, and of `_use_new_zipfile_serialization=False`: five pickles one behind the other,
//! then the raw storages.
//!
//! The pickles are a magic number, the version, the machine's byte order, the value, and the order of the storages by
//! key. Each storage is its number of elements (8 bytes, little-endian) and the elements.

use std::collections::HashMap;

use super::items::{Item, Made, Storage};
use super::machine::{Source, run};
use super::stream::Stream;
use super::{MAX_PICKLE, Result, shown};

/// The number in the first pickle.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// The bytes of this number in every protocol since 2, and in protocol 1.
const WRITTEN: [&[u8]; 2] =
    [b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", b"L119547037146038801333356L\n"];
/// Bytes at the beginning of a file that have the number: it is the first value.
const BEGINNING: usize = 48;
/// Version in the second pickle; there is no other.
const VERSION: i128 = 1001;

/// Whether a file begins with the magic number.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    let beginning = bytes.get(..BEGINNING.min(bytes.len())).unwrap_or_default();
    WRITTEN.iter().any(|written| beginning.windows(written.len()).any(|window| window == *written))
}

/// Runs the pickles of a file, and gives the storages their bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Made<'_>> {
    let mut stream = Stream::new(bytes.get(..MAX_PICKLE).unwrap_or(bytes));
    let whole = stream.left();
    let mut pickle = || run(&mut stream, Source::Behind);
    if !matches!(pickle()?.root, Item::Int(MAGIC)) {
        return Err("is a bare pickle, not a file of torch.save".to_owned());
    }
    match pickle()?.root {
        Item::Int(VERSION) => {}
        Item::Int(other) => return Err(format!("is a legacy file of the unknown version {other}")),
        other => return Err(format!("is a legacy file whose version is {}", other.kind())),
    }
    let system = pickle()?;
    if let Item::Dict(index) = system.root
        && let Some(about) = system.objects.dictionaries.get(index)
        && about.iter().any(|pair| matches!(pair, (Item::Text("little_endian"), Item::Bool(false))))
    {
        return Err("holds big-endian numbers; only little-endian files are read".to_owned());
    }
    let mut made = pickle()?;
    let keys = pickle()?;
    let keys = keys.objects.items(keys.root).ok_or("is a legacy file without a list of storages")?;
    let read = whole - stream.left();
    fill(&mut made.objects.storages, keys, Stream::new(bytes.get(read..).unwrap_or_default()))?;
    Ok(made)
}

/// Gives each storage its bytes, which `stream` has in the order of `keys`.
fn fill<'a>(storages: &mut [Storage<'a>], keys: &[Item<'a>], mut stream: Stream<'a>) -> Result<()> {
    let by_key: HashMap<_, _> = storages.iter().map(|storage| (storage.key, *storage)).collect();
    let mut found = HashMap::new();
    let cut = |_| "is a legacy file whose storages end too early: it may be truncated".to_owned();
    for key in keys {
        let Item::Text(key) = *key else { return Err(format!("has a storage named by {}", key.kind())) };
        // only a storage that something refers to has a size
        let storage = by_key.get(key);
        let storage = storage.ok_or_else(|| format!("has a storage {} of no known type", shown(key)))?;
        let count = u64::from_le_bytes(stream.array().map_err(cut)?);
        let (true, Some(size)) = (usize::try_from(count) == Ok(storage.count), storage.size()) else {
            return Err(format!(
                "its storage {} has {count} numbers, and should have {}",
                shown(key),
                storage.count
            ));
        };
        found.insert(key, (stream.take(size).map_err(cut)?, storage.kind));
    }
    for storage in storages {
        match found.get(storage.key) {
            Some(&(bytes, kind)) if storage.kind == kind && storage.size() == Some(bytes.len()) => {
                storage.bytes = bytes;
            }
            Some(_) => return Err(format!("has a storage {} of two types or sizes", shown(storage.key))),
            None => return Err(format!("has no storage {} for a tensor", shown(storage.key))),
        }
    }
    Ok(())
}
