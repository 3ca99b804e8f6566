//! Fuzz target: the reader of PyTorch's files. Corpus: tests/fixtures/pth.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgvae::checkpoint::pth;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = pth::read(bytes) {
        let _ = pth::training(value, &["0.weight", "0.bias"]);
    }
});
