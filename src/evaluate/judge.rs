//! The comparison of samples with real pictures on the features of a small network: Frechet distance, precision and
//! recall, and whether samples are copies of training pictures.
//! Read this for the sets that each figure compares.

use rayon::prelude::*;

use super::features::{self, FEATURES, FeatureNet};
use super::likeness::{Features, Likeness};
use super::refused;
use crate::data::{self, Reading};
use crate::error::Result;
use crate::generate::Input;
use crate::metrics::{self, NEIGHBOURS};
use crate::model::Device;

/// Training pictures that are read at most; a nearest one is looked for among these.
const MAX_TRAINING: usize = 20_000;
/// Default steps of the training of the feature network.
pub const FEATURE_STEPS: u32 = 400;
/// Pictures read at once.
const CHUNK: usize = 256;
/// Deviation below which a feature is constant, and left as it is.
const CONSTANT: f64 = 1e-9;
/// Sets of pictures with fewer have no precision and recall.
pub(super) const LEAST: usize = NEIGHBOURS + 1;

/// The feature network that a likeness is measured with.
pub struct FeatureSettings<'a> {
    /// device that trains it
    pub device: Device<'a>,
    /// steps of its training
    pub steps: u32,
    /// training pictures of the model; without them it is trained on half of the evaluated pictures
    pub training: Option<&'a [Input]>,
}

/// Pictures, and the names of their classes.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    /// RGB8 `[size, size, 3]` each
    pub rgb: Vec<Vec<u8>>,
    /// a name for each, or an empty one
    pub classes: Vec<String>,
}

impl Pictures {
    /// Every second picture, from the first or the second one on.
    fn half(&self, odd: usize) -> Self {
        Self {
            rgb: self.rgb.iter().skip(odd).step_by(2).cloned().collect(),
            classes: self.classes.iter().skip(odd).step_by(2).cloned().collect(),
        }
    }

    /// Training pictures in a random order, at most 20,000. Those that cannot be read are left out.
    pub(super) fn read(
        all: &[Input],
        (size, how): (usize, Reading),
        progress: &mut dyn FnMut(&'static str, usize, usize),
    ) -> Self {
        let order = data::order(0, 0, all.len());
        let chosen: Vec<&Input> = order.iter().take(MAX_TRAINING).map(|&at| &all[at as usize]).collect();
        let mut pictures = Self::default();
        for (chunk, some) in chosen.chunks(CHUNK).enumerate() {
            progress("reading training pictures", CHUNK * chunk, chosen.len());
            let load =
                |input: &&Input| Some((input.location.load(size as u32, how).ok()?, input.class.clone()));
            let read: Vec<_> = some.par_iter().map(load).collect();
            for (rgb, class) in read.into_iter().flatten() {
                pictures.rgb.push(rgb);
                pictures.classes.push(class);
            }
        }
        pictures
    }
}

/// A real picture beside a sample, with the distance of their features.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// RGB8 `[S, S, 3]`
    pub picture: Vec<u8>,
    /// distance of its features from the sample's
    pub distance: f64,
}

/// A sample with its nearest training picture, if these are at hand, and the nearest of the evaluated pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// RGB8 `[S, S, 3]`
    pub sample: Vec<u8>,
    /// nearest training picture
    pub training: Option<Near>,
    /// nearest of the compared pictures
    pub held_out: Near,
}

/// The feature network, and the features of all real pictures.
pub struct Judge {
    net: FeatureNet,
    steps: u32,
    /// the pictures that the network was trained on
    pub(super) training: Pictures,
    training_pictures: bool,
    training_table: Vec<f64>,
    pub(super) compared: Pictures,
    table: Vec<f64>,
    /// mean and deviation of each feature over the compared pictures
    standard: Vec<[f64; 2]>,
}

impl Judge {
    /// Trains the network for `steps` on `training`, else on half of `real`, and computes the features of the real
    /// pictures, which have `size` pixels along each edge. The inner `Err` is the reason why there is no likeness: too few
    /// pictures.
    ///
    /// # Errors
    /// If the device is lost, or the network diverges.
    pub fn new(
        (device, steps): (Device<'_>, u32),
        size: usize,
        (training, real): (Pictures, Pictures),
        progress: &mut dyn FnMut(&'static str, usize, usize),
    ) -> Result<std::result::Result<Self, String>> {
        let training_pictures = training.rgb.len() >= LEAST;
        let all = real.rgb.len();
        let (training, compared) =
            if training_pictures { (training, real) } else { (real.half(1), real.half(0)) };
        if training.rgb.len() < LEAST || compared.rgb.len() < LEAST {
            return Ok(Err(format!("{all} pictures are too few")));
        }
        let mut told = |done, all| progress("training the feature network", done, all);
        let net = FeatureNet::train(device, (size, &training.rgb), steps, &mut told)?;
        let mut judge = Self {
            net,
            steps,
            training,
            training_pictures,
            training_table: Vec::new(),
            compared,
            table: Vec::new(),
            standard: Vec::new(),
        };
        progress("computing features", 0, 0);
        judge.table = judge.net.features(&judge.compared.rgb)?;
        judge.standard = standard(&judge.table);
        standardise(&mut judge.table, &judge.standard);
        judge.training_table = judge.net.features(&judge.training.rgb)?;
        standardise(&mut judge.training_table, &judge.standard);
        Ok(Ok(judge))
    }

    /// The features of pictures, RGB8 `[size, size, 3]`, relative to those of the compared pictures: `[N, FEATURES]`.
    pub(super) fn standardised(&mut self, pictures: &[Vec<u8>]) -> Result<Vec<f64>> {
        let mut table = self.net.features(pictures)?;
        standardise(&mut table, &self.standard);
        Ok(table)
    }

    /// The likeness of samples, RGB8 `[size, size, 3]`, and the first `shown` of them with their neighbours.
    ///
    /// # Errors
    /// If the device is lost, there are not more samples than neighbours, or a feature is not finite.
    pub fn samples(&mut self, samples: &[Vec<u8>], shown: usize) -> Result<(Likeness, Vec<Neighbours>)> {
        let table = self.standardised(samples)?;
        let near = |set: &[f64]| metrics::nearest(&table, set, FEATURES).map_err(refused);
        let held_out = near(&self.table)?;
        let training = if self.training_pictures { Some(near(&self.training_table)?) } else { None };
        let near =
            |set: &[Vec<u8>], (at, distance): (usize, f64)| Near { picture: set[at].clone(), distance };
        let neighbours = samples.iter().enumerate().take(shown).map(|(at, sample)| Neighbours {
            sample: sample.clone(),
            training: training.as_ref().map(|found| near(&self.training.rgb, found[at])),
            held_out: near(&self.compared.rgb, held_out[at]),
        });
        let neighbours = neighbours.collect();
        let near = training.map(|training| ratio(&training, &held_out));
        Ok((self.likeness(&table, near)?, neighbours))
    }

    /// The likeness of at most `count` real pictures that are not compared with.
    ///
    /// # Errors
    /// As [`Judge::samples`].
    pub fn real(&self, count: usize) -> Result<Likeness> {
        let table = &self.training_table[..FEATURES * count.min(self.training.rgb.len())];
        let ratio = if self.training_pictures {
            let training = metrics::nearest(&self.table, &self.training_table, FEATURES).map_err(refused)?;
            let others = metrics::nearest_other(&self.table, FEATURES).map_err(refused)?;
            Some(ratio(&training, &others))
        } else {
            None
        };
        self.likeness(table, ratio)
    }

    fn likeness(&self, table: &[f64], near: Option<[f64; 2]>) -> Result<Likeness> {
        let frechet = metrics::frechet_distance(&self.table, table, FEATURES).map_err(refused)?;
        let both = metrics::precision_recall(&self.table, table, FEATURES, NEIGHBOURS).map_err(refused)?;
        let [nearest_ratio, nearest_training] = near.map_or([None; 2], |near| near.map(Some));
        Ok(Likeness {
            frechet,
            precision: both.precision,
            recall: both.recall,
            nearest_ratio,
            nearest_training,
        })
    }

    /// The report, from the likeness of `count` samples of each prior.
    pub(super) fn report(&self, count: u32, found: [Option<Likeness>; 3]) -> Result<Option<Features>> {
        let [Some(normal), fitted, flow] = found else { return Ok(None) };
        Ok(Some(Features {
            network: features::network(),
            steps: self.steps,
            trained_on: self.training.rgb.len(),
            training_pictures: self.training_pictures,
            compared: self.compared.rgb.len(),
            normal,
            fitted,
            flow,
            real: self.real(count as usize)?,
        }))
    }
}

/// The medians of the distance to a training picture over that to a real picture, and of the former.
fn ratio(training: &[(usize, f64)], real: &[(usize, f64)]) -> [f64; 2] {
    // equal pictures are as near to each other
    let one = |((_, a), (_, b)): (&(usize, f64), &(usize, f64))| if a == b { 1.0 } else { a / b };
    let median = |mut values: Vec<f64>| {
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f64::total_cmp).1
    };
    let ratios = training.iter().zip(real).map(one).collect();
    [median(ratios), median(training.iter().map(|(_, distance)| *distance).collect())]
}

/// Mean and deviation of each feature.
fn standard(table: &[f64]) -> Vec<[f64; 2]> {
    let of = |feature: usize| {
        let (mean, variance) = metrics::moments(table[feature..].iter().step_by(FEATURES).copied());
        let deviation = variance.sqrt();
        [mean, if deviation > CONSTANT { deviation } else { 1.0 }]
    };
    (0..FEATURES).map(of).collect()
}

fn standardise(table: &mut [f64], standard: &[[f64; 2]]) {
    for row in table.chunks_exact_mut(FEATURES) {
        row.iter_mut()
            .zip(standard)
            .for_each(|(value, [mean, deviation])| *value = (*value - mean) / deviation);
    }
}
