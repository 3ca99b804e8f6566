//! The model that comes with the program: pictures before any training.

use std::path::Path;

use crate::common;
use crate::common::program::{all_said as run, refuses};

#[test]
fn the_built_in_model_needs_no_run() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let said = run(at, &["sample", "--count", "2"]);
    assert!(said.contains("prior: flow"), "{said}");
    assert!(at.join("samples/flowers_sample_flow_count_2_seed_0.png").is_file(), "{said}");
    let said = run(at, &["sample", "--each-class", "--count", "2", "-o", "each.png"]);
    assert!(said.contains("rows: Daisy, Dandelion, Rose, Sunflower, Tulip"), "{said}");
    // the first pictures of a sunflower are yellow: more red and green than blue
    run(at, &["sample", "builtin", "--class", "Sunflower", "--count", "9", "-o", "sunflowers.png"]);
    let sunflowers = image::open(at.join("sunflowers.png")).expect("a picture").into_rgb8();
    let channel = |of: usize| sunflowers.pixels().map(|pixel| u64::from(pixel.0[of])).sum::<u64>();
    assert!(channel(0).min(channel(1)) > channel(2) * 11 / 10, "{:?}", [0, 1, 2].map(channel));

    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coast.png");
    let photo = photo.to_str().expect("a path");
    run(at, &["reconstruct", "builtin", photo, "-o", "both.png"]);
    run(at, &["encode", "builtin", photo, "-o", "z.npy"]);
    run(at, &["decode", "builtin", "z.npy", "-o", "decoded"]);
    run(at, &["export-web", "builtin", "page"]);
    assert!(at.join("page/flow.safetensors").is_file());

    // a folder of that name comes first
    std::fs::create_dir(at.join("builtin")).expect("a folder");
    refuses(at, &["sample", "builtin"], 1, &["builtin"]);
}
