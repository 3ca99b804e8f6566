//! How much work is handed to a device at a time.
//!
//! Drivers end a submit that takes seconds, and how much work that is differs a thousandfold between an integrated GPU and
//! a large one. So the first submits are small, and timed.

use std::time::Duration;

/// What a submit is to take. Windows ends those of two seconds, and until it ends the desktop is not drawn.
const WANTED: Duration = Duration::from_millis(100);
/// Work of the first submits: 25 ms of a GPU of 40 GFLOP/s, about the slowest that there are.
const FIRST: u64 = 1_000_000_000;
/// Most work of a submit: more would save nothing on any GPU.
const MAX_WORK: u64 = 100_000_000_000;
/// Submits that are timed.
const TIMED: u32 = 16;
/// Floating-point operations that count for as much as a byte that is moved: GPUs do 10 to 40 in the same time.
const PER_BYTE: u64 = 16;

/// The work of a dispatch, in floating-point operations, or what its bytes take in the same time.
pub(super) fn work(flops: u64, bytes: u64) -> u64 {
    flops.max(bytes.saturating_mul(PER_BYTE))
}

/// The work of the next submit.
#[derive(Debug)]
pub(super) struct Pace {
    budget: u64,
    /// the highest seen, in work a second: the first time a kernel runs, the driver sets it up
    rate: f64,
    left: u32,
}

impl Pace {
    /// For a device whose submits nobody ends.
    pub(super) fn unbounded() -> Self {
        Self { budget: u64::MAX, rate: 0.0, left: 0 }
    }

    /// For a GPU of unknown speed.
    pub(super) fn unknown() -> Self {
        Self { budget: FIRST, rate: 0.0, left: TIMED }
    }

    /// Most work of the next submit.
    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// Whether a submit of `work` is to be timed: those that were cut by the budget, as long as little is known.
    pub(super) fn times(&self, work: u64) -> bool {
        self.left > 0 && work >= self.budget
    }

    /// Takes in how long a submit of `work` took.
    pub(super) fn took(&mut self, work: u64, time: Duration) {
        self.left = self.left.saturating_sub(1);
        self.rate = self.rate.max(work as f64 / time.as_secs_f64().max(1e-6));
        // fourfold at most: a rate that was measured on little work says little of much
        let wanted = (self.rate * WANTED.as_secs_f64()) as u64;
        self.budget = wanted.clamp(FIRST / 4, self.budget.saturating_mul(4).min(MAX_WORK));
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, MAX_WORK, Pace, WANTED};
    use std::time::Duration;

    /// The budget after so many timed submits of a device of `rate`, and the longest of them.
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
        // slower than any that is known
        assert_eq!(settled(1e9, Duration::ZERO).0, FIRST / 4);
    }

    #[test]
    fn small_models_are_not_timed() {
        assert!(!Pace::unknown().times(FIRST / 2));
        assert!(!Pace::unbounded().times(u64::MAX - 1));
    }
}
