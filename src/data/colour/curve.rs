//! Tone curves: from a sample to its light.

use moxcms::ToneReprCurve;

/// A tone curve from 0..1 to 0..1.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Curve {
    /// Values at even distances, of 65535; interpolated.
    Points(Vec<u16>),
    /// `(a x + b)^g + e` from `d` on, and `c x + f` below.
    Parametric { g: f64, a: f64, b: f64, c: f64, d: f64, e: f64, f: f64 },
}

impl Curve {
    /// `x^g`.
    pub(super) fn power(g: f64) -> Self {
        Self::Parametric { g, a: 1.0, b: 0.0, c: 0.0, d: 0.0, e: 0.0, f: 0.0 }
    }

    /// The curve of sRGB (IEC 61966-2-1).
    pub(super) fn srgb() -> Self {
        Self::Parametric {
            g: 2.4,
            a: 1.0 / 1.055,
            b: 0.055 / 1.055,
            c: 1.0 / 12.92,
            d: 0.04045,
            e: 0.0,
            f: 0.0,
        }
    }

    /// The curve of an ICC profile: the types `curv` and `para` of ICC.1:2022, sections 10.6 and 10.18.
    ///
    /// # Errors
    /// A phrase, for a number of parameters that the standard does not have.
    pub(super) fn of(curve: &ToneReprCurve) -> Result<Self, String> {
        let values = match curve {
            ToneReprCurve::Lut(points) => {
                return Ok(match points[..] {
                    [] => Self::power(1.0),
                    [gamma] => Self::power(f64::from(gamma) / 256.0),
                    _ => Self::Points(points.clone()),
                });
            }
            ToneReprCurve::Parametric(values) => values,
        };
        let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        let [c, e, f] = [0.0; 3];
        Ok(match wide[..] {
            [g] => Self::power(g),
            // zero below the point where a x + b becomes positive
            [g, a, b] => Self::Parametric { g, a, b, c, d: -b / a, e, f },
            [g, a, b, e] => Self::Parametric { g, a, b, c, d: -b / a, e, f: e },
            [g, a, b, c, d] => Self::Parametric { g, a, b, c, d, e, f },
            [g, a, b, c, d, e, f] => Self::Parametric { g, a, b, c, d, e, f },
            _ => return Err(format!("a curve of {} parameters", wide.len())),
        })
    }

    /// The light at `x`, both from 0 to 1.
    pub(super) fn at(&self, x: f64) -> f64 {
        let light = match self {
            Self::Points(points) => {
                let place = x.clamp(0.0, 1.0) * (points.len() - 1) as f64;
                let before = (place as usize).min(points.len() - 2);
                let [low, high] = [points[before], points[before + 1]].map(f64::from);
                (low + (high - low) * (place - before as f64)) / 65535.0
            }
            Self::Parametric { g, a, b, c, d, e, f } => {
                if x >= *d {
                    (a * x + b).max(0.0).powf(*g) + e
                } else {
                    c * x + f
                }
            }
        };
        if light.is_finite() { light.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The light at the `levels` evenly spaced values from 0 to 1.
    pub(super) fn table(&self, levels: usize) -> Vec<f32> {
        (0..levels).map(|level| self.at(level as f64 / (levels - 1) as f64) as f32).collect()
    }
}

/// The sRGB value (0 to 1) of `light`, the inverse of [`Curve::srgb`].
pub(super) fn srgb_of(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_all_types_are_what_the_standard_says() {
        let at = |values: &[f32], x: f64| {
            Curve::of(&ToneReprCurve::Parametric(values.into())).expect("a curve").at(x)
        };
        let close = |is: f64, wanted: f64| assert!((is - wanted).abs() < 1e-6, "{is}, not {wanted}");
        close(at(&[2.0], 0.5), 0.25);
        close(at(&[2.0, 0.5, 0.25], 0.5), 0.25);
        close(at(&[2.0, 2.0, -0.5], 0.2), 0.0);
        close(at(&[2.0, 0.5, 0.25, 0.125], 0.5), 0.375);
        close(at(&[2.0, 2.0, -0.5, 0.125], 0.2), 0.125);
        close(at(&[2.0, 0.5, 0.25, 0.5, 0.5], 0.5), 0.25);
        close(at(&[2.0, 0.5, 0.25, 0.5, 0.5], 0.25), 0.125);
        close(at(&[2.0, 0.5, 0.25, 0.5, 0.5, 0.125, 0.25], 0.5), 0.375);
        close(at(&[2.0, 0.5, 0.25, 0.5, 0.5, 0.125, 0.25], 0.25), 0.375);
        assert!(Curve::of(&ToneReprCurve::Parametric(vec![1.0; 6])).is_err());
        let points = |points: &[u16]| Curve::of(&ToneReprCurve::Lut(points.into())).expect("a curve");
        close(points(&[]).at(0.3), 0.3);
        close(points(&[512]).at(0.5), 0.25);
        close(points(&[0, 13107, 65535]).at(0.25), 0.1);
        close(points(&[0, 13107, 65535]).at(1.0), 1.0);
        (0..=255).map(|level| f64::from(level) / 255.0).for_each(|x| close(srgb_of(Curve::srgb().at(x)), x));
    }
}
