//! How much memory something takes at its worst, where the system tells.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One measurement at a time: memory is the process's, and tests run beside each other.
static ALONE: Mutex<()> = Mutex::new(());

/// The growth of the process's memory over its life.
pub(crate) struct Memory {
    before: Option<u64>,
    _alone: MutexGuard<'static, ()>,
}

impl Memory {
    /// Begins here, once no other test measures.
    pub(crate) fn watch() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // forgets the peaks of tests before; where that is refused, growth below them is not seen
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self { before: peak(), _alone: alone }
    }

    /// By how many MiB the most that the process ever held has grown; nothing where the system does not tell.
    pub(crate) fn grown(&self) -> Option<u64> {
        Some((peak()?.saturating_sub(self.before?)) >> 10)
    }
}

/// The most that was ever resident, in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
