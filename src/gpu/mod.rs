//! Adapters, kernels, plans and the two runners. Knows nothing of networks.

pub mod adapter;
mod choice;
pub mod dead_branches;
mod derived;
mod encode;
mod hidden;
pub mod kernel;
pub mod llvmpipe;
mod pace;
mod persistent;
mod pipeline_cache;
mod pipelines;
pub mod profile;
pub mod program;
mod readback;
mod runner;
pub mod tensor;
pub mod textures;
mod timestamps;
pub mod trace;
mod twin;
mod unsafe_calls;

pub use adapter::{Adapter, Capabilities, Fragment};
pub use choice::AdapterChoice;
pub use kernel::{Kernel, Params, Source, Value};
pub use profile::{Clock, Timing, Timings};
pub use program::{Dispatch, Item, Op, Plan, Program, ProgramId, Runner, TextureCopy, Usage};
pub use runner::GpuRunner;
pub use tensor::{BufferId, Element, Shape, Tensor};
pub use textures::{TextureId, TextureSpec};
pub use twin::ReferenceRunner;
