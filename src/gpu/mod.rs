//! Adapters, kernels, plans and runners. Knows nothing of networks.
//!
//! Reading order: `tensor`, `kernel`, `op`, `plan`, `runner`. `tests/contracts/layers.rs` lists the files by level: each uses
//! only files of lower levels.

pub mod adapter;
mod capabilities;
mod choice;
pub mod dead_branches;
mod derived;
mod hidden;
mod ids;
pub mod kernel;
mod limits;
pub mod llvmpipe;
mod op;
mod paced;
mod plan;
pub mod profile;
mod program;
mod runner;
pub mod tensor;
pub mod textures;
pub mod trace;
mod twin;
mod unsafe_calls;
mod vec4s;

pub use adapter::Adapter;
pub use capabilities::{Capabilities, Fragment, Vendor};
pub use choice::AdapterChoice;
pub use ids::{BufferId, ProgramId, TextureId};
pub use kernel::{Kernel, Params, Source, Value};
pub use op::{Dispatch, Op};
pub use paced::PacedRunner;
pub use plan::{BufferSpec, Plan, Usage};
pub use profile::{Clock, Timing, Timings};
pub use program::{Item, Program, TextureCopy};
pub use runner::{Compiled, GpuRunner, Reading, Runner, compile_only};
pub use tensor::{Element, Shape, Tensor};
pub use textures::TextureSpec;
pub use twin::ReferenceRunner;
