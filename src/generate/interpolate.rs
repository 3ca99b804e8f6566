//! Interpolation between latents: linear and spherical.
//! Used by `wgvae interpolate`.

use std::f64::consts::PI;

/// Angles this close to 0 or pi have no well-defined arc; the line is used.
const FLAT: f64 = 1e-3;

/// Path between two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// slerp: along the arc. The norm changes evenly, while it dips in the middle of a straight line between points of
    /// a high-dimensional normal distribution. Source: White, "Sampling generative networks", 2016, section 2.1
    #[default]
    Spherical,
    /// lerp: along the straight line
    Linear,
}

/// `steps` points from `a` to `b`, both included.
///
/// # Panics
/// If the points have different lengths, or for fewer than two steps.
pub fn interpolate(a: &[f32], b: &[f32], steps: usize, way: Interpolation) -> Vec<Vec<f32>> {
    assert_eq!(a.len(), b.len(), "between: points of {} and {} dimensions", a.len(), b.len());
    assert!(steps >= 2, "between: {steps} steps");
    let at = |i: usize| i as f64 / (steps - 1) as f64;
    (0..steps).map(|i| mixed(a, b, weights(a, b, at(i), way))).collect()
}

fn mixed(a: &[f32], b: &[f32], [wa, wb]: [f64; 2]) -> Vec<f32> {
    a.iter().zip(b).map(|(&a, &b)| (wa * f64::from(a) + wb * f64::from(b)) as f32).collect()
}

fn weights(a: &[f32], b: &[f32], t: f64, way: Interpolation) -> [f64; 2] {
    let dot =
        |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum() };
    let angle = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0).acos();
    // no arc if a point is the origin, or if the points are opposite or almost equal
    if way == Interpolation::Linear || !angle.is_finite() || !(FLAT..PI - FLAT).contains(&angle) {
        return [1.0 - t, t];
    }
    [((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()]
}

/// Forward and back, for a loop without a jump: the ends are not repeated.
pub fn ping_pong<T: Clone>(frames: &[T]) -> Vec<T> {
    let back = frames.len().saturating_sub(1);
    frames.iter().chain(frames.get(1..back).unwrap_or_default().iter().rev()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arc_keeps_its_length_and_the_line_is_straight() {
        let (a, b) = ([3.0, 0.0, 0.0], [0.0, 3.0, 0.0]);
        let length = |v: &Vec<f32>| v.iter().map(|x| x * x).sum::<f32>().sqrt();
        let arc = interpolate(&a, &b, 5, Interpolation::Spherical);
        assert!(arc.iter().all(|v| (length(v) - 3.0).abs() < 1e-6), "{arc:?}");
        assert!((arc[2][0] - arc[2][1]).abs() < 1e-6 && arc[0] == a, "{arc:?}");
        assert_eq!(interpolate(&a, &b, 3, Interpolation::Linear)[1], [1.5, 1.5, 0.0]);
        // without a well-defined arc, the line
        assert_eq!(interpolate(&[0.0; 3], &b, 3, Interpolation::Spherical)[1], [0.0, 1.5, 0.0]);
        assert_eq!(interpolate(&a, &a, 3, Interpolation::Spherical)[1], a);
        assert_eq!(interpolate(&a, &[-3.0, 0.0, 0.0], 3, Interpolation::Spherical)[1], [0.0; 3]);
    }

    #[test]
    fn a_film_goes_there_and_back() {
        assert_eq!(ping_pong(&[1, 2, 3, 4]), [1, 2, 3, 4, 3, 2]);
        assert_eq!(ping_pong(&[1, 2]), [1, 2]);
        assert_eq!(ping_pong(&[1]), [1]);
    }
}
