//! Curves of a run, thinned while they are read: memory and answers are bounded for any number of steps.
//! Read this for which points of a curve remain.
//!
//! All figures of a run share one grid of buckets along the axis. A bucket has the smallest and the largest value of its
//! steps, so no peak is lost. When the grid is full, buckets become twice as wide and pairs of them merge.

use std::collections::VecDeque;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

/// Largest number of buckets; a curve has two points for each.
const MAX_BUCKETS: usize = 512;
/// Number of refreshes of which the first changed bucket is remembered; a page that is further behind gets everything.
const MAX_MARKS: usize = 256;

/// The values of a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    min: f32,
    max: f32,
    /// whether the smallest value came after the largest
    falls: bool,
}

/// A bucket without a value.
const NONE: Bucket = Bucket { min: f32::NAN, max: f32::NAN, falls: false };

impl Bucket {
    fn add(&mut self, value: f32) {
        if self.min.is_nan() {
            *self = Self { min: value, max: value, falls: false };
        } else if value < self.min {
            (self.min, self.falls) = (value, true);
        } else if value > self.max {
            (self.max, self.falls) = (value, false);
        }
    }

    /// With the bucket after it.
    fn merged(mut self, later: Self) -> Self {
        if later.min.is_nan() {
            return self;
        }
        let [first, second] = later.points();
        self.add(first);
        self.add(second);
        self
    }

    /// The extreme that came first, and the other.
    fn points(self) -> [f32; 2] {
        if self.falls { [self.max, self.min] } else { [self.min, self.max] }
    }
}

/// The curves of some figures along one axis: steps, or epochs.
#[derive(Debug)]
pub(super) struct Curves {
    names: &'static [&'static str],
    /// width of a bucket as a power of two
    shift: u32,
    /// number of the first bucket: position of its begin divided by the width
    first: u64,
    /// buckets of each figure; none of a figure without a value
    buckets: Vec<Vec<Bucket>>,
    count: usize,
    /// newest position
    last: Option<u64>,
    /// first bucket that has changed since the last mark
    changed: Option<usize>,
    /// refreshes and the first bucket that each has changed
    marks: VecDeque<(u64, usize)>,
    /// newest refresh that is no longer among the marks
    forgotten: u64,
}

impl Curves {
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            shift: 0,
            first: 0,
            buckets: vec![Vec::new(); names.len()],
            count: 0,
            last: None,
            changed: None,
            marks: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// Empty curves that replace others.
    pub(super) fn replacing(names: &'static [&'static str]) -> Self {
        Self { changed: Some(0), ..Self::new(names) }
    }

    /// The number of different values that a position may have without a second one in its bucket.
    pub(super) fn width(&self) -> u64 {
        1 << self.shift
    }

    /// Adds the values at `position`, one for each name. A position that is not after the last one replaces what came
    /// after it: a training was resumed from there.
    pub(super) fn push(&mut self, position: u64, values: &[Option<f64>]) {
        if self.count == 0 {
            (self.shift, self.first) = (0, position);
        } else if self.last.is_some_and(|last| position <= last) {
            self.cut(position);
        }
        while (position >> self.shift).wrapping_sub(self.first) >= MAX_BUCKETS as u64 {
            if self.count == 0 || position >> self.shift < self.first {
                self.clear();
                (self.shift, self.first) = (0, position);
                break;
            }
            self.widen();
        }
        self.last = Some(position);
        let at = ((position >> self.shift) - self.first) as usize;
        self.count = self.count.max(at + 1);
        self.changed = Some(self.changed.map_or(at, |before| before.min(at)));
        for (buckets, value) in self.buckets.iter_mut().zip(values) {
            let Some(value) = value.map(|value| value as f32).filter(|value| value.is_finite()) else {
                continue;
            };
            if buckets.len() <= at {
                buckets.resize(at + 1, NONE);
            }
            buckets[at].add(value);
        }
    }

    /// Removes the buckets from `position` on.
    fn cut(&mut self, position: u64) {
        let keep = (position >> self.shift).saturating_sub(self.first) as usize;
        self.count = self.count.min(keep);
        self.buckets.iter_mut().for_each(|buckets| buckets.truncate(keep));
        self.changed = Some(self.changed.map_or(keep, |before| before.min(keep)));
    }

    fn clear(&mut self) {
        self.buckets.iter_mut().for_each(Vec::clear);
        (self.count, self.changed) = (0, Some(0));
    }

    /// Doubles the width of the buckets.
    fn widen(&mut self) {
        let odd = (self.first % 2) as usize;
        for buckets in &mut self.buckets {
            let mut wide = Vec::with_capacity(MAX_BUCKETS);
            // an odd first bucket is the second half of a wide one
            let (alone, pairs) = buckets.split_at(odd.min(buckets.len()));
            wide.extend(alone);
            wide.extend(pairs.chunks(2).map(|pair| match pair {
                [a, b] => a.merged(*b),
                other => other[0],
            }));
            *buckets = wide;
        }
        self.count = (self.count + odd).div_ceil(2);
        self.first /= 2;
        self.shift += 1;
        self.changed = Some(0);
    }

    /// Ends a refresh with this number; returns whether something has changed in it.
    pub(super) fn mark(&mut self, refresh: u64) -> bool {
        let Some(changed) = self.changed.take() else { return false };
        self.marks.push_back((refresh, changed));
        if self.marks.len() > MAX_MARKS {
            self.forgotten = self.marks.pop_front().map_or(0, |(refresh, _)| refresh);
        }
        true
    }

    /// The part that has changed after the refresh `since`.
    pub(super) fn after(&self, since: u64) -> Option<Part<'_>> {
        let marks = self.marks.iter().filter(|(refresh, _)| *refresh > since);
        let from = marks.map(|(_, changed)| *changed).min()?;
        let from = if since < self.forgotten || since == 0 { 0 } else { from.min(self.count) };
        Some(Part { curves: self, from })
    }
}

/// Curves from a bucket on, as JSON: the position of the grid's begin, the width of a bucket, its number, and for each
/// figure one value for each bucket of width 1, or two for each wider one, in the order in which they came.
pub(super) struct Part<'a> {
    curves: &'a Curves,
    from: usize,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { curves, from } = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("first", &(curves.first << curves.shift))?;
        map.serialize_entry("width", &curves.width())?;
        map.serialize_entry("from", &from)?;
        map.serialize_entry("count", &curves.count)?;
        for (name, buckets) in curves.names.iter().zip(&curves.buckets) {
            if !buckets.is_empty() {
                map.serialize_entry(
                    name,
                    &Points(buckets.get(from..).unwrap_or_default(), curves.shift > 0),
                )?;
            }
        }
        map.end()
    }
}

/// The points of buckets, and whether each has two.
struct Points<'a>(&'a [Bucket], bool);

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for bucket in self.0 {
            let [first, second] = bucket.points();
            list.serialize_element(&short(first))?;
            if self.1 {
                list.serialize_element(&short(second))?;
            }
        }
        list.end()
    }
}

/// `value` to six significant digits, which no screen can tell from it. NaN is no value.
fn short(value: f32) -> Option<f64> {
    if value == 0.0 || value.is_nan() {
        return (value == 0.0).then_some(0.0);
    }
    let value = f64::from(value);
    let digits = 5 - value.abs().log10().floor() as i32;
    if digits.abs() > 20 {
        return Some(value);
    }
    let scale = 10f64.powi(digits.abs());
    Some(if digits > 0 { (value * scale).round() / scale } else { (value / scale).round() * scale })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn part(curves: &Curves, since: u64) -> Value {
        curves.after(since).map_or(Value::Null, |part| serde_json::to_value(&part).expect("JSON"))
    }

    #[test]
    fn short_curves_are_kept_whole() {
        let mut curves = Curves::new(&["loss", "kl", "mmd"]);
        assert_eq!(part(&curves, 0), Value::Null);
        for step in 5..8 {
            curves.push(step, &[Some(step as f64 / 3.0), (step == 6).then_some(0.0), None]);
        }
        curves.mark(1);
        let all = json!({"first": 5, "width": 1, "from": 0, "count": 3, "loss": [1.66667, 2.0, 2.33333],
            "kl": [null, 0.0]});
        assert_eq!(part(&curves, 0), all);
        assert_eq!(part(&curves, 1), Value::Null, "nothing new");
        curves.push(8, &[Some(1e-30), Some(f64::NAN), Some(f64::INFINITY)]);
        curves.mark(2);
        let new = json!({"first": 5, "width": 1, "from": 3, "count": 4, "loss": [1.0000000031710769e-30], "kl": []});
        assert_eq!(part(&curves, 1), new);
    }

    #[test]
    fn a_long_curve_keeps_its_peaks() {
        let mut curves = Curves::new(&["loss"]);
        let value = |step: u64| if step == 7001 { -9.0 } else { (step % 100) as f64 };
        (1..=10_000).for_each(|step| curves.push(step, &[Some(value(step))]));
        curves.mark(1);
        let all = part(&curves, 0);
        let points: Vec<f64> = serde_json::from_value(all["loss"].clone()).expect("numbers");
        let (width, count) = (all["width"].as_u64().expect("a width"), points.len());
        assert!((512..=1024).contains(&count) && width == 32, "{count} points, {width} wide");
        let lowest = points.iter().position(|point| *point == -9.0).expect("the peak");
        let first = all["first"].as_u64().expect("a position");
        assert_eq!(first + lowest as u64 / 2 * width, 7001 / width * width);
        assert!(points.iter().all(|point| *point <= 99.0));
        // a new step changes the last bucket only
        curves.push(10_001, &[Some(0.0)]);
        curves.mark(2);
        let new = part(&curves, 1);
        assert_eq!(new["from"], json!(count / 2 - 1));
        assert_eq!(new["loss"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_resumed_training_replaces_what_came_after() {
        let mut curves = Curves::new(&["loss"]);
        (1..=9).for_each(|step| curves.push(step, &[Some(1.0)]));
        curves.mark(1);
        (4..=5).for_each(|step| curves.push(step, &[Some(2.0)]));
        curves.mark(2);
        let new = json!({"first": 1, "width": 1, "from": 3, "count": 5, "loss": [2.0, 2.0]});
        assert_eq!(part(&curves, 1), new);
    }

    #[test]
    fn any_positions_are_bounded() {
        let mut curves = Curves::new(&["loss"]);
        for step in [0, 1, u64::MAX, 3, u64::MAX - 1, 0, 77, 1 << 40, (1 << 40) + 1] {
            curves.push(step, &[Some(1.0)]);
            curves.mark(1);
            assert!(curves.count <= MAX_BUCKETS && curves.buckets[0].len() <= curves.count, "{step}");
        }
        for refresh in 2..2000 {
            curves.push((1 << 40) + refresh, &[Some(1.0)]);
            curves.mark(refresh);
        }
        assert!(curves.marks.len() <= MAX_MARKS);
        assert_eq!(part(&curves, 1)["from"], json!(0), "too far behind");
    }
}
