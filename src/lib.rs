//! wgvae
pub mod config;
pub mod data;
pub mod error;
pub mod gpu;
pub mod model;
pub mod ops;
