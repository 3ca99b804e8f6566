//! Training steps, validation, samples and reconstructions of 8-bit pictures.

use super::{BatchPart, Input, Latents, Loss, Outcome, StepSettings, Vae, pad};
use crate::error::{Error, Result};
use crate::gpu::{ProgramId, Timings};
use crate::model::flow::FlowWeights;
use crate::model::runs::Run;
use crate::ops::{Step, Stream};

impl Vae {
    /// One step of Adam on `count` pictures; its loss comes out of [`Vae::losses`] under `settings.step`, some
    /// steps later.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    ///
    /// # Panics
    /// If there is no picture, or more than the model was built for.
    pub fn train_step(&mut self, pictures: Input<'_>, count: u32, settings: &StepSettings) -> Result<()> {
        self.train_part(pictures, BatchPart::whole(count), settings)
    }

    /// [`Vae::train_step`] of a batch that several processes share ([`Vae::join`]): on this process's pictures.
    ///
    /// # Errors
    /// If the device or another process is lost, or the device is out of memory.
    ///
    /// # Panics
    /// If the batch has no picture, or more than the model was built for.
    pub fn train_part(
        &mut self,
        pictures: Input<'_>,
        part: BatchPart,
        settings: &StepSettings,
    ) -> Result<()> {
        let (training, _) = self.training()?;
        let BatchPart { first, count, total } = part;
        assert!(
            (1..=self.batch()).contains(&total) && first + count <= total,
            "train_step: {part:?}, built for {}",
            self.batch()
        );
        assert!(self.replica.is_some() || count == total, "train_step: {part:?} of one process");
        self.begin_step();
        self.runner.run(&[self.network.programs.begin])?;
        let (parts, total) = (self.micro_batches(count as usize), total as usize);
        // its place in the batch
        let placed = |(begin, n): (usize, usize)| (first as usize + begin, n);
        let passes_twice = training.mmd.is_some() || training.squared_errors.is_some();
        if passes_twice {
            // the gradient of one picture depends on all: by their latents, or by the width that fits their errors
            for &micro in &parts {
                self.write_step(self.training_step(settings, total, placed(micro)));
                self.draw_latents(pictures, micro)?;
                if let Some([gather, _]) = training.mmd {
                    self.runner.run(&[gather])?;
                }
                if let Some(squared_errors) = training.squared_errors {
                    self.forward()?;
                    self.runner.run(&[squared_errors])?;
                }
            }
        }
        if training.squared_errors.is_some() {
            self.sum_squared_errors()?;
        }
        if let Some([_, compare]) = training.mmd {
            self.gather_latents(part)?;
            self.compare(compare, settings, total)?;
        }
        let replicated = self.replica.is_some();
        for (at, &micro) in parts.iter().enumerate() {
            self.write_step(self.training_step(settings, total, placed(micro)));
            // the first pass has left the latents of a single micro-batch, and what it decoded
            let left = passes_twice && parts.len() == 1;
            if !left {
                self.draw_latents(pictures, micro)?;
            }
            if !(left && training.squared_errors.is_some()) {
                self.forward()?;
            }
            if replicated && at + 1 == parts.len() {
                self.backward_and_sum(Some(training.backward))?;
            } else {
                self.runner.run(&[training.backward])?;
            }
        }
        if replicated {
            if parts.is_empty() {
                self.backward_and_sum(None)?;
            }
            self.write_whole_step(settings, part);
        }
        self.runner.run(&[training.update])?;
        self.newest = settings.step;
        self.in_flight.push_back(total);
        self.runner.request_readback(&self.network.tensors.totals, settings.step)
    }

    /// Uploads a micro-batch and draws its latents.
    fn draw_latents(&mut self, pictures: Input<'_>, (first, count): (usize, usize)) -> Result<()> {
        self.write_rgba(pictures, first, count);
        self.runner.run(&self.network.programs.to_latents())
    }

    /// From latents to logits.
    fn forward(&mut self) -> Result<()> {
        self.runner.run(&[self.network.programs.decode])
    }

    /// The uniform of a micro-batch of `part.1` pictures from `part.0` on, of a batch of `total`.
    pub(super) fn training_step(&self, settings: &StepSettings, total: usize, part: (usize, usize)) -> Step {
        let s = settings;
        let step = Step {
            step: s.step as u32,
            batch: total as u32,
            beta: s.beta as f32,
            capacity: s.capacity as f32,
            free_bits: s.free_bits as f32,
            mmd: s.mmd as f32,
            ema: s.average as f32,
            noise_std: 1.0,
            stream: Stream::Training as u32,
            ..self.step(part.0, part.1)
        };
        step.seeded(s.seed).with_adam(s.lr, s.weight_decay, s.step)
    }

    /// Compares the latents of a batch of `total` with draws from the prior.
    pub(super) fn compare(
        &mut self,
        program: ProgramId,
        settings: &StepSettings,
        total: usize,
    ) -> Result<()> {
        let step = self.training_step(settings, total, (0, total));
        self.write_step(Step { stream: Stream::Prior as u32, ..step });
        self.runner.run(&[program])
    }

    /// Results of the steps that were read back since the last call, in order; with `wait`, of all steps. Where several
    /// processes train the model, all are handed the same ones: without `wait`, those of all steps but the last.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn losses(&mut self, wait: bool) -> Result<Vec<(u64, Outcome)>> {
        let arrived = self.runner.poll_readbacks(wait)?;
        let counts: Vec<usize> = self.in_flight.drain(..arrived.len()).collect();
        for ((step, totals), count) in arrived.into_iter().zip(counts) {
            self.arrived.push_back((step, self.outcome(&totals, count)));
        }
        // when a step has read its gradients, the losses of those before it are there; its own may be, by chance
        let all = wait || self.replica.is_none();
        let due = self.arrived.iter().take_while(|(step, _)| all || *step != self.newest).count();
        Ok(self.arrived.drain(..due).collect())
    }

    /// Switches the recording of every dispatch's time on or off; the steps compute the same bits either way.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn profile(&mut self, on: bool) -> Result<()> {
        self.runner.profile(on)
    }

    /// Waits for all steps and hands out the times recorded since the last call.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn timings(&mut self) -> Result<Timings> {
        self.runner.timings()
    }

    /// Number of submits to the device so far.
    pub fn submits(&self) -> u64 {
        self.runner.submits()
    }

    /// The loss of `count` held-out pictures, z drawn from the validation stream; `first` is the
    /// index of the first of them, so that every picture has its own draws, the same each time. `counted` is KL's
    /// distance from `capacity`.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn evaluate(
        &mut self,
        pictures: Input<'_>,
        count: u32,
        first: u32,
        (seed, capacity): (u64, f64),
    ) -> Result<Loss> {
        let run = self.network.programs.evaluate();
        self.runner.run(&run.before)?;
        for (begin, n) in self.micro_batches(count as usize) {
            let step = Step {
                noise_std: 1.0,
                capacity: capacity as f32,
                stream: Stream::Validation as u32,
                ..self.step(begin + first as usize, n)
            };
            self.write_rgba(pictures, begin, n);
            self.write_step(step.seeded(seed));
            self.runner.run(&run.each)?;
        }
        let totals = self.runner.read(&self.network.tensors.totals)?;
        Ok(self.outcome(&totals, count as usize).loss)
    }

    /// `count` pictures from the prior, each `[S, S]` 8-bit RGBA; picture i depends on `seed` and i alone.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn sample(&mut self, count: u32, seed: u64, temperature: f32) -> Result<Vec<Vec<u32>>> {
        self.sample_range(0..count, seed, temperature)
    }

    /// The samples of these numbers, as [`Vae::sample`] draws them.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn sample_range(
        &mut self,
        range: std::ops::Range<u32>,
        seed: u64,
        temperature: f32,
    ) -> Result<Vec<Vec<u32>>> {
        self.draw(&self.network.programs.sample(), None, range, (seed, temperature))
    }

    /// Loads the flow that the model was built for.
    ///
    /// # Errors
    /// [`Error::Usage`] if it was built without one, or for one of other sizes.
    pub fn load_flow(&mut self, flow: &FlowWeights) -> Result<()> {
        match &self.network.flow {
            Some(sampler) if sampler.config() == flow.config => {
                sampler.load(self.runner.as_mut(), flow);
                Ok(())
            }
            _ => Err(Error::Usage("this model was built without a flow of these sizes".into())),
        }
    }

    /// Samples of the flow with these numbers, each `[S, S]` 8-bit RGBA, of the class with this label; without one, picture
    /// i has the class (seed + i) modulo their number. It depends on `class`, `seed` and i alone. `temperature` is the standard deviation of the noise.
    ///
    /// # Errors
    /// If the device is lost or out of memory, or the model was built without a flow.
    pub fn sample_flow(
        &mut self,
        range: std::ops::Range<u32>,
        (seed, temperature): (u64, f32),
        class: Option<u32>,
    ) -> Result<Vec<Vec<u32>>> {
        let sampler = self.network.flow.as_ref();
        let sampler = sampler.ok_or_else(|| Error::Usage("this model was built without a flow".into()))?;
        let run = self.network.programs.sample_flow(sampler);
        self.draw(&run, class, range, (seed, temperature))
    }

    /// Pictures with these numbers by a run from noise of standard deviation `temperature`; of a flow also their `class`.
    fn draw(
        &mut self,
        run: &Run,
        class: Option<u32>,
        range: std::ops::Range<u32>,
        (seed, temperature): (u64, f32),
    ) -> Result<Vec<Vec<u32>>> {
        let mut out = Vec::new();
        for (at, n) in self.micro_batches(range.len()) {
            let first = range.start as usize + at;
            let step = Step { noise_std: temperature, stream: Stream::Samples as u32, ..self.step(first, n) };
            self.write_step(step.seeded(seed));
            if let Some(sampler) = &self.network.flow {
                sampler.write_labels(self.runner.as_mut(), class, (seed, first as u32));
            }
            self.runner.run(&run.each)?;
            self.read_pictures(n, &mut out)?;
        }
        Ok(out)
    }

    /// Mean and log-variance of each picture's latents, from 8-bit RGBA; `[N, Z]` each.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn encode_rgba(&mut self, rgba: &[u32], count: u32) -> Result<Latents> {
        let run = self.network.programs.encode();
        let mut latents = Latents { mu: Vec::new(), logvar: Vec::new() };
        for (first, n) in self.micro_batches(count as usize) {
            self.write_rgba(Input::Rgba(rgba), first, n);
            self.runner.run(&run.each)?;
            self.read_heads(n, &mut latents)?;
        }
        Ok(latents)
    }

    /// Pictures of 8-bit RGBA, each `[S, S]`, from latents `[N, Z]`.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    ///
    /// # Panics
    /// If `z` is not whole rows.
    pub fn decode_rgba(&mut self, z: &[f32]) -> Result<Vec<Vec<u32>>> {
        let (run, latent) = (self.network.programs.decode(), self.network.config.latents() as usize);
        assert!(z.len().is_multiple_of(latent), "decode_rgba: {} values, rows of {latent}", z.len());
        let mut out = Vec::new();
        for (first, n) in self.micro_batches(z.len() / latent) {
            let rows = z[first * latent..(first + n) * latent].chunks(latent);
            let rows: Vec<f32> = rows.flat_map(pad).collect();
            self.runner.write_f32(&self.network.tensors.z, &rows);
            self.runner.run(&run.each)?;
            self.read_pictures(n, &mut out)?;
        }
        Ok(out)
    }

    /// Reconstructions of `count` pictures of 8-bit RGBA from the means of their latents.
    ///
    /// # Errors
    /// If the device is lost or out of memory.
    pub fn reconstruct(&mut self, rgba: &[u32], count: u32) -> Result<Vec<Vec<u32>>> {
        let run = self.network.programs.reconstruct();
        let mut out = Vec::new();
        for (first, n) in self.micro_batches(count as usize) {
            self.write_rgba(Input::Rgba(rgba), first, n);
            self.write_step(self.step(first, n)); // no noise: z is the mean
            self.runner.run(&run.each)?;
            self.read_pictures(n, &mut out)?;
        }
        Ok(out)
    }

    fn read_pictures(&mut self, count: usize, out: &mut Vec<Vec<u32>>) -> Result<()> {
        let words = self.runner.read(&self.network.tensors.output_rgba)?;
        let pictures = words.chunks(self.pixels()).take(count);
        out.extend(pictures.map(|picture| picture.iter().map(|word| word.to_bits()).collect()));
        Ok(())
    }
}
