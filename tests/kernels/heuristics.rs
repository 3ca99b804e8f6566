//! Candidates and default configurations, by the product and by the adapter's capabilities.

use wgvae::config::ModelConfig;
use wgvae::gpu::{Capabilities, Element, Fragment};
use wgvae::model::ModelOptions;
use wgvae::ops::bias_grad::BiasGradShape;
use wgvae::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::gemm::{Epilogue, Product};
use wgvae::ops::linear::{Linear, LinearInputGrad};
use wgvae::ops::tunable::{KernelConfig, Tunable};
use wgvae::ops::tuning::Tuning;

pub(super) const SMALL: ModelConfig = ModelConfig::reference(32, 8, 12);
/// 64 x 64 by fragments of 16 x 16 of f16, on subgroups of 32.
pub(super) const ROUNDING: Variant = Variant::Cooperative {
    edge: 16,
    cell: Element::F16,
    subgroups: [2, 2],
    blocks: [2, 2],
    depth: 32,
    lanes: [32, 32],
};

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
