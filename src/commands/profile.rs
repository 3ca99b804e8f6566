//! `wgvae profile`: the time of every dispatch, compared with the adapter's roofline.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use wgvae::config::ModelConfig;
use wgvae::error::Error;
use wgvae::gpu::profile::{Row, is_kernel, rows};
use wgvae::gpu::{Adapter, Clock, Timings, trace};
use wgvae::model::{Device, Input, ModelOptions, StepSettings, Vae};
use wgvae::ops::Tuning;
use wgvae::ops::roofline::Ceilings;

use super::bench;
use super::destination::{Destination, Writer, must_end_with};
use super::output;
use super::terminal::{Bar, model, shown};
use super::train::settings::model_options;
use crate::cli::ProfileArgs;

/// The model, the steps and the adapter of a profile.
struct Subject {
    adapter: String,
    config: ModelConfig,
    batch: u32,
    micro: u32,
    steps: u32,
    ceilings: Ceilings,
    pipelines: usize,
}

/// Results of a profile; milliseconds are per step.
struct Outcome {
    timings: Timings,
    /// median of the steps without timestamps
    plain_ms: f64,
    /// mean of the steps with timestamps
    timed_ms: f64,
    /// seconds of a step without timestamps
    submits: u64,
}

pub fn run(args: &ProfileArgs) -> Result<ExitCode> {
    let build = model_options(&args.model)?;
    let ModelOptions { config, batch, .. } = build;
    if args.steps == 0 {
        return Err(Error::Usage("--steps 0: must be at least 1".into()).into());
    }
    let trace = trace_file(args)?;
    let rgba = bench::pictures(batch, config.size)?;
    let adapter = super::choose(&args.adapter)?;
    let clock = if args.host_clock { Clock::Host } else { Clock::Device };
    let bar = Bar::new("measuring the adapter", false);
    let ceilings = Ceilings::measure(&adapter, clock)?;
    drop(bar);
    let tuning = super::tune::choose(&adapter, &build, &args.tuning, false)?;
    let mut vae = Vae::new(place(&adapter, clock, &tuning), build, 0)?;
    let bar = Bar::new("measuring steps", false);
    let outcome = measure(&mut vae, &rgba, batch, args.steps)?;
    drop(bar);
    let (micro, pipelines) = (vae.micro_batch(), vae.plan().pipelines());
    let subject =
        Subject { adapter: adapter.describe(), config, batch, micro, steps: args.steps, ceilings, pipelines };
    if args.json.json {
        println!("{}", document(&subject, &outcome));
    } else {
        print(&subject, &outcome);
    }
    if let Some(out) = &trace {
        let title = format!("wgvae on {}", subject.adapter);
        let mut document = trace::document(&outcome.timings, &title);
        document["otherData"] = json!({ "made_by": out.mark.text(None) });
        out.write(document.to_string().as_bytes())?;
        output::say(&format!("wrote {}", shown(&out.path)));
    }
    Ok(ExitCode::SUCCESS)
}

fn place<'a>(adapter: &'a Adapter, clock: Clock, tuning: &'a Tuning) -> Device<'a> {
    match clock {
        Clock::Device => Device::Timed(adapter, tuning),
        Clock::Host => Device::Tuned(adapter, tuning),
    }
}

/// Runs one step to compile the kernels, `steps` without timestamps, and `steps` with them.
fn measure(vae: &mut Vae, rgba: &[u32], batch: u32, steps: u32) -> Result<Outcome> {
    let mut number = 0;
    let mut step = |vae: &mut Vae| -> Result<f64> {
        let began = Instant::now();
        vae.train_step(
            Input::Rgba(rgba),
            batch,
            &StepSettings { seed: 0, step: number, lr: 1e-3, beta: 0.2, ..StepSettings::default() },
        )?;
        vae.losses(true)?;
        number += 1;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    step(vae)?;
    let before = vae.submits();
    let mut plain = (0..steps).map(|_| step(vae)).collect::<Result<Vec<f64>>>()?;
    let submits = (vae.submits() - before) / u64::from(steps);
    plain.sort_by(f64::total_cmp);
    vae.profile(true)?;
    let timed = (0..steps).map(|_| step(vae)).collect::<Result<Vec<f64>>>()?;
    let timings = vae.timings()?;
    vae.profile(false)?;
    let timed_ms = timed.iter().sum::<f64>() / f64::from(steps);
    Ok(Outcome { timings, plain_ms: plain[plain.len() / 2], timed_ms, submits })
}

/// The file of --trace.
fn trace_file(args: &ProfileArgs) -> Result<Option<Destination>> {
    let Some(path) = &args.trace else { return Ok(None) };
    must_end_with(path, "json", "a trace")?;
    Writer::new("profile", args.force.force, &()).named(path).map(Some)
}

/// Rates and shares of a row; shares are from 0 to 1.
struct Rates {
    ms: f64,
    share: f64,
    gflops: f64,
    gbps: f64,
    of_fma: f64,
    /// `None` for the driver's copies and clears, which may be faster than the copy kernel of the roofline
    of_copy: Option<f64>,
}

fn rates(subject: &Subject, row: &Row, busy_ns: u64) -> Rates {
    let (gflops, gbps) = (row.gflops(), row.gbps());
    Rates {
        ms: row.ns as f64 / 1e6 / f64::from(subject.steps),
        share: row.ns as f64 / busy_ns.max(1) as f64,
        gflops,
        gbps,
        of_fma: gflops / subject.ceilings.gflops,
        of_copy: is_kernel(row.kernel).then_some(gbps / subject.ceilings.gbps),
    }
}

/// Dispatches of one step, and its clears and copies, with those that cannot be timed.
fn counts(subject: &Subject, timings: &Timings) -> (u64, u64) {
    let others = timings.device.iter().filter(|t| !is_kernel(t.kernel)).count() as u64;
    let dispatches = timings.device.len() as u64 - others;
    let steps = u64::from(subject.steps);
    (dispatches / steps, (others + timings.untimed) / steps)
}

fn document(subject: &Subject, outcome: &Outcome) -> Value {
    let timings = &outcome.timings;
    let busy = timings.busy_ns();
    let list = |labels: bool| -> Vec<Value> {
        let row = |row: &Row| {
            let f = rates(subject, row, busy);
            json!({
                "label": labels.then_some(&row.label), "kernel": row.kernel,
                "calls": row.calls / u64::from(subject.steps), "ms": f.ms, "share": f.share,
                "gflops": f.gflops, "gbps": f.gbps, "of_fma_ceiling": f.of_fma, "of_copy_ceiling": f.of_copy,
            })
        };
        rows(&timings.device, labels).iter().map(row).collect()
    };
    let busy_ms = busy as f64 / 1e6 / f64::from(subject.steps);
    let (dispatches, others) = counts(subject, timings);
    json!({
        "adapter": subject.adapter,
        "clock": if timings.clock == Clock::Device { "device" } else { "host" },
        "size": subject.config.size, "hidden": subject.config.hidden, "latent": subject.config.latent,
        "batch": subject.batch, "micro_batch": subject.micro, "steps": subject.steps,
        "ceilings": { "fma_gflops": subject.ceilings.gflops, "copy_gbps": subject.ceilings.gbps },
        "labels": list(true), "kernels": list(false),
        "totals": {
            "step_ms": outcome.plain_ms, "timed_step_ms": outcome.timed_ms, "device_ms": busy_ms,
            "gaps_ms": outcome.timed_ms - busy_ms, "dispatches": dispatches, "clears_and_copies": others,
            "untimed": timings.untimed / u64::from(subject.steps), "submits": outcome.submits,
            "pipelines": subject.pipelines,
        },
    })
}

fn print(subject: &Subject, outcome: &Outcome) {
    let timings = &outcome.timings;
    output::print(&subject.adapter);
    output::print(&model(&subject.config, subject.batch, subject.micro));
    output::print(&format!("{} step(s), by {}", subject.steps, timings.clock));
    output::print(&format!(
        "measured roofline: {:.1} GFLOP/s of fused multiply-adds, {:.2} GB/s of copies (bytes read and written)",
        subject.ceilings.gflops, subject.ceilings.gbps
    ));
    table(subject, outcome, true);
    table(subject, outcome, false);
    totals(subject, outcome);
}

fn table(subject: &Subject, outcome: &Outcome, labels: bool) {
    let (first, second) = if labels { ("dispatch", "kernel") } else { ("kernel", "calls/step") };
    let columns = output::columns();
    let row_of = |first: &str, second: &str, figures: String| {
        println!("{}", output::row(&[(first, 36), (second, 23)], &figures, columns));
    };
    println!();
    let figures = ["share", "GFLOP/s", "GB/s", "% FMA", "% copy"].map(|name| format!("{name:>8}")).concat();
    row_of(first, second, format!("{:>9}{figures}", "ms/step"));
    for row in rows(&outcome.timings.device, labels) {
        let f = rates(subject, &row, outcome.timings.busy_ns());
        let calls = row.calls / u64::from(subject.steps);
        let (first, second) = if labels {
            (row.label.as_str(), row.kernel.to_owned())
        } else {
            (row.kernel, calls.to_string())
        };
        let figures = format!(
            "{:>9.3}{:>7.1}%{:>8}{:>8}{:>8}{:>8}",
            f.ms,
            100.0 * f.share,
            dash(f.gflops, 1),
            dash(f.gbps, 2),
            dash(100.0 * f.of_fma, 1),
            dash(100.0 * f.of_copy.unwrap_or_default(), 1)
        );
        row_of(&shortened(first, 36), &second, figures);
    }
}

fn totals(subject: &Subject, outcome: &Outcome) {
    let timings = &outcome.timings;
    let busy_ms = timings.busy_ns() as f64 / 1e6 / f64::from(subject.steps);
    let (dispatches, others) = counts(subject, timings);
    let untimed = match timings.untimed {
        0 => "",
        _ => " (not timed: no timestamps outside passes)",
    };
    output::print(&format!(
        "\n{:30}{:>12.3} ms (median, without timestamps)",
        "step, by the host's clock", outcome.plain_ms
    ));
    output::print(&format!("{:30}{:>12.3} ms (mean)", "step with timestamps", outcome.timed_ms));
    let share = 100.0 * busy_ms / outcome.plain_ms;
    output::print(&format!("{:30}{busy_ms:>12.3} ms, {share:.1} % of a step", "dispatches, clears, copies"));
    output::print(&format!(
        "{:30}{:>12.3} ms (uploads, encoding, submits, waits)",
        "step with timestamps, rest",
        outcome.timed_ms - busy_ms
    ));
    output::print(&format!(
        "{dispatches} dispatches, {others} clears and copies{untimed} and {} submits per step; {} pipelines",
        outcome.submits, subject.pipelines
    ));
    output::print(
        "GB/s count every operand once as read or written. Caches, or reads that are faster than writes, can",
    );
    output::print("raise them above the copies of the roofline.");
}

/// `text` in at most `width` characters.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// The number, or a dash for zero.
fn dash(value: f64, digits: usize) -> String {
    if value == 0.0 { "-".into() } else { format!("{value:.digits$}") }
}
