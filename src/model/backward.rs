//! What a step does after the forward list: gradients in reverse order.

use super::layers::{Activations, Recorder, geometry};
use super::network::{Network, TrainingArenas};
use super::params::Layer;
use crate::gpu::{Plan, ProgramId, Tensor};
use crate::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad};
use crate::ops::gemm::{Epilogue, Operands};
use crate::ops::linear::{LinearInputGrad, LinearWeightGrad};
use crate::ops::reparameterize::{ReparameterizeBackward, padded};
use crate::ops::tuning::Tuning;

impl Network {
    /// The forward list in reverse: for each layer the gradients of its bias, its input and its weight.
    pub(super) fn record_backward(
        &self,
        plan: &mut Plan,
        tuning: &Tuning,
        acts: &Activations,
        (program, arenas): (ProgramId, TrainingArenas),
    ) {
        let t = &self.tensors;
        let (rows, vec4s) = (self.dims.micro, padded(self.config.latent) / 4);
        let d = Activations::gradients(plan, &self.config, self.dims, t.x);
        let [dz, dheads] =
            [("dz", t.z), ("dheads", t.heads)].map(|(name, of)| plan.tensor(name, of.shape.dims()));
        let mut r = Recorder { plan, network: self, tuning, program };

        let dbias = arenas.gradients.of(self.layout.decoder[3].bias);
        self.record_reconstruction(r.plan, program, Some([d.decoder[4], dbias]));
        for i in (0..4).rev() {
            let (x, dx, dy) = (acts.decoder[i], d.decoder[i], d.decoder[i + 1]);
            let layer = self.layout.decoder[i];
            let (name, sizes) = (format!("decoder.{}", 2 * i), geometry(&x, &dy));
            // that of the last layer came with the loss; the first reader of dy, so that its texture serves the next ones
            if i < 3 {
                r.bias_grad(&name, dy, layer, arenas);
            }
            // x is the output of a ReLU, except the first, which comes from decoder_input
            let (epilogue, aux) = if i > 0 { (Epilogue::Mask, Some(x)) } else { (Epilogue::None, None) };
            let operands = Operands { left: dy, right: r.param(layer.weight), aux, out: dx };
            r.gemm(&format!("{name} input gradient"), Conv2d::from(sizes), epilogue, &operands);
            r.weight_grad(&name, Conv2dWeightGrad::from(sizes), [x, dy], layer, arenas);
        }

        let flat = d.decoder[0].len() / rows;
        let dy = d.decoder[0].reshape(&[rows, flat]);
        let dh = dheads.reshape(&[rows, 8 * vec4s]);
        r.bias_grad("decoder_input", dy, self.layout.decoder_input, arenas);
        let op = LinearInputGrad { rows, inputs: 4 * vec4s, outputs: flat, planes: 1 };
        let weight = r.param(self.layout.decoder_input.weight);
        r.gemm(
            "decoder_input input gradient",
            op,
            Epilogue::None,
            &Operands { left: dy, right: weight, aux: None, out: dz },
        );
        linear_weight_grad(&mut r, "decoder_input", self.layout.decoder_input, [t.z, dy], arenas);
        // without a comparison of latents and prior, four elements that nobody reads
        let dmmd = self.mmd.map(|of| of.gradient).unwrap_or_else(|| r.plan.tensor("no dmmd", &[4]));
        let batch = self.mmd.map(|_| self.dims.batch);
        let op = ReparameterizeBackward::new(rows, self.config.latent, batch);
        let bindings = [t.step, t.heads, t.eps, dz, t.scaling, t.kl, dmmd, dheads];
        r.op("reparameterize backward", op, &bindings);
        let features = acts.encoder[4].reshape(&[rows, flat]);
        r.bias_grad("heads", dh, self.layout.heads, arenas);
        let op = LinearInputGrad { rows, inputs: flat, outputs: 8 * vec4s, planes: 1 };
        let weight = r.param(self.layout.heads.weight);
        let out = d.encoder[4].reshape(&[rows, flat]);
        let operands = Operands { left: dh, right: weight, aux: Some(features), out };
        r.gemm("heads input gradient", op, Epilogue::Mask, &operands);
        linear_weight_grad(&mut r, "heads", self.layout.heads, [features, dh], arenas);

        for i in (0..4).rev() {
            let (x, dx, dy) = (acts.encoder[i], d.encoder[i], d.encoder[i + 1]);
            let layer = self.layout.encoder[i];
            let (name, sizes) = (format!("encoder.{}", 2 * i), geometry(&dy, &x));
            r.bias_grad(&name, dy, layer, arenas);
            if i > 0 {
                let operands = Operands { left: dy, right: r.param(layer.weight), aux: Some(x), out: dx };
                let op = Conv2dTranspose::from(sizes);
                r.gemm(&format!("{name} input gradient"), op, Epilogue::Mask, &operands);
            }
            r.weight_grad(&name, Conv2dWeightGrad::from(sizes), [dy, x], layer, arenas);
        }
    }
}

fn linear_weight_grad(
    r: &mut Recorder<'_>,
    name: &str,
    layer: Layer,
    [x, dy]: [Tensor; 2],
    arenas: TrainingArenas,
) {
    let ([rows, inputs], outputs) = ([0, 1].map(|i| x.shape.dims()[i]), dy.shape.dims()[1]);
    r.weight_grad(name, LinearWeightGrad { rows, inputs, outputs, planes: 1 }, [dy, x], layer, arenas);
}
