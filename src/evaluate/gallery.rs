//! The gallery of an evaluation: best and worst reconstructions, and samples.
//! Read this to add pictures to the HTML report.

use crate::data::rgb_of;
use crate::error::Result;
use crate::generate::{Encoded, Fitted};
use crate::metrics::Fidelity;
use crate::model::Vae;

/// Number of best pairs, and of worst pairs.
const PAIRS: usize = 8;
/// Number of samples per prior.
const SAMPLES: u32 = 24;

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

/// Best and worst reconstructions of a model, and samples of its priors.
#[derive(Debug, Clone, PartialEq)]
pub struct Gallery {
    /// pairs with the lowest mean square errors, ascending
    pub best: Vec<Pair>,
    /// pairs with the highest, descending; disjoint from the best
    pub worst: Vec<Pair>,
    /// samples of N(0, I)
    pub normal: Vec<Vec<u8>>,
    /// samples of the fitted prior
    pub fitted: Option<Vec<Vec<u8>>>,
}

/// Decodes the shown pictures again: keeping every reconstruction would take too much memory.
pub(super) fn gallery(
    vae: &mut Vae,
    (encoded, originals, fidelity): (&Encoded, &[Vec<f32>], &[Fidelity]),
    fitted: Option<&Fitted>,
    seed: u64,
) -> Result<Gallery> {
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
            original: originals[at].iter().map(|value| (value * 255.0).round() as u8).collect(),
            recon: rgb_of(recon),
        };
        Ok(which.iter().zip(&recon).map(pair).collect())
    };
    let (best, worst) = (pairs(&best)?, pairs(&worst)?);
    let bytes = |pictures: Vec<Vec<u32>>| pictures.iter().map(|picture| rgb_of(picture)).collect::<Vec<_>>();
    let normal = bytes(vae.sample(SAMPLES, seed, 1.0)?);
    let fitted = match fitted {
        Some(prior) => Some(bytes(vae.decode_rgba(&prior.draw(SAMPLES, seed, 1.0))?)),
        None => None,
    };
    Ok(Gallery { best, worst, normal, fitted })
}
