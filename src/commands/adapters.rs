//! `wgvae adapters`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::gpu::{Adapter, adapter};

use super::screen::bytes;
use crate::cli::AdapterArgs;

pub fn run(args: &AdapterArgs) -> Result<ExitCode> {
    let taken = super::choose(args)?;
    let all = Adapter::list(adapter::backends(args.backend.as_deref())?);
    for (index, one) in all.iter().enumerate() {
        let mark = if one.info == taken.info { "*" } else { " " };
        println!("{mark} {index}  {}", one.describe());
        let target = one.target();
        println!(
            "       binding {}, buffer {}, workgroup {} invocations and {} of memory",
            bytes(target.binding_bytes),
            bytes(target.buffer_bytes),
            one.limits.max_compute_invocations_per_workgroup,
            bytes(one.limits.max_compute_workgroup_storage_size.into()),
        );
        let (least, most) = (one.info.subgroup_min_size, one.info.subgroup_max_size);
        let lanes = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let has = |feature, name| one.features.contains(feature).then_some(name);
        let features: Vec<&str> = [
            has(wgpu::Features::SUBGROUP, "subgroups"),
            has(wgpu::Features::SHADER_F16, "f16"),
            has(wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
            has(wgpu::Features::PIPELINE_CACHE, "pipeline cache"),
        ]
        .into_iter()
        .flatten()
        .collect();
        println!("       subgroups of {lanes}; {}", features.join(", "));
        println!("       vendor {:#06x}, device {:#06x}", one.info.vendor, one.info.device);
    }
    println!("\n* is taken without --adapter, or with the flags given.");
    Ok(ExitCode::SUCCESS)
}
