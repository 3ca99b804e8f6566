//! `wgvae sample`: pictures from random latents.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Model};
use wgvae::data;
use wgvae::model::flow::FlowSampling;
use wgvae::model::{Device, ModelOptions, Vae};

use super::destination::{Writer, usage};
use super::load_model::{self, Pictures};
use super::names;
use super::prior::{Prior, Wanted, guidance};
use super::terminal::Bar;
use crate::cli::{ForceArgs, SampleArgs};

/// Pictures computed at once.
const BATCH: u32 = 16;
/// Default number of samples.
const COUNT: u32 = 16;
/// Default number of steps of a flow.
pub(super) const STEPS: u32 = 4;

pub fn run(args: &SampleArgs) -> Result<ExitCode> {
    if args.count == 0 || args.count > 100_000 {
        return usage(format!("--count {}: must be between 1 and 100000", args.count));
    }
    if !args.temperature.is_finite() || args.temperature < 0.0 {
        return usage(format!("--temperature {}: must be zero or positive", args.temperature));
    }
    if !(0.0..=100.0).contains(&args.guidance) {
        return usage(format!("--guidance {}: must be between 0 and 100", args.guidance));
    }
    let model = names::model_file(&args.model)?;
    let wanted = Wanted::of(&args.model, &args.prior);
    let prior_file = wanted.file();
    let settings =
        SampleArgs { model: model.clone(), out: None, force: ForceArgs::default(), ..args.clone() };
    let writer = Writer::new("sample", args.force.force, &settings).reads([&model]).reads(&prior_file);
    let parts = parts(args, &wanted)?;
    let files: Vec<String> = (0..args.count).map(file).collect();
    let mut out = Pictures::new(&writer, args.out.as_deref(), &parts, (args.separate, &files))?;

    let Model { config, weights, likelihood, .. } = checkpoint::open(&args.model)?;
    if !matches!(wanted, Wanted::Flow(_)) && args.class.is_some() {
        return usage(
            "--class: needs a flow; fit one with wgvae fit-prior MODEL DATA --flow --classes".into(),
        );
    }
    let prior = wanted.read(&args.model, (&config, &weights))?;
    let (flow, label) = sampling(args, &prior)?;
    let columns = f64::from(args.count).sqrt().ceil() as u32;
    out.check_size([columns, columns], config.size)?;
    let adapter = super::choose_keeping(&args.adapter)?;
    let build = ModelOptions { likelihood, flow, ..ModelOptions::inference(config, args.count.min(BATCH)) };
    let mut vae = Vae::empty(Device::Gpu(&adapter), build)?;
    vae.load(&weights)?;
    if let Prior::Flow(flow) = &prior {
        vae.load_flow(&flow.flow)?;
    }
    if args.prior == "auto" && prior_file.is_some() {
        eprintln!("prior: {}; --prior normal draws from N(0, I)", prior.name());
    }

    let bar = Bar::new("sampling", false);
    let mut pictures = Vec::new();
    for first in (0..args.count).step_by(BATCH as usize) {
        let range = first..args.count.min(first + BATCH);
        for (index, picture) in range.clone().zip(draw(&mut vae, (&prior, label), range, args)?) {
            match &mut out {
                Pictures::Separate(folder) => {
                    folder.save(&file(index), &data::grid(&[picture], config.size, 1, 0))?;
                }
                Pictures::Sheet(_) => pictures.push(picture),
            }
        }
        bar.set((first + BATCH).min(args.count) as usize, args.count as usize);
    }
    bar.clear();
    match out {
        Pictures::Separate(folder) => folder.finish(),
        Pictures::Sheet(sheet) => load_model::save(&pictures, config.size, columns, &sheet)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The flow that the model is built with, and the label of the class that is wanted.
fn sampling(args: &SampleArgs, prior: &Prior) -> Result<(Option<FlowSampling>, Option<u32>)> {
    let Prior::Flow(flow) = prior else { return Ok((None, None)) };
    let label = args.class.as_ref().map(|class| flow.label(class)).transpose()?;
    let guidance = label.map_or(Ok(None), |_| guidance(args.guidance))?;
    Ok((Some(FlowSampling { config: flow.flow.config, steps: args.steps, guidance }), label))
}

/// The samples with these numbers, as RGB bytes.
fn draw(
    vae: &mut Vae,
    (prior, label): (&Prior, Option<u32>),
    range: std::ops::Range<u32>,
    args: &SampleArgs,
) -> Result<Vec<Vec<u8>>> {
    let pictures = match prior {
        Prior::Normal => vae.sample_range(range, args.seed, args.temperature)?,
        Prior::Mixture(prior) => vae.decode_rgba(&prior.draw_range(range, args.seed, args.temperature))?,
        Prior::Flow(_) => vae.sample_flow(range, (args.seed, args.temperature), label)?,
    };
    Ok(pictures.iter().map(|picture| data::rgb_of(picture)).collect())
}

/// Parts of the default name: all settings that change the picture and are not the defaults.
fn parts(args: &SampleArgs, wanted: &Wanted) -> Result<Vec<String>> {
    let mut parts = vec![names::model(&args.model)?, "sample".into()];
    match (args.prior.as_str(), wanted) {
        (_, Wanted::Normal) => {}
        ("auto" | "flow", Wanted::Flow(_)) => parts.push("flow".into()),
        ("auto" | "fitted", _) => parts.push("fitted".into()),
        (path, _) => parts.push(names::plain(Path::new(path))),
    }
    if let Some(class) = &args.class {
        parts.push(names::plain(Path::new(class)));
        if args.guidance.to_bits() != 2f32.to_bits() {
            parts.push(format!("guidance_{}", args.guidance));
        }
    }
    if args.steps != STEPS {
        parts.push(format!("steps_{}", args.steps));
    }
    if args.temperature.to_bits() != 1f32.to_bits() {
        parts.push(format!("temperature_{}", args.temperature));
    }
    if args.count != COUNT {
        parts.push(format!("count_{}", args.count));
    }
    parts.push(format!("seed_{}", args.seed));
    Ok(parts)
}

/// The name of a separate sample's file.
fn file(index: u32) -> String {
    format!("{index:05}.png")
}
