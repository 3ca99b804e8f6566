// Samples and reconstructions of a run, with a slider over its epochs.

import { make } from "./format.js";
import { exported } from "./store.js";

const NAMES = { sample: "Samples", reconstruction: "Reconstructions: pictures above, what the model makes of them below" };

/** Epochs of which the page can show a picture. */
function epochsOf(run) {
    const kinds = Object.entries(run.files.pictures);
    const there = ([kind, epochs]) =>
        exported ? epochs.filter((epoch) => exported.pictures[`${run.id} ${kind} ${epoch}`]) : epochs;
    return [...new Set(kinds.flatMap(there))].sort((a, b) => a - b);
}

const address = (run, kind, epoch) =>
    exported ? exported.pictures[`${run.id} ${kind} ${epoch}`] : `picture?run=${run.id}&kind=${kind}&epoch=${epoch}`;

/** The pictures of a run, and the epoch that its slider is at. */
export class Pictures {
    constructor(page, moved) {
        Object.assign(this, { page, run: null, epochs: [], epoch: null });
        page.epoch.addEventListener("input", () => {
            this.epoch = this.epochs[Number(page.epoch.value)];
            this.show();
            moved(this.epoch);
        });
    }

    /** Takes a run, or what is new of it. A slider at the last epoch stays at the last one. */
    take(run) {
        const { page } = this;
        const last = this.epochs.at(-1);
        const follows = this.run?.id !== run.id || this.epoch === last;
        [this.run, this.epochs] = [run, epochsOf(run)];
        if (follows || !this.epochs.includes(this.epoch)) this.epoch = this.epochs.at(-1) ?? null;
        page.epoch.max = String(Math.max(0, this.epochs.length - 1));
        page.epoch.value = String(Math.max(0, this.epochs.indexOf(this.epoch)));
        page.epochField.hidden = this.epochs.length === 0;
        page.noPictures.hidden = this.epochs.length > 0;
        this.show();
    }

    show() {
        const { page, run, epoch } = this;
        page.epochValue.textContent = epoch === null ? "" : `${epoch} of ${run.begun.epochs ?? this.epochs.at(-1)}`;
        page.epoch.setAttribute("aria-valuetext", epoch === null ? "none" : `epoch ${epoch}`);
        for (const [kind, name] of Object.entries(NAMES)) {
            const url = epoch !== null && run.files.pictures[kind]?.includes(epoch) && address(run, kind, epoch);
            let figure = document.getElementById(`figure-${kind}`);
            if (!figure) {
                const image = make("img", { decoding: "async" });
                image.addEventListener("error", () => (figure.dataset.failed = "yes"));
                image.addEventListener("load", () => {
                    delete figure.dataset.failed;
                    // the pixels of a small picture are shown as they are
                    image.classList.toggle("small", image.naturalWidth < image.clientWidth);
                });
                const caption = make("figcaption", {}, name, make("span", { className: "failed", textContent: " (cannot be shown)" }));
                figure = make("figure", { id: `figure-${kind}` }, image, caption);
                page.pictures.append(figure);
            }
            figure.hidden = !url;
            const image = figure.querySelector("img");
            // the old picture stays until the new one is there
            if (url && image.getAttribute("src") !== url) image.src = url;
            image.alt = `${NAMES[kind].split(":")[0]} of ${run.name} after epoch ${epoch}`;
        }
    }
}
