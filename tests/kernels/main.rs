//! Kernels on an adapter: each against its CPU twin, and what plans, tuning and profiling make of them.

#[path = "../common/mod.rs"]
mod common;
mod derived_tensors;
mod packed_u64;
mod pipelines;
mod profile;
mod tuning;
mod twins;
