//! The network and its parameters. Knows nothing of files, folders or terminals.

mod backward;
mod build;
mod init;
mod network;
mod params;
mod steps;
mod vae;

pub use build::{Build, Place};
pub use init::{Named, Weights};
pub use network::{Network, micro_batch};
pub use steps::Probe;
pub use vae::{Input, Latents, Loss, StepSettings, Vae};
