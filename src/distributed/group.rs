//! This process's end of the connection: operations begin in order and run on a thread of their own.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::network::{Emulated, emulated};
use super::{Communicator, Interrupt, Sums};
use crate::element::Element;
use crate::error::{Error, Result};

/// An operation, with where its result goes.
enum Job {
    Gather(Vec<u8>, Sender<Result<Vec<u8>>>),
    Broadcast(Vec<u8>, Sender<Result<Vec<u8>>>),
    Sum(usize, Element, Vec<f32>, Sender<Result<Vec<f32>>>),
    Forget,
    Abort(u8),
}

/// The result of an operation that runs meanwhile.
#[derive(Debug)]
pub struct Pending<T> {
    result: Receiver<Result<T>>,
    arrived: Option<Result<T>>,
}

impl<T> Pending<T> {
    /// Whether the result is there, so that [`Pending::wait`] does not wait.
    pub fn has_arrived(&mut self) -> bool {
        if self.arrived.is_none() {
            self.arrived = match self.result.try_recv() {
                Ok(result) => Some(result),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(ended())),
            };
        }
        self.arrived.is_some()
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// If another process is lost.
    pub fn wait(self) -> Result<T> {
        let Self { result, arrived } = self;
        arrived.unwrap_or_else(|| result.recv().unwrap_or_else(|_| Err(ended())))
    }
}

fn ended() -> Error {
    Error::Device("the connection to the other ranks has ended".into())
}

/// The processes that train one model, as one of them sees them. Dropped before [`Group::finish`], it ends all processes: a
/// process that fails must not leave the others waiting.
pub struct Group {
    rank: usize,
    size: usize,
    /// the thread with the way to it, until the connection has ended
    work: Mutex<Option<(Sender<Job>, JoinHandle<()>)>>,
    interrupt: Interrupt,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.size)
    }
}

impl Group {
    /// Connects on a new thread, which makes all calls. With the variable `WGVAE_NETWORK` set, operations take as long as on
    /// that network.
    ///
    /// # Errors
    /// If there is no connection.
    pub fn new(connect: impl FnOnce() -> Result<Box<dyn Communicator>> + Send + 'static) -> Result<Self> {
        let (jobs, todo) = channel();
        let (sender, connected) = channel();
        let network = emulated()?;
        let work = move || match connect() {
            Ok(communicator) => {
                let communicator: Box<dyn Communicator> = match network {
                    Some(network) => Box::new(Emulated::new(communicator, network, 1.0)),
                    None => communicator,
                };
                let known = (communicator.rank(), communicator.size(), communicator.interrupt());
                let _ = sender.send(Ok(known));
                run(communicator, &todo);
            }
            Err(error) => _ = sender.send(Err(error)),
        };
        let thread = Builder::new().name("ranks".into()).spawn(work);
        let thread = thread.map_err(|error| Error::Device(format!("cannot start a thread: {error}")))?;
        let ended = || Err(Error::Device("the connection to the other ranks could not be made".into()));
        let (rank, size, interrupt) = connected.recv().unwrap_or_else(|_| ended())?;
        let work = Mutex::new(Some((jobs, thread)));
        Ok(Self { rank, size, work, interrupt })
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Hands a job to the thread. If it has ended, the wait for the result reports it.
    fn send(&self, job: Job) {
        if let Some((jobs, _)) = &*self.work.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = jobs.send(job);
        }
    }

    fn start<T>(&self, job: impl FnOnce(Sender<Result<T>>) -> Job) -> Pending<T> {
        let (sender, receiver) = channel();
        self.send(job(sender));
        Pending { result: receiver, arrived: None }
    }

    /// Begins to gather the messages of all ranks, which are equally long: the result is theirs end to end.
    pub fn start_gather(&self, message: Vec<u8>) -> Pending<Vec<u8>> {
        self.start(|to| Job::Gather(message, to))
    }

    /// The values of all ranks, in their order.
    ///
    /// # Errors
    /// If another process is lost.
    pub fn gather<T: bytemuck::Pod>(&self, value: T) -> Result<Vec<T>> {
        let all = self.start_gather(bytemuck::bytes_of(&value).to_vec()).wait()?;
        Ok(all.chunks(size_of::<T>().max(1)).map(bytemuck::pod_read_unaligned).collect())
    }

    /// The bytes of all ranks, of any lengths, in their order.
    ///
    /// # Errors
    /// If another process is lost.
    pub fn gather_bytes(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let lengths = self.gather(bytes.len() as u64)?;
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1) as usize;
        let mut message = bytes.to_vec();
        message.resize(longest, 0);
        let all = self.start_gather(message).wait()?;
        Ok(all.chunks(longest).zip(lengths).map(|(bytes, len)| bytes[..len as usize].to_vec()).collect())
    }

    /// The texts of all ranks, in their order.
    ///
    /// # Errors
    /// If another process is lost.
    pub fn gather_texts(&self, text: &str) -> Result<Vec<String>> {
        let texts = self.gather_bytes(text.as_bytes())?.into_iter();
        Ok(texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect())
    }

    /// The bytes of rank 0; those of the others are not used.
    ///
    /// # Errors
    /// If another process is lost.
    pub fn broadcast(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let len = self.gather(bytes.len() as u64)?[0] as usize;
        let mut bytes = if self.rank == 0 { bytes } else { Vec::new() };
        bytes.resize(len, 0);
        self.start(|to| Job::Broadcast(bytes, to)).wait()
    }

    /// Begins to add `values` over all ranks, as [`Sums`] does, with pieces of type `wire` on the way.
    pub fn start_sum(&self, key: usize, wire: Element, values: Vec<f32>) -> Pending<Vec<f32>> {
        self.start(|to| Job::Sum(key, wire, values, to))
    }

    /// See [`Sums::forget`].
    pub fn forget_residuals(&self) {
        self.send(Job::Forget);
    }

    /// Ends all processes with this exit code.
    pub fn abort(&self, code: u8) {
        let Some((jobs, thread)) = self.take_work() else { return };
        (self.interrupt)(code);
        let _ = jobs.send(Job::Abort(code));
        drop(jobs);
        let _ = thread.join();
    }

    fn take_work(&self) -> Option<(Sender<Job>, JoinHandle<()>)> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the connection, as all processes do, and waits until they do. The process goes on by itself.
    pub fn finish(&self) {
        if let Some((jobs, thread)) = self.take_work() {
            drop(jobs);
            let _ = thread.join();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.abort(1);
    }
}

/// Runs operations until there are no more to come.
fn run(mut communicator: Box<dyn Communicator>, todo: &Receiver<Job>) {
    let mut sums = Sums::default();
    while let Ok(job) = todo.recv() {
        let group = communicator.as_mut();
        // nobody may wait for a result any more
        match job {
            Job::Gather(message, to) => {
                let mut all = vec![0; message.len() * group.size()];
                let _ = to.send(group.all_gather(&message, &mut all).map(|()| all));
            }
            Job::Broadcast(mut bytes, to) => {
                let _ = to.send(group.broadcast(&mut bytes).map(|()| bytes));
            }
            Job::Sum(key, wire, mut values, to) => {
                let _ = to.send(sums.sum(group, (key, wire), &mut values).map(|()| values));
            }
            Job::Forget => sums.forget(),
            Job::Abort(code) => group.abort(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Threads;
    use super::*;

    fn groups(size: usize) -> Vec<Group> {
        let connections = Threads::connect(size).into_iter();
        connections.map(|one| Group::new(move || Ok(Box::new(one))).expect("a group")).collect()
    }

    #[test]
    fn operations_overlap_and_keep_their_order() {
        std::thread::scope(|scope| {
            for group in groups(3) {
                scope.spawn(move || {
                    let rank = group.rank();
                    let sums: Vec<_> = (0..4)
                        .map(|key| group.start_sum(key, Element::F32, vec![(rank + key) as f32; 10 + key]))
                        .collect();
                    assert_eq!(group.gather(rank as u32).expect("all"), [0, 1, 2]);
                    let texts = group.gather_texts(&"é".repeat(rank)).expect("texts");
                    assert_eq!(texts, ["", "é", "éé"]);
                    let bytes = group.broadcast(vec![rank as u8 + 1; 5 - rank]).expect("bytes");
                    assert_eq!(bytes, [1; 5]);
                    for (key, sum) in sums.into_iter().enumerate() {
                        assert_eq!(sum.wait().expect("a sum"), vec![(3 + 3 * key) as f32; 10 + key]);
                    }
                    group.finish();
                });
            }
        });
    }

    #[test]
    fn a_group_that_is_dropped_ends_the_others() {
        let mut all = groups(2);
        let (last, first) = (all.pop(), all.pop().expect("rank 0"));
        drop(last);
        let error = first.gather(0u32).expect_err("a lost rank").to_string();
        assert!(error.contains("another rank has ended"), "{error}");
    }
}
