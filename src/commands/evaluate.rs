//! `wgvae evaluate`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::error::Error;
use wgvae::evaluate::{self, Settings};
use wgvae::generate::{self, fitted};

use super::screen::Bar;
use super::trained;
use crate::cli::EvaluateArgs;

/// Dimensions whose divergence is printed.
const SHOWN: usize = 8;

pub fn run(args: &EvaluateArgs) -> Result<ExitCode> {
    if args.samples == Some(0) {
        return Err(Error::Usage("--samples 0: must be at least 1".into()).into());
    }
    let mut vae = trained::open(&args.trained.model, &args.trained.adapter)?;
    // without one, N(0, I) alone is measured; one that does not fit is named
    let prior = match fitted::find(&args.trained.model, None, &vae.weights()?) {
        Ok(prior) => Some(prior),
        Err(error) => {
            if !args.json {
                println!("{error}");
            }
            None
        }
    };
    let inputs = trained::gather(&args.images)?;
    let resize = trained::resize(&args.trained)?;
    let settings = Settings { resize, draws: args.iwae, samples: args.samples, seed: args.seed };
    let bar = Bar::new("evaluating", args.json);
    let progress = &mut |_: &'static str, done: usize, all: usize| bar.set(done, all);
    let found = evaluate::evaluate(&mut vae, &inputs, prior.as_ref(), &settings, progress);
    bar.clear();
    let (found, skipped) = found?;
    trained::name(&skipped);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{found}");
    let order = generate::by_kl(&found.kl_per_dimension);
    let shown = order.iter().take(SHOWN).map(|&dim| format!("{dim}: {:.2}", found.kl_per_dimension[dim]));
    println!("most used dimensions (KL in nats): {}", shown.collect::<Vec<_>>().join(", "));
    Ok(ExitCode::SUCCESS)
}
