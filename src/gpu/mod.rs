//! Adapters, kernels, plans and the two runners. Knows nothing of networks.

pub mod adapter;
mod choice;
mod encode;
mod held;
mod hidden;
pub mod images;
mod kept;
pub mod kernel;
mod lasting;
mod pace;
mod pipelines;
pub mod profile;
pub mod program;
pub mod prune;
mod readback;
mod runner;
pub mod software;
pub mod tensor;
mod timed;
pub mod trace;
mod trusted;
mod twin;

pub use adapter::{Adapter, Fragment, Target};
pub use choice::Choice;
pub use images::{ImageId, ImageSpec};
pub use kernel::{Kernel, Params, Source, Value};
pub use profile::{Clock, Timing, Timings};
pub use program::{Dispatch, Image, Item, Op, Plan, Program, ProgramId, Runner, Usage};
pub use runner::GpuRunner;
pub use tensor::{BufferId, Element, Shape, Tensor};
pub use twin::TwinRunner;
