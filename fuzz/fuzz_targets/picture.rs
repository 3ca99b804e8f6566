//! Fuzz target: picture files as in training: detected, decoded, oriented, resized. Corpus: tests/fixtures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgvae::data::{Resize, load};

fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    if let Ok(pixels) = load(file.path(), 32, Resize::Stretch) {
        assert_eq!(pixels.len(), 32 * 32 * 3);
    }
});
