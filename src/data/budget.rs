//! A byte budget shared by threads, a counting semaphore.
//! Read this to see what bounds the memory of parallel decoding.

use std::sync::{Condvar, Mutex, PoisonError};

/// A limit in bytes shared by all threads; a request beyond it waits until others have finished.
pub(super) struct Budget {
    limit: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Bytes taken from a [`Budget`]; dropping them gives them back.
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, used: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until `bytes` are free. A request larger than the limit is granted when nobody else holds a share.
    ///
    /// The holder of a share must not wait for work of other threads that may ask for one.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |used: &mut u64| *used > 0 && used.saturating_add(bytes) > self.limit;
        let mut used = self.freed.wait_while(used, full).unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Sixteen threads ask for different shares, one of them for more than the limit.
    #[test]
    fn no_more_is_used_together_than_the_limit_but_by_one_alone() {
        let budget = Budget::new(100);
        let (used, largest, alone) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let bytes = if thread == 7 { 250 } else { 20 + thread };
                let (budget, used, largest, alone) = (&budget, &used, &largest, &alone);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let _share = budget.take(bytes);
                        let now = used.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        let which = if bytes > 100 { alone } else { largest };
                        which.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        used.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(largest.into_inner() <= 100);
        assert_eq!(alone.into_inner(), 250, "the large one was not alone");
        assert_eq!(*budget.used.lock().unwrap_or_else(PoisonError::into_inner), 0);
    }

    #[test]
    fn a_panic_gives_its_share_back() {
        let budget = Budget::new(10);
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _share = budget.take(10);
                    std::panic::resume_unwind(Box::new(()));
                })
                .join()
        });
        assert!(panicked.is_err());
        drop(budget.take(10));
    }
}
