//! Conversion of 8-bit pictures to floats, the input of the network.

use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

params! {
    /// `x[N, pixels, 4] = rgba[which[N], pixels] / 255`; the fourth channel is zero.
    pub struct RgbaToFloat {
        /// N
        batch: u32,
        /// pixels of a picture
        pixels: u32,
        /// pictures in `rgba`
        slots: u32,
    }
}

impl Op for RgbaToFloat {
    fn kernel(&self) -> Kernel {
        Kernel { name: "rgba_to_float", files: vec![wgsl!("pixels/rgba_to_float.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![
            ("which", Shape::new(&[self.batch])),
            ("rgba", Shape::new(&[self.slots, self.pixels])),
            ("x", Shape::new(&[self.batch, self.pixels, 4])),
        ]
    }

    fn groups(&self) -> u64 {
        u64::from(self.batch * self.pixels).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        3 * u64::from(self.batch * self.pixels)
    }

    /// Counts the pictures of the batch, not all resident ones.
    fn bytes(&self) -> Option<u64> {
        Some(20 * u64::from(self.batch * self.pixels))
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [which, rgba, x] = buffers else { panic!("rgba_to_float: {} operands", buffers.len()) };
        let pixels = self.pixels as usize;
        for (at, pixel) in x.chunks_mut(4).enumerate() {
            let slot = which[at / pixels].to_bits().min(self.slots - 1) as usize;
            let [r, g, b, _] = rgba[slot * pixels + at % pixels].to_bits().to_le_bytes();
            pixel.copy_from_slice(&[r, g, b, 0].map(|byte| (f64::from(byte) / 255.0) as f32));
        }
    }
}
