//! The autotuner: a wrong candidate is reported and never chosen, and no right one is called wrong.

use std::sync::Arc;

use wgvae::gpu::kernel::{Alias, Constant, Kernel, Source};
use wgvae::gpu::{Capabilities, Element, Op, Plan, ProgramId, Shape, Tensor};
use wgvae::ops::adam::AnyAdam;
use wgvae::ops::bias_grad::BiasGradShape;
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::gemm::{Epilogue, Gemm};
use wgvae::ops::linear::{Linear, LinearWeightGrad};
use wgvae::ops::tolerance::Tolerance;
use wgvae::ops::tunable::{KernelConfig, Tunable};
use wgvae::tune::{self, CandidateResult, Measurement};

use crate::common;

const PRODUCT: Linear = Linear { rows: 40, inputs: 96, outputs: 72, planes: 1 };
/// A configuration that no adapter has: it names the planted candidate.
const PLANTED: KernelConfig = KernelConfig::Elementwise { threads: 7, vec4s_per_thread: 7 };
pub(super) const HONEST: KernelConfig = KernelConfig::Product { variant: Variant::PLAIN, splits: 1 };

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
    fn type_aliases(&self) -> Vec<Alias> {
        self.0.type_aliases()
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
