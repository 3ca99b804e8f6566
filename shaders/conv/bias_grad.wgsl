// Column sums of a matrix: out[p, c] = epilogue(sum of dy[r, c] over the rows r of part p).
// The gradient of a bias, in one pass, or for many rows in two, of which the second adds the parts of the first.
// A workgroup takes one part of the rows and up to THREADS vec4 columns; if there are fewer columns, several rows
// go side by side.

struct Params {
    rows: u32,
    vec4s: u32, // vec4s of a row
    parts: u32,
    rows_per_part: u32,
}

// source: dy [rows, C]
@group(0) @binding(1) var<storage, read> aux: array<AuxVec4>; // for `epilogue`, unused
@group(0) @binding(2) var<storage, read_write> out: array<Vec4>; // [parts, C]

const WIDTH: u32 = min(THREADS, params.vec4s);
const LANES: u32 = THREADS / WIDTH; // rows side by side
const COLUMN_BLOCKS: u32 = (params.vec4s + WIDTH - 1u) / WIDTH;

var<workgroup> sh_sum: array<vec4<f32>, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let group = workgroup.x + workgroup.y * GRID_X;
    let part = group / COLUMN_BLOCKS;
    let column = (group % COLUMN_BLOCKS) * WIDTH + thread % WIDTH;
    let lane = thread / WIDTH;
    let begin = part * params.rows_per_part;
    let end = min(params.rows, begin + params.rows_per_part);
    var sum = vec4<f32>(0.0);
    if ((column < params.vec4s) & (lane < LANES) & (part < params.parts)) {
        for (var row = begin + lane; row < end; row += LANES) {
            sum += source_at(row * params.vec4s + column, false);
        }
    }
    sh_sum[thread] = sum;
    workgroupBarrier();
    if ((lane == 0u) & (column < params.vec4s) & (part < params.parts)) {
        for (var other = 1u; other < LANES; other += 1u) {
            sum += sh_sum[other * WIDTH + thread];
        }
        epilogue(part * params.vec4s + column, bias_of(column), sum);
    }
}
