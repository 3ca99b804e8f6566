// Maximum mean discrepancy (MMD) between a batch's latents z and draws p of the prior.
// One workgroup per picture: each invocation takes every 64th partner for the distances, then every 64th column of the
// gradient. The kernel is
//   k(a, b) = C / (C + |a - b|^2), C = 2 Z, with derivative by a: -2 k^2 / C (a - b),
// in the unbiased estimate over the n = step.batch pictures of the batch,
//   MMD = sum over i != j of (k(z_i, z_j) + k(p_i, p_j)) / (n (n - 1)) - 2 sum over i, j of k(z_i, p_j) / n^2.
// The output is each picture's share of n MMD, and the gradient of n MMD with respect to its z.
// Sources: Tolstikhin et al., "Wasserstein auto-encoders", 2018, algorithm 2 and section 4; Gretton et al., "A kernel
// two-sample test", 2012, lemma 6.

struct Params {
    batch: u32, // B, rows of z and of p
    latent: u32, // Z before padding
    vec4s: u32, // vec4s of a row
    scale: f32, // C
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>; // [B, Z]
@group(0) @binding(2) var<storage, read> p: array<vec4<f32>>; // [B, Z], standard normals, also in the padding
@group(0) @binding(3) var<storage, read_write> dz: array<vec4<f32>>; // [B, Z]
@group(0) @binding(4) var<storage, read_write> shares: array<f32>; // [B]

var<workgroup> sh_weights: array<vec2<f32>, 64>; // weights of z_j and p_j in the gradient

// 1 in the columns of a vec4 that are not padding
fn inside(c4: u32) -> vec4<f32> {
    let column = 4u * c4 + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), vec4<f32>(1.0), column < vec4<u32>(params.latent));
}

// the kernel of z_i and z_j, of z_i and p_j, of p_i and p_j
fn kernels(i: u32, j: u32) -> vec3<f32> {
    var distances = vec3<f32>(0.0);
    for (var c4 = 0u; c4 < params.vec4s; c4 += 1u) {
        let z_i = z[i * params.vec4s + c4];
        let p_i = p[i * params.vec4s + c4];
        let z_j = z[j * params.vec4s + c4];
        let p_j = p[j * params.vec4s + c4];
        let counts = inside(c4);
        let a = counts * (z_i - z_j);
        let b = counts * (z_i - p_j);
        let c = counts * (p_i - p_j);
        distances += vec3<f32>(dot(a, a), dot(b, b), dot(c, c));
    }
    return params.scale / (params.scale + distances);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = workgroup.x + workgroup.y * GRID_X;
    let n = select(0u, min(step.batch, params.batch), step.batch > 1u);
    let row = min(i, params.batch - 1u) * params.vec4s;
    if (i < params.batch) {
        for (var c4 = thread; c4 < params.vec4s; c4 += 64u) {
            dz[row + c4] = vec4<f32>(0.0);
        }
    }
    let same = 1.0 / max(f32(n) - 1.0, 1.0); // multiplied by n for n MMD
    let across = 1.0 / max(f32(n), 1.0);
    let counts = i < n;
    var share = 0.0;
    for (var first = 0u; first < n; first += 64u) {
        let j = first + thread;
        var weights = vec2<f32>(0.0);
        if (counts & (j < n)) {
            let k = kernels(i, j);
            let other = select(same, 0.0, i == j);
            share += other * (k.x + k.z) - 2.0 * across * k.y;
            // each pair of latents occurs twice, once per end
            weights = vec2<f32>(other, -across) * (-4.0 / params.scale) * k.xy * k.xy;
        }
        workgroupBarrier(); // all invocations have read the previous weights
        sh_weights[thread] = weights;
        workgroupBarrier();
        let here = select(0u, min(64u, n - first), counts);
        for (var c4 = thread; c4 < params.vec4s; c4 += 64u) {
            var sum = vec4<f32>(0.0);
            for (var t = 0u; t < here; t += 1u) {
                let w = sh_weights[t];
                let at = (first + t) * params.vec4s + c4;
                sum += w.x * (z[row + c4] - z[at]) + w.y * (z[row + c4] - p[at]);
            }
            if (i < params.batch) {
                dz[row + c4] += inside(c4) * sum;
            }
        }
    }
    let total = tree_sum(thread, vec4<f32>(share, 0.0, 0.0, 0.0));
    if ((thread == 0u) & (i < params.batch)) {
        shares[i] = total.x;
    }
}
