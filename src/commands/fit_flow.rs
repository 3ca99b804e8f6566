//! The flow of `wgvae fit-prior`: the fit, its progress, and whether it is worth keeping.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use wgvae::checkpoint::{self, State};
use wgvae::config::FlowSize;
use wgvae::error::Error;
use wgvae::generate::{self, Encoded, Fitted, FittedFlow, flow_file};
use wgvae::model::flow::{self, NO_CLASS};
use wgvae::model::{Device, Vae};
use wgvae::train::{FlowFit, FlowLatents, FlowSettings, fit_flow};

use super::destination::{Destination, Writer};
use super::load_model;
use super::terminal::{Bar, count, duration, shown};
use crate::cli::FitPriorArgs;

/// Error of a flow relative to that of the best flow to a Gaussian, above which it is not kept. It may be a little above
/// and still draw what no Gaussian has: the Gaussian's error counts second moments only.
const KEPT: f64 = 1.05;
/// Latent dimensions above which the score of the Gaussian takes too long.
const MAX_COMPARED: usize = 1024;

/// The file of the flow, if one is wanted: beside the mixture's.
pub(super) fn destination(args: &FitPriorArgs, model: &Path) -> Result<Option<Destination>> {
    if args.flow.is_none() {
        return Ok(None);
    }
    let path: PathBuf = match &args.out {
        Some(path) => path.with_extension("flow.safetensors"),
        None => flow_file::place(&args.trained.model),
    };
    let writer = Writer::new("fit-prior", args.force.force, &()).reads([model]).reads(&args.images);
    Ok(Some(writer.named(&path)?))
}

/// The default number of steps.
fn steps(size: FlowSize) -> u64 {
    match size {
        FlowSize::Small => 1000,
        FlowSize::Wide => 3500,
    }
}

/// Fits a flow to the latents of `encoded`; it is written if it beats the Gaussian of `fitted`.
pub(super) fn run(
    args: &FitPriorArgs,
    vae: &mut Vae,
    encoded: Encoded,
    fitted: &Fitted,
    out: &Destination,
) -> Result<()> {
    let classes = if args.classes { classes(&encoded)? } else { Vec::new() };
    let size = args.flow.unwrap_or(FlowSize::Small);
    let steps = args.flow_steps.unwrap_or_else(|| steps(size));
    let settings = FlowSettings { size, steps, classes: classes.len() as u32, seed: args.seed };
    let latents = latents(args, vae, encoded, &classes)?;
    let adapter = super::choose_keeping(&args.trained.adapter)?;
    let began = Instant::now();
    let bar = Bar::new("fitting the flow", false);
    let fit = fit_flow(Device::Gpu(&adapter), &vae.config(), &latents, &settings, &mut |progress| {
        bar.set(progress.step as usize, steps as usize);
        if let Some(error) = progress.held_out {
            bar.say(&format!(
                "flow, step {}: error {:.4} in training, {error:.4} held out",
                progress.step, progress.training
            ));
        }
    });
    bar.clear();
    let fit = fit?;
    report(&fit, began.elapsed().as_secs_f64());
    let [_, deviations] = &fit.flow.standard;
    let gaussian = if latents.dims <= MAX_COMPARED {
        Some(fitted.mixture.flow_error(deviations).map_err(Error::Usage)?)
    } else {
        None
    };
    if let Some(gaussian) = gaussian {
        println!("a flow to one Gaussian would have {gaussian:.4}");
        if fit.best.1 > KEPT * gaussian {
            println!(
                "the flow has learned less than the Gaussian, which stays the prior: {} pictures are too few, or {} steps",
                latents.labels.len(),
                fit.steps
            );
            return Ok(());
        }
    }
    let held_out = fit.best.1;
    let flow = FittedFlow { flow: fit.flow, classes, held_out, model: fitted.model };
    out.write(&flow.to_bytes()?)?;
    println!("wrote {}; wgvae sample {} uses it", shown(&out.path), shown(&args.trained.model));
    Ok(())
}

fn report(fit: &FlowFit, seconds: f64) {
    println!(
        "flow of {} parameters, {} steps in {}: error {:.4} of {} held-out pictures at step {}, {:.4} in training",
        count(flow::parameter_count(&fit.flow.config)),
        fit.steps,
        duration(seconds),
        fit.best.1,
        fit.held_out,
        fit.best.0,
        fit.training
    );
    if fit.stopped {
        println!("the held-out error had turned: more pictures would help, more steps would not");
    }
}

/// The names of the classes.
fn classes(encoded: &Encoded) -> Result<Vec<String>> {
    let mut names: Vec<String> = encoded.classes.iter().filter(|name| !name.is_empty()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 {
        return Err(Error::Usage("--classes: the pictures are not in folders of classes".into()).into());
    }
    Ok(names)
}

/// The latents of the pictures, and of the mirrored ones if the model was trained with such.
fn latents(args: &FitPriorArgs, vae: &mut Vae, encoded: Encoded, classes: &[String]) -> Result<FlowLatents> {
    let label =
        |name: &String| classes.iter().position(|class| class == name).map_or(NO_CLASS, |at| at as u32);
    let labels = encoded.classes.iter().map(label).collect();
    let (dims, names) = (encoded.dims, encoded.names);
    let mut versions = vec![[encoded.mu, encoded.logvar]];
    if mirrored(&args.trained.model)? {
        let inputs = load_model::gather(&args.images)?;
        let resize = load_model::resize(&args.trained)?;
        let bar = Bar::new("encoding mirrored pictures", false);
        let done = generate::encode_mirrored(vae, &inputs, resize, &mut |done| bar.set(done, inputs.len()));
        bar.clear();
        let (mirrored, _) = done?;
        if mirrored.names == names {
            versions.push([mirrored.mu, mirrored.logvar]);
        }
    }
    Ok(FlowLatents { versions, labels, dims })
}

/// Whether the model was trained with mirrored pictures.
fn mirrored(model: &Path) -> Result<bool> {
    let model = checkpoint::find(model)?;
    let state = State::read(&model.with_file_name(checkpoint::STATE)).ok();
    Ok(state.is_some_and(|state| state.config.augmentation.flip))
}
