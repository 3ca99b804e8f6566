//! `wgvae plan --ranks N`: what several processes exchange in a step, and how much of it they wait for.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use wgvae::config::{Element, ModelConfig};
use wgvae::distributed::{Emulated, Group, Network as Line, StepCost, Threads, even_part};
use wgvae::error::Error;
use wgvae::gpu::{Capabilities, Plan};
use wgvae::model::{self, BatchPart, Device, Input, ModelOptions, Network, StepSettings, Vae};
use wgvae::ops::Tuning;

use super::output;
use super::terminal::bytes;
use crate::cli::RankPlanArgs;

/// Steps of a simulation, after one that is not measured.
const STEPS: u64 = 4;
/// A simulation has this part of the model's channels and latents: what it exchanges takes as long, and its processes' own
/// copies do not disturb it.
const NARROW: u32 = 8;

/// A step of several processes.
pub(super) struct RankPlan {
    ranks: u32,
    batch: u32,
    share: u32,
    line: Line,
    wire: Element,
    /// bytes of all gradients, and the number of buckets
    gradients: (u64, usize),
    /// bytes that each process sends in a step, and receives
    sent: u64,
    cost: StepCost,
    simulated: Option<Simulated>,
}

/// Seconds of a step.
struct Simulated {
    expected: f64,
    took: f64,
}

/// `build` for one of the processes, if there are several.
pub(super) fn share(build: ModelOptions, args: &RankPlanArgs) -> ModelOptions {
    match args.ranks {
        None | Some(1) => build,
        Some(ranks) => build.shared_by(ranks),
    }
}

/// The plan of a step of several processes, `None` without `--ranks`.
pub(super) fn of(
    (network, plan): (&Network, &Plan),
    build: ModelOptions,
    (target, tuning): (&Capabilities, &Tuning),
    args: &RankPlanArgs,
) -> Result<Option<RankPlan>> {
    let Some(ranks) = args.ranks else { return Ok(None) };
    if ranks > build.batch {
        let reason =
            format!("--ranks {ranks}: a batch has {} pictures; give more with --batch-size", build.batch);
        return Err(Error::Usage(reason).into());
    }
    let (line, wire) = (args.network, args.sync_precision);
    let compute = args.step_time.0.as_secs_f64();
    let buckets = network.bucket_costs(plan, ranks, wire, model::BUCKET);
    let cost = StepCost::new(&line, ranks as usize, compute, &buckets, network.exchanges_before_backward());
    let pieces: u64 = buckets.iter().map(|bucket| bucket.piece).sum();
    let simulated = if args.simulate && ranks > 1 {
        Some(simulate(network, build, (target, tuning), args)?)
    } else {
        None
    };
    Ok(Some(RankPlan {
        ranks,
        batch: build.batch,
        share: build.own_batch(),
        line,
        wire,
        gradients: (wire.bytes() * network.layout.len, buckets.len()),
        sent: 2 * u64::from(ranks - 1) * pieces,
        cost,
        simulated,
    }))
}

impl RankPlan {
    pub(super) fn print(&self) {
        let Self { ranks, batch, share, line, wire, gradients, sent, cost, .. } = self;
        let ms = |seconds: f64| format!("{:.1} ms", 1e3 * seconds);
        output::print(&format!("\n{ranks} processes, at most {share} of a batch's {batch} pictures each:"));
        output::print(&format!(
            "  gradients {} ({}) in {}; each process sends and receives {} per step",
            bytes(gradients.0),
            wire.name(),
            wgvae::data::counted(gradients.1, "bucket"),
            bytes(*sent)
        ));
        output::print(&format!(
            "  network {line}: the exchange takes {}; {} of it overlap with the backward pass",
            ms(cost.exchange),
            ms(cost.exchange - cost.exposed)
        ));
        output::print(&format!(
            "  a step that computes for {} takes {}: efficiency {:.2}, as {:.1} processes without an exchange",
            ms(cost.compute),
            ms(cost.step()),
            cost.efficiency(),
            cost.efficiency() * f64::from(*ranks)
        ));
        if let Some(Simulated { expected, took }) = &self.simulated {
            output::print(&format!(
                "  simulated with {ranks} threads and an eighth of the channels: {} per step, expected {}",
                ms(*took),
                ms(*expected)
            ));
        }
    }

    pub(super) fn json(&self) -> Value {
        let Self { ranks, share, line, wire, gradients, sent, cost, simulated, .. } = self;
        json!({
            "ranks": ranks, "share": share, "sync_precision": wire.name(), "gradient_bytes": gradients.0,
            "buckets": gradients.1, "sent_bytes": sent, "bandwidth": line.bandwidth, "latency": line.latency,
            "compute_seconds": cost.compute, "exchange_seconds": cost.exchange, "exposed_seconds": cost.exposed,
            "step_seconds": cost.step(), "efficiency": cost.efficiency(),
            "simulated_seconds": simulated.as_ref().map(|simulated| simulated.took),
            "simulated_expected_seconds": simulated.as_ref().map(|simulated| simulated.expected),
        })
    }
}

/// Runs steps in real time: threads as processes, with the exchange of a training on an emulated network, on devices that
/// only take time.
fn simulate(
    whole: &Network,
    build: ModelOptions,
    (target, tuning): (&Capabilities, &Tuning),
    args: &RankPlanArgs,
) -> Result<Simulated> {
    let ranks = args.ranks.unwrap_or(1);
    let narrow = |value: u32| (value / NARROW).next_multiple_of(4).max(4);
    let config = ModelConfig {
        hidden: narrow(build.config.hidden),
        latent: narrow(build.config.latent),
        ..build.config
    };
    let build = ModelOptions { config, ..build };
    let (network, plan) = build.plan_with(target, tuning)?;
    let scale = whole.layout.len as f64 / network.layout.len as f64;
    let bucket = (model::BUCKET as f64 / scale) as u64;
    let compute = args.step_time.0.as_secs_f64();
    let mut buckets = network.bucket_costs(&plan, ranks, args.sync_precision, bucket);
    buckets.iter_mut().for_each(|bucket| bucket.piece = (bucket.piece as f64 * scale) as u64);
    let before = network.exchanges_before_backward();
    let expected = StepCost::new(&args.network, ranks as usize, compute, &buckets, before).step();
    let rate = network.step_work(&plan) / compute;
    let (line, wire, batch) = (args.network, args.sync_precision, build.batch);
    let took: Vec<Result<f64, Error>> = std::thread::scope(|scope| {
        let threads: Vec<_> = Threads::connect(ranks as usize)
            .into_iter()
            .map(|one| {
                scope.spawn(move || {
                    let group = Group::new(move || Ok(Box::new(Emulated::new(Box::new(one), line, scale))))?;
                    let group = Arc::new(group);
                    let mut vae = Vae::empty(Device::Paced(target, tuning, rate), build)?;
                    vae.join_with(group.clone(), wire, bucket)?;
                    let own = even_part(batch, group.rank(), group.size());
                    let part = BatchPart { first: own.start, count: own.len() as u32, total: batch };
                    let size = (part.count * build.config.size * build.config.size) as usize;
                    let pictures = vec![0; size];
                    let mut began = Instant::now();
                    for step in 0..=STEPS {
                        if step == 1 {
                            began = Instant::now();
                        }
                        group.gather([part.count, 0])?;
                        let settings = StepSettings { step, ..StepSettings::default() };
                        vae.train_part(Input::Rgba(&pictures), part, &settings)?;
                        vae.losses(false)?;
                    }
                    vae.losses(true)?;
                    group.finish();
                    Ok(began.elapsed().as_secs_f64() / STEPS as f64)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(ended()))).collect()
    });
    let took: Vec<f64> = took.into_iter().collect::<Result<_, _>>()?;
    Ok(Simulated { expected, took: took.into_iter().fold(0.0, f64::max) })
}

fn ended() -> Error {
    Error::Device("a simulated process has ended".into())
}
