//! Samples of each prior: drawn, and compared with the real pictures.
//! Read this for the sets behind the distances.

use super::agreement::{Agreement, Probe};
use super::gallery::{self, SampleSet};
use super::judge::Judge;
use super::likeness::Likeness;
use super::{Distances, Priors, Settings, floats, refused};
use crate::data;
use crate::error::Result;
use crate::generate::Prior;
use crate::metrics::{self, Slicing};
use crate::model::Vae;
use crate::model::flow::FlowSampling;

/// Patches per picture for the pyramid distance.
const PATCHES: usize = 64;
/// Number of random halvings of the real pictures for the noise floor.
const SPLITS: usize = 4;
/// Least number of samples, unless the user says otherwise.
const LEAST: u32 = 200;
/// Least number of samples of a class.
const LEAST_OF_CLASS: u32 = 10;

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
    /// numbers of samples of each class of the flow, if it has classes
    pub shares: Vec<u32>,
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
        let of_classes = matches!(prior, Prior::Flow(_)) && !self.shares.is_empty();
        let mut samples = if of_classes {
            draw_classes(vae, (prior, &self.shares), seed, progress)?
        } else {
            draw(vae, prior, count, seed, progress)?
        };
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
                Prior::Fitted(..) => "Samples of the fitted prior",
                Prior::Flow(_) => "Samples of the flow",
            };
            Some(SampleSet { heading, pictures: samples, neighbours: neighbours.unwrap_or_default() })
        } else {
            None
        };
        Ok(Measured { distances, likeness, shown })
    }

    /// The shares of samples in which a probe sees the class that was asked for. `None` if no prior has classes, or there
    /// are no real pictures of them.
    pub(super) fn agreement(
        &mut self,
        vae: &mut Vae,
        priors: &Priors<'_>,
        progress: &mut dyn FnMut(&'static str, usize, usize),
    ) -> Result<Option<Agreement>> {
        let flow = priors.flow.filter(|classes| !classes.is_empty());
        let fitted = priors.fitted.filter(|fitted| !fitted.classes.is_empty());
        let Some(classes) = flow.or(fitted.map(|fitted| fitted.classes.as_slice())) else { return Ok(None) };
        let Some(judge) = &mut self.judge else { return Ok(None) };
        progress("training the class probe", 0, 0);
        let Some(probe) = Probe::train(judge, self.size, classes)? else { return Ok(None) };
        let each = (self.count / classes.len() as u32).max(LEAST_OF_CLASS);
        let seed = self.settings.seed;
        let mut measured = |prior: Prior<'_>| -> Result<f64> {
            let (mut samples, mut labels) = (Vec::new(), Vec::new());
            for label in 0..classes.len() as u32 {
                samples.extend(draw(vae, prior.of_class(label), each, seed, &mut *progress)?);
                labels.extend((0..each).map(|_| label));
            }
            probe.agreement(judge, &samples, &labels)
        };
        let same = fitted.filter(|fitted| fitted.classes == classes);
        let fitted = same.map(|fitted| measured(Prior::Fitted(fitted, None))).transpose()?;
        let flow = flow.map(|_| measured(Prior::Flow(None))).transpose()?;
        Ok(Some(Agreement {
            classes: classes.len(),
            samples: each,
            flow,
            guidance: FlowSampling::GUIDANCE,
            fitted,
            real: probe.real,
            blurred: probe.blurred,
        }))
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

/// The Frechet distance of samples of classes to the judge's real pictures; `shares` are the numbers of samples of each class.
///
/// # Errors
/// If the device is lost, there are fewer than four samples, or a feature is not finite.
pub fn distance_of_classes(
    judge: &mut Judge,
    vae: &mut Vae,
    (prior, shares): (Prior<'_>, &[u32]),
    progress: &mut dyn FnMut(&'static str, usize, usize),
) -> Result<f64> {
    let samples = draw_classes(vae, (prior, shares), 0, progress)?;
    Ok(judge.samples(&samples, 0)?.0.frechet)
}

/// `samples` in the proportions of these pictures' classes, by the largest remainders: a number for each of `classes`. All
/// zero if no picture has such a class.
pub fn shares(of_pictures: &[String], classes: &[String], samples: usize) -> Vec<u32> {
    let of = |class: &String| of_pictures.iter().filter(|name| *name == class).count();
    let counts: Vec<usize> = classes.iter().map(of).collect();
    let all: usize = counts.iter().sum();
    if all == 0 {
        return vec![0; classes.len()];
    }
    let mut shares: Vec<u32> = counts.iter().map(|count| (count * samples / all) as u32).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(counts[at] * samples % all));
    let left = samples - shares.iter().sum::<u32>() as usize;
    order.into_iter().take(left).for_each(|at| shares[at] += 1);
    shares
}

/// Samples of classes, RGB8 `[S, S, 3]`: one of each class after the other, as long as there are more.
fn draw_classes(
    vae: &mut Vae,
    (prior, shares): (Prior<'_>, &[u32]),
    seed: u64,
    progress: &mut dyn FnMut(&'static str, usize, usize),
) -> Result<Vec<Vec<u8>>> {
    let mut numbered = Vec::new();
    for (label, &count) in (0..).zip(shares) {
        let samples = draw(vae, prior.of_class(label), count, seed, progress)?;
        numbered.extend(samples.into_iter().enumerate());
    }
    numbered.sort_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, sample)| sample).collect())
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

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn shares_are_proportional_and_sum_up() {
        let pictures: Vec<String> = ["a", "b", "a", "c", "a", "", "a", "b"].map(str::to_owned).to_vec();
        let classes: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        // 4, 2, 1 and 0 of 7
        assert_eq!(shares(&pictures, &classes, 14), [8, 4, 2, 0]);
        assert_eq!(shares(&pictures, &classes, 10), [6, 3, 1, 0]);
        assert_eq!(shares(&pictures, &classes[3..], 10), [0]);
    }
}
