// The page's main module: user actions change a state, and the newest state is drawn. Start here.

import {
    buildAxes, buildPriors, complain, copyLink, describe, enable, listenToDrops, page, paint, savePicture, say, show,
    showFacts, speak,
} from "./controls.js";
import { PageError, readJson, readManifest, readTensors, readText } from "./files.js";
import { Axes, between } from "./latents.js";
import * as link from "./link.js";
import * as photograph from "./photograph.js";
import { openDevice, Replay } from "./replay.js";
import { classesOf, priorsOf, runOf, Samples } from "./samples.js";

/** Maximum number of consecutive device losses before the page gives up. */
const MOST_LOSSES = 3;

/** All loaded data and the shown state, for tests and debugging: `(await import("./app.js")).app`. */
export const app = {
    manifest: null,
    plan: null,
    kernels: {},
    /** promise of the parameters: kernels are compiled meanwhile */
    parameters: null,
    samples: null,
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
let wanted = false;
let drawing = null;
let lossesInARow = 0;
let photoQueue = Promise.resolve();

const latent = () => app.manifest.latents;
const classes = () => classesOf(app.manifest, app.state.from);
const size = () => app.manifest.model.size;
const fragment = () => link.format(app.state, classes());

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

/** The means among the encoder's outputs: of each cell its means, then its log-variances. */
function means(bytes) {
    const heads = new Float32Array(bytes);
    const cell = heads.length / 2 / app.manifest.cells;
    const mu = heads.filter((_, at) => at % (2 * cell) < cell);
    return mu.slice(0, latent());
}

/** The latents before any slider movement, and their pixels if already computed. */
async function start(state) {
    const { a, b, morph } = state;
    if (a) return { z: b ? between(a, b, morph) : a };
    return app.samples.draw(app.replay, state);
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
    const text = describe(state, classes());
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
    show(app.state, app, classes());
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
    remembering = setTimeout(() => history.replaceState(null, "", fragment()), 200);
}

function change(values) {
    complain(null);
    Object.assign(app.state, values);
    return update();
}

/** Opens a device and uploads the model; `run` is compiled before it returns. */
async function open(run) {
    const { device, adapter } = await openDevice(app.plan);
    const replay = new Replay(device, app.plan, app.kernels);
    replay.lost = device.lost.then((info) => {
        replay.gone = true;
        if (app.replay === replay) return recover(info);
    });
    device.addEventListener("uncapturederror", ({ error }) => fail(new PageError(`The graphics driver says: ${error.message}`)));
    if (app.firstPicture === null) say("Compiling the kernels");
    // not in the status, which screen readers announce
    replay.compiling = (done, all) => (page.caption.textContent = `Compiling, ${done} of ${all} dispatches ready`);
    const compiled = replay.prepare(run, replay.compiling);
    const loaded = app.parameters.then((parameters) => replay.load(parameters));
    await Promise.all([compiled, loaded]);
    app.replay = replay;
    showFacts(app.manifest, adapter);
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
        await open("decode");
        app.samples.forget();
        await update();
        say("The graphics device was lost, and is back.");
    } catch (error) {
        fail(error);
    }
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
            const pixels = await photograph.read(file, size(), app.manifest.resize, app.manifest.colour);
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
    page.from.addEventListener("change", () => {
        const from = page.from.value;
        // a class of the same name stays chosen
        const label = classesOf(app.manifest, from).indexOf(classes()[app.state.label]);
        sampled({ from, label: label < 0 ? null : label });
    });
    page.label.addEventListener("change", () => {
        sampled({ label: page.label.value === "" ? null : Number(page.label.value) });
    });
    page.temperature.addEventListener("input", () => sampled({ temperature: Number(page.temperature.value) }));
    page.morph.addEventListener("input", () => change({ morph: Number(page.morph.value), moves: new Map() }));
    page.reset.addEventListener("click", () => change({ moves: new Map() }));
    page.remove.addEventListener("click", backToSamples);
    page.save.addEventListener("click", () => savePicture(`${app.manifest.title} ${describe(app.state, classes())}`));
    page.copy.addEventListener("click", () => copyLink(fragment()));
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
    listenToDrops(take);
}

function readLink() {
    const { manifest, axes } = app;
    const { state, hasForeignPart } = link.parse(location.hash, {
        priors: priorsOf(manifest),
        classesOf: (from) => classesOf(manifest, from),
        latent: latent(),
        axes: axes.list.length,
    });
    app.state = state;
    complain(hasForeignPart ? "A part of this link is not for this model, and was left out." : null);
}

async function load() {
    const manifest = (app.manifest = await readManifest());
    page.title.textContent = manifest.title;
    document.title = `${manifest.title} – wgvae`;
    const shaders = Object.keys(manifest.files).filter((name) => name.endsWith(".wgsl"));
    const tensors = ["model.safetensors", ...(manifest.flow ? ["flow.safetensors"] : [])];
    const read = tensors.map((name) => readTensors(manifest, name));
    app.parameters = Promise.all(read).then((all) => Object.assign({}, ...all));
    app.parameters.catch(() => {}); // reported by open
    const [plan] = await Promise.all([
        readJson(manifest, "plan.json"),
        ...shaders.map(async (name) => (app.kernels[name] = await readText(manifest, name))),
    ]);
    Object.assign(app, { plan, samples: new Samples(manifest, plan), axes: new Axes(manifest.axes) });
    buildPriors(priorsOf(manifest));
}

async function main() {
    page.asleep.remove();
    // not in the page, which would say both that nothing has started and that it loads
    page.status.textContent = "Loading the model";
    page.caption.textContent = "Starting";
    try {
        await load();
        showAxes = buildAxes(app.manifest.axes, (at, value) => {
            change({ moves: new Map(app.state.moves).set(at, value) });
        });
        readLink();
        const { a, from } = app.state;
        // the first picture waits for no other kernels and no other prior
        await Promise.all([open(a ? "decode" : runOf(from)), !a && from === "fitted" && app.samples.loadFitted()]);
        await update();
        listen();
        enable(true);
        const runs = Object.keys(app.plan.runs).map((run) => app.replay.prepare(run));
        await Promise.all([app.samples.loadFitted(), ...runs]);
    } catch (error) {
        fail(error);
    }
}

/** Resolves when the page is ready; tests wait for it. */
export const ready = main();
