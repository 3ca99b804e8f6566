//! The pipeline cache: pictures are equal with it, without it, and with a damaged file.

use std::path::Path;

use wgvae::config::ModelConfig;
use wgvae::gpu::Adapter;
use wgvae::model::{Device, Input, ModelOptions, StateDict, StepSettings, Vae};

use crate::common;
use crate::common::report;

const SMALL: ModelConfig = ModelConfig::reference(16, 4, 3);

fn pictures(adapter: &Adapter) -> Vec<Vec<u32>> {
    let mut vae = Vae::empty(Device::Gpu(adapter), ModelOptions::inference(SMALL, 2)).expect("a device");
    vae.load(&StateDict::initial(&SMALL, 7)).expect("weights");
    vae.sample(2, 1, 1.0).expect("pictures")
}

/// The only file of `folder`.
fn file(folder: &Path) -> std::path::PathBuf {
    let files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn cached_pipelines_compute_equal_pictures_and_a_damaged_file_is_rewritten() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("not there yet");
    let want = pictures(&adapter);
    let keeping = adapter.clone().keeping(Some(place.clone()));
    assert_eq!(pictures(&keeping), want, "the first time");
    if !adapter.features.contains(wgpu::Features::PIPELINE_CACHE) {
        report::left_out(&format!("no pipeline cache: {}", adapter.describe()));
        assert!(!place.exists());
        return;
    }
    let path = file(&place);
    let whole = std::fs::read(&path).expect("a file");
    assert!(whole.len() > 4, "{} bytes", whole.len());
    assert_eq!(pictures(&keeping), want, "with the cache");
    // a file of another driver, a truncated one, an empty one, and one that is no cache
    let mut others = whole.clone();
    others[20] ^= 0xff;
    let others = [&crc32fast::hash(&others[4..]).to_le_bytes()[..], &others[4..]].concat();
    for bad in [&others[..], &whole[..whole.len() / 2], &[], b"no pipelines but plain words"] {
        std::fs::write(&path, bad).expect("written");
        assert_eq!(pictures(&keeping), want, "with {} odd bytes", bad.len());
        assert_ne!(std::fs::read(&path).expect("a file"), bad, "an odd file stayed");
    }
    // without a writable folder nothing is lost
    let blocked = folder.path().join("a file");
    std::fs::write(&blocked, "").expect("written");
    assert_eq!(pictures(&adapter.keeping(Some(blocked))), want, "in no folder");
}

/// Drivers of GPUs compile kernels when they are made, software adapters again when they first run.
#[test]
fn compiled_kernels_are_counted() {
    let Some(adapter) = common::adapter() else { return };
    let compiled = || adapter.compiled.load(std::sync::atomic::Ordering::Relaxed);
    let before = compiled();
    let mut vae = Vae::new(Device::Gpu(&adapter), ModelOptions::training(SMALL, 2), 0).expect("a device");
    let made = compiled() - before;
    assert_eq!(made, vae.plan().pipelines());
    assert!(vae.step_kernels() > 5 && vae.step_kernels() < made, "{} of {made}", vae.step_kernels());
    let rgba = vec![0x80_40_20_ff; 2 * 16 * 16];
    let mut step = |step| {
        let settings = StepSettings { step, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
        vae.train_step(Input::Rgba(&rgba), 2, &settings).expect("a step");
        vae.losses(true).expect("losses");
        compiled() - before - made
    };
    let first = step(0);
    let of_a_step = step(1);
    assert_eq!(first, of_a_step, "the second step compiled something");
    assert_eq!(first, if adapter.is_software() { vae.step_kernels() } else { 0 });
}
