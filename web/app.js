// The page's main module: user actions change a state, and the newest state is drawn. Start here.

import { buildAxes, complain, describe, enable, page, paint, say, show, speak } from "./controls.js";
import { PageError, readJson, readManifest, readTensors, readText } from "./files.js";
import { Axes, between } from "./latents.js";
import * as link from "./link.js";
import * as photograph from "./photograph.js";
import { draw as drawPrior } from "./prior.js";
import { openDevice, Replay } from "./replay.js";

/** Maximum number of consecutive device losses before the page gives up. */
const MOST_LOSSES = 3;

/** All loaded data and the shown state, for tests and debugging: `(await import("./app.js")).app`. */
export const app = {
    manifest: null,
    plan: null,
    kernels: {},
    parameters: null,
    prior: null,
    axes: null,
    replay: null,
    state: null,
    originals: { a: null, b: null },
    /** latents of the shown picture */
    z: null,
    /** time from opening the page to its first picture, in milliseconds */
    firstPicture: null,
    /** number of drawn pictures, and of device losses */
    drawn: 0,
    losses: 0,
};

let showAxes = () => {};
let base = { key: null, z: null };
let wanted = false;
let drawing = null;
let lossesInARow = 0;
let photoQueue = Promise.resolve();

const latent = () => app.manifest.latents;
const size = () => app.manifest.model.size;

function fail(error) {
    if (!(error instanceof PageError)) console.error(error);
    complain(error instanceof PageError ? error.message : `Something unforeseen happened: ${error.message}`);
    say("");
}

/** `z` padded with zeros to the size of the plan's tensor. */
function padded(z) {
    const all = new Float32Array(app.plan.tensors.z.bytes / 4);
    all.set(z);
    return all;
}

const latents = (bytes) => new Float32Array(bytes).slice(0, latent());

/** The means among the encoder's outputs: of each cell its means, then its log-variances. */
function means(bytes) {
    const heads = new Float32Array(bytes);
    const cell = heads.length / 2 / app.manifest.cells;
    const mu = heads.filter((_, at) => at % (2 * cell) < cell);
    return mu.slice(0, latent());
}

/** Latents and pixels of a sample, drawn by the plan's kernels. */
async function sample({ seed, temperature }) {
    const step = { seed_lo: Number(seed & 0xffffffffn), seed_hi: Number(seed >> 32n), noise_std: temperature };
    const { z, output_rgba } = await app.replay.run("sample", { step, outputs: ["z", "output_rgba"] });
    return { z: latents(z), rgba: output_rgba };
}

/** The latents before any slider movement, and their pixels if already computed. */
async function start(state) {
    const { seed, from, temperature, a, b, morph } = state;
    if (a) return { z: b ? between(a, b, morph) : a };
    const key = `${seed} ${from} ${temperature}`;
    if (from === "fitted") return { z: drawPrior(app.prior, seed, temperature) };
    if (base.key === key && state.moves.size > 0) return { z: base.z };
    const drawn = await sample(state);
    base = { key, z: drawn.z };
    return drawn;
}

async function draw() {
    const { state, replay } = app;
    const began = performance.now();
    let { z, rgba } = await start(state);
    if (state.moves.size > 0) z = app.axes.moved(z, state.moves);
    if (!rgba || state.moves.size > 0) {
        ({ output_rgba: rgba } = await replay.run("decode", { inputs: { z: padded(z) }, outputs: ["output_rgba"] }));
    }
    const took = performance.now() - began;
    if (replay !== app.replay) return; // the result of a lost device
    paint(page.picture, rgba, size());
    app.z = z;
    showAxes(app.axes.list.map((_, at) => app.axes.coordinate(z, at)));
    const text = describe(state);
    page.picture.setAttribute("aria-label", text);
    page.caption.textContent = `${text}, ${took < 10 ? took.toFixed(1) : Math.round(took)} ms`;
    say(app.firstPicture === null ? firstWords() : "");
    if (state.moves.size === 0) speak(text); // sliders have their own announcements
    app.firstPicture ??= performance.now();
    app.drawn++;
    lossesInARow = 0;
    remember();
}

const firstWords = () => `First picture ${(performance.now() / 1000).toFixed(1)} s after the page was opened.`;

/** Draws the current state, and again if it changed meanwhile; intermediate states are skipped. */
export function update() {
    show(app.state, app);
    wanted = true;
    drawing ??= (async () => {
        try {
            while (wanted) {
                wanted = false;
                await draw();
            }
        } catch (error) {
            // a lost device is handled separately
            const { replay } = app;
            await Promise.race([replay.lost, new Promise((resolve) => setTimeout(resolve, 300))]);
            if (!replay.gone) fail(error);
        } finally {
            drawing = null;
        }
    })();
    return drawing;
}

let remembering = 0;
/** Writes the state to the address, debounced: browsers limit the number of history updates. */
function remember() {
    clearTimeout(remembering);
    remembering = setTimeout(() => history.replaceState(null, "", link.format(app.state)), 200);
}

function change(values) {
    complain(null);
    Object.assign(app.state, values);
    return update();
}

/** Opens a device and uploads the model; `runs` are compiled before it returns. */
async function open(runs) {
    const { device, adapter } = await openDevice(app.plan);
    const replay = new Replay(device, app.plan, app.kernels);
    replay.lost = device.lost.then((info) => {
        replay.gone = true;
        if (app.replay === replay) return recover(info);
    });
    device.addEventListener("uncapturederror", ({ error }) => fail(new PageError(`The graphics driver says: ${error.message}`)));
    replay.load(app.parameters);
    await Promise.all(runs.map((run) => replay.prepare(run)));
    app.replay = replay;
    facts(adapter);
}

async function recover({ message }) {
    app.losses++;
    lossesInARow++;
    const why = message ? ` (${message})` : "";
    if (lossesInARow > MOST_LOSSES) {
        enable(false);
        fail(new PageError(`The graphics device was lost again and again${why}. Reload the page to try once more.`));
        return;
    }
    say("The graphics device was lost; starting it again.");
    try {
        await drawing;
        await open(["decode"]);
        base = { key: null, z: null };
        await update();
        say("The graphics device was lost, and is back.");
    } catch (error) {
        fail(error);
    }
}

function facts(adapter) {
    const { manifest } = app;
    const { model, parameters, precision, rounding, generator } = manifest;
    const bytes = manifest.files["model.safetensors"].bytes;
    const bits =
        precision === "f16" ?
            `16 bits each (${rounding.samples} of 255 levels from 32 bits at most, by ${rounding.seeds.length} samples)`
        :   "32 bits each";
    page.facts.textContent =
        `${model.size} x ${model.size} pixels, ${latent()} latent dimensions, ` +
        `${parameters.toLocaleString("en")} parameters of ${bits}, ${(bytes / 1e6).toFixed(1)} MB. ` +
        `Computed on ${adapter}. Exported by ${generator}; model and shaders are held to their SHA-256.`;
}

/** Queues chosen or dropped photographs; without `place` they fill the first empty slot, then the second. */
function take(files, place) {
    photoQueue = photoQueue.then(() => encodePhoto([...files], place));
    return photoQueue;
}

async function encodePhoto(files, place) {
    complain(null);
    const two = files.length > 1;
    for (const [at, file] of [...files].slice(0, 2).entries()) {
        const slot = place ?? (two ? "ab"[at] : app.state.a ? "b" : "a");
        try {
            say(`Reading ${file.name}`);
            const pixels = await photograph.read(file, size(), app.manifest.resize);
            const outputs = ["heads"];
            const { heads } = await app.replay.run("encode", { inputs: { rgba: pixels }, outputs });
            app.originals[slot] = pixels;
            paint(page[`original-${slot}`], pixels, size());
            Object.assign(app.state, { [slot]: means(heads), moves: new Map() });
            if (slot === "b" || two) app.state.morph = 0.5;
            await update();
        } catch (error) {
            fail(error);
            return;
        }
    }
}

function backToSamples() {
    app.originals = { a: null, b: null };
    return change({ a: null, b: null, morph: 0, moves: new Map() });
}

function savePicture() {
    page.picture.toBlob((blob) => {
        const address = URL.createObjectURL(blob);
        const name = `${app.manifest.title} ${describe(app.state)}`.replace(/[^\p{L}\p{N}]+/gu, "-");
        Object.assign(document.createElement("a"), { href: address, download: `${name}.png` }).click();
        setTimeout(() => URL.revokeObjectURL(address), 60_000);
        say(`Saved as ${name}.png`);
    }, "image/png");
}

async function copyLink() {
    history.replaceState(null, "", link.format(app.state));
    try {
        await navigator.clipboard.writeText(location.href);
        say("The link is copied: everyone who opens it sees this picture.");
    } catch {
        say("The browser does not let the page copy: the address bar holds the link.");
    }
}

function listen() {
    const sampled = (values) => {
        app.originals = { a: null, b: null };
        return change({ a: null, b: null, morph: 0, moves: new Map(), ...values });
    };
    page.new.addEventListener("click", () => {
        const seed = BigInt(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000);
        page.seed.value = seed;
        sampled({ seed });
    });
    page.seed.addEventListener("change", () => {
        const seed = link.seedOf(page.seed.value);
        if (seed === null) complain("A seed is a whole number from 0 to 18446744073709551615.");
        else sampled({ seed });
    });
    page.from.addEventListener("change", () => sampled({ from: page.from.value }));
    page.temperature.addEventListener("input", () => sampled({ temperature: Number(page.temperature.value) }));
    page.morph.addEventListener("input", () => change({ morph: Number(page.morph.value), moves: new Map() }));
    page.reset.addEventListener("click", () => change({ moves: new Map() }));
    page.remove.addEventListener("click", backToSamples);
    page.save.addEventListener("click", savePicture);
    page.copy.addEventListener("click", copyLink);
    for (const slot of ["a", "b"]) {
        const input = page[`photo-${slot}`];
        input.addEventListener("change", async () => {
            const files = [...input.files];
            input.value = ""; // allows choosing one file twice
            if (files.length > 0) await take(files, slot);
        });
    }
    window.addEventListener("hashchange", () => {
        app.originals = { a: null, b: null };
        readLink();
        update();
    });
    listenToDrops();
}

function listenToDrops() {
    const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const over = (event, on) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        page.drop.hidden = !on;
    };
    window.addEventListener("dragenter", (event) => over(event, true));
    window.addEventListener("dragover", (event) => over(event, true));
    window.addEventListener("dragleave", (event) => event.relatedTarget === null && over(event, false));
    window.addEventListener("drop", (event) => {
        over(event, false);
        if (event.dataTransfer?.files.length > 0) take(event.dataTransfer.files);
    });
}

function readLink() {
    const about = { prior: app.prior !== null, latent: latent(), axes: app.axes.list.length };
    const { state, hasForeignPart } = link.parse(location.hash, about);
    app.state = state;
    complain(hasForeignPart ? "A part of this link is not for this model, and was left out." : null);
}

async function load() {
    const manifest = (app.manifest = await readManifest());
    page.title.textContent = manifest.title;
    document.title = `${manifest.title} – wgvae`;
    const shaders = Object.keys(manifest.files).filter((name) => name.endsWith(".wgsl"));
    const [plan, parameters, prior] = await Promise.all([
        readJson(manifest, "plan.json"),
        readTensors(manifest, "model.safetensors"),
        manifest.prior && readTensors(manifest, "prior.safetensors"),
        ...shaders.map(async (name) => (app.kernels[name] = await readText(manifest, name))),
    ]);
    Object.assign(app, { plan, parameters, prior, axes: new Axes(manifest.axes) });
    page["from-field"].hidden = !prior;
}

async function main() {
    page.asleep.remove();
    try {
        await load();
        showAxes = buildAxes(app.manifest.axes, (at, value) => {
            change({ moves: new Map(app.state.moves).set(at, value) });
        });
        readLink();
        await open([app.state.a || app.state.from === "fitted" ? "decode" : "sample"]);
        await update();
        listen();
        enable(true);
        await Promise.all(["encode", "sample", "decode"].map((run) => app.replay.prepare(run)));
    } catch (error) {
        fail(error);
    }
}

/** Resolves when the page is ready; tests wait for it. */
export const ready = main();
