//! The gallery of an evaluation: best and worst reconstructions, samples, and the real pictures nearest to samples.
//! Read this to add pictures to the HTML report.

use super::judge::Neighbours;
use crate::data::rgb_of;
use crate::error::Result;
use crate::generate::Encoded;
use crate::metrics::Fidelity;
use crate::model::Vae;

/// Number of best pairs, and of worst pairs.
const PAIRS: usize = 8;
/// Number of samples per prior.
pub(super) const SAMPLES: u32 = 24;
/// Number of samples per prior that are shown with the nearest real pictures.
pub(super) const NEIGHBOURS: usize = 8;

/// A picture and its reconstruction, RGB8 `[S, S, 3]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// name of the picture
    pub name: String,
    /// mean square error between the two
    pub mse: f64,
    /// picture as the model sees it
    pub original: Vec<u8>,
    /// reconstruction from the mean of its latents
    pub recon: Vec<u8>,
}

/// Samples of a prior.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSet {
    /// heading with the prior
    pub heading: &'static str,
    /// the samples, RGB8 `[S, S, 3]`
    pub pictures: Vec<Vec<u8>>,
    /// the first of them with the nearest real pictures, if their likeness was measured
    pub neighbours: Vec<Neighbours>,
}

/// Best and worst reconstructions of a model, and samples of its priors.
#[derive(Debug, Clone, PartialEq)]
pub struct Gallery {
    /// pairs with the lowest mean square errors, ascending
    pub best: Vec<Pair>,
    /// pairs with the highest, descending; disjoint from the best
    pub worst: Vec<Pair>,
    /// samples of each prior
    pub samples: Vec<SampleSet>,
}

/// The best and the worst pairs. Decodes the shown pictures again: keeping every reconstruction would take too much memory.
pub(super) fn pairs(
    vae: &mut Vae,
    (encoded, originals, fidelity): (&Encoded, &[Vec<u8>], &[Fidelity]),
) -> Result<[Vec<Pair>; 2]> {
    let mut order: Vec<usize> = (0..fidelity.len()).collect();
    order.sort_by(|&a, &b| fidelity[a].mse.total_cmp(&fidelity[b].mse));
    let worst = order.len().div_ceil(2).max(order.len().saturating_sub(PAIRS));
    let (best, worst) = order.split_at(worst);
    let best: Vec<usize> = best.iter().copied().take(PAIRS).collect();
    let worst: Vec<usize> = worst.iter().rev().copied().collect();
    let mut pairs = |which: &[usize]| -> Result<Vec<Pair>> {
        let dims = encoded.dims;
        let z: Vec<f32> =
            which.iter().flat_map(|&at| &encoded.mu[at * dims..(at + 1) * dims]).copied().collect();
        let recon = vae.decode_rgba(&z)?;
        let pair = |(&at, recon): (&usize, &Vec<u32>)| Pair {
            name: encoded.names[at].clone(),
            mse: fidelity[at].mse,
            original: originals[at].clone(),
            recon: rgb_of(recon),
        };
        Ok(which.iter().zip(&recon).map(pair).collect())
    };
    Ok([pairs(&best)?, pairs(&worst)?])
}
