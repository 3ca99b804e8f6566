//! `wgvae sample`: pictures from random latents.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint;
use wgvae::data;
use wgvae::generate::{self, FittedFlow};
use wgvae::model::flow::FlowSampling;

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

pub fn run(args: &SampleArgs) -> Result<ExitCode> {
    if args.count == 0 || args.count > 100_000 {
        return usage(format!("--count {}: must be between 1 and 100000", args.count));
    }
    if !args.temperature.is_finite() || args.temperature < 0.0 {
        return usage(format!("--temperature {}: must be zero or positive", args.temperature));
    }
    let file = names::model_file(&args.model)?;
    let wanted = Wanted::of(&args.model, &args.prior);
    let prior_file = wanted.file();
    let settings = SampleArgs { model: file.clone(), out: None, force: ForceArgs::default(), ..args.clone() };
    let writer = Writer::new("sample", args.force.force, &settings).reads([&file]).reads(&prior_file);
    let parts = parts(args, &wanted)?;
    let files: Vec<String> = (0..args.count).map(name).collect();
    let mut out = Pictures::new(&writer, args.out.as_deref(), &parts, (args.separate, &files))?;

    let model = checkpoint::open(&args.model)?;
    if !matches!(wanted, Wanted::Flow(_)) && args.class.is_some() {
        return usage(
            "--class: needs a flow; fit one with wgvae fit-prior MODEL DATA --flow --classes".into(),
        );
    }
    let prior = wanted.read(&args.model, (&model.config, &model.weights))?;
    let (source, flow) = source(args, &prior)?;
    let size = model.config.size;
    let columns = f64::from(args.count).sqrt().ceil() as u32;
    out.check_size([columns, columns], size)?;
    let adapter = super::choose_keeping(&args.adapter)?;
    let mut vae = load_model::build(&adapter, &model, args.count.min(BATCH), flow)?;
    if args.prior == "auto" && prior_file.is_some() {
        eprintln!("prior: {}; --prior normal draws from N(0, I)", prior.name());
    }

    let bar = Bar::new("sampling", false);
    let mut pictures = Vec::new();
    for first in (0..args.count).step_by(BATCH as usize) {
        let range = first..args.count.min(first + BATCH);
        let drawn = source.draw(&mut vae, range.clone(), (args.seed, args.temperature))?;
        for (index, picture) in range.zip(drawn.iter().map(|picture| data::rgb_of(picture))) {
            match &mut out {
                Pictures::Separate(folder) => {
                    folder.save(&name(index), &data::grid(&[picture], size, 1, 0))?;
                }
                Pictures::Sheet(_) => pictures.push(picture),
            }
        }
        bar.set((first + BATCH).min(args.count) as usize, args.count as usize);
    }
    bar.clear();
    match out {
        Pictures::Separate(folder) => folder.finish(),
        Pictures::Sheet(sheet) => load_model::save(&pictures, size, columns, &sheet)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A flow, and how it is sampled.
type Sampled<'a> = (&'a FittedFlow, FlowSampling);

/// The distribution to draw from, and the flow that the model is built with.
fn source<'a>(args: &SampleArgs, prior: &'a Prior) -> Result<(generate::Prior<'a>, Option<Sampled<'a>>)> {
    Ok(match prior {
        Prior::Normal => (generate::Prior::Normal, None),
        Prior::Mixture(fitted) => (generate::Prior::Fitted(fitted), None),
        Prior::Flow(flow) => {
            let label = args.class.as_ref().map(|class| flow.label(class)).transpose()?;
            let guidance = label.and(guidance(args.guidance)?);
            (generate::Prior::Flow(label), Some((flow.as_ref(), flow.sampling(args.steps, guidance))))
        }
    })
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
    if args.steps != FlowSampling::STEPS {
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
fn name(index: u32) -> String {
    format!("{index:05}.png")
}
