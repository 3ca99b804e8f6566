//! `wgvae plan`: every dispatch of a training step with its cost, and the memory use.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::gpu::{Capabilities, Dispatch, Item, Plan, TextureSpec, Usage};
use wgvae::model::ModelOptions;
use wgvae::ops::Tuning;

use super::terminal::{bytes, count};
use super::train::settings::model_options;
use crate::cli::{Limits, PlanArgs};

pub fn run(args: &PlanArgs) -> Result<ExitCode> {
    let build = model_options(&args.model)?;
    let ModelOptions { config, batch, .. } = build;
    let (target, tuning) = match args.limits {
        Limits::Default => (Capabilities::webgpu_default(), Tuning::of(&Capabilities::webgpu_default())),
        Limits::Adapter => {
            let adapter = super::choose(&args.adapter)?;
            (adapter.capabilities(), super::tune::kept(&adapter, &args.tuning)?)
        }
    };
    let (network, plan) = build.plan_with(&target, &tuning)?;
    println!(
        "{config}: {} parameters; batch {batch} as {} micro-batch(es) of {}",
        count(wgvae::model::parameter_count(&config)),
        batch.div_ceil(network.dims.micro),
        network.dims.micro
    );
    println!("planned for {} (binding {})\n", target.name, bytes(target.binding_bytes));
    for program in &plan.programs {
        println!("{} ({:.3} GFLOP)", program.name, program.flops() as f64 / 1e9);
        for item in &program.items {
            match item {
                Item::Clear(buffer) => println!("  {:40} clear", plan.buffers[buffer.index()].label),
                Item::TextureCopy(copy) => {
                    println!("  {:40} copied to a texture, {}", copy.label, bytes(copy.tensor.bytes()));
                }
                Item::Dispatch(dispatch) => line(dispatch),
            }
        }
    }
    memory(&plan);
    plan.check_limits(&target)?;
    Ok(ExitCode::SUCCESS)
}

fn line(d: &Dispatch) {
    let [x, y, _] = d.groups;
    let grid = if y == 1 { x.to_string() } else { format!("{x} x {y}") };
    println!(
        "  {:40} {:24} {grid:>10} groups {:>10.3} MFLOP {:>10}",
        d.label,
        d.kernel,
        d.flops() as f64 / 1e6,
        bytes(d.bytes())
    );
}

fn memory(plan: &Plan) {
    let of = |usage: Usage| plan.buffers.iter().filter(|b| b.usage == usage).map(|b| 4 * b.len).sum();
    println!(
        "\n{} pipelines; memory: parameters, gradients and moments {}, activations {}, textures {}, together {}",
        plan.pipelines(),
        bytes(of(Usage::State)),
        bytes(of(Usage::Activation)),
        bytes(plan.textures().iter().map(TextureSpec::bytes).sum()),
        bytes(plan.bytes())
    );
}
