// The inspector: one neuron, the formula of its rule with its own numbers, and what each of its inputs receives.
import { largest } from "./arrays.js";
import { equation, inNumbers, LETTERS, number } from "./formulas.js";
import { split } from "./network.js";
import { draw, neuronAt, placeOf } from "./pictures.js";

const SHOWN = 7;                                                    // inputs in the table; the others are summed

// "Map 3 (4, 5)", in row 4 and column 5; "Neuron 17"; "Output 7"
const nameOf = ({ shape, first, last }, k) => shape.length === 1 ? `${last ? "Output" : "Neuron"} ${k}`
    : `${first ? "Pixel" : `Map ${k % shape[2]}`} (${placeOf(k, shape).join(", ")})`;

// What there is to tell of neuron k of column c: its numbers, how it shares out its relevance, and which of its inputs
// receive anything, the first of them most. A pixel has no inputs.
export function examine({ layers, rules, A, R, columns }, { column: c, k }) {
    const column = columns[c], { at, l, first } = column, told = { k, column, activation: A[at][k], R: R[at][k] };
    if (first) return { ...told, order: [] };
    const shares = split(layers, A, R, rules, l, k), { received } = shares;
    const order = [...received.keys()].filter(j => received[j] !== 0)
        .sort((i, j) => Math.abs(received[j]) - Math.abs(received[i]));
    return { ...told, ...rules[l], x: A[l], below: columns[c - 1], shares, order };
}

const note = text => `<p class="note">${text}</p>`;

// The formula in letters, and in the numbers of input j.
function formulas({ rule, knobs, k, R, x, shares }, j) {
    if (rule === "winner_takes_all") return equation("R_j←k", [], "R_k") + note("for the largest input of the window");
    const { parts, w, received } = shares, numbers = inNumbers(rule, knobs, parts, k, x[j], w[j]);
    return equation("R_j←k", LETTERS[rule](knobs), "R_k") + equation("", numbers, number(R), number(received[j]));
}

// The inputs that receive most, all others together, and what no input receives: it adds up to R_k.
function table({ order, shares, x, below, R }) {
    const { received, w, parts } = shares, most = Math.abs(received[order[0]]), others = order.slice(SHOWN);
    const bar = v => `<i class="${v < 0 ? "minus" : "plus"}" style="width:${100 * Math.abs(v) / most}%"></i>`;
    const line = (attributes, name, ...cells) => `<tr ${attributes}><th scope="row">${name}</th>`
        + `${cells.map(cell => `<td>${cell}</td>`).join("")}</tr>`;
    const numerator = j => parts.length ? number(parts.reduce((sum, { q }) => sum + q(x[j], w[j]), 0)) : "";
    const lines = order.slice(0, SHOWN).map(j =>
        line(`data-j="${j}"`, `<button type="button">${nameOf(below, j)}</button>`, number(x[j]), number(w[j]),
            numerator(j), number(received[j]), bar(received[j])));
    const rest = [[`${others.length} other inputs`, others.reduce((sum, j) => sum + received[j], 0)],
        ["kept by the bias", shares.bias], ["kept by the stabiliser", shares.stabilizer],
        [shares.lost < 0 ? "created: no input gives it" : "lost: no input to go to", shares.lost]];
    lines.push(...rest.filter(([, v]) => v).map(([name, v]) => line('class="rest"', name, "", "", "", number(v), "")));
    return `<table><thead><tr>${["input j", "x<sub>j</sub>", "w<sub>jk</sub>", "numerator", "receives", ""].map(head =>
        `<th scope="col">${head}</th>`).join("")}</tr></thead><tbody>${lines.join("")}`
        + `${line('class="sum"', "sum, R<sub>k</sub>", "", "", "", number(R), "")}</tbody></table>`;
}

// Fill the panel. `follow(path)` is called when a neuron is chosen: an input, a step of the way down, a pixel of a map.
export function inspect(panel, state, neuron, told, sources, follow) {
    const { column, k, rule, order, shares } = told, { columns, look, kind } = state, [, , C] = column.shape;
    const way = state.pointed || !state.path.length ? [neuron] : state.path, find = name => panel.querySelector(name);
    find(".path").innerHTML = way.slice(0, -1).map(step =>
        `<button type="button" data-step>${nameOf(columns[step.column], step.k)}</button> › `).join("");
    panel.querySelectorAll("[data-step]").forEach((step, n) => { step.onclick = () => follow(way.slice(0, n + 1)); });
    find("h2").textContent = `${nameOf(column, k)}${column.last || column.first ? "" : ` of ${column.title}`}`;
    const place = C ? `row ${placeOf(k, column.shape).join(", column ")}, ` : "", source = sources[rule];
    find(".facts").textContent = `${place}activation ${number(told.activation)}, relevance ${number(told.R)}`;
    find(".formula").innerHTML = column.first ? note("The way back ends here. The heatmap shows this relevance.")
        : order.length ? formulas(told, order[0])
            : note(told.R ? "None of its relevance reaches an input." : "It has no relevance to share out.");
    find(".shares").innerHTML = told.R && !column.first ? table(told) : "";
    for (const line of panel.querySelectorAll("[data-j]")) {
        const j = +line.dataset.j, button = line.querySelector("button");
        line.onpointerenter = button.onfocus = () => { find(".formula").innerHTML = formulas(told, j); };
        button.onclick = () => follow([...way, { column: neuron.column - 1, k: j }]);
    }
    find("#source").hidden = !source;
    find("#source p").textContent = source ? `${source.name}: ${source.title}` : "";
    find("#source code").textContent = source ? source.source : "";
    const [large, part] = panel.querySelectorAll("canvas");
    const values = (kind === "relevance" ? state.R : state.A)[column.at];
    large.parentElement.hidden = !C || column.first;
    part.parentElement.hidden = column.first;
    if (C) draw(large, column.shape, values, k % C, kind, largest(values), look, [k]);
    large.onclick = event => follow([{ column: neuron.column, k: neuronAt(event, large, column.shape, k % C) }]);
    if (shares) draw(part, columns[0].shape, shares.pixels, 0, "relevance", largest(shares.pixels), look);
}
