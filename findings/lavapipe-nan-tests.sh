#!/usr/bin/env bash
# A NaN in a buffer passes the usual tests of a WGSL kernel through wgpu 0.32.0 for Python on lavapipe (Mesa 22.3.6).
#
# Expected: floats are those of IEEE 754 at run time. x != x is true for a NaN alone, and x * 0.0 or x - x is a NaN for a NaN
# and for infinities, so that one such value in a sum tells a trainer to leave out a step.
# Seen: x != x is false for a NaN, and x * 0.0 and x - x are 0 for NaN and infinities. A check of gradients that is written
# so never fires. !(abs(x) <= the largest float) and the bits of x tell the truth. (WGSL allows a compiler to assume that
# there are no such values.)
#
# Needs python3 of version 3.11 or newer with pip, and Debian's mesa-vulkan-drivers 22.3.6-1+deb12u1. Fails if that changes.
set -euo pipefail
mesa=22.3.6-1+deb12u1
has=$(dpkg-query --show --showformat '${Version}' mesa-vulkan-drivers 2>/dev/null || true)
[[ $has == "$mesa" ]] || { echo "needs Debian's mesa-vulkan-drivers $mesa, and here it is: ${has:-missing}" >&2; exit 77; }
python3 -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "needs python3 of version 3.11 or newer with pip" >&2
    exit 77
}
echo "mesa-vulkan-drivers $has, wgpu 0.32.0 for Python"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PYTHONPATH=$work/packages XDG_RUNTIME_DIR=$work MESA_SHADER_CACHE_DIR=$work/cache

python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target packages \
    --no-deps wgpu==0.32.0 rendercanvas==2.7.2 cffi==2.1.1 pycparser==3.0 numpy==2.4.6
cat >nan.py <<'PYTHON'
import sys

import numpy
import wgpu

adapters = [a for a in wgpu.gpu.enumerate_adapters_sync() if "llvmpipe" in a.info["device"] and a.info["backend_type"] == "Vulkan"]
device = adapters[0].request_device_sync()
VALUES = numpy.array([1.5, numpy.nan, numpy.inf, -numpy.inf], "f4")
# WGSL, and what IEEE 754 makes of it for the four values
TESTS = {
    "select(0.0, 1.0, x != x)": [0, 1, 0, 0],
    "select(0.0, 1.0, x * 0.0 != 0.0)": [0, 1, 1, 1],
    "select(0.0, 1.0, x - x != 0.0)": [0, 1, 1, 1],
    "x * 0.0": [0, numpy.nan, numpy.nan, numpy.nan],
    "x - x": [0, numpy.nan, numpy.nan, numpy.nan],
    "select(0.0, 1.0, !(abs(x) <= 0x1.fffffep+127))": [0, 1, 1, 1],
    "select(0.0, 1.0, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u)": [0, 1, 1, 1],
}
code = f"""
    @group(0) @binding(0) var<storage, read_write> results: array<f32>;
    @group(0) @binding(1) var<storage, read> values: array<f32, {len(VALUES)}>;
    @compute @workgroup_size(1) fn main() {{
        for (var i = 0u; i < {len(VALUES)}u; i++) {{
            let x = values[i];
            {" ".join(f"results[{len(VALUES) * number}u + i] = {test};" for number, test in enumerate(TESTS))}
        }}
    }}"""
pipeline = device.create_compute_pipeline(layout="auto", compute={"module": device.create_shader_module(code=code), "entry_point": "main"})
results = device.create_buffer(size=4 * len(VALUES) * len(TESTS), usage=wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC)
values = device.create_buffer_with_data(data=VALUES, usage=wgpu.BufferUsage.STORAGE)
entries = [{"binding": i, "resource": {"buffer": buffer}} for i, buffer in enumerate((results, values))]
group = device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)
encoder = device.create_command_encoder()
work = encoder.begin_compute_pass()
work.set_pipeline(pipeline)
work.set_bind_group(0, group)
work.dispatch_workgroups(1)
work.end()
device.queue.submit([encoder.finish()])
seen = numpy.frombuffer(device.queue.read_buffer(results), "f4").reshape(len(TESTS), -1)
agree = []
print(f"{'x is':66} {VALUES}")
for (test, expected), row in zip(TESTS.items(), seen):
    agree.append(numpy.array_equal(row, numpy.array(expected, "f4"), equal_nan=True))
    print(f"{test:66} {row} {'' if agree[-1] else f'and not {expected}'}")
sys.exit(agree != [False] * 5 + [True] * 2)
PYTHON
python3 nan.py || { echo "this has changed: see above" >&2; exit 1; }
