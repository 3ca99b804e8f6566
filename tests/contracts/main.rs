//! Contracts that hold without running a kernel: the WGSL of every kernel, the layers of the source, the test suite.

#[path = "../common/mod.rs"]
mod common;
mod layers;
mod package;
mod shaders;
mod suite;
mod translations;
mod uses;
