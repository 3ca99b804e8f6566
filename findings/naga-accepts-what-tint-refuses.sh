#!/usr/bin/env bash
# naga 30.0.1 (wgpu) accepts kernels that WGSL forbids and that Tint (Chromium; here npm's webgpu 0.6.2) refuses.
#
# Expected: what naga's validator accepts with all its flags is WGSL, so that a kernel that runs by wgpu on every GPU is at least
# compiled by the browser.
# Seen: naga takes `a | b & c`, `a << b + 1u` and `a && b || c`, for which WGSL's grammar wants parentheses. It also takes two
# pointers to one variable as arguments, a `continue` over a declaration that `continuing` uses, and a workgroup's size of an
# i32 and a u32.
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

mkdir src kernels
# kernel NAME STATEMENTS [DECLARATIONS] [SIZE]
kernel() {
    cat >"kernels/$1.wgsl" <<WGSL
@group(0) @binding(0) var<storage, read_write> x: array<u32, 64>;
${3:-}
@compute @workgroup_size(${4:-64}) fn main(@builtin(local_invocation_index) lane: u32) {
    $2
}
WGSL
}
kernel valid 'x[lane] = (x[0] | (x[1] & x[2])) << (x[3] + 1u);'
kernel mixed-bits 'x[lane] = x[0] | x[1] & x[2];'
kernel mixed-shift 'x[lane] = x[0] << x[1] + 1u;'
kernel mixed-logic 'if (lane < 3u && x[0] == 1u || x[1] == 1u) { x[lane] = 1u; }'
kernel one-variable-by-two-pointers 'var v = 1u; add(&v, &v); x[lane] = v;' \
    'fn add(a: ptr<function, u32>, b: ptr<function, u32>) { *a += *b; *b += 1u; }'
kernel continue-over-declaration \
    'loop { if (lane == 1u) { continue; } let a = x[lane]; if (a == 1u) { break; } continuing { x[lane] = a; } }'
kernel size-of-two-types 'x[lane] = 1u;' '' '8i, 8u'

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

# Dawn without a GPU
npm install --silent --no-save --prefix node webgpu@0.6.2 >/dev/null
cat >node/parse.mjs <<'JAVASCRIPT'
import { readdirSync, readFileSync } from 'node:fs';
import { create } from 'webgpu';

const adapter = await create(['backend=null']).requestAdapter();
const device = await adapter.requestDevice();
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
[[ $(grep -c '^naga .* yes$' seen) == 7 && $(grep -c '^tint .* no ' seen) == 6 ]] && grep -q '^tint valid yes$' seen || {
    echo "this has changed: see above" >&2
    exit 1
}
