//! `wgvae sample`: pictures from random latents.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::data;
use wgvae::generate::{self, FittedFlow};
use wgvae::model::flow::FlowSampling;

use super::destination::{Writer, usage};
use super::load_model::{self, Pictures};
use super::prior::{Prior, Wanted, guidance};
use super::terminal::{Bar, shown};
use super::{names, output};
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
    let model = load_model::read(&args.model)?;
    let wanted = Wanted::of(&args.model, &args.prior, &model.weights);
    let prior_file = wanted.file();
    let settings = SampleArgs { model: file.clone(), out: None, force: ForceArgs::default(), ..args.clone() };
    let writer = Writer::new("sample", args.force.force, &settings).reads([&file]).reads(&prior_file);
    let parts = parts(args, &wanted)?;
    let prior = wanted.read(&args.model, (&model.config, &model.weights))?;
    let (rows, flow) = rows(args, &prior)?;
    let files: Vec<String> =
        rows.iter().flat_map(|row| (0..args.count).map(|index| row.file(index))).collect();
    let mut out = Pictures::new(&writer, args.out.as_deref(), &parts, (args.separate, &files))?;

    let size = model.config.size;
    let columns = if args.each_class { args.count } else { f64::from(args.count).sqrt().ceil() as u32 };
    let scale = args.scale.scale;
    out.check_size([columns, (files.len() as u32).div_ceil(columns)], size * scale)?;
    let adapter = super::choose_keeping(&args.adapter)?;
    let bar = Bar::new("loading the model", false);
    let mut vae = load_model::build(&adapter, &model, args.count.min(BATCH), flow)?;
    drop(bar);
    if args.prior == "auto" && prior_file.is_some() {
        output::remark(&format!("prior: {}; --prior normal draws from N(0, I)", prior.name()));
    }
    if args.each_class {
        let names: Vec<_> = rows.iter().map(|row| shown(Path::new(&row.class))).collect();
        output::remark(&format!("rows: {}", names.join(", ")));
    }

    let bar = Bar::new("sampling", false);
    let (mut pictures, mut done) = (Vec::new(), 0);
    for row in &rows {
        for first in (0..args.count).step_by(BATCH as usize) {
            let range = first..args.count.min(first + BATCH);
            let drawn = row.prior.draw(&mut vae, range.clone(), (args.seed, args.temperature))?;
            for (index, picture) in range.zip(drawn.iter().map(|picture| data::rgb_of(picture))) {
                match &mut out {
                    Pictures::Separate(folder) => {
                        let picture = load_model::scaled(data::grid(&[picture], size, 1, 0), scale);
                        folder.save(&row.file(index), &picture)?;
                    }
                    Pictures::Sheet(_) => pictures.push(picture),
                }
                done += 1;
            }
            bar.set(done, files.len());
        }
    }
    bar.clear();
    match out {
        Pictures::Separate(folder) => folder.finish(),
        Pictures::Sheet(sheet) => load_model::save(&pictures, [size, scale], columns, &sheet)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A flow, and how it is sampled.
type Sampled<'a> = (&'a FittedFlow, FlowSampling);

/// Samples of one distribution: with --each-class a row of the sheet, else the whole sheet.
struct Row<'a> {
    prior: generate::Prior<'a>,
    /// with --each-class the class
    class: String,
    /// beginning of the name of a separate sample's file
    prefix: String,
}

impl Row<'_> {
    /// The name of a separate sample's file.
    fn file(&self, index: u32) -> String {
        format!("{}{index:05}.png", self.prefix)
    }
}

/// The distributions to draw from, and the flow that the model is built with.
fn rows<'a>(args: &SampleArgs, prior: &'a Prior) -> Result<(Vec<Row<'a>>, Option<Sampled<'a>>)> {
    let (all, classes, flow) = match prior {
        Prior::Normal => (generate::Prior::Normal, [].as_slice(), None),
        Prior::Mixture(fitted) => (generate::Prior::Fitted(fitted, None), fitted.classes.as_slice(), None),
        Prior::Flow(flow) => {
            let sampled = Some((flow.as_ref(), flow.sampling(args.steps, guidance(args.guidance)?)));
            (generate::Prior::Flow(None), flow.classes.as_slice(), sampled)
        }
    };
    let row = |(label, class): (u32, &String)| {
        // classes may differ by characters that no file system tells apart
        let prefix = format!("{label}_{}_", names::plain(Path::new(&format!("{class}."))));
        Row { prior: all.of_class(label), class: class.clone(), prefix }
    };
    let one = |prior| vec![Row { prior, class: String::new(), prefix: String::new() }];
    let rows = match &args.class {
        _ if args.each_class && classes.is_empty() => {
            return usage(format!(
                "--each-class: {} has no classes; fit a prior with wgvae fit-prior --classes",
                prior.name()
            ));
        }
        _ if args.each_class => (0..).zip(classes).map(row).collect(),
        Some(class) => one(all.of_class(generate::class_label(classes, class)?)),
        None => one(all),
    };
    if args.guidance.to_bits() != FlowSampling::GUIDANCE.to_bits() && (flow.is_none() || classes.is_empty()) {
        return usage(format!("--guidance: needs a flow with classes, and this is {}", prior.name()));
    }
    Ok((rows, flow))
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
    if args.each_class {
        parts.push("each_class".into());
    }
    if let Some(class) = &args.class {
        parts.push(names::plain(Path::new(class)));
    }
    if args.guidance.to_bits() != FlowSampling::GUIDANCE.to_bits() {
        parts.push(format!("guidance_{}", args.guidance));
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
