//! Augmentation of training pictures: mirroring, random crops, colour jitter.

use super::normal::philox;
use super::step::{Step, Stream};
use crate::config::Augmentation;
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

params! {
    /// `x[N, S, S, 4] = rgba[which[N], S, S] / 255`, augmented by each picture's draws; the fourth channel is zero.
    pub struct Augment {
        /// N
        batch: u32,
        /// edge of a picture
        size: u32,
        /// pictures in `rgba`
        slots: u32,
        /// 1: each picture is mirrored with probability 1/2
        flip: u32,
        /// maximum part of the edge length that is cropped
        crop: f32,
        /// maximum relative change of brightness, contrast and saturation
        jitter: f32,
    }
}

impl Augment {
    /// For `batch` pictures of `size` out of `slots`.
    pub fn new(how: Augmentation, batch: u32, size: u32, slots: u32) -> Self {
        let (crop, jitter) = (how.crop as f32, how.jitter as f32);
        Self { batch, size, slots, flip: how.flip.into(), crop, jitter }
    }

    /// Seven draws from 0 to 1 of picture `index` of a batch: edge, row and column of the corner, mirroring, brightness,
    /// contrast, saturation.
    fn draws(step: &Step, index: u32) -> [f64; 7] {
        let words = |counter| {
            let counter = [counter, index, step.step, Stream::Augmentation as u32];
            philox(counter, [step.seed_lo, step.seed_hi]).map(|word| f64::from(word >> 8) * 2f64.powi(-24))
        };
        let ([a, b, c, d], [e, f, g, _]) = (words(0), words(1));
        [a, b, c, d, e, f, g]
    }

    /// The channels of a picture at a position between its pixels. Beyond the edge the edge pixels continue.
    fn bilinear(&self, rgba: &[f32], row: f64, column: f64) -> [f64; 3] {
        let last = f64::from(self.size - 1);
        let pixel = |row: f64, column: f64| {
            let [row, column] = [row, column].map(|v| v.clamp(0.0, last) as usize);
            rgba[row * self.size as usize + column].to_bits().to_le_bytes().map(|b| f64::from(b) / 255.0)
        };
        let [row, column] = [row, column].map(|v| v.clamp(0.0, last));
        let (top, left) = (row.floor(), column.floor());
        let (down, right) = (row - top, column - left);
        let mut out = [0.0; 3];
        for (weight, of) in [
            ((1.0 - down) * (1.0 - right), pixel(top, left)),
            ((1.0 - down) * right, pixel(top, left + 1.0)),
            (down * (1.0 - right), pixel(top + 1.0, left)),
            (down * right, pixel(top + 1.0, left + 1.0)),
        ] {
            out.iter_mut().zip(of).for_each(|(sum, value)| *sum += weight * value);
        }
        out
    }
}

impl Op for Augment {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "augment",
            files: vec![wgsl!("pixels/augment.wgsl"), wgsl!("common/philox.wgsl"), wgsl!("common/step.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn constants(&self) -> Vec<Constant> {
        vec![("AUGMENTATION", (Stream::Augmentation as u32).into())]
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![
            ("step", Step::shape()),
            ("which", Shape::new(&[self.batch])),
            ("rgba", Shape::new(&[self.slots, self.size, self.size])),
            ("x", Shape::new(&[self.batch, self.size, self.size, 4])),
        ]
    }

    fn groups(&self) -> u64 {
        u64::from(self.batch * self.size * self.size).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        60 * u64::from(self.batch * self.size * self.size)
    }

    /// Counts the pictures of the batch, not all resident ones.
    fn bytes(&self) -> Option<u64> {
        Some(20 * u64::from(self.batch * self.size * self.size))
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, which, rgba, x] = buffers else { panic!("augment: {} operands", buffers.len()) };
        let (step, size) = (Step::from_words(step), self.size as usize);
        let [crop, jitter] = [self.crop, self.jitter].map(f64::from);
        for (at, out) in x.chunks_mut(4).enumerate() {
            let (picture, row, column) = (at / size / size, at / size % size, at % size);
            let slot = which[picture].to_bits().min(self.slots - 1) as usize;
            let [cut, down, right, mirror, light @ ..] =
                Self::draws(&step, step.sample_offset + picture as u32);
            let column = if self.flip == 1 && mirror >= 0.5 { size - 1 - column } else { column };
            let edge = 1.0 - crop * cut;
            let from =
                |corner: f64, at: usize| (1.0 - edge) * size as f64 * corner + (at as f64 + 0.5) * edge - 0.5;
            let picture = &rgba[slot * size * size..(slot + 1) * size * size];
            let value = self.bilinear(picture, from(down, row), from(right, column));
            let [brightness, contrast, saturation] = light.map(|draw| 1.0 + jitter * (2.0 * draw - 1.0));
            let value = value.map(|v| 0.5 + contrast * (brightness * v - 0.5));
            let luma = 0.299 * value[0] + 0.587 * value[1] + 0.114 * value[2];
            let value = value.map(|v| (luma + saturation * (v - luma)).clamp(0.0, 1.0) as f32);
            out.copy_from_slice(&[value[0], value[1], value[2], 0.0]);
        }
    }
}
