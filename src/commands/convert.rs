//! `wgvae convert`: a model of any readable format to .safetensors.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Adam, Model};

use super::destination::{Writer, usage};
use super::names;
use super::terminal::{count, shown};
use crate::cli::ConvertArgs;

pub fn run(args: &ConvertArgs) -> Result<ExitCode> {
    let from = shown(&args.from);
    if !args.to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors")) {
        return usage(format!(
            "{}: the output must be a .safetensors file, which Python reads in one line:\n  \
             model.load_state_dict(safetensors.torch.load_file(\"model.safetensors\"))",
            shown(&args.to)
        ));
    }
    let model = names::model_file(&args.from)?;
    let out = Writer::new("convert", args.force, &()).reads([&model]).named(&args.to)?;
    let Model { config, weights, likelihood, adam } = checkpoint::open(&args.from)?;
    out.write(&checkpoint::model_file(&args.to, &weights, (config, likelihood))?)?;
    println!("{from}: {config}, {} parameters", count(wgvae::model::parameter_count(&config)));
    println!("wrote {}", shown(&out.path));
    if let Some(Adam { step, .. }) = adam {
        println!(
            "its optimizer (step {step}) is left out; `wgvae train --resume={from}` continues its training"
        );
    }
    Ok(ExitCode::SUCCESS)
}
