//! A network's latency and bandwidth: for the plan of a training's cost, and to emulate it in a real training.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Communicator, Interrupt};
use crate::error::{Error, Result};

/// The latency of a message and the bandwidth of every process's connection, in both directions at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// seconds from sending a message to receiving it
    pub latency: f64,
    /// bytes per second
    pub bandwidth: f64,
}

impl Network {
    /// Gigabit Ethernet.
    pub const GIGABIT: Self = Self { latency: 1e-4, bandwidth: 1e9 / 8.0 };

    /// Seconds of an operation in which every process sends `bytes` to each of `ranks - 1` others, and receives as much.
    pub fn exchange(&self, ranks: usize, bytes: u64) -> f64 {
        if ranks < 2 { 0.0 } else { self.latency + (ranks - 1) as f64 * bytes as f64 / self.bandwidth }
    }
}

/// Units of bandwidth in bytes per second.
const UNITS: [(&str, f64); 5] =
    [("Gbit", 1.25e8), ("Mbit", 1.25e5), ("GB/s", 1e9), ("MB/s", 1e6), ("GiB/s", 1_073_741_824.0)];

impl FromStr for Network {
    type Err = String;

    /// `10Gbit`, or with a latency `10Gbit,1ms`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || {
            "must be a bandwidth, such as 10Gbit, 500Mbit or 2GB/s, with or without a latency: 10Gbit,1ms"
                .to_owned()
        };
        let (bandwidth, latency) = text.split_once(',').map_or((text, None), |(a, b)| (a, Some(b)));
        let of_unit = |(unit, factor): &(&str, f64)| {
            let number = bandwidth.trim().strip_suffix(unit)?.trim_end();
            number.parse::<f64>().ok().map(|number| number * factor)
        };
        let bandwidth = UNITS.iter().find_map(of_unit).filter(|bytes| bytes.is_finite() && *bytes > 0.0);
        let latency = match latency {
            None => Self::GIGABIT.latency,
            Some(text) => humantime::parse_duration(text.trim()).map_err(|_| wrong())?.as_secs_f64(),
        };
        Ok(Self { latency, bandwidth: bandwidth.ok_or_else(wrong)? })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = Duration::from_nanos((1e9 * self.latency).round() as u64);
        let latency = humantime::format_duration(latency).to_string().replace(' ', "");
        write!(f, "{}Gbit,{latency}", self.bandwidth / 1.25e8)
    }
}

/// A communicator that takes at least as long as a network would: it waits for the rest of the time.
pub struct Emulated {
    inner: Box<dyn Communicator>,
    network: Network,
    /// bytes of the emulated messages for each byte of the real ones
    scale: f64,
}

impl Emulated {
    /// `inner` on `network`, as if every message were `scale` times as long.
    pub fn new(inner: Box<dyn Communicator>, network: Network, scale: f64) -> Self {
        Self { inner, network, scale }
    }

    fn paced<T>(&mut self, bytes: usize, go: impl FnOnce(&mut dyn Communicator) -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let result = go(self.inner.as_mut());
        let bytes = (bytes as f64 * self.scale) as u64;
        let takes = Duration::from_secs_f64(self.network.exchange(self.inner.size(), bytes));
        std::thread::sleep(takes.saturating_sub(began.elapsed()));
        result
    }
}

impl Communicator for Emulated {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn all_to_all(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        let piece = send.len() / self.size();
        self.paced(piece, |inner| inner.all_to_all(send, receive))
    }

    fn all_gather(&mut self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        self.paced(send.len(), |inner| inner.all_gather(send, receive))
    }

    fn broadcast(&mut self, data: &mut [u8]) -> Result<()> {
        // along a chain of processes, piece by piece
        let piece = data.len() / (self.size() - 1).max(1);
        self.paced(piece, |inner| inner.broadcast(data))
    }

    fn abort(&mut self, code: u8) {
        self.inner.abort(code);
    }

    fn interrupt(&self) -> Interrupt {
        self.inner.interrupt()
    }
}

/// The network to emulate: the value of the variable `WGVAE_NETWORK`, if it is set.
///
/// # Errors
/// [`Error::Usage`] if it is not one.
pub(super) fn emulated() -> Result<Option<Network>> {
    let Ok(text) = std::env::var("WGVAE_NETWORK") else { return Ok(None) };
    text.parse().map(Some).map_err(|reason| Error::Usage(format!("WGVAE_NETWORK={text}: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_written() {
        for (text, latency, bandwidth) in [
            ("10Gbit", 1e-4, 1.25e9),
            ("10Gbit,1ms", 1e-3, 1.25e9),
            ("500Mbit, 20us", 2e-5, 6.25e7),
            ("2 GB/s", 1e-4, 2e9),
            ("1GiB/s,0s", 0.0, 1_073_741_824.0),
        ] {
            let network: Network = text.parse().expect(text);
            assert!((network.latency - latency).abs() < 1e-12, "{text}: {network:?}");
            assert!((network.bandwidth - bandwidth).abs() < 1e-3, "{text}: {network:?}");
            assert_eq!(network.to_string().parse(), Ok(network), "{text}");
        }
        for wrong in ["", "10", "Gbit", "-1Gbit", "0Gbit", "10Gbit,fast", "10 apples", "infGbit"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_exchange_sends_to_all_others() {
        let network = Network { latency: 0.001, bandwidth: 1e6 };
        assert_eq!(network.exchange(1, 1_000_000), 0.0);
        assert!((network.exchange(4, 1000) - 0.004).abs() < 1e-12);
    }
}
