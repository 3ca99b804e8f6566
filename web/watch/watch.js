// The page's main module: asks for what is new, and shows it. Start here.

import { buildCharts, view } from "./charts.js";
import { bytes, counted, make } from "./format.js";
import { showLatents } from "./latents.js";
import { Pictures } from "./pictures.js";
import { ask, exported, merge, store, trains } from "./store.js";
import { describe, listRuns, listSettings, listTrainings, listValues } from "./tables.js";

/** Milliseconds between two questions, at least while something trains, while nothing does, and after a failure. */
const PAUSE = { live: 2000, idle: 5000, failed: 5000 };
/** Milliseconds between two drawings while runs are read. */
const READING = 700;
/** Largest share of its time that the page works: the training may run on the same processor. */
const SHARE = 1 / 250;

const byId = (id) => document.getElementById(id);
const page = {
    epoch: byId("epoch"), epochField: byId("epoch-field"), epochValue: byId("epoch-value"), pictures: byId("pictures"),
    noPictures: byId("no-pictures"), advice: byId("advice"), facts: byId("facts"), settings: byId("settings"),
    settingsHelp: byId("settings-help"), differing: byId("differing"),
};

/** What is chosen, for tests too. */
export const state = { hidden: new Set(), focus: null, chosen: false, failed: false, drawn: 0, firstCurves: null };

const drawCharts = buildCharts(byId("charts"), byId("whole"));
const pictures = new Pictures(page, (epoch) => latents(epoch));
const shownRuns = () => [...store.runs.values()].filter((run) => !state.hidden.has(run.id));

/** The choice as the fragment of the address, which no server sees. */
function remember() {
    const parts = [];
    if (state.hidden.size > 0) parts.push(`hide=${[...state.hidden].join(",")}`);
    if (state.chosen) parts.push(`run=${state.focus}`);
    if (view.epochs) parts.push("against=epochs");
    if (view.log) parts.push("log=1");
    if (!view.smooth) parts.push("smooth=0");
    history.replaceState(null, "", parts.length > 0 ? `#${parts.join("&")}` : "#");
}

function recall() {
    const parts = new URLSearchParams(location.hash.slice(1));
    state.hidden = new Set((parts.get("hide") ?? "").split(",").filter(Boolean));
    state.focus = parts.get("run");
    state.chosen = state.focus !== null;
    view.epochs = parts.get("against") === "epochs";
    view.log = parts.get("log") === "1";
    view.smooth = parts.get("smooth") !== "0";
    byId("axis").value = view.epochs ? "epochs" : "steps";
    byId("log").checked = view.log;
    byId("smooth").checked = view.smooth;
}

/** The run whose details are shown: the chosen one, else the one that trains, else the newest. */
function focused() {
    const runs = [...store.runs.values()];
    const chosen = state.chosen && store.runs.get(state.focus);
    const newest = (a, b) => ((b.begun.time ?? 0) > (a.begun.time ?? 0) ? b : a);
    const run = chosen || (runs.filter(trains)[0] ?? (runs.length > 0 ? runs.reduce(newest) : null));
    state.focus = run?.id ?? (state.chosen ? state.focus : null);
    return run;
}

function latents(epoch) {
    const id = state.focus;
    showLatents(byId("kl"), id, epoch ?? store.runs.get(id)?.latents ?? 0).catch(() => {});
}

function summarize() {
    const live = [...store.runs.values()].filter(trains).length;
    const runs = store.runs.size === 0 ? "no runs yet" : counted(store.runs.size, "run");
    const parts = [
        store.folder, runs, live > 0 ? counted(live, "training") : "", store.more ? "still reading" : "",
        store.free ? `${bytes(store.free)} free on the disk` : "", exported ? "exported" : "",
    ];
    const text = parts.filter(Boolean).join(" · ");
    if (byId("summary").textContent !== text) byId("summary").textContent = text;
    const deleted = store.deleted.map((name) => `${name} was deleted`);
    const notes = [...store.notes, ...deleted, ...[...store.runs.values()].flatMap((run) => run.notes.map((note) => `${run.name}: ${note}`))];
    const list = byId("notes");
    list.hidden = notes.length === 0;
    if (list.dataset.key !== JSON.stringify(notes)) {
        list.dataset.key = JSON.stringify(notes);
        const rest = notes.length > 12 ? [make("li", { textContent: `and ${notes.length - 12} more` })] : [];
        list.replaceChildren(...notes.slice(0, 12).map((note) => make("li", { textContent: note })), ...rest);
    }
}

/** Runs that have changed, and were not shown yet. */
const waiting = new Set();
let shownAt = -Infinity;

/** Shows what has changed. While a lot is read, not every part of it is drawn. */
function showNew(changed) {
    changed.forEach((id) => waiting.add(id));
    if (store.more && performance.now() - shownAt < READING) return;
    show(new Set(waiting));
    waiting.clear();
    shownAt = performance.now();
}

/** Shows what depends on the choice and on `changed` runs; null: everything. */
function show(changed) {
    summarize();
    listTrainings(byId("live"), stop);
    const run = focused();
    listRuns(byId("runs"), { hidden: state.hidden, focus: run?.id, toggle, look });
    if (changed !== null && changed.size === 0) return;
    const shown = shownRuns();
    if (changed === null || [...changed].some((id) => !state.hidden.has(id))) drawCharts(shown);
    listValues(byId("values"), shown);
    listSettings(page, shown);
    byId("one").hidden = !run;
    if (run && (changed === null || changed.has(run.id) || pictures.run?.id !== run.id)) {
        chooseRun(run);
        pictures.take(run);
        describe(page, run);
        latents(pictures.epoch);
    }
    if (shown.length > 0) state.firstCurves ??= Math.round(performance.now());
    state.drawn++;
}

function chooseRun(run) {
    const runs = [...store.runs.values()];
    const key = JSON.stringify(runs.map(({ id, name }) => [id, name]));
    const list = byId("run");
    if (list.dataset.key !== key) {
        list.dataset.key = key;
        list.replaceChildren(...runs.map(({ id, name }) => make("option", { value: id, textContent: name })));
    }
    list.value = run.id;
}

function toggle(id, shown) {
    if (shown) state.hidden.delete(id);
    else state.hidden.add(id);
    remember();
    show(null);
}

function look(id) {
    [state.focus, state.chosen] = [id, true];
    remember();
    show(null);
    byId("one-title").scrollIntoView();
    byId("run").focus({ preventScroll: true });
}

function complain(text) {
    byId("problem").textContent = text;
    byId("problem").hidden = !text;
}

async function stop(id) {
    try {
        const response = await fetch(`stop?run=${id}`, { method: "POST" });
        complain(response.ok ? "" : await response.text());
    } catch {
        complain("The request to stop could not be sent: the program that serves this page has ended.");
    }
    turn();
}

let timer = null;

/** Asks, shows, and waits: longer if showing took long. */
async function turn() {
    clearTimeout(timer);
    let pause = PAUSE.idle;
    if (!document.hidden) {
        try {
            const changed = await ask();
            const asked = performance.now();
            if (state.failed) complain("");
            state.failed = false;
            showNew(changed);
            const worked = performance.now() - asked;
            const live = [...store.runs.values()].some(trains);
            pause = store.more ? 0 : Math.max(live ? PAUSE.live : PAUSE.idle, worked / SHARE);
        } catch (error) {
            if (!(error instanceof TypeError)) console.error(error);
            state.failed = true;
            complain("The program that serves this page has ended or does not answer. What is shown is what it said last; " +
                "wgvae watch serves the page of a finished training too.");
            pause = PAUSE.failed;
        }
    }
    clearTimeout(timer);
    timer = setTimeout(turn, pause);
}

function listen() {
    byId("all").addEventListener("click", () => {
        state.hidden.clear();
        remember();
        show(null);
    });
    byId("none").addEventListener("click", () => {
        state.hidden = new Set(store.runs.keys());
        remember();
        show(null);
    });
    byId("axis").addEventListener("change", (event) => {
        [view.epochs, view.zoom] = [event.target.value === "epochs", null];
        remember();
        show(null);
    });
    byId("log").addEventListener("change", (event) => {
        view.log = event.target.checked;
        remember();
        show(null);
    });
    byId("smooth").addEventListener("change", (event) => {
        view.smooth = event.target.checked;
        remember();
        show(null);
    });
    byId("run").addEventListener("change", (event) => {
        [state.focus, state.chosen] = [event.target.value, true];
        remember();
        show(null);
    });
    page.differing.addEventListener("change", () => listSettings(page, shownRuns()));
    document.addEventListener("visibilitychange", () => document.hidden || exported || turn());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(null));
}

async function main() {
    recall();
    listen();
    if (exported) {
        merge(exported.data);
        store.more = false;
        document.title = "wgvae report";
        byId("title").textContent = "wgvae report";
        show(null);
    } else {
        await turn();
    }
    byId("foot").textContent = `wgvae ${store.version}. Curves are drawn by uPlot 1.6.32, MIT licence.`;
}

/** Resolves when the page has shown its first answer; tests wait for it. */
export const ready = main();
