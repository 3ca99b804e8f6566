//! `wgvae export-web`: a static page that runs a model in the browser.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::Model;
use wgvae::config::ModelConfig;
use wgvae::generate::{self, Fitted, FittedFlow};
use wgvae::model::flow::FlowWeights;
use wgvae::model::{Device, ModelOptions, StateDict, Vae};
use wgvae::web::{self, Files, Page, PageFlow, Precision, Rounding};

use super::destination::{self, usage};
use super::prior::{Beside, Prior, Wanted, guidance};
use super::terminal::{Bar, bytes, shown};
use super::{load_model, output};
use crate::cli::{ExportWebArgs, PageArgs};

/// Number of samples that are compared before and after rounding.
const SEEDS: u64 = 8;

pub fn run(args: &ExportWebArgs) -> Result<ExitCode> {
    let mut asked = args.page.clone();
    let Some(out) = args.out.clone().or_else(|| asked.images.pop()) else {
        return usage("name the folder of the page with -o".into());
    };
    // refuse before anything is computed
    destination::new_folder(&out)?;
    web::check(&out, args.force)?;
    let files = page(&asked)?;
    web::write(&out, &files, args.force)?;
    output::say(&format!("wrote {} ({})", shown(&out), sizes(&files)));
    output::say(&format!(
        "open it with: wgvae web {}; or copy the folder to a web server with HTTPS",
        shown(&out)
    ));
    Ok(ExitCode::SUCCESS)
}

/// The page for the flags. Reports the error of rounding.
pub(super) fn page(args: &PageArgs) -> Result<Files> {
    let model = &args.trained.model;
    let Model { config, mut weights, likelihood, .. } = load_model::read(model)?;
    let Priors { fitted: prior, mut flow } = priors(args, (&config, &weights))?;
    let data: Vec<PathBuf> = args.images.iter().chain(&args.data).cloned().collect();
    let kl = match data.as_slice() {
        [] => prior.as_ref().map(|prior| prior.kl.clone()),
        data => Some(divergences(args, data)?),
    };
    if kl.is_none() {
        output::say(
            "the sliders move the first dimensions; with fit-prior or DATA, those with the largest KL divergence",
        );
    }
    let steps = args.steps;
    let has_classes = flow.as_ref().is_some_and(|flow| !flow.classes.is_empty());
    let guidance = if has_classes { guidance(args.guidance)? } else { None };
    let mut rounding = None;
    if args.half {
        let (rounded, mut largest) = weights.halved()?;
        let rounded_flow = match &flow {
            Some(flow) => {
                let (rounded, difference) = flow.flow.weights.halved()?;
                largest = largest.max(difference);
                let flow_weights = FlowWeights { weights: rounded, ..flow.flow.clone() };
                Some(FittedFlow { flow: flow_weights, ..flow.clone() })
            }
            None => None,
        };
        let sampling = flow.as_ref().map(|flow| flow.sampling(steps, guidance));
        let build = ModelOptions { likelihood, flow: sampling, ..ModelOptions::inference(config, 1) };
        let versions = [(&weights, flow.as_ref()), (&rounded, rounded_flow.as_ref())];
        let found = compare(args, &build, versions, (prior.as_ref(), largest))?;
        output::say(&format!(
            "rounded to 16 bits: parameters differ by at most {:.1e}, samples of seeds 0 to {} by at most {}/255, on {}",
            found.weights,
            SEEDS - 1,
            found.samples,
            found.adapter
        ));
        (weights, flow, rounding) = (rounded, rounded_flow, Some(found));
    }
    let page = Page {
        title: args.title.clone().unwrap_or_else(|| name(model)),
        config,
        likelihood,
        reading: load_model::reading(&args.trained)?,
        weights: &weights,
        precision: if args.half { Precision::F16 } else { Precision::F32 },
        rounding,
        prior: prior.as_ref(),
        flow: flow.as_ref().map(|fitted| PageFlow { fitted, steps, guidance }),
        kl,
    };
    Ok(page.files()?)
}

/// The priors of a page.
struct Priors {
    /// for sliders, and for samples without a flow
    fitted: Option<Fitted>,
    /// for samples
    flow: Option<FittedFlow>,
}

fn priors(args: &PageArgs, parts: (&ModelConfig, &StateDict)) -> Result<Priors> {
    let model = &args.trained.model;
    Ok(match Wanted::of(model, &args.prior, parts.1).read(model, parts)? {
        Prior::Normal => Priors { fitted: None, flow: None },
        Prior::Mixture(fitted) => Priors { fitted: Some(fitted), flow: None },
        Prior::Flow(flow) => {
            let fitted = Beside::own(model, parts.1).fitted;
            let fitted = fitted.map(|path| Fitted::read(&path, parts.1)).transpose()?;
            Priors { fitted, flow: Some(*flow) }
        }
    })
}

fn divergences(args: &PageArgs, data: &[PathBuf]) -> Result<Vec<f64>> {
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    Ok(load_model::encode(&mut vae, &args.trained, data)?.kl())
}

/// The parameters of a page: the model's, and those of the flow if there is one.
type Parameters<'a> = (&'a StateDict, Option<&'a FittedFlow>);

/// The differences between samples of the exact and of the rounded parameters, drawn from the prior that the page starts
/// with.
fn compare(
    args: &PageArgs,
    build: &ModelOptions,
    versions: [Parameters<'_>; 2],
    (prior, largest): (Option<&Fitted>, f64),
) -> Result<Rounding> {
    let adapter = super::choose(&args.trained.adapter)?;
    let _bar = Bar::new("comparing samples", false);
    let mut vae = Vae::empty(Device::Gpu(&adapter), *build)?;
    let seeds: Vec<u64> = (0..SEEDS).collect();
    let [exact, rounded] = versions.map(|(weights, flow)| -> Result<Vec<u8>> {
        vae.load(weights)?;
        if let Some(flow) = flow {
            vae.load_flow(&flow.flow)?;
        }
        let mut all = Vec::new();
        for seed in &seeds {
            let pictures = draw(&mut vae, (flow, prior), *seed)?;
            all.extend(pictures.iter().flatten().flat_map(|pixel| pixel.to_le_bytes()));
        }
        Ok(all)
    });
    let (exact, rounded) = (exact?, rounded?);
    let samples = exact.iter().zip(&rounded).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    Ok(Rounding { weights: largest, samples: samples.into(), seeds, adapter: vae.adapter() })
}

/// The first sample of a seed; of a flow with classes, they take turns by seed.
fn draw(
    vae: &mut Vae,
    (flow, fitted): (Option<&FittedFlow>, Option<&Fitted>),
    seed: u64,
) -> Result<Vec<Vec<u32>>> {
    Ok(generate::Prior::best(flow.is_some(), fitted).draw(vae, 0..1, (seed, 1.0))?)
}

/// The name of a run, a checkpoint or a file.
fn name(model: &Path) -> String {
    let whole = model.canonicalize().unwrap_or_else(|_| model.to_owned());
    let name = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    shown(Path::new(name.unwrap_or_default()))
}

/// Sizes of the files that a visitor loads.
pub(super) fn sizes(files: &Files) -> String {
    let sum = |of: &dyn Fn(&str) -> bool| {
        bytes(files.iter().filter(|(name, _)| of(name)).map(|(_, bytes)| bytes.len() as u64).sum())
    };
    let stored = |name: &str| name.ends_with(".safetensors");
    format!("{} files, {} and {} of parameters", files.len(), sum(&|name| !stored(name)), sum(&stored))
}
