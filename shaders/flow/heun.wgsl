// One half of a step of Heun's method along the flow dx/dt = v(x, t):
//   predict:  first = v, input = x + dt v, t += dt;
//   CORRECT:  x += dt / 2 (first + v), input = x.
// The network's next evaluation reads input and t. With GUIDED the second half of the rows has the same x without a
// class, and v is the velocity there plus guidance times the difference that the class makes.
// One item per vec4 of the pictures' rows.
// Source of guidance: Ho and Salimans, "Classifier-free diffusion guidance", 2022.

struct Params {
    rows: u32, // pictures
    vec4s: u32, // vec4s of a row
    dt: f32, // the time of a step
    guidance: f32, // 1: the velocity of the class alone
}

@group(0) @binding(0) var<storage, read> velocity: array<vec4<f32>>; // [N, Z]; with GUIDED [2 N, Z], as those below
@group(0) @binding(1) var<storage, read_write> t: array<f32>; // [N]
@group(0) @binding(2) var<storage, read_write> first: array<vec4<f32>>; // [N, Z]
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>; // [N, Z]
@group(0) @binding(4) var<storage, read_write> input: array<vec4<f32>>; // [N, Z]

fn item(at: u32) {
    let half = params.rows * params.vec4s;
    if (at >= half) {
        return;
    }
    var v = velocity[at];
    if (GUIDED) {
        let without = velocity[at + half];
        v = without + params.guidance * (v - without);
    }
    var next = x[at] + params.dt * v;
    if (CORRECT) {
        next = x[at] + 0.5 * params.dt * (first[at] + v);
        x[at] = next;
    } else {
        first[at] = v;
    }
    input[at] = next;
    if (GUIDED) {
        input[at + half] = next;
    }
    if (!CORRECT & (at % params.vec4s == 0u)) {
        let row = at / params.vec4s;
        t[row] += params.dt;
        if (GUIDED) {
            t[row + params.rows] += params.dt;
        }
    }
}
