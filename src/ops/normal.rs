//! Standard normals from a counter: Philox4x32-10 and Box-Muller.

use rand::{Rng, RngExt};

use super::step::Step;
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

/// Philox4x32-10: ten rounds of two wide multiplications.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let wide = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    for _ in 0..10 {
        let (p_high, p_low) = wide(0xD251_1F53, counter[0]);
        let (q_high, q_low) = wide(0xCD9E_8D57, counter[2]);
        counter = [q_high ^ counter[1] ^ key[0], q_low, p_high ^ counter[3] ^ key[1], p_low];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// Two independent standard normals from two words.
pub(super) fn box_muller(a: u32, b: u32) -> [f64; 2] {
    let u = (f64::from(a >> 9) + 0.5) * 2f64.powi(-23);
    let angle = std::f64::consts::TAU * f64::from(b >> 8) * 2f64.powi(-24);
    let radius = (-2.0 * u.ln()).sqrt();
    [radius * angle.cos(), radius * angle.sin()]
}

/// A standard normal of the host's generator, for tests and evaluations.
/// Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
pub fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

params! {
    /// `out[rows, 4 vec4s]` = `step.noise_std` times standard normals.
    pub struct Normal {
        /// rows of the output
        rows: u32,
        /// pictures of a micro-batch; rows beyond them repeat their draws
        pictures: u32,
        /// vec4s of a row
        vec4s: u32,
    }
}

impl Op for Normal {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "normal",
            files: vec![
                wgsl!("latent/normal.wgsl"),
                wgsl!("common/box_muller.wgsl"),
                wgsl!("common/philox.wgsl"),
                wgsl!("common/step.wgsl"),
            ],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("step", Step::shape()), ("out", Shape::new(&[self.rows, 4 * self.vec4s]))]
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        &[None, Some("Out")]
    }

    fn groups(&self) -> u64 {
        u64::from(self.rows * self.vec4s).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        20 * u64::from(self.rows * self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, out] = buffers else { panic!("normal: {} operands", buffers.len()) };
        let step = Step::from_words(step);
        for (at, four) in (0u32..).zip(out.chunks_mut(4)) {
            let picture = step.sample_offset + at / self.vec4s % self.pictures;
            let counter = [at % self.vec4s, picture, step.step, step.stream];
            let words = philox(counter, [step.seed_lo, step.seed_hi]);
            let [a, b] = [box_muller(words[0], words[1]), box_muller(words[2], words[3])];
            for (value, normal) in four.iter_mut().zip([a[0], a[1], b[0], b[1]]) {
                *value = (f64::from(step.noise_std) * normal) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::philox;

    /// The known answers that come with Random123 1.14 (kat_vectors: philox4x32, 10 rounds).
    #[test]
    fn philox_gives_the_published_words() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}
