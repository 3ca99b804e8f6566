//! Pictures: finding, decoding, caching, shuffling and handing them out in batches, and the built-in
//! procedural landscapes.
//!
//! Knows nothing of the GPU, of the model or of training; uses only [`crate::error`]. Start here for the way from a
//! folder to a batch.
//!
//! ```text
//! scan(folder) -> FolderIndex -> prepare_folder -> Dataset -> DataLoader -> Batch
//!                                Source -^  Cache -^
//! ```
//!
//! A picture is RGB8, `[size, size, 3]`, rows from the top; a [`Batch`] is RGBA8, because the kernels read four
//! channels at a time.

mod avif;
mod budget;
mod cache;
mod check;
mod chunks;
mod colour;
mod dataset;
mod decode;
mod divided;
mod encoded;
mod files;
mod formats;
mod heic;
mod image_grid;
mod jpeg;
mod jxl;
mod loader;
mod location;
mod mark;
mod near_duplicates;
mod orientation;
mod picture_file;
mod pixels;
mod prepare;
mod raster;
mod raw;
mod resize;
mod scan;
mod shuffle;
mod sniff;
mod source;
pub mod synth;
mod text;
mod tiff;

pub use cache::Cache;
pub use check::{Report, SplitCounts, check};
pub use colour::{ColourRule, Reading};
pub use dataset::Dataset;
pub use decode::{Decoded, decode, decode_by, is_decoding, load};
pub use divided::{Divided, prepare_folder};
pub(crate) use files::sync;
pub use files::{file_meant, folder_of, write_whole};
pub use formats::readable_formats;
pub use image_grid::{GAP, grid};
pub use loader::{Batch, DataLoader, PREFETCH, batches, indices_only};
pub use location::{Location, relative};
pub use mark::Mark;
pub use picture_file::{PictureFormat, film, png, save_png};
pub use pixels::{mirror, rgb_of, rgba_of};
pub use prepare::{Memory, Prepared};
pub use resize::{Resize, resize_rgb};
pub use scan::{FolderIndex, Item, Layout, Rules, ScanOptions, Splits, is_run, scan, scan_with};
pub use shuffle::{endless_order, evenly, order};
pub use source::Source;
pub use synth::{Biome, Factors, landscape, read_factors, write_synth};
pub use text::{Skipped, counted, named, printable};

/// Progress callback: number done, and number in total. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);
