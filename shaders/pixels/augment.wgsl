// x[n] = rgba[which[n]] / 255, augmented with random draws per picture.
// One invocation per pixel.
// The steps are: horizontal flip; a random square crop, resized to the full size (bilinear); then brightness, contrast
// around middle grey and saturation around the luma (ITU-R BT.601), each by its own factor, clamped to 0..=1. The
// fourth channel is padding, zero.
// The draws are Philox words; the key is the seed, the counter (0 or 1, picture, step, stream), so they do not depend
// on the micro-batch.

struct Params {
    batch: u32, // N
    size: u32, // edge of a picture
    slots: u32, // pictures in rgba
    flip: u32, // 1: flip with probability 1/2
    crop: f32, // maximum share of the edges that is cropped
    jitter: f32, // maximum deviation of the factors from 1
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> which: array<u32>; // [N], below slots
@group(0) @binding(2) var<storage, read> rgba: array<u32>; // [slots, size, size], red in the lowest byte
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>; // [N, size, size, 4]

// uniform in [0, 1), from the upper 24 bits
fn uniform_of(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(words >> vec4<u32>(8u)) * 0x1p-24;
}

fn pixel(slot: u32, row: u32, column: u32) -> vec3<f32> {
    let word = rgba[(slot * params.size + row) * params.size + column];
    let byte = (vec3<u32>(word) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(255u);
    return vec3<f32>(byte) / 255.0;
}

// row and column of a point and the weights of its neighbours, clamped to the edge
fn bilinear(slot: u32, row: f32, column: f32) -> vec3<f32> {
    let last = f32(params.size - 1u);
    let at = clamp(vec2<f32>(row, column), vec2<f32>(0.0), vec2<f32>(last));
    let low = floor(at);
    let near = vec2<u32>(low);
    let far = min(near + vec2<u32>(1u), vec2<u32>(params.size - 1u));
    let share = at - low;
    let above = mix(pixel(slot, near.x, near.y), pixel(slot, near.x, far.y), share.y);
    let below = mix(pixel(slot, far.x, near.y), pixel(slot, far.x, far.y), share.y);
    return mix(above, below, share.x);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    let pixels = params.size * params.size;
    if (at >= params.batch * pixels) {
        return;
    }
    let picture = at / pixels;
    let slot = min(which[picture], params.slots - 1u);
    let seed = vec2<u32>(step.seed_lo, step.seed_hi);
    let place = uniform_of(philox(vec4<u32>(0u, step.sample_offset + picture, step.step, AUGMENTATION), seed));
    let light = uniform_of(philox(vec4<u32>(1u, step.sample_offset + picture, step.step, AUGMENTATION), seed));

    let row = (at % pixels) / params.size;
    let plain = at % params.size;
    let mirrored = (params.flip == 1u) & (place.w >= 0.5);
    let column = select(plain, params.size - 1u - plain, mirrored);
    let edge = 1.0 - params.crop * place.x;
    let corner = (1.0 - edge) * f32(params.size) * place.yz;
    let from_row = corner.x + (f32(row) + 0.5) * edge - 0.5;
    let from_column = corner.y + (f32(column) + 0.5) * edge - 0.5;
    var value = bilinear(slot, from_row, from_column);

    let factor = 1.0 + params.jitter * (2.0 * light.xyz - 1.0);
    value = 0.5 + factor.y * (factor.x * value - 0.5);
    let luma = dot(value, vec3<f32>(0.299, 0.587, 0.114));
    value = luma + factor.z * (value - luma);
    x[at] = vec4<f32>(clamp(value, vec3<f32>(0.0), vec3<f32>(1.0)), 0.0);
}
