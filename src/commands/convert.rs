//! `wgvae convert`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Adam, Model};
use wgvae::error::Error;

use super::screen::{count, shown};
use crate::cli::ConvertArgs;

pub fn run(args: &ConvertArgs) -> Result<ExitCode> {
    let to = args.to.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let [from, out] = [&args.from, &args.to].map(|path| shown(path));
    if to != "safetensors" {
        return Err(Error::Usage(format!(
            "{out}: only .safetensors files are written, which Python reads in one line:\n  \
             model.load_state_dict(safetensors.torch.load_file(\"model.safetensors\"))"
        ))
        .into());
    }
    if args.to.exists() && !args.force {
        return Err(Error::Usage(format!("{out} is there already: choose another name, or --force")).into());
    }
    let Model { config, weights, likelihood, adam } = checkpoint::open(&args.from)?;
    checkpoint::write_model(&args.to, &weights, likelihood)?;
    println!(
        "{from}: {} px, hidden {}, latent {}, {} parameters",
        config.size,
        config.hidden,
        config.latent,
        count(config.parameters())
    );
    println!("wrote {out}");
    if let Some(Adam { step, .. }) = adam {
        println!("its optimizer (step {step}) is left out; `wgvae train --resume={from}` goes on with it");
    }
    Ok(ExitCode::SUCCESS)
}
