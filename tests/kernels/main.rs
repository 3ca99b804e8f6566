//! Kernels on an adapter: each against its CPU twin, and what plans, tuning and profiling make of them.

#[path = "../common/mod.rs"]
mod common;
mod images;
mod pipelines;
mod profile;
mod quads;
mod tuning;
mod twins;
