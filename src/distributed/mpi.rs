//! Processes of an MPI job, by the crate `mpi`.
//!
//! Operations are the non-blocking ones, asked again and again with pauses: blocking ones of Open MPI and MPICH keep a
//! processor busy while they wait, which a software adapter computes with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::environment::Universe;
use mpi::request::{Request, Scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives, Root};

use super::{Communicator, Interrupt};
use crate::error::{Error, Result};

/// Bytes of a broadcast at once: MPI counts with 31 bits.
const PART: usize = 1 << 28;
/// Tries without a pause, then the shortest and the longest pause between two.
const TRIES: u32 = 50;
const PAUSES: [Duration; 2] = [Duration::from_micros(10), Duration::from_micros(200)];
/// Time that other processes may take for a message after a request to stop: a step, and the differences between them.
const PATIENCE: Duration = Duration::from_secs(20);
/// No exit code has been asked for.
const NONE: u32 = u32::MAX;

/// This process's connection to the others of its MPI job.
pub struct Mpi {
    // dropped before the universe, which finalizes MPI
    world: SimpleCommunicator,
    _universe: Universe,
    /// exit code of an interrupt
    code: Arc<AtomicU32>,
    /// whether the process was asked to stop
    stop: Arc<AtomicBool>,
}

impl Mpi {
    /// Initialises MPI. Call it once, on the thread that makes all calls. Once `stop` is set, a message that another process
    /// keeps this one waiting for too long ends all: a process that has died never answers, and one that catches the signals
    /// of its launcher would wait until it is killed.
    ///
    /// # Errors
    /// If MPI is initialised already.
    pub fn connect(stop: Arc<AtomicBool>) -> Result<Box<dyn Communicator>> {
        // the threads of the program make no calls, but MPI has to know that they exist
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| Error::Device("MPI is initialised already".into()))?;
        let world = universe.world();
        Ok(Box::new(Self { world, _universe: universe, code: Arc::new(AtomicU32::new(NONE)), stop }))
    }

    /// Name and version of the library, on one line.
    pub fn library() -> String {
        let text = mpi::environment::library_version().unwrap_or_default();
        let text = text.lines().next().unwrap_or_default().replace('\t', " ");
        text.split(", package").next().unwrap_or_default().trim().to_owned()
    }

    /// Waits for `request` with pauses, so that others can compute.
    fn wait<'a, D: ?Sized, S: Scope<'a>>(&self, mut request: Request<'a, D, S>) {
        let (mut tries, mut pause) = (0, PAUSES[0]);
        let mut asked: Option<Instant> = None;
        loop {
            match request.test() {
                Ok(_) => return,
                Err(again) => request = again,
            }
            let code = self.code.load(Ordering::SeqCst);
            if code != NONE {
                self.world.abort(code as i32);
            }
            if self.stop.load(Ordering::Relaxed)
                && asked.get_or_insert_with(Instant::now).elapsed() > PATIENCE
            {
                self.world.abort(1);
            }
            tries += 1;
            if tries < TRIES {
                std::thread::yield_now();
            } else {
                std::thread::sleep(pause);
                pause = (2 * pause).min(PAUSES[1]);
            }
        }
    }
}

impl Communicator for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn all_to_all(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        assert!(send.len().is_multiple_of(self.size()), "all_to_all: {} bytes", send.len());
        mpi::request::scope(|scope| self.wait(self.world.immediate_all_to_all_into(scope, send, receive)));
        Ok(())
    }

    fn all_gather(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        assert_eq!(send.len() * self.size(), receive.len(), "all_gather: lengths");
        mpi::request::scope(|scope| self.wait(self.world.immediate_all_gather_into(scope, send, receive)));
        Ok(())
    }

    fn broadcast(&mut self, data: &mut [u8]) -> Result<()> {
        for part in data.chunks_mut(PART) {
            let first = self.world.process_at_rank(0);
            mpi::request::scope(|scope| self.wait(first.immediate_broadcast_into(scope, part)));
        }
        Ok(())
    }

    fn abort(&mut self, code: u8) {
        self.world.abort(code.into())
    }

    fn interrupt(&self) -> Interrupt {
        let own = self.code.clone();
        Box::new(move |code| own.store(code.into(), Ordering::SeqCst))
    }
}
