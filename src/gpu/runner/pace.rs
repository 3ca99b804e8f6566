//! Size of submits: the amount of work that a device gets at a time.
//!
//! Drivers end a submit that takes seconds, and the work of a second differs a thousandfold between an integrated GPU and
//! a large one. So the first submits are small and timed. docs/lab-notebook/defaults.md has the reasons for the constants.

use std::time::Duration;

/// The intended duration of a submit. Windows ends a submit after two seconds, and draws no desktop during it.
const WANTED: Duration = Duration::from_millis(100);
/// Work of the first submits: a fraction of a second on the slowest GPU that is assumed.
const FIRST: u64 = 1_000_000_000;
/// The maximum work of a submit: more would save nothing on any GPU.
const MAX_WORK: u64 = 100_000_000_000;
/// The number of submits that are timed.
const TIMED: u32 = 16;
/// The work of the next submit.
#[derive(Debug)]
pub(super) struct Pace {
    budget: u64,
    /// the highest rate so far in work per second: the first run of a kernel includes its setup by the driver
    rate: f64,
    left: u32,
}

impl Pace {
    /// For a device whose submits are never ended by the driver.
    pub(super) fn unbounded() -> Self {
        Self { budget: u64::MAX, rate: 0.0, left: 0 }
    }

    /// For a GPU of unknown speed.
    pub(super) fn unknown() -> Self {
        Self { budget: FIRST, rate: 0.0, left: TIMED }
    }

    /// The maximum work of the next submit.
    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// Whether to time a submit of `work`: only one that the budget has cut, and only the first few.
    pub(super) fn times(&self, work: u64) -> bool {
        self.left > 0 && work >= self.budget
    }

    /// Adjusts the budget to the time that a submit of `work` took.
    pub(super) fn took(&mut self, work: u64, time: Duration) {
        self.left = self.left.saturating_sub(1);
        self.rate = self.rate.max(work as f64 / time.as_secs_f64().max(1e-6));
        // fourfold at most: a rate measured on little work says little about more work
        let wanted = (self.rate * WANTED.as_secs_f64()) as u64;
        self.budget = wanted.clamp(FIRST / 4, self.budget.saturating_mul(4).min(MAX_WORK));
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, MAX_WORK, Pace, WANTED};
    use std::time::Duration;

    /// The budget after all timed submits of a device of `rate`, and the longest of them.
    fn settled(rate: f64, setup: Duration) -> (u64, Duration) {
        let mut pace = Pace::unknown();
        let (mut longest, mut setup) = (Duration::ZERO, setup);
        while pace.times(pace.budget()) {
            let time = Duration::from_secs_f64(pace.budget() as f64 / rate);
            longest = longest.max(time);
            pace.took(pace.budget(), time + setup);
            setup /= 4;
        }
        (pace.budget(), longest)
    }

    #[test]
    fn submits_take_about_as_long_on_every_device() {
        for rate in [4e10, 3e11, 1e12] {
            let (budget, longest) = settled(rate, Duration::from_millis(200));
            let time = budget as f64 / rate / WANTED.as_secs_f64();
            assert!((0.9..=1.1).contains(&time), "{rate:e}: {time}");
            assert!(longest < 2 * WANTED, "{rate:e}: {longest:?}");
        }
        assert_eq!(settled(5e13, Duration::from_millis(200)).0, MAX_WORK);
        // slower than any known GPU
        assert_eq!(settled(1e9, Duration::ZERO).0, FIRST / 4);
    }

    #[test]
    fn small_models_are_not_timed() {
        assert!(!Pace::unknown().times(FIRST / 2));
        assert!(!Pace::unbounded().times(u64::MAX - 1));
    }
}
