#!/usr/bin/env bash
# The clamps that naga 30.0.1 puts before each index of a workgroup array stay in RADV's machine code (Mesa 22.3.6), though the
# index cannot be outside.
#
# Expected: a driver drops min(index, 1023u) for w[64u * 7u + lane], since lane is below the workgroup's size of 64, and for an
# index that a loop of 16 turns counts. So wgpu's safety of indices costs nothing in such kernels.
# Seen: a kernel for an AMD GPU (RDNA2) has a fifth to a third more instructions than without clamps, v_min_u32 before every
# access. With the loop written out by hand the clamps stay too, and it has twice the number of reads of workgroup memory,
# because the clamps keep two reads from becoming one.
#
# Needs cargo, Debian's mesa-vulkan-drivers 22.3.6-1+deb12u1 and libvulkan1, and no GPU: the driver compiles for one that it is
# told of. Fails if that changes.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 77; }
mesa=22.3.6-1+deb12u1
has=$(dpkg-query --show --showformat '${Version}' mesa-vulkan-drivers 2>/dev/null || true)
[[ $has == "$mesa" ]] || { echo "needs Debian's mesa-vulkan-drivers $mesa, and here it is: ${has:-missing}" >&2; exit 77; }
dpkg-query --show libvulkan1 >/dev/null 2>&1 || { echo "needs libvulkan1" >&2; exit 77; }
echo "mesa-vulkan-drivers $has, naga 30.0.1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "clamps"
version = "0.1.0"
edition = "2021"
[dependencies]
ash = { version = "=0.38.0", default-features = false, features = ["loaded", "std"] }
naga = { version = "=30.0.1", features = ["wgsl-in", "spv-out"] }
TOML
cat >src/main.rs <<'RUST'
use ash::vk;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// `index` is wgpu's policy, Restrict, or none.
fn spirv(wgsl: &str, index: BoundsCheckPolicy) -> Vec<u32> {
    let module = naga::front::wgsl::parse_str(wgsl).expect("WGSL");
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).expect("it is valid");
    let options = naga::back::spv::Options {
        bounds_check_policies: BoundsCheckPolicies { index, ..Default::default() },
        ..Default::default()
    };
    naga::back::spv::write_vec(&module, &info, &options, None).expect("SPIR-V")
}

fn main() {
    let term = |k: &str| format!("sum = fma(w[{k} * 64u + lane], w[{k} * 64u + (lane ^ 1u)], sum);");
    let bodies = [
        ("loop", format!("for (var k = 0u; k < 16u; k++) {{ {} }}", term("k"))),
        ("written-out", (0..16).map(|k| term(&format!("{k}u"))).collect::<String>()),
    ];
    // SAFETY: handles are this function's own, and live until the process ends
    unsafe {
        let entry = ash::Entry::load().expect("Vulkan's loader");
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_1);
        let instance = entry.create_instance(&vk::InstanceCreateInfo::default().application_info(&application), None).expect("an instance");
        let name = |gpu| instance.get_physical_device_properties(gpu).device_name_as_c_str().unwrap().to_string_lossy().into_owned();
        let gpu = instance.enumerate_physical_devices().expect("devices").into_iter().find(|&gpu| name(gpu).contains("RADV")).expect("RADV");
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let device = instance.create_device(gpu, &vk::DeviceCreateInfo::default().queue_create_infos(&queues), None).expect("a device");
        let bindings = [0, 1].map(|binding| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(binding)
                .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        });
        let sets = [device.create_descriptor_set_layout(&vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings), None).expect("a layout")];
        let layout = device.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&sets), None).expect("a layout");
        for (form, body) in bodies {
            let wgsl = format!(
                "@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
                @group(0) @binding(1) var<storage, read> x: array<f32>;
                var<workgroup> w: array<f32, 1024>;
                @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {{
                    for (var i = 0u; i < 16u; i++) {{ w[i * 64u + lane] = x[i * 64u + lane]; }}
                    workgroupBarrier();
                    var sum = 0.0;
                    {body}
                    sums[lane] = sum;
                }}"
            );
            for (checks, index) in [("clamps", BoundsCheckPolicy::Restrict), ("plain", BoundsCheckPolicy::Unchecked)] {
                let words = spirv(&wgsl, index);
                let module = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&words), None).expect("a module");
                let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE).module(module).name(c"main");
                // the driver writes its report to the same stream
                eprintln!("KERNEL {form} {checks}");
                let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout);
                device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None).expect("a pipeline");
            }
        }
    }
}
RUST
cargo build --quiet
RADV_FORCE_FAMILY=navi21 RADV_DEBUG=shaders,shaderstats,nocache MESA_SHADER_CACHE_DISABLE=1 XDG_RUNTIME_DIR=$work target/debug/clamps 2>report

awk '
    $1 == "KERNEL" { kernel = $2 " " $3; order[++kernels] = kernel }
    /v_min_u32/ { minima[kernel]++ }
    /ds_read/ { reads[kernel]++ }
    /^Instructions:/ { instructions[kernel] = $2 }
    END {
        for (i = 1; i <= kernels; i++) print order[i], instructions[order[i]], minima[order[i]] + 0, reads[order[i]] + 0
    }' report >seen
{ echo "form checks instructions lines-with-v_min_u32 lines-with-ds_read"; cat seen; } | column -t 2>/dev/null || cat seen
awk '
    { instructions[$1, $2] = $3; minima[$1, $2] = $4; reads[$1, $2] = $5 }
    END {
        loop = instructions["loop", "clamps"] / instructions["loop", "plain"]
        written = instructions["written-out", "clamps"] / instructions["written-out", "plain"]
        exit !(loop > 1.15 && written > 1.25 && minima["written-out", "clamps"] > 0 && minima["written-out", "plain"] == 0 && reads["written-out", "clamps"] > reads["written-out", "plain"])
    }' seen || {
    echo "this has changed: see above" >&2
    exit 1
}
