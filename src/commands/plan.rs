//! `wgvae plan`: every dispatch of a training step with its cost, and the memory use.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use wgvae::error::Error;
use wgvae::gpu::{self, Adapter, Capabilities, Compiled, Dispatch, Element, Item, Plan, TextureSpec, Usage};
use wgvae::model::ModelOptions;
use wgvae::ops::Tuning;
use wgvae::ops::gemm::variant::Variant;

use super::terminal::{bytes, count};
use super::train::settings::model_options;
use super::{output, plan_ranks};
use crate::cli::{Limits, PlanArgs};

pub fn run(args: &PlanArgs) -> Result<ExitCode> {
    let build = plan_ranks::share(model_options(&args.model)?, &args.ranks);
    let ModelOptions { config, batch, .. } = build;
    let adapter = match args.limits {
        Limits::Default => None,
        Limits::Adapter => Some(super::choose(&args.adapter)?),
    };
    let target = adapter.as_ref().map_or_else(Capabilities::webgpu_default, Adapter::capabilities);
    let tuning = match (&args.variant, &adapter) {
        (Some(name), _) => Tuning::with_variant(&target, variant_of(&target, build.precision, name)?),
        (None, Some(adapter)) => super::tune::kept(adapter, &args.tuning)?,
        (None, None) => Tuning::of(&target),
    };
    let (network, plan) = build.plan_with(&target, &tuning)?;
    if let (true, Some(adapter)) = (args.compile, &adapter) {
        return compile(adapter, &plan);
    }
    let ranks = plan_ranks::of((&network, &plan), build, (&target, &tuning), &args.ranks)?;
    if args.json.json {
        let subject = json!({
            "size": config.size, "hidden": config.hidden, "latent": config.latent, "batch": batch,
            "parameters": wgvae::model::parameter_count(&config), "micro_batch": network.dims.micro,
            "planned_for": target.name, "binding_bytes": target.binding_bytes,
        });
        let mut document = document(subject, &plan);
        if let Some(ranks) = &ranks {
            document["ranks"] = ranks.json();
        }
        println!("{document:#}");
        plan.check_limits(&target)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&format!(
        "{config}: {} parameters; batch {batch} as {} micro-batch(es) of {}",
        count(wgvae::model::parameter_count(&config)),
        build.own_batch().div_ceil(network.dims.micro),
        network.dims.micro
    ));
    output::print(&format!("planned for {} (binding {})\n", target.name, bytes(target.binding_bytes)));
    let columns = output::columns();
    for program in &plan.programs {
        println!("{} ({:.3} GFLOP)", program.name, program.flops() as f64 / 1e9);
        for item in &program.items {
            match item {
                Item::Clear(buffer) => println!("  {:40} clear", plan.buffers[buffer.index()].label),
                Item::TextureCopy(copy) => {
                    let what = format!("copied to a texture, {}", bytes(copy.tensor.bytes()));
                    println!("{}", output::row(&[(&format!("  {}", copy.label), 42)], &what, columns));
                }
                Item::Dispatch(dispatch) => line(dispatch, columns),
            }
        }
    }
    memory(&plan);
    if let Some(ranks) = &ranks {
        ranks.print();
    }
    plan.check_limits(&target)?;
    Ok(ExitCode::SUCCESS)
}

/// The variant with this name, or the first with it in its name.
fn variant_of(target: &Capabilities, precision: Element, name: &str) -> Result<Variant> {
    let all = Variant::all(target, precision);
    let exact = all.iter().find(|variant| variant.name() == name);
    let found = exact.or_else(|| all.iter().find(|variant| variant.name().contains(name)));
    found.copied().ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|variant| variant.name()).collect();
        Error::Usage(format!("--variant {name}: the variants here are {}", names.join("; "))).into()
    })
}

/// A compiled kernel as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    kernel: &'a str,
    /// the first dispatch that runs it
    label: &'a str,
    workgroup_size: [u32; 3],
    /// constants of its sizes and of its variant
    constants: BTreeMap<&'a str, String>,
    seconds: f64,
    /// the reason, if the driver or wgpu refused it
    refused: Option<String>,
}

/// Compiles the kernels of `plan`; fails if one is refused.
fn compile(adapter: &Adapter, plan: &Plan) -> Result<ExitCode> {
    let mut refusals = 0;
    gpu::compile_only(adapter, plan, &mut |Compiled { dispatch, took, refused }| {
        refusals += u32::from(refused.is_some());
        let constants = dispatch.op.params().into_iter().chain(dispatch.op.constants());
        let line = Line {
            kernel: dispatch.kernel,
            label: &dispatch.label,
            workgroup_size: dispatch.reflection.workgroup_size,
            constants: constants.map(|(name, value)| (name, value.to_string())).collect(),
            seconds: took.as_secs_f64(),
            refused,
        };
        println!("{}", serde_json::to_string(&line).expect("texts and finite numbers"));
    })?;
    Ok(if refusals == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(d: &Dispatch, columns: Option<usize>) {
    let [x, y, _] = d.groups;
    let grid = if y == 1 { x.to_string() } else { format!("{x} x {y}") };
    let figures =
        format!("{grid:>10} groups {:>10.3} MFLOP {:>10}", d.flops() as f64 / 1e6, bytes(d.bytes()));
    println!("{}", output::row(&[(&format!("  {}", d.label), 42), (d.kernel, 24)], &figures, columns));
}

/// The plan as JSON, with the facts about its model.
fn document(mut subject: Value, plan: &Plan) -> Value {
    let item = |item: &Item| match item {
        Item::Clear(buffer) => json!({ "clear": plan.buffers[buffer.index()].label }),
        Item::TextureCopy(copy) => json!({ "texture_copy": copy.label, "bytes": copy.tensor.bytes() }),
        Item::Dispatch(d) => json!({
            "label": d.label, "kernel": d.kernel, "groups": d.groups, "flops": d.flops(), "bytes": d.bytes(),
        }),
    };
    let programs = plan.programs.iter().map(|program| {
        let items: Vec<Value> = program.items.iter().map(item).collect();
        json!({ "name": program.name, "flops": program.flops(), "items": items })
    });
    subject["programs"] = programs.collect();
    subject["pipelines"] = plan.pipelines().into();
    subject["memory"] = json!({
        "state": of(plan, Usage::State), "activations": of(plan, Usage::Activation),
        "textures": textures(plan), "all": plan.bytes(),
    });
    subject
}

/// Bytes of the buffers of one use.
fn of(plan: &Plan, usage: Usage) -> u64 {
    plan.buffers.iter().filter(|b| b.usage == usage).map(|b| 4 * b.len).sum()
}

fn textures(plan: &Plan) -> u64 {
    plan.textures().iter().map(TextureSpec::bytes).sum()
}

fn memory(plan: &Plan) {
    output::print(&format!(
        "\n{} pipelines; memory: parameters, gradients and moments {}, activations {}, textures {}, together {}",
        plan.pipelines(),
        bytes(of(plan, Usage::State)),
        bytes(of(plan, Usage::Activation)),
        bytes(textures(plan)),
        bytes(plan.bytes())
    ));
}
