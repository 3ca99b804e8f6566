//! The fit of a flow: its progress, and whether it is worth keeping. `fit-prior` and `train` use it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use wgvae::checkpoint::Model;
use wgvae::config::FlowSize;
use wgvae::error::Error;
use wgvae::generate::{self, Encoded, Fitted, FittedFlow, prior_file};
use wgvae::gpu::Adapter;
use wgvae::model::Device;
use wgvae::model::flow::{self, NO_CLASS};
use wgvae::train::{FlowFit, FlowLatents, FlowLength, FlowProgress, FlowSettings, fit_flow};

use super::compare_priors::{self, Sets};
use super::terminal::{Bar, count, duration};

/// Error of a flow relative to that of the best flow to a Gaussian, above which it is not kept. It may be a little above
/// and still draw what no Gaussian has: the error of a Gaussian counts second moments only.
const KEPT: f64 = 1.1;
/// Latent dimensions above which the score of the Gaussian takes too long.
const MAX_COMPARED: usize = 1024;

/// Latents, and how a flow is fitted to them.
pub(super) struct Fit<'a> {
    /// the pictures' latents, and those of the mirrored pictures if the model was trained with such
    pub encoded: Vec<Encoded>,
    /// names of the classes that the flow learns; none: no classes
    pub classes: Vec<String>,
    pub size: FlowSize,
    pub length: FlowLength,
    pub seed: u64,
    /// the Gaussians that the flow must beat, if there are not too many dimensions to fit any
    pub fitted: Option<&'a Fitted>,
    /// pictures that the samples of classes are compared with; without them, the flow is not compared with their Gaussians
    pub sets: Option<&'a dyn Fn() -> Result<Sets>>,
}

impl Fit<'_> {
    /// Fits the flow to the latents of `model`, with a bar. `say` gets lines of results. `None` if the Gaussians are better,
    /// or `stop` was set.
    pub(super) fn run(
        self,
        adapter: &Adapter,
        model: &Model,
        (stop, quiet): (&AtomicBool, bool),
        say: &dyn Fn(&str),
    ) -> Result<Option<FittedFlow>> {
        let Self { encoded, classes, size, length, seed, fitted, sets } = self;
        let latents = latents(encoded, &classes);
        let settings = FlowSettings { size, length, classes: classes.len() as u32, seed };
        let began = Instant::now();
        let bar = Bar::new("fitting the flow", quiet);
        let mut progress = |at: FlowProgress| {
            bar.set(at.step as usize, at.steps as usize);
            !stop.load(Ordering::Relaxed)
        };
        let fit = fit_flow(Device::Gpu(adapter), &model.config, &latents, &settings, &mut progress);
        bar.clear();
        let fit = match fit {
            Ok(Some(fit)) => fit,
            Ok(None) => return Ok(None),
            // the Gaussians are there already
            Err(Error::Diverged(reason)) => {
                say(&format!("{reason}; there is no flow"));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        report(&fit, began.elapsed().as_secs_f64(), say);
        if let Some(fitted) = fitted.filter(|_| latents.dims <= MAX_COMPARED) {
            let [_, deviations] = &fit.flow.standard;
            let gaussian = fitted.mixture.flow_error(deviations).map_err(Error::Usage)?;
            say(&format!("the best flow to one Gaussian has {gaussian:.4}"));
            if fit.best.1 > KEPT * gaussian {
                let pictures = latents.labels.len();
                say(&format!(
                    "the flow has learned less than the Gaussian, which stays the prior: {pictures} pictures are too few, \
                     or {} steps",
                    fit.steps
                ));
                return Ok(None);
            }
        }
        let (held_out, digest) = (fit.best.1, prior_file::digest(&model.weights));
        let flow = FittedFlow { flow: fit.flow, classes, held_out, model: digest };
        let compared = fitted.filter(|fitted| !flow.classes.is_empty() && fitted.classes == flow.classes);
        if let Some((fitted, sets)) = compared.zip(sets).filter(|_| !stop.load(Ordering::Relaxed)) {
            let wins = sets().and_then(|sets| {
                compare_priors::flow_wins(adapter, model, (&flow, fitted), sets, (quiet, say))
            });
            match wins {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => say(&format!("the flow is not compared with the Gaussians: {error}")),
            }
        }
        Ok(Some(flow))
    }
}

fn report(fit: &FlowFit, seconds: f64, say: &dyn Fn(&str)) {
    say(&format!(
        "flow of {} parameters, {} steps in {}: squared error {:.4} of {} held-out pictures at step {}, {:.4} in training",
        count(flow::parameter_count(&fit.flow.config)),
        fit.steps,
        duration(seconds),
        fit.best.1,
        fit.held_out,
        fit.best.0,
        fit.training
    ));
    if fit.stopped {
        say("the held-out error had turned: more pictures would help, more steps would not");
    }
}

/// The names of the classes of pictures, in alphabetical order.
pub(super) fn classes(encoded: &Encoded) -> Result<Vec<String>> {
    let mut names: Vec<String> = encoded.classes.iter().filter(|name| !name.is_empty()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 {
        return Err(Error::Usage("--classes: the pictures are not in folders of classes".into()).into());
    }
    Ok(names)
}

/// The label of each picture.
pub(super) fn labels(encoded: &Encoded, classes: &[String]) -> Vec<u32> {
    encoded.classes.iter().map(|name| generate::label_of(classes, name).unwrap_or(NO_CLASS)).collect()
}

fn latents(encoded: Vec<Encoded>, classes: &[String]) -> FlowLatents {
    let labels = labels(&encoded[0], classes);
    let dims = encoded[0].dims;
    FlowLatents { versions: encoded.into_iter().map(|all| [all.mu, all.logvar]).collect(), labels, dims }
}
