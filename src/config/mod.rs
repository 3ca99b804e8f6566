//! The settings of models and trainings: defaults, presets, checks, and the table form of flags and files.

mod cache_folder;
mod flow;
mod memory;
mod micro_batch;
mod model;
mod names;
mod objective;
mod optimizer;
mod preset;
mod table;
mod time_limit;
mod train;

pub use cache_folder::cache_folder;
pub use flow::{FlowConfig, FlowSize};
pub use memory::{free_memory, used_memory};
pub use micro_batch::MicroBatch;
pub use model::{Architecture, ModelConfig};
pub use objective::{BetaSchedule, Likelihood, LossKind, Objective, Sigma};
pub use optimizer::{Augmentation, LrSchedule, Optimizer, cosine, warmup};
pub use preset::Preset;
pub use table::{Table, Value};
pub use time_limit::TimeLimit;
pub use train::{MAX_BATCH, TrainConfig, checked_batch};

/// The way pictures are made square.
pub use crate::data::Resize;
/// The type of activations and their gradients.
pub use crate::element::Element;
