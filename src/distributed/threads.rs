//! Processes that are threads of one process: for tests, and to try a training on an emulated network.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::{Communicator, Interrupt};
use crate::error::{Error, Result};

/// State that all threads share.
struct Shared {
    /// the messages of the operation under way, by rank
    messages: Mutex<Round>,
    changed: Condvar,
    /// whether a thread has left without finishing
    lost: AtomicBool,
}

impl Shared {
    fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
        self.changed.notify_all();
    }
}

#[derive(Default)]
struct Round {
    sent: Vec<Option<Arc<[u8]>>>,
    /// threads that have taken the messages
    taken: usize,
}

/// A thread that plays the part of a process.
pub struct Threads {
    rank: usize,
    size: usize,
    shared: Arc<Shared>,
}

impl Threads {
    /// Connections of `size` threads.
    pub fn connect(size: usize) -> Vec<Self> {
        let round = Round { sent: vec![None; size], taken: 0 };
        let shared =
            Shared { messages: Mutex::new(round), changed: Condvar::new(), lost: AtomicBool::new(false) };
        let shared = Arc::new(shared);
        (0..size).map(|rank| Self { rank, size, shared: shared.clone() }).collect()
    }

    /// Hands `message` to the others, and returns the messages of all.
    fn exchange(&self, message: &[u8]) -> Result<Vec<Arc<[u8]>>> {
        let mut round = self.wait(|round| round.sent[self.rank].is_none())?;
        round.sent[self.rank] = Some(message.into());
        self.shared.changed.notify_all();
        drop(round);
        let mut round = self.wait(|round| round.sent.iter().all(Option::is_some))?;
        let all = round.sent.iter().flatten().cloned().collect();
        round.taken += 1;
        if round.taken == self.size {
            *round = Round { sent: vec![None; self.size], taken: 0 };
        }
        self.shared.changed.notify_all();
        // the next operation must not begin before all have these messages
        if round.taken > 0 {
            drop(round);
            drop(self.wait(|round| round.taken == 0)?);
        }
        Ok(all)
    }

    fn wait(&self, so: impl Fn(&Round) -> bool) -> Result<std::sync::MutexGuard<'_, Round>> {
        let lost = || Error::Device(format!("rank {}: another rank has ended", self.rank));
        let mut round = self.shared.messages.lock().map_err(|_| lost())?;
        while !so(&round) {
            if self.shared.lost.load(Ordering::SeqCst) {
                return Err(lost());
            }
            let waited = self.shared.changed.wait_timeout(round, Duration::from_millis(20));
            round = waited.map_err(|_| lost())?.0;
        }
        Ok(round)
    }
}

impl Communicator for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_to_all(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        assert_eq!(send.len(), receive.len(), "all_to_all: lengths");
        assert!(send.len().is_multiple_of(self.size), "all_to_all: {} bytes", send.len());
        let piece = send.len() / self.size;
        let all = self.exchange(send)?;
        for (to, from) in receive.chunks_mut(piece.max(1)).zip(&all) {
            to.copy_from_slice(&from[self.rank * piece..(self.rank + 1) * piece]);
        }
        Ok(())
    }

    fn all_gather(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        assert_eq!(send.len() * self.size, receive.len(), "all_gather: lengths");
        let all = self.exchange(send)?;
        receive.chunks_mut(send.len().max(1)).zip(&all).for_each(|(to, from)| to.copy_from_slice(from));
        Ok(())
    }

    fn broadcast(&mut self, data: &mut [u8]) -> Result<()> {
        let all = self.exchange(if self.rank == 0 { data } else { &[] })?;
        data.copy_from_slice(&all[0]);
        Ok(())
    }

    fn abort(&mut self, _code: u8) {
        self.shared.lose();
    }

    fn interrupt(&self) -> Interrupt {
        let shared = self.shared.clone();
        Box::new(move |_| shared.lose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of all ranks, in their order.
    fn run<T: Send>(size: usize, go: impl Fn(&mut Threads) -> T + Sync) -> Vec<T> {
        std::thread::scope(|scope| {
            let go = &go;
            let threads: Vec<_> = Threads::connect(size)
                .into_iter()
                .map(|mut connection| scope.spawn(move || go(&mut connection)))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        })
    }

    #[test]
    fn operations_are_those_of_mpi() {
        let received = run(3, |connection| {
            let rank = connection.rank() as u8;
            let mut out = Vec::new();
            for round in 0..50 {
                let send = [10 * rank, 10 * rank + 1, 10 * rank + 2].map(|byte| byte + round);
                let (mut pieces, mut all, mut first) = ([0; 3], [0; 9], send);
                connection.all_to_all(&send, &mut pieces).expect("pieces");
                connection.all_gather(&send, &mut all).expect("all");
                connection.broadcast(&mut first).expect("first");
                assert_eq!(pieces, [rank, 10 + rank, 20 + rank].map(|byte| byte + round));
                assert_eq!(all, [0, 1, 2, 10, 11, 12, 20, 21, 22].map(|byte| byte + round));
                assert_eq!(first, [0, 1, 2].map(|byte| byte + round));
                out = all.to_vec();
            }
            out
        });
        assert!(received.windows(2).all(|two| two[0] == two[1]));
    }

    #[test]
    fn a_lost_rank_is_an_error_of_the_others() {
        let ended = run(2, |connection| {
            if connection.rank() == 1 {
                connection.abort(1);
                return true;
            }
            let mut all = [0; 2];
            connection.all_gather(&[0], &mut all).is_err()
        });
        assert_eq!(ended, [true, true]);
    }
}
