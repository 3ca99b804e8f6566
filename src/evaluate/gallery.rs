//! The pictures of an evaluation that say more than its figures.

use crate::data::rgb_of;
use crate::error::Result;
use crate::generate::{Encoded, Fitted};
use crate::metrics::Fidelity;
use crate::model::Vae;

/// Pictures of each end.
const PAIRS: usize = 8;
/// Samples of each prior.
const SAMPLES: u32 = 24;

/// A picture and its reconstruction, RGB8 `[S, S, 3]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// what the picture is called
    pub name: String,
    /// between the two
    pub mse: f64,
    /// as the model gets to see it
    pub original: Vec<u8>,
    /// from the mean of its latents
    pub recon: Vec<u8>,
}

/// What a model does best and worst, and what it draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Gallery {
    /// lowest mean square errors, the lowest first
    pub best: Vec<Pair>,
    /// highest, the highest first; none of the best
    pub worst: Vec<Pair>,
    /// samples of N(0, I)
    pub normal: Vec<Vec<u8>>,
    /// of the fitted prior
    pub fitted: Option<Vec<Vec<u8>>>,
}

/// Decodes what it shows again: to keep every reconstruction would take too much memory.
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
