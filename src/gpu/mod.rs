//! Adapters, kernels, plans and the two runners. Knows nothing of networks.

pub mod adapter;
pub mod kernel;
pub mod program;
mod runner;
pub mod tensor;
mod twin;

pub use adapter::{Adapter, Choice, Target};
pub use kernel::{Kernel, Params, Source, Value};
pub use program::{Dispatch, Item, Op, Plan, Program, ProgramId, Runner, Usage};
pub use runner::GpuRunner;
pub use tensor::{BufferId, Shape, Tensor};
pub use twin::TwinRunner;
