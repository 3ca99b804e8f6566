//! A tutorial of the library: trains a small model on the built-in landscapes for a few steps, encodes two of them,
//! interpolates between them in latent space, and writes the result as a strip.
//!
//!     cargo run --release --example latents

use std::path::Path;

use wgvae::config::ModelConfig;
use wgvae::data;
use wgvae::error::Result;
use wgvae::gpu::{Adapter, AdapterChoice, adapter};
use wgvae::model::{Device, Input, Latents, ModelOptions, StepSettings, Vae};

const SIZE: u32 = 32;
const BATCH: u32 = 16;
const STEPS: u64 = 200;

fn main() -> Result<()> {
    let adapter = Adapter::choose(&AdapterChoice::HighPerformance, adapter::backends(None)?)?;
    println!("on {}", adapter.describe());
    let config = ModelConfig::reference(SIZE, 16, 16);
    let build = ModelOptions::training(config, BATCH);
    let mut vae = Vae::new(Device::Gpu(&adapter), build, 0)?;

    for step in 0..STEPS {
        let numbers = step * u64::from(BATCH)..(step + 1) * u64::from(BATCH);
        let rgba: Vec<u32> = numbers.flat_map(|i| data::rgba_of(&data::landscape(0, i, SIZE).0)).collect();
        let settings = StepSettings { step, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
        vae.train_step(Input::Rgba(&rgba), BATCH, &settings)?;
        for (step, outcome) in vae.losses(step + 1 == STEPS)? {
            if (step + 1) % 50 == 0 {
                let loss = outcome.loss.per(BATCH.into());
                println!("step {}: BCE {:.1}, KL {:.2} nats per image", step + 1, loss.nll, loss.kl);
            }
        }
    }

    // [2, 32, 32, 3] in 0..=1; latents [2, 16]
    let pictures: Vec<Vec<u8>> = [3, 11].map(|i| data::landscape(1, i, SIZE).0).to_vec();
    let floats: Vec<f32> = pictures.iter().flatten().map(|&byte| f32::from(byte) / 255.0).collect();
    let Latents { mu, .. } = vae.encode(&floats)?;
    let (a, b) = mu.split_at(config.latents() as usize);
    let walk = |t: f32| a.iter().zip(b).map(move |(a, b)| a + t * (b - a));
    let z: Vec<f32> = (0..6).flat_map(|i| walk(i as f32 / 5.0)).collect();
    let decoded = vae.decode(&z)?; // [6, 32, 32, 3]
    let bytes = |picture: &[f32]| picture.iter().map(|v| (255.0 * v + 0.5) as u8).collect::<Vec<u8>>();
    let between = decoded.chunks(floats.len() / 2).map(bytes);
    let strip: Vec<Vec<u8>> =
        std::iter::once(pictures[0].clone()).chain(between).chain([pictures[1].clone()]).collect();
    let path = Path::new("samples/walk.png");
    data::save_png(&data::grid(&strip, SIZE, strip.len() as u32, data::GAP), path)?;
    println!("wrote {}", path.display());
    Ok(())
}
