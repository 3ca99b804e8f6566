//! `wgvae fit-prior`: a mixture of Gaussians for the latents of pictures, and a flow.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use serde_json::json;
use wgvae::checkpoint::{self, State};
use wgvae::config::FlowSize;
use wgvae::data;
use wgvae::error::Error;
use wgvae::evaluate::Pictures;
use wgvae::generate::{self, Encoded, Fitted, FittedFlow, builtin, flow_file, prior_file};
use wgvae::gpu::Element;
use wgvae::model::{Latents, Vae};
use wgvae::prior::{self, Candidate, MIN_OF_CLASS, Settings};
use wgvae::train::FlowLength;

use super::compare_priors::{MAX_PICTURES, Sets};
use super::destination::{Destination, Writer, must_end_with, usage};
use super::fit_flow::{self, Fit};
use super::terminal::{Bar, shown};
use super::{load_model, names, output};
use crate::cli::FitPriorArgs;

pub fn run(args: &FitPriorArgs) -> Result<ExitCode> {
    let place = prior_file::place(&args.trained.model);
    let path = args.out.as_deref().unwrap_or(&place);
    must_end_with(path, "safetensors", "a prior")?;
    if args.out.is_none() && builtin::is_builtin(&args.trained.model) {
        return usage("fit-prior builtin: name the file of the prior with -o".into());
    }
    let model = names::model_file(&args.trained.model)?;
    let writer = Writer::new("fit-prior", args.force.force, &()).reads([&model]).reads(&args.images);
    let out = writer.named(path)?;
    let flow = args.flow.map(|_| writer.named(&flow_place(args))).transpose()?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    let encoded = load_model::encode(&mut vae, &args.trained, &args.images)?;
    let default = if args.flow.is_some() { vec![1] } else { Settings::default().components };
    let components = args.components.clone().unwrap_or(default);
    let say: &dyn Fn(&str) = &output::say;
    let classes = if args.classes { fit_flow::classes(&encoded)? } else { Vec::new() };
    let mut candidates = Vec::new();
    let fitted = match (args.classes, args.flow) {
        (true, None) => class_gaussians(&mut vae, &encoded, (&classes, args.seed), say)?,
        (true, Some(_)) => gaussians(&mut vae, &encoded, (&classes, args.seed), say)?,
        (false, _) => {
            let fitted;
            (fitted, candidates) = candidates_of(&mut vae, &encoded, (components, args.seed), say)?;
            fitted
        }
    };
    let mut document = json!({
        "pictures": encoded.len(), "dimensions": encoded.dims, "candidates": candidates, "classes": fitted.classes,
        "components": fitted.mixture.components.len(), "prior": shown(&out.path), "flow": null,
    });
    out.write(&fitted.to_bytes()?)?;
    // the other commands find a prior beside the model without its path
    let prior = if args.out.is_some() { shown(&out.path) } else { "fitted".into() };
    let model = shown(&args.trained.model);
    output::say(&format!("wrote {}; use it with: wgvae sample {model} --prior {prior}", shown(&out.path)));
    if let Some(flow) = flow
        && let Some(fit) = fit(args, &mut vae, (encoded, classes), &fitted, &flow)?
    {
        document["flow"] = json!({ "file": shown(&flow.path), "held_out_error": fit.held_out });
    }
    if args.json.json {
        println!("{document:#}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The file of the flow: beside that of the Gaussians.
fn flow_place(args: &FitPriorArgs) -> PathBuf {
    let default = || flow_file::place(&args.trained.model);
    args.out.as_ref().map_or_else(default, |path| path.with_extension("flow.safetensors"))
}

/// Fits a mixture of one of these numbers of Gaussians, and says how good the candidates are.
fn candidates_of(
    vae: &mut Vae,
    encoded: &Encoded,
    (components, seed): (Vec<usize>, u64),
    say: &dyn Fn(&str),
) -> Result<(Fitted, Vec<Candidate>)> {
    // one draw per picture: two draws of one picture, in the fit and held out, would favour many components
    let latents = Latents { mu: encoded.mu.clone(), logvar: encoded.logvar.clone() };
    let rows = vae.reparameterize(&latents, seed, 0)?;
    let settings = Settings { components, seed, ..Settings::default() };
    say(&format!(
        "{} latents of {} dimensions; held-out log-likelihood in nats per latent, higher is better:",
        encoded.len(),
        encoded.dims
    ));
    let bar = Bar::new("fitting Gaussians", false);
    let mut report = |candidate: &Candidate| say(&format!("  {}", line(candidate)));
    let fit = prior::fit(&rows, encoded.dims, &settings, &mut report).map_err(Error::Usage)?;
    drop(bar);
    say(&format!("  N(0, I): {:.2}", fit.standard_normal));
    say(&format!("chosen: {}", line(&fit.candidates[fit.chosen])));
    let model = prior_file::digest(&vae.weights()?);
    let fitted = Fitted { mixture: fit.prior, classes: Vec::new(), kl: encoded.kl(), model };
    Ok((fitted, fit.candidates))
}

/// A Gaussian for each class, or one if there are no classes or too few pictures of one.
pub(super) fn gaussians(
    vae: &mut Vae,
    encoded: &Encoded,
    (classes, seed): (&[String], u64),
    say: &dyn Fn(&str),
) -> Result<Fitted> {
    if !classes.is_empty() {
        match class_gaussians(vae, encoded, (classes, seed), say) {
            Ok(fitted) => return Ok(fitted),
            Err(reason) => say(&reason.to_string()),
        }
    }
    Ok(candidates_of(vae, encoded, (vec![1], seed), say)?.0)
}

/// Numbers of the covariances of all classes, at most: 128 MiB.
const MAX_NUMBERS: usize = 1 << 24;

/// Fits a Gaussian for each class.
fn class_gaussians(
    vae: &mut Vae,
    encoded: &Encoded,
    (classes, seed): (&[String], u64),
    say: &dyn Fn(&str),
) -> Result<Fitted> {
    let numbers = classes.len() * encoded.dims * (encoded.dims + 1) / 2;
    if numbers > MAX_NUMBERS {
        return Err(Error::Usage(format!(
            "no Gaussian for each class: {} classes of {} dimensions are {numbers} numbers, {MAX_NUMBERS} at most",
            classes.len(),
            encoded.dims
        ))
        .into());
    }
    for class in classes {
        let count = encoded.classes.iter().filter(|name| *name == class).count();
        if count < MIN_OF_CLASS {
            return Err(Error::Usage(format!(
                "no Gaussian for each class: {} has {count} pictures, and {MIN_OF_CLASS} are needed",
                shown(Path::new(class))
            ))
            .into());
        }
    }
    let latents = Latents { mu: encoded.mu.clone(), logvar: encoded.logvar.clone() };
    let rows = vae.reparameterize(&latents, seed, 0)?;
    let labels = fit_flow::labels(encoded, classes);
    let fit = prior::fit_classes(&rows, &labels, encoded.dims, classes.len());
    let mixture = fit.map_err(Error::Usage)?;
    say(&format!("a Gaussian for each of {} classes, of {} dimensions", classes.len(), encoded.dims));
    let model = prior_file::digest(&vae.weights()?);
    Ok(Fitted { mixture, classes: classes.to_vec(), kl: encoded.kl(), model })
}

fn line(candidate: &Candidate) -> String {
    let Candidate { components, held_out, refused, .. } = candidate;
    let gaussians = if *components == 1 { "one Gaussian".into() } else { format!("{components} Gaussians") };
    match (held_out, refused) {
        (Some(nats), _) => format!("{gaussians}: {nats:.2}"),
        (None, reason) => format!("{gaussians}: left out, {}", reason.as_deref().unwrap_or("not fitted")),
    }
}

/// The default number of steps of a flow.
fn steps(size: FlowSize) -> u64 {
    match size {
        FlowSize::Small => 1000,
        FlowSize::Wide => 3500,
    }
}

/// Fits a flow, and writes and returns it if it is worth it.
fn fit(
    args: &FitPriorArgs,
    vae: &mut Vae,
    (encoded, classes): (Encoded, Vec<String>),
    fitted: &Fitted,
    out: &Destination,
) -> Result<Option<FittedFlow>> {
    let size = args.flow.unwrap_or(FlowSize::Small);
    let length = FlowLength::Steps(args.flow_steps.unwrap_or_else(|| steps(size)));
    let model = checkpoint::open(&args.trained.model)?;
    let mut versions = vec![encoded];
    if mirrored(&args.trained.model)? {
        let encoded = encode_mirrored(args, vae)?;
        // a picture that could not be read this time would shift the labels
        if encoded.names == versions[0].names {
            versions.push(encoded);
        }
    }
    let adapter = super::choose_keeping(&args.trained.adapter)?;
    let sets = || sets(args, model.config.size);
    let fit = Fit {
        encoded: versions,
        classes,
        size,
        length,
        seed: args.seed,
        fitted: Some(fitted),
        sets: Some(&sets),
    };
    let never = AtomicBool::new(false);
    let flow = fit.run(&adapter, &model, (&never, false), &output::say)?;
    if let Some(flow) = &flow {
        out.write(&flow.to_bytes(Element::F32)?)?;
        let model = shown(&args.trained.model);
        output::say(&format!("wrote {}; wgvae sample {model} uses it", shown(&out.path)));
    } else if out.path.is_file() {
        output::say(&format!("the earlier flow {} stays", shown(&out.path)));
    }
    Ok(flow)
}

/// The pictures to compare samples with: those that the prior is fitted to, because there are no others.
fn sets(args: &FitPriorArgs, size: u32) -> Result<Sets> {
    let inputs = load_model::gather(&args.images)?;
    let mut compared = Pictures::default();
    let how = load_model::reading(&args.trained)?;
    // their order is that of the classes
    for input in data::evenly(inputs.len(), MAX_PICTURES).map(|at| &inputs[at]) {
        // unreadable files are named before
        if let Ok(rgb) = input.location.load(size, how) {
            compared.rgb.push(rgb);
            compared.classes.push(input.class.clone());
        }
    }
    Ok(Sets { training: Pictures::default(), compared, about: "pictures" })
}

fn encode_mirrored(args: &FitPriorArgs, vae: &mut Vae) -> Result<Encoded> {
    let (inputs, how) = (load_model::gather(&args.images)?, load_model::reading(&args.trained)?);
    let bar = Bar::new("encoding mirrored pictures", false);
    let encoded = generate::encode_mirrored(vae, &inputs, how, &mut |done| bar.set(done, inputs.len()));
    bar.clear();
    Ok(encoded?.0)
}

/// Whether the model was trained with mirrored pictures.
fn mirrored(model: &Path) -> Result<bool> {
    let model = checkpoint::find(model)?;
    let state = State::read(&model.with_file_name(checkpoint::STATE)).ok();
    Ok(state.is_some_and(|state| state.config.augmentation.flip))
}
