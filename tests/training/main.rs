//! Training: single steps, objectives, whole runs and their resumption, settings, events and advice.

#[path = "../common/mod.rs"]
mod common;
mod diagnostics;
mod events;
mod objective;
mod resume;
mod runs;
mod settings;
mod steps;
