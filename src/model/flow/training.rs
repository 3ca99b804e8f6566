//! The training of a flow: noise, times and posterior draws, the velocity's error, and AdamW with an average.

use super::tensors::UNetTensors;
use super::unet::{Params, UNet};
use super::{FlowWeights, standard_rows};
use crate::config::FlowConfig;
use crate::error::Result;
use crate::gpu::{BufferId, Capabilities, Element, Plan, ProgramId, Runner, Shape, Tensor, Usage};
use crate::model::arena;
use crate::model::gradients::Gradients;
use crate::model::network::TrainingArenas;
use crate::model::optimizer::Optimizer;
use crate::model::options::Device;
use crate::model::params::Layout;
use crate::model::recorder::{Recorder, Training};
use crate::model::state_dict::{ADAM_SLOTS, StateDict};
use crate::model::vae::{StepSettings, pad};
use crate::ops::flow_interpolate::FlowInterpolate;
use crate::ops::loss_scale::LossScale;
use crate::ops::normal::Normal;
use crate::ops::reparameterize::padded;
use crate::ops::step::{Step, Stream};
use crate::ops::time_features::TimeFeatures;
use crate::ops::totals::{GRAD_NORM, NLL, Totals, TotalsSlots};
use crate::ops::tuning::Tuning;
use crate::ops::velocity_loss::VelocityLoss;

/// Decay of Adam's second moment: a flow's trainings are short.
const BETA2: f64 = 0.99;
/// Largest norm of the gradient.
const CLIP: f64 = 1.0;
/// Share of the latents whose class is left out.
const DROPPED: f64 = 0.1;

/// The programs of a training step.
struct Programs {
    begin: ProgramId,
    /// draws times, noise and latents
    draw: ProgramId,
    /// features of times that are given
    features: ProgramId,
    velocity: ProgramId,
    /// the error alone
    loss: ProgramId,
    backward: ProgramId,
    update: ProgramId,
    /// exchanges the parameters with their average
    swap: ProgramId,
}

/// The tensors that only a training has. N is the batch.
struct Border {
    /// the step's uniform
    step: Tensor,
    /// `[N, cells, 2, C]`: means and log-variances of the latents
    heads: Tensor,
    /// `[2, Z]`
    standard: Tensor,
    /// `[N, 2, Z]`
    normals: Tensor,
    /// `[N, Z]`, the velocity of the straight line
    target: Tensor,
    totals: Tensor,
    scaling: Tensor,
}

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
        let target = device.capabilities();
        let mut flow = match device {
            Device::Tuned(_, tuning) | Device::Timed(_, tuning) => {
                Self::record(device, &target, tuning, (config, batch), standard)?
            }
            Device::Gpu(_) | Device::Twins => {
                Self::record(device, &target, &Tuning::of(&target), (config, batch), standard)?
            }
        };
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
        let programs = Programs {
            begin: plan.program("begin"),
            draw: plan.program("draw"),
            features: plan.program("features"),
            velocity: plan.program("velocity"),
            loss: plan.program("loss"),
            backward: plan.program("backward"),
            update: plan.program("update"),
            swap: plan.program("swap"),
        };
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
        let heads: Vec<f32> = batch
            .mu
            .chunks(channels)
            .zip(batch.logvar.chunks(channels))
            .flat_map(|(mu, logvar)| [pad(mu), pad(logvar)].concat())
            .collect();
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

    /// Step, sum of the errors over the batch, and norm of the gradient, of the steps that were read back since the last
    /// call; with `wait`, of all steps.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn losses(&mut self, wait: bool) -> Result<Vec<(u64, [f64; 2])>> {
        let arrived = self.runner.poll_readbacks(wait)?;
        let of =
            |(step, totals): (u64, Vec<f32>)| (step, [NLL, GRAD_NORM].map(|slot| f64::from(totals[slot])));
        Ok(arrived.into_iter().map(of).collect())
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
        Ok(f64::from(self.runner.read(&self.border.totals)?[NLL]))
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
            loss: f64::from(self.runner.read(&self.border.totals)?[NLL]),
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

impl Border {
    fn new(plan: &mut Plan, config: &FlowConfig, n: u32) -> Self {
        let z = config.edge * config.edge * padded(config.channels);
        let step = plan.buffer("step", Step::shape().len().into(), Usage::Uniform);
        let scaling = plan.buffer("scaling", LossScale::shape().len().into(), Usage::State);
        let whole = |buffer, shape| Tensor { buffer, offset: 0, shape, element: Element::F32 };
        Self {
            step: whole(step, Step::shape()),
            heads: plan.tensor("heads", &[n, 2, z]),
            standard: plan.tensor("standard", &[2, z]),
            normals: plan.tensor("normals", &[n, 2, z]),
            target: plan.tensor("target", &[n, z]),
            totals: plan.tensor("totals", TotalsSlots::shape().dims()),
            scaling: whole(scaling, LossScale::shape()),
        }
    }

    /// The draws of a step, and the error alone.
    fn record(&self, plan: &mut Plan, (config, n): (&FlowConfig, u32), t: &UNetTensors, programs: &Programs) {
        let z = self.target.len() / n;
        plan.clear(programs.begin, self.totals.buffer);
        let op = TimeFeatures::new(n, config.classes).drawn(DROPPED);
        plan.dispatch(programs.draw, "times", op, &[self.step, t.labels, t.t, t.features]);
        let op = TimeFeatures::new(n, config.classes);
        plan.dispatch(programs.features, "features", op, &[self.step, t.labels, t.t, t.features]);
        let op = Normal { rows: n, pictures: n, vec4s: 2 * z / 4 };
        plan.dispatch(programs.draw, "normals", op, &[self.step, self.normals]);
        let op = FlowInterpolate::new(n, config.latents(), config.edge * config.edge);
        let bindings = [self.heads, self.normals, self.standard, t.t, t.x, self.target];
        plan.dispatch(programs.draw, "interpolate", op, &bindings);
        self.record_loss(plan, (config, n), t, programs.loss, None);
    }

    /// Adds the error to the totals; with `gradient`, its gradient by the velocity too.
    fn record_loss(
        &self,
        plan: &mut Plan,
        (config, n): (&FlowConfig, u32),
        t: &UNetTensors,
        program: ProgramId,
        gradient: Option<Tensor>,
    ) {
        let op = VelocityLoss::new(n, config.latents(), gradient.is_some());
        let dv = gradient.unwrap_or_else(|| plan.tensor("no gradient", &[4]));
        let parts = Tensor { shape: Shape::new(&[n, 4]), ..plan.scratch(4 * n) };
        plan.dispatch(program, "velocity loss", op, &[self.step, t.velocity, self.target, dv, parts]);
        // the totals of a model also have a divergence and the gradient of a bias, which a flow has not
        let [kl, dbias] =
            [("no divergence", 2 * n), ("no bias", 4)].map(|(name, len)| plan.tensor(name, &[len]));
        plan.dispatch(program, "totals", Totals::new(n, n, false), &[parts, kl, self.totals, dbias]);
    }
}
