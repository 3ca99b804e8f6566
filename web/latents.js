// Latent vectors: coordinates along the sliders' axes, and interpolation.

const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);

/** Orthonormal directions around a point; a coordinate is a number of standard deviations. */
export class Axes {
    constructor({ mean, list }) {
        this.mean = mean;
        this.list = list;
    }

    coordinate(z, at) {
        const { dimension, direction, scale } = this.list[at];
        if (direction === undefined) return (z[dimension] - this.mean[dimension]) / scale;
        return direction.reduce((sum, d, i) => sum + d * (z[i] - this.mean[i]), 0) / scale;
    }

    /** `z` with some coordinates changed; `moves` maps axes to values. */
    moved(z, moves) {
        const point = Float64Array.from(z);
        for (const [at, value] of moves) {
            const { dimension, direction, scale } = this.list[at];
            const by = (value - this.coordinate(z, at)) * scale;
            if (direction === undefined) point[dimension] += by;
            else direction.forEach((d, i) => (point[i] += by * d));
        }
        return Float32Array.from(point);
    }
}

/** Angles this close to 0 or pi have no well-defined arc; the line is used. */
const FLAT = 1e-3;

/** Spherical interpolation (slerp) from `a` to `b` at `t` from 0 to 1, as in `wgvae interpolate`. */
export function between(a, b, t) {
    const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))));
    const arc = Number.isFinite(angle) && angle >= FLAT && angle < Math.PI - FLAT;
    const [from, to] =
        arc ? [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)] : [1 - t, t];
    return a.map((value, i) => from * value + to * b[i]);
}
