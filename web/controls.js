// The page's controls: reading and showing values, without any decisions.

const element = (id) => document.getElementById(id);

export const page = Object.fromEntries(
    [
        "title", "asleep", "pictures", "figure-a", "figure-b", "original-a", "original-b", "picture", "caption",
        "caption-a", "status", "spoken", "problem", "save", "copy", "new", "seed", "from", "from-field", "label",
        "label-field", "temperature", "temperature-value", "photo-a", "photo-b", "second", "remove",
        "morph", "morph-field", "morph-value", "axes", "axes-title", "axes-help", "reset", "facts", "drop",
    ].map((id) => [id, element(id)]),
);

/** Shows a sentence below the picture; screen readers announce it too. */
export function say(text) {
    page.status.textContent = text;
}

/** Announces a sentence to screen readers only, for information that is visible elsewhere. */
export function speak(text) {
    page.spoken.textContent = text;
}

/** Shows an error until the next successful action; null hides it. */
export function complain(text) {
    page.problem.textContent = text ?? "";
    page.problem.hidden = !text;
}

export function enable(on) {
    for (const fieldset of document.querySelectorAll("fieldset")) fieldset.disabled = !on;
    for (const name of ["save", "copy"]) page[name].disabled = !on;
}

/** Draws RGBA bytes of `size` x `size` pixels. */
export function paint(canvas, bytes, size) {
    if (canvas.width !== size || canvas.height !== size) [canvas.width, canvas.height] = [size, size];
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(bytes), size, size), 0, 0);
}

const percent = (share) => `${(100 * share).toFixed(share < 0.095 ? 1 : 0)} %`;

function axisName({ dimension, kl, share }, at) {
    if (dimension === undefined) return [`Direction ${at + 1}`, percent(share)];
    return [`Dimension ${dimension}`, kl === undefined ? "" : `KL ${kl.toFixed(2)}`];
}

/** Leaves the priors that the page has. */
export function buildPriors(priors) {
    for (const option of [...page.from.options]) if (!priors.includes(option.value)) option.remove();
    page["from-field"].hidden = priors.length < 2;
}

/** One slider for each axis; `moved(at, value)` is called for each user input. */
export function buildAxes({ kind, list }, moved) {
    const principal = kind === "principal";
    page["axes-title"].textContent = principal ? "Principal directions" : "Latent dimensions";
    page["axes-help"].textContent =
        principal ?
            "The directions in which the latents of real pictures vary most, with their shares of the variance; " +
            "values in standard deviations."
        : list[0]?.kl === undefined ? "The first dimensions; values in standard deviations of N(0, I)."
        : "The dimensions that the model uses most, with their divergence in nats; values in standard deviations " +
          "of N(0, I).";
    const sliders = list.map((axis, at) => {
        const [name, detail] = axisName(axis, at);
        const row = document.createElement("div");
        row.className = "slider";
        const [label, output, input] = ["label", "output", "input"].map((tag) => document.createElement(tag));
        Object.assign(input, { type: "range", id: `axis-${at}`, min: -3, max: 3, step: 0.01, value: 0 });
        label.htmlFor = output.htmlFor = input.id;
        label.append(name);
        if (detail) label.append(" ", Object.assign(document.createElement("small"), { textContent: detail }));
        input.addEventListener("input", () => moved(at, Number(input.value)));
        row.append(label, output, input);
        return { row, input, output };
    });
    page.axes.replaceChildren(...sliders.map(({ row }) => row));
    return (values) => values.forEach((value, at) => showAxis(sliders[at], value));
}

function showAxis({ input, output }, value) {
    const reach = Math.max(3, Math.ceil(Math.abs(value)));
    if (reach > Number(input.max)) Object.assign(input, { min: -reach, max: reach });
    if (document.activeElement !== input || Math.abs(Number(input.value) - value) > 0.01) input.value = value;
    const text = `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;
    output.textContent = text;
    input.setAttribute("aria-valuetext", `${text} standard deviations`);
}

/** Offers the classes of the chosen prior. */
function showClasses(label, classes) {
    const [any, ...shown] = page.label.options;
    if (shown.length !== classes.length || shown.some((option, at) => option.text !== classes[at])) {
        page.label.replaceChildren(any, ...classes.map((name, at) => new Option(name, at)));
    }
    page["label-field"].hidden = classes.length < 2;
    page.label.value = label ?? "";
}

/** Shows the parts of the state that have controls; `classes` are the prior's. */
export function show(state, { originals }, classes) {
    const { a, b } = state;
    page.pictures.className = a && originals.a ? (b && originals.b ? "two" : "one") : "";
    page["figure-a"].hidden = !(a && originals.a);
    page["figure-b"].hidden = !(a && b && originals.b);
    page["caption-a"].textContent = b ? "First" : "Original";
    page.second.hidden = !a;
    page.remove.hidden = !a;
    page["morph-field"].hidden = !b;
    page.morph.value = state.morph;
    page["morph-value"].textContent = `${Math.round(100 * state.morph)} %`;
    page.morph.setAttribute("aria-valuetext", page["morph-value"].textContent);
    if (document.activeElement !== page.seed) page.seed.value = state.seed;
    page.from.value = state.from;
    showClasses(state.label, classes);
    page.temperature.value = state.temperature;
    page["temperature-value"].textContent = state.temperature.toFixed(2);
    page.reset.disabled = state.moves.size === 0;
}

/** A short description of the main picture; `classes` are the prior's. */
export function describe({ a, b, seed, label, morph, moves }, classes) {
    const what =
        b ? `Morph at ${Math.round(100 * morph)} %`
        : a ? "Reconstruction"
        : label !== null ? `Sample of ${classes[label]}, seed ${seed}`
        : `Sample of seed ${seed}`;
    return moves.size > 0 ? `${what}, moved along ${moves.size} slider${moves.size > 1 ? "s" : ""}` : what;
}

/** What the model is, and what computes it. */
export function showFacts(manifest, adapter) {
    const { model, latents, parameters, flow, precision, rounding, generator, files } = manifest;
    const named = ["model.safetensors", "flow.safetensors"].filter((name) => files[name]);
    const bytes = named.reduce((sum, name) => sum + files[name].bytes, 0);
    const count = (number) => number.toLocaleString("en");
    const guidance = flow?.guidance ? `, guidance ${flow.guidance}` : "";
    const sampler = flow ? ` and a flow of ${count(flow.parameters)} (${flow.steps} steps${guidance})` : "";
    const bits =
        precision === "f16" ?
            `16 bits each (${rounding.samples} of 255 levels from 32 bits at most, by ${rounding.seeds.length} samples)`
        :   "32 bits each";
    page.facts.textContent =
        `${model.size} x ${model.size} pixels, ${latents} latent dimensions, ` +
        `${count(parameters)} parameters${sampler} of ${bits}, ${(bytes / 1e6).toFixed(1)} MB. ` +
        `Computed on ${adapter}. Exported by ${generator}; model and shaders are held to their SHA-256.`;
}

/** Saves the main picture under a name like `title`. */
export function savePicture(title) {
    page.picture.toBlob((blob) => {
        const address = URL.createObjectURL(blob);
        const name = title.replace(/[^\p{L}\p{N}]+/gu, "-");
        Object.assign(document.createElement("a"), { href: address, download: `${name}.png` }).click();
        setTimeout(() => URL.revokeObjectURL(address), 60_000);
        say(`Saved as ${name}.png`);
    }, "image/png");
}

/** Copies the address with this fragment. */
export async function copyLink(fragment) {
    history.replaceState(null, "", fragment);
    try {
        await navigator.clipboard.writeText(location.href);
        say("The link is copied: everyone who opens it sees this picture.");
    } catch {
        say("The browser does not let the page copy: the address bar holds the link.");
    }
}

/** Calls `take` with the files that a visitor drops anywhere. */
export function listenToDrops(take) {
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
