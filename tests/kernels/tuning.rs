//! The autotuner and tuning tables: a wrong candidate is reported and never chosen, a replayed table gives equal bits, and
//! the defaults are as intended.

use std::sync::Arc;

use wgvae::config::ModelConfig;
use wgvae::gpu::kernel::{Constant, Kernel, Source};
use wgvae::gpu::{Capabilities, Element, Fragment, Op, Plan, ProgramId, Shape, Tensor};
use wgvae::model::{Device, Input, ModelOptions, StepSettings, Vae};
use wgvae::ops::adam::AnyAdam;
use wgvae::ops::bias_grad::BiasGradShape;
use wgvae::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::gemm::{Epilogue, Gemm, Product};
use wgvae::ops::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use wgvae::ops::tolerance::Tolerance;
use wgvae::ops::tunable::{KernelConfig, Table, Tunable};
use wgvae::ops::tuning::Tuning;
use wgvae::tune::file::TuningFile;
use wgvae::tune::{self, CandidateResult, Measurement};

use crate::common;

const PRODUCT: Linear = Linear { rows: 40, inputs: 96, outputs: 72, planes: 1 };
/// A configuration that no adapter has: it names the planted candidate.
const PLANTED: KernelConfig = KernelConfig::Elementwise { threads: 7, vec4s_per_thread: 7 };
/// 64 x 64 by fragments of 16 x 16 of f16, on subgroups of 32.
const ROUNDING: Variant = Variant::Cooperative {
    edge: 16,
    cell: Element::F16,
    subgroups: [2, 2],
    blocks: [2, 2],
    depth: 32,
    lanes: [32, 32],
};
const HONEST: KernelConfig = KernelConfig::Product { variant: Variant::PLAIN, splits: 1 };

/// The fault of the planted candidate.
#[derive(Clone, Copy)]
enum Fault {
    /// one element of every tile is stored twice as large
    Value,
    /// the last row of the output is never stored
    Missing,
    /// more invocations than the limits allow, so the driver must refuse it
    Refused,
    /// no fault
    None,
}

impl Fault {
    fn files(self, mut files: Vec<Source>) -> Vec<Source> {
        let edit = |file: &mut Source, from: &str, to: &str| {
            assert!(file.text.contains(from), "{}: {from}", file.name);
            file.text = Box::leak(file.text.replace(from, to).into_boxed_str());
        };
        for file in &mut files {
            match (self, file.name) {
                (Self::Value, "gemm/epilogue.wgsl") => {
                    edit(file, "var value = sum;", "var value = sum; if (at == 3u) { value.y *= 2.0; }");
                }
                (Self::Missing, "gemm/gemm.wgsl") => {
                    let index = "let at = store_index(tile.plane, m, n);";
                    edit(file, index, &format!("if (m + 1u == M) {{ return; }} {index}"));
                }
                (Self::Refused, "gemm/gemm_tile.wgsl") => {
                    edit(file, "@workgroup_size(THREADS)", "@workgroup_size(THREADS, 64u)");
                }
                _ => {}
            }
        }
        files
    }
}

/// A product with one broken candidate.
struct Planted(Fault);

/// The broken candidate's op.
struct Broken(Gemm<Linear>, Fault);

impl Op for Broken {
    fn kernel(&self) -> Kernel {
        let kernel = self.0.kernel();
        Kernel { files: self.1.files(kernel.files), ..kernel }
    }
    fn params(&self) -> Vec<Constant> {
        self.0.params()
    }
    fn constants(&self) -> Vec<Constant> {
        self.0.constants()
    }
    fn operands(&self) -> Vec<(&'static str, Shape)> {
        self.0.operands()
    }
    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        self.0.element_aliases()
    }
    fn groups(&self) -> u64 {
        self.0.groups()
    }
    fn flops(&self) -> u64 {
        self.0.flops()
    }
    fn twin(&self, buffers: &mut [Vec<f32>]) {
        self.0.twin(buffers);
    }
}

impl Tunable for Planted {
    fn key(&self) -> String {
        "planted".into()
    }
    fn candidates(&self, _: &Capabilities) -> Vec<KernelConfig> {
        vec![HONEST, PLANTED]
    }
    fn allows(&self, config: KernelConfig) -> bool {
        [HONEST, PLANTED].contains(&config)
    }
    fn operands(&self) -> Vec<(&'static str, Shape)> {
        Fused::plain(PRODUCT, Epilogue::BIAS).operands()
    }
    fn tolerance(&self, config: KernelConfig) -> Tolerance {
        Fused::plain(PRODUCT, Epilogue::BIAS).tolerance(config)
    }
    fn record(&self, plan: &mut Plan, program: ProgramId, config: KernelConfig, operands: &[Tensor]) {
        let op = Gemm { product: PRODUCT, variant: Variant::PLAIN, splits: 1, epilogue: Epilogue::BIAS };
        match config {
            PLANTED => plan.dispatch(program, "planted", Broken(op, self.0), operands),
            _ => plan.dispatch(program, "honest", op, operands),
        }
    }
}

/// Tunes the planted product, whose default is the planted candidate, together with an honest elementwise kernel.
fn planted(fault: Fault) -> Option<(Measurement, Measurement)> {
    let adapter = common::adapter()?;
    let ops: Vec<(Arc<dyn Tunable>, KernelConfig)> = vec![
        (Arc::new(Planted(fault)), PLANTED),
        (Arc::new(AnyAdam), KernelConfig::Elementwise { threads: 64, vec4s_per_thread: 1 }),
    ];
    let mut seen = 0;
    let findings = tune::tune(&adapter, &ops, &mut |_, done, all| {
        seen += 1;
        assert_eq!((done, all), (seen, 2));
    });
    let [planted, other] = <[Measurement; 2]>::try_from(findings.expect("findings")).expect("two findings");
    Some((planted, other))
}

/// Without a fault none must be found, or the tests below would prove nothing.
#[test]
fn a_planted_candidate_without_a_fault_is_right() {
    let Some((planted, other)) = planted(Fault::None) else { return };
    assert_eq!(planted.bad().count(), 0, "{:?}", planted.candidates);
    assert_eq!(other.bad().count(), 0, "{:?}", other.candidates);
}

#[test]
fn a_wrong_candidate_is_reported_and_never_chosen() {
    for fault in [Fault::Value, Fault::Missing] {
        let Some((planted, other)) = planted(fault) else { return };
        let [(honest, right), (broken, wrong)] = planted.candidates.as_slice() else {
            panic!("two candidates")
        };
        assert_eq!((*honest, *broken), (HONEST, PLANTED));
        println!("{}: {} {right:?}; {} {wrong:?}", planted.key, honest.name(), broken.name());
        assert!(right.time().is_some(), "{right:?}");
        assert!(matches!(wrong, CandidateResult::Wrong(ratio) if *ratio > 1.0), "{wrong:?}");
        assert_eq!(planted.chosen, HONEST, "though the planted one is the default");
        assert_eq!(tune::table(&[planted])["planted"], HONEST);
        assert_eq!(other.bad().count(), 0);
    }
}

#[test]
fn a_candidate_that_the_driver_refuses_costs_only_itself() {
    let Some((planted, other)) = planted(Fault::Refused) else { return };
    let [(_, right), (_, refused)] = planted.candidates.as_slice() else { panic!("two candidates") };
    println!("{}: {refused:?}", planted.key);
    assert!(right.time().is_some(), "{right:?}");
    assert!(matches!(refused, CandidateResult::Refused(reason) if !reason.is_empty()), "{refused:?}");
    assert_eq!(planted.chosen, HONEST);
    assert_eq!(other.bad().count(), 0, "an op compiled together with it is still measured");
}

const SMALL: ModelConfig = ModelConfig::reference(32, 8, 12);

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
    let target = adapter.target();
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

/// The plain configuration adds all terms one after the other, and a split one does not: neither is wrong.
#[test]
fn long_sums_agree_in_every_configuration() {
    let Some(adapter) = common::adapter() else { return };
    let product = LinearWeightGrad { rows: 1 << 18, inputs: 8, outputs: 8, planes: 1 };
    let product: Arc<dyn Tunable> = Arc::new(Fused::plain(product, Epilogue::NONE));
    let columns =
        BiasGradShape { rows: 1 << 19, channels: 64, epilogue: Epilogue::NONE, element: Element::F32 };
    let split = KernelConfig::Product { variant: Variant::PLAIN, splits: 64 };
    let ops = [
        (product, split),
        (Arc::new(columns), KernelConfig::BiasGrad { threads: 64, parts: 64, textures: false }),
    ];
    for finding in tune::tune(&adapter, &ops, &mut |_, _, _| {}).expect("findings") {
        println!("{}: {:?}", finding.key, finding.candidates);
        assert_eq!(finding.bad().count(), 0, "{}: {:?}", finding.key, finding.candidates);
    }
}

/// Defaults of software adapters: textures if they fit and are worth the copies, and tiles with few elements outside the
/// output.
#[test]
fn defaults_of_software_adapters_follow_the_product() {
    let target = Capabilities { subgroups: Some([8, 8]), textures: true, ..Capabilities::twins() };
    let blind = Capabilities { textures: false, ..target.clone() };
    fn tile<P: Product>(target: &Capabilities, product: P) -> ([u32; 2], bool) {
        match Tuning::of(target).product(Fused::plain(product, Epilogue::NONE)) {
            KernelConfig::Product { variant, .. } => {
                (variant.tile()[..2].try_into().expect("two"), variant.textures())
            }
            config => panic!("{config:?} is not a configuration of a product"),
        }
    }
    let forward = |rows, inputs, outputs| Linear { rows, inputs, outputs, planes: 1 };
    assert_eq!(tile(&target, forward(512, 256, 256)), ([32, 64], true), "a K-major right factor");
    let backward = LinearInputGrad { rows: 512, inputs: 256, outputs: 256, planes: 1 };
    assert_eq!(tile(&target, backward), ([32, 64], true), "an N-major right factor");
    let thin = LinearInputGrad { rows: 512, inputs: 96, outputs: 256, planes: 1 };
    assert_eq!(tile(&target, thin), ([32, 32], true), "a quarter of 128 columns would be outside");
    assert_eq!(tile(&target, forward(17, 8192, 512)), ([32, 32], false), "the weight is read once");
    let backward = |rows| LinearInputGrad { rows, inputs: 8192, outputs: 512, planes: 1 };
    assert_eq!(tile(&target, backward(17)), ([32, 64], true), "the weight is read once, but is N-major");
    for rows in [1, 8, 9, 16] {
        let few = if rows <= 8 { 8 } else { 16 };
        assert_eq!(tile(&target, forward(rows, 8192, 512)), ([few, 64], true), "no more rows than needed");
        assert_eq!(tile(&target, backward(rows)), ([few, 64], true), "no more rows than needed");
    }
    assert_eq!(tile(&target, forward(16, 8192, 4)), ([512, 4], false), "few rows and few columns");
    assert_eq!(tile(&target, forward(512, 256, 4)), ([512, 4], false), "every element is read once");
    let picture = Conv2dTranspose::from(Geometry { batch: 4, low_h: 16, low_w: 16, low_c: 64, high_c: 4 });
    assert_eq!(
        tile(&target, picture),
        ([512, 4], true),
        "the left factor is read by four planes, four times each"
    );
    assert_eq!(tile(&target, forward(64, 1 << 20, 256)), ([32, 32], false), "too large for a texture");
    assert_eq!(tile(&blind, forward(512, 256, 256)), ([32, 32], false), "no textures");
    assert_eq!(tile(&blind, forward(16, 8192, 512)), ([32, 32], false), "no textures");
    let broad = Capabilities { subgroups: Some([16, 16]), ..target };
    assert_eq!(tile(&broad, forward(512, 256, 256)), ([64, 64], true), "subgroups of 16");
    assert_eq!(tile(&broad, forward(32, 8192, 512)), ([32, 64], true), "subgroups of 16, few rows");
}

/// Bias gradients read textures if products do, and if the matrix fits one.
#[test]
fn bias_gradients_read_textures_if_products_do() {
    let software = Capabilities { subgroups: Some([8, 8]), textures: true, ..Capabilities::twins() };
    let sums = |rows| BiasGradShape { rows, channels: 256, epilogue: Epilogue::NONE, element: Element::F32 };
    let from_textures = |target: &Capabilities, rows| match Tuning::of(target).bias_grad(sums(rows)) {
        KernelConfig::BiasGrad { textures, .. } => textures,
        config => panic!("{config:?}"),
    };
    assert!(from_textures(&software, 4096));
    assert!(!from_textures(&software, 1 << 20), "too large for a texture");
    assert!(!from_textures(&Capabilities { textures: false, ..software.clone() }, 4096), "no textures");
    assert!(!from_textures(&Capabilities::webgpu_default(), 4096), "not measured on GPUs");
    let from_textures = KernelConfig::BiasGrad { threads: 64, parts: 4, textures: true };
    assert!(
        from_textures.runs_on(&software)
            && !from_textures.runs_on(&Capabilities { textures: false, ..software })
    );
    assert!(sums(4096).allows(from_textures) && !sums(1 << 20).allows(from_textures));
    let before: KernelConfig =
        serde_json::from_str(r#"{"columns":{"threads":64,"parts":4}}"#).expect("an older table's");
    assert_eq!(before, KernelConfig::BiasGrad { threads: 64, parts: 4, textures: false });
}

/// The Winograd algorithm is the default if it saves more than it costs, on the kind of adapter on which it was measured,
/// and in f32.
#[test]
fn winograd_is_the_default_if_it_pays() {
    let software = Capabilities { subgroups: Some([8, 8]), textures: true, ..Capabilities::twins() };
    let g = |batch, edge, low_c, high_c| Geometry { batch, low_h: edge, low_w: edge, low_c, high_c };
    fn by_winograd<P: Product>(target: &Capabilities, fused: Fused<P>) -> bool {
        matches!(Tuning::of(target).product(fused), KernelConfig::Winograd { .. })
    }
    fn plain<P: Product>(product: P) -> Fused<P> {
        Fused::plain(product, Epilogue::NONE)
    }
    let layer = g(8, 16, 256, 128);
    assert!(by_winograd(&software, plain(Conv2d::from(layer))));
    assert!(by_winograd(&software, plain(Conv2dTranspose::from(layer))));
    assert!(by_winograd(&software, plain(Conv2dWeightGrad::from(layer))));
    // 122 multiplications per transformed element, and 131; for the weight gradient, whose transforms count whole, 107 and
    // 122
    let [fewer, more, most] = [4, 8, 16].map(|batch| g(batch, 16, 128, 64));
    assert!(!by_winograd(&software, plain(Conv2d::from(fewer))), "no faster");
    assert!(!by_winograd(&software, plain(Conv2dTranspose::from(fewer))), "no faster");
    assert!(!by_winograd(&software, plain(Conv2dWeightGrad::from(fewer))), "no faster");
    assert!(by_winograd(&software, plain(Conv2d::from(more))));
    assert!(by_winograd(&software, plain(Conv2dTranspose::from(more))));
    assert!(by_winograd(&software, plain(Conv2dWeightGrad::from(more))));
    assert!(by_winograd(&software, plain(Conv2d::from(most))));
    assert!(by_winograd(&software, plain(Conv2dTranspose::from(most))));
    let shared = g(16, 4, 512, 256);
    assert!(
        by_winograd(&software, plain(Conv2d::from(shared))),
        "the weights are transformed once for two products"
    );
    assert!(by_winograd(&software, plain(Conv2dTranspose::from(shared))), "the other of the two");
    assert!(!by_winograd(&software, plain(Conv2dWeightGrad::from(shared))), "its transforms are not shared");
    let deep = g(4, 4, 512, 256);
    assert!(
        !by_winograd(&software, plain(Conv2d::from(deep))),
        "the transformed weights are used by 16 tiles only"
    );
    let pictures = g(16, 32, 64, 4);
    assert!(!by_winograd(&software, plain(Conv2d::from(pictures))), "four channels");
    assert!(
        !by_winograd(&Capabilities::webgpu_default(), plain(Conv2d::from(layer))),
        "not measured on GPUs"
    );
    assert!(!by_winograd(&Capabilities::twins(), plain(Conv2d::from(layer))), "the reference");
    let prime = g(59, 8, 512, 256);
    let config = KernelConfig::Winograd { variant: Variant::PLAIN, splits: 1 };
    assert!(!plain(Conv2d::from(prime)).allows(config), "59 chunks of 16 tiles");
    assert!(plain(Conv2d::from(g(64, 8, 512, 256))).allows(config), "2 chunks of 512 tiles");
    let half = Fused { elements: [Element::F16; 4], ..plain(Conv2d::from(layer)) };
    assert!(!by_winograd(&software, half), "transformed tensors are f32");
    let huge = g(1, 1024, 256, 128);
    assert!(
        !by_winograd(&software, plain(Conv2d::from(huge))) && !plain(Conv2d::from(huge)).allows(config),
        "too large"
    );
    let Some(config @ KernelConfig::Winograd { .. }) =
        plain(Conv2d::from(layer)).candidates(&software).last().copied()
    else {
        panic!("the autotuner tries Winograd as well")
    };
    let text = serde_json::to_string(&config).expect("text");
    assert_eq!(serde_json::from_str::<KernelConfig>(&text).expect("a configuration"), config);
    assert!(config.name().starts_with("winograd, subgroup 32x64"), "{}", config.name());
}

/// Tables of older versions have other names for some fields, and no parts along K. They are written with today's names.
#[test]
fn tables_of_older_versions_are_still_read() {
    let tile = Variant::Tile { threads: [16, 8], thread_tile: [2, 1], depth: 8, buffers: 2 };
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

/// Matrix units of f16 are candidates only if a factor is f16 already.
#[test]
fn a_core_that_rounds_its_factors_serves_f16_only() {
    let fragments = vec![Fragment { size: 16, element: Element::F16, lanes: [32, 32] }];
    let target =
        Capabilities { subgroups: Some([32, 32]), f16: true, fragments, ..Capabilities::webgpu_default() };
    assert!(Variant::all(&target, Element::F16).contains(&ROUNDING));
    assert!(!Variant::all(&target, Element::F32).contains(&ROUNDING));
    assert!(!ROUNDING.runs_on(&Capabilities { fragments: Vec::new(), ..target.clone() }));
    for precision in [Element::F32, Element::F16] {
        let used = Tuning::of(&target);
        let build = ModelOptions { precision, ..ModelOptions::training(SMALL, 6) };
        build.plan_with(&target, &used).expect("the defaults fit");
        let rounds = |config: &KernelConfig| matches!(config, KernelConfig::Product { variant, .. } if variant.factors() == Element::F16);
        for (op, _) in used.ops() {
            let half = op.elements().iter().take(2).any(|element| *element == Element::F16);
            assert!(half || !op.candidates(&target).iter().any(rounds), "{}", op.key());
        }
        let any = used.ops().iter().any(|(op, _)| op.candidates(&target).iter().any(rounds));
        assert_eq!(any, precision == Element::F16, "{precision:?}");
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
    let error = TuningFile::read(&path).and_then(|file| file.check(&adapter.target(), &path));
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("two") && error.contains("255 threads"), "{error}");
}
