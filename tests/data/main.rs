//! Pictures: finding, decoding, resizing, caching, batching; the procedural landscapes; the report.
//!
//! Needs no GPU and no external files; `WGVAE_PHOTOS=FOLDER` adds a test with real photographs.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod batches;
mod cache;
mod cache_folder;
mod colour;
#[path = "../common/mod.rs"]
mod common;
mod decode;
mod drawn_split;
mod folders;
mod formats;
mod helpers;
mod jpeg;
mod layouts;
mod orientation;
mod skipped;
mod synth;
