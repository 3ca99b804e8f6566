//! The training of a flow: noise, times and posterior draws, the velocity's error, and AdamW with an average.

use super::step::{Border, Programs};
use super::tensors::UNetTensors;
use super::unet::{Params, UNet};
use super::{FlowWeights, standard_rows};
use crate::config::FlowConfig;
use crate::error::Result;
use crate::gpu::{BufferId, Capabilities, Element, Plan, Runner, Usage};
use crate::model::arena;
use crate::model::gradients::Gradients;
use crate::model::network::TrainingArenas;
use crate::model::optimizer::Optimizer;
use crate::model::options::Device;
use crate::model::params::Layout;
use crate::model::recorder::{Recorder, Training};
use crate::model::state_dict::{ADAM_SLOTS, StateDict};
use crate::model::vae::{StepSettings, heads, pad};
use crate::ops::reparameterize::padded;
use crate::ops::step::{Step, Stream};
use crate::ops::totals::SQUARED_ERRORS;
use crate::ops::tuning::Tuning;

/// Decay of Adam's second moment: a flow's trainings are short.
const BETA2: f64 = 0.99;
/// Largest norm of the gradient.
const CLIP: f64 = 1.0;
/// Slot of the totals with the sum of the errors.
const ERROR: usize = SQUARED_ERRORS[0];

/// A flow in training, on a device.
pub struct Flow {
    config: FlowConfig,
    batch: u32,
    layout: Layout,
    params: BufferId,
    average: BufferId,
    gradients: Gradients,
    border: Border,
    tensors: UNetTensors,
    programs: Programs,
    runner: Box<dyn Runner>,
    standard: [Vec<f32>; 2],
}

/// Latents of pictures to train on or to measure, N rows each.
#[derive(Debug, Clone, Copy)]
pub struct FlowBatch<'a> {
    /// means, `[N, Z]`
    pub mu: &'a [f32],
    /// log-variances, `[N, Z]`
    pub logvar: &'a [f32],
    /// classes, `[N]`, [`NO_CLASS`](super::NO_CLASS) for none
    pub labels: &'a [u32],
}

impl Flow {
    /// A flow for batches of `batch`, with initial values drawn from `seed`; `standard` are mean and standard deviation of
    /// each latent, `[Z]` each.
    ///
    /// # Errors
    /// If the plan does not fit the adapter, or the device refuses.
    pub fn new(
        device: Device<'_>,
        (config, batch): (FlowConfig, u32),
        standard: [Vec<f32>; 2],
        seed: u64,
    ) -> Result<Self> {
        let mut flow = device
            .with_tuning(|target, tuning| Self::record(device, target, tuning, (config, batch), standard))?;
        let initial = StateDict::initial_of(&flow.layout, seed);
        flow.load(&initial);
        Ok(flow)
    }

    fn record(
        device: Device<'_>,
        target: &Capabilities,
        tuning: &Tuning,
        (config, batch): (FlowConfig, u32),
        standard: [Vec<f32>; 2],
    ) -> Result<Self> {
        let unet = UNet::new(config);
        let layout = unet.layout();
        let mut plan = Plan::of(target);
        let arena = |plan: &mut Plan, name: &str| plan.buffer(name, layout.len, Usage::State);
        let params = arena(&mut plan, "parameters");
        let slots = ADAM_SLOTS.map(|name| arena(&mut plan, name));
        let average = arena(&mut plan, "average");
        let gradients = Gradients::new(&mut plan, &layout, false);
        let border = Border::new(&mut plan, &config, batch);
        let tensors = UNetTensors::new(&mut plan, &config, batch);
        let programs = Programs::new(&mut plan);
        let training = Training {
            arenas: TrainingArenas { gradients, slots },
            accumulate: false,
            clip: true,
            beta2: BETA2,
            state: [border.step, border.scaling, border.totals],
        };
        border.record(&mut plan, (&config, batch), &tensors, &programs);
        let own = Params::new(&layout);
        let of =
            |plan| Recorder::new(plan, tuning, programs.velocity, (Element::F32, params), Some(training));
        unet.forward(&mut of(&mut plan), &own, &tensors);
        let mut r =
            Recorder::new(&mut plan, tuning, programs.backward, (Element::F32, params), Some(training));
        let dvelocity = r.gradient(border.target.shape, Element::F32);
        border.record_loss(r.plan, (&config, batch), &tensors, programs.backward, Some(dvelocity));
        unet.backward(&mut r, &own, &tensors, dvelocity);
        let optimizer = Optimizer {
            layout: &layout,
            params,
            training,
            average: Some(average),
            clip: Some(CLIP),
            precision: Element::F32,
        };
        optimizer.record_update(&mut plan, tuning, programs.update);
        optimizer.record_swap(&mut plan, programs.swap);
        tuning.checked()?;
        let runner = device.runner(plan)?;
        let mut flow = Self {
            config,
            batch,
            layout,
            params,
            average,
            gradients,
            border,
            tensors,
            programs,
            runner,
            standard,
        };
        let both = standard_rows(&flow.standard, config.channels);
        flow.runner.write_f32(&flow.border.standard, &both);
        Ok(flow)
    }

    /// Replaces the parameters and their average.
    pub fn load(&mut self, weights: &StateDict) {
        for arena in [self.params, self.average] {
            arena::write(self.runner.as_mut(), &self.layout, arena, weights);
        }
    }

    /// Sizes.
    pub fn config(&self) -> FlowConfig {
        self.config
    }

    /// Latents of a batch.
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        self.runner.plan()
    }

    /// Floating-point operations of a training step.
    pub fn flops(&self) -> u64 {
        let Programs { draw, velocity, backward, update, .. } = self.programs;
        [draw, velocity, backward, update].map(|id| self.plan().get(id).flops()).iter().sum()
    }

    /// Writes the latents of at most a batch, and returns how many they are.
    fn write(&mut self, batch: FlowBatch<'_>) -> u32 {
        let channels = self.config.channels as usize;
        let heads = heads(batch.mu, batch.logvar, channels);
        self.runner.write_f32(&self.border.heads, &heads);
        self.runner.write(&self.tensors.labels, batch.labels);
        batch.labels.len() as u32
    }

    fn write_step(&mut self, step: Step) {
        self.runner.write(&self.border.step, bytemuck::cast_slice(&[step]));
    }

    /// One step of AdamW on a batch. The settings that count are seed, step, learning rate, weight decay, and the weight
    /// of the new parameters in their average.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    ///
    /// # Panics
    /// If there are more latents than a batch has.
    pub fn train_step(&mut self, batch: FlowBatch<'_>, settings: &StepSettings) -> Result<()> {
        let valid = self.write(batch);
        assert!((1..=self.batch).contains(&valid), "train_step: {valid} latents, built for {}", self.batch);
        self.write_step(Self::training_step(settings, valid));
        let Programs { begin, draw, velocity, backward, update, .. } = self.programs;
        self.runner.run(&[begin, draw, velocity, backward, update])?;
        self.runner.request_readback(&self.border.totals, settings.step)
    }

    /// Step, and sum of the errors over the batch, of the steps that were read back since the last call; with `wait`, of
    /// all steps.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn losses(&mut self, wait: bool) -> Result<Vec<(u64, f64)>> {
        let arrived = self.runner.poll_readbacks(wait)?;
        Ok(arrived.into_iter().map(|(step, totals)| (step, f64::from(totals[ERROR]))).collect())
    }

    /// The sum of the errors of held-out latents under the average of the parameters; `first` is the index of the first
    /// one, so that every latent has its own noise and time, the same each time.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn evaluate(&mut self, batch: FlowBatch<'_>, first: u32, seed: u64) -> Result<f64> {
        let valid = self.write(batch);
        let step = Step {
            valid,
            batch: valid,
            sample_offset: first,
            noise_std: 1.0,
            stream: Stream::Validation as u32,
            ..Step::default()
        };
        self.write_step(step.seeded(seed));
        let Programs { begin, draw, velocity, loss, swap, .. } = self.programs;
        self.runner.run(&[swap, begin, draw, velocity, loss, swap])?;
        Ok(f64::from(self.runner.read(&self.border.totals)?[ERROR]))
    }

    /// The trained flow: the average of the parameters.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn average(&mut self) -> Result<FlowWeights> {
        let weights = arena::read(self.runner.as_mut(), &self.layout, self.average)?;
        Ok(FlowWeights { config: self.config, weights, standard: self.standard.clone() })
    }

    /// The parameters as they are now.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn weights(&mut self) -> Result<StateDict> {
        arena::read(self.runner.as_mut(), &self.layout, self.params)
    }

    /// For tests: velocity, error and gradients of given points `x` and targets `[N, Z]` at times `t` `[N]`, and then a
    /// step of the optimizer.
    ///
    /// # Errors
    /// If the device is lost.
    #[doc(hidden)]
    pub fn probe(
        &mut self,
        [x, target, t]: [&[f32]; 3],
        labels: &[u32],
        settings: &StepSettings,
    ) -> Result<FlowProbe> {
        let channels = self.config.channels as usize;
        let padded_rows = |values: &[f32]| values.chunks(channels).flat_map(pad).collect::<Vec<f32>>();
        self.runner.write_f32(&self.tensors.x, &padded_rows(x));
        self.runner.write_f32(&self.border.target, &padded_rows(target));
        self.runner.write_f32(&self.tensors.t, t);
        self.runner.write(&self.tensors.labels, labels);
        self.write_step(Self::training_step(settings, labels.len() as u32));
        let Programs { begin, features, velocity, backward, update, .. } = self.programs;
        self.runner.run(&[begin, features, velocity, backward])?;
        let cell = padded(self.config.channels) as usize;
        let rows = self.runner.read(&self.tensors.velocity)?;
        let probe = FlowProbe {
            velocity: rows.chunks(cell).flat_map(|cell| cell[..channels].to_vec()).collect(),
            loss: f64::from(self.runner.read(&self.border.totals)?[ERROR]),
            gradients: arena::read(self.runner.as_mut(), &self.layout, self.gradients.arena)?,
        };
        self.runner.run(&[update])?;
        Ok(probe)
    }

    /// The uniform of a training step of `valid` latents.
    fn training_step(s: &StepSettings, valid: u32) -> Step {
        let step = Step {
            step: s.step as u32,
            valid,
            batch: valid,
            ema: s.average as f32,
            noise_std: 1.0,
            stream: Stream::Training as u32,
            ..Step::default()
        };
        step.seeded(s.seed).with_adam_of(BETA2, s.lr, s.weight_decay, s.step)
    }
}

/// The result of [`Flow::probe`].
#[doc(hidden)]
pub struct FlowProbe {
    pub velocity: Vec<f32>,
    pub loss: f64,
    pub gradients: StateDict,
}
