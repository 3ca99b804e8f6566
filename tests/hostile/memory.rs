//! Peak memory measurement, if the system reports it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Serializes measurements: memory belongs to the process, and tests run in parallel.
static ALONE: Mutex<()> = Mutex::new(());

/// The growth of the process's peak memory.
pub(crate) struct Memory {
    before: Option<u64>,
    _alone: MutexGuard<'static, ()>,
}

impl Memory {
    /// Starts a measurement, once no other test measures.
    pub(crate) fn watch() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // resets the peak of earlier tests; if that fails, smaller growth is not detected
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self { before: peak(), _alone: alone }
    }

    /// Growth of the peak memory in MiB; `None` if the system does not report it.
    pub(crate) fn grown(&self) -> Option<u64> {
        Some((peak()?.saturating_sub(self.before?)) >> 10)
    }
}

/// Peak resident memory in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
