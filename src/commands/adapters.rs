//! `wgvae adapters`: all adapters with their capabilities, for the choice of one and for bug reports.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use wgvae::gpu::{Adapter, AdapterChoice, Fragment, adapter, llvmpipe};
use wgvae::ops::gemm::variant::Variant;

use super::terminal::bytes;
use super::{about, output};
use crate::cli::ListArgs;

/// Choices of an adapter by its type.
const KINDS: [(&str, AdapterChoice); 3] = [
    ("high-performance", AdapterChoice::HighPerformance),
    ("low-power", AdapterChoice::LowPower),
    ("software", AdapterChoice::Software),
];

pub fn run(args: &ListArgs) -> Result<ExitCode> {
    let backends = adapter::backends(args.adapter.backend.as_deref())?;
    let all = Adapter::list(backends);
    let choice = super::choice(&args.adapter)?;
    let taken = Adapter::pick(&all, &choice);
    // without any adapter the error below says so
    let hint = Adapter::why_no_gpu(&all, &choice).filter(|_| !all.is_empty());
    if args.json.json {
        println!("{:#}", document(&all, taken, hint.as_deref()));
    } else {
        print(&all, taken);
        hint.iter().for_each(|hint| output::print(&format!("\n{hint}")));
    }
    // a choice that matches no adapter is an error, after the list
    super::choose(&args.adapter)?;
    Ok(ExitCode::SUCCESS)
}

fn print(all: &[Adapter], taken: Option<usize>) {
    output::print(&about::version());
    for (name, value) in about::environment() {
        let by = if llvmpipe::has_set(&name) { " (set by wgvae)" } else { "" };
        output::print(&format!("environment: {name}={value}{by}"));
    }
    println!();
    for (index, one) in all.iter().enumerate() {
        output::print(&format!(
            "{} {index}  {}",
            if taken == Some(index) { "*" } else { " " },
            one.describe()
        ));
        let [limits, numbers] = limits(one);
        output::print(&format!("       {limits}\n       {numbers}"));
        let [abilities, subgroups] = abilities(one);
        output::print(&format!("       {abilities}\n       {subgroups}"));
        output::print(&format!("       vendor {:#06x}, device {:#06x}\n", one.info.vendor, one.info.device));
    }
    for (name, choice) in &KINDS {
        let index = Adapter::pick(all, choice).map_or("none".into(), |index| index.to_string());
        output::print(&format!("--adapter {name:16} selects {index}"));
    }
    if taken.is_some() {
        output::print("\n* is the adapter that these flags select.");
    }
}

fn limits(one: &Adapter) -> [String; 2] {
    let l = &one.limits;
    let largest = format!(
        "largest binding {}, buffer {}, workgroup {} invocations and {} of memory",
        bytes(l.max_storage_buffer_binding_size),
        bytes(l.max_buffer_size),
        l.max_compute_invocations_per_workgroup,
        bytes(l.max_compute_workgroup_storage_size.into()),
    );
    let numbers = format!(
        "{} storage buffers per kernel, offset alignment {}",
        l.max_storage_buffers_per_shader_stage, l.min_storage_buffer_offset_alignment
    );
    [largest, numbers]
}

/// Smallest and largest subgroup size.
fn lanes(one: &Adapter) -> [u32; 2] {
    [one.info.subgroup_min_size, one.info.subgroup_max_size]
}

/// Whether matrix products can use subgroup shuffles.
fn shares(one: &Adapter) -> bool {
    Variant::subgroup(&one.capabilities(), 1, 1).is_some()
}

fn abilities(one: &Adapter) -> [String; 2] {
    let [least, most] = lanes(one);
    let lanes = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let yes = |there| if there { "yes" } else { "no" };
    let fragments: Vec<String> = one.capabilities().fragments.iter().map(name_of).collect();
    let fragments = if fragments.is_empty() { "no".into() } else { fragments.join(", ") };
    let general = format!(
        "training in f16: {}; timestamps: {}; textures: {}; pipeline cache: {}",
        yes(one.capabilities().f16),
        yes(one.has_timestamps()),
        yes(one.capabilities().textures),
        yes(one.features.contains(wgpu::Features::PIPELINE_CACHE)),
    );
    let subgroups = format!(
        "subgroup variants: {} (subgroups of {lanes}); cooperative matrices: {fragments}",
        yes(shares(one))
    );
    [general, subgroups]
}

/// `8x8 of f16`
fn name_of(fragment: &Fragment) -> String {
    let Fragment { size, element, .. } = fragment;
    format!("{size}x{size} of {}", element.name())
}

fn document(all: &[Adapter], taken: Option<usize>, hint: Option<&str>) -> Value {
    let adapters: Vec<Value> = all.iter().enumerate().map(|(index, one)| one_of(index, one)).collect();
    let would = KINDS.map(|(name, choice)| (name.to_owned(), json!(Adapter::pick(all, &choice))));
    let mut document = about::json();
    document["adapters"] = adapters.into();
    document["taken"] = json!(taken);
    document["hint"] = json!(hint);
    document["taken_by_kind"] = Value::Object(would.into_iter().collect());
    document
}

fn one_of(index: usize, one: &Adapter) -> Value {
    let (info, l) = (&one.info, &one.limits);
    let features: Vec<&str> = one.features.iter_names().map(|(name, _)| name).collect();
    json!({
        "index": index, "name": info.name, "describe": one.describe(), "type": format!("{:?}", info.device_type),
        "backend": format!("{:?}", info.backend).to_lowercase(), "vendor": info.vendor, "device": info.device,
        "driver": info.driver, "driver_info": info.driver_info, "software": one.is_software(),
        "limits": {
            "max_storage_buffer_binding_size": l.max_storage_buffer_binding_size,
            "max_buffer_size": l.max_buffer_size,
            "max_compute_invocations_per_workgroup": l.max_compute_invocations_per_workgroup,
            "max_compute_workgroup_storage_size": l.max_compute_workgroup_storage_size,
            "max_compute_workgroups_per_dimension": l.max_compute_workgroups_per_dimension,
            "max_storage_buffers_per_shader_stage": l.max_storage_buffers_per_shader_stage,
            "min_storage_buffer_offset_alignment": l.min_storage_buffer_offset_alignment,
            "min_uniform_buffer_offset_alignment": l.min_uniform_buffer_offset_alignment,
        },
        "features": features, "subgroup_sizes": lanes(one), "f16": one.capabilities().f16,
        "timestamps": one.has_timestamps(), "textures": one.capabilities().textures, "subgroup_variants": shares(one),
        "cooperative_matrices": one.capabilities().fragments.iter().map(name_of).collect::<Vec<_>>(),
    })
}
