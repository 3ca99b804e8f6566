//! What holds without running anything: the promises of every kernel's WGSL, and the layers of the source tree.

#[path = "../common/mod.rs"]
mod common;
mod layers;
mod shaders;
mod suite;
