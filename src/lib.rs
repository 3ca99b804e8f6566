//! A variational autoencoder trainer in which every number is computed by WGSL kernels through wgpu.
//!
//! Each module uses only modules to its right, and all may use the leaves `error`, `element`, `prior` and `metrics`:
//!
//! ```text
//! commands -> cli -> watch -> train, evaluate, web -> generate -> checkpoint -> model -> tune -> ops -> gpu -> config
//!          -> data, distributed, report
//! ```
//!
//! - [`gpu`]: adapters, kernels reflected from WGSL, plans that are recorded once and replayed, two runners:
//!   one for the GPU, one for the *twins*, the CPU reference of every kernel.
//! - [`ops`]: every kernel with its sizes, its CPU twin and its cost; `shaders/` holds the WGSL.
//! - [`tune`]: the fastest kernel configuration of each op on an adapter, measured, verified and cached.
//! - [`model`]: the network as a list of dispatches forward and backward, and [`model::Vae`] around it.
//! - [`data`]: pictures from a folder or from the built-in landscapes, decoded, shuffled, handed out in batches.
//! - [`evaluate`]: quality of a model on held-out pictures.
//! - [`generate`]: pictures to latents and back, interpolations between pictures.
//! - [`web`]: a trained model as a static page; the browser replays the recorded dispatches with the recorded WGSL.
//! - [`prior`]: densities fitted to latents. [`metrics`]: statistics of pictures and latents. Both are plain numerics.
//! - [`distributed`]: several processes that train one model: collective operations, by MPI or between threads.
//! - [`report`]: output for people: TensorBoard events, pages of HTML. Knows nothing of models.
//! - [`watch`]: a page that follows trainings and compares runs, from their folders alone.
//! - [`train`]: the loop, its metrics, events, sample grids and checkpoints, and advice on its curves.
//!
//! # Example
//! Encode pictures, draw latents, decode them, and measure the loss, on any adapter:
//!
//! ```
//! use wgvae::config::ModelConfig;
//! use wgvae::gpu::{Adapter, AdapterChoice, adapter};
//! use wgvae::model::{Device, ModelOptions, Vae};
//!
//! # fn main() -> wgvae::error::Result<()> {
//! let config = ModelConfig::reference(16, 4, 8);
//! let options = ModelOptions::inference(config, 2);
//! let found = Adapter::choose(&AdapterChoice::HighPerformance, adapter::backends(None)?);
//! // without a GPU, the slow and exact CPU twins
//! let device = found.as_ref().map_or(Device::Twins, Device::Gpu);
//! let mut vae = Vae::new(device, options, 0)?;
//!
//! let pictures = vec![0.5; 3 * 16 * 16 * 3]; // [3, 16, 16, 3], values from 0 to 1
//! let latents = vae.encode(&pictures)?; // mu and logvar, [3, 8] each
//! let z = vae.reparameterize(&latents, 42, 0)?; // [3, 8], draws of seed 42, step 0
//! let again = vae.decode(&z)?; // [3, 16, 16, 3]
//! assert_eq!(again.len(), pictures.len());
//! let loss = vae.loss(&pictures, 42, 0)?; // summed over the three pictures, nats
//! println!("BCE {:.1}, KL {:.3}", loss.nll, loss.kl);
//! # Ok(())
//! # }
//! ```

pub mod checkpoint;
pub mod config;
pub mod data;
pub mod distributed;
pub mod element;
pub mod error;
pub mod evaluate;
pub mod generate;
pub mod gpu;
mod linalg;
pub mod metrics;
pub mod model;
pub mod ops;
pub mod prior;
pub mod report;
pub mod train;
pub mod tune;
pub mod watch;
pub mod web;
