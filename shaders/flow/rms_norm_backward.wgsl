// The gradient of rms_norm.wgsl by x. With u = x r, v = u (1 + scale) + shift, du = dy silu'(v) (1 + scale):
//   dx = r (du - u * mean of du u over the channels), and with ACCUMULATE what dx has is added.
// It also stores r, which the gradient of scale and shift reads. One item per pixel.

@group(0) @binding(2) var<storage, read> dy: array<Vec4>; // [N, P, C]
@group(0) @binding(3) var<storage, read_write> dx: array<Vec4>; // [N, P, C]
@group(0) @binding(4) var<storage, read_write> inv_rms: array<f32>; // [N, P]

fn item(row: u32) {
    if (row >= params.rows) {
        return;
    }
    let r = inverse_rms(row);
    inv_rms[row] = r;
    let first = affine_of(row);
    var products = vec4<f32>(0.0);
    for (var i = 0u; i < params.vec4s; i += 1u) {
        let at = row * params.vec4s + i;
        let u = unpacked(x[at]) * r;
        let du = unpacked(dy[at]) * silu_slope(scaled(u, first + i)) * (1.0 + unpacked(affine[first + i]));
        products += du * u;
    }
    let mean = (products.x + products.y + products.z + products.w) / f32(4u * params.vec4s);
    for (var i = 0u; i < params.vec4s; i += 1u) {
        let at = row * params.vec4s + i;
        let u = unpacked(x[at]) * r;
        let du = unpacked(dy[at]) * silu_slope(scaled(u, first + i)) * (1.0 + unpacked(affine[first + i]));
        let before = select(vec4<f32>(0.0), unpacked(dx[at]), ACCUMULATE);
        dx[at] = packed(before + r * (du - u * mean));
    }
}
