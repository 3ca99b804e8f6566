//! Disentanglement scores for pictures with known factors, see [`Samples`].
//! Read this for the mapping of landscape factors to metric inputs.

use std::fmt;

use serde::Serialize;

use crate::data::Factors;
use crate::generate::Encoded;
use crate::metrics::{Kind, Samples};

/// Scores of one factor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactorScore {
    /// name of the factor
    pub factor: &'static str,
    /// mutual information gap (MIG)
    pub mig: f64,
    /// separated attribute predictability (SAP)
    pub sap: f64,
    /// completeness (DCI)
    pub completeness: f64,
    /// prediction error (DCI), in standard deviations: 1 is as good as predicting the mean
    pub error: f64,
}

/// Disentanglement scores of the posterior means, from 0 to 1 except for the error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// pictures with known factors
    pub pictures: usize,
    /// mutual information gap, see [`Samples::mig`], mean over the factors
    pub mig: f64,
    /// separated attribute predictability, see [`Samples::sap`], mean over the factors
    pub sap: f64,
    /// disentanglement, see [`Samples::dci`]: whether each latent encodes one factor
    pub disentanglement: f64,
    /// completeness: whether each factor has one latent; mean over the factors
    pub completeness: f64,
    /// prediction error, mean over the factors
    pub error: f64,
    /// scores per factor
    pub factors: Vec<FactorScore>,
}

impl Scores {
    /// The factors and their mean: MIG, SAP, completeness and error.
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
            "{about:22} {:>6} {:>6} {:>12} {:>7}  of {} pictures",
            "MIG", "SAP", "completeness", "error", self.pictures
        )?;
        for (name, [mig, sap, completeness, error]) in self.rows() {
            writeln!(f, "{name:22} {mig:>6.3} {sap:>6.3} {completeness:>12.3} {error:>7.3}")?;
        }
        let dci = "DCI: whether each latent stands for one factor";
        writeln!(f, "{:22} {:>8.3}  {dci}", "disentanglement", self.disentanglement)
    }
}

/// The kind of each of [`Factors::NAMES`]: biomes are categories, and the few numbers of ridges are treated as
/// categories.
fn kinds() -> [Kind; 9] {
    Factors::NAMES
        .map(|name| if ["biome", "ridges"].contains(&name) { Kind::Discrete } else { Kind::Continuous })
}

/// The scores of pictures whose factors are `known`, in the order of `encoded`; `None` if a picture has no known
/// factors. `seed` selects the pictures that DCI is trained on.
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
