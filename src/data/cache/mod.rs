//! A disk cache of decoded pictures, so that a second run starts in seconds.
//! Read this for what invalidates an entry, when a file is deleted, and what happens when the disk is full.
//!
//! Decoding and resizing photographs is slow and gives the same pixels every time. The pixels are cached in a few files
//! per folder of pictures, size and resize mode (see [`file`]). Each picture is found by its path, size and
//! modification time: only pictures that were changed, renamed or added are decoded again. Pictures that cannot be
//! decoded are cached with the reason. Pictures that could not be *read* are tried again, because a permission can
//! change without the file.
//!
//! - **Files never change.** New pictures make a new file, which absorbs the existing files that are not larger than
//!   it. So a folder that grows by a few pictures is not copied each time, and the number of files stays logarithmic. A
//!   file is written under a temporary name, synced and renamed, so two concurrent processes can at worst do the work
//!   twice.
//! - **Nothing here is an error.** A file that is truncated, damaged or foreign is skipped and replaced. Each picture
//!   has its own checksum, verified when it is read; if it fails, the original picture is decoded. If the folder is not
//!   writable, the user gets a note.
//! - **Positional reads, no memory map.** The crate forbids unsafe code. Reading a map of a file that shrinks ends the
//!   process with SIGBUS; a short read is an error, after which the picture is decoded.
//! - **Bounded.** All files together stay below a limit. The least recently used files are deleted first, never those
//!   of the current pictures. If a folder is larger than the limit, the cache holds the pixels of the pictures that
//!   fit, and for the others whether they can be decoded.

mod file;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use self::file::{CachedResult, FORMAT};
pub(super) use self::file::{Identity, PixelFile, Row, Stamp, Writer};
use super::source::Fnv;

/// Age after which a temporary file counts as left by a killed process.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A folder for decoded pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// Default limit in bytes for all files together: 8 GiB, which holds 43,000 pictures of 256 px.
    pub const LIMIT: u64 = 8 << 30;

    /// The cache in `folder`, which is created when there is something to write.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), limit: Self::LIMIT }
    }

    /// This cache with another limit in bytes.
    pub fn with_limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    /// The folder that holds the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the files that hold pictures of `identity`.
    pub(super) fn open(&self, identity: Identity) -> Store {
        let name = name(&identity);
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        for (path, _, _) in list_files(&self.folder) {
            if !path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name)) {
                continue;
            }
            match PixelFile::open(&path, &identity) {
                Ok(Some(file)) => found.push(file),
                Ok(None) => {}
                Err(_) => broken.push(path),
            }
        }
        found.sort_by_key(|(_, index)| std::cmp::Reverse(index.written));
        let (mut files, mut known) = (Vec::new(), HashMap::new());
        for (at, (file, index)) in found.into_iter().enumerate() {
            files.push(Arc::new(file));
            for (stamp, what) in index.records {
                known.entry(stamp).or_insert((at, what));
            }
        }
        Store { cache: self.clone(), identity, files, known, broken }
    }
}

/// Prefix of the file names of `identity`.
fn name(identity: &Identity) -> String {
    let mut digest = Fnv::new();
    digest.add(identity.origin.as_bytes());
    digest.add(identity.how.as_bytes());
    for number in [FORMAT, identity.version, identity.size] {
        digest.add(&number.to_le_bytes());
    }
    format!("{:016x}", digest.0)
}

/// Cache files in `folder`, with their sizes and times of last use.
fn list_files(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    with_ending(folder, "pixels")
}

fn with_ending(folder: &Path, ending: &str) -> Vec<(PathBuf, u64, SystemTime)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == ending));
    paths
        .filter_map(|path| path.metadata().ok().and_then(|m| Some((path, m.len(), m.modified().ok()?))))
        .collect()
}

/// Result of a cache lookup.
pub(super) enum Lookup {
    /// The location of its pixels.
    Row(Row),
    /// The reason why it cannot be decoded.
    Unreadable(String),
    /// A picture that can be decoded, without cached pixels.
    Readable,
}

/// The files of one [`Identity`].
#[derive(Debug)]
pub(super) struct Store {
    cache: Cache,
    identity: Identity,
    /// newest first
    files: Vec<Arc<PixelFile>>,
    /// record of each picture, with the index of its file in `files`
    known: HashMap<Stamp, (usize, CachedResult)>,
    broken: Vec<PathBuf>,
}

impl Store {
    /// Looks up the picture with this stamp.
    pub(super) fn find(&self, stamp: &Stamp) -> Option<Lookup> {
        let (at, known) = self.known.get(stamp)?;
        let file = &self.files[*at];
        file.used.store(true, Ordering::Relaxed);
        Some(match known {
            CachedResult::Row { number, crc } => Lookup::Row(Row::new(file.clone(), *number, *crc)),
            CachedResult::Unreadable(reason) => Lookup::Unreadable(reason.clone()),
            CachedResult::Readable => Lookup::Readable,
        })
    }

    /// Sets the time of last use of the files in which something was found.
    pub(super) fn touch(&self) {
        self.files.iter().for_each(|file| file.touch());
    }

    /// Creates a file for the pictures `wanted`, after deleting dead files and those that exceed the limit. `current`
    /// tells whether a stamp of this identity is still up to date.
    ///
    /// # Errors
    /// If the folder cannot be created or written to.
    pub(super) fn writer(&self, wanted: &[&Stamp], current: &dyn Fn(&Stamp) -> bool) -> io::Result<Writer> {
        let folder = self.cache.folder.clone();
        std::fs::create_dir_all(&folder)?;
        let dead = (0..self.files.len()).filter(|&at| self.is_dead(at, current));
        let dead = dead.map(|at| &self.files[at].path);
        let useless: Vec<&PathBuf> = dead.chain(&self.broken).collect();
        useless.iter().for_each(|path| drop(std::fs::remove_file(path)));
        let own = self.files.iter().filter(|file| !useless.contains(&&file.path));
        let taken: u64 = own.map(|file| file.bytes).sum();
        let row_bytes = self.identity.row_bytes();
        let needed: u64 = wanted.iter().map(|stamp| Writer::cost(row_bytes, stamp)).sum();
        let room = self.cache.limit.saturating_sub(taken);
        self.make_room(needed.min(room));
        Writer::create(&folder, &name(&self.identity), row_bytes, room)
    }

    /// Whether no lookup needs this file any more: all its pictures have changed or are also in a later file.
    fn is_dead(&self, at: usize, current: &dyn Fn(&Stamp) -> bool) -> bool {
        let mut own = self.known.iter().filter(|(_, (file, _))| *file == at);
        !self.files[at].used.load(Ordering::Relaxed) && !own.any(|(stamp, _)| current(stamp))
    }

    /// Deletes files of other pictures until `bytes` more stay below the limit, and leftovers of killed processes.
    fn make_room(&self, bytes: u64) {
        let age = |time: &SystemTime| time.elapsed().unwrap_or_default();
        for (path, _, written) in with_ending(&self.cache.folder, "part") {
            if age(&written) > ABANDONED {
                let _ = std::fs::remove_file(path);
            }
        }
        let mut files = list_files(&self.cache.folder);
        files.sort_by_key(|(_, _, used)| *used);
        let mut total = bytes + files.iter().map(|(_, bytes, _)| bytes).sum::<u64>();
        for (path, bytes, _) in files {
            let own = self.files.iter().any(|file| file.path == path);
            if total > self.cache.limit && !own && std::fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
    }

    /// Copies the smaller files into the new one, renames it to its final name, and deletes the copied ones; `None` if
    /// nothing was added.
    ///
    /// # Errors
    /// If the disk is full or fails; then nothing has changed.
    pub(super) fn finish(
        self,
        mut writer: Writer,
        current: &dyn Fn(&Stamp) -> bool,
    ) -> io::Result<Option<PixelFile>> {
        if writer.is_empty() {
            return Ok(None);
        }
        let smaller = self.smaller(writer.rows);
        let mut taken: Vec<(&Stamp, &(usize, CachedResult))> =
            self.known.iter().filter(|(_, (at, _))| smaller.contains(at)).collect();
        // in file order
        taken.sort_by_key(|(stamp, (at, known))| {
            (*at, if let CachedResult::Row { number, .. } = known { *number } else { u64::MAX }, *stamp)
        });
        for (stamp, (at, known)) in taken.into_iter().filter(|(stamp, _)| current(stamp)) {
            match known {
                CachedResult::Row { number, crc } => {
                    let row = Row::new(self.files[*at].clone(), *number, *crc);
                    // a damaged picture is decoded by the next run
                    if let Ok(pixels) = row.read() {
                        writer.put(stamp.clone(), &pixels, *crc);
                    }
                }
                other => writer.records.push((stamp.clone(), other.clone())),
            }
        }
        let file = writer.finish(self.identity)?;
        smaller.iter().for_each(|&at| drop(std::fs::remove_file(&self.files[at].path)));
        Ok(Some(file))
    }

    /// Indices of the files to absorb into a new file of `rows` rows. This rule keeps the number of files below log2 of
    /// all rows.
    fn smaller(&self, rows: u64) -> Vec<usize> {
        let mut by_rows: Vec<usize> = (0..self.files.len()).collect();
        by_rows.sort_by_key(|&at| self.files[at].rows);
        let mut total = rows;
        let fits = |at: &usize| {
            let fits = self.files[*at].rows <= total;
            total += self.files[*at].rows;
            fits
        };
        by_rows.into_iter().take_while(fits).collect()
    }
}
