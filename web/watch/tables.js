// Texts of the page: the list of runs, trainings, last values, settings, advice and facts.

import { bytes, counted, duration, figure, make, whole } from "./format.js";
import { colour } from "./charts.js";
import { exported, progress, stateOf, store, trains } from "./store.js";

const FIGURES = [
    ["loss", "Loss"], ["nll", "Reconstruction"], ["kl", "KL"], ["mmd", "MMD"], ["validation_loss", "Validation"],
    ["train_loss", "Training"], ["lr", "Learning rate"], ["beta", "Beta"], ["images_per_second", "Images/s"],
    ["gradient_norm", "Gradient norm"], ["validation_bits_per_dim", "Bits/dim"], ["unused", "Unused dimensions"],
];

/** Runs in the table of settings at most. */
const MAX_COLUMNS = 12;

const swatch = (id) => {
    const mark = make("span", { className: "swatch", ariaHidden: "true" });
    mark.style.background = colour(id);
    return mark;
};

/** Replaces the children of an element if their text has changed, so that focus and selections stay. */
function renewed(element, key, children) {
    if (element.dataset.key === key) return;
    element.dataset.key = key;
    element.replaceChildren(...children());
}

/** The list of runs, each with a box to show it and a button for its details. */
export function listRuns(list, { hidden, focus, toggle, look }) {
    const there = new Set();
    for (const run of store.runs.values()) {
        there.add(`row-${run.id}`);
        let row = document.getElementById(`row-${run.id}`);
        if (!row) {
            const box = make("input", { type: "checkbox", id: `box-${run.id}` });
            box.addEventListener("change", () => toggle(run.id, box.checked));
            const name = make("label", { htmlFor: box.id, className: "name" });
            const look_ = make("button", { type: "button", className: "look", textContent: "Details" });
            look_.addEventListener("click", () => look(run.id));
            row = make("li", { id: `row-${run.id}` }, box, name, look_, make("p", { className: "help" }));
        }
        const [box, name, look_, help] = row.children;
        box.checked = !hidden.has(run.id);
        name.replaceChildren(swatch(run.id), run.name);
        look_.setAttribute("aria-label", `Details of ${run.name}`);
        if (focus === run.id) row.setAttribute("aria-current", "true");
        else row.removeAttribute("aria-current");
        const best = run.last.best ? `best ${figure(run.last.best[1])} in epoch ${run.last.best[0]}` : "";
        help.textContent = [stateOf(run), best, bytes(run.files.bytes)].filter(Boolean).join(" · ");
        list.append(row);
    }
    for (const row of [...list.children]) if (!there.has(row.id)) row.remove();
}

/** A box for each training: progress, time left, and the button that stops it. */
export function listTrainings(place, stop) {
    const live = [...store.runs.values()].filter(trains);
    place.hidden = live.length === 0;
    for (const box of [...place.children]) if (!live.some((run) => box.id === `live-${run.id}`)) box.remove();
    for (const run of live) {
        let box = document.getElementById(`live-${run.id}`);
        if (!box) {
            const [bar, words] = [make("progress"), make("p", { className: "words" })];
            box = make("div", { id: `live-${run.id}`, className: "card live" },
                make("h2", {}), bar, words, stopButton(run.id, stop));
            place.append(box);
        }
        const [title, bar, words, buttons] = box.children;
        title.replaceChildren(swatch(run.id), run.name);
        const { figures, epoch } = run.last;
        const far = progress(run);
        bar.hidden = !far;
        if (far) Object.assign(bar, { max: far.all, value: far.done, ariaLabel: `Progress of ${run.name}` });
        const left = far?.left && run.last.step ? `about ${duration(far.left)} left` : "";
        const memory = run.begun.device_bytes ? `${bytes(run.begun.device_bytes)} on the device` : "";
        const parts = [
            run.stopping ? "finishing the step, then a checkpoint" : "",
            epoch ? `epoch ${epoch} of ${run.begun.epochs ?? "–"}` : "compiling the kernels",
            far && run.last.step ? `step ${whole(far.done)} of ${whole(far.all)}` : "",
            left,
            figures.images_per_second ? `${figure(figures.images_per_second)} images/s` : "",
            figures.loss ? `loss ${figure(figures.loss)}` : "",
            memory,
        ];
        words.textContent = parts.filter(Boolean).join(" · ");
        buttons.hidden = Boolean(exported);
        buttons.querySelector(".stop").disabled = run.stopping;
    }
}

/** A button that asks again before it stops a training. */
function stopButton(id, stop) {
    const first = make("button", { type: "button", className: "stop", textContent: "Stop with a checkpoint" });
    const yes = make("button", { type: "button", className: "main sure", textContent: "Stop it", hidden: true });
    const no = make("button", { type: "button", textContent: "Go on", hidden: true });
    const asks = (really) => {
        [first.hidden, yes.hidden, no.hidden] = [really, !really, !really];
        (really ? no : first).focus();
    };
    first.addEventListener("click", () => asks(true));
    no.addEventListener("click", () => asks(false));
    yes.addEventListener("click", () => {
        asks(false);
        stop(id);
    });
    return make("div", { className: "row" }, first, yes, no);
}

const heads = (names) => make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, ...[name].flat()))));

/** Last values of the runs that are shown. */
export function listValues(table, runs) {
    const used = FIGURES.filter(([key]) => runs.some((run) => key in run.last.figures));
    const rows = runs.map((run) => {
        const values = used.map(([key]) => figure(run.last.figures[key]));
        return [run.name, stateOf(run), whole(run.last.step), whole(run.last.epoch), ...values];
    });
    renewed(table, JSON.stringify(rows), () => [
        heads(["Run", "State", "Step", "Epoch", ...used.map(([, name]) => name)]),
        make("tbody", {}, ...rows.map(([name, ...values]) =>
            make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", {}, value))))),
    ]);
}

/** Settings of the runs that are shown, those that differ first. */
export function listSettings(page, runs) {
    const some = runs.slice(0, MAX_COLUMNS);
    const tables = some.map((run) => new Map(run.settings));
    const names = [...new Set(tables.flatMap((table) => [...table.keys()]))];
    const differs = (name) => new Set(tables.map((table) => table.get(name))).size > 1;
    const [different, equal] = [names.filter(differs), names.filter((name) => !differs(name))];
    const shown = page.differing.checked && some.length > 1 ? different : [...different, ...equal];
    const said =
        some.length < 2 ? "Show more runs to see their differences."
        : `${counted(different.length, "setting")} of ${names.length} ${different.length === 1 ? "differs" : "differ"} between the runs that are shown.`;
    page.settingsHelp.textContent = said + (runs.length > some.length ? ` The table has the first ${some.length} of them.` : "");
    const key = JSON.stringify([shown, some.map((run) => [run.id, run.name]), tables.map((table) => [...table]), page.differing.checked]);
    renewed(page.settings, key, () => [
        heads(["Setting", ...some.map((run) => [swatch(run.id), run.name])]),
        make("tbody", {}, ...shown.map((name) =>
            make("tr", { className: different.includes(name) ? "differs" : "" }, make("th", { scope: "row" }, name),
                ...tables.map((table) => make("td", {}, table.get(name) ?? "–"))))),
    ]);
}

/** Advice and facts of one run. */
export function describe(page, run) {
    const advice = run.advice.map(({ epoch, step, text }) => [`epoch ${epoch}, step ${whole(step)}: `, text]).reverse();
    renewed(page.advice, JSON.stringify([run.id, advice]), () =>
        advice.length === 0 ? [make("li", { className: "help", textContent: "None: the curves look as they should." })]
        : advice.map(([place, text]) => make("li", {}, make("small", {}, place), text)));
    const { begun, files, last } = run;
    const checkpoints = `${bytes(files.checkpoint_bytes)} of them in ${counted(files.checkpoints, "checkpoint")}`;
    const facts = [
        ["State", stateOf(run)],
        ["Best", last.best && `${figure(last.best[1])} in epoch ${last.best[0]}`],
        ["Steps", last.step && `${whole(last.step)}, in epoch ${last.epoch} of ${begun.epochs ?? "–"}`],
        ["Pictures", begun.pictures && `${whole(begun.pictures)} to train, ${whole(begun.held_out)} held out`],
        ["Parameters", begun.parameters && whole(begun.parameters)],
        ["Latents", begun.latents && (begun.cells > 1 ? `${whole(begun.latents)} on ${whole(begun.cells)} cells` : whole(begun.latents))],
        ["Adapter", begun.adapter],
        ["Memory", begun.device_bytes && `${bytes(begun.device_bytes)} on the device` +
            (last.figures.memory_bytes ? `, ${bytes(last.figures.memory_bytes)} of the process` : "")],
        ["Disk", `${bytes(files.bytes)}, ${checkpoints}` + (store.free ? `; ${bytes(store.free)} free` : "")],
        ["Begun", begun.time && new Date(begun.time * 1000).toLocaleString()],
        ["Version", begun.version],
        ["Notes", run.notes.join("; ")],
    ].filter(([, value]) => value);
    renewed(page.facts, JSON.stringify([run.id, facts]), () =>
        facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
}
