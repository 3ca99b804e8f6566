//! Fuzz target: colour profiles, embedded in a picture of four colours. Corpus: any .icc files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgvae::data::{Resize, load};

fuzz_target!(|profile: &[u8]| {
    // a BMP of version 5, which holds a profile as it is
    let pixels = [[10u8, 200, 30, 90, 60, 250, 0, 0], [255, 0, 130, 7, 99, 180, 0, 0]].concat();
    let mut bmp = vec![0; 138];
    bmp[..2].copy_from_slice(b"BM");
    for (at, byte) in [(10, 138), (14, 124), (18, 2), (22, 2), (26, 1), (28, 24), (126, 124 + 16)] {
        bmp[at] = byte;
    }
    bmp[70..74].copy_from_slice(b"DEBM");
    bmp[130..134].copy_from_slice(&(profile.len() as u32).to_le_bytes());
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), [&bmp, &pixels, profile].concat()).expect("written");
    if let Ok(pixels) = load(file.path(), 2, Resize::Stretch) {
        assert_eq!(pixels.len(), 2 * 2 * 3);
    }
});
