//! One more try where the device has failed: GPUs are lost to other programs, drivers and sleep, and run out of
//! memory that others hold.

use crate::error::{Error, Result};

/// How an attempt is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// pictures computed at once
    pub micro: u32,
    /// of the attempt before, why it failed
    pub failure: Option<String>,
}

/// Calls `go`; if the device fails, once more with half the micro-batch.
///
/// # Errors
/// Those of the last attempt.
pub fn twice<T>(micro: u32, mut go: impl FnMut(Attempt) -> Result<T>) -> Result<T> {
    match go(Attempt { micro, failure: None }) {
        Err(Error::Device(failure)) => {
            go(Attempt { micro: micro.div_ceil(2).max(1), failure: Some(failure) })
        }
        other => other,
    }
}
