//! `wgvae convert`: a model of any readable format to .safetensors, with its priors.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Adam, Model};
use wgvae::generate::{Fitted, FittedFlow, flow_file, prior_file};
use wgvae::gpu::Element;

use super::destination::{Writer, usage};
use super::names;
use super::prior::Beside;
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
    let file = names::model_file(&args.from)?;
    let Model { config, mut weights, likelihood, adam } = checkpoint::open(&args.from)?;
    let Beside { flow, fitted } = Beside::own(&args.from, &weights);
    let writer = Writer::new("convert", args.force, &()).reads([&file]).reads(&flow).reads(&fitted);
    let out = writer.named(&args.to)?;
    let fitted = match fitted {
        Some(path) => Some((Fitted::read(&path, &weights)?, writer.named(&prior_file::place(&args.to))?)),
        None => None,
    };
    let flow = match flow {
        Some(path) => {
            Some((FittedFlow::read(&path, (&config, &weights))?, writer.named(&flow_file::place(&args.to))?))
        }
        None => None,
    };

    let element = if args.half { Element::F16 } else { Element::F32 };
    let mut said = format!("{from}: {config}, {} parameters", count(wgvae::model::parameter_count(&config)));
    if args.half {
        let largest;
        (weights, largest) = weights.halved()?;
        said += &format!("; rounded to 16 bits, by at most {largest:.1e}");
    }
    out.write(&checkpoint::model_file(&args.to, (&weights, element), (config, likelihood))?)?;
    println!("{said}");
    println!("wrote {}", shown(&out.path));
    // a prior names its model by the digest of the parameters, which may have been rounded
    let model = prior_file::digest(&weights);
    if let Some((fitted, out)) = fitted {
        out.write(&Fitted { model, ..fitted }.to_bytes()?)?;
        println!("wrote {}, its fitted prior", shown(&out.path));
    }
    if let Some((flow, out)) = flow {
        out.write(&FittedFlow { model, ..flow }.to_bytes(element)?)?;
        println!("wrote {}, its flow", shown(&out.path));
    }
    if let Some(Adam { step, .. }) = adam {
        println!(
            "its optimizer (step {step}) is left out; `wgvae train --resume={from}` continues its training"
        );
    }
    Ok(ExitCode::SUCCESS)
}
