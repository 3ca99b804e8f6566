//! The network and its parameters. Knows nothing of files, folders or terminals.

pub mod architectures;
mod arena;
mod backward;
mod buckets;
mod extras;
pub mod flow;
mod gradients;
pub mod layer;
pub mod layers;
mod network;
mod optimizer;
mod options;
pub mod params;
pub mod recorder;
mod runs;
mod state_dict;
mod vae;

pub use buckets::BUCKET;
pub use extras::TrainFeatures;
pub use network::{Network, Programs, micro_batch};
pub use options::{Device, ModelOptions};
pub use params::parameter_count;
pub use runs::Run;
pub use state_dict::{ADAM_SLOTS, NamedTensor, OptimizerState, StateDict};
pub use vae::{BatchPart, Input, Latents, Loss, Outcome, Probe, StepSettings, Vae};
