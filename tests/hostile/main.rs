//! Files that mean harm, or have come to it: thousands of damaged pictures and models, each an error or a valid
//! read, none of them a panic or a loss of memory. All draws are seeded, so that a failure comes back.

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod models;
mod mutate;
mod pictures;
mod pth;
mod pth_mutations;
