// Exchanges two ranges bit by bit: the parameters and their average. One item per vec4.

struct Params {
    vec4s: u32, // vec4s of a range
}

@group(0) @binding(0) var<storage, read_write> one: array<vec4<u32>>; // [vec4s]
@group(0) @binding(1) var<storage, read_write> other: array<vec4<u32>>; // [vec4s]

fn item(at: u32) {
    if (at >= params.vec4s) {
        return;
    }
    let value = one[at];
    one[at] = other[at];
    other[at] = value;
}
