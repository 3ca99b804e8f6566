//! Fuzz target: picture files as in training: detected, decoded, converted, oriented, resized. Corpus: tests/fixtures and
//! tests/fixtures/formats.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgvae::data::{Resize, load};

fuzz_target!(|bytes: &[u8]| {
    // only TGA is told by the name; all others by their content
    let file = tempfile::Builder::new().suffix(".tga").tempfile().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    if let Ok(pixels) = load(file.path(), 32, Resize::Stretch) {
        assert_eq!(pixels.len(), 32 * 32 * 3);
    }
});
