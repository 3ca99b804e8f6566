//! `wgvae evaluate`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::data;
use wgvae::error::Error;
use wgvae::evaluate::{self, About, Evaluation, Found, Gallery, HELD_OUT, Settings};
use wgvae::generate::{self, Input, fitted};
use wgvae::model::Vae;

use super::screen::{Bar, count, shown};
use super::{about, trained};
use crate::cli::EvaluateArgs;

/// Dimensions whose divergence is printed.
const SHOWN: usize = 8;
/// Landscapes, unless said otherwise.
const LANDSCAPES: u32 = 1000;

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
    let (inputs, of) = inputs(args)?;
    if !args.json {
        let hint = if args.images.is_empty() { "; give DATA to measure on your own pictures" } else { "" };
        println!("measured on {of}{hint}");
    }
    let resize = trained::resize(&args.trained)?;
    let (draws, gallery) = (args.iwae, args.html.is_some());
    let settings = Settings { resize, draws, samples: args.samples, seed: args.seed, gallery };
    let bar = Bar::new("evaluating", args.json);
    let progress = &mut |_: &'static str, done: usize, all: usize| bar.set(done, all);
    let found = evaluate::evaluate(&mut vae, &inputs, prior.as_ref(), &settings, progress);
    bar.clear();
    let Found { evaluation: found, no_scores, gallery, skipped } = found?;
    trained::name(&skipped);
    if let Some(reason) = no_scores {
        eprintln!("no scores of disentanglement: {reason}");
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        println!("{found}");
        let order = generate::by_kl(&found.kl_per_dimension);
        let shown = order.iter().take(SHOWN).map(|&dim| format!("{dim}: {:.2}", found.kl_per_dimension[dim]));
        println!("most used dimensions (KL in nats): {}", shown.collect::<Vec<_>>().join(", "));
    }
    if let (Some(path), Some(gallery)) = (&args.html, &gallery) {
        write_page(path, &facts(args, &vae, &settings, of), &found, gallery)?;
        if !args.json {
            println!("wrote {}", shown(path));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The pictures to measure on, and what they are.
fn inputs(args: &EvaluateArgs) -> Result<(Vec<Input>, String)> {
    if args.images.is_empty() {
        let number = args.landscapes.unwrap_or(LANDSCAPES);
        let of = format!("{number} built-in landscapes of a seed that is kept for this ({HELD_OUT})");
        return Ok((generate::landscapes(HELD_OUT, number), of));
    }
    let names: Vec<String> = args.images.iter().map(|path| shown(path)).collect();
    Ok((trained::gather(&args.images)?, names.join(", ")))
}

/// What the page says of model, data and machine.
fn facts(args: &EvaluateArgs, vae: &Vae, settings: &Settings, of: String) -> About {
    let model = vae.config();
    let Settings { resize, draws, samples, seed, .. } = settings;
    let samples =
        samples.map_or("as many as pictures, at least 200".to_owned(), |samples| samples.to_string());
    let name = shown(&args.trained.model);
    let facts = [
        ("model", name.clone()),
        (
            "sizes",
            format!(
                "{} px, hidden {}, latent {}: {} parameters",
                model.size,
                model.hidden,
                model.latent,
                count(model.parameters())
            ),
        ),
        ("pictures", of),
        (
            "settings",
            format!("--resize {resize} --iwae {draws} --seed {seed}; samples for distances: {samples}"),
        ),
        ("adapter", vae.adapter()),
        ("program", about::version()),
    ];
    let facts = facts.map(|(what, said)| (what.to_owned(), said)).to_vec();
    About { title: format!("Evaluation of {name}"), size: model.size, facts }
}

fn write_page(path: &Path, about: &About, found: &Evaluation, gallery: &Gallery) -> Result<()> {
    let page = evaluate::page(about, found, gallery)?;
    data::write_whole(path, |file| file.write_all(page.as_bytes()))?;
    Ok(())
}
