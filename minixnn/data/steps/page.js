// A recorded walk, replayed. `walks[name]` is a list of events; an event says where the program is and which names
// exist there, just before the line is run: { k: "c"all, "l"ine, "r"eturn or e"x"ception, s: source, n: line, d: depth,
// l: layer, v: { name: value }, r: value returned or what was raised }. Values are numbers into `values`.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id), make = (tag, more = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), more);
    made.append(...children);
    return made;
};
const middle = (data.letters.length - 2) / 2 | 0;          // the letter of zero, of 63 shades
let walk = Object.keys(data.walks)[0], now = 0, asking = null;
const events = () => data.walks[walk], event = () => events()[now], value = n => data.values[n];

// ---- numbers as text

const shortly = v => typeof v === "string" ? v : typeof v === "boolean" ? (v ? "True" : "False")
    : Number.isInteger(v) ? String(v) : String(+v.toPrecision(6));

function summary(v) {
    if (v == null) return "";
    if ("text" in v) return v.text;
    if ("number" in v) return shortly(v.number);
    if ("list" in v) return `${v.tuple ? "tuple" : "list"} of ${v.list.length}`;
    return `shape (${v.shape.join(", ")}${v.shape.length === 1 ? "," : ""}), sum ${shortly(v.sum)}, `
        + `from ${shortly(v.min)} to ${shortly(v.max)}`;
}

// The shape without the axis of the images, of which there is one; weights have no such axis.
const inner = v => v.shape.length > 1 && v.shape[0] === 1 ? v.shape.slice(1) : v.shape;

// The place of entry number i of an array: "2", or "4, 7, 0".
function indexOf(v, i) {
    const index = [];
    for (const size of [...inner(v)].reverse()) { index.unshift(i % size); i = Math.floor(i / size); }
    return index.join(", ");
}

// How many numbers stand beside each other in a table: those of the last axis that is longer than 1.
const widthOf = v => inner(v).findLast(size => size > 1) ?? 1;
const largestOf = v => Math.max(0, ...v.numbers.filter(Number.isFinite).map(Math.abs)) || 1;

// ---- colours

const colours = {};
function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const side of ["plus", "minus"]) colours[side] = style.getPropertyValue(`--${side}`);
}
const shade = share => Number.isFinite(share)
    ? `rgba(${share >= 0 ? colours.plus : colours.minus}, ${Math.min(1, Math.abs(share)).toFixed(3)})` : "transparent";

function picture(v, side) {
    const canvas = make("canvas");
    if (v == null || !("shape" in v)) return make("span");
    let rows = v.grid && v.grid.map(row => [...row].map(letter => (data.letters.indexOf(letter) - 31) / 31));
    if (!rows) {
        const largest = largestOf(v), width = widthOf(v);
        rows = [];
        for (let i = 0; i < v.numbers.length; i += width)
            rows.push(v.numbers.slice(i, i + width).map(n => n / largest));
    }
    canvas.height = rows.length;
    canvas.width = rows[0].length;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", summary(v));
    const scale = Math.min(side / canvas.width, side / canvas.height);
    canvas.style.width = `${Math.max(6, canvas.width * scale)}px`;
    canvas.style.height = `${Math.max(6, canvas.height * scale)}px`;
    const context = canvas.getContext("2d");
    rows.forEach((row, y) => row.forEach((share, x) => {
        context.fillStyle = shade(share);
        context.fillRect(x, y, 1, 1);
    }));
    return canvas;
}

// ---- the code

const NAME = /(#.*$)|("[^"]*"|'[^']*')|([A-Za-z_][A-Za-z_0-9]*)/g;

function written(line, names) {
    const found = [];
    let end = 0;
    for (const match of line.matchAll(NAME)) {
        found.push(line.slice(end, match.index));
        const [text, comment, , name] = match, member = line[match.index - 1] === ".";
        if (comment) found.push(make("span", { className: "comment", textContent: text }));
        else if (name && !member && name in names) {
            const span = make("span", { className: "known", textContent: text, tabIndex: -1 });
            span.onpointerenter = () => tell(span, make("code", { textContent: name }), make("br"),
                summary(value(names[name])), make("br"), picture(value(names[name]), 90));
            span.onpointerleave = hush;
            found.push(span);
        } else found.push(text);
        end = match.index + text.length;
    }
    return [...found, line.slice(end)];
}

// The event in which the calling frame waits: the last one of a smaller depth.
function caller() {
    for (let i = now; i >= 0; i--) if (events()[i].d < event().d) return events()[i];
    return null;
}

function source(of, waiting) {
    const { name, file, first, lines, doc } = data.sources[of.s], box = make("div", { className: "lines" });
    lines.forEach((line, i) => {
        if (i >= doc[0] && i < doc[1]) {
            if (i === doc[0]) box.append(make("div", { className: "comment", textContent: "          ⋯" }));
            return;
        }
        const row = make("div", {}, make("span", { className: "number", textContent: first + i }),
            ...written(line, of.v));
        if (first + i === of.n) row.className = waiting ? "called" : "now";
        if (first + i === of.n && !waiting) row.setAttribute("aria-current", "step");
        box.append(row);
    });
    return [make("h2", { textContent: `${name}   ${file}` }), box];
}

function showCode() {
    const above = caller();
    at("code").replaceChildren(...source(event(), false), ...(above ? source(above, true) : []));
    const marked = at("code").querySelector(".now");
    if (marked) {
        const box = at("code"), top = marked.offsetTop - box.offsetTop;
        if (top < box.scrollTop + 30 || top > box.scrollTop + box.clientHeight - 50) box.scrollTop = Math.max(0, top - 160);
    }
}

// ---- the network

// The event in which the loop of the pass waits, or is.
function outer() {
    for (let i = now; i >= 0; i--) if (events()[i].d === 0) return events()[i];
    return null;
}

function entry(name, i) {
    const frame = outer(), list = frame && frame.v[name] !== undefined && value(frame.v[name]);
    const n = list && list.list ? list.list[i] : undefined;
    return n === undefined ? null : value(n);
}

function showNetwork() {
    const box = at("network"), l = event().l, last = data.layers.length - 1;
    const relevance = outer() && "M" in outer().v ? "M" : "R";
    box.replaceChildren(make("h2", { textContent: "The network: what each layer makes, and what lies beside it" }),
        make("div", { className: "row head" }, make("span", { textContent: "layer" }),
            make("span", { textContent: "A[l + 1]" }), make("span", { textContent: `${relevance}[l + 1]` })));
    const line = (text, small, i) => {
        const row = make("div", { className: "row" },
            make("div", {}, text, make("small", { textContent: small })), picture(entry("A", i), 58),
            picture(entry(relevance, i), 58));
        box.append(row);
        return row;
    };
    line("x", "the input, A[0]", 0);
    let hidden = 0;
    data.layers.forEach(({ text, name, inputs }, k) => {
        if (last > 24 && l >= 0 && Math.abs(k - l) > 7 && k !== last) { hidden++; return; }
        if (hidden) { box.append(make("p", { className: "head", textContent: `⋯ ${hidden} layers ⋯` })); hidden = 0; }
        const chain = inputs.length === 1 && inputs[0] === k;
        const row = line(`${k}  ${text}`, [name, chain ? "" : `takes ${inputs.map(i => `A[${i}]`).join(", ")}`]
            .filter(Boolean).join(" · "), k + 1);
        if (k === l) { row.className += " now"; row.setAttribute("aria-current", "true"); }
    });
    const marked = box.querySelector(".now");
    if (marked) box.scrollTop = Math.max(0, marked.offsetTop - box.offsetTop - 120);
}

// ---- the names

const previous = () => {
    for (let i = now - 1; i >= 0; i--) if (events()[i].d === event().d) return event().k === "c" ? null : events()[i];
    return null;
};

// Where the number under the pointer came from: the line that made the name, with the numbers of this place put in.
// part: which array of a tuple it is.
function origin(name, v, i, part) {
    const shown = part === undefined ? name : `${name}[${part}]`;
    const parts = [make("code", { textContent: `${shown}[${indexOf(v, i)}] = ${shortly(v.numbers[i])}` })];
    const made = name === "returned" ? event() : maker(name, part);
    if (!made) return [...parts, ...handed(name)];
    const line = statement(made), right = rightSide(line, name);
    const put = right && withNumbers(right, made, v, i, part);
    parts.push(make("br"), `made by: ${line}`);
    if (put && put !== right) parts.push(make("br"), make("code", { textContent: `= ${put}` }));
    return parts;
}

// The event just before `name`, or that entry of it, became what it is now in this frame; null for what was handed over.
function maker(name, part) {
    const of = ({ v }) => {
        const list = part === undefined || v[name] === undefined ? null : value(v[name]).list;
        return list ? list[part] : v[name];
    };
    const here = event();
    for (let k = now - 1; k >= 0; k--) {
        const each = events()[k];
        if (each.d < here.d) return null;
        if (each.d === here.d && of(each) !== of(here)) return each;
        if (each.d === here.d && each.k === "c") return null;
    }
    return null;
}

// The whole statement that an event is about to run, on one line, without its comments.
function statement(of) {
    const { lines, first, spans } = data.sources[of.s], n = of.n - first;
    const [begin, end] = spans.find(([b, e]) => b <= n && n < e) || [n, n + 1];
    return lines.slice(begin, end).map(line => line.replace(/#.*$/, "").trim()).join(" ");
}

// What a statement says the name is: behind its =, of "a, b = c, d" the part that is the name's; "" where there is none.
function rightSide(line, name) {
    const [, left, right] = line.match(/^([\w\s,]+?)(?::[^=]+)?\s*=(?!=)\s*(.*)$/) || [null, "", line.match(/^return\s+(.*)$/)?.[1]];
    const names = split(left), sides = split(right ?? "");
    return names.length > 1 && names.length === sides.length ? sides[names.indexOf(name)] : right ?? "";
}

// An argument of a rule: what the loop hands over in its place.
function handed(name) {
    const above = caller(), { lines } = data.sources[event().s];
    if (!above) return [];
    const head = lines.join(" ").match(/def \w+\((.*?)\)\s*(->.*?)?:\s/), call = statement(above).match(/\((.*)\)$/);
    if (!head || !call) return [];
    const taken = split(head[1]).map(each => each.match(/^\W*\w+/)[0]).filter(each => each !== "self");
    const place = taken.indexOf(name);
    const given = split(call[1].slice(opening(call[1])))[place];
    return given === undefined ? [] : [make("br"), `handed over by ${data.sources[above.s].name}: ${given}`];
}

// Where the last call begins whose arguments the text ends in: behind the bracket that was never closed.
function opening(text) {
    let depth = 0;
    for (let i = text.length - 1; i >= 0; i--) {
        depth += ")]}".includes(text[i]) - "([{".includes(text[i]);
        if (depth < 0) return i + 1;
    }
    return 0;
}

// "a, f(b, c)" -> ["a", "f(b, c)"]
function split(text) {
    const found = [""];
    let depth = 0;
    for (const letter of text) {
        depth += "([{".includes(letter) - ")]}".includes(letter);
        if (letter === "," && !depth) found.push(""); else found[found.length - 1] += letter;
    }
    return found.map(each => each.trim()).filter(Boolean);
}

// What calls entry by entry, so that the numbers of one place may stand in the brackets.
const ENTRYWISE = /^(stabilize|positive|negative|abs|sum_to|len)$/;

// An expression with the numbers of place i in it: names of arrays of this shape, sums behind products of matrices.
function withNumbers(text, made, v, i, part) {
    const called = name => name in made.v ? value(made.v[name]) : undefined, renamed = {};
    const loop = part === undefined ? null : text.match(/^tuple\((.*) for ([\w, ]+) in (.*)\)$/);
    if (loop) {                                             // one entry of a tuple: its expression, of this input
        const from = loop[3].startsWith("zip(") ? split(loop[3].slice(4, -1)) : [loop[3]];
        split(loop[2]).forEach((name, k) => { renamed[name] = from[k]; });
        text = loop[1].replace(/^sum_to\((.*), \w+\.shape\)$/, "$1");
    }
    const array = name => {
        const found = called(renamed[name] ?? name);
        return found && found.list && part !== undefined ? value(found.list[part]) : found;
    };
    const number = name => {
        const found = renamed[name] === undefined || called(renamed[name]) ? array(name) : undefined;
        if (!found) return renamed[name] ? sumOf(renamed[name], made, v, i, part) : undefined;
        if ("number" in found) return shortly(found.number);
        if (!found.numbers) return undefined;
        if (inner(found).join() === inner(v).join()) return bracketed(shortly(found.numbers[i]));
        return found.numbers.length === 1 ? bracketed(shortly(found.numbers[0])) : undefined;
    };
    text = text.replace(/\w+\.(gradient|forward)\([\w\s,]*\)|\w+ @ self\.W(\.T)?/g,
        call => sumOf(call, made, v, i, part) ?? call);
    text = text.replace(/len\((\w+)\)/g, (call, name) => called(name)?.list?.length ?? call);
    if ([...text.matchAll(/([\w.\])]+)\(/g)].some(([, name]) => !ENTRYWISE.test(name))) return "";
    return text.replace(NAME, (whole, comment, quoted, word, where, all) => {
        const after = all.slice(where + whole.length);
        if (!word || /[.\d]$/.test(all.slice(0, where)) || /^\s*([.([]|is\b|=(?!=))/.test(after)) return whole;
        return number(word) ?? whole;
    });
}
const bracketed = text => text.startsWith("-") ? `(${text})` : text;

// "layer.gradient(x, y, s)" as w · s + w · s + ..., "layer.forward(x)" as x · w + x · w + b, for layers with few weights.
function sumOf(call, made, v, i, part) {
    const at_ = name => name in made.v ? value(made.v[name]) : undefined;
    const matrixed = call.match(/^(\w+) @ self\.W(\.T)?$/);
    const [, object, kind, inside] = matrixed ? [null, "self", matrixed[2] ? "gradient" : "forward", matrixed[1]]
        : call.match(/^(\w+)\.(gradient|forward)\((.*)\)$/) || [];
    const layer = object && at_(object), last = inside && at_(split(inside).at(-1));
    if (!layer || !last || !last.numbers) return undefined;
    if (layer.text === "MatMul()") return productOf(split(inside), at_, i, part);
    if (!layer.w) return undefined;
    const w = layer.w, s = last.numbers, back = kind === "gradient";
    if (s.length !== (back ? w[0].length : w.length) || v.numbers.length !== (back ? w.length : w[0].length))
        return undefined;
    const pairs = s.map((n, k) => [n, back ? w[i][k] : w[k][i]]).filter(([, weight]) => weight !== 0);
    return joined(pairs, back || !layer.b[i] ? [] : [bracketed(shortly(layer.b[i]))]);
}

// One number of the gradient of y = a @ b: for a, the sum over columns of s b; for b, over rows of a s.
function productOf(names, called, i, part) {
    const [x, , s] = names.map(called), [a, b] = x && x.list ? x.list.map(value) : [];
    if (!a || !a.numbers || !b.numbers || !s || !s.numbers || part === undefined) return undefined;
    const [T, d] = a.shape.slice(-2), U = b.shape.at(-1), width = part ? U : d, size = part ? d * U : T * d;
    const n = Math.floor(i / size), row = Math.floor(i % size / width), column = i % width;
    return joined(part === 0
        ? Array.from({ length: U }, (_, u) => [s.numbers[(n * T + row) * U + u], b.numbers[(n * d + column) * U + u]])
        : Array.from({ length: T }, (_, t) => [s.numbers[(n * T + t) * U + column], a.numbers[(n * T + t) * d + row]]));
}

function joined(pairs, more = []) {
    const terms = [...pairs.slice(0, 8).map(pair => pair.map(n => bracketed(shortly(n))).join(" · ")),
        ...(pairs.length > 8 ? [`${pairs.length - 8} more`] : []), ...more];
    return terms.length > 1 ? `(${terms.join(" + ")})` : terms[0] ?? "0";
}

function cells(name, v, part) {
    const width = widthOf(v), largest = largestOf(v), table = make("table", { className: "cells" });
    for (let i = 0; i < v.numbers.length; i += width) {
        const row = table.insertRow();
        v.numbers.slice(i, i + width).forEach((n, j) => {
            const cell = row.insertCell(), place = i + j;
            cell.textContent = shortly(typeof n === "number" ? +n.toPrecision(5) : n);
            cell.style.background = shade(.75 * n / largest);
            cell.dataset.key = `${v.shape.join()}:${place}`;
            cell.onpointerenter = () => { same(cell.dataset.key); tell(cell, ...origin(name, v, place, part)); };
            cell.onpointerleave = () => { same(null); hush(); };
        });
    }
    return table;
}

function same(key) {
    for (const cell of document.querySelectorAll(".cells td")) cell.classList.toggle("same", cell.dataset.key === key);
}

function card(name, n, changed, part) {
    const v = value(n), box = make("div", { className: changed ? "card new" : "card" },
        make("h3", { textContent: part === undefined ? name : `${name}[${part}]` }), make("p", { textContent: summary(v) }));
    box.dataset.name = name;
    if (v && v.numbers) box.append(cells(name, v, part));
    else if (v && v.grid) box.append(picture(v, 150), make("p", { textContent: `the strongest colour is ±${shortly(v.largest)}` }));
    else if (v && v.list && part === undefined && v.list.length <= LONGEST)
        v.list.forEach((each, i) => box.append(card(name, each, false, i)));
    else if (v && v.w) box.append(weights(v));
    return box;
}

// The weights of a layer that a rule holds, one row an input, and its bias.
function weights({ w, b }) {
    const box = make("table", { className: "cells" }), largest = Math.max(...w.flat().concat(b).map(Math.abs)) || 1;
    if (w.length * b.length > 64) return make("span");
    for (const numbers of b.some(Boolean) ? [...w, b] : w) {
        const row = box.insertRow();
        for (const n of numbers) {
            const cell = row.insertCell();
            cell.textContent = shortly(+n.toPrecision(5));
            cell.style.background = shade(.75 * n / largest);
        }
        if (numbers === b) row.className = "bias";
    }
    return box;
}

function showNames() {
    const before = previous(), { v, k, r } = event(), box = at("names");
    const order = Object.entries(v).filter(([, n]) => value(n));
    const changed = ([name, n]) => !before || before.s !== event().s ? false : before.v[name] !== n;
    const plain = ([, n]) => "text" in value(n) || "number" in value(n);    // behind the arrays
    order.sort((a, b) => changed(b) - changed(a) || plain(a) - plain(b));
    box.replaceChildren(...(k === "r" ? [card("returned", r, true)] : k === "x" ? [card("raised", r, true)] : []),
        ...order.map(each => card(each[0], each[1], changed(each))));
}

// ---- what the pointer is told

function tell(beside, ...parts) {
    const tip = at("tip"), place = beside.getBoundingClientRect();
    tip.replaceChildren(...parts);
    tip.hidden = false;
    tip.style.left = `${Math.max(6, Math.min(place.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${place.bottom + 8 + tip.offsetHeight > innerHeight ? Math.max(4, place.top - tip.offsetHeight - 8)
        : place.bottom + 8}px`;
}
function hush() { at("tip").hidden = true; }

// ---- walking

const KINDS = { c: "enters at line", l: "is about to run line", r: "returns from line", x: "raises an error in line" };
const LONGEST = 12;             // lists of at most so many arrays are shown entry by entry

function show() {
    const { s, n, k, l, d } = event();
    at("where").textContent = `step ${now + 1} of ${events().length}: ${data.sources[s].name} ${KINDS[k]} ${n}`
        + (l >= 0 ? `, layer ${l}` : "") + (d ? "" : ", in the loop of the pass");
    at("place").max = events().length - 1;
    at("place").value = now;
    at("start").disabled = at("back").disabled = now === 0;
    at("step").disabled = at("over").disabled = at("layer").disabled = now === events().length - 1;
    hush();
    showCode();
    showNetwork();
    showNames();
    history.replaceState(null, "", `#${encodeURIComponent(walk)}:${now + 1}`);        // a link to this step
}

function go(to) {
    to = Math.max(0, Math.min(to, events().length - 1));
    if (at("ask").checked && to === now + 1 && question(to)) return;
    close();
    now = to;
    show();
}

// The sum of an array, or of all arrays of a tuple; undefined for anything else.
function total(n) {
    const v = value(n);
    if (v && v.list && v.tuple) return v.list.map(total).reduce((a, b) => a + b, 0);
    return v && "sum" in v && Number.isFinite(v.sum) ? v.sum : undefined;
}

// "What will s.sum() be?", where the line that is about to run makes an array.
function question(to) {
    const here = event(), next = events()[to];
    if (here.d !== next.d || here.s !== next.s || next.k === "x") return false;
    const name = next.k !== "r" && Object.keys(next.v).find(each => next.v[each] !== here.v[each]
        && total(next.v[each]) !== undefined);
    const sum = next.k === "r" ? total(next.r) : name ? total(next.v[name]) : undefined;
    if (sum === undefined) return false;
    asking = { to, sum };
    at("asked").textContent = next.k === "r" ? "What will sum() of what is returned be?" : `What will ${name}.sum() be?`;
    at("guess").value = "";
    at("verdict").textContent = "";
    at("question").hidden = false;
    at("guess").focus();
    return true;
}
function close() { asking = null; at("question").hidden = true; }

at("question").onsubmit = asked => {
    asked.preventDefault();
    if (!asking) return;
    const { to, sum } = asking, guess = parseFloat(at("guess").value.replace(",", "."));
    const right = Math.abs(guess - sum) <= 0.02 * Math.max(Math.abs(sum), 1e-9);
    now = to;
    asking = null;
    show();
    at("question").hidden = false;
    (at("step").disabled ? at("start") : at("step")).focus();               // and the arrow keys walk on
    at("verdict").textContent = Number.isNaN(guess) ? `It is ${shortly(sum)}.`
        : right ? `Right: ${shortly(sum)}.` : `It is ${shortly(sum)}, not ${shortly(guess)}.`;
};

const next = test => { for (let i = now + 1; i < events().length; i++) if (test(events()[i], i)) return i; return events().length - 1; };
const moves = {
    start: () => go(0), back: () => { close(); go(now - 1); }, step: () => go(now + 1),
    over: () => go(next(each => each.d <= event().d)), layer: () => go(next(each => each.l !== event().l)),
};
for (const [id, move] of Object.entries(moves)) at(id).onclick = move;
at("place").oninput = () => { close(); now = +at("place").value; show(); };
document.onkeydown = pressed => {
    if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
    if (["INPUT", "SELECT"].includes(pressed.target.tagName) && pressed.target.id !== "ask") return;
    const move = { ArrowRight: "step", n: "step", ArrowLeft: "back", p: "back", o: "over", l: "layer", Home: "start" }[pressed.key];
    if (!move) return;
    pressed.preventDefault();
    moves[move]();
};

// Another recording: the same line of the same layer, if that walk comes there.
at("walk").onchange = () => {
    const { s, n, l, k } = event();
    close();
    walk = at("walk").value;
    const there = events().findIndex(each => each.s === s && each.n === n && each.l === l && each.k === k);
    now = Math.max(0, there >= 0 ? there : events().findIndex(each => each.l === l));
    show();
};

at("title").textContent = data.title;
document.title = data.title;
for (const name of Object.keys(data.walks)) at("walk").append(make("option", { value: name, textContent: name }));
at("choice").hidden = Object.keys(data.walks).length < 2;
const [, linked, number] = location.hash.match(/^#(.*):(\d+)$/) || [];
const known = Object.keys(data.walks).find(name => encodeURIComponent(name) === linked);
if (known !== undefined) {
    walk = known;
    now = Math.max(0, Math.min(number - 1, events().length - 1));
}
at("walk").value = walk;
matchMedia("(prefers-color-scheme: dark)").onchange = () => { readColours(); show(); };
readColours();
show();
