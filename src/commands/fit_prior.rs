//! `wgvae fit-prior`: a mixture of Gaussians for the latents of pictures, and a flow.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::error::Error;
use wgvae::generate::{Encoded, Fitted, prior_file};
use wgvae::model::{Latents, Vae};
use wgvae::prior::{self, Candidate, Settings};

use super::destination::{Writer, must_end_with};
use super::terminal::shown;
use super::{fit_flow, load_model, names};
use crate::cli::FitPriorArgs;

pub fn run(args: &FitPriorArgs) -> Result<ExitCode> {
    let place = prior_file::place(&args.trained.model);
    let path = args.out.as_deref().unwrap_or(&place);
    must_end_with(path, "safetensors", "a prior")?;
    let model = names::model_file(&args.trained.model)?;
    let out =
        Writer::new("fit-prior", args.force.force, &()).reads([&model]).reads(&args.images).named(path)?;
    let flow = fit_flow::destination(args, &model)?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    let encoded = load_model::encode(&mut vae, &args.trained, &args.images)?;
    let fitted = mixture(args, &mut vae, &encoded)?;
    out.write(&fitted.to_bytes()?)?;
    // the other commands find a prior beside the model without its path
    let prior = if args.out.is_some() { shown(&out.path) } else { "fitted".into() };
    let model = shown(&args.trained.model);
    println!("wrote {}; use it with: wgvae sample {model} --prior {prior}", shown(&out.path));
    if let Some(flow) = flow {
        fit_flow::run(args, &mut vae, encoded, &fitted, &flow)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Fits the mixture, and reports the candidates.
fn mixture(args: &FitPriorArgs, vae: &mut Vae, encoded: &Encoded) -> Result<Fitted> {
    // one draw per picture: two draws of one picture, in the fit and held out, would favour many components
    let latents = Latents { mu: encoded.mu.clone(), logvar: encoded.logvar.clone() };
    let rows = vae.reparameterize(&latents, args.seed, 0)?;
    let default = if args.flow.is_some() { vec![1] } else { Settings::default().components };
    let components = args.components.clone().unwrap_or(default);
    let settings = Settings { components, seed: args.seed, ..Settings::default() };
    println!(
        "{} latents of {} dimensions; held-out log-likelihood in nats per latent, higher is better:",
        encoded.len(),
        encoded.dims
    );
    let fit = prior::fit(&rows, encoded.dims, &settings, &mut |candidate| println!("  {}", line(candidate)));
    let fit = fit.map_err(Error::Usage)?;
    println!("  N(0, I): {:.2}", fit.standard_normal);
    println!("chosen: {}", line(&fit.candidates[fit.chosen]));
    Ok(Fitted { mixture: fit.prior, kl: encoded.kl(), model: prior_file::digest(&vae.weights()?) })
}

fn line(candidate: &Candidate) -> String {
    let Candidate { components, held_out, refused, .. } = candidate;
    let gaussians = if *components == 1 { "one Gaussian".into() } else { format!("{components} Gaussians") };
    match (held_out, refused) {
        (Some(nats), _) => format!("{gaussians}: {nats:.2}"),
        (None, reason) => format!("{gaussians}: left out, {}", reason.as_deref().unwrap_or("not fitted")),
    }
}
