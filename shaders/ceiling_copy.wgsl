// out = x: how fast the adapter moves bytes when nothing else is in the way. One item per vec4.

struct Params {
    quads: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Quad>; // [quads]
@group(0) @binding(1) var<storage, read_write> out: array<Quad>; // [quads]

fn item(at: u32) {
    if (at < params.quads) {
        out[at] = x[at];
    }
}
