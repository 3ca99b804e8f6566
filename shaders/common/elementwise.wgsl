// A pass over memory: a workgroup of THREADS takes THREADS * EACH consecutive items, each invocation every
// THREADS-th of them, so that neighbours read neighbours. The kernel's file says what item(at) does, and must
// leave those beyond its range alone. THREADS and EACH come with the dispatch.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (workgroup.x + workgroup.y * GRID_X) * (THREADS * EACH) + thread;
    for (var i = 0u; i < EACH; i += 1u) {
        item(first + i * THREADS);
    }
}
