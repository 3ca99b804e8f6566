// The page's data files: fetched, verified against the manifest's sizes and digests, and parsed.

/** Format version that this page can read; the exporter raises it when older pages could not read new files. */
const FORMAT = 1;

/** An error worded for the visitor. */
export class PageError extends Error {}

async function fetched(name, cache) {
    let response;
    try {
        response = await fetch(name, { cache });
    } catch {
        throw new PageError(`${name} could not be loaded: is the server still there?`);
    }
    if (!response.ok) {
        throw new PageError(`${name} could not be loaded: the server answers ${response.status}.`);
    }
    return response.arrayBuffer();
}

function parsed(name, bytes) {
    try {
        return JSON.parse(new TextDecoder().decode(bytes));
    } catch {
        throw new PageError(`${name} is damaged: it is no JSON. The page has to be exported again.`);
    }
}

/** Reads manifest.json, and refuses one that this page's JavaScript was not written for. */
export async function readManifest() {
    const manifest = parsed("manifest.json", await fetched("manifest.json", "no-cache"));
    if (manifest.format !== FORMAT) {
        throw new PageError(
            `This page reads exports of format ${FORMAT}, and its files are of format ${manifest.format} ` +
                `(${manifest.generator}): they are of different versions. Reload without the browser's cache ` +
                `(Shift and the reload button), or export the page again.`,
        );
    }
    return manifest;
}

async function isAsListed(bytes, { bytes: length, sha256 }) {
    if (bytes.byteLength !== length) return false;
    if (!globalThis.crypto?.subtle) return true; // only in insecure contexts, which have no WebGPU
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

/** The bytes of a file listed in the manifest. */
export async function readFile(manifest, name) {
    const entry = manifest.files[name];
    if (!entry) throw new PageError(`The manifest lists no ${name}: the page has to be exported again.`);
    // the browser may have cached a file of an earlier export
    for (const cache of ["no-cache", "reload"]) {
        const bytes = await fetched(name, cache);
        if (await isAsListed(bytes, entry)) return bytes;
    }
    throw new PageError(
        `${name} is not the file that the manifest names: the page's files are of different versions, or damaged. ` +
            `Reload it without the browser's cache, or export it again.`,
    );
}

export const readJson = async (manifest, name) => parsed(name, await readFile(manifest, name));
export const readText = async (manifest, name) => new TextDecoder().decode(await readFile(manifest, name));

/** Lookup table from the bits of a half to a float; not every browser has `Float16Array`. */
function halves() {
    const table = new Float32Array(1 << 16);
    for (let bits = 0; bits < table.length; bits++) {
        const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
        const size =
            exponent === 0 ? fraction * 2 ** -24
            : exponent === 31 ? (fraction ? NaN : Infinity)
            : (1 + fraction / 1024) * 2 ** (exponent - 15);
        table[bits] = bits >> 15 ? -size : size;
    }
    return table;
}

const READERS = {
    F16(bytes) {
        const table = halves();
        const bits = new Uint16Array(bytes);
        const values = new Float32Array(bits.length);
        // a plain loop: `Float32Array.from` with a function takes many times as long
        for (let at = 0; at < bits.length; at++) values[at] = table[bits[at]];
        return values;
    },
    F32: (bytes) => new Float32Array(bytes),
    F64: (bytes) => new Float64Array(bytes),
};

/** Whether no value is NaN or infinite. A graphics driver may draw those as if they were numbers. */
function allFinite(values) {
    // one sum for many values is not finite if one of them is not, or if it overflows
    for (let from = 0; from < values.length; from += 4096) {
        let sum = 0;
        const end = Math.min(values.length, from + 4096);
        for (let at = from; at < end; at++) sum += values[at];
        if (!Number.isFinite(sum) && !values.subarray(from, end).every(Number.isFinite)) return false;
    }
    return true;
}

/** The tensors of a safetensors file by name; 16 bits are widened to 32. */
export async function readTensors(manifest, name) {
    const bytes = await readFile(manifest, name);
    const begin = 8 + Number(new DataView(bytes).getBigUint64(0, true));
    const header = parsed(name, bytes.slice(8, begin));
    const tensors = {};
    for (const [tensor, about] of Object.entries(header)) {
        if (tensor === "__metadata__") continue;
        const [from, to] = about.data_offsets;
        const read = READERS[about.dtype];
        if (!read) throw new PageError(`${name}: ${tensor} is ${about.dtype}, which this page does not read.`);
        const values = read(bytes.slice(begin + from, begin + to));
        if (!allFinite(values)) {
            throw new PageError(
                `${name}: ${tensor} has values that are not numbers or infinite: the training has diverged. ` +
                    `Export the page of another checkpoint.`,
            );
        }
        tensors[tensor] = values;
    }
    return tensors;
}
