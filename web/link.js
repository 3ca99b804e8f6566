// The page's state as the fragment of its address, which never reaches a server.
//
//     #seed=3&from=fitted&t=0.8&move=0:1.5,4:-2       a sample, and moved sliders
//     #seed=3&from=flow&class=coast                   a sample of a class of that prior
//     #a=LATENTS&b=LATENTS&morph=0.25                 one or two photographs, as their latents

const MOST_SEED = 2n ** 64n;

/** The state without a fragment, with the first of the priors. */
export const start = ([prior]) => ({
    seed: 0n,
    from: prior,
    /** index of a class of the prior, null for any */
    label: null,
    temperature: 1,
    a: null,
    b: null,
    morph: 0,
    moves: new Map(),
});

/** Parses a seed typed by a visitor; null if it is invalid. */
export function seedOf(text) {
    if (!/^\d{1,20}$/.test(text.trim())) return null;
    const seed = BigInt(text.trim());
    return seed < MOST_SEED ? seed : null;
}

function pack(z) {
    const bytes = new Uint8Array(z.buffer, z.byteOffset, z.byteLength);
    const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function unpack(text, latent) {
    try {
        const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
        const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
        const z = new Float32Array(bytes.buffer);
        return z.length === latent && z.every(Number.isFinite) ? z : null;
    } catch {
        return null;
    }
}

/** The fragment of a state, with the names of its prior's classes. */
export function format(state, classes) {
    const parts = [];
    if (state.a) {
        parts.push(`a=${pack(state.a)}`);
        if (state.b) parts.push(`b=${pack(state.b)}`, `morph=${state.morph}`);
    } else {
        parts.push(`seed=${state.seed}`, `from=${state.from}`);
        const name = state.label !== null && encodeURIComponent(classes[state.label]);
        if (name) parts.push(`class=${name}`);
        if (state.temperature !== 1) parts.push(`t=${state.temperature}`);
    }
    if (state.moves.size > 0) parts.push(`move=${[...state.moves].map(([at, value]) => `${at}:${value}`).join(",")}`);
    return `#${parts.join("&")}`;
}

/** The state of a fragment, and whether a part of it was not valid for this model; `classesOf` names those of a prior. */
export function parse(fragment, { priors, classesOf, latent, axes }) {
    const state = start(priors);
    const parts = new URLSearchParams(fragment.replace(/^#/, ""));
    let hasForeignPart = false;
    const take = (name, put) => {
        if (parts.has(name)) hasForeignPart = !put(parts.get(name)) || hasForeignPart;
    };
    const number = (text, least, most) => {
        const value = Number(text);
        return text !== "" && value >= least && value <= most ? value : null;
    };
    take("seed", (text) => (state.seed = seedOf(text) ?? state.seed) === seedOf(text));
    take("from", (text) => priors.includes(text) && (state.from = text));
    take("class", (text) => {
        const label = classesOf(state.from).indexOf(text);
        if (label >= 0) state.label = label;
        return label >= 0;
    });
    take("t", (text) => number(text, 0, 2) !== null && ((state.temperature = number(text, 0, 2)), true));
    take("a", (text) => (state.a = unpack(text, latent)));
    take("b", (text) => (state.b = state.a && unpack(text, latent)));
    take("morph", (text) => number(text, 0, 1) !== null && ((state.morph = number(text, 0, 1)), true));
    take("move", (text) => {
        const moves = text.split(",").map((part) => part.split(":"));
        for (const [at, value] of moves) {
            const [axis, moved] = [number(at, 0, axes - 1), number(value ?? "", -1000, 1000)];
            if (!Number.isInteger(axis) || moved === null) return false;
            state.moves.set(axis, moved);
        }
        return true;
    });
    return { state, hasForeignPart };
}
