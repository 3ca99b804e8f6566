//! Kernels on an adapter: comparison with the CPU twins, derived tensors, tuning and profiling.

#[path = "../common/mod.rs"]
mod common;
mod derived_tensors;
mod heuristics;
mod packed_u64;
mod pipelines;
mod profile;
mod tuning;
mod tuning_tables;
mod twins;
