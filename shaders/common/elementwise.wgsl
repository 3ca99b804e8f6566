// The loop of an elementwise kernel: a workgroup of THREADS processes THREADS * EACH consecutive items.
// Each invocation takes every THREADS-th of them, so neighbouring invocations access neighbouring items. The kernel's
// file defines item(at), which must ignore items out of range. THREADS and EACH come with the dispatch.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (workgroup.x + workgroup.y * GRID_X) * (THREADS * EACH) + thread;
    for (var i = 0u; i < EACH; i += 1u) {
        item(first + i * THREADS);
    }
}
