//! The model as a caller uses it: pictures in, latents, pictures and losses out, batch by batch.

mod debug;
mod replica;
mod state;
mod steps;

pub use debug::Probe;
use replica::Replica;

use std::collections::{HashSet, VecDeque};

use crate::config::{Likelihood, ModelConfig, Sigma};
use crate::error::Result;
use crate::gpu::{Element, Plan, Runner, Tensor};
use crate::model::network::{Network, Programs};
use crate::model::options::{Device, ModelOptions};
use crate::model::runs::Run;
use crate::model::state_dict::StateDict;
use crate::ops::log_sigma::variance_of;
use crate::ops::loss_scale::LossScale;
use crate::ops::reparameterize::padded;
use crate::ops::squared_error::ErrorSums;
use crate::ops::totals::{GRAD_NORM, KL, KL_PENALTY, MMD, NLL};
use crate::ops::{Step, Stream};

/// Mean and log-variance of the latents of N pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    /// `[N, Z]`, the means
    pub mu: Vec<f32>,
    /// `[N, Z]`, the logarithms of the variances
    pub logvar: Vec<f32>,
}

/// Sums over the pictures of a batch, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Loss {
    /// negative log-likelihood of all pixels and channels: with the default likelihood the binary cross-entropy
    pub nll: f64,
    /// divergence from the standard normal, not weighted
    pub kl: f64,
    /// KL term of the objective: after free bits, as distance from the capacity
    #[serde(alias = "counted")]
    pub kl_penalty: f64,
    /// discrepancy between latents and prior times the pictures, not weighted; zero if it is not computed
    pub mmd: f64,
    /// with the likelihood `gaussian`, what `nll` was made of: the width is that of all pictures together
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<ErrorSums>,
}

impl Loss {
    /// `nll + beta * kl`: the bound that trainings are compared by.
    pub fn total(&self, beta: f64) -> f64 {
        self.nll + beta * self.kl
    }

    /// The objective that a step with these settings minimises.
    pub fn objective(&self, beta: f64, mmd: f64) -> f64 {
        self.nll + beta * self.kl_penalty + mmd * self.mmd
    }

    /// Adds each of the sums. The nats of a `gaussian` are then those of the width that fits both sets together.
    pub fn add(&mut self, other: &Self) {
        self.nll += other.nll;
        if let Some(more) = other.errors {
            let mut errors = more;
            self.errors.iter().for_each(|before| errors.add(before));
            (self.nll, self.errors) = (errors.nats(), Some(errors));
        }
        self.kl += other.kl;
        self.kl_penalty += other.kl_penalty;
        self.mmd += other.mmd;
    }

    /// Means over this number of pictures.
    pub fn per(&self, pictures: f64) -> Self {
        let Self { nll, kl, kl_penalty, mmd, .. } = *self;
        Self {
            nll: nll / pictures,
            kl: kl / pictures,
            kl_penalty: kl_penalty / pictures,
            mmd: mmd / pictures,
            errors: None, // a mean is no part of another set
        }
    }
}

/// The result of a training step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// sums over the batch
    pub loss: Loss,
    /// norm of the gradient per picture, all parameters together, before it is clipped; zero without clipping
    pub gradient_norm: f64,
}

/// The settings of one training step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepSettings {
    /// seed of the draws
    pub seed: u64,
    /// finished steps of the run: counts the draws and Adam's corrections
    pub step: u64,
    /// Adam's learning rate
    pub lr: f64,
    /// weight of KL
    pub beta: f64,
    /// nats of KL per picture that it is held at
    pub capacity: f64,
    /// nats of KL per dimension and picture that cost nothing
    pub free_bits: f64,
    /// weight of the discrepancy between latents and prior, per picture; only in a model built to compute it
    pub mmd: f64,
    /// AdamW's decay
    pub weight_decay: f64,
    /// weight of the new parameters in their running average
    pub average: f64,
}

/// A variational autoencoder on an adapter.
///
/// Pictures are `[N, size, size, 3]` floats in 0..=1, row by row, or 8-bit RGBA of the same order; N may be any
/// number. See the crate's documentation for an example.
pub struct Vae {
    pub(super) network: Network,
    pub(super) runner: Box<dyn Runner>,
    /// this process's part, if several train it
    replica: Option<Replica>,
    /// pictures of each step whose loss has not been read back yet
    in_flight: VecDeque<usize>,
    /// losses that were read back and have not been handed out
    arrived: VecDeque<(u64, Outcome)>,
    /// the last step
    newest: u64,
}

/// The pictures of a batch that one process computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPart {
    /// index in the batch of the first of them
    pub first: u32,
    /// their number; may be zero
    pub count: u32,
    /// pictures of the batch
    pub total: u32,
}

impl BatchPart {
    /// All pictures of a batch.
    pub fn whole(count: u32) -> Self {
        Self { first: 0, count, total: count }
    }
}

/// The pictures of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// 8-bit RGBA, `[N, S, S]`
    Rgba(&'a [u32]),
    /// the slots of N pictures that are on the device, see [`Vae::upload_resident`]
    Resident(&'a [u32]),
}

impl Vae {
    /// Builds the model with PyTorch's default initialisation drawn from `seed`.
    ///
    /// # Errors
    /// If the plan does not fit the adapter, or the device refuses.
    pub fn new(place: Device<'_>, build: ModelOptions, seed: u64) -> Result<Self> {
        let mut vae = Self::empty(place, build)?;
        vae.load(&StateDict::initial(&vae.config(), seed))?;
        Ok(vae)
    }

    /// Builds the model with all parameters zero, to be loaded.
    ///
    /// # Errors
    /// As [`Vae::new`].
    pub fn empty(place: Device<'_>, build: ModelOptions) -> Result<Self> {
        let (network, plan) = place.with_tuning(|target, tuning| build.plan_with(target, tuning))?;
        let mut vae = Self {
            network,
            runner: place.runner(plan)?,
            replica: None,
            in_flight: VecDeque::new(),
            arrived: VecDeque::new(),
            newest: 0,
        };
        if build.precision == Element::F16 {
            vae.load_scaling(LossScale::START);
        }
        Ok(vae)
    }

    /// The architecture.
    pub fn config(&self) -> ModelConfig {
        self.network.config
    }

    /// Pictures per step.
    pub fn batch(&self) -> u32 {
        self.network.dims.batch
    }

    /// Pictures computed at once.
    pub fn micro_batch(&self) -> u32 {
        self.network.dims.micro
    }

    /// Pictures that there is room for on the device from step to step.
    pub fn resident(&self) -> u32 {
        self.network.dims.resident
    }

    /// The likelihood of pixels that it was built with.
    pub fn likelihood(&self) -> Likelihood {
        self.network.likelihood
    }

    /// The likelihood of a single pixel: with a width that is learned, the one that it has now.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn pixel_likelihood(&mut self) -> Result<Likelihood> {
        let Some(slice) = self.network.layout.log_sigma else { return Ok(self.likelihood()) };
        let log_sigma = self.runner.read(&slice.of(self.network.arenas.params))?[0];
        Ok(Likelihood::of_variance(variance_of(log_sigma.into())))
    }

    /// Element type of activations between the layers.
    pub fn precision(&self) -> Element {
        self.network.dims.precision
    }

    /// Puts pictures of 8-bit RGBA, `[N, S, S]`, into the slots from `first` on, where they stay: steps then name
    /// slots ([`Input::Resident`]) and upload nothing. Waits until they are there: what is written and not yet sent is
    /// held by the host.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    ///
    /// # Panics
    /// If the model was built to keep fewer.
    pub fn upload_resident(&mut self, first: u32, rgba: &[u32]) -> Result<()> {
        let pixels = self.pixels();
        let count = whole(rgba.len(), pixels, "keep: rgba", "[N, S, S]") as u32;
        assert!(
            first + count <= self.resident(),
            "keep: {count} pictures from slot {first} on, of {}",
            self.resident()
        );
        let slots = self.network.tensors.rgba.slice(first * pixels as u32, count * pixels as u32);
        self.runner.write(&slots, rgba);
        self.runner.read(&self.network.tensors.totals).map(|_| ())
    }

    /// The programs of the plan, see [`Programs::train_step`] and the other runs.
    pub fn programs(&self) -> Programs {
        self.network.programs
    }

    /// The number of different kernels of a training step.
    pub fn step_kernels(&self) -> usize {
        let Run { before, each, after } = self.programs().train_step();
        let programs = before.iter().chain(&each).chain(&after);
        let dispatches = programs.flat_map(|id| self.plan().get(*id).dispatches());
        dispatches.map(|dispatch| &dispatch.source).collect::<HashSet<_>>().len()
    }

    /// The recorded plan.
    pub fn plan(&self) -> &Plan {
        self.runner.plan()
    }

    /// The adapter's name.
    pub fn adapter(&self) -> String {
        self.runner.name()
    }

    /// For tests: loses the device, as a driver or a cable may.
    #[doc(hidden)]
    pub fn lose_device(&mut self) {
        self.runner.lose_device();
    }

    /// Mean and log-variance of each picture's latents.
    ///
    /// # Shapes
    /// `pictures` `[N, S, S, 3]` in 0..=1; returns `[N, Z]` twice.
    ///
    /// # Errors
    /// If the device is lost.
    ///
    /// # Panics
    /// If `pictures` is not a whole number of pictures.
    pub fn encode(&mut self, pictures: &[f32]) -> Result<Latents> {
        let pixels = self.pixels();
        let count = whole(pictures.len(), 3 * pixels, "encode: pictures", "[N, S, S, 3]");
        let mut latents = Latents { mu: Vec::new(), logvar: Vec::new() };
        for (first, n) in self.micro_batches(count) {
            self.write_pictures(&pictures[3 * pixels * first..3 * pixels * (first + n)]);
            self.runner.run(&[self.network.programs.encode])?;
            self.read_heads(n, &mut latents)?;
        }
        Ok(latents)
    }

    /// Adds what the encoder says of the first `count` pictures of the micro-batch.
    pub(super) fn read_heads(&mut self, count: usize, latents: &mut Latents) -> Result<()> {
        let z = self.network.config.latents() as usize;
        let heads = self.runner.read(&self.network.tensors.heads)?;
        let cell = padded(z as u32) as usize / self.network.config.cells() as usize;
        for row in heads.chunks(2 * padded(z as u32) as usize).take(count) {
            for (half, all) in [(0, &mut latents.mu), (1, &mut latents.logvar)] {
                let values = row.chunks(2 * cell).flat_map(|both| &both[half * cell..(half + 1) * cell]);
                all.extend(values.take(z));
            }
        }
        Ok(())
    }

    /// Draws `z = mu + eps * exp(logvar / 2)`; the draws are those of training step `step` under `seed`.
    ///
    /// # Shapes
    /// `latents` `[N, Z]` twice; returns `[N, Z]`.
    ///
    /// # Errors
    /// If the device is lost.
    ///
    /// # Panics
    /// If the two are not equally long, or not whole rows.
    pub fn reparameterize(&mut self, latents: &Latents, seed: u64, step: u32) -> Result<Vec<f32>> {
        let z = self.network.config.latents() as usize;
        let count = whole(latents.mu.len(), z, "reparameterize: mu", "[N, Z]");
        assert_eq!(latents.logvar.len(), latents.mu.len(), "reparameterize: mu and logvar are both [N, Z]");
        let mut out = Vec::new();
        let programs = self.network.programs;
        for (first, n) in self.micro_batches(count) {
            let rows = first * z..(first + n) * z;
            let cells = self.network.config.cells() as usize;
            let cell = z / cells;
            let heads = heads(&latents.mu[rows.clone()], &latents.logvar[rows], cell);
            self.runner.write_f32(&self.network.tensors.heads, &heads);
            let step = Step { step, noise_std: 1.0, stream: Stream::Training as u32, ..self.step(first, n) };
            self.write_step(step.seeded(seed));
            self.runner.run(&[programs.draw, programs.reparameterize])?;
            let rows = self.runner.read(&self.network.tensors.z)?;
            out.extend(rows.chunks(padded(z as u32) as usize).take(n).flat_map(|row| &row[..z]));
        }
        Ok(out)
    }

    /// Pictures from latents.
    ///
    /// # Shapes
    /// `z` `[N, Z]`; returns `[N, S, S, 3]` in 0..=1.
    ///
    /// # Errors
    /// If the device is lost.
    ///
    /// # Panics
    /// If `z` is not whole rows.
    pub fn decode(&mut self, z: &[f32]) -> Result<Vec<f32>> {
        self.decode_to(z, self.network.tensors.recon)
    }

    /// The decoder's logits; a picture shows the likelihood's mean of them.
    ///
    /// # Shapes
    /// `z` `[N, Z]`; returns `[N, S, S, 3]`.
    ///
    /// # Errors
    /// If the device is lost.
    ///
    /// # Panics
    /// If `z` is not whole rows.
    pub fn logits(&mut self, z: &[f32]) -> Result<Vec<f32>> {
        self.decode_to(z, self.network.tensors.logits)
    }

    /// Decodes `z` and reads `wanted`, without its padding.
    fn decode_to(&mut self, z: &[f32], wanted: Tensor) -> Result<Vec<f32>> {
        let latent = self.network.config.latents() as usize;
        let count = whole(z.len(), latent, "decode: z", "[N, Z]");
        let mut out = Vec::new();
        for (first, n) in self.micro_batches(count) {
            let rows: Vec<f32> =
                z[first * latent..(first + n) * latent].chunks(latent).flat_map(pad).collect();
            self.runner.write_f32(&self.network.tensors.z, &rows);
            self.runner.run(&self.network.programs.decode().each)?;
            let read = self.runner.read(&wanted)?;
            out.extend(read.chunks(4).take(n * self.pixels()).flat_map(|p| &p[..3]));
        }
        Ok(out)
    }

    /// Reconstruction and divergence of a batch, z drawn as in training step `step` under `seed`.
    ///
    /// # Shapes
    /// `pictures` `[N, S, S, 3]` in 0..=1; sums over all N.
    ///
    /// # Errors
    /// If the device is lost.
    ///
    /// # Panics
    /// If `pictures` is not a whole number of pictures.
    pub fn loss(&mut self, pictures: &[f32], seed: u64, step: u32) -> Result<Loss> {
        let pixels = 3 * self.pixels();
        let count = whole(pictures.len(), pixels, "loss: pictures", "[N, S, S, 3]");
        let programs = self.network.programs;
        self.runner.run(&[programs.begin])?;
        for (first, n) in self.micro_batches(count) {
            self.write_pictures(&pictures[pixels * first..pixels * (first + n)]);
            let step = Step { step, noise_std: 1.0, stream: Stream::Training as u32, ..self.step(first, n) };
            self.write_step(step.seeded(seed));
            self.runner.run(&programs.forward())?;
            self.runner.run(&[programs.loss])?;
        }
        let totals = self.runner.read(&self.network.tensors.totals)?;
        Ok(self.outcome(&totals, count).loss)
    }

    /// The result of a step out of its totals, over `count` pictures.
    pub(super) fn outcome(&self, totals: &[f32], count: usize) -> Outcome {
        let [nll, kl, kl_penalty, mmd, norm] =
            [NLL, KL, KL_PENALTY, MMD, GRAD_NORM].map(|slot| f64::from(totals[slot]));
        let likelihood = self.network.likelihood;
        let errors = likelihood.fits_sigma().then(|| {
            ErrorSums::of_totals(totals, (count * self.pixels()) as f64, likelihood.sigma == Sigma::Channel)
        });
        let nll = errors.map_or(nll, |errors| errors.nats());
        Outcome { loss: Loss { nll, kl, kl_penalty, mmd, errors }, gradient_norm: norm }
    }

    pub(super) fn pixels(&self) -> usize {
        (self.network.config.size * self.network.config.size) as usize
    }

    /// First picture and number of pictures of each micro-batch.
    pub(super) fn micro_batches(&self, count: usize) -> Vec<(usize, usize)> {
        let micro = self.network.dims.micro as usize;
        (0..count).step_by(micro).map(|first| (first, micro.min(count - first))).collect()
    }

    pub(super) fn step(&self, first: usize, count: usize) -> Step {
        Step { sample_offset: first as u32, valid: count as u32, ..Step::default() }
    }

    pub(super) fn write_step(&mut self, step: Step) {
        self.runner.write(&self.network.tensors.step, bytemuck::cast_slice(&[step]));
    }

    /// Makes pictures `first..first + count` of a batch the micro-batch.
    pub(super) fn write_rgba(&mut self, pictures: Input<'_>, first: usize, count: usize) {
        let (rgba, which) = (self.network.tensors.rgba, self.network.tensors.batch_indices);
        let slots = match pictures {
            Input::Resident(slots) => slots[first..first + count].to_vec(),
            Input::Rgba(rgba_of) => {
                let pixels = self.pixels();
                let room = rgba.slice(self.resident() * pixels as u32, (count * pixels) as u32);
                self.runner.write(&room, &rgba_of[first * pixels..(first + count) * pixels]);
                (self.resident()..self.resident() + count as u32).collect()
            }
        };
        self.runner.write(&which, &slots);
    }

    pub(super) fn write_pictures(&mut self, pictures: &[f32]) {
        let padded: Vec<f32> = pictures.chunks(3).flat_map(|p| [p[0], p[1], p[2], 0.0]).collect();
        self.runner.write_f32(&self.network.tensors.x, &padded);
    }
}

/// A row padded with zeros to a multiple of 4.
pub(super) fn pad(row: &[f32]) -> Vec<f32> {
    let mut row = row.to_vec();
    row.resize(row.len().next_multiple_of(4), 0.0);
    row
}

/// Means and log-variances `[N, cells, C]` side by side as kernels read them, `[N, cells, 2, C]` padded.
pub(super) fn heads(mu: &[f32], logvar: &[f32], cell: usize) -> Vec<f32> {
    let cells = mu.chunks(cell).zip(logvar.chunks(cell));
    cells.flat_map(|(mu, logvar)| [pad(mu), pad(logvar)].concat()).collect()
}

fn whole(len: usize, row: usize, what: &str, shape: &str) -> usize {
    assert!(len.is_multiple_of(row), "{what}: {len} values are no whole number of rows of {row}, {shape}");
    len / row
}
