//! The backward pass: gradients in reverse order of the forward pass.

use super::architectures::Autoencoder;
use super::layer::{Grad, Value};
use super::network::Network;
use crate::gpu::{Plan, ProgramId};
use crate::ops::reparameterize::ReparameterizeBackward;
use crate::ops::tuning::Tuning;

impl Network {
    /// The loss and the gradients of all parameters, with Adam right after each gradient that is transient.
    pub(super) fn record_backward(
        &self,
        plan: &mut Plan,
        tuning: &Tuning,
        (architecture, [encoded, decoded]): (&Autoencoder, &[Vec<Value>; 2]),
        program: ProgramId,
    ) {
        let t = &self.tensors;
        let [encoder, decoder] = self.layout.halves();
        let mut r = self.recorder(plan, tuning, program);
        let dlogits = r.gradient(t.logits.shape, t.logits.element);
        let [dz, dheads] =
            [("dz", t.z), ("dheads", t.heads)].map(|(name, of)| r.plan.tensor(name, of.shape.dims()));

        // the loss sums its gradient for the bias of the last layer as well
        let training = self.arenas.training.expect("gradients are recorded for a training");
        let last = decoder.last().and_then(|layer| layer.last()).expect("the last layer has a bias");
        self.record_reconstruction(r.plan, program, Some([dlogits, training.gradients.of(*last)]));
        self.record_log_sigma(r.plan, program, training.gradients);
        let dy = Grad { tensor: dlogits, bias_done: true };
        architecture.decoder.backward(&mut r, &decoder, decoded, dy, Some(dz));

        // without a comparison of latents and prior, four elements that nobody reads
        let dmmd = self.mmd.map(|of| of.gradient).unwrap_or_else(|| r.plan.tensor("no dmmd", &[4]));
        let batch = self.mmd.map(|_| self.dims.batch);
        let op =
            ReparameterizeBackward::new(self.dims.micro, self.config.latents(), self.config.cells(), batch);
        let bindings = [t.step, t.heads, t.eps, dz, t.scaling, t.kl, dmmd, dheads];
        r.op("reparameterize backward", op, &bindings);
        let dy = Grad { tensor: dheads, bias_done: false };
        architecture.encoder.backward(&mut r, &encoder, encoded, dy, None);
    }
}
