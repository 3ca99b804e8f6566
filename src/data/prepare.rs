//! Preparation before the first batch: find out which pictures can be read, and get their pixels from the cache or by
//! decoding.
//! Read this for how memory and cache are filled.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::Progress;
use super::cache::{Cache, Lookup, PixelFile, Row, Stamp, Store, Writer};
use super::decode::Failure;
use super::source::Source;
use super::text::printable;

/// Summary of a preparation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Pictures whose pixels came from the cache.
    pub from_cache: usize,
    /// Pictures that were decoded (landscapes: drawn), successfully or not.
    pub decoded: usize,
    /// Reason why the cache was not written although it should have been: a sentence for the user.
    pub note: Option<String>,
}

/// Memory for decoded pictures.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// limit in bytes
    pub bytes: u64,
    /// whether pictures that are in the disk cache are held in memory as well. Reading them from the cache is nearly as
    /// fast, and the operating system can reclaim its file cache under memory pressure
    pub beside_cache: bool,
}

impl From<u64> for Memory {
    /// A limit of `bytes` for all pictures, cached or not.
    fn from(bytes: u64) -> Self {
        Self { bytes, beside_cache: true }
    }
}

impl Memory {
    /// These settings with another limit in bytes.
    pub fn part(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }
}

/// Location of the pixels of a readable picture.
#[derive(Debug)]
pub(super) enum Place {
    Memory(Box<[u8]>),
    Cache(Row),
    /// Not stored; decoded at each access.
    Source,
}

/// Result of looking up a picture in the cache.
enum CacheState {
    Readable(Place),
    Unreadable(String),
    /// Unknown; it must be decoded, and is cached under the stamp if there is one.
    Missing(Option<Stamp>),
}

/// A newly decoded picture.
struct Decoded {
    /// pixels, if memory has room for them
    pixels: Option<Box<[u8]>>,
    /// row number and checksum, if the cache has room for it
    row: Option<(u64, u32)>,
}

pub(super) struct Preparation<'a> {
    source: &'a Source,
    size: u32,
    /// number of pictures that fit in memory
    fitting: usize,
    /// whether cached pictures may be held in memory too; then the first pictures are held
    beside_cache: bool,
    /// otherwise: number of uncached pictures so far
    uncached: AtomicUsize,
    cache: Option<&'a Cache>,
    store: Option<Store>,
    progress: Progress<'a>,
    /// receives the pixels that are available anyway
    seen: Option<Seen<'a>>,
    done: AtomicUsize,
    prepared: Prepared,
}

/// Callback with the number of a picture and its pixels. Called from several threads.
pub(super) type Seen<'a> = &'a (dyn Fn(usize, &[u8]) + Sync);

impl<'a> Preparation<'a> {
    pub(super) fn new(
        source: &'a Source,
        size: u32,
        memory: Memory,
        cache: Option<&'a Cache>,
        progress: Progress<'a>,
        seen: Option<Seen<'a>>,
    ) -> Self {
        let mut prepared = Prepared::default();
        let store = cache.and_then(|cache| {
            let identity = source.identity(size);
            if identity.is_none() {
                prepared.note =
                    Some("the folder's path is not valid text, so its pictures are not cached".into());
            }
            Some(cache.open(identity?))
        });
        let row_bytes = (u64::from(size).pow(2) * 3).max(1);
        Self {
            source,
            size,
            fitting: usize::try_from(memory.bytes / row_bytes).unwrap_or(usize::MAX),
            beside_cache: memory.beside_cache || store.is_none(),
            uncached: AtomicUsize::new(0),
            cache,
            store,
            progress,
            seen,
            done: AtomicUsize::new(0),
            prepared,
        }
    }

    /// For each picture of the source, the location of its pixels or the reason why it cannot be read.
    pub(super) fn run(mut self) -> (Vec<Result<Place, String>>, Prepared) {
        let states: Vec<CacheState> =
            (0..self.source.len()).into_par_iter().map(|index| self.look_up(index)).collect();
        if let Some(store) = &self.store {
            store.touch();
        }
        let mut missing = Vec::new();
        let mut pictures: Vec<Option<Result<Place, String>>> = Vec::with_capacity(states.len());
        for (index, state) in states.into_iter().enumerate() {
            pictures.push(match state {
                CacheState::Readable(place) => {
                    self.prepared.from_cache += usize::from(!matches!(place, Place::Source));
                    Some(Ok(place))
                }
                CacheState::Unreadable(reason) => Some(Err(reason)),
                CacheState::Missing(stamp) => {
                    missing.push((index, stamp));
                    None
                }
            });
        }
        self.prepared.decoded = missing.len();
        for (index, place) in self.fill(missing) {
            pictures[index] = Some(place);
        }
        (pictures.into_iter().flatten().collect(), self.prepared)
    }

    fn tick(&self) {
        (self.progress)(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.source.len());
    }

    fn show(&self, index: usize, pixels: &[u8]) {
        if let Some(seen) = self.seen {
            seen(index, pixels);
        }
    }

    fn look_up(&self, index: usize) -> CacheState {
        let found = self.store.as_ref().and_then(|store| {
            // before decoding: a file that changes meanwhile gets an outdated stamp, and the next run decodes it again
            let stamp = self.source.stamp(index)?;
            Some((store.find(&stamp), stamp))
        });
        let fits = index < self.fitting;
        let state = match found {
            None => CacheState::Missing(None),
            Some((None, stamp)) => CacheState::Missing(Some(stamp)),
            Some((Some(Lookup::Unreadable(reason)), _)) => CacheState::Unreadable(reason),
            Some((Some(Lookup::Readable), _)) if fits => CacheState::Missing(None),
            Some((Some(Lookup::Readable), _)) => CacheState::Readable(Place::Source),
            Some((Some(Lookup::Row(row)), stamp)) if fits && self.beside_cache => match row.read() {
                Ok(pixels) => {
                    self.show(index, &pixels);
                    CacheState::Readable(Place::Memory(pixels.into_boxed_slice()))
                }
                Err(_) => CacheState::Missing(Some(stamp)),
            },
            Some((Some(Lookup::Row(row)), _)) => CacheState::Readable(Place::Cache(row)),
        };
        if !matches!(state, CacheState::Missing(_)) {
            self.tick();
        }
        state
    }

    /// Decodes the missing pictures on all cores and adds them to the cache.
    fn fill(&mut self, missing: Vec<(usize, Option<Stamp>)>) -> Vec<(usize, Result<Place, String>)> {
        let stamps: Vec<&Stamp> = missing.iter().filter_map(|(_, stamp)| stamp.as_ref()).collect();
        let writer = self.writer(&stamps).map(Mutex::new);
        let decoded: Vec<(usize, Result<Decoded, String>)> = missing
            .into_par_iter()
            .map(|(index, stamp)| {
                let decoded = self.decode(index, stamp, writer.as_ref());
                self.tick();
                (index, decoded)
            })
            .collect();
        let file = writer
            .and_then(|writer| self.finish(writer.into_inner().unwrap_or_else(PoisonError::into_inner)));
        let place = |index: usize, decoded: Decoded| match (decoded, &file) {
            (Decoded { pixels: Some(pixels), .. }, _) => Place::Memory(pixels),
            (Decoded { row: Some((number, crc)), .. }, Some(file)) => {
                Place::Cache(Row::new(file.clone(), number, crc))
            }
            // the cache could not be written after all
            (Decoded { row: Some(_), .. }, None) if self.has_room(index) => {
                let again = self.source.pixels(index, self.size);
                again.map_or(Place::Source, |pixels| Place::Memory(pixels.into_boxed_slice()))
            }
            _ => Place::Source,
        };
        let decoded = decoded.into_par_iter();
        decoded.map(|(index, picture)| (index, picture.map(|decoded| place(index, decoded)))).collect()
    }

    fn decode(
        &self,
        index: usize,
        stamp: Option<Stamp>,
        writer: Option<&Mutex<Writer>>,
    ) -> Result<Decoded, String> {
        let decoded = self.source.pixels(index, self.size);
        let mut row = None;
        if let (Some(writer), Some(stamp)) = (writer, stamp) {
            let crc = decoded.as_ref().map_or(0, |pixels| crc32fast::hash(pixels));
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            match &decoded {
                Ok(pixels) => row = writer.add(stamp, pixels, crc).map(|number| (number, crc)),
                Err(Failure::Content(reason)) => writer.add_unreadable(stamp, reason.clone()),
                // possibly temporary: not cached, so the next run tries again
                Err(Failure::Access(_)) => {}
            }
        }
        let pixels = decoded.map_err(Failure::reason)?;
        self.show(index, &pixels);
        let held = (self.beside_cache || row.is_none()) && self.has_room(index);
        Ok(Decoded { pixels: held.then(|| pixels.into_boxed_slice()), row })
    }

    /// Whether memory has room for this picture: for the first pictures, or for the first uncached ones.
    fn has_room(&self, index: usize) -> bool {
        let place = if self.beside_cache { index } else { self.uncached.fetch_add(1, Ordering::Relaxed) };
        place < self.fitting
    }

    /// A new cache file for `stamps`; if it cannot be created, a note says why.
    fn writer(&mut self, stamps: &[&Stamp]) -> Option<Writer> {
        if stamps.is_empty() {
            return None;
        }
        let source = self.source;
        let made = self.store.as_ref()?.writer(stamps, &|stamp| source.is_current(stamp));
        self.ok_or_note(made)
    }

    fn finish(&mut self, writer: Writer) -> Option<Arc<PixelFile>> {
        let source = self.source;
        let made = self.store.take()?.finish(writer, &|stamp| source.is_current(stamp));
        self.ok_or_note(made)?.map(Arc::new)
    }

    /// The value, or `None` and a note with the reason.
    fn ok_or_note<T>(&mut self, made: io::Result<T>) -> Option<T> {
        let folder = self.cache.map(|cache| printable(cache.folder())).unwrap_or_default();
        made.map_err(|error| {
            let note =
                format!("cannot write to {folder}: {error}; decoded pictures are not kept for the next run");
            self.prepared.note = Some(note);
        })
        .ok()
    }
}
