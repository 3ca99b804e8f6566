//! Samples of each prior: drawn, and compared with the real pictures.
//! Read this for the sets behind the distances.

use super::gallery::{self, SampleSet};
use super::judge::Judge;
use super::likeness::Likeness;
use super::{Distances, Settings, floats, refused};
use crate::data;
use crate::error::Result;
use crate::generate::Prior;
use crate::metrics::{self, Slicing};
use crate::model::Vae;

/// Patches per picture for the pyramid distance.
const PATCHES: usize = 64;
/// Number of random halvings of the real pictures for the noise floor.
const SPLITS: usize = 4;
/// Least number of samples, unless the user says otherwise.
const LEAST: u32 = 200;

/// The figures of a prior's samples.
pub(super) struct Measured {
    pub distances: Distances,
    pub likeness: Option<Likeness>,
    /// for the gallery, if there is one
    pub shown: Option<SampleSet>,
}

/// The real pictures that samples are compared with, RGB8 `[size, size, 3]`.
pub(super) struct Comparison<'a> {
    pub real: &'a [Vec<u8>],
    pub size: usize,
    /// samples of each prior
    pub count: u32,
    pub settings: &'a Settings,
    pub judge: Option<Judge>,
}

impl Comparison<'_> {
    /// Draws samples of a prior and compares them.
    pub(super) fn measure(
        &mut self,
        vae: &mut Vae,
        prior: Prior<'_>,
        progress: &mut dyn FnMut(&'static str, usize, usize),
    ) -> Result<Measured> {
        let (count, seed) = (self.count, self.settings.seed);
        let mut samples = draw(vae, prior, count, seed, progress)?;
        progress("comparing samples with the pictures", 0, 0);
        let distances = between(&samples, self.real, self.size, seed)?;
        let judged = self.judge.as_mut().map(|judge| judge.samples(&samples, gallery::NEIGHBOURS));
        let (likeness, neighbours) = judged.transpose()?.unzip();
        let shown = if self.settings.gallery {
            if count < gallery::SAMPLES {
                samples = draw(vae, prior, gallery::SAMPLES, seed, progress)?;
            }
            samples.truncate(gallery::SAMPLES as usize);
            let heading = match prior {
                Prior::Normal => "Samples of N(0, I)",
                Prior::Fitted(_) => "Samples of the fitted prior",
                Prior::Flow(_) => "Samples of the flow",
            };
            Some(SampleSet { heading, pictures: samples, neighbours: neighbours.unwrap_or_default() })
        } else {
            None
        };
        Ok(Measured { distances, likeness, shown })
    }

    /// The noise floor: distances between halves of the real pictures. Smaller distances are not significant.
    pub(super) fn floor(&self) -> Result<Option<Distances>> {
        if self.real.len() < 4 {
            return Ok(None);
        }
        let real: Vec<Vec<f32>> = self.real.iter().map(|rgb| floats(rgb)).collect();
        let real: Vec<&[f32]> = real.iter().map(Vec::as_slice).collect();
        let seed = self.settings.seed;
        let distance = |a: &[&[f32]], b: &[&[f32]]| both(a, b, self.size, seed);
        let found = metrics::noise_floor(&real, SPLITS, seed, distance).map_err(refused)?;
        Ok(Some(Distances { pixels: found[0], pyramid: found[1] }))
    }
}

/// The number of samples to compare with this many pictures.
pub(super) fn count(settings: &Settings, pictures: usize) -> u32 {
    settings.samples.unwrap_or_else(|| (pictures as u32).max(LEAST))
}

/// The first `count` samples of a prior, RGB8 `[S, S, 3]`.
fn draw(
    vae: &mut Vae,
    prior: Prior<'_>,
    count: u32,
    seed: u64,
    progress: &mut dyn FnMut(&'static str, usize, usize),
) -> Result<Vec<Vec<u8>>> {
    let mut samples = Vec::new();
    for first in (0..count).step_by(vae.micro_batch() as usize) {
        progress("sampling", first as usize, count as usize);
        let range = first..count.min(first.saturating_add(vae.micro_batch()));
        let pictures = prior.draw(vae, range, (seed, 1.0))?;
        samples.extend(pictures.iter().map(|picture| data::rgb_of(picture)));
    }
    Ok(samples)
}

/// The sliced Wasserstein distances of samples to the pictures.
fn between(samples: &[Vec<u8>], real: &[Vec<u8>], size: usize, seed: u64) -> Result<Distances> {
    let [samples, real] = [samples, real].map(|set| set.iter().map(|rgb| floats(rgb)).collect::<Vec<_>>());
    let samples: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
    let real: Vec<&[f32]> = real.iter().map(Vec::as_slice).collect();
    let found = both(&real, &samples, size, seed).map_err(refused)?;
    Ok(Distances { pixels: found[0], pyramid: found[1] })
}

/// Both distances between two sets of pictures: of whole pictures, and of pyramid patches averaged over the levels.
fn both(a: &[&[f32]], b: &[&[f32]], size: usize, seed: u64) -> metrics::Result<Vec<f64>> {
    let slicing = Slicing { seed, ..Slicing::default() };
    let levels = metrics::patch_distances(a, b, size, PATCHES, slicing)?;
    let pyramid = levels.iter().sum::<f64>() / levels.len() as f64;
    Ok(vec![metrics::sliced_wasserstein(a, b, slicing)?, pyramid])
}
