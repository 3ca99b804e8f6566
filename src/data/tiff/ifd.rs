//! Directories of TIFF files (classic and BigTIFF) and of the camera raw files that are built like them.
//! Read this for how tags are found without trusting any offset.

/// Most directories that are visited, and most entries of each.
const MAX_DIRECTORIES: usize = 64;
const MAX_ENTRIES: u64 = 4096;
/// Most values of an entry that are read.
const MAX_VALUES: u64 = 1 << 20;

/// Names of tags.
pub(in crate::data) mod tag {
    pub(in crate::data) const WIDTH: u16 = 256;
    pub(in crate::data) const HEIGHT: u16 = 257;
    pub(in crate::data) const BITS: u16 = 258;
    pub(in crate::data) const COMPRESSION: u16 = 259;
    pub(in crate::data) const PHOTOMETRIC: u16 = 262;
    pub(in crate::data) const FILL_ORDER: u16 = 266;
    pub(in crate::data) const STRIP_OFFSETS: u16 = 273;
    pub(in crate::data) const ORIENTATION: u16 = 274;
    pub(in crate::data) const SAMPLES: u16 = 277;
    pub(in crate::data) const STRIP_BYTES: u16 = 279;
    pub(in crate::data) const PLANAR: u16 = 284;
    pub(in crate::data) const COLOUR_MAP: u16 = 320;
    pub(in crate::data) const TILE_OFFSETS: u16 = 324;
    pub(in crate::data) const TILE_BYTES: u16 = 325;
    pub(in crate::data) const SUB_DIRECTORIES: u16 = 330;
    pub(in crate::data) const INK_SET: u16 = 332;
    pub(in crate::data) const EXTRA_SAMPLES: u16 = 338;
    pub(in crate::data) const SAMPLE_FORMAT: u16 = 339;
    pub(in crate::data) const SUBSAMPLING: u16 = 530;
    pub(in crate::data) const ICC: u16 = 34675;
    pub(in crate::data) const DNG_VERSION: u16 = 50706;
}

/// The structure of a file: byte order and width of its offsets.
#[derive(Clone, Copy)]
pub(in crate::data) struct Tiff<'a> {
    data: &'a [u8],
    big_endian: bool,
    /// whether offsets have 64 bits
    wide: bool,
    first: u64,
}

/// An entry of a directory.
#[derive(Clone, Copy)]
pub(in crate::data) struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// position of the values in the file
    pub(in crate::data) at: usize,
}

/// The entries of a directory.
pub(in crate::data) struct Directory<'a> {
    file: Tiff<'a>,
    entries: Vec<Entry>,
    next: u64,
}

impl<'a> Tiff<'a> {
    /// A file with the magic number of TIFF, BigTIFF, or of the raw files of Olympus and Panasonic.
    pub(in crate::data) fn open(data: &'a [u8]) -> Option<Self> {
        let big_endian = match data.get(..2)? {
            b"II" => false,
            b"MM" => true,
            _ => return None,
        };
        let mut file = Self { data, big_endian, wide: false, first: 0 };
        match file.number(2, 2)? {
            42 | 0x4f52 | 0x5352 | 0x55 => file.first = file.number(4, 4)?,
            43 if file.number(4, 2)? == 8 => {
                file.wide = true;
                file.first = file.number(8, 8)?;
            }
            _ => return None,
        }
        Some(file)
    }

    /// The number of `bytes` bytes at `at`.
    fn number(&self, at: usize, bytes: usize) -> Option<u64> {
        let bytes = self.data.get(at..at.checked_add(bytes)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    fn directory(&self, offset: u64) -> Option<Directory<'a>> {
        let (count_bytes, entry_bytes, inline) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let start = usize::try_from(offset).ok()?;
        let count = self.number(start, count_bytes)?;
        if count > MAX_ENTRIES {
            return None;
        }
        let mut entries = Vec::with_capacity(count as usize);
        let begin = start.checked_add(count_bytes)?;
        for index in 0..count as usize {
            let at = begin + index * entry_bytes;
            let (tag, kind) = (self.number(at, 2)? as u16, self.number(at + 2, 2)? as u16);
            let count = self.number(at + 4, inline)?;
            let values = at + 4 + inline;
            let fits = count.checked_mul(size_of(kind) as u64).is_some_and(|bytes| bytes <= inline as u64);
            let place = if fits { Some(values) } else { usize::try_from(self.number(values, inline)?).ok() };
            if let Some(at) = place {
                entries.push(Entry { tag, kind, count, at });
            }
        }
        let next = self.number(begin + count as usize * entry_bytes, inline).unwrap_or(0);
        Some(Directory { file: *self, entries, next })
    }

    /// The first directory.
    pub(in crate::data) fn first(&self) -> Option<Directory<'a>> {
        self.directory(self.first)
    }

    /// All directories: the chain, and those below them. Each is visited once.
    pub(in crate::data) fn all(&self) -> Vec<Directory<'a>> {
        let (mut waiting, mut seen, mut found) = (vec![self.first], Vec::new(), Vec::new());
        while let Some(offset) = waiting.pop() {
            if offset == 0 || seen.contains(&offset) || seen.len() == MAX_DIRECTORIES {
                continue;
            }
            seen.push(offset);
            let Some(directory) = self.directory(offset) else { continue };
            waiting.push(directory.next);
            waiting.extend(directory.values(tag::SUB_DIRECTORIES).into_iter().take(MAX_DIRECTORIES));
            found.push(directory);
        }
        found
    }
}

/// Bytes of a value of this type of TIFF 6.0, section 2, or of BigTIFF.
fn size_of(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

impl<'a> Directory<'a> {
    pub(in crate::data) fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag).copied()
    }

    /// The unsigned whole numbers of a tag; none if it is missing or of another type.
    pub(in crate::data) fn values(&self, tag: u16) -> Vec<u64> {
        let Some(entry) = self.entry(tag) else { return Vec::new() };
        let size = size_of(entry.kind);
        if !matches!(entry.kind, 1 | 3 | 4 | 13 | 16 | 18) || entry.count > MAX_VALUES {
            return Vec::new();
        }
        (0..entry.count as usize).map_while(|index| self.file.number(entry.at + index * size, size)).collect()
    }

    /// The first number of a tag.
    pub(in crate::data) fn value(&self, tag: u16) -> Option<u64> {
        let entry = self.entry(tag)?;
        matches!(entry.kind, 1 | 3 | 4 | 13 | 16 | 18)
            .then(|| self.file.number(entry.at, size_of(entry.kind)))
            .flatten()
    }

    /// The bytes of a tag.
    pub(in crate::data) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(tag)?;
        let length = usize::try_from(entry.count).ok()?.checked_mul(size_of(entry.kind))?;
        self.file.data.get(entry.at..entry.at.checked_add(length)?)
    }

    /// The bytes of `value` as the first value of a tag, for writing it into a copy of the file.
    pub(in crate::data) fn patch(&self, tag: u16, value: u16) -> Option<(usize, Vec<u8>)> {
        let entry = self.entry(tag)?;
        let size = size_of(entry.kind);
        let little = u64::from(value).to_le_bytes()[..size].to_vec();
        Some((entry.at, if self.file.big_endian { little.into_iter().rev().collect() } else { little }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_lead_back_are_visited_once() {
        // one entry, of directories below it: itself; and the next directory is itself again
        let mut file = b"II\x2a\0\x08\0\0\0\x01\0".to_vec();
        file.extend([74, 1, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0]);
        let tiff = Tiff::open(&file).expect("a header");
        assert_eq!(tiff.all().len(), 1);
        assert_eq!(tiff.first().expect("a directory").values(tag::SUB_DIRECTORIES), [8]);
        // counts and offsets beyond the end
        file[14..18].copy_from_slice(&[0xff; 4]);
        assert!(Tiff::open(&file).expect("a header").all()[0].values(tag::SUB_DIRECTORIES).is_empty());
        file[8..10].copy_from_slice(&[0xff; 2]);
        assert!(Tiff::open(&file).expect("a header").all().is_empty());
    }
}
