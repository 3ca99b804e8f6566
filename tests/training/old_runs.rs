//! Runs of earlier versions, from `tests/fixtures/runs`: they are resumed, to the same bits on the same adapter.

use std::path::Path;

use wgvae::checkpoint;

use crate::common;
use crate::common::program::{text, wgvae};
use crate::common::report;

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.path().strip_prefix(from).expect("below"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

#[test]
fn runs_of_earlier_formats_are_resumed_bit_for_bit() {
    let Some(adapter) = common::adapter() else { return };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs");
    for format in ["format_3", "format_4"] {
        let f16 = format == "format_4";
        if f16 && !adapter.capabilities().f16 {
            report::left_out(&format!("{format}: no f16: {}", adapter.describe()));
            continue;
        }
        let folder = tempfile::tempdir().expect("folder");
        copy(&fixtures.join(format).join("run"), &folder.path().join("runs/old"));
        let output = wgvae(folder.path(), &["train", "--resume", "runs/old", "--epochs", "2"]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{format}: {said}");
        let run = folder.path().join("runs/old");
        let resumed = checkpoint::load(&run.join("checkpoints/epoch_0002")).expect("a checkpoint");
        assert_eq!((resumed.state.step, resumed.state.epoch), (6, 3), "{format}");
        let wanted =
            checkpoint::open(&fixtures.join(format).join("epoch_0002.safetensors")).expect("a model");
        let got = checkpoint::open(&run).expect("a model");
        let was = checkpoint::load(&fixtures.join(format).join("run/checkpoints/epoch_0001")).expect("it");
        if was.state.adapter == adapter.describe() {
            assert_eq!(
                got.weights, wanted.weights,
                "{format}: other bits than the version that began the run"
            );
        } else {
            report::left_out(&format!("{format}: bits of another adapter: {}", was.state.adapter));
        }
        let pairs = got.weights.tensors.iter().zip(&wanted.weights.tensors);
        for (got, wanted) in pairs {
            let far = got.values.iter().zip(&wanted.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 2e-3, "{format}: {} is off by {far}, more than two steps of Adam", got.name);
        }
    }
}
