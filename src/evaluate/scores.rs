//! Whether the latents take the factors of the pictures apart, where those are known: see [`Samples`].

use std::fmt;

use serde::Serialize;

use crate::data::Factors;
use crate::generate::Encoded;
use crate::metrics::{Kind, Samples};

/// Scores of one factor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactorScore {
    /// its name
    pub factor: &'static str,
    /// mutual information gap
    pub mig: f64,
    /// gap of the attribute's predictability
    pub sap: f64,
    /// DCI's completeness
    pub completeness: f64,
    /// DCI's error of prediction, in standard deviations: 1 is that of guessing the mean
    pub error: f64,
}

/// Scores of disentanglement, of the posterior means; 0 to 1 but for the error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// pictures with known factors
    pub pictures: usize,
    /// mutual information gap, see [`Samples::mig`], the mean over the factors
    pub mig: f64,
    /// separated attribute predictability, see [`Samples::sap`], likewise
    pub sap: f64,
    /// whether each latent stands for one factor, see [`Samples::dci`]
    pub disentanglement: f64,
    /// whether each factor has one latent, the mean over the factors
    pub completeness: f64,
    /// of the prediction, likewise
    pub error: f64,
    /// one row for each
    pub factors: Vec<FactorScore>,
}

impl Scores {
    /// The factors and their mean: MIG, SAP, completeness and error of each.
    pub fn rows(&self) -> Vec<(&'static str, [f64; 4])> {
        let mean = ("mean of the factors", [self.mig, self.sap, self.completeness, self.error]);
        let row = |of: &FactorScore| (of.factor, [of.mig, of.sap, of.completeness, of.error]);
        self.factors.iter().map(row).chain([mean]).collect()
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = format!("{} known factors", self.factors.len());
        writeln!(
            f,
            "{about:22} {:>8} {:>8} {:>13} {:>9}  of {} pictures",
            "MIG", "SAP", "completeness", "error", self.pictures
        )?;
        for (name, [mig, sap, completeness, error]) in self.rows() {
            writeln!(f, "{name:22} {mig:>8.3} {sap:>8.3} {completeness:>13.3} {error:>9.3}")?;
        }
        let dci = "DCI: whether each latent stands for one factor";
        writeln!(f, "{:22} {:>8.3}  {dci}", "disentanglement", self.disentanglement)
    }
}

/// How the factors of [`Factors::NAMES`] are compared: biomes are names, and so few ridges are as good as names.
fn kinds() -> [Kind; 9] {
    Factors::NAMES
        .map(|name| if ["biome", "ridges"].contains(&name) { Kind::Discrete } else { Kind::Continuous })
}

/// The scores of pictures whose factors are `known`, in the order of `encoded`; `None` if those of one are not.
/// `seed` says which pictures DCI learns from.
pub(super) fn scores(
    encoded: &Encoded,
    known: &[Option<Factors>],
    seed: u64,
) -> Option<Result<Scores, String>> {
    let factors: Vec<f64> =
        known.iter().map(|known| known.map(|f| f.values())).collect::<Option<Vec<_>>>()?.concat();
    let latents: Vec<f64> = encoded.mu.iter().map(|&mu| mu.into()).collect();
    let of = || {
        let samples = Samples::new(&latents, encoded.dims, &factors, &kinds())?;
        let (mig, sap, dci) = (samples.mig(), samples.sap(), samples.dci(seed)?);
        let row = |(at, factor)| FactorScore {
            factor,
            mig: mig.factors[at],
            sap: sap.factors[at],
            completeness: dci.completeness.factors[at],
            error: dci.error.factors[at],
        };
        Ok(Scores {
            pictures: known.len(),
            mig: mig.mean,
            sap: sap.mean,
            disentanglement: dci.disentanglement,
            completeness: dci.completeness.mean,
            error: dci.error.mean,
            factors: Factors::NAMES.into_iter().enumerate().map(row).collect(),
        })
    };
    Some(of().map_err(|refused: crate::metrics::MetricError| refused.into()))
}
