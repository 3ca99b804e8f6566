//! The zip archive around a pickle and its storages: a directory of stored (never compressed) entries.
//! Read this if a valid `.pth` file is refused as a damaged zip file.
//!
//! An entry is a slice of the file, so no claimed size causes an allocation, and nothing is inflated. This module does
//! not interpret the entries.

use std::collections::BTreeMap;

use super::{Result, shown};

/// Maximum number of entries: one per tensor and a few more.
const MAX_ENTRIES: usize = 1 << 17;
/// Maximum length of an entry's name: torch writes `folder/data/number`.
const MAX_NAME: usize = 1024;

const END: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_LEN: usize = 20;
const CENTRAL: &[u8] = b"PK\x01\x02";
const CENTRAL_LEN: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LEN: usize = 30;
/// Value of a 32-bit field whose real value is in the zip64 extra field.
const IN_EXTRA: u64 = 0xffff_ffff;
/// Type of the zip64 extra field.
const ZIP64: u16 = 1;

/// The little-endian number of `N` bytes at `at`, if they are there.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(N)?)?;
    Some(field.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// The number at `at` as a position or length in memory.
fn size<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number::<N>(bytes, at)?).ok()
}

/// An entry: its location, and whether it is stored uncompressed.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    bytes: &'a [u8],
    crc: u64,
    compressed: bool,
    header: usize,
    end: usize,
}

/// The entries of a zip file, by name without the common top folder.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, Entry<'a>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory at the end of `file`.
    pub(super) fn open(file: &'a [u8]) -> Result<Self> {
        let (limit, directory, count) = directory(file)?;
        if count > MAX_ENTRIES || count > directory.len() / CENTRAL_LEN {
            return Err(format!("its directory cannot hold the {count} entries that it claims"));
        }
        let mut entries = BTreeMap::new();
        let (mut rest, mut common) = (directory, None);
        for _ in 0..count {
            let (path, entry, length) = central(file, rest, limit)?;
            rest = rest.get(length..).unwrap_or_default();
            if path.ends_with('/') && entry.bytes.is_empty() {
                continue; // a folder, which other programs list too
            }
            let (folder, name) = split(path)?;
            if *common.get_or_insert(folder) != folder {
                return Err(format!("its entry {} is outside the folder of the others", shown(path)));
            }
            if entries.insert(name, entry).is_some() {
                return Err(format!("has two entries named {}", shown(path)));
            }
        }
        if !rest.is_empty() {
            return Err("its directory has other bytes after the last entry".to_owned());
        }
        let archive = Self { entries };
        archive.apart()?;
        Ok(archive)
    }

    /// Refuses entries that share bytes: overlapping entries let a small file pretend to be large.
    fn apart(&self) -> Result<()> {
        let mut places: Vec<_> = self.entries.iter().map(|(name, e)| (e.header, e.end, *name)).collect();
        places.sort_unstable();
        for pair in places.windows(2) {
            if let [(_, end, one), (start, _, other)] = pair
                && start < end
            {
                return Err(format!("its entries {} and {} overlap", shown(one), shown(other)));
            }
        }
        Ok(())
    }

    /// Checks that every entry is stored uncompressed and matches its checksum.
    pub(super) fn check(&self) -> Result<()> {
        for (name, entry) in &self.entries {
            if entry.compressed {
                let name = shown(name);
                return Err(format!(
                    "its entry {name} is compressed, which torch.save never does: load it with PyTorch and save it again"
                ));
            }
            // torch.serialization.set_crc32_options(False) writes 0: then there is no checksum to compare
            if entry.crc != 0 && u64::from(crc32fast::hash(entry.bytes)) != entry.crc {
                return Err(format!("its entry {} is damaged: the checksum differs", shown(name)));
            }
        }
        Ok(())
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry<'a>> {
        self.entries.get(name)
    }

    /// The contents of an entry.
    pub(super) fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.entry(name).map(|entry| entry.bytes)
    }

    /// Whether any entry is in `folder`, given with its slash.
    pub(super) fn has_folder(&self, folder: &str) -> bool {
        self.entries.keys().any(|name| name.starts_with(folder))
    }
}

/// Offset of the directory, its bytes and its number of entries, from the record at the end of the file.
fn directory(file: &[u8]) -> Result<(usize, &[u8], usize)> {
    let missing = || "is not a whole zip file: its directory is missing, so it may be truncated".to_owned();
    let end = end_record(file).ok_or_else(missing)?;
    let locator = end.checked_sub(LOCATOR_LEN).filter(|&at| file.get(at..at + 4) == Some(LOCATOR));
    let (count, length, start, limit) = match locator {
        Some(at) => {
            let record = size::<8>(file, at + 8).ok_or_else(missing)?;
            if record.checked_add(4).and_then(|to| file.get(record..to)) != Some(END64) {
                return Err("its zip64 end record is not where it should be".to_owned());
            }
            let field = |at: usize| record.checked_add(at).and_then(|at| size::<8>(file, at));
            (field(32), field(40), field(48), record.min(at))
        }
        None => (size::<2>(file, end + 10), size::<4>(file, end + 12), size::<4>(file, end + 16), end),
    };
    let (count, length, start) =
        count.zip(length).zip(start).map(|((c, l), s)| (c, l, s)).ok_or_else(missing)?;
    let stop = start.checked_add(length).filter(|&stop| stop <= limit);
    let directory = stop.and_then(|stop| file.get(start..stop)).ok_or("its directory is outside the file")?;
    Ok((start, directory, count))
}

/// Offset of the end record: the last place whose comment reaches exactly to the file's end.
fn end_record(file: &[u8]) -> Option<usize> {
    let last = file.len().checked_sub(END_LEN)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        file.get(at..at + 4) == Some(END) && size::<2>(file, at + 20) == Some(file.len() - at - END_LEN)
    })
}

/// Parses the first entry of the directory: its path, the entry, and the length of its record.
fn central<'a>(file: &'a [u8], record: &'a [u8], limit: usize) -> Result<(&'a str, Entry<'a>, usize)> {
    let cut = || "its directory is damaged".to_owned();
    if record.get(..4) != Some(CENTRAL) {
        return Err(cut());
    }
    let field = |at: usize| number::<4>(record, at).ok_or_else(cut);
    let length = |at: usize| size::<2>(record, at).ok_or_else(cut);
    let (names, extras, comments) = (length(28)?, length(30)?, length(32)?);
    let whole = CENTRAL_LEN + names + extras + comments;
    let name = record.get(CENTRAL_LEN..CENTRAL_LEN + names).ok_or_else(cut)?;
    let extra = record.get(CENTRAL_LEN + names..CENTRAL_LEN + names + extras).ok_or_else(cut)?;
    if record.len() < whole {
        return Err(cut());
    }
    let path =
        std::str::from_utf8(name).map_err(|_| "has an entry whose name is not valid text".to_owned())?;
    let mut wide = wide(extra);
    let mut value = |at: usize| match field(at)? {
        IN_EXTRA => wide.next().ok_or_else(cut),
        small => Ok(small),
    };
    // in the order of the extra field
    let (plain, packed, header) = (value(24)?, value(20)?, value(42)?);
    let (flags, method) = (length(8)?, length(10)?);
    if flags & 1 != 0 {
        return Err(format!("its entry {} is encrypted", shown(path)));
    }
    let compressed = method != 0;
    if !compressed && plain != packed {
        return Err(format!("its entry {} has two lengths, {plain} and {packed}", shown(path)));
    }
    let outside = || format!("its entry {} is outside the file", shown(path));
    let header = usize::try_from(header).map_err(|_| outside())?;
    let packed = usize::try_from(packed).map_err(|_| outside())?;
    let start = local(file, header, name)
        .ok_or_else(|| format!("its entry {} is not where it should be", shown(path)))?;
    let end = start.checked_add(packed).filter(|&end| end <= limit).ok_or_else(outside)?;
    let bytes = file.get(start..end).ok_or_else(outside)?;
    Ok((path, Entry { bytes, crc: field(16)?, compressed, header, end }, whole))
}

/// The numbers of the zip64 extra field; empty without it.
fn wide(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut found: &[u8] = &[];
    while let (Some(kind), Some(length)) = (number::<2>(extra, 0), size::<2>(extra, 2)) {
        let Some(body) = extra.get(4..4 + length) else { break };
        if kind == u64::from(ZIP64) {
            found = body;
            break;
        }
        extra = extra.get(4 + length..).unwrap_or_default();
    }
    (0..3).map_while(move |index| number::<8>(found, 8 * index))
}

/// Offset of the entry's bytes, given its local header at `header`, which must repeat its name.
fn local(file: &[u8], header: usize, name: &[u8]) -> Option<usize> {
    let record = file.get(header..)?;
    let (names, extras) = (size::<2>(record, 26)?, size::<2>(record, 28)?);
    let same = record.starts_with(LOCAL) && record.get(LOCAL_LEN..LOCAL_LEN + names)? == name;
    same.then(|| header + LOCAL_LEN + names + extras)
}

/// Splits a path into its top folder and the rest. Nothing is ever unpacked, but a name that would leave its folder
/// shows that torch did not write the file.
fn split(path: &str) -> Result<(&str, &str)> {
    let odd = |part: &str| matches!(part, "" | "." | "..");
    let bad = path.len() > MAX_NAME || path.contains(['\\', '\0']) || path.split('/').any(odd);
    match path.split_once('/') {
        Some(parts) if !bad => Ok(parts),
        _ => Err(format!("has an entry with the impossible name {}", shown(path))),
    }
}
