//! The kernels: each with its sizes, its CPU twin and its cost. One file per family; the WGSL is in `shaders/`.
//!
//! An op implements [`Op`](crate::gpu::Op): which files, which sizes, which operands, how many workgroups, and
//! the twin. [`cases`] lists every op at the sizes where kernels break; a new op goes there.

pub mod adam;
pub mod bce;
pub mod cases;
pub mod conv2d;
pub mod gemm;
pub mod latent;
pub mod linear;
pub mod normal;
pub mod picture;
pub mod reduce;
pub mod step;
pub mod sweep;
pub mod tuning;
pub mod variant;

pub use step::{Step, Stream};
pub use tuning::Tuning;
