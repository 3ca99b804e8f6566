//! wgvae
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod error;
pub mod gpu;
pub mod model;
pub mod ops;
pub mod train;
