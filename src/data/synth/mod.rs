//! Procedural landscapes: a dataset without files, with known generative factors.
//! Use it for demonstrations, tests, and metrics that need ground-truth factors.
//!
//! A scene is a function of `(seed, index)` and of a point in the picture, in linear light and independent of the
//! resolution; [`landscape`] samples it at any size. The bytes are identical on every platform (see `noise`).

mod ground;
mod noise;
mod read;
mod ridges;
mod scene;
mod shore;
mod sky;
mod trees;
mod write;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::noise::Stream;
pub use self::read::read_factors;
use self::scene::Scene;
pub use self::write::write_synth;

/// Version of the generator, raised whenever the pictures change; part of a [`super::Source`]'s fingerprint.
pub const VERSION: u32 = 1;

/// Kind of foreground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Biome {
    /// A lake that mirrors the ridges.
    Water,
    /// Dunes.
    Desert,
    /// Rows of conifers in mist.
    Forest,
    /// Green hills with a few trees and flowers.
    Meadow,
    /// Snowfields with conifers.
    Snow,
}

impl Biome {
    /// All biomes; a biome's index is its label.
    pub const ALL: [Self; 5] = [Self::Water, Self::Desert, Self::Forest, Self::Meadow, Self::Snow];
}

impl fmt::Display for Biome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Water => "Water",
            Self::Desert => "Desert",
            Self::Forest => "Forest",
            Self::Meadow => "Meadow",
            Self::Snow => "Snow",
        })
    }
}

/// Generative factors of a landscape, apart from the shapes of the noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// The foreground.
    pub biome: Biome,
    /// Horizontal position of the sun, 0.1 to 0.9 of the width.
    pub sun_x: f32,
    /// Height of the sun: 0 is dusk, at the horizon, 1 is day, above the picture's edge.
    pub sun_height: f32,
    /// Share of the sky covered by clouds, 0 to 1.
    pub cloudiness: f32,
    /// Height of the horizon, 0.5 to 0.66 of the picture's height, from the top.
    pub horizon: f32,
    /// Height of the farthest ridge, 0.08 to 0.42 of the picture's height.
    pub ridge_height: f32,
    /// Roughness of the ridges, 0 (hills) to 1 (peaks).
    pub ridge_roughness: f32,
    /// Number of ridges, 2 to 4.
    pub ridges: u32,
    /// Density of the air between the ridges, 0 (clear) to 1 (mist).
    pub haze: f32,
}

impl Factors {
    /// Names of the factors, in the order of [`Factors::values`] and of the columns of `factors.csv`.
    pub const NAMES: [&str; 9] = [
        "biome",
        "sun_x",
        "sun_height",
        "cloudiness",
        "horizon",
        "ridge_height",
        "ridge_roughness",
        "ridges",
        "haze",
    ];

    /// All factors as numbers, the biome as its label.
    pub fn values(&self) -> [f64; 9] {
        let Self { sun_x, sun_height, cloudiness, horizon, ridge_height, ridge_roughness, haze, .. } = *self;
        let [before, after] = [
            [sun_x, sun_height, cloudiness, horizon],
            [ridge_height, ridge_roughness, self.ridges as f32, haze],
        ];
        let mut values = [f64::from(self.biome as u32); 9];
        values
            .iter_mut()
            .skip(1)
            .zip(before.iter().chain(&after))
            .for_each(|(to, from)| *to = (*from).into());
        values
    }
}

/// The factors of landscape `index` of `seed`, without drawing it.
pub fn factors(seed: u64, index: u64) -> Factors {
    draw(&mut Stream::new(seed, index))
}

fn draw(stream: &mut Stream) -> Factors {
    let biome = Biome::ALL[(stream.bits() % Biome::ALL.len() as u64) as usize];
    Factors {
        biome,
        sun_x: stream.between(0.1, 0.9),
        sun_height: stream.unit(),
        cloudiness: stream.unit(),
        horizon: stream.between(0.5, 0.66),
        ridge_height: stream.between(0.08, 0.42),
        ridge_roughness: stream.unit(),
        ridges: 2 + (stream.bits() % 3) as u32,
        haze: stream.unit(),
    }
}

/// Draws landscape `index` of `seed`: RGB8 `[size, size, 3]`, and its factors.
///
/// The scene is the same at every size, up to detail finer than a pixel.
///
/// # Panics
/// If `size` is 0.
pub fn landscape(seed: u64, index: u64, size: u32) -> (Vec<u8>, Factors) {
    assert!(size > 0, "landscape: size 0");
    let mut stream = Stream::new(seed, index);
    let factors = draw(&mut stream);
    let scene = Scene::new(factors, &mut stream, size);
    let mut sums = vec![[0.0; 3]; (size * size) as usize];
    // four samples per pixel, on a rotated grid; each layer softens its own edges
    const SAMPLES: [(f32, f32); 4] = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];
    for x in 0..size {
        for (dx, dy) in SAMPLES {
            let column = scene.column((x as f32 + dx) / size as f32);
            for y in 0..size {
                let light = scene.at(&column, (y as f32 + dy) / size as f32);
                // averaged after tone mapping: a bright sun does not spread beyond its disc
                let sum = &mut sums[(y * size + x) as usize];
                *sum = noise::plus(*sum, light.map(tone));
            }
        }
    }
    let bytes = |sum: [f32; 3]| sum.map(|c| (c * (255.0 / SAMPLES.len() as f32) + 0.5) as u8);
    (sums.into_iter().flat_map(bytes).collect(), factors)
}

/// Tone mapping from linear light: linear up to a shoulder, which ends at 1, then gamma 2.
fn tone(light: f32) -> f32 {
    let bent = if light < 0.7 { light.max(0.0) } else { 1.0 - 0.09 / (light - 0.4) };
    bent.sqrt()
}
