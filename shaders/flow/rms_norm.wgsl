// y = silu(x r (1 + scale) + shift), with r = 1 / sqrt(mean of x^2 over the channels of a pixel + EPSILON).
// Scale and shift are parameters, or with SHARED false those of a picture, which come from its time.
// One item per pixel.
// Sources: Zhang and Sennrich, "Root mean square layer normalization", 2019; Perez et al., "FiLM", 2018, for scale and
// shift by a condition.

@group(0) @binding(2) var<storage, read_write> y: array<Vec4>; // [N, P, C]

fn item(row: u32) {
    if (row >= params.rows) {
        return;
    }
    let r = inverse_rms(row);
    let first = affine_of(row);
    for (var i = 0u; i < params.vec4s; i += 1u) {
        let at = row * params.vec4s + i;
        y[at] = packed(silu_of(scaled(unpacked(x[at]) * r, first + i)));
    }
}
