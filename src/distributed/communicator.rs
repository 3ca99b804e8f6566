//! Collective operations between the processes that train one model.

use crate::error::Result;

/// Ends an operation that another thread waits in, and with it all processes, with an exit code.
pub type Interrupt = Box<dyn Fn(u8) + Send + Sync>;

/// One process's connection to the others. Every process calls the same operations in the same order, with messages of
/// equal lengths.
///
/// The operations are those of MPI with the same names. There is no all-reduce: the order in which MPI libraries add
/// depends on the library, its version, the number of processes and the size of the message.
pub trait Communicator {
    /// Number of this process, from 0.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn size(&self) -> usize;

    /// Sends the n-th of [`size`](Communicator::size) equal pieces of `send` to rank n, and receives one piece from each
    /// rank, in their order, into `receive`.
    ///
    /// # Errors
    /// If another process is lost.
    ///
    /// # Panics
    /// If the two are not equally long, or not a whole number of pieces.
    fn all_to_all(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()>;

    /// Sends `send` to all ranks, and receives what they send, in their order, into `receive`.
    ///
    /// # Errors
    /// If another process is lost.
    ///
    /// # Panics
    /// If `receive` has no room for all.
    fn all_gather(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()>;

    /// Replaces `data` by that of rank 0.
    ///
    /// # Errors
    /// If another process is lost.
    fn broadcast(&mut self, data: &mut [u8]) -> Result<()>;

    /// Ends all processes with this exit code, without waiting for them.
    fn abort(&mut self, code: u8);

    /// Does the same from another thread, while an operation is under way.
    fn interrupt(&self) -> Interrupt;
}
