//! The programs of each run, in their order.
//!
//! The model, the web export and the benchmarks ask this module.

use super::flow::FlowSampler;
use super::network::Programs;
use crate::gpu::ProgramId;

/// The programs of a run, in the order in which they are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// once, before the first micro-batch
    pub before: Vec<ProgramId>,
    /// for every micro-batch
    pub each: Vec<ProgramId>,
    /// once, after the last micro-batch
    pub after: Vec<ProgramId>,
}

impl Run {
    fn each(programs: impl IntoIterator<Item = ProgramId>) -> Self {
        Self { each: programs.into_iter().collect(), ..Self::default() }
    }
}

impl Programs {
    /// From `x` to `logits`, with fresh draws.
    pub fn forward(&self) -> [ProgramId; 4] {
        [self.encode, self.draw, self.reparameterize, self.decode]
    }

    /// From training pictures to their latents, with fresh draws.
    pub fn to_latents(&self) -> [ProgramId; 4] {
        let input = self.training.map_or(self.unpack, |training| training.augment);
        [input, self.encode, self.draw, self.reparameterize]
    }

    /// A training step, without the first pass that some objectives need (latents and prior, squared errors of several
    /// micro-batches); nothing in a plan for inference.
    pub fn train_step(&self) -> Run {
        let Some(training) = self.training else { return Run::default() };
        let each = self.to_latents().into_iter().chain([self.decode, training.backward]);
        Run { before: vec![self.begin], after: vec![training.update], ..Run::each(each) }
    }

    /// The loss of 8-bit pictures.
    pub fn evaluate(&self) -> Run {
        let each = [self.unpack].into_iter().chain(self.forward()).chain([self.loss]);
        Run { before: vec![self.begin], ..Run::each(each) }
    }

    /// Pictures of draws from N(0, I).
    pub fn sample(&self) -> Run {
        Run::each([self.prior, self.draw, self.reparameterize, self.decode, self.picture])
    }

    /// Pictures of draws from a flow.
    pub fn sample_flow(&self, flow: &FlowSampler) -> Run {
        Run::each(flow.programs().into_iter().chain(self.decode().each))
    }

    /// Mean and log-variance of the latents of 8-bit pictures.
    pub fn encode(&self) -> Run {
        Run::each([self.unpack, self.encode])
    }

    /// Pictures of latents.
    pub fn decode(&self) -> Run {
        Run::each([self.decode, self.picture])
    }

    /// Pictures of 8-bit pictures' latents.
    pub fn reconstruct(&self) -> Run {
        Run::each([self.unpack].into_iter().chain(self.forward()).chain([self.picture]))
    }
}
