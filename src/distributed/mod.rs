//! Several processes that train one model: the messages that they exchange, and what these cost.
//! Read this for the transports, the order of sums, and the emulated network.
//!
//! A [`Group`] is this process's end of the connection: it runs collective operations, in order, on a thread of their own,
//! so that a training computes meanwhile. The operations are those of a [`Communicator`]: MPI (with the cargo feature
//! `mpi`), or threads of one process. Every process must begin the same operations in the same order.

mod communicator;
mod cost;
mod group;
mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
mod network;
mod reduce;
mod threads;

use std::ops::Range;

pub use communicator::{Communicator, Interrupt};
pub use cost::{BucketCost, StepCost};
pub use group::{Group, Pending};
pub use launcher::{Launched, can_connect, launched};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use network::{Emulated, Network};
pub use reduce::Sums;
pub use threads::Threads;

/// Part `rank` of `len` items that `ranks` processes divide as equally as possible.
pub fn even_part(len: u32, rank: usize, ranks: usize) -> Range<u32> {
    let end = |ranks_before: usize| (u64::from(len) * ranks_before as u64 / ranks as u64) as u32;
    end(rank)..end(rank + 1)
}
