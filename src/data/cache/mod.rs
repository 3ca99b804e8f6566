//! Decoded pictures on disk, so that a second run starts in seconds.
//!
//! Decoding and resizing photographs takes minutes for each 10,000 of them, and gives the same pixels every
//! time. They are kept in a few files per folder of pictures, size and way of resizing (see [`file`]), each
//! picture under its path, its size and its time of change: what was changed, renamed or added is decoded
//! again, and only that. Pictures that cannot be decoded are kept with their reasons; those that could not be
//! *read* are tried again, because a permission can change without the file.
//!
//! - **Files never change.** New pictures make a new file, which takes in those that are not larger than it:
//!   a folder that grows by a few pictures is not copied each time, and has at most some 20 files. A file is
//!   written under a temporary name, synced and renamed, so two processes at once can only do work twice.
//! - **Nothing here is an error.** A file that is cut off, damaged or not ours is passed over and replaced. A
//!   picture has a checksum of its own, which is verified as it is read; the last resort is the picture itself.
//!   A folder that cannot be written to is a note.
//! - **Positional reads, no memory map.** The crate forbids unsafe code; and where a map of a file that
//!   shrinks ends the process with SIGBUS, a short read is an error that decoding makes good.
//! - **Bounded.** All files together keep to a limit; those that were not used for longest are deleted first,
//!   and never those of the pictures at hand. Of a folder larger than the limit it is kept which pictures can
//!   be decoded, and the pixels of as many as fit.

mod file;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use self::file::{FORMAT, Known};
pub(super) use self::file::{Identity, PixelFile, Row, Stamp, Writer};
use super::source::Fnv;

/// After this time a temporary file is what a killed process has left.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A folder for decoded pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// Bytes that all files may take together, unless said otherwise: 8 GiB, which is 43,000 pictures of 256 px.
    pub const LIMIT: u64 = 8 << 30;

    /// The cache in `folder`, which is made when there is something to write.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), limit: Self::LIMIT }
    }

    /// The same with another limit in bytes.
    pub fn with_limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    /// Where the files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the folder holds of the pictures of `identity`.
    pub(super) fn open(&self, identity: Identity) -> Store {
        let name = name(&identity);
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        for (path, _, _) in listed(&self.folder) {
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

/// How the names of the files of `identity` begin.
fn name(identity: &Identity) -> String {
    let mut digest = Fnv::new();
    digest.add(identity.origin.as_bytes());
    digest.add(identity.how.as_bytes());
    for number in [FORMAT, identity.version, identity.size] {
        digest.add(&number.to_le_bytes());
    }
    format!("{:016x}", digest.0)
}

/// Files of pixels in `folder`, with their sizes and when they were last used.
fn listed(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
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

/// What was found of a picture.
pub(super) enum Found {
    /// Its pixels.
    Row(Row),
    /// That it cannot be decoded: the reason.
    Unreadable(String),
    /// That it can be decoded.
    Readable,
}

/// The files of one [`Identity`].
#[derive(Debug)]
pub(super) struct Store {
    cache: Cache,
    identity: Identity,
    /// the latest first
    files: Vec<Arc<PixelFile>>,
    /// with the place of the file in `files`
    known: HashMap<Stamp, (usize, Known)>,
    broken: Vec<PathBuf>,
}

impl Store {
    /// What is known of the picture with this stamp.
    pub(super) fn find(&self, stamp: &Stamp) -> Option<Found> {
        let (at, known) = self.known.get(stamp)?;
        let file = &self.files[*at];
        file.used.store(true, Ordering::Relaxed);
        Some(match known {
            Known::Row { number, crc } => Found::Row(Row::new(file.clone(), *number, *crc)),
            Known::Unreadable(reason) => Found::Unreadable(reason.clone()),
            Known::Readable => Found::Readable,
        })
    }

    /// Marks the files in which something was found as used now.
    pub(super) fn touch(&self) {
        self.files.iter().for_each(|file| file.touch());
    }

    /// A new file for the pictures `wanted`, after deleting what is useless or stands in the way of the limit.
    /// `current` tells whether a stamp of this identity is still that of its picture.
    ///
    /// # Errors
    /// If the folder cannot be made or written to.
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

    /// Whether no picture is looked up in this file any more: all have changed, or lie in a later file too.
    fn is_dead(&self, at: usize, current: &dyn Fn(&Stamp) -> bool) -> bool {
        let mut own = self.known.iter().filter(|(_, (file, _))| *file == at);
        !self.files[at].used.load(Ordering::Relaxed) && !own.any(|(stamp, _)| current(stamp))
    }

    /// Deletes other pictures' files until `bytes` more keep to the limit, and what killed processes have left.
    fn make_room(&self, bytes: u64) {
        let age = |time: &SystemTime| time.elapsed().unwrap_or_default();
        for (path, _, written) in with_ending(&self.cache.folder, "part") {
            if age(&written) > ABANDONED {
                let _ = std::fs::remove_file(path);
            }
        }
        let mut files = listed(&self.cache.folder);
        files.sort_by_key(|(_, _, used)| *used);
        let mut total = bytes + files.iter().map(|(_, bytes, _)| bytes).sum::<u64>();
        for (path, bytes, _) in files {
            let own = self.files.iter().any(|file| file.path == path);
            if total > self.cache.limit && !own && std::fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
    }

    /// Takes the smaller files into the new one, gives it its name, and deletes them; `None` where nothing was
    /// added to it.
    ///
    /// # Errors
    /// If the disk is full or fails; then everything is as before.
    pub(super) fn finish(
        self,
        mut writer: Writer,
        current: &dyn Fn(&Stamp) -> bool,
    ) -> io::Result<Option<PixelFile>> {
        if writer.is_empty() {
            return Ok(None);
        }
        let smaller = self.smaller(writer.rows);
        let mut taken: Vec<(&Stamp, &(usize, Known))> =
            self.known.iter().filter(|(_, (at, _))| smaller.contains(at)).collect();
        // in the order in which they lie
        taken.sort_by_key(|(stamp, (at, known))| {
            (*at, if let Known::Row { number, .. } = known { *number } else { u64::MAX }, *stamp)
        });
        for (stamp, (at, known)) in taken.into_iter().filter(|(stamp, _)| current(stamp)) {
            match known {
                Known::Row { number, crc } => {
                    let row = Row::new(self.files[*at].clone(), *number, *crc);
                    // a damaged one is decoded by the next run
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

    /// The files to be taken into one of `rows` rows: by this rule there are never more than log2 of all rows.
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
