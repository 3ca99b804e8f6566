#!/usr/bin/env bash
# No WGSL text with a subgroup function is taken by both naga 30.0.1 (wgpu) and Tint (Chromium; here npm's webgpu 0.6.2).
#
# Expected: the extension `subgroups` is part of WGSL, so one text serves wgpu and the browser, as with `enable f16;`.
# Seen: naga refuses `enable subgroups;` as not yet supported, though it has the functions, and takes them without it. Tint refuses
# them without it. So a kernel for both needs its first line put in or taken out by the program. `enable f16;` is taken by both.
#
# Needs cargo, node and npm. Fails if that changes.
set -euo pipefail
for tool in cargo node npm; do
    command -v "$tool" >/dev/null || { echo "needs $tool" >&2; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

sum='@group(0) @binding(0) var<storage, read_write> sums: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) { sums[lane] = subgroupAdd(lane); }'
half='@group(0) @binding(0) var<storage, read_write> sums: array<f16>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) { sums[lane] = f16(lane); }'
mkdir src kernels
printf 'enable subgroups;\n%s\n' "$sum" >kernels/subgroups-enabled.wgsl
printf '%s\n' "$sum" >kernels/subgroups-plain.wgsl
printf 'enable f16;\n%s\n' "$half" >kernels/f16-enabled.wgsl

cat >Cargo.toml <<'TOML'
[package]
name = "parse"
version = "0.1.0"
edition = "2021"
[dependencies]
naga = { version = "=30.0.1", features = ["wgsl-in"] }
TOML
cat >src/main.rs <<'RUST'
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn main() {
    let mut files: Vec<_> = std::fs::read_dir("kernels").expect("a folder").map(|f| f.expect("a file").path()).collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a text");
        let result = match naga::front::wgsl::parse_str(&text) {
            Err(error) => format!("no {}", error.message()),
            Ok(module) => match Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module) {
                Err(error) => format!("no {}", error.into_inner()),
                Ok(_) => "yes".to_owned(),
            },
        };
        println!("naga {} {result}", path.file_stem().unwrap().to_string_lossy());
    }
}
RUST
cargo run --quiet >seen

# Dawn without a GPU: its null back end has every feature
npm install --silent --no-save --prefix node webgpu@0.6.2 >/dev/null
cat >node/parse.mjs <<'JAVASCRIPT'
import { readdirSync, readFileSync } from 'node:fs';
import { create } from 'webgpu';

const adapter = await create(['backend=null']).requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: ['subgroups', 'shader-f16'] });
for (const name of readdirSync('kernels').sort()) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: readFileSync(`kernels/${name}`, 'utf8') });
  const errors = (await module.getCompilationInfo()).messages.filter(message => message.type === 'error');
  await device.popErrorScope();
  console.log(`tint ${name.replace('.wgsl', '')} ${errors.length ? `no ${errors[0].message}` : 'yes'}`);
}
process.exit(0);
JAVASCRIPT
node node/parse.mjs >>seen
cat seen
cut -d ' ' -f 1-3 seen | cmp -s - <(printf '%s\n' 'naga f16-enabled yes' 'naga subgroups-enabled no' 'naga subgroups-plain yes' \
    'tint f16-enabled yes' 'tint subgroups-enabled yes' 'tint subgroups-plain no') || {
    echo "this has changed: see above" >&2
    exit 1
}
