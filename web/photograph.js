// Preprocessing of a visitor's file for the encoder, with the arithmetic of training: transparency over white, a triangle
// filter as wide as the reduction, columns first, 16-bit weights and 8 bits between the passes.
// The browser decodes the file; it is never uploaded.

import { PageError } from "./files.js";

/** Side of the pieces in which a picture is copied, in pixels: the picture itself may be huge. */
const PIECE = 2048;

/** The picture at `size` x `size` as RGBA bytes; `how` is "stretch", or "cover" for the square in the middle. */
export async function read(file, size, how) {
    let bitmap;
    try {
        bitmap = await createImageBitmap(file, {
            colorSpaceConversion: "none",
            premultiplyAlpha: "none",
            imageOrientation: "from-image",
        });
    } catch {
        throw new PageError(`${file.name || "That"} is no picture that this browser can read, or too large for it.`);
    }
    try {
        const { width, height } = bitmap;
        const side = Math.min(width, height);
        const part =
            how === "cover" ?
                { left: (width - side) >> 1, top: (height - side) >> 1, width: side, height: side }
            :   { left: 0, top: 0, width, height };
        return stretch(bitmap, part, size);
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

/** Calls `each(y, row)` with the RGBA bytes of every row of a part of the picture, over white. */
function eachRow(bitmap, { left, top, width, height }, each) {
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
            context.drawImage(bitmap, left + x, top + y, wide, tall, 0, 0, wide, tall);
            pieces.push({ x, wide, data: context.getImageData(0, 0, wide, tall).data });
        }
        for (let at = 0; at < tall; at++) {
            for (const { x, wide, data } of pieces) row.set(data.subarray(4 * wide * at, 4 * wide * (at + 1)), 4 * x);
            each(y + at, row);
        }
    }
}

function stretch(bitmap, part, size) {
    const { width } = part;
    const down = filter(part.height, size);
    const squeezed = Array.from({ length: size }, () => null);
    if (!down) {
        eachRow(bitmap, part, (y, row) => (squeezed[y] = row.slice()));
    } else {
        const half = 2 ** (down.bits - 1);
        let open = 0;
        eachRow(bitmap, part, (y, row) => {
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
