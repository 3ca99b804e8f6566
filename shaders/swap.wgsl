// Exchanges two ranges, bit by bit: the parameters with their average, and back. One item per vec4.

struct Params {
    quads: u32, // vec4s of a range
}

@group(0) @binding(0) var<storage, read_write> one: array<vec4<u32>>; // [quads]
@group(0) @binding(1) var<storage, read_write> other: array<vec4<u32>>; // [quads]

fn item(at: u32) {
    if (at >= params.quads) {
        return;
    }
    let value = one[at];
    one[at] = other[at];
    other[at] = value;
}
