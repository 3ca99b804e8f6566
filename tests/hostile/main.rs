//! Malicious and damaged files: thousands of damaged pictures and models give an error or a valid read, never a panic
//! or exhausted memory. All draws are seeded, so failures are reproducible.

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod models;
mod mutate;
mod pictures;
mod pth;
mod pth_mutations;
