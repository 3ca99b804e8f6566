//! The share of samples in which a probe sees the class that was asked for.
//! Read this for what the probe has learned.
//!
//! The probe is a linear classifier of the features of pictures, of their squares, and of how often each colour is in the
//! middle and around it. It learns from the training pictures and from copies of them that are blurred: a probe that knows
//! sharp pictures alone judges sharpness, and little else.

use std::fmt;

use serde::Serialize;

use super::features::FEATURES;
use super::judge::{Judge, Pictures};
use super::refused;
use crate::data::{self, Resize};
use crate::error::Result;
use crate::generate;
use crate::metrics::Classifier;

/// Pictures that the probe learns from, and is tried on, at most.
const MAX_PICTURES: usize = 4000;
/// Reductions that the probe's blurred pictures went through.
const REDUCTIONS: [u32; 2] = [2, 4];
/// Levels of a colour channel in a histogram.
const LEVELS: usize = 4;
/// Colours of a histogram.
const COLOURS: usize = LEVELS * LEVELS * LEVELS;
/// Columns of the probe: features, their squares, and two histograms.
const COLUMNS: usize = 2 * FEATURES + 2 * COLOURS;

/// Shares of pictures in which the probe sees their own class, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// number of classes
    pub classes: usize,
    /// samples of each class
    pub samples: u32,
    /// samples of the flow
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<f64>,
    /// weight of the class in the flow
    pub guidance: f32,
    /// samples of the Gaussians of classes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitted: Option<f64>,
    /// yardstick: the real pictures that sets are compared with
    pub real: f64,
    /// these pictures, made smaller by 4 and larger again
    pub blurred: f64,
}

impl Agreement {
    /// The sets in the order of the reports.
    pub fn rows(&self) -> Vec<(&'static str, f64)> {
        let rows = [
            ("of the fitted prior", self.fitted),
            ("of the flow", self.flow),
            ("real pictures", Some(self.real)),
            ("blurred", Some(self.blurred)),
        ];
        rows.into_iter().filter_map(|(name, share)| Some((name, share?))).collect()
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:22} {:>12}  of {} a probe sees", "class as asked for", "share", self.classes)?;
        self.rows().into_iter().try_for_each(|(name, share)| writeln!(f, "{name:22} {share:>12.3}"))
    }
}

/// A classifier of pictures.
pub(super) struct Probe {
    classifier: Classifier,
    /// edge of its pictures in pixels
    size: usize,
    pub(super) real: f64,
    pub(super) blurred: f64,
}

impl Probe {
    /// Trains the probe on the judge's training pictures, and tries it on the compared ones. `None` if there are no pictures
    /// of these classes.
    pub(super) fn train(judge: &mut Judge, size: usize, classes: &[String]) -> Result<Option<Self>> {
        let (training, labels) = of_classes(&judge.training, classes);
        let (compared, own) = of_classes(&judge.compared, classes);
        if training.is_empty() || compared.is_empty() {
            return Ok(None);
        }
        let (mut table, mut all) = (columns(judge, &training, size)?, labels.clone());
        for reduction in REDUCTIONS {
            table.extend(columns(judge, &blurred(&training, size, reduction), size)?);
            all.extend(&labels);
        }
        let classifier = Classifier::fit(&table, &all, COLUMNS, classes.len()).map_err(refused)?;
        let mut probe = Self { classifier, size, real: 0.0, blurred: 0.0 };
        probe.real = probe.agreement(judge, &compared, &own)?;
        probe.blurred = probe.agreement(judge, &blurred(&compared, size, REDUCTIONS[1]), &own)?;
        Ok(Some(probe))
    }

    /// The share of pictures, RGB8 `[size, size, 3]`, in which the probe sees the class of their label.
    pub(super) fn agreement(&self, judge: &mut Judge, pictures: &[Vec<u8>], labels: &[u32]) -> Result<f64> {
        Ok(self.classifier.accuracy(&columns(judge, pictures, self.size)?, labels))
    }
}

/// The pictures of these classes with their labels; of more than [`MAX_PICTURES`], evenly spaced ones.
fn of_classes(all: &Pictures, classes: &[String]) -> (Vec<Vec<u8>>, Vec<u32>) {
    let known = all.rgb.iter().zip(&all.classes);
    let known: Vec<(&Vec<u8>, u32)> =
        known.filter_map(|(rgb, name)| Some((rgb, generate::label_of(classes, name)?))).collect();
    data::evenly(known.len(), MAX_PICTURES).map(|at| (known[at].0.clone(), known[at].1)).unzip()
}

fn blurred(pictures: &[Vec<u8>], size: usize, reduction: u32) -> Vec<Vec<u8>> {
    let (size, less) = (size as u32, size as u32 / reduction);
    let blur = |rgb: &Vec<u8>| {
        let small = data::resize_rgb(rgb, size, size, less, Resize::Stretch);
        data::resize_rgb(&small, less, less, size, Resize::Stretch)
    };
    pictures.iter().map(blur).collect()
}

/// The columns of each picture: `[N, COLUMNS]`.
fn columns(judge: &mut Judge, pictures: &[Vec<u8>], size: usize) -> Result<Vec<f64>> {
    let features = judge.standardised(pictures)?;
    let of = |(picture, row): (&Vec<u8>, &[f64])| {
        // a square has variance 2 if a feature is normal
        let squares = row.iter().map(|x| (x * x - 1.0) * std::f64::consts::FRAC_1_SQRT_2);
        row.iter().copied().chain(squares).chain(colours(picture, size)).collect::<Vec<_>>()
    };
    Ok(pictures.iter().zip(features.chunks(FEATURES)).flat_map(of).collect())
}

/// The roots of the shares of each colour in the middle of a picture, half as wide, and around it. Roots, so that rare colours
/// count (Hellinger's distance).
fn colours(picture: &[u8], size: usize) -> Vec<f64> {
    let middle = size / 4..size - size / 4;
    let (mut counts, mut sums) = ([[0.0; COLOURS]; 2], [0.0f64; 2]);
    for (at, rgb) in picture.as_chunks::<3>().0.iter().enumerate() {
        let around = usize::from(!(middle.contains(&(at % size)) && middle.contains(&(at / size))));
        let level = |channel: u8| usize::from(channel) * LEVELS / 256;
        counts[around][(level(rgb[0]) * LEVELS + level(rgb[1])) * LEVELS + level(rgb[2])] += 1.0;
        sums[around] += 1.0;
    }
    // equal shares are at 1, none at 0
    let root = |(count, sum): (f64, f64)| (count * COLOURS as f64 / sum.max(1.0)).sqrt();
    let all = counts.iter().zip(sums).flat_map(|(counts, sum)| counts.iter().map(move |count| (*count, sum)));
    all.map(root).collect()
}
