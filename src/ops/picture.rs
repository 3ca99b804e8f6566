//! Pictures in and out: 8-bit pixels to floats, logits to pictures.

use crate::config::Likelihood;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::program::Op;
use crate::{params, wgsl};

params! {
    /// `x[N, pixels, 4] = rgba[which[N], pixels] / 255`, the fourth channel zero.
    pub struct Unpack {
        /// N
        images: u32,
        /// pixels of a picture
        pixels: u32,
        /// pictures in `rgba`
        slots: u32,
    }
}

impl Op for Unpack {
    fn kernel(&self) -> Kernel {
        Kernel { name: "unpack", files: vec![wgsl!("unpack.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![
            ("which", Shape::new(&[self.images])),
            ("rgba", Shape::new(&[self.slots, self.pixels])),
            ("x", Shape::new(&[self.images, self.pixels, 4])),
        ]
    }

    fn groups(&self) -> u64 {
        u64::from(self.images * self.pixels).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        3 * u64::from(self.images * self.pixels)
    }

    /// Only what is read of the pictures counts, not all that are kept.
    fn bytes(&self) -> Option<u64> {
        Some(20 * u64::from(self.images * self.pixels))
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [which, rgba, x] = buffers else { panic!("unpack: {} operands", buffers.len()) };
        let pixels = self.pixels as usize;
        for (at, pixel) in x.chunks_mut(4).enumerate() {
            let slot = which[at / pixels].to_bits().min(self.slots - 1) as usize;
            let [r, g, b, _] = rgba[slot * pixels + at % pixels].to_bits().to_le_bytes();
            pixel.copy_from_slice(&[r, g, b, 0].map(|byte| (f64::from(byte) / 255.0) as f32));
        }
    }
}

params! {
    /// Sizes of `picture.wgsl`.
    pub struct PictureParams {
        /// of all pictures together
        pixels: u32,
    }
}

/// `recon[pixels, 4]` = the mean of each pixel by its logit, and the same as `rgba[pixels]`.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    params: PictureParams,
    likelihood: Likelihood,
}

impl Picture {
    /// Of `pixels` pixels, of all pictures together.
    pub fn new(likelihood: Likelihood, pixels: u32) -> Self {
        Self { params: PictureParams { pixels }, likelihood }
    }
}

impl Op for Picture {
    fn kernel(&self) -> Kernel {
        Kernel { name: "picture", files: vec![wgsl!("picture.wgsl"), self.likelihood.mean_file()] }
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
        let [logits, recon, rgba] = buffers else { panic!("picture: {} operands", buffers.len()) };
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
