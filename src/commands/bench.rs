//! `wgvae bench`: the throughput of training steps on random pictures.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use wgvae::error::Error;
use wgvae::gpu::{Adapter, ProgramId};
use wgvae::model::{Device, Input, ModelOptions, StepSettings, Vae};
use wgvae::ops::Tuning;
use wgvae::ops::normal::philox;

use super::output;
use super::terminal::{Bar, COMPILES, bytes, model, peak_memory};
use super::train::settings::model_options;
use crate::cli::BenchArgs;

pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let build = model_options(&args.model)?;
    let ModelOptions { config, batch, .. } = build;
    if args.steps == 0 {
        return Err(Error::Usage("--steps 0: must be at least 1".into()).into());
    }
    if let Some(folder) = args.data.as_ref().or(args.data_flag.as_ref()) {
        return super::bench_data::run(args, folder, config.size, batch);
    }
    if args.cache.is_some() || args.no_cache {
        return Err(
            Error::Usage("--cache and --no-cache: give DATA, the folder that they are for".into()).into()
        );
    }
    let adapter = super::choose(&args.adapter)?;
    let tuning = super::tune::choose(&adapter, &build, &args.tuning, false)?;
    let began = Instant::now();
    let mut probe = Probe::new(&adapter, &tuning, build)?;
    let bar = Bar::new(COMPILES, false);
    probe.step(0)?;
    let start = began.elapsed().as_secs_f64();
    let mut seconds = Vec::new();
    for number in 1..=args.steps {
        seconds.push(probe.step(number.into())?);
        bar.step("measuring steps", number as usize, args.steps as usize);
    }
    drop(bar);
    let vae = &probe.vae;
    seconds.sort_by(f64::total_cmp);
    let rate = |seconds: f64| f64::from(batch) / seconds;
    let median = rate(seconds[seconds.len() / 2]);
    let (least, most) = (rate(seconds[seconds.len() - 1]), rate(seconds[0]));
    let flops = step_flops(vae, batch) / f64::from(batch) * median / 1e9;
    if args.json.json {
        let line = serde_json::json!({
            "images_per_second": median, "slowest": least, "fastest": most, "gflops": flops,
            "start_seconds": start, "size": config.size, "hidden": config.hidden, "latent": config.latent,
            "batch": batch, "micro_batch": vae.micro_batch(), "precision": build.precision.name(), "steps": args.steps, "adapter": adapter.describe(),
            "plan_bytes": vae.plan().bytes(), "peak_bytes": peak_memory(),
        });
        println!("{line}");
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&adapter.describe());
    output::print(&model(&config, batch, vae.micro_batch()));
    output::print(&format!(
        "{median:.2} images/s (median of {} steps; {least:.2} to {most:.2}), {flops:.1} GFLOP/s",
        args.steps
    ));
    let host =
        peak_memory().map_or(String::new(), |peak| format!(", {} peak memory of the process", bytes(peak)));
    output::print(&format!(
        "start-up with the first step {start:.1} s; memory {} on the device{host}",
        bytes(vae.plan().bytes())
    ));
    Ok(ExitCode::SUCCESS)
}

/// Training steps on random pictures, one at a time.
pub struct Probe {
    vae: Vae,
    rgba: Vec<u32>,
}

impl Probe {
    /// A model with random parameters, and a batch for it.
    ///
    /// # Errors
    /// If the device fails, or the batch has too many pixels.
    pub fn new(adapter: &Adapter, tuning: &Tuning, build: ModelOptions) -> Result<Self> {
        let rgba = pictures(build.batch, build.config.size)?;
        Ok(Self { vae: Vae::new(Device::Tuned(adapter, tuning), build, 0)?, rgba })
    }

    /// Computes step `number`, and returns its seconds.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, number: u64) -> Result<f64> {
        let began = Instant::now();
        let settings = StepSettings { seed: 0, step: number, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
        self.vae.train_step(Input::Rgba(&self.rgba), self.vae.batch(), &settings)?;
        self.vae.losses(true)?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// `batch` pictures of noise, 8-bit RGBA.
pub fn pictures(batch: u32, size: u32) -> Result<Vec<u32>> {
    let pixels = u64::from(batch) * u64::from(size).pow(2);
    let pixels =
        u32::try_from(pixels).map_err(|_| Error::Usage(format!("--batch-size {batch}: too many pixels")))?;
    Ok((0..pixels).map(|i| philox([i, 0, 0, 0], [0, 0])[0]).collect())
}

/// Floating-point operations of a step.
fn step_flops(vae: &Vae, batch: u32) -> f64 {
    let run = vae.programs().train_step();
    let rounds = f64::from(batch.div_ceil(vae.micro_batch()));
    let cost =
        |programs: &[ProgramId]| programs.iter().map(|id| vae.plan().get(*id).flops() as f64).sum::<f64>();
    cost(&run.before) + rounds * cost(&run.each) + cost(&run.after)
}
