#!/usr/bin/env bash
# NIR does not see that (x | 1) & ~3 is x & ~3 where x is a multiple of 4 by a mask, so RADV (Mesa 22.3.6) divides four times for
# four neighbours that share a quotient.
#
# Expected: with x = lane & ~3, the compiler knows the low bits of x, so the quotients of x, x | 1, x | 2 and x | 3, each rounded
# down to a multiple of 4 first, are one value, and common subexpressions leave one division.
# Seen: a kernel for an AMD GPU (RDNA2) has four times the multiplications of a division by a constant (v_mul_hi_u32). With the
# number of the neighbour as a value of its own there is one, and 22 instructions instead of 53. ANV of Mesa 26.2.6 masks and
# shifts four times too.
#
# Needs cargo, Debian's mesa-vulkan-drivers 22.3.6-1+deb12u2 and libvulkan1, and no GPU: the driver compiles for one that it is
# told of. Fails if that changes.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 77; }
mesa=22.3.6-1+deb12u2
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
name = "neighbours"
version = "0.1.0"
edition = "2021"
[dependencies]
ash = { version = "=0.38.0", default-features = false, features = ["loaded", "std"] }
naga = { version = "=30.0.1", features = ["wgsl-in", "spv-out"] }
TOML
cat >src/main.rs <<'RUST'
use ash::vk;
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn spirv(wgsl: &str) -> Vec<u32> {
    let module = naga::front::wgsl::parse_str(wgsl).expect("WGSL");
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).expect("it is valid");
    naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None).expect("SPIR-V")
}

fn main() {
    // four neighbours from a multiple of 4 on, in rows of 24: the sum of their loads
    let sum = |row: &dyn Fn(u32) -> String| {
        (0..4u32).map(|i| { let row = row(i); format!("sum += x[{row} / 24u * 640u + {row} % 24u + {i}u];") }).collect::<String>()
    };
    let bodies = [("masked", sum(&|i| format!("((first | {i}u) & ~3u)"))), ("given", sum(&|_| "first".into()))];
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
                @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
                    let first = id.x & ~3u;
                    var sum = 0.0;
                    {body}
                    sums[id.x] = sum;
                }}"
            );
            let words = spirv(&wgsl);
            let module = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&words), None).expect("a module");
            let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE).module(module).name(c"main");
            // the driver writes its report to the same stream
            eprintln!("KERNEL {form}");
            let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout);
            device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None).expect("a pipeline");
        }
    }
}
RUST
cargo build --quiet
RADV_FORCE_FAMILY=navi21 RADV_DEBUG=shaders,shaderstats,nocache MESA_SHADER_CACHE_DISABLE=1 XDG_RUNTIME_DIR=$work target/debug/neighbours 2>report

awk '
    $1 == "KERNEL" { kernel = $2; order[++kernels] = kernel }
    /v_mul_hi_u32/ { divisions[kernel]++ }
    /^Instructions:/ { instructions[kernel] = $2 }
    END { for (i = 1; i <= kernels; i++) print order[i], instructions[order[i]], divisions[order[i]] + 0 }' report >seen
{ echo "form instructions lines-with-v_mul_hi_u32"; cat seen; } | column -t 2>/dev/null || cat seen
awk '{ divisions[$1] = $3 } END { exit !(divisions["given"] >= 1 && divisions["masked"] == 4 * divisions["given"]) }' seen || {
    echo "this has changed: see above" >&2
    exit 1
}
