// The gradient of rms_norm.wgsl by the scale and the shift of each picture, summed over its pixels:
//   dscale = sum of dv u, dshift = sum of dv, with dv = dy silu'(v).
// One item per picture and vec4 of channels.

@group(0) @binding(2) var<storage, read> dy: array<Vec4>; // [N, P, C]
@group(0) @binding(3) var<storage, read> inv_rms: array<f32>; // [N, P]
@group(0) @binding(4) var<storage, read_write> daffine: array<Vec4>; // [N, 2, C]

fn item(at: u32) {
    let picture = at / params.vec4s;
    let i = at % params.vec4s;
    if (picture >= params.rows / params.pixels) {
        return;
    }
    var dscale = vec4<f32>(0.0);
    var dshift = vec4<f32>(0.0);
    for (var pixel = 0u; pixel < params.pixels; pixel += 1u) {
        let row = picture * params.pixels + pixel;
        let u = unpacked(x[row * params.vec4s + i]) * inv_rms[row];
        let dv = unpacked(dy[row * params.vec4s + i]) * silu_slope(scaled(u, affine_of(row) + i));
        dscale += dv * u;
        dshift += dv;
    }
    let out = picture * 2u * params.vec4s + i;
    daffine[out] = packed(dscale);
    daffine[out + params.vec4s] = packed(dshift);
}
