//! The condition of a flow: features of the time, and the class.

use super::elementwise::Elementwise;
use super::normal::{box_muller, philox};
use super::step::Step;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

/// Frequencies of the time's cosines and sines.
pub const FREQUENCIES: u32 = 16;
/// A counter that the normals of the latents do not use.
const TIME_COUNTER: u32 = 0x8000_0000;

params! {
    /// Sizes of `time_features.wgsl`.
    pub struct TimeFeaturesParams {
        /// N
        rows: u32,
        /// vec4s of a row of the features
        vec4s: u32,
        /// number of frequencies
        frequencies: u32,
        /// classes
        classes: u32,
        /// classes are left out with a probability of dropped / 2^32
        dropped: u32,
    }
}

/// `features[N, F] = [cos(2 pi f_k t), sin(2 pi f_k t), one-hot class]` with `f_k = 2^(k / 2 - 2)`, F padded; `t[N]` is
/// drawn, or as it is.
/// Sources: Esser et al., "Scaling rectified flow transformers for high-resolution image synthesis", 2024, for times that
/// are sigmoids of normals; Ho and Salimans, "Classifier-free diffusion guidance", 2022, for leaving out classes.
#[derive(Debug, Clone, Copy)]
pub struct TimeFeatures {
    params: TimeFeaturesParams,
    drawn: bool,
}

impl TimeFeatures {
    /// For `rows` pictures of `classes` classes; times that are given.
    pub fn new(rows: u32, classes: u32) -> Self {
        let vec4s = Self::features(classes) / 4;
        let params = TimeFeaturesParams { rows, vec4s, frequencies: FREQUENCIES, classes, dropped: 0 };
        Self { params, drawn: false }
    }

    /// Draws the times, and leaves each class out with this probability.
    pub fn drawn(self, probability: f64) -> Self {
        let dropped = (probability * 2f64.powi(32)) as u32;
        Self { params: TimeFeaturesParams { dropped, ..self.params }, drawn: true }
    }

    /// F, padded.
    pub fn features(classes: u32) -> u32 {
        2 * FREQUENCIES + classes.next_multiple_of(4)
    }
}

impl Op for TimeFeatures {
    fn kernel(&self) -> Kernel {
        let own =
            [wgsl!("flow/time_features.wgsl"), wgsl!("common/elementwise.wgsl"), wgsl!("common/philox.wgsl")];
        let files = own.into_iter().chain([wgsl!("common/box_muller.wgsl"), wgsl!("common/step.wgsl")]);
        Kernel { name: "time_features", files: files.collect() }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = Elementwise::default().constants();
        all.push(("DRAWN", Value::Bool(self.drawn)));
        all
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let TimeFeaturesParams { rows, vec4s, .. } = self.params;
        let row = Shape::new(&[rows]);
        vec![
            ("step", Step::shape()),
            ("labels", row),
            ("t", row),
            ("features", Shape::new(&[rows, 4 * vec4s])),
        ]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.params.rows * self.params.vec4s)
    }

    fn flops(&self) -> u64 {
        20 * u64::from(self.params.rows * self.params.vec4s)
    }

    fn reads_output(&self) -> bool {
        !self.drawn
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, labels, t, features] = buffers else {
            panic!("time_features: {} operands", buffers.len())
        };
        let (step, TimeFeaturesParams { vec4s, classes, dropped, .. }) =
            (Step::from_words(step), self.params);
        let waves = FREQUENCIES as usize;
        for (row, features) in features.chunks_mut(4 * vec4s as usize).enumerate() {
            let mut label = labels[row].to_bits();
            if self.drawn {
                let counter = [TIME_COUNTER, step.sample_offset + row as u32, step.step, step.stream];
                let words = philox(counter, [step.seed_lo, step.seed_hi]);
                t[row] = (1.0 / (1.0 + (-box_muller(words[0], words[1])[0]).exp())) as f32;
                label = if words[2] < dropped { classes } else { label };
            }
            for (column, feature) in features.iter_mut().enumerate() {
                // in f32, as on every adapter: the cosine of many turns shows the rounding of their number
                let turns = t[row] * 2f64.powf((column % waves) as f64 / 2.0 - 2.0) as f32;
                let phase = std::f64::consts::TAU * f64::from(turns);
                *feature = match column {
                    _ if column < waves => phase.cos() as f32,
                    _ if column < 2 * waves => phase.sin() as f32,
                    _ => f32::from(label < classes && column - 2 * waves == label as usize),
                };
            }
        }
    }
}
