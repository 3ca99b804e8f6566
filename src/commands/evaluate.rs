//! `wgvae evaluate`: the measures of a model on held-out pictures.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use wgvae::checkpoint::{self, State};
use wgvae::error::Error;
use wgvae::evaluate::{self, About, FeatureSettings, HELD_OUT, Priors, Report, Settings};
use wgvae::generate::{self, Fitted, FittedFlow, flow_file, prior_file};
use wgvae::gpu::Adapter;
use wgvae::model::flow::FlowSampling;
use wgvae::model::{Device, Vae};

use super::destination::{Destination, Writer, must_end_with};
use super::held_out::{self, HeldOut};
use super::terminal::{Bar, count, shown};
use super::{about, load_model, names, output};
use crate::cli::EvaluateArgs;

/// Number of dimensions whose KL divergence is printed.
const MAX_SHOWN: usize = 8;
/// Settings of the training that are named on the page.
const TRAINING: [&str; 9] =
    ["beta", "beta-schedule", "loss", "sigma", "epochs", "lr", "lr-schedule", "batch-size", "seed"];
/// Default number of landscapes.
const LANDSCAPES: u32 = 1000;

/// A model with the priors beside it.
struct Loaded {
    vae: Vae,
    adapter: Adapter,
    fitted: Option<Fitted>,
    /// names of the flow's classes, if there is a flow
    classes: Option<Vec<String>>,
    /// lines about priors that are not there, or not valid
    notes: Vec<String>,
}

pub fn run(args: &EvaluateArgs) -> Result<ExitCode> {
    if args.samples == Some(0) {
        return Err(Error::Usage("--samples 0: must be at least 1".into()).into());
    }
    let page = page(args)?;
    let Loaded { mut vae, adapter, fitted, classes, notes } = load(args)?;
    let HeldOut { inputs, mut about, training } = inputs(args)?;
    let training = match training {
        // without them, half of the pictures does
        None if !args.no_features || !args.images.is_empty() => {
            held_out::training_of_run(&args.trained.model).unwrap_or_default()
        }
        training => training,
    };
    let seen = training.as_ref().map_or(0, |training| held_out::common(&inputs, training));
    if seen > 0 {
        about += &format!(" ({seen} of {} pictures are training pictures of the run)", inputs.len());
        output::note(&format!(
            "warning: {seen} of {} pictures are training pictures of the run, and the measures are better than on \
             held-out pictures; without DATA the held-out pictures of the run are taken",
            inputs.len()
        ));
    }
    notes.iter().for_each(|note| output::remark(note));
    output::say(&format!("measured on {about}"));
    let reading = load_model::reading(&args.trained)?;
    let (draws, gallery) = (args.iwae, args.html.is_some());
    let settings = Settings { reading, draws, samples: args.samples, seed: args.seed, gallery };
    let features = FeatureSettings {
        device: Device::Gpu(&adapter),
        steps: args.feature_steps,
        training: training.as_deref(),
    };
    let features = (!args.no_features).then_some(&features);
    let priors = Priors { fitted: fitted.as_ref(), flow: classes.as_deref() };
    let bar = Bar::new("evaluating", false);
    let progress = &mut |what: &'static str, done: usize, all: usize| bar.step(what, done, all);
    let found = evaluate::evaluate(&mut vae, &inputs, &priors, features, &settings, progress);
    bar.clear();
    let Report { evaluation: found, no_scores, no_features, gallery, skipped } = found?;
    load_model::name(&skipped);
    if let Some(reason) = no_scores {
        output::remark(&format!("no scores of disentanglement: {reason}"));
    }
    if let Some(reason) = no_features {
        output::remark(&format!("no likeness of features: {reason}"));
    }
    if args.json.json {
        let mut document = serde_json::to_value(&found)?;
        document["measured_on"] = about.clone().into();
        let file = names::model_file(&args.trained.model)?;
        document["model"] = load_model::checkpoint_of(&file).unwrap_or_else(|| shown(&file)).into();
        println!("{document:#}");
    } else {
        output::print(&found.to_string());
        let order = generate::by_kl(&found.kl_per_dimension);
        let shown =
            order.iter().take(MAX_SHOWN).map(|&dim| format!("{dim}: {:.2}", found.kl_per_dimension[dim]));
        let shown = shown.collect::<Vec<_>>().join(", ");
        output::print(&format!("most used dimensions (KL in nats): {shown}"));
    }
    if let (Some(page), Some(gallery)) = (&page, &gallery) {
        let text = evaluate::page(&facts(args, &vae, &settings, about), &found, gallery)?;
        page.write(page.mark.sign_page(&text).as_bytes())?;
        output::say(&format!("wrote {}", shown(&page.path)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The model, with the fitted Gaussians and the flow that are beside it.
fn load(args: &EvaluateArgs) -> Result<Loaded> {
    let _bar = Bar::new("loading the model", false);
    let (path, mut notes) = (&args.trained.model, Vec::new());
    let mut noted = |error: Error| notes.push(error.to_string());
    let model = load_model::read(path)?;
    let adapter = super::choose_keeping(&args.trained.adapter)?;
    // without a prior beside it, only N(0, I) is measured
    let fitted = prior_file::find(path, None, &model.weights).map_err(&mut noted).ok();
    let flow = flow_file::beside(path).map(|flow| FittedFlow::read(&flow, (&model.config, &model.weights)));
    let flow = flow.and_then(|flow| flow.map_err(&mut noted).ok());
    let guidance = Some(FlowSampling::GUIDANCE);
    let sampled = flow.as_ref().map(|flow| (flow, flow.sampling(FlowSampling::STEPS, guidance)));
    let vae = load_model::build(&adapter, &model, load_model::BATCH, sampled)?;
    Ok(Loaded { vae, adapter, fitted, classes: flow.map(|flow| flow.classes), notes })
}

/// The pictures to measure on: those that are given, those of the model's run, or landscapes that no training has.
fn inputs(args: &EvaluateArgs) -> Result<HeldOut> {
    if !args.images.is_empty() {
        let names: Vec<String> = args.images.iter().map(|path| shown(path)).collect();
        let inputs = load_model::gather(&args.images)?;
        return Ok(HeldOut { inputs, about: names.join(", "), training: None });
    }
    if args.landscapes.is_none()
        && let Some(held_out) = held_out::of_run(&args.trained.model)?
    {
        return Ok(held_out);
    }
    let count = args.landscapes.unwrap_or(LANDSCAPES);
    let about =
        format!("{count} built-in landscapes of the reserved seed {HELD_OUT}; give DATA for other pictures");
    Ok(HeldOut { inputs: generate::landscapes(HELD_OUT, count), about, training: None })
}

/// The facts about model, data and machine on the page.
fn facts(args: &EvaluateArgs, vae: &Vae, settings: &Settings, pictures: String) -> About {
    let model = vae.config();
    let Settings { reading, draws, samples, seed, .. } = settings;
    let wgvae::data::Reading { resize, colour } = reading;
    let samples =
        samples.map_or("the number of pictures, at least 200".to_owned(), |samples| samples.to_string());
    let name = shown(&args.trained.model);
    let file = checkpoint::find(&args.trained.model).unwrap_or_default();
    let checkpoint = load_model::checkpoint_of(&file).unwrap_or_else(|| shown(&file));
    let trained = State::read(&file.with_file_name(checkpoint::STATE)).ok().and_then(|state| {
        let table = state.config.table().ok()?;
        Some(table.only(|key| TRAINING.contains(&key)).flags())
    });
    let facts = [
        ("model", name.clone()),
        ("checkpoint", checkpoint),
        ("training", trained.unwrap_or_else(|| "unknown: the file is not in a run".into())),
        ("sizes", format!("{model}: {} parameters", count(wgvae::model::parameter_count(&model)))),
        ("pictures", pictures),
        (
            "settings",
            format!(
                "--resize {resize} --colour {colour} --iwae {draws} --seed {seed}; samples for distances: {samples}"
            ),
        ),
        ("adapter", vae.adapter()),
        ("program", about::version()),
        ("date", humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
    ];
    let facts = facts.map(|(what, said)| (what.to_owned(), said)).to_vec();
    About { title: format!("Evaluation of {name}"), size: model.size, facts }
}

/// The file of --output.
fn page(args: &EvaluateArgs) -> Result<Option<Destination>> {
    let Some(path) = &args.html else { return Ok(None) };
    must_end_with(path, "html", "a page")?;
    let model = names::model_file(&args.trained.model)?;
    let writer = Writer::new("evaluate", args.force.force, &()).reads([&model]).reads(&args.images);
    let writer = writer.reads(prior_file::beside(&args.trained.model));
    writer.reads(flow_file::beside(&args.trained.model)).named(path).map(Some)
}
