//! The report of the likeness of samples to real pictures: Frechet distance, precision, recall, and copies.
//! Read this to change how these figures are shown.

use std::fmt;

use serde::Serialize;

/// Ratio of nearest pictures, relative to that of real ones, below which samples may be copies.
const COPIES: f64 = 0.9;

/// Likeness of a set of pictures to the real pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Likeness {
    /// Frechet distance of the features, see [`crate::metrics::frechet_distance`]
    pub frechet: f64,
    /// share of these pictures that are among the real ones, see [`crate::metrics::precision_recall`]
    pub precision: f64,
    /// share of the real pictures that are among these
    pub recall: f64,
    /// median of the distance to the nearest training picture, divided by that to the nearest real picture
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_ratio: Option<f64>,
    /// median of the distance to the nearest training picture
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_training: Option<f64>,
}

/// Likeness of all sets of samples to the real pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Features {
    /// sizes of the feature network
    pub network: String,
    /// steps of its training
    pub steps: u32,
    /// pictures that it was trained on: training pictures of the model, or half of the evaluated pictures
    pub trained_on: usize,
    /// whether those were training pictures of the model
    pub training_pictures: bool,
    /// real pictures that sets are compared with
    pub compared: usize,
    /// samples of N(0, I)
    pub normal: Likeness,
    /// samples of the fitted prior
    pub fitted: Option<Likeness>,
    /// samples of the flow
    pub flow: Option<Likeness>,
    /// yardstick: other real pictures, namely those that the network was trained on. The ratio of nearest pictures is that
    /// of the compared pictures, each without itself
    pub real: Likeness,
}

impl Features {
    /// The sets in the order of the reports.
    pub fn rows(&self) -> Vec<(&'static str, Likeness)> {
        let real = if self.training_pictures { "training pictures" } else { "the other pictures" };
        let rows = [
            ("samples of N(0, I)", Some(self.normal)),
            ("of the fitted prior", self.fitted),
            ("of the flow", self.flow),
            (real, Some(self.real)),
        ];
        rows.into_iter().filter_map(|(name, likeness)| Some((name, likeness?))).collect()
    }

    /// A sentence for each set of samples that may be copies: their nearest training picture is nearer than that of real
    /// pictures, by itself and relative to the nearest of the real pictures. (By itself, because samples that are like
    /// neither are nearer to either by chance.) None if the real pictures are so far from the training pictures that they
    /// must be of another kind.
    pub fn warnings(&self) -> Vec<String> {
        let (Some(real), Some(distance)) = (self.real.nearest_ratio, self.real.nearest_training) else {
            return Vec::new();
        };
        let rows = self.rows();
        let copied = |(name, likeness): &(&str, Likeness)| {
            let ratio =
                likeness.nearest_ratio.filter(|ratio| *ratio < COPIES * real && real * COPIES <= 1.0)?;
            likeness.nearest_training.filter(|own| *own < distance)?;
            let prior = name.trim_start_matches("samples ");
            Some(format!(
                "samples {prior} may be copies: their nearest training picture is nearer than a real picture's \
                 (ratio {ratio:.2}, real pictures {real:.2})"
            ))
        };
        rows[..rows.len() - 1].iter().filter_map(copied).collect()
    }

    /// The network and its pictures in words.
    pub fn about(&self) -> String {
        let of =
            if self.training_pictures { "training pictures" } else { "of the pictures, the others compared" };
        format!("{}; {} steps on {} {of}", self.network, self.steps, self.trained_on)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:22} {:>10} {:>9} {:>7} {:>7}",
            "features", "Frechet", "precision", "recall", "nearest"
        )?;
        for (name, Likeness { frechet, precision, recall, nearest_ratio, .. }) in self.rows() {
            let nearest = nearest_ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
            writeln!(f, "{name:22} {frechet:>10.3} {precision:>9.3} {recall:>7.3} {nearest:>7}")?;
        }
        for warning in self.warnings() {
            writeln!(f, "{warning}")?;
        }
        writeln!(f, "feature network: {}", self.about())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(normal: [f64; 2], real: Option<[f64; 2]>) -> Features {
        let likeness = |near: Option<[f64; 2]>| Likeness {
            frechet: 1.0,
            precision: 0.5,
            recall: 0.5,
            nearest_ratio: near.map(|[ratio, _]| ratio),
            nearest_training: near.map(|[_, distance]| distance),
        };
        Features {
            network: "16 px".into(),
            steps: 1,
            trained_on: 10,
            training_pictures: real.is_some(),
            compared: 10,
            normal: likeness(real.and(Some(normal))),
            fitted: Some(likeness(real)),
            flow: None,
            real: likeness(real),
        }
    }

    #[test]
    fn copies_are_nearer_to_training_pictures_than_real_pictures_are() {
        let said = |normal, real| features(normal, real).warnings();
        let text = said([0.4, 1.0], Some([0.95, 3.0]));
        assert_eq!(text.len(), 1);
        assert!(text[0].starts_with("samples of N(0, I) may be copies"), "{text:?}");
        // near the limit, far from both, real pictures of another kind, no training pictures
        assert!(said([0.86, 1.0], Some([0.95, 3.0])).is_empty());
        assert!(said([0.4, 4.0], Some([0.95, 3.0])).is_empty());
        assert!(said([0.4, 1.0], Some([1.2, 3.0])).is_empty());
        assert!(said([0.4, 1.0], None).is_empty());
    }
}
