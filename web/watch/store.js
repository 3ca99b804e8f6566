// The runs: answers of the server, merged. In an exported page all of them are inside.

import { duration } from "./format.js";

/** Seconds without a line after which a training may have been ended. */
const SILENT = 120;

const inside = document.getElementById("inside");

/** The data of an exported page; null if there is a server. */
export const exported = inside && JSON.parse(inside.textContent);

export const store = {
    /** by id, in the order of their names */
    runs: new Map(),
    refresh: 0,
    folder: "",
    notes: [],
    /** names of runs that were deleted while they were watched */
    deleted: [],
    free: null,
    version: "",
    more: true,
};

/** Puts a part of curves behind what is there of them. */
function extended(curves, part) {
    const { first, width, from, count, ...values } = part;
    const each = width > 1 ? 2 : 1;
    const old = from > 0 && curves ? curves.values : {};
    const all = {};
    for (const name of new Set([...Object.keys(old), ...Object.keys(values)])) {
        const kept = (old[name] ?? []).slice(0, from * each);
        while (kept.length < from * each) kept.push(null);
        all[name] = kept.concat(values[name] ?? []);
    }
    return { first, width, count, values: all };
}

/** Positions of the points of curves. */
export function positions(curves) {
    const { first, width, count } = curves;
    if (width === 1) return Array.from({ length: count }, (_, at) => first + at);
    return Array.from({ length: 2 * count }, (_, at) => first + (at * width) / 2);
}

/** Takes an answer; returns the ids of runs that have changed, or are new or gone. */
export function merge(answer) {
    const changed = new Set(answer.gone);
    for (const id of answer.gone) {
        if (store.runs.has(id)) store.deleted.push(store.runs.get(id).name);
        store.runs.delete(id);
    }
    for (const { steps, epochs, ...about } of answer.runs) {
        changed.add(about.id);
        const run = store.runs.get(about.id) ?? { steps: null, epochs: null };
        Object.assign(run, about, { told: performance.now() - 1000 * (about.age ?? Infinity) });
        if (steps) run.steps = extended(run.steps, steps);
        if (epochs) run.epochs = extended(run.epochs, epochs);
        if (!store.runs.has(about.id)) {
            store.runs.set(about.id, run);
            const order = [...store.runs].sort(([, a], [, b]) => a.name.localeCompare(b.name, "en", { numeric: true }));
            store.runs = new Map(order);
        }
    }
    const { refresh, folder, notes, more, version, single } = answer;
    Object.assign(store, { refresh, folder, notes, more, version, single, free: answer.free_bytes });
    return changed;
}

/** Asks the server for what is new. */
export async function ask() {
    const response = await fetch(`data?since=${store.refresh}`, { cache: "no-store" });
    if (!response.ok) throw new Error(await response.text());
    return merge(await response.json());
}

const batch = (run) => Number(run.settings.find(([name]) => name === "batch-size")?.[1]) || null;

/** Seconds of a step. */
function pace(run) {
    const { figures } = run.last;
    const { steps_per_epoch: steps } = run.begun;
    if (figures.seconds && steps) return figures.seconds / steps;
    return batch(run) && figures.images_per_second ? batch(run) / figures.images_per_second : null;
}

/** Seconds since the last line. */
const silence = (run) => (performance.now() - run.told) / 1000;

export const trains = (run) => !exported && !run.ended && silence(run) < Math.max(SILENT, 20 * (pace(run) ?? 0));

const WORDS = { finished: "finished", early: "stopped early", stopped: "stopped", limited: "at its limit", diverged: "diverged" };

/** The state of a run in words. */
export function stateOf(run) {
    if (run.ended) return WORDS[run.ended] ?? run.ended;
    if (exported) return run.last.step ? "not finished" : "not begun";
    if (trains(run)) return run.stopping ? "stopping" : run.last.step ? "training" : "starting";
    return Number.isFinite(silence(run)) ? `silent for ${duration(silence(run))}` : "not begun";
}

/** Finished steps, steps in all, and seconds to the end; null where it is unknown. */
export function progress(run) {
    const { epochs, steps_per_epoch: each } = run.begun;
    if (!epochs || !each) return null;
    const ends = run.epochs?.values.step ?? [];
    const [last] = ends.slice(-1);
    const numbers = run.epochs ? positions(run.epochs) : [];
    const finished = numbers.length > 0 ? Math.min(run.epochs.first + run.epochs.count * run.epochs.width - 1, epochs) : 0;
    const within = Math.max(0, (run.last.step ?? 0) - (finished > 0 ? (last ?? 0) : 0));
    const all = epochs * each;
    const done = Math.min(all, finished * each + Math.min(within, each));
    const step = pace(run);
    return { done, all, left: step ? (all - done) * step : null };
}
