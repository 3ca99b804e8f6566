//! Tolerances for Adam's first step, element by element, derived from PyTorch's arithmetic.
//!
//! The first step is `lr * g / (|g| + eps)`: its sign is the gradient's, almost independent of the size. If a gradient
//! is only the rounding error of a sum, PyTorch's own step is arbitrary. So each element may differ by the effect of
//! the difference of the two gradients, plus the rounding of the step and of the parameter: almost nothing for large
//! gradients, up to two whole steps for rounding errors. The difference of the gradients has a separate bound.

/// Adam's eps, PyTorch's and ours.
const EPS: f64 = 1e-8;
/// Relative rounding error of a step: a dozen operations in f32.
const STEP: f64 = 12.0 / (1 << 24) as f64;
/// Relative rounding error of a parameter after the subtraction: each side to its nearest f32.
const PARAMETER: f64 = 2.0 / (1 << 24) as f64;
/// A step counts as determined if the difference of the gradients changes it by less than this share.
const DETERMINED: f64 = 1e-3;

/// Elements of a tensor, PyTorch's and ours.
pub(crate) struct Elements<'a> {
    /// parameters before the step
    pub(crate) before: &'a [f32],
    /// PyTorch's gradient, and ours
    pub(crate) gradients: [&'a [f32]; 2],
    /// PyTorch's parameters after the step; if `None` they are computed from its gradient
    pub(crate) after: Option<&'a [f32]>,
    /// our parameters after the step
    pub(crate) ours: &'a [f32],
}

/// Number of elements per kind of check.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// both gradients are zero: the parameter must not change
    pub(crate) still: usize,
    /// bound by the rounding of a step: the difference of the gradients changes it by less than a thousandth
    pub(crate) determined: usize,
    /// bound by the effect of the difference of the gradients
    pub(crate) moved: usize,
    /// as `moved`, but the difference changes the sign of the step: PyTorch's is arbitrary
    pub(crate) turned: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.still += other.still;
        self.determined += other.determined;
        self.moved += other.moved;
        self.turned += other.turned;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { still, determined, moved, turned } = self;
        write!(
            f,
            "of first steps {still} stay, {determined} are held to their rounding, {moved} to what the "
        )?;
        write!(f, "gradients' difference makes of them; the sign of {turned} is arbitrary")
    }
}

/// The step for gradient `g`, as a share of the learning rate.
fn step(g: f64) -> f64 {
    g / (g.abs() + EPS)
}

/// Checks a step with learning rate `lr`: returns the largest deviation relative to its bound, the index of that
/// element, and the counts.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn compare_steps(elements: &Elements<'_>, lr: f64) -> (f64, usize, Counts) {
    let Elements { before, gradients: [theirs, own], after, ours } = elements;
    let lengths = [theirs.len(), own.len(), ours.len(), after.map_or(before.len(), <[f32]>::len)];
    assert_eq!(lengths, [before.len(); 4], "lengths differ");
    let (mut worst, mut at, mut counts) = (0.0, 0, Counts::default());
    for i in 0..before.len() {
        let [p, g, own, got] = [before[i], theirs[i], own[i], ours[i]].map(f64::from);
        let want = after.map_or_else(|| f64::from((p - lr * step(g)) as f32), |after| after[i].into());
        let moved = (step(own) - step(g)).abs();
        match (g == 0.0 && own == 0.0, moved > DETERMINED, g * own <= 0.0) {
            (true, ..) => counts.still += 1,
            (_, false, _) => counts.determined += 1,
            (_, true, false) => counts.moved += 1,
            (_, true, true) => counts.turned += 1,
        }
        let rounding = if g == 0.0 && own == 0.0 { 0.0 } else { lr * STEP + PARAMETER * p.abs() };
        let deviation = (got - want).abs();
        // NaN counts as infinitely wrong
        let share = match deviation {
            d if d.is_nan() || moved.is_nan() => f64::INFINITY,
            0.0 => 0.0,
            d => d / (lr * moved + rounding),
        };
        if share > worst {
            (worst, at) = (share, i);
        }
    }
    (worst, at, counts)
}

#[test]
fn only_steps_of_unknown_gradients_may_be_anything() {
    let lr = 1e-3;
    let compare_steps = |gradients: [f32; 2], deviation: f64| {
        let [theirs, own] = gradients.map(|g| [g]);
        let ours = [(0.1 - lr * step(theirs[0].into()) + deviation) as f32];
        compare_steps(&Elements { before: &[0.1], gradients: [&theirs, &own], after: None, ours: &ours }, lr)
    };
    let one = |still, determined, moved, turned| Counts { still, determined, moved, turned };
    // gradients that are rounding errors of a sum, with different signs: the step is arbitrary
    let (share, _, counts) = compare_steps([3e-8, -3e-8], 1.4e-3);
    assert!(share <= 1.0 && counts == one(0, 0, 0, 1), "{share} {counts:?}");
    assert!(compare_steps([3e-8, -3e-8], 1.6e-3).0 > 1.0, "and no further than that");
    // equal signs: for 1e-8 the step is half of a full one, for 3e-8 three quarters
    let (share, _, counts) = compare_steps([1e-8, 3e-8], -2.4e-4);
    assert!(share <= 1.0 && counts == one(0, 0, 1, 0), "{share} {counts:?}");
    assert!(compare_steps([1e-8, 3e-8], -2.6e-4).0 > 1.0);
    // large ones, a thousandth apart: the step is equal up to rounding
    let (share, _, counts) = compare_steps([1.0, 1.001], 0.0);
    assert!(share <= 1.0 && counts == one(0, 1, 0, 0), "{share} {counts:?}");
    assert!(
        compare_steps([1.0, 1.001], 3e-8).0 > 1.0,
        "the roundings of 0.1 and of the step are 1.3e-8 together"
    );
    // a zero gradient gives no step
    let (share, _, counts) = compare_steps([0.0, 0.0], 0.0);
    assert!(share == 0.0 && counts == one(1, 0, 0, 0), "{share} {counts:?}");
    assert_eq!(compare_steps([0.0, 0.0], 1e-8).0, f64::INFINITY);
    assert_eq!(compare_steps([1.0, 1.0], f64::NAN).0, f64::INFINITY);
    assert_eq!(compare_steps([1.0, f32::NAN], 0.0).0, f64::INFINITY);
}
