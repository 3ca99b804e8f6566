// Preprocessing of a visitor's file for the encoder, with the arithmetic of training: transparency over white, a triangle
// filter as wide as the reduction, columns first, 16-bit weights and 8 bits between the passes.
// The browser decodes the file; it is never uploaded.

import { inspect } from "./container.js";
import { PageError } from "./files.js";

/** Side of the pieces in which a picture is copied, in pixels: the picture itself may be huge. */
const PIECE = 2048;

/** From the pixels of a file to those of the upright picture, as a canvas transforms; by EXIF's orientation. */
const TURNS = {
    1: () => [1, 0, 0, 1, 0, 0],
    2: (width) => [-1, 0, 0, 1, width, 0],
    3: (width, height) => [-1, 0, 0, -1, width, height],
    4: (_, height) => [1, 0, 0, -1, 0, height],
    5: () => [0, 1, 1, 0, 0, 0],
    6: (_, height) => [0, 1, -1, 0, height, 0],
    7: (width, height) => [0, -1, -1, 0, height, width],
    8: (width) => [0, -1, 1, 0, 0, width],
};

/** Largest difference of a channel that is taken for rounding. */
const ROUNDING = 2;

/** Whether the browser gives a page other pixels than a canvas has: known ones are read back. */
function falsifiesPixels() {
    const side = 32;
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const known = new ImageData(side, side);
    known.data.forEach((_, at) => (known.data[at] = at % 4 === 3 ? 255 : (at * 37 + (at >> 7) * 11) & 255));
    context.putImageData(known, 0, 0);
    const { data } = context.getImageData(0, 0, side, side);
    return data.some((value, at) => Math.abs(value - known.data[at]) > ROUNDING);
}

/** The pixels that a browser decodes; `colour` is "srgb" for what a viewer shows, or "as-stored". */
const decoded = (file, colour) =>
    createImageBitmap(file, {
        colorSpaceConversion: colour === "as-stored" ? "none" : "default",
        premultiplyAlpha: "none",
        imageOrientation: "from-image",
    });

/** Whether two pictures of one size are equal. */
function areEqual(one, other) {
    const whole = { left: 0, top: 0, width: one.width, height: one.height };
    if (other.width !== one.width || other.height !== one.height) return false;
    const digest = (row) => row.reduce((sum, value, at) => (sum * 31 + value + at) | 0, 0);
    const rows = [];
    eachRow(one, whole, (_, row) => rows.push(digest(row)));
    let equal = true;
    eachRow(other, whole, (y, row) => (equal &&= rows[y] === digest(row)));
    return equal;
}

/** Whether all blocks of a JPEG without an end marker are there; `probe` is the file with more data behind them. */
async function isComplete(picture, probe, colour) {
    let other;
    try {
        other = await decoded(probe, colour);
    } catch {
        return false; // the decoder takes the data for missing blocks
    }
    const equal = areEqual(picture, upright(other, 1));
    other.close();
    return equal;
}

/** A bitmap with its upright size, and how its pixels get there. */
function upright(bitmap, orientation) {
    const { width, height } = bitmap;
    const sides = orientation > 4 ? { width: height, height: width } : { width, height };
    return { bitmap, ...sides, turn: TURNS[orientation](width, height) };
}

/**
 * The picture at `size` x `size` as RGBA bytes; `how` is "stretch", or "cover" for the square in the middle; `colour` is
 * "srgb" or "as-stored".
 */
export async function read(file, size, how, colour) {
    const name = file.name || "That";
    if (falsifiesPixels()) {
        throw new PageError(
            "This browser gives pages other pixels than those of a picture, as a protection against fingerprinting " +
                "(privacy.resistFingerprinting in Firefox, the shield in Brave). Allow this page to read the canvas, " +
                "and try again. Samples do not need it.",
        );
    }
    let bitmap;
    const { file: cleaned, orientation, whole, probe } = await inspect(file);
    const isCut = () => new PageError(`${name} is cut off: a part of the picture is missing.`);
    if (!whole) throw isCut();
    try {
        bitmap = await decoded(cleaned, colour);
    } catch {
        throw new PageError(`${name} is no picture that this browser can read, or too large for it.`);
    }
    try {
        const picture = upright(bitmap, orientation);
        if (probe && !(await isComplete(picture, probe, colour))) throw isCut();
        const { width, height } = picture;
        const side = Math.min(width, height);
        const part =
            how === "cover" ?
                { left: (width - side) >> 1, top: (height - side) >> 1, width: side, height: side }
            :   { left: 0, top: 0, width, height };
        return stretch(picture, part, size);
    } finally {
        bitmap.close();
    }
}

/** Filter windows: for each output, its first input and the weights; `null` if no resizing is needed. */
function filter(inputs, outputs) {
    if (inputs === outputs) return null;
    const scale = inputs / outputs;
    const radius = Math.max(scale, 1);
    const narrow = 1 / radius;
    const windows = Array.from({ length: outputs }, (_, out) => {
        const centre = (out + 0.5) * scale;
        let first = Math.max(0, Math.floor(centre - radius));
        const end = Math.min(inputs, Math.ceil(centre + radius));
        const weights = [];
        for (let at = first; at < end; at++) {
            const weight = Math.max(0, 1 - Math.abs((at - (centre - 0.5)) * narrow));
            if (weights.length === 0 && weight === 0) first++;
            else weights.push(weight);
        }
        const sum = weights.reduce((a, b) => a + b, 0);
        return { first, weights: weights.map((weight) => weight / sum) };
    });
    // the most fraction bits for which the largest weight fits into 16 bits
    const largest = Math.max(...windows.map(({ weights }) => Math.max(...weights)));
    let bits = 0;
    while (bits < 21 && Math.round(largest * 2 ** (bits + 1)) < 1 << 15) bits++;
    for (const window of windows) window.weights = window.weights.map((weight) => Math.round(weight * 2 ** bits));
    return { bits, windows };
}

/** Draws a piece of an upright picture, `wide` x `tall` pixels from `left`, `top` on, into a canvas of that size. */
function drawPiece(context, { bitmap, turn }, [left, top, wide, tall]) {
    const [a, b, c, d, e, f] = turn;
    const [u, v] = [left - e, top - f];
    // the transform is orthogonal: its inverse is its transpose
    const corners = [[u, v], [u + wide, v + tall]].map(([u, v]) => [a * u + b * v, c * u + d * v]);
    const [x, y] = [0, 1].map((axis) => Math.min(corners[0][axis], corners[1][axis]));
    const [w, h] = [0, 1].map((axis) => Math.abs(corners[1][axis] - corners[0][axis]));
    context.setTransform(a, b, c, d, -u, -v);
    context.drawImage(bitmap, x, y, w, h, x, y, w, h);
}

/** Calls `each(y, row)` with the RGBA bytes of every row of a part of an upright picture, over white. */
function eachRow(picture, { left, top, width, height }, each) {
    const canvas = document.createElement("canvas");
    const deep = Math.max(1, Math.min(height, Math.floor((PIECE * PIECE) / width)));
    const row = new Uint8ClampedArray(4 * width);
    for (let y = 0; y < height; y += deep) {
        const pieces = [];
        const tall = Math.min(deep, height - y);
        for (let x = 0; x < width; x += PIECE) {
            const wide = Math.min(PIECE, width - x);
            [canvas.width, canvas.height] = [wide, tall];
            const context = canvas.getContext("2d", { willReadFrequently: true });
            context.fillStyle = "#fff";
            context.fillRect(0, 0, wide, tall);
            context.imageSmoothingEnabled = false;
            drawPiece(context, picture, [left + x, top + y, wide, tall]);
            pieces.push({ x, wide, data: context.getImageData(0, 0, wide, tall).data });
        }
        for (let at = 0; at < tall; at++) {
            for (const { x, wide, data } of pieces) row.set(data.subarray(4 * wide * at, 4 * wide * (at + 1)), 4 * x);
            each(y + at, row);
        }
    }
}

function stretch(picture, part, size) {
    const { width } = part;
    const down = filter(part.height, size);
    const squeezed = Array.from({ length: size }, () => null);
    if (!down) {
        eachRow(picture, part, (y, row) => (squeezed[y] = row.slice()));
    } else {
        const half = 2 ** (down.bits - 1);
        let open = 0;
        eachRow(picture, part, (y, row) => {
            for (let out = open; out < size && down.windows[out].first <= y; out++) {
                const { first, weights } = down.windows[out];
                const weight = weights[y - first];
                squeezed[out] ??= new Int32Array(4 * width).fill(half);
                const sums = squeezed[out];
                if (weight) for (let i = 0; i < sums.length; i++) sums[i] += weight * row[i];
                if (y === first + weights.length - 1) {
                    squeezed[out] = Uint8ClampedArray.from(sums, (sum) => sum >> down.bits);
                    if (out === open) open++;
                }
            }
        });
    }
    return across(squeezed, filter(width, size), size);
}

/** Resizes every row to `size` pixels, opaque. */
function across(squeezed, filtered, size) {
    const picture = new Uint8ClampedArray(4 * size * size).fill(255);
    squeezed.forEach((row, y) => {
        for (let out = 0; out < size; out++) {
            for (let channel = 0; channel < 3; channel++) {
                let value = row[4 * out + channel];
                if (filtered) {
                    const { first, weights } = filtered.windows[out];
                    value = 2 ** (filtered.bits - 1);
                    weights.forEach((weight, at) => (value += weight * row[4 * (first + at) + channel]));
                    value >>= filtered.bits;
                }
                picture[4 * (y * size + out) + channel] = value;
            }
        }
    });
    return picture;
}
