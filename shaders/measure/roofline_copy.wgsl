// out = x: measures the adapter's peak memory bandwidth. One item per vec4.

struct Params {
    vec4s: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Vec4>; // [vec4s]
@group(0) @binding(1) var<storage, read_write> out: array<Vec4>; // [vec4s]

fn item(at: u32) {
    if (at < params.vec4s) {
        out[at] = x[at];
    }
}
