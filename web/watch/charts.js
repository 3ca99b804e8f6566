// Curves on canvases, drawn by uPlot. Only charts that can be seen are drawn.

import { figure, make, styled, whole } from "./format.js";
import { positions, store } from "./store.js";

/** Charts: figures of steps as thin lines, of epochs as thick ones, others of epochs as dashed ones. */
const CHARTS = [
    { id: "loss", title: "Loss of the steps", unit: "nats per image", step: "loss" },
    {
        id: "epochs", title: "Loss of the epochs", unit: "nats per image", epoch: "validation_loss", dashed: "train_loss",
        help: "held-out pictures; dashed: training pictures",
    },
    { id: "nll", title: "Reconstruction", unit: "nats per image", step: "nll", epoch: "validation_nll" },
    { id: "kl", title: "KL divergence", unit: "nats per image", step: "kl", epoch: "validation_kl" },
    { id: "lr", title: "Learning rate", unit: "", step: "lr", exact: true },
    { id: "beta", title: "Beta", unit: "weight of KL", step: "beta", exact: true },
    { id: "speed", title: "Images per second", unit: "", step: "images_per_second", zero: true },
    { id: "memory", title: "Memory of the process", unit: "MiB", epoch: "memory_bytes", scale: 2 ** -20, zero: true },
    { id: "bits", title: "Bits per dimension", unit: "held-out pictures", epoch: "validation_bits_per_dim" },
    { id: "mmd", title: "MMD", unit: "not weighted", step: "mmd" },
    { id: "gradient", title: "Gradient norm", unit: "per picture", step: "gradient_norm" },
    { id: "capacity", title: "Capacity", unit: "nats per picture", step: "capacity", exact: true },
];

/** View of all charts. */
export const view = { epochs: false, log: false, smooth: true, zoom: null };

/** Runs up to which the steps are drawn behind their averages. */
const MOST_RAW = 8;

/** Hue of a run by its place in the list: neighbours differ. */
export function colour(id) {
    const at = Math.max(0, [...store.runs.keys()].indexOf(id));
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const hue = (195 + at * 137.508) % 360;
    return dark ? `oklch(0.78 0.13 ${hue.toFixed(0)})` : `oklch(0.53 0.14 ${hue.toFixed(0)})`;
}

/** The points of a figure of a run: positions and values. */
function points(run, from, name, scale = 1) {
    const curves = run[from];
    const values = curves?.values[name];
    if (!values) return null;
    const of = from === "epochs" ? curves.values.step : positions(curves);
    const each = run.begun.steps_per_epoch;
    if (view.epochs && !each) return null;
    const xs = [], ys = [];
    for (let at = 0; at < values.length; at++) {
        const x = of[at];
        if (values[at] === null || x === null || x === undefined) continue;
        xs.push(view.epochs ? x / each : x);
        ys.push(values[at] * scale);
    }
    return xs.length > 0 ? [xs, ys] : null;
}

/** Averages over the 2 % of the points around each; of two points of a bucket, one remains. */
function averaged([xs, ys], paired) {
    if (paired) {
        xs = xs.filter((_, at) => at % 2 === 0);
        ys = xs.map((_, at) => (ys[2 * at] + ys[2 * at + 1]) / 2);
    }
    const reach = Math.max(1, Math.round(ys.length / 100));
    const sums = new Float64Array(ys.length + 1);
    for (let at = 0; at < ys.length; at++) sums[at + 1] = sums[at] + ys[at];
    const around = (at) => {
        const half = Math.min(reach, at, ys.length - 1 - at);
        return (sums[at + half + 1] - sums[at - half]) / (2 * half + 1);
    };
    return [xs, ys.map((_, at) => around(at))];
}

/** Index of the last of sorted `xs` that is not above `x`. */
function before(xs, x) {
    let [low, high] = [0, xs.length - 1];
    while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (xs[middle] <= x) low = middle;
        else high = middle - 1;
    }
    return low;
}

const WIDTHS = { raw: 1, thin: 1.25, dashed: 1.5, thick: 2 };

class Chart {
    constructor(about, zoomed) {
        Object.assign(this, { about, zoomed, plot: null, key: "", seen: false, stale: true, x: [0, 1], y: [0, 1] });
        this.readout = make("p", { className: "readout" });
        this.place = make("div", { className: "plot", role: "img", ariaLabel: about.title });
        const unit = about.unit ? [" ", make("small", { textContent: about.unit })] : [];
        const help = about.help ? [make("p", { className: "help", textContent: about.help })] : [];
        this.figure = make("figure", { className: "card chart", hidden: true, id: `chart-${about.id}` },
            make("figcaption", {}, make("h3", {}, about.title, ...unit), ...help), this.place, this.readout);
    }

    /** The lines of the runs that are shown. */
    lines(shown) {
        const { about } = this;
        const lines = [];
        const add = (run, from, name, style) => {
            const data = name && points(run, from, name, about.scale);
            if (data) lines.push({ run, data, style, colour: colour(run.id) });
        };
        for (const run of shown) add(run, "steps", about.step, "thin");
        if (view.smooth && !about.exact) {
            const raw = shown.length <= MOST_RAW ? lines.map((line) => ({ ...line, style: "raw" })) : [];
            const averages = lines.map((line) => ({ ...line, data: averaged(line.data, line.run.steps.width > 1) }));
            lines.splice(0, lines.length, ...raw, ...averages);
        }
        for (const run of shown) add(run, "epochs", about.dashed, "dashed");
        for (const run of shown) add(run, "epochs", about.epoch, "thick");
        return lines;
    }

    update(shown) {
        this.shown = shown;
        this.stale = true;
        const has = (name, from) => name && shown.some((run) => run[from]?.values[name]?.some((value) => value !== null));
        const { step, epoch, dashed } = this.about;
        this.figure.hidden = !(has(step, "steps") || has(epoch, "epochs") || has(dashed, "epochs"));
        this.draw();
    }

    draw() {
        if (!this.stale || !this.seen || this.figure.hidden) return;
        this.stale = false;
        const lines = (this.current = this.lines(this.shown));
        this.range(lines);
        const data = [null, ...lines.map((line) => line.data)];
        // a plot keeps its lines and their looks
        const width = this.place.clientWidth;
        const key = JSON.stringify([view.log, width, ...lines.map((line) => [line.run.id, line.style, line.colour])]);
        if (key === this.key) {
            this.plot.setData(data);
        } else {
            this.plot?.destroy();
            this.place.replaceChildren();
            this.plot = new uPlot(this.options(lines, width), data, this.place);
            this.key = key;
        }
        const lasts = lines.filter(({ style }) => style === "thin" || style === "thick").slice(-MOST_RAW);
        const last = ({ run, data: [xs, ys] }) => `${run.name} ${figure(ys.at(-1))} at ${this.position(xs.at(-1))}`;
        this.place.setAttribute("aria-label", `${this.about.title}. Last: ${lasts.map(last).join("; ")}`);
    }

    position(x) {
        return view.epochs ? `epoch ${figure(x)}` : `step ${whole(Math.round(x))}`;
    }

    range(lines) {
        const ends = lines.flatMap(({ data: [xs] }) => [xs[0], xs.at(-1)]);
        let [left, right] = ends.length > 0 ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
        if (view.zoom) [left, right] = view.zoom;
        if (left === right) [left, right] = [left - 0.5, right + 0.5];
        let [low, high] = [Infinity, -Infinity];
        for (const { data: [xs, ys] } of lines) {
            for (let at = before(xs, left); at < xs.length && xs[at] <= right; at++) {
                const y = ys[at];
                if (view.log && y <= 0) continue;
                if (y < low) low = y;
                if (y > high) high = y;
            }
        }
        if (low > high) [low, high] = view.log ? [1, 10] : [0, 1];
        if (this.about.zero && !view.log) low = Math.min(0, low);
        if (view.log) [low, high] = [low / 1.05, high * 1.05];
        else if (low === high) [low, high] = [low - Math.abs(low || 1) * 0.1, high + Math.abs(high || 1) * 0.1];
        else [low, high] = [this.about.zero ? low : low - 0.04 * (high - low), high + 0.06 * (high - low)];
        Object.assign(this, { x: [left, right], y: [low, high] });
    }

    options(lines, width) {
        const [ink, grid] = [styled("--soft"), styled("--line")];
        const font = "12px system-ui, sans-serif";
        const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
        const series = lines.map(({ style, colour }) => ({
            stroke: colour,
            width: WIDTHS[style],
            alpha: style === "raw" ? 0.25 : style === "thin" && this.about.epoch ? 0.65 : 1,
            dash: style === "dashed" ? [4, 4] : undefined,
            points: { show: false },
            paths: uPlot.paths.linear(),
            facets: [{ scale: "x", auto: true }, { scale: "y", auto: true }],
        }));
        return {
            mode: 2,
            width,
            height: 210,
            pxAlign: 0,
            padding: [8, 12, 0, 0],
            legend: { show: false },
            cursor: { points: { show: false }, y: false, drag: { x: true, y: false, setScale: false } },
            scales: {
                x: { time: false, range: () => this.x },
                y: { range: () => this.y, distr: view.log ? 3 : 1 },
            },
            axes: [
                { ...axis, size: 28, values: (_, all) => all.map((value) => short(value)) },
                { ...axis, size: 58, values: (_, all) => all.map((value) => (value === null ? "" : short(value))) },
            ],
            series: [{}, ...series],
            hooks: {
                setCursor: [(plot) => this.point(plot)],
                setSelect: [(plot) => this.select(plot)],
            },
        };
    }

    /** Says the value under the pointer. */
    point(plot) {
        const { left, top } = plot.cursor;
        if (left < 0) {
            this.readout.replaceChildren();
            return;
        }
        const x = plot.posToVal(left, "x");
        let best = null;
        for (const { run, data: [xs, ys], colour, style } of this.current) {
            if (style === "raw") continue;
            let at = before(xs, x);
            if (at + 1 < xs.length && xs[at + 1] - x < x - xs[at]) at++;
            const away = Math.hypot(plot.valToPos(xs[at], "x") - left, plot.valToPos(ys[at], "y") - top);
            if (!best || away < best.away) best = { away, run, x: xs[at], y: ys[at], colour };
        }
        if (!best) return;
        const swatch = make("span", { className: "swatch" });
        swatch.style.background = best.colour;
        const text = ` ${best.run.name}: ${figure(best.y)} at ${this.position(best.x)}`;
        this.readout.replaceChildren(swatch, text);
    }

    select(plot) {
        const { left, width } = plot.select;
        if (width < 4) return;
        const ends = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        this.zoomed(ends);
    }

    /** Draws again with other colours or another size. */
    renew() {
        this.key = "";
        this.stale = true;
        this.draw();
    }
}

/** A number at an axis. */
function short(value) {
    if (value === null || value === undefined) return "";
    const size = Math.abs(value);
    if (size >= 1e4 || (size > 0 && size < 1e-3)) {
        if (size >= 1e4 && size < 1e9) return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 });
        return value.toExponential().replace("e+", "e");
    }
    return String(Number(value.toPrecision(6)));
}

/** Makes the charts; returns a function that draws them for the runs that are shown. */
export function buildCharts(place, whole) {
    let shown = [];
    const update = (runs) => {
        shown = runs;
        charts.forEach((chart) => chart.update(runs));
        whole.hidden = !view.zoom;
    };
    const zoomed = (ends) => {
        view.zoom = ends;
        update(shown);
    };
    const charts = CHARTS.map((about) => new Chart(about, zoomed));
    whole.addEventListener("click", () => zoomed(null));
    place.addEventListener("dblclick", () => zoomed(null));
    place.replaceChildren(...charts.map((chart) => chart.figure));
    const sees = new IntersectionObserver((entries) => {
        for (const { target, isIntersecting } of entries) {
            const chart = charts.find((chart) => chart.figure === target);
            chart.seen = isIntersecting;
            chart.draw();
        }
    }, { rootMargin: "100px" });
    const renew = () => charts.forEach((chart) => chart.renew());
    charts.forEach((chart) => sees.observe(chart.figure));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", renew);
    let width = place.clientWidth;
    new ResizeObserver(() => {
        if (place.clientWidth === width) return;
        width = place.clientWidth;
        requestAnimationFrame(renew);
    }).observe(place);
    return update;
}
