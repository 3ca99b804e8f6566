//! Pictures: finding, decoding, caching, shuffling and handing them out in batches, and the built-in
//! procedural landscapes.
//!
//! Knows nothing of the GPU, of the model or of training; uses only [`crate::error`].
//!
//! ```text
//! scan(folder) -> Dataset -> Source -> Pictures::prepare -> Loader -> Batch
//!                  synth::landscape -^      Cache -^
//! ```
//!
//! A picture is RGB8, `[size, size, 3]`, row by row from the top; a [`Batch`] is RGBA8, because the kernels
//! read four channels at a time.

mod budget;
mod cache;
mod check;
mod decode;
mod encoded;
mod jpeg;
mod loader;
mod orientation;
mod pictures;
mod pixels;
mod prepare;
mod resize;
mod scan;
mod sheet;
mod shuffle;
mod sniff;
mod source;
pub mod synth;
mod text;

pub use cache::Cache;
pub use check::{Report, SplitCounts, check};
pub use decode::{Decoded, decode, is_decoding, load};
pub use loader::{Batch, Loader, PREFETCH, indices_only};
pub use pictures::Pictures;
pub use pixels::{rgb_of, rgba_of};
pub use prepare::Prepared;
pub use resize::{Resize, resize_rgb};
pub use scan::{Dataset, Item, Layout, scan};
pub use sheet::{GAP, grid, png, save_gif, save_png, write_whole};
pub use shuffle::order;
pub use source::Source;
pub use synth::{Biome, Factors, landscape, read_factors, write_synth};
pub use text::{Skipped, printable};

/// Told about progress: how many are done, and of how many. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);
