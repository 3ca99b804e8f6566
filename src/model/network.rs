//! The network, once: what every layer reads and writes, forward and backward, as a plan.
//!
//! Forward and backward are plain lists in execution order; there is no tape. All tensors hold one
//! micro-batch of N pictures; the loss is a sum, so the gradients of micro-batches add up.

use super::extras::{MmdTensors, TrainFeatures};
use super::gradients::Gradients;
use super::layers::{Activations, Recorder, geometry};
use super::options::ModelOptions;
use super::params::Layout;
use crate::config::{Likelihood, ModelConfig};
use crate::error::{Error, Result};
use crate::gpu::{BufferId, Capabilities, Element, Plan, ProgramId, Shape, Tensor, Usage};
use crate::ops::conv2d::{Conv2d, Conv2dTranspose};
use crate::ops::gemm::{Epilogue, Operands};
use crate::ops::linear::Linear;
use crate::ops::loss_scale::LossScale;
use crate::ops::normal::Normal;
use crate::ops::reparameterize::{Reparameterize, padded};
use crate::ops::step::Step;
use crate::ops::totals::TotalsSlots;
use crate::ops::tuning::Tuning;
use crate::ops::{logits_to_rgba::LogitsToRgba, rgba_to_float::RgbaToFloat};
use crate::ops::{reconstruction::Reconstruction, totals::Totals};

/// Bytes of activations that the automatic micro-batch stays under: WebGPU does not tell how much memory there is.
const ACTIVATION_BUDGET: u64 = 5 << 28;

/// Parts of a training step, to be run in this order (see [`Programs::forward`]).
#[derive(Debug, Clone, Copy)]
pub struct Programs {
    /// `rgba` to `x`
    pub unpack: ProgramId,
    /// `x` to `heads`
    pub encode: ProgramId,
    /// fills `heads` with zeros: the prior
    pub prior: ProgramId,
    /// draws `eps`
    pub draw: ProgramId,
    /// `heads`, `eps` to `z`
    pub reparameterize: ProgramId,
    /// `z` to `logits`
    pub decode: ProgramId,
    /// `logits` to `recon` and `pictures`
    pub picture: ProgramId,
    /// adds the micro-batch's nats and KL to `totals`; `backward` does that too
    pub loss: ProgramId,
    /// clears `totals`, and the gradients where micro-batches add to them
    pub begin: ProgramId,
    /// only in a plan for training
    pub training: Option<TrainingPrograms>,
}

/// The programs that need gradients.
#[derive(Debug, Clone, Copy)]
pub struct TrainingPrograms {
    /// loss and gradients of the micro-batch, to be run once after its forward programs; with Adam over each weight whose
    /// gradient makes room for the next one's
    pub backward: ProgramId,
    /// one Adam step over whatever `backward` has left
    pub update: ProgramId,
    /// `rgba` to `x`, varied where pictures are
    pub augment: ProgramId,
    /// adds `z` to the batch's latents, and compares those with the prior
    pub mmd: Option<[ProgramId; 2]>,
    /// exchanges the parameters with their average
    pub swap: Option<ProgramId>,
}

impl Programs {
    /// From `x` to `logits`, with fresh draws.
    pub fn forward(&self) -> [ProgramId; 4] {
        [self.encode, self.draw, self.reparameterize, self.decode]
    }
}

/// The flat arenas; gradients and moments only in a plan for training.
#[derive(Debug, Clone, Copy)]
pub struct Arenas {
    /// parameters
    pub params: BufferId,
    /// what a training has besides
    pub training: Option<TrainingArenas>,
    /// the running average of the parameters, where one is kept
    pub average: Option<BufferId>,
}

/// What Adam needs besides the parameters.
#[derive(Debug, Clone, Copy)]
pub struct TrainingArenas {
    /// gradients
    pub gradients: Gradients,
    /// first and second moment
    pub moments: [BufferId; 2],
}

/// The tensors that the host writes or reads. N is the micro-batch, Z and channels are padded.
#[derive(Debug, Clone, Copy)]
pub struct Tensors {
    /// the step's uniform
    pub step: Tensor,
    /// `[N]`: which pictures of `rgba` the micro-batch consists of
    pub batch_indices: Tensor,
    /// `[kept + N, S, S]` 8-bit RGBA: those kept on the device, and room for a micro-batch behind them
    pub rgba: Tensor,
    /// `[N, S, S, 4]`
    pub x: Tensor,
    /// `[N, 2, Z]`
    pub heads: Tensor,
    /// `[N, Z]`
    pub eps: Tensor,
    /// `[N, Z]`
    pub z: Tensor,
    /// `[N, S, S, 4]`
    pub logits: Tensor,
    /// `[N, S, S, 4]`
    pub recon: Tensor,
    /// `[N, S, S]` 8-bit RGBA
    pub output_rgba: Tensor,
    /// `[N, 2]`: divergence of each picture, in nats, as it is and as the objective counts it
    pub kl: Tensor,
    /// sums over the batch, see [`TotalsSlots`]
    pub totals: Tensor,
    /// `[4]`: the factor on gradients, a [`LossScale`]; zeros, that is a factor of 1, in f32
    pub scaling: Tensor,
}

/// How many pictures a plan is for.
#[derive(Debug, Clone, Copy)]
pub struct BatchDims {
    /// pictures of a step
    pub batch: u32,
    /// pictures computed at once
    pub micro: u32,
    /// pictures kept on the device from step to step
    pub resident: u32,
    /// what activations between the layers and their gradients are made of
    pub precision: Element,
}

/// A model's plan for micro-batches of a given size.
pub struct Network {
    /// the architecture
    pub config: ModelConfig,
    /// how many pictures, and what their activations are made of
    pub dims: BatchDims,
    /// of pixels
    pub likelihood: Likelihood,
    /// what a training does besides
    pub extras: TrainFeatures,
    /// where latents are compared with the prior
    pub(super) mmd: Option<MmdTensors>,
    /// where parameters lie
    pub layout: Layout,
    /// the arenas
    pub arenas: Arenas,
    /// what the host writes or reads
    pub tensors: Tensors,
    /// what can be run
    pub programs: Programs,
}

/// Most floating-point operations of a dispatch on a GPU that shares the processor's memory. A dispatch cannot be cut, and
/// drivers end those that take seconds: this is half a second at 40 GFLOP/s, about the slowest that there are.
const DISPATCH_FLOPS: u64 = 20_000_000_000;

/// The largest micro-batch that fits the target's bindings and the activation budget, and on integrated GPUs the longest
/// dispatch, in equal parts of `batch`.
///
/// # Errors
/// [`Error::Limit`] if not even one picture fits.
pub fn micro_batch(build: &ModelOptions, target: &Capabilities) -> Result<u32> {
    let ModelOptions { ref config, batch, precision, .. } = *build;
    let elements = |i: usize| u64::from(config.size >> i).pow(2) * u64::from(padded(config.widths()[i]));
    let bytes = |i| if i == 0 { 4 } else { precision.bytes() };
    let sizes: Vec<u64> = (0..5).map(|i| bytes(i) * elements(i)).collect();
    let largest = sizes.iter().copied().max().unwrap_or(1);
    if largest > target.binding_bytes {
        return Err(Error::Limit {
            what: format!("one picture's activations at {} px, hidden {}", config.size, config.hidden),
            needed: largest,
            adapter: target.name.clone(),
            limit: target.binding_bytes,
            name: "maxStorageBufferBindingSize",
            hint: "lower --size or --hidden, or take another adapter".into(),
        });
    }
    // every activation stands in the encoder and in the decoder, and there are two gradients at a time
    let keep_all = 2 * (sizes.iter().sum::<u64>() + largest);
    let most = (target.binding_bytes / largest).min((ACTIVATION_BUDGET / keep_all).max(1));
    let integrated = !target.software && !target.discrete;
    let most = if integrated { most.min((DISPATCH_FLOPS / longest(config)).max(1)) } else { most };
    let parts = u64::from(batch).div_ceil(most).max(1) as u32;
    Ok(batch.div_ceil(parts))
}

/// Floating-point operations for a picture of the convolution that takes most of them.
fn longest(config: &ModelConfig) -> u64 {
    let widths = config.widths();
    let layer = |i: usize| {
        let cells = u64::from(config.size >> i).pow(2);
        2 * 16 * cells * u64::from(widths[i - 1]) * u64::from(widths[i])
    };
    (1..5).map(layer).max().unwrap_or(1).max(1)
}

impl BatchDims {
    /// Whether a step has several micro-batches, whose gradients add up.
    pub(super) fn accumulates(&self) -> bool {
        self.batch > self.micro
    }
}

impl Network {
    /// Records the plan of `build` for micro-batches of `micro`.
    pub fn record(build: &ModelOptions, target: &Capabilities, micro: u32, tuning: &Tuning) -> (Self, Plan) {
        let ModelOptions { ref config, batch, resident, precision, training, likelihood, .. } = *build;
        let extras = if training { build.extras } else { TrainFeatures::default() };
        let dims = BatchDims { batch, micro, resident, precision };
        let mut plan = Plan::of(target);
        let layout = Layout::new(config);
        let arena = |plan: &mut Plan, name: &str| plan.buffer(name, layout.len, Usage::State);
        let params = arena(&mut plan, "parameters");
        let moments =
            training.then(|| ["first moments", "second moments"].map(|name| arena(&mut plan, name)));
        let average = extras.average.then(|| arena(&mut plan, "average"));
        if training {
            plan.persist_derived_of(params);
        }
        let keep_all = dims.accumulates() || extras.clip.is_some() || precision == Element::F16;
        let training = moments.map(|moments| {
            let transient_weights = !keep_all && !build.keep_gradients;
            TrainingArenas { gradients: Gradients::new(&mut plan, &layout, transient_weights), moments }
        });
        let tensors = allocate(&mut plan, config, micro, resident);
        let acts = Activations::new(&mut plan, config, dims, tensors.x);
        let tensors = Tensors { logits: acts.decoder[4], ..tensors };
        let programs = Programs {
            unpack: plan.program("unpack"),
            encode: plan.program("encode"),
            prior: plan.program("prior"),
            draw: plan.program("draw"),
            reparameterize: plan.program("reparameterize"),
            decode: plan.program("decode"),
            picture: plan.program("picture"),
            loss: plan.program("loss"),
            begin: plan.program("begin"),
            training: None,
        };
        let arenas = Arenas { params, training, average };
        let mmd = extras.mmd.then(|| MmdTensors::new(&mut plan, batch, config.latent));
        let config = *config;
        let mut network = Self { config, dims, likelihood, extras, mmd, layout, arenas, tensors, programs };
        network.record_forward(&mut plan, tuning, &acts);
        if let Some(arenas) = training {
            network.programs.training = Some(network.record_training(&mut plan, tuning, &acts, arenas));
        }
        (network, plan)
    }

    /// Everything that only a training does.
    fn record_training(
        &self,
        plan: &mut Plan,
        tuning: &Tuning,
        acts: &Activations,
        arenas: TrainingArenas,
    ) -> TrainingPrograms {
        let programs = TrainingPrograms {
            backward: plan.program("backward"),
            update: plan.program("update"),
            augment: if self.extras.augmentation.any() {
                plan.program("augment")
            } else {
                self.programs.unpack
            },
            mmd: self.mmd.map(|_| [plan.program("gather"), plan.program("compare")]),
            swap: self.arenas.average.map(|_| plan.program("swap")),
        };
        let Programs { encode, draw, reparameterize, decode, .. } = self.programs;
        plan.inherit_derived(programs.backward, &[encode, draw, reparameterize, decode]);
        self.record_backward(plan, tuning, acts, (programs.backward, arenas));
        self.record_update(plan, tuning, programs.update, arenas);
        if self.extras.augmentation.any() {
            self.record_augment(plan, programs.augment);
        }
        if let (Some(of), Some(programs)) = (&self.mmd, programs.mmd) {
            self.record_mmd(plan, of, programs);
        }
        if let (Some(average), Some(program)) = (self.arenas.average, programs.swap) {
            self.record_swap(plan, program, average);
        }
        programs
    }

    /// What happens to a gradient: it is stored, or added to that of the micro-batches before.
    pub(super) fn gradient(&self) -> Epilogue {
        if self.dims.accumulates() { Epilogue::Accumulate } else { Epilogue::None }
    }

    fn record_forward(&self, plan: &mut Plan, tuning: &Tuning, acts: &Activations) {
        let t = &self.tensors;
        let (rows, vec4s) = (self.dims.micro, padded(self.config.latent) / 4);
        let pixels = self.dims.micro * self.config.size * self.config.size;
        let at = self.programs;
        let [slots, ..] = t.rgba.shape.dims() else { unreachable!("rgba has three dimensions") };
        let op = RgbaToFloat { batch: self.dims.micro, pixels: pixels / self.dims.micro, slots: *slots };
        plan.dispatch(at.unpack, "unpack", op, &[t.batch_indices, t.rgba, t.x]);

        let mut r = Recorder { plan, network: self, tuning, program: at.encode };
        for i in 0..4 {
            let (x, y, layer) = (acts.encoder[i], acts.encoder[i + 1], self.layout.encoder[i]);
            let operands =
                Operands { left: x, right: r.param(layer.weight), aux: Some(r.param(layer.bias)), out: y };
            let label = format!("encoder.{} forward", 2 * i);
            r.gemm(&label, Conv2d::from(geometry(&y, &x)), Epilogue::BiasRelu, &operands);
        }
        let heads = self.layout.heads;
        let flat = acts.encoder[4].len() / rows;
        let operands = Operands {
            left: acts.encoder[4].reshape(&[rows, flat]),
            right: r.param(heads.weight),
            aux: Some(r.param(heads.bias)),
            out: t.heads.reshape(&[rows, 8 * vec4s]),
        };
        r.gemm(
            "heads forward",
            Linear { rows, inputs: flat, outputs: 8 * vec4s, planes: 1 },
            Epilogue::Bias,
            &operands,
        );

        plan.clear(at.prior, t.heads.buffer);
        plan.dispatch(at.draw, "normals", Normal { rows, vec4s }, &[t.step, t.eps]);
        let op = Reparameterize { rows, latent: self.config.latent, vec4s };
        plan.dispatch(at.reparameterize, "reparameterize", op, &[t.step, t.heads, t.eps, t.z, t.kl]);

        let mut r = Recorder { plan, network: self, tuning, program: at.decode };
        let layer = self.layout.decoder_input;
        let operands = Operands {
            left: t.z,
            right: r.param(layer.weight),
            aux: Some(r.param(layer.bias)),
            out: acts.decoder[0].reshape(&[rows, flat]),
        };
        let op = Linear { rows, inputs: 4 * vec4s, outputs: flat, planes: 1 };
        r.gemm("decoder_input forward", op, Epilogue::Bias, &operands);
        for i in 0..4 {
            let (x, y, layer) = (acts.decoder[i], acts.decoder[i + 1], self.layout.decoder[i]);
            let operands =
                Operands { left: x, right: r.param(layer.weight), aux: Some(r.param(layer.bias)), out: y };
            let epilogue = if i < 3 { Epilogue::BiasRelu } else { Epilogue::Bias };
            let label = format!("decoder.{} forward", 2 * i);
            r.gemm(&label, Conv2dTranspose::from(geometry(&x, &y)), epilogue, &operands);
        }
        let op = LogitsToRgba::new(self.likelihood, pixels);
        plan.dispatch(at.picture, "picture", op, &[t.logits, t.recon, t.output_rgba]);
        self.record_loss(plan);
    }

    /// The loss alone, for pictures that are not trained on.
    fn record_loss(&self, plan: &mut Plan) {
        plan.clear(self.programs.begin, self.tensors.totals.buffer);
        if let Some(training) = self.arenas.training.filter(|_| self.dims.accumulates()) {
            plan.clear(self.programs.begin, training.gradients.arena);
        }
        self.record_reconstruction(plan, self.programs.loss, None);
    }

    /// Adds the nats of the pixels and the divergence to `totals`; with `gradient`, those by the logits and by the
    /// last bias too.
    pub(super) fn record_reconstruction(
        &self,
        plan: &mut Plan,
        program: ProgramId,
        gradient: Option<[Tensor; 2]>,
    ) {
        let t = &self.tensors;
        let pixels = self.config.size * self.config.size;
        let op = Reconstruction::new(self.likelihood, self.dims.micro, pixels, gradient.is_some());
        // without a gradient, four elements that the kernels leave alone or set to zero
        let [dlogits, dbias] = gradient.unwrap_or_else(|| [plan.tensor("no gradient", &[4]); 2]);
        let len = op.parts().iter().product();
        let parts = Tensor { shape: Shape::new(&op.parts()), ..plan.scratch(len) };
        plan.dispatch(program, "reconstruction", op, &[t.step, t.logits, t.x, t.scaling, dlogits, parts]);
        let op = Totals::new(len / 4, self.dims.micro, self.dims.accumulates() && gradient.is_some());
        plan.dispatch(program, "totals", op, &[parts, t.kl, t.totals, dbias]);
    }
}

/// The tensors at the border; `logits` is filled in with the activations.
fn allocate(plan: &mut Plan, config: &ModelConfig, micro: u32, resident: u32) -> Tensors {
    let (size, z) = (config.size, padded(config.latent));
    let step = plan.buffer("step", Step::shape().len().into(), Usage::Uniform);
    let scaling = plan.buffer("scaling", LossScale::shape().len().into(), Usage::State);
    let whole = |buffer, shape| Tensor { buffer, offset: 0, shape, element: Element::F32 };
    let x = plan.tensor("x", &[micro, size, size, 4]);
    Tensors {
        step: whole(step, Step::shape()),
        batch_indices: plan.tensor("batch_indices", &[micro]),
        rgba: plan.tensor("rgba", &[resident + micro, size, size]),
        x,
        heads: plan.tensor("heads", &[micro, 2, z]),
        eps: plan.tensor("eps", &[micro, z]),
        z: plan.tensor("z", &[micro, z]),
        logits: x,
        recon: plan.tensor("recon", &[micro, size, size, 4]),
        output_rgba: plan.tensor("output_rgba", &[micro, size, size]),
        kl: plan.tensor("kl", &[micro, 2]),
        totals: plan.tensor("totals", TotalsSlots::shape().dims()),
        scaling: whole(scaling, LossScale::shape()),
    }
}
