//! The network, once: what every layer reads and writes, forward and backward, as a plan.
//!
//! Forward and backward are plain lists in execution order; there is no tape. All tensors hold one
//! micro-batch of N pictures; the loss is a sum, so the gradients of micro-batches add up.

use super::params::{Layer, Layout};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::gpu::{BufferId, Plan, ProgramId, Shape, Target, Tensor, Usage};
use crate::ops::adam::{Adam, AnyAdam};
use crate::ops::bce::{Bce, SLOTS, Totals};
use crate::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use crate::ops::gemm::{self, Epilogue, Operands};
use crate::ops::latent::{Reparameterize, ReparameterizeBackward, padded};
use crate::ops::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use crate::ops::normal::Normal;
use crate::ops::picture::{Picture, Unpack};
use crate::ops::reduce::bias_grad;
use crate::ops::step::Step;
use crate::ops::tuning::Tuning;

/// Bytes of activations that the automatic micro-batch stays under: WebGPU does not tell how much memory there is.
const ACTIVATION_BUDGET: u64 = 5 << 28;

/// Bytes of one Adam dispatch's ranges: WebGPU's default binding limit.
const ADAM_RANGE: u64 = 128 << 20;

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
    /// adds the micro-batch's BCE and KL to `totals`; `backward` does that too
    pub loss: ProgramId,
    /// clears `totals`, and the gradients where micro-batches add to them
    pub begin: ProgramId,
    /// only in a plan for training
    pub training: Option<TrainingPrograms>,
}

/// The programs that need gradients.
#[derive(Debug, Clone, Copy)]
pub struct TrainingPrograms {
    /// loss and gradients of the micro-batch
    pub backward: ProgramId,
    /// one Adam step
    pub update: ProgramId,
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
    /// gradients, first and second moment
    pub training: Option<[BufferId; 3]>,
}

/// The tensors that the host writes or reads. N is the micro-batch, Z and channels are padded.
#[derive(Debug, Clone, Copy)]
pub struct Tensors {
    /// the step's uniform
    pub step: Tensor,
    /// `[N]`: which pictures of `rgba` the micro-batch consists of
    pub which: Tensor,
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
    pub pictures: Tensor,
    /// `[N]`: divergence of each picture, in nats
    pub kl: Tensor,
    /// `[4]`: BCE and KL of the batch, in nats
    pub totals: Tensor,
}

/// How many pictures a plan is for.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// pictures of a step
    pub batch: u32,
    /// pictures computed at once
    pub micro: u32,
    /// pictures kept on the device from step to step
    pub kept: u32,
}

/// A model's plan for micro-batches of a given size.
pub struct Network {
    /// the architecture
    pub config: ModelConfig,
    /// pictures in a micro-batch
    pub micro: u32,
    /// whether a step has several micro-batches, whose gradients add up
    pub accumulate: bool,
    /// where parameters lie
    pub layout: Layout,
    /// the arenas
    pub arenas: Arenas,
    /// what the host writes or reads
    pub tensors: Tensors,
    /// what can be run
    pub programs: Programs,
}

/// Activations between the layers, from the picture inwards: index i has `widths[i]` channels.
struct Activations {
    encoder: [Tensor; 5],
    /// from the bottleneck outwards, the last being the logits
    decoder: [Tensor; 5],
}

impl Activations {
    /// New tensors for all but `x`, the picture's side of the encoder.
    fn new(plan: &mut Plan, prefix: &str, config: &ModelConfig, micro: u32, x: Tensor) -> Self {
        let shape = |i: usize| {
            let edge = config.size >> i;
            [micro, edge, edge, padded(config.widths()[i])]
        };
        let mut tensor =
            |part: &str, layer: usize, i: usize| plan.tensor(format!("{prefix}{part}.{layer}"), &shape(i));
        let encoder = [1, 2, 3, 4].map(|i| tensor("encoder", 2 * (i - 1), i));
        let bottleneck = tensor("decoder_input", 0, 4);
        let decoder = [3, 2, 1, 0].map(|i| tensor("decoder", 2 * (3 - i), i));
        let [a, b, c, d] = encoder;
        let [e, f, g, h] = decoder;
        Self { encoder: [x, a, b, c, d], decoder: [bottleneck, e, f, g, h] }
    }
}

struct Recorder<'a> {
    plan: &'a mut Plan,
    network: &'a Network,
    tuning: &'a Tuning,
    program: ProgramId,
}

impl Recorder<'_> {
    fn gemm<P: gemm::Product>(&mut self, label: &str, product: P, epilogue: Epilogue, operands: &Operands) {
        gemm::record(self.plan, self.program, label, self.tuning, (product, epilogue), operands);
    }

    fn param(&self, slot: super::params::Slot) -> Tensor {
        slot.of(self.network.arenas.params)
    }

    fn op(&mut self, label: &str, op: impl crate::gpu::Op, bindings: &[Tensor]) {
        self.plan.dispatch(self.program, label, op, bindings);
    }

    fn bias_grad(&mut self, label: &str, dy: Tensor, layer: Layer, grads: BufferId) {
        let label = format!("{label} bias gradient");
        let to = (dy, layer.bias.of(grads));
        bias_grad(self.plan, self.program, &label, to, self.network.gradient());
    }
}

/// The sizes of the convolution between `low` and `high`.
fn geometry(low: &Tensor, high: &Tensor) -> Geometry {
    let [low, high] = [low.shape.dims(), high.shape.dims()];
    Geometry { images: low[0], low_h: low[1], low_w: low[2], low_c: low[3], high_c: high[3] }
}

/// The largest micro-batch that fits the target's bindings and the activation budget, in equal parts of `batch`.
///
/// # Errors
/// [`Error::Limit`] if not even one picture fits.
pub fn micro_batch(config: &ModelConfig, batch: u32, target: &Target) -> Result<u32> {
    let elements = |i: usize| u64::from(config.size >> i).pow(2) * u64::from(padded(config.widths()[i]));
    let sizes: Vec<u64> = (0..5).map(|i| 4 * elements(i)).collect();
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
    // every activation stands in the encoder and the decoder, and once more as a gradient
    let together: u64 = 4 * sizes.iter().sum::<u64>();
    let most = (target.binding_bytes / largest).min((ACTIVATION_BUDGET / together).max(1));
    let parts = u64::from(batch).div_ceil(most).max(1) as u32;
    Ok(batch.div_ceil(parts))
}

impl Network {
    /// Records the plan of `config`; `training` adds gradients and Adam.
    pub fn record(config: &ModelConfig, extent: Extent, tuning: &Tuning, training: bool) -> (Self, Plan) {
        let micro = extent.micro;
        let mut plan = Plan::new();
        let layout = Layout::new(config);
        let mut arena = |name: &str| plan.buffer(name, layout.len, Usage::State);
        let params = arena("parameters");
        let moments = training.then(|| ["gradients", "first moments", "second moments"].map(&mut arena));
        let tensors = allocate(&mut plan, config, micro, extent.kept);
        let acts = Activations::new(&mut plan, "", config, micro, tensors.x);
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
            training: training.then(|| TrainingPrograms {
                backward: plan.program("backward"),
                update: plan.program("update"),
            }),
        };
        let arenas = Arenas { params, training: moments };
        let accumulate = extent.batch > micro;
        let network = Self { config: *config, micro, accumulate, layout, arenas, tensors, programs };
        network.record_forward(&mut plan, tuning, &acts);
        if let (Some(programs), Some(arenas)) = (programs.training, moments) {
            network.record_backward(&mut plan, tuning, &acts, (programs.backward, arenas[0]));
            network.record_update(&mut plan, tuning, programs.update, arenas);
        }
        (network, plan)
    }

    /// What happens to a gradient: it is stored, or added to that of the micro-batches before.
    fn gradient(&self) -> Epilogue {
        if self.accumulate { Epilogue::Accumulate } else { Epilogue::None }
    }

    fn record_forward(&self, plan: &mut Plan, tuning: &Tuning, acts: &Activations) {
        let t = &self.tensors;
        let (rows, quads) = (self.micro, padded(self.config.latent) / 4);
        let pixels = self.micro * self.config.size * self.config.size;
        let at = self.programs;
        let [slots, ..] = t.rgba.shape.dims() else { unreachable!("rgba has three dimensions") };
        let op = Unpack { images: self.micro, pixels: pixels / self.micro, slots: *slots };
        plan.dispatch(at.unpack, "unpack", op, &[t.which, t.rgba, t.x]);

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
            out: t.heads.reshape(&[rows, 8 * quads]),
        };
        r.gemm("heads forward", Linear { rows, inputs: flat, outputs: 8 * quads }, Epilogue::Bias, &operands);

        plan.clear(at.prior, t.heads.buffer);
        plan.dispatch(at.draw, "normals", Normal { rows, quads }, &[t.step, t.eps]);
        let op = Reparameterize { rows, latent: self.config.latent, quads };
        plan.dispatch(at.reparameterize, "reparameterize", op, &[t.step, t.heads, t.eps, t.z, t.kl]);

        let mut r = Recorder { plan, network: self, tuning, program: at.decode };
        let layer = self.layout.decoder_input;
        let operands = Operands {
            left: t.z,
            right: r.param(layer.weight),
            aux: Some(r.param(layer.bias)),
            out: acts.decoder[0].reshape(&[rows, flat]),
        };
        let op = Linear { rows, inputs: 4 * quads, outputs: flat };
        r.gemm("decoder_input forward", op, Epilogue::Bias, &operands);
        for i in 0..4 {
            let (x, y, layer) = (acts.decoder[i], acts.decoder[i + 1], self.layout.decoder[i]);
            let operands =
                Operands { left: x, right: r.param(layer.weight), aux: Some(r.param(layer.bias)), out: y };
            let epilogue = if i < 3 { Epilogue::BiasRelu } else { Epilogue::Bias };
            let label = format!("decoder.{} forward", 2 * i);
            r.gemm(&label, Conv2dTranspose::from(geometry(&x, &y)), epilogue, &operands);
        }
        plan.dispatch(at.picture, "picture", Picture { pixels }, &[t.logits, t.recon, t.pictures]);
        self.record_loss(plan);
    }

    /// The loss alone, for pictures that are not trained on.
    fn record_loss(&self, plan: &mut Plan) {
        plan.clear(self.programs.begin, self.tensors.totals.buffer);
        if let Some([gradients, ..]) = self.arenas.training.filter(|_| self.accumulate) {
            plan.clear(self.programs.begin, gradients);
        }
        self.record_bce(plan, self.programs.loss, None);
    }

    /// Adds cross-entropy and divergence to `totals`; with `gradient`, those by the logits and by the last bias too.
    fn record_bce(&self, plan: &mut Plan, program: ProgramId, gradient: Option<[Tensor; 2]>) {
        let t = &self.tensors;
        let op = Bce::new(self.micro, self.config.size * self.config.size, gradient.is_some());
        // without a gradient, four elements that the kernels leave alone or set to zero
        let [dlogits, dbias] = gradient.unwrap_or_else(|| [plan.tensor("no gradient", &[4]); 2]);
        let len = op.parts().iter().product();
        let parts = Tensor { shape: Shape::new(&op.parts()), ..plan.scratch(len) };
        plan.dispatch(program, "bce", op, &[t.step, t.logits, t.x, dlogits, parts]);
        let op = Totals::new(len / 4, self.micro, self.accumulate && gradient.is_some());
        plan.dispatch(program, "totals", op, &[parts, t.kl, t.totals, dbias]);
    }

    /// The forward list in reverse: for each layer the gradients of weight and bias, then of its input.
    fn record_backward(
        &self,
        plan: &mut Plan,
        tuning: &Tuning,
        acts: &Activations,
        to: (ProgramId, BufferId),
    ) {
        let (program, grads) = to;
        let t = &self.tensors;
        let (rows, quads) = (self.micro, padded(self.config.latent) / 4);
        let d = Activations::new(plan, "d", &self.config, self.micro, t.x); // there is no gradient of x
        let [dz, dheads] =
            [("dz", t.z), ("dheads", t.heads)].map(|(name, of)| plan.tensor(name, of.shape.dims()));
        let mut r = Recorder { plan, network: self, tuning, program };

        let dbias = self.layout.decoder[3].bias.of(grads);
        self.record_bce(r.plan, program, Some([d.decoder[4], dbias]));
        for i in (0..4).rev() {
            let (x, dx, dy) = (acts.decoder[i], d.decoder[i], d.decoder[i + 1]);
            let layer = self.layout.decoder[i];
            let (name, sizes) = (format!("decoder.{}", 2 * i), geometry(&x, &dy));
            let out = layer.weight.of(grads);
            let operands = Operands { left: x, right: dy, aux: None, out };
            let op = Conv2dWeightGrad::from(sizes);
            r.gemm(&format!("{name} weight gradient"), op, self.gradient(), &operands);
            // that of the last layer came with the loss
            if i < 3 {
                r.bias_grad(&name, dy, layer, grads);
            }
            // x is the output of a ReLU, except the first, which comes from decoder_input
            let (epilogue, aux) = if i > 0 { (Epilogue::Mask, Some(x)) } else { (Epilogue::None, None) };
            let operands = Operands { left: dy, right: r.param(layer.weight), aux, out: dx };
            r.gemm(&format!("{name} input gradient"), Conv2d::from(sizes), epilogue, &operands);
        }

        let flat = d.decoder[0].len() / rows;
        let dy = d.decoder[0].reshape(&[rows, flat]);
        let dh = dheads.reshape(&[rows, 8 * quads]);
        self.linear_backward(&mut r, "decoder_input", self.layout.decoder_input, (t.z, dy), grads);
        let op = LinearInputGrad { rows, inputs: 4 * quads, outputs: flat };
        let weight = r.param(self.layout.decoder_input.weight);
        r.gemm(
            "decoder_input input gradient",
            op,
            Epilogue::None,
            &Operands { left: dy, right: weight, aux: None, out: dz },
        );
        let op = ReparameterizeBackward { rows, latent: self.config.latent, quads };
        r.op("reparameterize backward", op, &[t.step, t.heads, t.eps, dz, dheads]);
        let features = acts.encoder[4].reshape(&[rows, flat]);
        self.linear_backward(&mut r, "heads", self.layout.heads, (features, dh), grads);
        let op = LinearInputGrad { rows, inputs: flat, outputs: 8 * quads };
        let weight = r.param(self.layout.heads.weight);
        let out = d.encoder[4].reshape(&[rows, flat]);
        let operands = Operands { left: dh, right: weight, aux: Some(features), out };
        r.gemm("heads input gradient", op, Epilogue::Mask, &operands);

        for i in (0..4).rev() {
            let (x, dx, dy) = (acts.encoder[i], d.encoder[i], d.encoder[i + 1]);
            let layer = self.layout.encoder[i];
            let (name, sizes) = (format!("encoder.{}", 2 * i), geometry(&dy, &x));
            let out = layer.weight.of(grads);
            let operands = Operands { left: dy, right: x, aux: None, out };
            let op = Conv2dWeightGrad::from(sizes);
            r.gemm(&format!("{name} weight gradient"), op, self.gradient(), &operands);
            r.bias_grad(&name, dy, layer, grads);
            if i > 0 {
                let operands = Operands { left: dy, right: r.param(layer.weight), aux: Some(x), out: dx };
                let op = Conv2dTranspose::from(sizes);
                r.gemm(&format!("{name} input gradient"), op, Epilogue::Mask, &operands);
            }
        }
    }

    fn linear_backward(
        &self,
        r: &mut Recorder<'_>,
        name: &str,
        layer: Layer,
        (x, dy): (Tensor, Tensor),
        grads: BufferId,
    ) {
        let [rows, inputs] = [0, 1].map(|i| x.shape.dims()[i]);
        let op = LinearWeightGrad { rows, inputs, outputs: dy.shape.dims()[1] };
        let operands = Operands { left: dy, right: x, aux: None, out: layer.weight.of(grads) };
        r.gemm(&format!("{name} weight gradient"), op, self.gradient(), &operands);
        r.bias_grad(name, dy, layer, grads);
    }

    /// Adam over the arenas, in ranges that WebGPU's default limits can bind.
    fn record_update(&self, plan: &mut Plan, tuning: &Tuning, program: ProgramId, arenas: [BufferId; 3]) {
        let sweep = tuning.sweep(AnyAdam).into();
        let [grads, moment1, moment2] = arenas;
        let most = ADAM_RANGE / 4;
        let mut offset = 0;
        while offset < self.layout.len {
            let len = most.min(self.layout.len - offset) as u32;
            let range = |buffer| Tensor { buffer, offset, shape: Shape::new(&[len]) };
            let [grad, param, m, v] = [grads, self.arenas.params, moment1, moment2].map(range);
            plan.dispatch(program, "adam", Adam::new(len, sweep), &[self.tensors.step, grad, param, m, v]);
            offset += u64::from(len);
        }
    }
}

/// The tensors at the border; `logits` is filled in with the activations.
fn allocate(plan: &mut Plan, config: &ModelConfig, micro: u32, kept: u32) -> Tensors {
    let (size, z) = (config.size, padded(config.latent));
    let step = plan.buffer("step", Step::shape().len().into(), Usage::Uniform);
    let x = plan.tensor("x", &[micro, size, size, 4]);
    Tensors {
        step: Tensor { buffer: step, offset: 0, shape: Step::shape() },
        which: plan.tensor("which", &[micro]),
        rgba: plan.tensor("rgba", &[kept + micro, size, size]),
        x,
        heads: plan.tensor("heads", &[micro, 2, z]),
        eps: plan.tensor("eps", &[micro, z]),
        z: plan.tensor("z", &[micro, z]),
        logits: x,
        recon: plan.tensor("recon", &[micro, size, size, 4]),
        pictures: plan.tensor("pictures", &[micro, size, size]),
        kl: plan.tensor("kl", &[micro]),
        totals: plan.tensor("totals", &[SLOTS]),
    }
}
