//! Fuzz target: model files of either format, with sizes inferred from their tensors. Corpus: tests/fixtures/pth,
//! model.safetensors.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let _ = wgvae::checkpoint::read_model(file.path());
});
