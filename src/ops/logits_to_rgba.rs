//! Conversion of the decoder's logits to 8-bit pictures.

use crate::config::Likelihood;
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

params! {
    /// Sizes of `logits_to_rgba.wgsl`.
    pub struct LogitsToRgbaParams {
        /// pixels of all pictures
        pixels: u32,
    }
}

/// `recon[pixels, 4]` = the mean of each pixel by its logit, and `rgba[pixels]` = its 8-bit value.
#[derive(Debug, Clone, Copy)]
pub struct LogitsToRgba {
    params: LogitsToRgbaParams,
    likelihood: Likelihood,
}

impl LogitsToRgba {
    /// For `pixels` pixels of all pictures.
    pub fn new(likelihood: Likelihood, pixels: u32) -> Self {
        Self { params: LogitsToRgbaParams { pixels }, likelihood }
    }
}

impl Op for LogitsToRgba {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "logits_to_rgba",
            files: vec![wgsl!("pixels/logits_to_rgba.wgsl"), self.likelihood.mean_file()],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let floats = Shape::new(&[self.params.pixels, 4]);
        vec![("logits", floats), ("recon", floats), ("rgba", Shape::new(&[self.params.pixels]))]
    }

    fn groups(&self) -> u64 {
        u64::from(self.params.pixels).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        3 * 6 * u64::from(self.params.pixels)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [logits, recon, rgba] = buffers else { panic!("logits_to_rgba: {} operands", buffers.len()) };
        for ((logits, recon), word) in logits.chunks(4).zip(recon.chunks_mut(4)).zip(rgba) {
            let mut bytes = [255; 4];
            for channel in 0..3 {
                let value = self.likelihood.mean(logits[channel].into());
                recon[channel] = value as f32;
                bytes[channel] = (255.0 * value + 0.5).floor() as u8;
            }
            recon[3] = 0.0;
            *word = f32::from_bits(u32::from_le_bytes(bytes));
        }
    }
}
