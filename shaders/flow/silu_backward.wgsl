// dx = dy * silu'(x), one item per vec4.

struct Params {
    vec4s: u32, // vec4s of x
}

@group(0) @binding(0) var<storage, read> x: array<Vec4>; // [vec4s]
@group(0) @binding(1) var<storage, read> dy: array<Vec4>; // [vec4s]
@group(0) @binding(2) var<storage, read_write> dx: array<Vec4>; // [vec4s]

fn item(at: u32) {
    if (at < params.vec4s) {
        dx[at] = packed(unpacked(dy[at]) * silu_slope(unpacked(x[at])));
    }
}
