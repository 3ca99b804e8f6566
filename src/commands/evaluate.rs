//! `wgvae evaluate`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::error::Error;
use wgvae::evaluate::{self, About, HELD_OUT, Report, Settings};
use wgvae::generate::{self, Input, prior_file};
use wgvae::model::Vae;

use super::destination::{Destination, Writer, must_end_with};
use super::terminal::{Bar, count, shown};
use super::{about, load_model, names};
use crate::cli::EvaluateArgs;

/// Dimensions whose divergence is printed.
const MAX_SHOWN: usize = 8;
/// Landscapes, unless said otherwise.
const LANDSCAPES: u32 = 1000;

pub fn run(args: &EvaluateArgs) -> Result<ExitCode> {
    if args.samples == Some(0) {
        return Err(Error::Usage("--samples 0: must be at least 1".into()).into());
    }
    let page = page(args)?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    // without one, N(0, I) alone is measured; one that does not fit is named
    let prior = match prior_file::find(&args.trained.model, None, &vae.weights()?) {
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
    let resize = load_model::resize(&args.trained)?;
    let (draws, gallery) = (args.iwae, args.html.is_some());
    let settings = Settings { resize, draws, samples: args.samples, seed: args.seed, gallery };
    let bar = Bar::new("evaluating", false);
    let progress = &mut |what: &'static str, done: usize, all: usize| bar.step(what, done, all);
    let found = evaluate::evaluate(&mut vae, &inputs, prior.as_ref(), &settings, progress);
    bar.clear();
    let Report { evaluation: found, no_scores, gallery, skipped } = found?;
    load_model::name(&skipped);
    if let Some(reason) = no_scores {
        eprintln!("no scores of disentanglement: {reason}");
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        println!("{found}");
        let order = generate::by_kl(&found.kl_per_dimension);
        let shown =
            order.iter().take(MAX_SHOWN).map(|&dim| format!("{dim}: {:.2}", found.kl_per_dimension[dim]));
        println!("most used dimensions (KL in nats): {}", shown.collect::<Vec<_>>().join(", "));
    }
    if let (Some(page), Some(gallery)) = (&page, &gallery) {
        let text = evaluate::page(&facts(args, &vae, &settings, of), &found, gallery)?;
        page.write(page.mark.sign_page(&text).as_bytes())?;
        if !args.json {
            println!("wrote {}", shown(&page.path));
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
    Ok((load_model::gather(&args.images)?, names.join(", ")))
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

/// Where the page goes, if one is wanted.
fn page(args: &EvaluateArgs) -> Result<Option<Destination>> {
    let Some(path) = &args.html else { return Ok(None) };
    must_end_with(path, "html", "a page")?;
    let model = names::model_file(&args.trained.model)?;
    let writer = Writer::new("evaluate", args.force.force, &()).reads([&model]).reads(&args.images);
    writer.reads(prior_file::beside(&args.trained.model)).named(path).map(Some)
}
