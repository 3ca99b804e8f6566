// KL divergences of the latents after an epoch: a bar for each dimension, and a square for each cell of a grid.

import { figure, make, styled } from "./format.js";
import { exported, store } from "./store.js";

/** Nats below which a dimension carries almost no information. */
const UNUSED = 0.01;

const known = new Map();

/** The latents of all kept epochs of a run, asked for again if there are newer ones. */
export async function latentsOf(id) {
    if (exported) return exported.latents[id] ?? [];
    const newest = store.runs.get(id)?.latents ?? null;
    if (newest === null) return [];
    if (known.get(id)?.newest !== newest) {
        const response = await fetch(`latents?run=${id}`, { cache: "no-store" });
        if (!response.ok) return [];
        known.set(id, { newest, all: await response.json() });
    }
    return known.get(id).all;
}

function canvas(place, height, label) {
    const [width, ratio] = [place.clientWidth, devicePixelRatio || 1];
    const sheet = make("canvas", { width: width * ratio, height: height * ratio, role: "img", ariaLabel: label });
    sheet.style.width = `${width}px`;
    sheet.style.height = `${height}px`;
    const pen = sheet.getContext("2d");
    pen.scale(ratio, ratio);
    place.append(sheet);
    return { pen, width };
}

function bars(place, kl, label) {
    const height = 130;
    const { pen, width } = canvas(place, height, label);
    const most = Math.max(...kl, 1e-9);
    const each = width / kl.length;
    pen.fillStyle = styled("--line");
    pen.fillRect(0, height - 1, width, 1);
    for (const [at, value] of kl.entries()) {
        pen.fillStyle = styled(value < UNUSED ? "--bad" : "--accent");
        const tall = Math.max((value / most) * (height - 4), 1.5);
        pen.fillRect(at * each + (each > 3 ? 0.5 : 0), height - 1 - tall, Math.max(each - (each > 3 ? 1 : 0), 0.7), tall);
    }
}

function cells(place, kl, label) {
    const edge = Math.round(Math.sqrt(kl.length));
    const size = Math.min(place.clientWidth, 220);
    const { pen } = canvas(place, size, label);
    const [low, high] = [Math.min(...kl), Math.max(...kl)];
    const each = size / edge;
    pen.fillStyle = styled("--accent");
    for (const [at, value] of kl.entries()) {
        pen.globalAlpha = 0.08 + 0.92 * (high > low ? (value - low) / (high - low) : 1);
        const gap = each > 6 ? 1 : 0;
        pen.fillRect((at % edge) * each, Math.floor(at / edge) * each, each - gap, each - gap);
    }
}

/** Shows the latents of the kept epoch that is nearest to `epoch`. */
export async function showLatents(place, id, epoch) {
    const all = await latentsOf(id);
    const distance = (one) => Math.abs(one.epoch - epoch);
    const found = all.reduce((best, one) => (!best || distance(one) <= distance(best) ? one : best), null);
    if (!found) {
        const missing = exported ? "This page has no latents of this run." : "They are measured after each epoch.";
        place.replaceChildren(make("p", { className: "help", textContent: missing }));
        return;
    }
    const sum = found.kl.reduce((a, b) => a + b, 0);
    const unused = found.kl.filter((value) => value < UNUSED).length;
    const grid = found.cells.length > 0;
    const what = grid ? "channels" : "dimensions";
    const text =
        `Epoch ${found.epoch}: ${figure(sum)} nats per image, ${figure(Math.min(...found.kl))} to ` +
        `${figure(Math.max(...found.kl))} for each of ${found.kl.length} ${what}` +
        (unused > 0 ? `; ${unused} below ${UNUSED}.` : ".");
    place.replaceChildren(make("p", { className: "help", textContent: text }));
    bars(place, found.kl, `KL divergence of each of ${found.kl.length} ${what}. ${text}`);
    if (!grid) return;
    const [low, high] = [Math.min(...found.cells), Math.max(...found.cells)];
    const words = `Each cell of the grid, over all channels: ${figure(low)} (pale) to ${figure(high)} nats.`;
    place.append(make("p", { className: "help", textContent: words }));
    cells(place, found.cells, words);
}
