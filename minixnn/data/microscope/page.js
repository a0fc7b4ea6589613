// The page: what is drawn goes forward, relevance comes back, and all is painted anew at every stroke.
import { float32, full, largest, oneHot } from "./arrays.js";
import { columnElement, columnsOf, element, mark, paintColumn } from "./columns.js";
import { number, signed } from "./formulas.js";
import { examine, inspect } from "./inspector.js";
import { build, ledger, lrp, trace } from "./network.js";
import { connect } from "./connections.js";
import { addressOf, readAddress } from "./address.js";
import { colours, draw, neuronAt } from "./pictures.js";

const PARTS = [["handedOn", "handed on"], ["bias", "bias"], ["stabilizer", "stabiliser"], ["lost", "lost"]];
const $ = id => document.getElementById(id), data = JSON.parse($("data").textContent);
const [, H, W] = data.images.shape, images = float32(data.images.float32);
const image = n => images.slice(n * H * W, (n + 1) * H * W);

// All there is: the network, what it is asked, and what came of it. `path` is the way down to the neuron looked at.
const state = { x: image(0), target: null, kind: "relevance", path: [], pointed: null, look: colours(), before: [] };
window.microscope = { state, data, image, choose, compute, examine };           // for the console, and for the tests

const SCORES = 12;                                                  // classes that are told: of more, the largest
const wires = document.createElementNS("http://www.w3.org/2000/svg", "svg");
wires.id = "wires";
wires.setAttribute("aria-hidden", "true");                          // the inspector says the same in words
const fill = (id, options) => $(id).replaceChildren(...options.map(([value, textContent = value]) =>
    element("option", { value, textContent, hidden: textContent === "my own" })));

function open(name) {
    const layers = build(data.networks[name]), columns = columnsOf(layers);
    Object.assign(state, { plan: data.networks[name], layers, columns, target: null, path: [], pointed: null });
    const classes = [...full(columns.at(-1).shape[0], 0).keys()];
    fill("target", [["", "the largest output"], ...classes.map(k => [k, `output ${k}`])]);
    $("network").replaceChildren(...columns.slice(1).map((column, c) =>
        columnElement(column, c + 1, data.bounds, { turn, point, pin })));
    $("network").append(wires);
    $("scores").replaceChildren(...classes.slice(0, SCORES).map(() => element("button", { type: "button",
        onclick: changed(({ currentTarget }) => explain(currentTarget.k)) }, element("b"), element("i"),
    element("span"), element("small"))));
    choose($("rules").value || Object.keys(state.plan.composites)[0]);              // "" is "my own"
}

function explain(k) {
    state.target = k;
    $("target").value = k ?? "";
}

// The rules of a composite, a rule a layer.
function choose(name) {
    state.rules = [...state.plan.composites[name]];
    $("rules").value = name;
}

function turn(column, rule, knobs) {
    state.rules[column.l] = { rule, knobs };
    $("rules").value = "";
    update();
}

function compute() {
    const { layers, rules, x } = state, A = trace(layers, x), y = A.at(-1);
    const explained = state.target ?? y.indexOf(Math.max(...y));
    const R = lrp(layers, A, oneHot(y.length, explained, y[explained]), rules);
    return Object.assign(state, { A, R, explained, rows: ledger(layers, A, R, rules) });
}

function update() {
    const began = performance.now();
    try {
        compute();
        paint();
        state.took = performance.now() - began;
        remember();
        $("status").textContent = `Forward, back and painted in ${state.took.toFixed(0)} ms.`;
    } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        $("status").textContent = error.message;                    // a rule outside its domain
    }
}

const shown = column => (state.kind === "relevance" ? state.R : state.A)[column.at];

function paint() {
    const { A, R, columns, explained, rows, rules, x, look: colours } = state, y = A.at(-1);
    draw($("drawing"), columns[0].shape, x, 0, "activation", data.bounds[1], colours);
    paintScores(y);
    $("explains").textContent = `Relevance for output ${explained}`;
    for (const column of columns.slice(1)) paintColumn(column, R[column.at], shown(column), rules[column.l]);
    const balanced = columns.slice(1).reverse().filter(({ l }) => rules[l].rule !== "winner_takes_all");
    $("lines").replaceChildren(...balanced.map(balanceLine));
    const remainder = Math.max(...rows.map((row, l) => Math.abs(row.residual) / (largest(R[l + 1]) || 1)));
    $("closes").textContent = `Every line adds up. Largest remainder: ${number(remainder)} of the relevance there.`;
    look();
}

// Score and probability of each class, in their order; of many classes the largest scores, in theirs.
function paintScores(y) {
    const top = Math.max(...y), powers = [...y].map(v => Math.exp(v - top)), sum = powers.reduce((a, b) => a + b, 0);
    const order = [...y.keys()].sort((i, j) => y[j] - y[i]), buttons = [...$("scores").children];
    const shownClasses = y.length > buttons.length ? order.slice(0, buttons.length) : [...y.keys()];
    buttons.forEach((button, n) => {
        const k = button.k = shownClasses[n], p = powers[k] / sum, [name, bar, share, score] = button.children;
        [name.textContent, share.textContent] = [k, p > 0.995 ? ">99 %" : `${(100 * p).toFixed(0)} %`];
        score.textContent = `score ${number(y[k])}`;
        bar.style.width = `${100 * p}%`;
        button.classList.toggle("explained", k === state.explained);
        button.ariaLabel = `class ${k}: ${share.textContent}, ${score.textContent}; explain it`;
    });
}

// A line of the ledger. Parts above zero pile up to the right, parts below zero to the left; the stroke is what
// arrived, and so the sum of all parts.
function balanceLine({ title, l }) {
    const row = state.rows[l], bar = element("div", { className: "bar" });
    const furthest = sign => Math.max(...state.rows.map(row =>
        PARTS.reduce((sum, [part]) => sum + Math.max(sign * row[part], 0), 0)));
    const scale = 98 / (furthest(-1) + furthest(1) || 1), zero = furthest(-1) * scale;
    const edges = { plus: zero, minus: zero };
    for (const [part] of PARTS) {
        const width = Math.abs(row[part]) * scale, left = row[part] < 0 ? edges.minus -= width : edges.plus;
        if (row[part] > 0) edges.plus += width;
        bar.append(element("i", { className: part, style: `left:${left}%;width:${width}%` }));
    }
    bar.append(...[["zero", 0], ["arriving", row.arriving]].map(([className, at]) =>
        element("i", { className, style: `left:${zero + at * scale}%` })));
    const terms = PARTS.filter(([part]) => Math.abs(row[part]) > 1e-9 * Math.abs(row.arriving)).map(([part, name], n) =>
        `${(n ? signed : number)(row[part])} ${part === "lost" && row.lost < 0 ? "created" : name}`);
    return element("li", {}, element("b", { textContent: title }), bar,
        element("span", { textContent: `${number(row.arriving)} = ${terms.join(" ") || 0}` }));
}

// Call f once before the next frame is painted, however often it is asked for.
function soon(f) {
    cancelAnimationFrame(f.frame);
    f.frame = requestAnimationFrame(f);
}

function point(neuron) {
    if (neuron !== state.pointed) soon(look);                       // to leave a neuron twice must not paint twice:
    state.pointed = neuron;                                         // a click on what is painted anew would be lost
}

function pin(path) {
    Object.assign(state, { path, pointed: null });
    document.body.classList.add("looking");                         // on a phone the inspector comes up
    remember();
    look();
}

function look() {
    const { columns, path, pointed, R } = state;
    const neuron = pointed || path.at(-1) || { column: columns.length - 1, k: state.explained };
    const told = examine(state, neuron), inputs = told.order.slice(0, 30);
    inspect($("inspector"), state, neuron, told, data.rules, pin);
    connect(wires, columns, neuron, told);
    columns.forEach((column, c) => {
        const chosen = c === neuron.column ? [neuron.k] : c === neuron.column - 1 ? inputs : [];
        if (c) mark(column, shown(column), chosen, state.kind, state.look);
        else draw($("heatmap"), column.shape, R[0], 0, "relevance", largest(R[0]), state.look, chosen);
    });
}

// Ink, or paper, along the line from one place to another, both [row, column] in pixels: full within a pixel of the
// line, then fading, about as broad as the strokes of the shipped digits.
function stroke([r0, c0], [r1, c1]) {
    const length = (r1 - r0) ** 2 + (c1 - c0) ** 2 || 1;
    state.x = state.x.map((ink, p) => {
        const r = Math.floor(p / W) + .5 - r0, c = p % W + .5 - c0;
        const t = Math.min(1, Math.max(0, (r * (r1 - r0) + c * (c1 - c0)) / length));
        const wet = Math.min(1, Math.max(0, 1.9 - Math.hypot(r - t * (r1 - r0), c - t * (c1 - c0))));
        return $("eraser").checked ? Math.min(ink, 1 - wet) : Math.max(ink, wet);
    });
}

// What was drawn before comes back: a picture, or a stroke as a whole.
function keep() {
    state.before = [...state.before.slice(-49), state.x];
    $("undo").disabled = false;
}

function undo() {
    state.x = state.before.pop() || state.x;
    $("undo").disabled = !state.before.length;
}

let last = null;                                                    // where the pen was; null: it is up
function pen(event) {
    const { left, top, width, height } = $("drawing").getBoundingClientRect();
    const here = [(event.clientY - top) / height * H, (event.clientX - left) / width * W];
    if (event.type === "pointerdown") {
        $("drawing").setPointerCapture(event.pointerId);
        keep();
    } else if (!last) return;
    stroke(last || here, here);
    last = here;
    soon(update);
}

// What a control does, and then relevance is seen to flow back, column by column.
const changed = f => event => {
    f(event);
    update();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    [$("heatmap"), ...$("network").children].reverse().forEach((part, n) => part.animate(
        [{ opacity: 0.1 }, { opacity: 1 }], { duration: 250, delay: 70 * n, fill: "backwards" }));
};
$("drawing").onpointerdown = $("drawing").onpointermove = pen;
$("drawing").onpointerup = $("drawing").onpointercancel = () => { last = null; };
$("digits").append(...data.images.labels.map((label, n) => element("button", { type: "button", textContent: label,
    ariaLabel: `take the picture ${label}`, onclick: changed(() => { keep(); state.x = image(n); }) })));
$("clear").onclick = changed(() => { keep(); state.x = full(H * W, 0); });
$("undo").onclick = changed(undo);
document.onkeydown = event => {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.target.closest?.("input")) return;
    event.preventDefault();
    changed(undo)(event);
};
fill("nets", Object.keys(data.networks).map(name => [name]));
fill("rules", [...Object.keys(Object.values(data.networks)[0].composites).map(name => [name, data.titles[name]]),
    ["", "my own"]]);
$("nets").onchange = changed(() => open($("nets").value));
$("rules").onchange = changed(() => choose($("rules").value));
$("target").onchange = changed(({ target: { value } }) => explain(value === "" ? null : +value));
$("kind").onchange = changed(() => { document.body.dataset.kind = state.kind = $("kind").value; });
$("close").onclick = () => document.body.classList.remove("looking");
const pixel = event => ({ column: 0, k: neuronAt(event, $("heatmap"), [H, W, 1], 0) });
$("heatmap").onpointermove = event => point(pixel(event));
$("heatmap").onpointerleave = () => point(null);
$("heatmap").onclick = event => pin([pixel(event)]);
matchMedia("(prefers-color-scheme: dark)").onchange = changed(() => { state.look = colours(); });
try { $("tour").open = localStorage.getItem("tour") !== "closed"; } catch { /* a page from a file may keep nothing */ }
$("tour").ontoggle = () => {
    try { localStorage.setItem("tour", $("tour").open ? "open" : "closed"); } catch { /* nor here */ }
};

// What the address says, and then the address says what is seen: it can be kept, and sent to somebody.
function restore() {
    const asked = readAddress(location.hash, data, image, H * W);
    if (asked.net) $("nets").value = asked.net;
    if (asked.kind) document.body.dataset.kind = state.kind = $("kind").value = asked.kind;
    state.x = asked.x || state.x;
    open($("nets").value);
    if (asked.rules) choose(asked.rules);
    if (asked.own && asked.own.length === state.rules.length) {
        state.rules = asked.own;
        $("rules").value = "";
    }
    if (asked.target < state.columns.at(-1).shape[0]) explain(asked.target);
    state.path = asked.path.filter(({ column, k }) => state.columns[column] &&
        k < state.columns[column].shape.reduce((n, m) => n * m, 1));
    update();
}
function remember() {
    clearTimeout(remember.timer);
    remember.timer = setTimeout(() => {
        try { history.replaceState(null, "", addressOf(state, $("nets").value, $("rules").value, data, image)); }
        catch { /* where a page may not change its address */ }
    }, 300);
}
window.onhashchange = restore;
window.onresize = () => soon(look);
restore();
