//! A cache file of decoded pixels: written once, then only read.
//! Read this for the layout of the file and for how it is written without gaps.
//!
//! ```text
//! header  36 bytes: magic, format, CRC of the index, rows, bytes of the index, CRC of the 32 bytes before it
//! rows    RGB8 [rows, size, size, 3]
//! index   JSON: identity of the pictures, and per picture its stamp with its row or the reason why it has none
//! ```
//!
//! The index follows the rows because rows are written as pictures are decoded, in any order, without waiting for all
//! of them. The header is written last, so an unfinished file has none.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use crate::data::sync;

/// Version of the layout, raised with each change. It is part of the file's name, so two versions of the program do not
/// use each other's files.
pub(super) const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"wgvaepix";
const HEADER: usize = 36;
/// Upper bound of the index bytes per picture, apart from its name.
const RECORD: u64 = 160;

/// Identity of a set of pictures that may share a file: one folder (or one seed of landscapes) at one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::data) struct Identity {
    /// absolute path of the folder, or the seed of the landscapes
    pub(in crate::data) origin: String,
    /// resize mode that makes the pictures square
    pub(in crate::data) how: String,
    /// version of the decoder or of the landscape generator
    pub(in crate::data) version: u32,
    /// pixels a side
    pub(in crate::data) size: u32,
}

impl Identity {
    /// Bytes of a picture.
    pub(super) fn row_bytes(&self) -> u64 {
        u64::from(self.size).pow(2) * 3
    }
}

/// Stamp of a picture: its pixels are up to date while all of this is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::data) struct Stamp {
    /// path of the file relative to the folder, or the landscape's number
    pub(in crate::data) name: String,
    /// size of the file
    pub(in crate::data) bytes: u64,
    /// modification time of the file, nanoseconds since 1970
    pub(in crate::data) mtime: i64,
    /// change time of the inode, which no program can set back; 0 if the system does not report it
    #[serde(default)]
    pub(in crate::data) ctime: i64,
}

/// Cached result for a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CachedResult {
    /// Row number of its pixels, and their checksum.
    Row { number: u64, crc: u32 },
    /// Reason why it cannot be decoded.
    Unreadable(String),
    /// A picture that can be decoded, but whose pixels did not fit.
    Readable,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Index {
    of: Identity,
    /// nanoseconds since 1970: of two records of a picture the later one is valid
    pub(super) written: u64,
    pub(super) records: Vec<(Stamp, CachedResult)>,
}

/// An open cache file.
#[derive(Debug)]
pub(in crate::data) struct PixelFile {
    file: File,
    pub(super) path: PathBuf,
    row_bytes: u64,
    pub(super) rows: u64,
    /// size of the whole file
    pub(super) bytes: u64,
    /// whether a picture was found in this file
    pub(super) used: AtomicBool,
}

impl PixelFile {
    /// Opens the file at `path`; `None` if it holds pictures of another identity.
    ///
    /// # Errors
    /// If it cannot be read; [`io::ErrorKind::InvalidData`] if it is truncated, damaged or not a cache file.
    pub(super) fn open(path: &Path, identity: &Identity) -> io::Result<Option<(Self, Index)>> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut header = [0; HEADER];
        read_at(&file, &mut header, 0)?;
        let (rows, index_bytes, index_crc) = parse(&header).ok_or(io::ErrorKind::InvalidData)?;
        let row_bytes = identity.row_bytes();
        let start = rows.checked_mul(row_bytes).and_then(|all| all.checked_add(HEADER as u64));
        if start.and_then(|start| start.checked_add(index_bytes)) != Some(bytes) {
            // the rows may have another size; only the index could tell, and it cannot be found without the size
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut index = vec![0; usize::try_from(index_bytes).map_err(io::Error::other)?];
        read_at(&file, &mut index, bytes - index_bytes)?;
        if crc32fast::hash(&index) != index_crc {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let index: Index = serde_json::from_slice(&index)?;
        if index.of != *identity {
            return Ok(None);
        }
        let beyond =
            |known: &CachedResult| matches!(known, CachedResult::Row { number, .. } if *number >= rows);
        if index.records.iter().any(|(_, known)| beyond(known)) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (path, used) = (path.to_path_buf(), AtomicBool::new(false));
        Ok(Some((Self { file, path, row_bytes, rows, bytes, used }, index)))
    }

    /// Sets the file's modification time to now if it was used: the least recently used files are deleted first.
    pub(super) fn touch(&self) {
        if self.used.load(Ordering::Relaxed) {
            // in a read-only folder the time cannot be set
            let file = File::options().write(true).open(&self.path);
            let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
        }
    }
}

/// Number of rows, index bytes and index checksum of a valid header.
fn parse(header: &[u8; HEADER]) -> Option<(u64, u64, u32)> {
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
    let whole = header[..8] == MAGIC && word(8)? == FORMAT && word(32)? == crc32fast::hash(&header[..32]);
    whole.then_some((long(16)?, long(24)?, word(12)?))
}

fn header(rows: u64, index: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(FORMAT.to_le_bytes());
    header.extend(crc32fast::hash(index).to_le_bytes());
    header.extend(rows.to_le_bytes());
    header.extend((index.len() as u64).to_le_bytes());
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header
}

/// A picture in a cache file.
#[derive(Clone, Debug)]
pub(in crate::data) struct Row {
    file: Arc<PixelFile>,
    number: u64,
    crc: u32,
}

impl Row {
    /// Row `number` of `file`, whose pixels have the checksum `crc`.
    pub(in crate::data) fn new(file: Arc<PixelFile>, number: u64, crc: u32) -> Self {
        Self { file, number, crc }
    }

    /// The pixels, RGB8 `[size, size, 3]`.
    ///
    /// # Errors
    /// If the file was truncated or cannot be read; [`io::ErrorKind::InvalidData`] if its content has changed.
    pub(in crate::data) fn read(&self) -> io::Result<Vec<u8>> {
        let PixelFile { file, row_bytes, .. } = &*self.file;
        let mut pixels = vec![0; *row_bytes as usize];
        read_at(file, &mut pixels, HEADER as u64 + self.number * row_bytes)?;
        if crc32fast::hash(&pixels) != self.crc {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(pixels)
    }

    /// Deletes the row's file, so that the next run rewrites it; processes that have it open can go on reading.
    pub(in crate::data) fn discard(&self) {
        let _ = std::fs::remove_file(&self.file.path);
    }
}

/// A file that is being written under a temporary name.
#[derive(Debug)]
pub(in crate::data) struct Writer {
    file: BufWriter<File>,
    temporary: TempPath,
    path: PathBuf,
    row_bytes: u64,
    /// bytes that [`Writer::add`] may still take
    room: u64,
    pub(super) rows: u64,
    pub(super) records: Vec<(Stamp, CachedResult)>,
    failure: Option<io::Error>,
}

impl Writer {
    /// A file called `name` in `folder`, with `room` bytes for new pictures. Only its owner may read it: the
    /// pictures may be private although the cache folder is not.
    pub(super) fn create(folder: &Path, name: &str, row_bytes: u64, room: u64) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}-");
        let (file, temporary) =
            builder.prefix(&prefix).suffix(".part").rand_bytes(8).tempfile_in(folder)?.into_parts();
        // the random part stays in the final name, so no file ever replaces another
        let unique = temporary.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(unique.trim_start_matches('.').replace(".part", ".pixels"));
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&[0; HEADER])?;
        Ok(Self { file, temporary, path, row_bytes, room, rows: 0, records: Vec::new(), failure: None })
    }

    /// Bytes that a picture takes in the file, its index record included.
    pub(super) fn cost(row_bytes: u64, stamp: &Stamp) -> u64 {
        row_bytes + stamp.name.len() as u64 + RECORD
    }

    /// Whether nothing was added and nothing has failed.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.failure.is_none()
    }

    /// Adds a decoded picture; returns its row number, or `None` if there was no room.
    pub(in crate::data) fn add(&mut self, stamp: Stamp, pixels: &[u8], crc: u32) -> Option<u64> {
        let cost = Self::cost(self.row_bytes, &stamp);
        if cost > self.room {
            self.records.push((stamp, CachedResult::Readable));
            return None;
        }
        self.room -= cost;
        self.put(stamp, pixels, crc)
    }

    /// Adds a picture that cannot be decoded.
    pub(in crate::data) fn add_unreadable(&mut self, stamp: Stamp, reason: String) {
        self.records.push((stamp, CachedResult::Unreadable(reason)));
    }

    /// Adds a picture regardless of the room left.
    pub(super) fn put(&mut self, stamp: Stamp, pixels: &[u8], crc: u32) -> Option<u64> {
        assert_eq!(pixels.len() as u64, self.row_bytes, "Writer: pixels of {}", stamp.name);
        if self.failure.is_some() {
            return None;
        }
        if let Err(error) = self.file.write_all(pixels) {
            // the disk is full: free the room now, others may need it before this ends
            let _ = self.file.get_ref().set_len(0);
            self.failure = Some(error);
            return None;
        }
        let number = self.rows;
        self.rows += 1;
        self.records.push((stamp, CachedResult::Row { number, crc }));
        Some(number)
    }

    /// Writes the index and the header, and renames the file to its final name.
    pub(super) fn finish(self, of: Identity) -> io::Result<PixelFile> {
        let Self { mut file, temporary, path, row_bytes, rows, records, failure, .. } = self;
        if let Some(error) = failure {
            return Err(error);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let index = serde_json::to_vec(&Index { of, written: now.as_nanos() as u64, records })?;
        file.write_all(&index)?;
        file.rewind()?;
        file.write_all(&header(rows, &index))?;
        let file = file.into_inner()?;
        sync(&file)?;
        temporary.persist(&path)?;
        let bytes = HEADER as u64 + rows * row_bytes + index.len() as u64;
        Ok(PixelFile { file, path, row_bytes, rows, bytes, used: AtomicBool::new(true) })
    }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], from: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, from)
}

#[cfg(windows)]
fn read_at(file: &File, mut into: &mut [u8], mut from: u64) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, from) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                into = &mut into[count..];
                from += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
