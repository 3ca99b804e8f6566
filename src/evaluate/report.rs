//! What an evaluation found, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::scores::Scores;

/// Sliced Wasserstein distances between two sets of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distances {
    /// on whole pictures, each one vector of values in 0..=1
    pub pixels: f64,
    /// on normalised 7 x 7 patches of the Laplacian pyramid, the mean of its levels
    pub pyramid: f64,
}

/// The measures of a model on a set of pictures; means over the pictures where not said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// how many
    pub pictures: usize,
    /// the likelihood of pixels that the model was trained with
    pub loss: &'static str,
    /// negative log-likelihood of draws, nats per picture
    pub nll: f64,
    /// divergence from N(0, I), nats per picture
    pub kl: f64,
    /// `-(nll + kl)`: the bound that beta 1 trains
    pub elbo: f64,
    /// (nll + kl) in bits per value, pixels being continuous values from 0 to 1, where the likelihood is a density; add 8
    /// to compare with figures of 8-bit pixels
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_value: Option<f64>,
    /// the importance-weighted bound, never below the other but for noise
    pub iwae: f64,
    /// its draws
    pub draws: u32,
    /// of reconstructions from the means
    pub mse: f64,
    /// likewise, in dB
    pub psnr: f64,
    /// likewise
    pub ssim: f64,
    /// likewise
    pub ms_ssim: f64,
    /// dimensions whose means vary by more than 0.01
    pub active_units: usize,
    /// Z
    pub dims: usize,
    /// divergence of the Gaussian with the aggregate posterior's moments from N(0, I), in nats
    pub mismatch: f64,
    /// nats per picture
    pub kl_per_dimension: Vec<f64>,
    /// between halves of the real pictures; none for fewer than four
    pub floor: Option<Distances>,
    /// of samples from N(0, I) to the real pictures
    pub normal: Distances,
    /// of samples from the fitted prior
    pub fitted: Option<Distances>,
    /// of pictures with known factors
    pub scores: Option<Scores>,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// the measure
    pub name: &'static str,
    /// its figure
    pub value: String,
    /// its unit, or what it is of
    pub what: String,
}

impl Evaluation {
    /// The measures as they are shown.
    pub fn rows(&self) -> Vec<Row> {
        let row = |name, value: String, what: &str| Row { name, value, what: what.to_owned() };
        let bce = self.loss == "bce";
        let name = if bce { "BCE" } else { "NLL" };
        let density = if bce { ", no density" } else { "" };
        let bits: Option<Row> = self.bits_per_value.map(|bits| {
            row("bits per value", format!("{bits:.4}"), "of values from 0 to 1; add 8 for 8-bit pixels")
        });
        let rows = vec![
            row("pictures", self.pictures.to_string(), ""),
            row(
                name,
                format!("{:.2}", self.nll),
                &format!("nats per picture, z drawn ({}{density})", self.loss),
            ),
            row("KL", format!("{:.3}", self.kl), "nats per picture, from N(0, I)"),
            row("ELBO", format!("{:.2}", self.elbo), &format!("-({name} + KL)")),
            row("IWAE bound", format!("{:.2}", self.iwae), &format!("of {} draws", self.draws)),
            row("MSE", format!("{:.5}", self.mse), "reconstructions from the means"),
            row("PSNR", format!("{:.2}", self.psnr), "dB"),
            row("SSIM", format!("{:.4}", self.ssim), ""),
            row("MS-SSIM", format!("{:.4}", self.ms_ssim), ""),
            row(
                "active units",
                format!("{} of {}", self.active_units, self.dims),
                "dimensions whose means vary by more than 0.01",
            ),
            row(
                "aggregate mismatch",
                format!("{:.2}", self.mismatch),
                "nats, of the latents' moments from N(0, I)",
            ),
        ];
        // behind the bound that they are of
        let at = rows.iter().position(|row| row.name == "ELBO").map_or(0, |at| at + 1);
        let (before, after) = rows.split_at(at);
        [before, bits.as_slice(), after].concat()
    }

    /// The distances of samples to the pictures, and what less than which is noise.
    pub fn distances(&self) -> Vec<(&'static str, Distances)> {
        let rows = [
            ("samples of N(0, I)", Some(self.normal)),
            ("of the fitted prior", self.fitted),
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
            "\n{:22} {:>12} {:>12}  sliced Wasserstein distance",
            "to the pictures", "pixels", "pyramid"
        )?;
        for (name, distances) in self.distances() {
            writeln!(f, "{name:22} {:>12.4} {:>12.4}", distances.pixels, distances.pyramid)?;
        }
        if let Some(scores) = &self.scores {
            write!(f, "\n{scores}")?;
        }
        Ok(())
    }
}
