//! Tuning tables and their files: equal bits when replayed, names that stay, and an error for what an op does not allow.

use wgvae::gpu::Capabilities;
use wgvae::model::{Device, Input, ModelOptions, StepSettings, Vae};
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::tunable::{KernelConfig, Table};
use wgvae::ops::tuning::Tuning;
use wgvae::tune::file::TuningFile;

use crate::common;
use crate::heuristics::{ROUNDING, SMALL};
use crate::tuning::HONEST;

fn train(place: Device<'_>) -> (f64, Vec<u32>) {
    let build = ModelOptions::training(SMALL, 6);
    let mut vae = Vae::new(place, build, 5).expect("build");
    let rgba: Vec<u32> = (0..6 * 32 * 32).map(|i: u32| i.wrapping_mul(0x9E37_79B9)).collect();
    let mut loss = 0.0;
    for step in 0..3 {
        vae.train_step(
            Input::Rgba(&rgba),
            6,
            &StepSettings { seed: 5, step, lr: 1e-3, beta: 0.2, ..StepSettings::default() },
        )
        .expect("step");
        loss = vae.losses(true).expect("losses")[0].1.loss.total(0.2);
    }
    let weights = vae.weights().expect("weights").tensors;
    (loss, weights.iter().flat_map(|t| t.values.iter().map(|v| v.to_bits())).collect())
}

#[test]
fn a_table_gives_equal_bits_again_and_another_one_only_other_rounding() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.capabilities();
    let first = Tuning::with_variant(&target, Variant::direct([16, 4], 1));
    let (loss, weights) = train(Device::Tuned(&adapter, &first));
    // through a file, as in a run's folder
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuning.json");
    TuningFile::new(&adapter, first.used()).write(&path).expect("written");
    let file = TuningFile::read(&path).expect("read");
    file.check(&target, &path).expect("its own adapter runs it");
    assert!(file.is_for(&adapter) && file.configs == first.used());
    let again = Tuning::with(&target, file.configs);
    assert_eq!(train(Device::Tuned(&adapter, &again)), (loss, weights.clone()));
    assert_eq!(again.used(), first.used());
    let (other_loss, other) = train(Device::Tuned(&adapter, &Tuning::with_variant(&target, Variant::PLAIN)));
    assert_ne!(other, weights, "another core adds in another order");
    assert!((other_loss - loss).abs() <= 1e-5 * loss, "{other_loss} and {loss}");
}

/// A table may be edited by hand: a configuration that its op does not allow is named, and nothing panics.
#[test]
fn a_configuration_that_an_op_does_not_allow_is_named() {
    let build = ModelOptions::training(SMALL, 6);
    let target = Capabilities::webgpu_default();
    let used = Tuning::of(&target);
    build.plan_with(&target, &used).expect("the defaults fit");
    let product = used.used().into_keys().find(|key| key.starts_with("conv2d ")).expect("a product");
    let bias = used.used().into_keys().find(|key| key.starts_with("bias_grad ")).expect("a bias");
    let launch = KernelConfig::Elementwise { threads: 64, vec4s_per_thread: 1 };
    let splits = |splits| KernelConfig::Product { variant: Variant::PLAIN, splits };
    // its factors are f32, and this core would round them
    let rounded = KernelConfig::Product { variant: ROUNDING, splits: 1 };
    let odd = [
        ("adam", HONEST),
        (&product, launch),
        (&product, splits(1 << 20)),
        (&product, splits(0)),
        (&product, rounded),
        (&bias, KernelConfig::BiasGrad { threads: 64, parts: 0, textures: false }),
        (&bias, KernelConfig::BiasGrad { threads: 7, parts: 1, textures: false }),
        (&bias, KernelConfig::BiasGrad { threads: 64, parts: 1 << 20, textures: false }),
        (&bias, HONEST),
    ];
    for (key, config) in odd {
        let tuning = Tuning::with(&target, Table::from([(key.to_owned(), config)]));
        let error = build.plan_with(&target, &tuning).err().expect("refused").to_string();
        assert!(error.contains(key) && error.contains(&config.name()), "{error}");
    }
}

/// Tables of older versions have other names for some fields, and no parts along K. They are written with today's names.
#[test]
fn tables_of_older_versions_are_still_read() {
    let tile = Variant::Tile { threads: [16, 8], thread_tile: [2, 1], depth: 8, buffers: 2, unroll: 1 };
    let direct = Variant::direct([64, 1], 1).fetching(true);
    let subgroup = |k_parts| Variant::Subgroup {
        lanes: 8,
        k_parts,
        clusters: 1,
        blocks_m: 1,
        blocks_n: 2,
        textures: true,
    };
    for (text, config) in [
        (
            r#"{"sweep":{"threads":64,"each":4}}"#,
            KernelConfig::Elementwise { threads: 64, vec4s_per_thread: 4 },
        ),
        (
            r#"{"columns":{"threads":64,"parts":5}}"#,
            KernelConfig::BiasGrad { threads: 64, parts: 5, textures: false },
        ),
        (
            r#"{"columns":{"threads":64,"parts":5,"images":true}}"#,
            KernelConfig::BiasGrad { threads: 64, parts: 5, textures: true },
        ),
        (
            r#"{"product":{"variant":{"tile":{"threads":[16,8],"blocks":[2,1],"depth":8,"buffers":2}},"splits":3}}"#,
            KernelConfig::Product { variant: tile, splits: 3 },
        ),
        (
            r#"{"product":{"variant":{"direct":{"threads":[64,1],"columns":1,"images":true}},"splits":1}}"#,
            KernelConfig::Product { variant: direct, splits: 1 },
        ),
        (
            r#"{"winograd":{"variant":{"subgroup":{"lanes":8,"clusters":1,"turns":1,"columns":2,"textures":true}},"splits":1}}"#,
            KernelConfig::Winograd { variant: subgroup(1), splits: 1 },
        ),
        (
            r#"{"product":{"variant":{"subgroup":{"lanes":8,"parts":4,"clusters":1,"turns":1,"columns":2,"images":true}},"splits":2}}"#,
            KernelConfig::Product { variant: subgroup(4), splits: 2 },
        ),
    ] {
        assert_eq!(serde_json::from_str::<KernelConfig>(text).expect(text), config);
        let again = serde_json::to_string(&config).expect("json");
        assert_eq!(serde_json::from_str::<KernelConfig>(&again).expect("a configuration"), config, "{again}");
        for old in ["sweep", "each", "columns", "images", "blocks\"", "turns", "\"parts\":4"] {
            assert!(!again.contains(old), "{old} in {again}");
        }
    }
    let target = Capabilities { subgroups: Some([8, 8]), textures: true, ..Capabilities::twins() };
    assert_eq!(Some(subgroup(1)), Variant::subgroup(&target, 1, 2).map(|variant| variant.fetching(true)));
    assert!(subgroup(1).runs_on(&target) && subgroup(4).runs_on(&target));
}

/// The names in files are part of the format: this text must be read and written for as long as the format's version stays.
#[test]
fn configurations_keep_their_names_in_files() {
    for text in [
        r#"{"elementwise":{"threads":64,"vec4s_per_thread":1}}"#,
        r#"{"bias_grad":{"threads":64,"parts":5}}"#,
        r#"{"bias_grad":{"threads":64,"parts":5,"textures":true}}"#,
        r#"{"product":{"variant":{"tile":{"threads":[8,8],"thread_tile":[2,2],"depth":16,"buffers":1}},"splits":1}}"#,
        r#"{"product":{"variant":{"direct":{"threads":[64,1],"blocks_n":1}},"splits":1}}"#,
        r#"{"winograd":{"variant":{"subgroup":{"lanes":8,"clusters":1,"blocks_m":1,"blocks_n":2,"textures":true}},"splits":1}}"#,
        r#"{"product":{"variant":{"subgroup":{"lanes":8,"k_parts":2,"clusters":1,"blocks_m":1,"blocks_n":2}},"splits":1}}"#,
    ] {
        let config = serde_json::from_str::<KernelConfig>(text).expect(text);
        assert_eq!(serde_json::to_string(&config).expect("json"), text);
    }
}

#[test]
fn a_cached_table_is_read_again_and_a_damaged_or_foreign_one_is_not() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(TuningFile::cached(folder.path(), &adapter), Table::new());
    let one = Table::from([("one".to_owned(), HONEST)]);
    let path = TuningFile::keep(folder.path(), &adapter, one.clone()).expect("kept");
    assert_eq!(TuningFile::cached(folder.path(), &adapter), one);
    let two =
        Table::from([("two".to_owned(), KernelConfig::Elementwise { threads: 256, vec4s_per_thread: 4 })]);
    TuningFile::keep(folder.path(), &adapter, two).expect("kept");
    assert_eq!(TuningFile::cached(folder.path(), &adapter).len(), 2, "the second adds to the first");

    let whole = std::fs::read_to_string(&path).expect("the file");
    for broken in [&whole[..whole.len() / 2], "", "{}", &whole.replace("\"shaders\": \"", "\"shaders\": \"0")]
    {
        std::fs::write(&path, broken).expect("written");
        assert_eq!(TuningFile::cached(folder.path(), &adapter), Table::new(), "{broken}");
    }
    // configurations that this adapter does not have
    std::fs::write(&path, whole.replace("256", "255")).expect("written");
    assert_eq!(TuningFile::cached(folder.path(), &adapter), Table::new());
    let error = TuningFile::read(&path).and_then(|file| file.check(&adapter.capabilities(), &path));
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("two") && error.contains("255 threads"), "{error}");
}
