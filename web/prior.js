// Samples of the fitted prior, a mixture of Gaussians, identical to those of `wgvae sample --prior fitted`.

/** ChaCha with 8 rounds, as a stream of 64-bit words. Source: Bernstein, "ChaCha, a variant of Salsa20", 2008. */
class ChaCha8 {
    constructor(key) {
        this.key = key;
        this.counter = 0;
        this.words = [];
    }

    block() {
        const state = new Uint32Array(16);
        state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
        state.set(this.key, 4);
        state[12] = this.counter++;
        const x = state.slice();
        const turn = (value, bits) => (value << bits) | (value >>> (32 - bits));
        const quarter = (a, b, c, d) => {
            x[a] += x[b];
            x[d] = turn(x[d] ^ x[a], 16);
            x[c] += x[d];
            x[b] = turn(x[b] ^ x[c], 12);
            x[a] += x[b];
            x[d] = turn(x[d] ^ x[a], 8);
            x[c] += x[d];
            x[b] = turn(x[b] ^ x[c], 7);
        };
        for (let round = 0; round < 8; round += 2) {
            for (let i = 0; i < 4; i++) quarter(i, 4 + i, 8 + i, 12 + i);
            for (let i = 0; i < 4; i++) quarter(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
        }
        return Array.from(x, (word, i) => (word + state[i]) >>> 0);
    }

    /** From 0 to below 1, a multiple of 2^-53. */
    uniform() {
        if (this.words.length === 0) this.words = this.block();
        const [low, high] = this.words.splice(0, 2);
        return (high * 2 ** 21 + (low >>> 11)) * 2 ** -53;
    }

    /** A standard normal, by Box and Muller. */
    normal() {
        const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
        return radius * Math.cos(2 * Math.PI * this.uniform());
    }
}

/**
 * Sample 0 of `seed`, a BigInt of 64 bits: `mean + temperature L e` with e ~ N(0, I), of the component `label`, or of one
 * that is drawn by weight if it is null.
 */
export function draw({ weights, means, factors }, seed, temperature, label) {
    const key = new DataView(new ArrayBuffer(32));
    key.setBigUint64(0, seed, true);
    key.setBigUint64(8, 1n, true); // the purpose: samples; bytes 16 to 24 count them
    for (const [at, letter] of [..."prior"].entries()) key.setUint8(24 + at, letter.charCodeAt(0));
    const stream = new ChaCha8(Array.from({ length: 8 }, (_, at) => key.getUint32(4 * at, true)));

    let left = stream.uniform(); // drawn in any case, so that the noise is that of the other components
    let chosen = label ?? weights.findIndex((weight) => (left -= weight) < 0);
    if (chosen < 0) chosen = weights.length - 1; // rounding may leave a rest
    const dims = means.length / weights.length;
    const mean = means.subarray(chosen * dims, (chosen + 1) * dims);
    const packed = (dims * (dims + 1)) / 2;
    const factor = factors.subarray(chosen * packed, (chosen + 1) * packed);
    const noise = Array.from({ length: dims }, () => stream.normal());
    const scale = Math.fround(temperature);
    return Float32Array.from(mean, (middle, i) => {
        let deviation = 0;
        for (let j = 0; j <= i; j++) deviation += factor[(i * (i + 1)) / 2 + j] * noise[j];
        return middle + scale * deviation;
    });
}
