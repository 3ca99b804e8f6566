// Samples: the latents of a seed under the chosen prior, with their pixels where the plan's kernels compute both.

import { readTensors } from "./files.js";
import { draw } from "./prior.js";

/** The label of a picture without a class. */
const NO_CLASS = 0xffffffff;

/** The priors of a page, the one that it starts with first. */
export const priorsOf = ({ flow, prior }) => [flow && "flow", prior && "fitted", "normal"].filter(Boolean);

/** The names of a prior's classes, in the order of their labels. */
export const classesOf = ({ flow, prior_classes }, from) => ({ flow: flow?.classes, fitted: prior_classes })[from] ?? [];

/** The run that draws from a prior; points of the fitted prior are drawn without the device. */
export const runOf = (from) => ({ flow: "flow", normal: "sample" })[from] ?? "decode";

export class Samples {
    constructor(manifest, plan) {
        this.manifest = manifest;
        this.plan = plan;
        this.fitted = null;
        this.last = { key: null, z: null };
    }

    /** Loads the fitted prior, if there is one and it has not been loaded. */
    async loadFitted() {
        if (this.manifest.prior) this.fitted ??= await readTensors(this.manifest, "prior.safetensors");
    }

    /** Forgets the last sample: another device draws others. */
    forget() {
        this.last = { key: null, z: null };
    }

    /** The latents of a state's sample, and their pixels if they were computed with them. */
    async draw(replay, { seed, from, label, temperature }) {
        if (from === "fitted") {
            await this.loadFitted();
            return { z: draw(this.fitted, seed, temperature, label) };
        }
        const key = [seed, from, label, temperature].join();
        if (this.last.key === key) return { z: this.last.z };
        const step = { seed_lo: Number(seed & 0xffffffffn), seed_hi: Number(seed >> 32n), noise_std: temperature };
        const inputs = from === "flow" ? { flow_labels: this.labels(label, seed) } : {};
        const outputs = ["z", "output_rgba"];
        const { z, output_rgba } = await replay.run(runOf(from), { step, inputs, outputs });
        this.last = { key, z: new Float32Array(z).slice(0, this.manifest.latents) };
        return { z: this.last.z, rgba: output_rgba };
    }

    /** The class of the picture, by its seed in turn if none is chosen; with guidance, the network's second row has none. */
    labels(label, seed) {
        const classes = BigInt(this.manifest.flow.classes.length);
        const inTurn = classes > 0n ? Number(seed % classes) : NO_CLASS;
        const labels = new Uint32Array(this.plan.tensors.flow_labels.bytes / 4).fill(NO_CLASS);
        labels[0] = label ?? inTurn;
        return labels;
    }
}
