//! The network, once: what every layer reads and writes, forward and backward, as a plan.
//!
//! Forward and backward are plain lists in execution order; there is no tape. All tensors hold one
//! micro-batch of N pictures; the loss is a sum, so the gradients of micro-batches add up.

use super::architectures::{Autoencoder, elements};
use super::extras::{MmdTensors, TrainFeatures};
use super::flow::FlowSampler;
use super::gradients::Gradients;
use super::layer::Value;
use super::optimizer::Optimizer;
use super::options::ModelOptions;
use super::params::Layout;
use super::recorder::{Recorder, Training};
use super::state_dict::ADAM_SLOTS;
use crate::config::{Likelihood, ModelConfig};
use crate::error::{Error, Result};
use crate::gpu::{BufferId, Capabilities, Element, Plan, ProgramId, Shape, Tensor, Usage};
use crate::ops::adam::BETA2;
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
    /// one Adam step over the parameters that `backward` has not updated
    pub update: ProgramId,
    /// `rgba` to `x`, varied where pictures are
    pub augment: ProgramId,
    /// adds `z` to the batch's latents, and compares those with the prior
    pub mmd: Option<[ProgramId; 2]>,
    /// adds the micro-batch's squared errors to `totals`, where the likelihood needs those of the whole batch before
    /// `backward`; with one micro-batch `backward` does that too
    pub squared_errors: Option<ProgramId>,
    /// exchanges the parameters with their average
    pub swap: Option<ProgramId>,
}

/// The flat arenas; gradients and moments only in a plan for training.
#[derive(Debug, Clone, Copy)]
pub struct Arenas {
    /// parameters
    pub params: BufferId,
    /// gradients and optimizer state, only in a plan for training
    pub training: Option<TrainingArenas>,
    /// the running average of the parameters, where one is kept
    pub average: Option<BufferId>,
}

/// Gradients and Adam's state.
#[derive(Debug, Clone, Copy)]
pub struct TrainingArenas {
    /// gradients
    pub gradients: Gradients,
    /// optimizer state, in the order of [`ADAM_SLOTS`]
    pub slots: [BufferId; 2],
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

/// The batch dimensions of a plan, and its element type.
#[derive(Debug, Clone, Copy)]
pub struct BatchDims {
    /// pictures of a step
    pub batch: u32,
    /// pictures of a step that this process computes at most
    pub share: u32,
    /// whether other processes compute the others
    pub distributed: bool,
    /// pictures computed at once
    pub micro: u32,
    /// pictures kept on the device from step to step
    pub resident: u32,
    /// element type of activations between the layers, and of their gradients
    pub precision: Element,
}

/// A model's plan for micro-batches of a given size.
pub struct Network {
    /// the architecture
    pub config: ModelConfig,
    /// batch dimensions and element type
    pub dims: BatchDims,
    /// the likelihood of pixels
    pub likelihood: Likelihood,
    /// optional parts of a training
    pub extras: TrainFeatures,
    /// tensors of the MMD penalty, if the training has one
    pub(super) mmd: Option<MmdTensors>,
    /// layout of the parameters
    pub layout: Layout,
    /// the arenas
    pub arenas: Arenas,
    /// tensors that the host writes or reads
    pub tensors: Tensors,
    /// the recorded programs
    pub programs: Programs,
    /// the flow that latents can be drawn from
    pub flow: Option<FlowSampler>,
}

/// Maximum floating-point operations of a dispatch on a GPU that shares the processor's memory. A dispatch cannot be split,
/// and drivers stop a dispatch that takes seconds.
const DISPATCH_FLOPS: u64 = 20_000_000_000;

/// The largest micro-batch that fits the target's bindings and the activation budget, and on integrated GPUs the longest
/// dispatch, in equal parts of `batch`.
///
/// # Errors
/// [`Error::Limit`] if not even one picture fits.
pub fn micro_batch(build: &ModelOptions, target: &Capabilities) -> Result<u32> {
    let ModelOptions { ref config, precision, .. } = *build;
    let batch = build.own_batch();
    let architecture = Autoencoder::new(config);
    let [encoder, decoder] = architecture.activations(config, 1);
    // pictures and logits are f32, and so are latents, which are small
    let bytes = |dims: &Vec<u32>| if dims[1] == config.size { 4 } else { precision.bytes() };
    let maps = encoder.iter().chain(&decoder).filter(|dims| dims.len() == 4);
    let sizes: Vec<u64> = maps.map(|dims| bytes(dims) * elements(dims)).collect();
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
    // all activations, and two gradients at a time
    let in_flight = sizes.iter().sum::<u64>() + 2 * largest;
    let most = (target.binding_bytes / largest).min((ACTIVATION_BUDGET / in_flight).max(1));
    let integrated = !target.software && !target.discrete;
    let longest = architecture.longest_dispatch(config).max(1);
    let most = if integrated { most.min((DISPATCH_FLOPS / longest).max(1)) } else { most };
    let parts = u64::from(batch).div_ceil(most).max(1) as u32;
    Ok(batch.div_ceil(parts))
}

impl BatchDims {
    /// Whether a step has several micro-batches, whose gradients add up.
    pub(super) fn accumulates(&self) -> bool {
        self.share > self.micro
    }

    /// Whether the backward pass needs sums over a batch that it does not know itself: of several micro-batches, or of
    /// several processes.
    pub(super) fn sums_before_backward(&self) -> bool {
        self.accumulates() || self.distributed
    }
}

impl Network {
    /// Records the plan of `build` for micro-batches of `micro`.
    pub fn record(build: &ModelOptions, target: &Capabilities, micro: u32, tuning: &Tuning) -> (Self, Plan) {
        let ModelOptions { batch, resident, precision, training, likelihood, .. } = *build;
        let config = &build.config.with_likelihood(likelihood);
        let extras = if training { build.extras } else { TrainFeatures::default() };
        let (share, distributed) = (build.own_batch(), build.share.is_some());
        let dims = BatchDims { batch, share, distributed, micro, resident, precision };
        let mut plan = Plan::of(target);
        let architecture = Autoencoder::new(config);
        let layout = Layout::of(&architecture);
        let arena = |plan: &mut Plan, name: &str| plan.buffer(name, layout.len, Usage::State);
        let params = arena(&mut plan, "parameters");
        let slots = training.then(|| ADAM_SLOTS.map(|name| arena(&mut plan, name)));
        let average = extras.average.then(|| arena(&mut plan, "average"));
        if training {
            plan.persist_derived_of(params);
        }
        let keep_all = dims.sums_before_backward() || extras.clip.is_some() || precision == Element::F16;
        let training = slots.map(|slots| {
            let transient_weights = !keep_all && !build.keep_gradients;
            TrainingArenas { gradients: Gradients::new(&mut plan, &layout, transient_weights), slots }
        });
        let tensors = allocate(&mut plan, config, micro, resident);
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
        let mmd = extras.mmd.then(|| MmdTensors::new(&mut plan, batch, config.latents()));
        let config = *config;
        let border = (micro, tensors.step, tensors.z);
        let flow = build.flow.map(|flow| FlowSampler::record(&mut plan, tuning, flow, border));
        let mut network =
            Self { config, dims, likelihood, extras, mmd, layout, arenas, tensors, programs, flow };
        let values = network.record_forward(&mut plan, tuning, &architecture);
        if let Some(arenas) = training {
            let programs = network.record_training(&mut plan, tuning, (&architecture, &values), arenas);
            network.programs.training = Some(programs);
        }
        (network, plan)
    }

    /// Everything that only a training does.
    fn record_training(
        &self,
        plan: &mut Plan,
        tuning: &Tuning,
        layers: (&Autoencoder, &[Vec<Value>; 2]),
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
            squared_errors: (self.likelihood.fits_sigma() && self.dims.sums_before_backward())
                .then(|| plan.program("squared errors")),
            swap: self.arenas.average.map(|_| plan.program("swap")),
        };
        let Programs { encode, draw, reparameterize, decode, .. } = self.programs;
        plan.inherit_derived(programs.backward, &[encode, draw, reparameterize, decode]);
        self.record_backward(plan, tuning, layers, programs.backward);
        let optimizer = self.optimizer(arenas);
        optimizer.record_update(plan, tuning, programs.update);
        if self.extras.augmentation.any() {
            self.record_augment(plan, programs.augment);
        }
        if let (Some(of), Some(programs)) = (&self.mmd, programs.mmd) {
            self.record_mmd(plan, of, programs);
        }
        if let Some(program) = programs.squared_errors {
            self.record_squared_errors(plan, program);
        }
        if let Some(program) = programs.swap {
            optimizer.record_swap(plan, program);
        }
        programs
    }

    /// A recorder of `program`.
    pub(super) fn recorder<'a>(
        &self,
        plan: &'a mut Plan,
        tuning: &'a Tuning,
        program: ProgramId,
    ) -> Recorder<'a> {
        let training = self.arenas.training.map(|arenas| self.training(arenas));
        Recorder::new(plan, tuning, program, (self.dims.precision, self.arenas.params), training)
    }

    /// Arenas and tensors that the gradients of a training are recorded with.
    fn training(&self, arenas: TrainingArenas) -> Training {
        let t = &self.tensors;
        Training {
            arenas,
            accumulate: self.dims.accumulates(),
            clip: self.extras.clip.is_some(),
            beta2: BETA2,
            state: [t.step, t.scaling, t.totals],
        }
    }

    /// The optimizer of a training.
    fn optimizer(&self, arenas: TrainingArenas) -> Optimizer<'_> {
        Optimizer {
            layout: &self.layout,
            params: self.arenas.params,
            training: self.training(arenas),
            average: self.arenas.average,
            clip: self.extras.clip,
            precision: self.dims.precision,
        }
    }

    /// From pictures to logits, and on to pictures; returns the values between the layers of the encoder and the decoder.
    fn record_forward(
        &self,
        plan: &mut Plan,
        tuning: &Tuning,
        architecture: &Autoencoder,
    ) -> [Vec<Value>; 2] {
        let t = &self.tensors;
        let (rows, vec4s) = (self.dims.micro, padded(self.config.latents()) / 4);
        let pixels = self.config.size * self.config.size;
        let at = self.programs;
        let [slots, ..] = t.rgba.shape.dims() else { unreachable!("rgba has three dimensions") };
        let op = RgbaToFloat { batch: rows, pixels, slots: *slots };
        plan.dispatch(at.unpack, "unpack", op, &[t.batch_indices, t.rgba, t.x]);

        let [encoder, decoder] = self.layout.halves();
        let mut r = self.recorder(plan, tuning, at.encode);
        let encoded = architecture.encoder.forward(&mut r, &encoder, t.x, t.heads);

        plan.clear(at.prior, t.heads.buffer);
        plan.dispatch(at.draw, "normals", Normal { rows, pictures: rows, vec4s }, &[t.step, t.eps]);
        let (latent, cell) = (self.config.latents(), vec4s / self.config.cells());
        let op = Reparameterize { rows, latent, vec4s, cell };
        plan.dispatch(at.reparameterize, "reparameterize", op, &[t.step, t.heads, t.eps, t.z, t.kl]);

        let mut r = self.recorder(plan, tuning, at.decode);
        let z = t.z.reshape(&[&[rows], architecture.latent.as_slice()].concat());
        let decoded = architecture.decoder.forward(&mut r, &decoder, z, t.logits);
        let op = LogitsToRgba::new(self.likelihood, rows * pixels);
        plan.dispatch(at.picture, "picture", op, &[t.logits, t.recon, t.output_rgba]);
        self.record_loss(plan);
        [encoded, decoded]
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
        let mut bindings = vec![t.step, t.logits, t.x, t.scaling, dlogits, parts];
        bindings.extend(self.layout.log_sigma.map(|slice| slice.of(self.arenas.params)));
        if self.likelihood.fits_sigma() {
            bindings.push(t.totals);
            // the gradient of a micro-batch needs the errors of all, and of all processes, which have their own program
            if gradient.is_none() || !self.dims.sums_before_backward() {
                self.record_squared_errors(plan, program);
            }
        }
        plan.dispatch(program, "reconstruction", op, &bindings);
        let op = Totals::new(len / 4, self.dims.micro, self.dims.accumulates() && gradient.is_some());
        plan.dispatch(program, "totals", op, &[parts, t.kl, t.totals, dbias]);
    }
}

/// The tensors at the border.
fn allocate(plan: &mut Plan, config: &ModelConfig, micro: u32, resident: u32) -> Tensors {
    let (size, z) = (config.size, padded(config.latents()));
    let step = plan.buffer("step", Step::shape().len().into(), Usage::Uniform);
    let scaling = plan.buffer("scaling", LossScale::shape().len().into(), Usage::State);
    let whole = |buffer, shape| Tensor { buffer, offset: 0, shape, element: Element::F32 };
    Tensors {
        step: whole(step, Step::shape()),
        batch_indices: plan.tensor("batch_indices", &[micro]),
        rgba: plan.tensor("rgba", &[resident + micro, size, size]),
        x: plan.tensor("x", &[micro, size, size, 4]),
        heads: plan.tensor("heads", &[micro, 2, z]),
        eps: plan.tensor("eps", &[micro, z]),
        z: plan.tensor("z", &[micro, z]),
        logits: plan.tensor("logits", &[micro, size, size, 4]),
        recon: plan.tensor("recon", &[micro, size, size, 4]),
        output_rgba: plan.tensor("output_rgba", &[micro, size, size]),
        kl: plan.tensor("kl", &[micro, 2]),
        totals: plan.tensor("totals", TotalsSlots::shape().dims()),
        scaling: whole(scaling, LossScale::shape()),
    }
}
