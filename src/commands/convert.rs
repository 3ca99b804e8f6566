//! `wgvae convert`: a model of any readable format to .safetensors, with its priors.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Adam, Model};
use wgvae::generate::{Fitted, FittedFlow, flow_file, prior_file};
use wgvae::gpu::Element;

use super::destination::{Writer, usage};
use super::load_model;
use super::prior::Beside;
use super::terminal::{count, shown};
use super::{names, output};
use crate::cli::ConvertArgs;

pub fn run(args: &ConvertArgs) -> Result<ExitCode> {
    let from = shown(&args.from);
    let Some(to) = args.out.as_ref().or(args.to.as_ref()) else {
        return usage("name the .safetensors file with -o".into());
    };
    if !to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors")) {
        return usage(format!(
            "{}: the output must be a .safetensors file, which Python reads in one line:\n  \
             model.load_state_dict(safetensors.torch.load_file(\"model.safetensors\"))",
            shown(to)
        ));
    }
    let file = names::model_file(&args.from)?;
    let Model { config, mut weights, likelihood, adam, .. } = load_model::read(&args.from)?;
    let Beside { flow, fitted } = Beside::own(&args.from, &weights);
    let [of_fitted, of_flow] = [prior_file::place(to), flow_file::place(to)];
    // beside model.pth and model.safetensors is one file, which needs no change without --half
    let other = |path: &PathBuf, place: &Path| args.half || names::settled(path) != names::settled(place);
    let flow = flow.filter(|path| other(path, &of_flow));
    let fitted = fitted.filter(|path| other(path, &of_fitted));
    let writer = Writer::new("convert", args.force.force, &()).reads([&file]).reads(&flow).reads(&fitted);
    let out = writer.named(to)?;
    let fitted = match fitted {
        Some(path) => Some((Fitted::read(&path, &weights)?, writer.named(&of_fitted)?)),
        None => None,
    };
    let flow = match flow {
        Some(path) => Some((FittedFlow::read(&path, (&config, &weights))?, writer.named(&of_flow)?)),
        None => None,
    };

    let element = if args.half { Element::F16 } else { Element::F32 };
    let mut said = format!("{from}: {config}, {} parameters", count(wgvae::model::parameter_count(&config)));
    if args.half {
        let mut largest;
        (weights, largest) = weights.halved()?;
        if let Some((flow, _)) = &flow {
            largest = largest.max(flow.flow.weights.halved()?.1);
        }
        said += &format!("; rounded to 16 bits, by at most {largest:.1e}");
    }
    // a prior names its model by the digest of the parameters, which may have been rounded
    let model = prior_file::digest(&weights);
    let mut files = vec![(checkpoint::model_file(to, (&weights, element), (config, likelihood))?, out, "")];
    if let Some((fitted, out)) = fitted {
        files.push((Fitted { model, ..fitted }.to_bytes()?, out, ", its fitted prior"));
    }
    if let Some((flow, out)) = flow {
        files.push((FittedFlow { model, ..flow }.to_bytes(element)?, out, ", its flow"));
    }
    output::say(&said);
    for (bytes, out, what) in files {
        out.write(&bytes)?;
        output::say(&format!("wrote {}{what}", shown(&out.path)));
    }
    match adam {
        Ok(Some(Adam { step, .. })) => output::say(&format!(
            "its optimizer (step {step}) is left out; `wgvae train --resume={from}` continues its training"
        )),
        Ok(None) => {}
        Err(reason) => output::say(&format!("its training cannot be continued: {reason}")),
    }
    Ok(ExitCode::SUCCESS)
}
