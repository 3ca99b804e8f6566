//! Whether samples of a flow are more like pictures than those of a Gaussian for each class. A flow of few steps may
//! lose.

use anyhow::Result;
use wgvae::checkpoint::Model;
use wgvae::evaluate::{self, FEATURE_STEPS, Judge, Pictures};
use wgvae::generate::{Fitted, FittedFlow, Prior};
use wgvae::gpu::Adapter;
use wgvae::model::Device;
use wgvae::model::flow::FlowSampling;

use super::load_model;
use super::terminal::Bar;

/// Samples of each prior, at least and at most.
const SAMPLES: [usize; 2] = [200, 500];
/// Pictures of a set that are used, at most.
pub(super) const MAX_PICTURES: usize = 1000;

/// Pictures to compare with. Without training pictures the feature network learns from half of the others.
pub(super) struct Sets {
    pub training: Pictures,
    pub compared: Pictures,
    /// the compared pictures in words, such as `validation pictures`
    pub about: &'static str,
}

/// Whether the flow is to be kept; `say` gets the figures. It is kept if there are too few pictures to compare with.
pub(super) fn flow_wins(
    adapter: &Adapter,
    model: &Model,
    (flow, fitted): (&FittedFlow, &Fitted),
    sets: Sets,
    (quiet, say): (bool, &dyn Fn(&str)),
) -> Result<bool> {
    let bar = Bar::new("comparing priors", quiet);
    let mut progress = |what: &'static str, done: usize, all: usize| bar.step(what, done, all);
    let sampled = Some((flow, flow.sampling(FlowSampling::STEPS, Some(FlowSampling::GUIDANCE))));
    let mut vae = load_model::build(adapter, model, load_model::BATCH, sampled)?;
    let samples = sets.compared.rgb.len().clamp(SAMPLES[0], SAMPLES[1]);
    let shares = evaluate::shares(&sets.compared.classes, &flow.classes, samples);
    let (how, size) = ((Device::Gpu(adapter), FEATURE_STEPS), model.config.size as usize);
    let judge = Judge::new(how, size, (sets.training, sets.compared), &mut progress)?;
    let (Ok(mut judge), true) = (judge, shares.iter().sum::<u32>() > 0) else { return Ok(true) };
    let mut distance =
        |prior| evaluate::distance_of_classes(&mut judge, &mut vae, (prior, &shares), &mut progress);
    let [of_flow, of_fitted] = [distance(Prior::Flow(None))?, distance(Prior::Fitted(fitted, None))?];
    bar.clear();
    let wins = of_flow <= of_fitted;
    say(&format!(
        "Frechet distance of samples of the {} classes to the {}: flow {of_flow:.2}, a Gaussian for each class \
         {of_fitted:.2}; samples come from the {}",
        shares.len(),
        sets.about,
        if wins { "flow" } else { "Gaussians, until a flow of more steps is better" },
    ));
    Ok(wins)
}
