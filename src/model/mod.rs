//! The network and its parameters. Knows nothing of files, folders or terminals.

mod backward;
mod build;
mod extras;
mod gradients;
mod layers;
mod network;
mod params;
mod probe;
mod state;
mod state_dict;
mod steps;
mod update;
mod vae;

pub use build::{Build, Place};
pub use extras::TrainFeatures;
pub use network::{Network, micro_batch};
pub use probe::Probe;
pub use state_dict::{NamedTensor, StateDict};
pub use vae::{Input, Latents, Loss, Outcome, StepSettings, Vae};
