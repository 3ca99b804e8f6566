//! For tests: everything that a step computes, from given draws.

use super::{Latents, Loss, StepSettings, Vae, pad};
use crate::error::Result;
use crate::gpu::ProgramId;
use crate::model::state_dict::StateDict;
use crate::ops::reparameterize::padded;

impl Vae {
    /// For tests: everything that a step of PyTorch's script would show, from given draws.
    ///
    /// # Errors
    /// If the device is lost.
    #[doc(hidden)]
    pub fn probe(&mut self, pictures: &[f32], eps: &[f32], settings: &StepSettings) -> Result<Probe> {
        let latent = self.network.config.latents() as usize;
        let (t, p) = (self.network.tensors, self.network.programs);
        let (training, _) = self.training()?;
        let count = eps.len() / latent;
        assert!(
            count <= self.network.dims.micro as usize,
            "probe: {count} pictures, micro-batch {}",
            self.network.dims.micro
        );
        self.write_pictures(pictures);
        self.runner.write_f32(&t.eps, &eps.chunks(latent).flat_map(pad).collect::<Vec<f32>>());
        self.write_step(self.training_step(settings, count, (0, count)));
        let forward: [ProgramId; 5] = [p.begin, p.encode, p.reparameterize, p.decode, p.picture];
        self.runner.run(&forward)?;
        if let Some(programs) = training.mmd {
            self.runner.run(&programs[..1])?;
            self.compare(programs[1], settings, count)?;
            self.write_step(self.training_step(settings, count, (0, count)));
        }
        if let Some(squared_errors) = training.squared_errors {
            self.runner.run(&[squared_errors])?;
        }
        self.runner.run(&[training.backward])?;
        let gradients = self.gradients()?;
        self.runner.run(&[training.update])?;
        let mut latents = Latents { mu: Vec::new(), logvar: Vec::new() };
        self.read_heads(self.network.dims.micro as usize, &mut latents)?;
        let z = padded(latent as u32) as usize;
        let totals = self.runner.read(&t.totals)?;
        let rgb = |v: Vec<f32>| v.chunks(4).flat_map(|p| p[..3].to_vec()).collect();
        Ok(Probe {
            mu: latents.mu,
            logvar: latents.logvar,
            z: self.runner.read(&t.z)?.chunks(z).flat_map(|row| row[..latent].to_vec()).collect(),
            logits: rgb(self.runner.read(&t.logits)?),
            recon: rgb(self.runner.read(&t.recon)?),
            loss: self.outcome(&totals, count).loss,
            gradients,
        })
    }
}

/// The result of [`Vae::probe`]; pictures are `[N, S, S, 3]`.
#[doc(hidden)]
pub struct Probe {
    pub mu: Vec<f32>,
    pub logvar: Vec<f32>,
    pub z: Vec<f32>,
    pub logits: Vec<f32>,
    pub recon: Vec<f32>,
    pub loss: Loss,
    pub gradients: StateDict,
}
