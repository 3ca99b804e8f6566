// Numbers, sizes and times as text, and elements with text: no text of a run ever becomes markup.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** An element with properties, and children that are elements or texts. */
export function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name in element && name !== "list") element[name] = value;
        else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
}

/** Five significant digits, without an exponent where that is readable. */
export function figure(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(3);
    return value.toLocaleString("en", { maximumSignificantDigits: 5 });
}

export const whole = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));

export function bytes(value) {
    if (value === null || value === undefined) return "–";
    let unit = 0;
    while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
    return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

export function duration(seconds) {
    const all = Math.max(0, Math.round(seconds));
    if (all < 60) return `${all} s`;
    if (all < 3600) return `${Math.floor(all / 60)} min ${String(all % 60).padStart(2, "0")} s`;
    const hours = Math.floor(all / 3600);
    if (hours >= 48) return `${Math.floor(hours / 24)} days ${hours % 24} h`;
    return `${hours} h ${String(Math.floor((all / 60) % 60)).padStart(2, "0")} min`;
}

/** "1 run", "2 runs". */
export const counted = (count, what) => `${whole(count)} ${what}${count === 1 ? "" : "s"}`;

/** The value of a colour of the style sheet. */
export const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
