// Containers of picture files, read by the rules of the command line: whether a file is whole, and how its picture is
// turned. Browsers draw what there is of a file that is cut off, and do not agree on where an orientation may be.

/** Maximum number of bytes of a compressed text that are searched. */
const MAX_TEXT = 1 << 20;

const ascii = (bytes, from, length) => String.fromCharCode(...bytes.subarray(from, from + length));
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The bytes without the ranges `[from, to]`, which are in order. */
function without(bytes, ranges) {
    const kept = [];
    let at = 0;
    for (const [from, to] of ranges) {
        kept.push(bytes.subarray(at, from));
        at = to;
    }
    return new Blob([...kept, bytes.subarray(at)]);
}

/** The orientation, 1 to 8, in the first directory of EXIF, with or without the prefix that it has in a JPEG; else null. */
function ofExif(bytes) {
    const exif = ascii(bytes, 0, 6) === "Exif\0\0" ? bytes.subarray(6) : bytes;
    const order = ascii(exif, 0, 2);
    if (exif.length < 8 || (order !== "II" && order !== "MM")) return null;
    const [data, little] = [view(exif), order === "II"];
    const directory = data.getUint32(4, little);
    if (directory + 2 > exif.length) return null;
    const count = data.getUint16(directory, little);
    for (let entry = directory + 2, left = count; left > 0 && entry + 12 <= exif.length; entry += 12, left--) {
        if (data.getUint16(entry, little) !== 0x0112) continue;
        const value = data.getUint16(entry + 8, little);
        return value >= 1 && value <= 8 ? value : null;
    }
    return null;
}

function ofXmp(text) {
    const found = /tiff:Orientation(?:=["']|>)([1-8])/.exec(text);
    return found ? Number(found[1]) : null;
}

/** EXIF in a raw profile: an empty line, its name, its length, and then hexadecimal digits. */
function ofProfile(text) {
    const digits = text.split("\n").slice(3).join("").replace(/\s/g, "");
    if (!/^([0-9a-f]{2})+$/i.test(digits)) return null;
    return ofExif(Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16)));
}

/** The text of deflated bytes, of which at most `MAX_TEXT` are read; empty if they are damaged. */
async function inflated(bytes) {
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    let text = "";
    try {
        while (text.length < MAX_TEXT) {
            const { value, done } = await reader.read();
            if (done) break;
            text += new TextDecoder("latin1").decode(value);
        }
    } catch {
        return ""; // the text before the damage is not used either
    }
    reader.cancel().catch(() => {});
    return text;
}

/** Keyword and text of a PNG's text chunk. */
async function textOf(kind, body) {
    const end = body.indexOf(0);
    if (end < 0) return ["", ""];
    const keyword = ascii(body, 0, end);
    let [rest, packed] = [body.subarray(end + 1), kind === "zTXt"];
    if (kind === "zTXt") rest = rest.subarray(1);
    if (kind === "iTXt") {
        packed = rest[0] !== 0;
        rest = rest.subarray(2);
        for (let skipped = 0; skipped < 2; skipped++) rest = rest.subarray(rest.indexOf(0) + 1); // language, translation
    }
    return [keyword, packed ? await inflated(rest) : new TextDecoder("latin1").decode(rest)];
}

/** A PNG: first an `eXIf` chunk, before or after the pixels; then a text with EXIF, as ImageMagick writes it; then XMP. */
async function png(bytes) {
    const data = view(bytes);
    const found = { exif: null, raw: null, xmp: null };
    const turns = [];
    let [at, whole] = [8, false];
    while (at + 12 <= bytes.length) {
        const [length, kind] = [data.getUint32(at), ascii(bytes, at + 4, 4)];
        if (at + 12 + length > bytes.length) break;
        const body = bytes.subarray(at + 8, at + 8 + length);
        if (kind === "eXIf") {
            found.exif ??= ofExif(body);
            turns.push([at, at + 12 + length]);
        } else if (["tEXt", "zTXt", "iTXt"].includes(kind)) {
            const [keyword, text] = await textOf(kind, body);
            if (/^Raw profile type (exif|APP1)$/.test(keyword)) found.raw ??= ofProfile(text);
            if (keyword === "XML:com.adobe.xmp") found.xmp ??= ofXmp(text);
        }
        at += 12 + length;
        whole ||= kind === "IEND"; // chunks behind the end count too
    }
    return { whole, orientation: found.exif ?? found.raw ?? found.xmp ?? 1, file: without(bytes, turns) };
}

/** A WebP: an `EXIF` chunk that its header announces. */
function webp(bytes) {
    const data = view(bytes);
    const announces = ascii(bytes, 12, 4) === "VP8X" && (bytes[20] & 8) !== 0;
    const end = 8 + data.getUint32(4, true);
    if (end > bytes.length) return { whole: false };
    let orientation = null;
    const turns = [];
    for (let at = 12; at + 8 <= end;) {
        const length = data.getUint32(at + 4, true);
        if (ascii(bytes, at, 4) === "EXIF") {
            if (announces) orientation ??= ofExif(bytes.subarray(at + 8, at + 8 + length));
            turns.push([at, Math.min(end, at + 8 + length + (length % 2))]);
        }
        at += 8 + length + (length % 2);
    }
    if (turns.length === 0) return { whole: true, orientation: 1, file: new Blob([bytes]) };
    // the header states the length and announces the chunk
    const header = bytes.slice();
    const removed = turns.reduce((sum, [from, to]) => sum + to - from, 0);
    view(header).setUint32(4, end - 8 - removed, true);
    if (announces) header[20] &= ~8;
    return { whole: true, orientation: orientation ?? 1, file: without(header, turns) };
}

/** Whether the picture of a JPEG has an end marker behind its last scan. */
function hasEnd(bytes) {
    let at = 2;
    while (at + 4 <= bytes.length) {
        if (bytes[at] !== 0xff) return false;
        const marker = bytes[at + 1];
        if (marker === 0xd9) return true;
        if (marker === 0xff) {
            at += 1; // a fill byte
            continue;
        }
        at += 2 + view(bytes).getUint16(at + 2);
        if (marker !== 0xda) continue;
        // entropy-coded data ends at a marker that is no restart
        for (at = bytes.indexOf(0xff, at); at >= 0; at = bytes.indexOf(0xff, at + 2)) {
            const next = bytes[at + 1];
            if (next !== 0 && (next < 0xd0 || next > 0xd7)) break;
        }
        if (at < 0) return false;
    }
    return bytes[at] === 0xff && bytes[at + 1] === 0xd9;
}

/**
 * A JPEG, whose orientation every browser applies. Without an end marker it is still whole if all blocks are there: then
 * more data would change nothing, and `probe`, the same file with more data, has the same pixels.
 */
function jpeg(bytes) {
    const end = Uint8Array.of(0xff, 0xd9);
    if (hasEnd(bytes)) return { whole: true, file: new Blob([bytes]) };
    const more = Uint8Array.from({ length: 1 << 14 }, (_, at) => (at * 73 + (at >> 3) * 29) & 0x7f);
    return { whole: true, file: new Blob([bytes, end]), probe: new Blob([bytes, more, end]) };
}

/** A BMP: its rows, from the offset of the pixels on. */
function bmp(bytes) {
    const data = view(bytes);
    if (bytes.length < 34 || data.getUint32(14, true) < 40) return { whole: true, file: new Blob([bytes]) };
    const [pixels, width, height] = [data.getUint32(10, true), data.getInt32(18, true), data.getInt32(22, true)];
    const [bits, compression] = [data.getUint16(28, true), data.getUint32(30, true)];
    const row = 4 * Math.ceil((bits * Math.abs(width)) / 32);
    const compressed = compression === 1 || compression === 2;
    return { whole: compressed || pixels + row * Math.abs(height) <= bytes.length, file: new Blob([bytes]) };
}

/**
 * The picture to decode: a `file` for the browser, the `orientation` that is left to apply (1 to 8, as EXIF counts),
 * whether it is `whole`, and perhaps a `probe`, see above.
 */
export async function inspect(blob) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const known =
        ascii(bytes, 0, 8) === "\x89PNG\r\n\x1a\n" ? await png(bytes)
        : ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP" ? webp(bytes)
        : bytes[0] === 0xff && bytes[1] === 0xd8 ? jpeg(bytes)
        : ascii(bytes, 0, 2) === "BM" ? bmp(bytes)
        : { whole: true, file: blob };
    return { orientation: 1, probe: null, ...known };
}
