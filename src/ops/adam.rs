//! The Adam step over a range of the parameters.

use super::elementwise::Elementwise;
use super::loss_scale::LossScale;
use super::step::Step;
use super::tolerance::Tolerance;
use super::totals::{CLIP_FACTOR, TotalsSlots};
use super::tunable::{ELEMENTWISE, KernelConfig, Tunable};
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::gpu::{Capabilities, Op, Plan, ProgramId, Shape, Tensor};
use crate::{params, wgsl};

/// Decay of the first moment, PyTorch's default.
pub const BETA1: f64 = 0.9;
/// Decay of the second moment, PyTorch's default.
pub const BETA2: f64 = 0.999;
/// Keeps the denominator from zero, PyTorch's default.
pub const EPS: f64 = 1e-8;

params! {
    /// One range of parameters.
    pub struct AdamParams {
        /// vec4s of the range
        vec4s: u32,
        /// 1 - beta1
        rate1: f32,
        /// 1 - beta2
        rate2: f32,
        /// beta2
        beta2: f32,
        /// eps
        eps: f32,
    }
}

/// The Adam step over one range of parameters.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    params: AdamParams,
    launch: Elementwise,
    /// whether gradients are clipped
    clip: bool,
    /// decay of the second moment, for the twin
    beta2: f64,
}

impl Adam {
    /// A range of `len` elements, a multiple of 4.
    pub fn new(len: u32, launch: Elementwise) -> Self {
        let (rate1, rate2) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32);
        let params = AdamParams { vec4s: len / 4, rate1, rate2, beta2: BETA2 as f32, eps: EPS as f32 };
        Self { params, launch, clip: false, beta2: BETA2 }
    }

    /// With another decay of the second moment.
    pub fn beta2(self, beta2: f64) -> Self {
        let params = AdamParams { rate2: (1.0 - beta2) as f32, beta2: beta2 as f32, ..self.params };
        Self { params, beta2, ..self }
    }

    /// Multiplies gradients by `totals[CLIP_FACTOR]`, or not.
    pub fn clipped(self, clip: bool) -> Self {
        Self { clip, ..self }
    }
}

/// Adam over any range. Its configuration is measured once, over [`AnyAdam::LEN`] elements.
#[derive(Debug, Clone, Copy)]
pub struct AnyAdam;

impl AnyAdam {
    /// Elements of the measured range: four tensors of 16 MiB, more than caches can store.
    pub const LEN: u32 = 4 << 20;
}

impl Tunable for AnyAdam {
    fn key(&self) -> String {
        "adam".into()
    }

    fn candidates(&self, _: &Capabilities) -> Vec<KernelConfig> {
        ELEMENTWISE
            .iter()
            .map(|&[threads, vec4s_per_thread]| KernelConfig::Elementwise { threads, vec4s_per_thread })
            .collect()
    }

    fn allows(&self, config: KernelConfig) -> bool {
        matches!(config, KernelConfig::Elementwise { .. })
    }

    /// The parameters come last: they are compared.
    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let mut operands = Adam::new(Self::LEN, Elementwise::default()).operands();
        operands[4..].rotate_left(1);
        operands
    }

    fn tolerance(&self, _config: KernelConfig) -> Tolerance {
        Tolerance::reduction(1)
    }

    fn record(&self, plan: &mut Plan, program: ProgramId, config: KernelConfig, operands: &[Tensor]) {
        let &[step, grad, scaling, totals, moment1, moment2, param] = operands else {
            panic!("adam: {operands:?}")
        };
        let KernelConfig::Elementwise { threads, vec4s_per_thread } = config else {
            panic!("{config:?} is not a configuration of an elementwise kernel")
        };
        let op = Adam::new(Self::LEN, Elementwise { threads, vec4s_per_thread });
        plan.dispatch(program, "adam", op, &[step, grad, scaling, totals, param, moment1, moment2]);
    }
}

impl Step {
    /// Sets Adam's two bias corrections for the step after `done` finished steps, computed in `f64`. `decay` is AdamW's
    /// weight decay, relative to the learning rate.
    pub fn with_adam(self, learning_rate: f64, decay: f64, done: u64) -> Self {
        self.with_adam_of(BETA2, learning_rate, decay, done)
    }

    /// [`Step::with_adam`] with another decay of the second moment.
    pub fn with_adam_of(self, beta2: f64, learning_rate: f64, decay: f64, done: u64) -> Self {
        let t = (done + 1) as f64;
        Self {
            step_size: (learning_rate / (1.0 - BETA1.powf(t))) as f32,
            inv_sqrt_bias2: (1.0 / (1.0 - beta2.powf(t)).sqrt()) as f32,
            decay: (learning_rate * decay) as f32,
            ..self
        }
    }
}

impl Op for Adam {
    fn kernel(&self) -> Kernel {
        let own = [
            wgsl!("optimizer/adam.wgsl"),
            wgsl!("common/elementwise.wgsl"),
            wgsl!("common/step.wgsl"),
            wgsl!("optimizer/loss_scale.wgsl"),
        ];
        let files = own.into_iter().chain([wgsl!("loss/totals_slots.wgsl")]).collect();
        Kernel { name: "adam", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let clip = [("CLIP", Value::Bool(self.clip))];
        self.launch.constants().into_iter().chain(clip).collect()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let range = Shape::new(&[4 * self.params.vec4s]);
        vec![
            ("step", Step::shape()),
            ("grad", range),
            ("scaling", LossScale::shape()),
            ("totals", TotalsSlots::shape()),
            ("param", range),
            ("moment1", range),
            ("moment2", range),
        ]
    }

    fn groups(&self) -> u64 {
        self.launch.groups(self.params.vec4s)
    }

    fn reads_output(&self) -> bool {
        true
    }

    fn flops(&self) -> u64 {
        4 * 15 * u64::from(self.params.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, grad, scaling, totals, param, moment1, moment2] = buffers else {
            panic!("adam: {} operands", buffers.len())
        };
        let (step, scaling) = (Step::from_words(step), LossScale::from_words(scaling));
        if scaling.found_inf != 0 {
            return;
        }
        let clipped = if self.clip { f64::from(totals[CLIP_FACTOR]) } else { 1.0 };
        for (i, g) in grad.iter().map(|&g| clipped * f64::from(g) / scaling.factor()).enumerate() {
            let m = f64::from(moment1[i]) * BETA1 + (1.0 - BETA1) * g;
            let v = f64::from(moment2[i]) * self.beta2 + (1.0 - self.beta2) * g * g;
            let change = f64::from(step.step_size) * m / (v.sqrt() * f64::from(step.inv_sqrt_bias2) + EPS);
            (moment1[i], moment2[i]) = (m as f32, v as f32);
            let was = f64::from(param[i]);
            param[i] = (was - f64::from(step.decay) * was - change) as f32;
        }
    }
}
