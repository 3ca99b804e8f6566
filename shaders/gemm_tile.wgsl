// C = A B by workgroup tiles: the plain core of every convolution and linear layer.
//
// Each invocation keeps 8 x 8 elements of C in four 4 x 4 blocks. A workgroup walks along K, TILE_K at a
// time: it copies one tile of A and one of B into workgroup memory, each 4 x 4 block turned so that the
// inner loop reads four rows of A and four columns of B at one k as one vec4 each, and multiplies them.
// THREADS_M, THREADS_N and TILE_K come with the variant; the op's file says what A, B and C are.

const TILE_M: u32 = 8u * THREADS_M;
const TILE_N: u32 = 8u * THREADS_N;
const QUADS_M: u32 = TILE_M / 4u;
const QUADS_N: u32 = TILE_N / 4u;
const QUADS_K: u32 = TILE_K / 4u;
const THREADS: u32 = THREADS_M * THREADS_N;

var<workgroup> sh_a: array<vec4<f32>, TILE_K * QUADS_M>; // [TILE_K, TILE_M]
var<workgroup> sh_b: array<vec4<f32>, TILE_K * QUADS_N>; // [TILE_K, TILE_N]

// row r of the result is a[r] * b: four rows by four columns, one k
fn outer(c: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4<f32>(a.x), b, c[0]),
        fma(vec4<f32>(a.y), b, c[1]),
        fma(vec4<f32>(a.z), b, c[2]),
        fma(vec4<f32>(a.w), b, c[3]),
    );
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tile = tile_of(workgroup.x + workgroup.y * GRID_X);
    let tm = thread / THREADS_N;
    let tn = thread % THREADS_N;
    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();

    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        workgroupBarrier();
        for (var i = thread; i < QUADS_M * QUADS_K; i += THREADS) {
            let quad = i / QUADS_K;
            let kq = 4u * (i % QUADS_K);
            let block = block_a(tile.plane, tile.m + 4u * quad, k + kq);
            sh_a[kq * QUADS_M + quad] = block[0];
            sh_a[(kq + 1u) * QUADS_M + quad] = block[1];
            sh_a[(kq + 2u) * QUADS_M + quad] = block[2];
            sh_a[(kq + 3u) * QUADS_M + quad] = block[3];
        }
        for (var i = thread; i < QUADS_N * QUADS_K; i += THREADS) {
            let quad = i % QUADS_N;
            let kq = 4u * (i / QUADS_N);
            let block = block_b(tile.plane, tile.n + 4u * quad, k + kq);
            sh_b[kq * QUADS_N + quad] = block[0];
            sh_b[(kq + 1u) * QUADS_N + quad] = block[1];
            sh_b[(kq + 2u) * QUADS_N + quad] = block[2];
            sh_b[(kq + 3u) * QUADS_N + quad] = block[3];
        }
        workgroupBarrier();
        for (var i = 0u; i < TILE_K; i += 1u) {
            let a0 = sh_a[i * QUADS_M + tm];
            let a1 = sh_a[i * QUADS_M + tm + THREADS_M];
            let b0 = sh_b[i * QUADS_N + tn];
            let b1 = sh_b[i * QUADS_N + tn + THREADS_N];
            c00 = outer(c00, a0, b0);
            c01 = outer(c01, a0, b1);
            c10 = outer(c10, a1, b0);
            c11 = outer(c11, a1, b1);
        }
    }

    let m0 = tile.m + 4u * tm;
    let m1 = m0 + 4u * THREADS_M;
    let n0 = tile.n + 4u * tn;
    let n1 = n0 + 4u * THREADS_N;
    store_block(tile, m0, n0, c00);
    store_block(tile, m0, n1, c01);
    store_block(tile, m1, n0, c10);
    store_block(tile, m1, n1, c11);
}
