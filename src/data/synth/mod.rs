//! Procedural landscapes: a data set without files, whose pictures are known down to their factors.
//!
//! A scene is a function of `(seed, index)` and of a place in the picture, in linear light and without regard
//! to pixels; [`landscape`] samples it at any size. The same bytes come out on every platform (see `noise`).

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

/// Raised whenever the pictures change; part of a [`super::Source`]'s fingerprint.
pub const VERSION: u32 = 1;

/// What the foreground is.
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
    /// All of them; a biome's place here is its label.
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

/// What distinguishes one landscape from another, apart from the shapes of the noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// The foreground.
    pub biome: Biome,
    /// Where the sun stands from left to right, 0.1 to 0.9 of the width.
    pub sun_x: f32,
    /// How high it stands: 0 is dusk, at the horizon, 1 is day, above the picture's edge.
    pub sun_height: f32,
    /// How much of the sky clouds cover, 0 to 1.
    pub cloudiness: f32,
    /// Where the horizon lies, 0.5 to 0.66 of the height, from the top.
    pub horizon: f32,
    /// Height of the farthest ridge, 0.08 to 0.42 of the picture's height.
    pub ridge_height: f32,
    /// How jagged the ridges are, 0 (hills) to 1 (peaks).
    pub ridge_roughness: f32,
    /// How many ridges stand behind each other, 2 to 4.
    pub ridges: u32,
    /// How much air lies between them, 0 (clear) to 1 (mist).
    pub haze: f32,
}

impl Factors {
    /// Their names, in the order of [`Factors::values`] and of the columns of written landscapes' tables.
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

    /// All of them as numbers, the biome as its label.
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

/// Draws landscape `index` of `seed`: RGB8 `[size, size, 3]`, and what it shows.
///
/// The same scene at every size, up to detail finer than a pixel.
///
/// # Panics
/// When `size` is 0.
pub fn landscape(seed: u64, index: u64, size: u32) -> (Vec<u8>, Factors) {
    assert!(size > 0, "landscape: size 0");
    let mut stream = Stream::new(seed, index);
    let factors = draw(&mut stream);
    let scene = Scene::new(factors, &mut stream, size);
    let mut sums = vec![[0.0; 3]; (size * size) as usize];
    // four samples a pixel, on a rotated square; edges between layers are softened by the layers themselves
    const SAMPLES: [(f32, f32); 4] = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];
    for x in 0..size {
        for (dx, dy) in SAMPLES {
            let column = scene.column((x as f32 + dx) / size as f32);
            for y in 0..size {
                let light = scene.at(&column, (y as f32 + dy) / size as f32);
                // averaged as the screen shows it: a bright sun does not outgrow its disc
                let sum = &mut sums[(y * size + x) as usize];
                *sum = noise::plus(*sum, light.map(tone));
            }
        }
    }
    let bytes = |sum: [f32; 3]| sum.map(|c| (c * (255.0 / SAMPLES.len() as f32) + 0.5) as u8);
    (sums.into_iter().flat_map(bytes).collect(), factors)
}

/// From linear light to the screen: linear up to a shoulder, which ends at 1, then gamma 2.
fn tone(light: f32) -> f32 {
    let bent = if light < 0.7 { light.max(0.0) } else { 1.0 - 0.09 / (light - 0.4) };
    bent.sqrt()
}
