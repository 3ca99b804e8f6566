//! Retries after a device failure: GPUs are lost to other programs, drivers and sleep, or run out of memory.
//! Read this for how often a lost device is retried, and with which micro-batch.

use crate::error::{Error, Result};

/// Parameters of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// pictures computed at once
    pub micro: u32,
    /// reason of the previous attempt's failure
    pub failure: Option<String>,
}

/// Failures without progress after which the training gives up.
pub const FAILURES: u32 = 2;

/// Calls `go`, and again after a device failure: with half the micro-batch if the device was out of memory, otherwise
/// with an equal one. It gives up after `most` failures without progress in between; `progress` returns the step of the
/// newest checkpoint. So a laptop may sleep every night.
///
/// # Errors
/// Error of the last attempt.
pub fn retry<T>(
    (micro, most): (u32, u32),
    mut progress: impl FnMut() -> u64,
    mut go: impl FnMut(Attempt) -> Result<T>,
) -> Result<T> {
    let mut attempt = Attempt { micro, failure: None };
    let (mut failures, mut reached) = (0, progress());
    loop {
        let micro = attempt.micro;
        let failure = match go(attempt) {
            Err(Error::Device(failure)) => failure,
            other => return other,
        };
        let now = progress();
        failures = if now > reached { 1 } else { failures + 1 };
        reached = now;
        if failures >= most {
            return Err(Error::Device(failure));
        }
        let half = lacks_memory(&failure) && micro > 1;
        attempt = Attempt { micro: if half { micro.div_ceil(2) } else { micro }, failure: Some(failure) };
    }
}

/// Whether a device error means too little memory: in our own words, wgpu's, or those of drivers.
fn lacks_memory(failure: &str) -> bool {
    // only the first line counts: our own advice mentions memory too
    let said = failure.lines().next().unwrap_or_default().to_lowercase();
    ["out of memory", "outofmemory", "out_of", "not enough memory"].iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts of a training whose device fails with each of `failures` after reaching its step.
    fn attempts(failures: &[(u64, &str)]) -> (Vec<u32>, bool) {
        let reached = std::cell::Cell::new(0);
        let (mut micros, mut left) = (Vec::new(), failures.iter());
        let end = retry(
            (8, FAILURES),
            || reached.get(),
            |attempt| {
                micros.push(attempt.micro);
                let Some((step, failure)) = left.next() else { return Ok(()) };
                reached.set(*step);
                Err(Error::Device((*failure).into()))
            },
        );
        (micros, end.is_ok())
    }

    #[test]
    fn failures_are_counted_between_checkpoints() {
        assert_eq!(attempts(&[]), (vec![8], true));
        assert_eq!(attempts(&[(5, "the device was lost"), (9, "lost"), (10, "lost")]), (vec![8; 4], true));
        assert_eq!(attempts(&[(5, "lost"), (5, "lost"), (6, "lost")]), (vec![8; 2], false));
        assert_eq!(attempts(&[(0, "lost"), (5, "lost"), (5, "lost")]), (vec![8; 3], false));
    }

    #[test]
    fn only_a_lack_of_memory_halves_the_micro_batch() {
        let advice =
            "lost: a reset\nIf memory ran out or the driver ended a long computation, lower --micro-batch.";
        assert_eq!(attempts(&[(0, advice)]), (vec![8, 8], true));
        assert_eq!(attempts(&[(0, "out of memory: the plan takes 9.1 GiB"), (1, "lost")]).0, [8, 4, 4]);
        assert_eq!(attempts(&[(0, "Not enough memory left.")]).0, [8, 4]);
        assert_eq!(attempts(&[(0, "VK_ERROR_OUT_OF_DEVICE_MEMORY")]).0, [8, 4]);
    }
}
