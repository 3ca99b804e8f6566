//! The measures of an evaluation, as a table and as JSON.
//! Read this to add a measure to the output.

use std::fmt;

use serde::Serialize;

use super::agreement::Agreement;
use super::likeness::Features;
use super::scores::Scores;

/// Sliced Wasserstein distances between two sets of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distances {
    /// on whole pictures, each a vector of values in 0..=1
    pub pixels: f64,
    /// on normalized 7 x 7 patches of the Laplacian pyramid, averaged over its levels
    pub pyramid: f64,
}

/// Measures of a model on a set of pictures; means over the pictures unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// number of pictures
    pub pictures: usize,
    /// likelihood of pixels that the model was trained with
    pub loss: &'static str,
    /// negative log-likelihood under draws from q(z|x), nats per picture
    pub nll: f64,
    /// KL divergence from N(0, I), nats per picture
    pub kl: f64,
    /// `-(nll + kl)`: the bound that training maximizes with beta 1
    pub elbo: f64,
    /// (nll + kl) in bits per value for pixels that are continuous values from 0 to 1, if the likelihood is a density
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_value: Option<f64>,
    /// bits per dimension of 8-bit pixels: 8 more, because the probability of one of 256 values is the density times 1/256
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_dim: Option<f64>,
    /// importance-weighted bound; except for noise, at least the ELBO
    pub iwae: f64,
    /// draws per picture of the importance-weighted bound
    pub draws: u32,
    /// mean square error of reconstructions from the means
    pub mse: f64,
    /// PSNR of these reconstructions, in dB
    pub psnr: f64,
    /// SSIM of these reconstructions
    pub ssim: f64,
    /// MS-SSIM of these reconstructions
    pub ms_ssim: f64,
    /// number of dimensions whose means have a variance above 0.01
    pub active_units: usize,
    /// Z, the latent dimensions
    pub dims: usize,
    /// KL divergence from N(0, I) of the Gaussian with the aggregate posterior's moments, in nats
    pub mismatch: f64,
    /// KL divergence of each dimension, nats per picture
    pub kl_per_dimension: Vec<f64>,
    /// distances between halves of the real pictures; `None` for fewer than four
    pub floor: Option<Distances>,
    /// distances of samples from N(0, I) to the real pictures
    pub normal: Distances,
    /// distances of samples from the fitted prior
    pub fitted: Option<Distances>,
    /// distances of samples from the flow
    pub flow: Option<Distances>,
    /// likeness of the samples to the real pictures, on the features of a network
    pub features: Option<Features>,
    /// share of samples in which a probe sees the class that was asked for, for priors with classes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// disentanglement scores, for pictures with known factors
    pub scores: Option<Scores>,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// name of the measure
    pub name: &'static str,
    /// value with its digits
    pub value: String,
    /// unit or description
    pub what: String,
}

impl Evaluation {
    /// The measures as table rows.
    pub fn rows(&self) -> Vec<Row> {
        let row = |name, value: String, what: &str| Row { name, value, what: what.to_owned() };
        let bce = self.loss == "bce";
        let name = if bce { "BCE" } else { "NLL" };
        let density = if bce { ", no density" } else { "" };
        let bits: Vec<Row> = [
            ("bits per value", self.bits_per_value, "of values from 0 to 1; lower is better"),
            ("bits per dimension", self.bits_per_dim, "of 8-bit pixels: bits per value + 8; lower is better"),
        ]
        .into_iter()
        .filter_map(|(name, bits, what)| Some(row(name, format!("{:.4}", bits?), what)))
        .collect();
        let rows = vec![
            row("pictures", self.pictures.to_string(), ""),
            row(
                name,
                format!("{:.2}", self.nll),
                &format!("nats per picture, z drawn from q(z|x) ({}{density}); lower is better", self.loss),
            ),
            row("KL", format!("{:.3}", self.kl), "nats per picture, from N(0, I)"),
            row("ELBO", format!("{:.2}", self.elbo), &format!("-({name} + KL); higher is better")),
            row(
                "IWAE bound",
                format!("{:.2}", self.iwae),
                &format!("of {} draws; higher is better", self.draws),
            ),
            row("MSE", format!("{:.5}", self.mse), "of reconstructions from the means; lower is better"),
            row("PSNR", format!("{:.2}", self.psnr), "dB; higher is better"),
            row("SSIM", format!("{:.4}", self.ssim), "at most 1; higher is better"),
            row("MS-SSIM", format!("{:.4}", self.ms_ssim), "at most 1; higher is better"),
            row(
                "active units",
                format!("{} of {}", self.active_units, self.dims),
                "dimensions whose means vary by more than 0.01",
            ),
            row(
                "aggregate mismatch",
                format!("{:.2}", self.mismatch),
                "nats, of the latents' moments from N(0, I); lower is better",
            ),
        ];
        // after the ELBO, from which they are computed
        let at = rows.iter().position(|row| row.name == "ELBO").map_or(0, |at| at + 1);
        let (before, after) = rows.split_at(at);
        [before, &bits, after].concat()
    }

    /// The distances of samples to the pictures, and the noise floor.
    pub fn distances(&self) -> Vec<(&'static str, Distances)> {
        let rows = [
            ("samples of N(0, I)", Some(self.normal)),
            ("of the fitted prior", self.fitted),
            ("of the flow", self.flow),
            ("halves of the pictures", self.floor),
        ];
        rows.into_iter().filter_map(|(name, distances)| Some((name, distances?))).collect()
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { name, value, what } in self.rows() {
            writeln!(f, "{name:22} {value:>12}  {what}")?;
        }
        writeln!(
            f,
            "\n{:22} {:>12} {:>12}  sliced Wasserstein distance; lower is better",
            "to the pictures", "pixels", "pyramid"
        )?;
        for (name, distances) in self.distances() {
            writeln!(f, "{name:22} {:>12.4} {:>12.4}", distances.pixels, distances.pyramid)?;
        }
        if let Some(features) = &self.features {
            write!(f, "\n{features}")?;
        }
        if let Some(agreement) = &self.agreement {
            write!(f, "\n{agreement}")?;
        }
        if let Some(scores) = &self.scores {
            write!(f, "\n{scores}")?;
        }
        Ok(())
    }
}
