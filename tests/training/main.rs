//! Training: single steps, objectives, whole runs and their resumption, settings, events and advice.

#[path = "../common/mod.rs"]
mod common;
mod diagnostics;
mod end_to_end;
mod events;
mod flow;
mod gaussian;
mod limits;
mod objective;
mod old_runs;
mod ranks;
mod replicas;
mod resume;
mod settings;
mod spatial;
mod steps;
