//! The network and its parameters. Knows nothing of files, folders or terminals.

mod backward;
mod extras;
mod gradients;
mod layers;
mod network;
mod optimizer;
mod options;
mod params;
mod state_dict;
mod vae;

pub use extras::TrainFeatures;
pub use network::{Network, micro_batch};
pub use options::{Device, ModelOptions};
pub use state_dict::{NamedTensor, StateDict};
pub use vae::{Input, Latents, Loss, Outcome, Probe, StepSettings, Vae};
