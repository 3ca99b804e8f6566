//! The program as a user meets it: every command, what it writes, and what it says to bad input.

mod builtin;
mod cli;
#[path = "../common/mod.rs"]
mod common;
mod completions;
mod evaluate;
mod flow;
mod folders;
mod generate;
mod likeness;
mod manner;
mod messages;
mod outputs;
mod own_outputs;
mod reports;
mod runs;
