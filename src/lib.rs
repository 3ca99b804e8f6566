//! wgvae
pub mod error;
pub mod gpu;
pub mod ops;
