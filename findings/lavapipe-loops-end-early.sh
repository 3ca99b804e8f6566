#!/usr/bin/env bash
# lavapipe (Mesa 22.3.6) ends the loops of a WGSL kernel after 65,535 turns in all, without an error.
#
# Expected: a kernel that is too long for a device is slow, or the device is lost. A loop that ends gave all of its turns,
# and each loop of a kernel counts for itself.
# Seen: a sum of 100,000 ones is 65,535. All loops of a kernel share the count: of two loops of 40,000 turns, one after the
# other, the second ends after 25,534, and 300 times 300 turns give 65,101. So a long reduction loses its last terms.
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
cat >loops.py <<'PYTHON'
import sys

import numpy
import wgpu

adapters = [a for a in wgpu.gpu.enumerate_adapters_sync() if "llvmpipe" in a.info["device"] and a.info["backend_type"] == "Vulkan"]
device = adapters[0].request_device_sync()


def run(body, *turns):
    """The two counters of a kernel; `turns` are in a buffer, so that no compiler knows them."""
    code = f"""
        @group(0) @binding(0) var<storage, read_write> counted: array<u32, 2>;
        @group(0) @binding(1) var<storage, read> turns: array<u32, 2>;
        @compute @workgroup_size(1) fn main() {{
            var first = 0u;
            var second = 0u;
            {body}
            counted[0] = first;
            counted[1] = second;
        }}"""
    pipeline = device.create_compute_pipeline(layout="auto", compute={"module": device.create_shader_module(code=code), "entry_point": "main"})
    counted = device.create_buffer(size=8, usage=wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC)
    given = device.create_buffer_with_data(data=numpy.array(turns, "u4"), usage=wgpu.BufferUsage.STORAGE)
    entries = [{"binding": i, "resource": {"buffer": buffer}} for i, buffer in enumerate((counted, given))]
    group = device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)
    encoder = device.create_command_encoder()
    work = encoder.begin_compute_pass()
    work.set_pipeline(pipeline)
    work.set_bind_group(0, group)
    work.dispatch_workgroups(1)
    work.end()
    device.queue.submit([encoder.finish()])
    return numpy.frombuffer(device.queue.read_buffer(counted), "u4").tolist()


ONE = "for (var i = 0u; i < turns[0]; i++) { first += 1u; }"
TWO = ONE + "for (var i = 0u; i < turns[1]; i++) { second += 1u; }"
NESTED = "for (var i = 0u; i < turns[0]; i++) { for (var j = 0u; j < turns[1]; j++) { first += 1u; } }"
short, long = run(ONE, 60_000, 0)[0], run(ONE, 100_000, 0)[0]
after, nested = run(TWO, 40_000, 40_000), run(NESTED, 300, 300)[0]
print(f"one loop of 60,000 turns: {short}, of 100,000: {long}")
print(f"two loops of 40,000 turns, one after the other: {after[0]} and {after[1]}")
print(f"300 times 300 turns: {nested}")
sys.exit(not (short == 60_000 and long == 65_535 and after[0] == 40_000 and after[1] < 40_000 and nested < 90_000))
PYTHON
python3 loops.py || { echo "this has changed: see above" >&2; exit 1; }
