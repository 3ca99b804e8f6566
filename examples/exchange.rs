//! Encodes and decodes pictures by a model, tensors in and tensors out: for comparing with other programs.
//!
//!     cargo run --release --example exchange -- MODEL IN.safetensors OUT.safetensors
//!
//! IN holds `x` `[N, S, S, 3]`, f32 in 0..=1; OUT gets `mu` and `logvar` `[N, Z]`, and `recon` `[N, S, S, 3]`, the
//! pictures decoded from mu. `tools/check_torch.py` compares them with PyTorch's.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use wgvae::checkpoint::{self, Model};
use wgvae::gpu::{Adapter, AdapterChoice, adapter};
use wgvae::model::{Device, ModelOptions, Vae};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, output] = args.as_slice() else {
        anyhow::bail!("MODEL IN.safetensors OUT.safetensors")
    };
    let Model { config, weights, likelihood, .. } = checkpoint::open(Path::new(model))?;
    let bytes = std::fs::read(input).with_context(|| input.clone())?;
    let file = SafeTensors::deserialize(&bytes)?;
    let x = file.tensor("x")?;
    let size = config.size as usize;
    ensure!(x.dtype() == Dtype::F32 && x.shape()[1..] == [size, size, 3], "x is {:?}", x.shape());
    let count = x.shape()[0];
    let pictures: Vec<f32> = bytemuck::pod_collect_to_vec(x.data());

    let found = Adapter::choose(&AdapterChoice::HighPerformance, adapter::backends(None)?)?;
    println!("{}", found.describe());
    let build = ModelOptions { likelihood, ..ModelOptions::inference(config, count.min(16) as u32) };
    let mut vae = Vae::empty(Device::Gpu(&found), build)?;
    vae.load(&weights)?;
    let latents = vae.encode(&pictures)?;
    let recon = vae.decode(&latents.mu)?;

    let z = config.latents() as usize;
    let rows = [("mu", &latents.mu), ("logvar", &latents.logvar), ("recon", &recon)];
    let views = rows.map(|(name, values)| {
        let shape = if name == "recon" { vec![count, size, size, 3] } else { vec![count, z] };
        TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values)).map(|view| (name, view))
    });
    let views = views.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    safetensors::serialize_to_file(views, None, Path::new(output))?;
    Ok(())
}
