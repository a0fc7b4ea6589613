// A recorded walk, replayed. `walks[name]` is a list of events; an event says where the program is and which names
// exist there, just before the line is run: { k: "c"all, "l"ine or "r"eturn, s: source, n: line, d: depth,
// l: layer, v: { name: value }, r: value returned }. Values are numbers into `values`.
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
    return `shape (${v.shape.join(", ")}${v.shape.length === 1 ? "," : ""})   sum ${shortly(v.sum)}`
        + `   from ${shortly(v.min)} to ${shortly(v.max)}`;
}

// The place of entry number i of an array, without the batch: "2", or "4, 7, 0".
function indexOf(v, i) {
    const index = [];
    for (const size of [...v.shape].reverse()) { index.unshift(i % size); i = Math.floor(i / size); }
    return index.slice(1).join(", ");
}

// ---- colours

function shade(share) {
    const side = share >= 0 ? "--plus" : "--minus";
    const colour = getComputedStyle(document.documentElement).getPropertyValue(side);
    return `rgba(${colour}, ${Math.min(1, Math.abs(share)).toFixed(3)})`;
}

function picture(v, side) {
    const canvas = make("canvas");
    if (v == null || !("shape" in v)) return make("span");
    let rows = v.grid && v.grid.map(row => [...row].map(letter => (data.letters.indexOf(letter) - 31) / 31));
    if (!rows) {
        const largest = Math.max(...v.numbers.map(Math.abs)) || 1, shape = v.shape.slice(1);
        const width = shape.length > 1 ? shape.at(-1) === 1 && shape.length > 2 ? shape.at(-2) : shape.at(-1)
            : v.numbers.length;
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

function outer() { return event().d ? caller() : event(); }

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
            .filter(Boolean).join("   "), k + 1);
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
function origin(name, v, i) {
    const here = event(), { lines, first } = data.sources[here.s];
    let made = null;
    for (let k = now - 1; k >= 0 && made === null; k--) {
        const each = events()[k];
        if (each.d !== here.d || each.s !== here.s) { if (each.d < here.d) break; continue; }
        if (each.v[name] !== here.v[name]) made = each;
    }
    const parts = [make("code", { textContent: `${name}[${indexOf(v, i)}] = ${shortly(v.numbers[i])}` })];
    if (!made) return parts;
    const line = lines[made.n - first].replace(/#.*$/, "").trim();
    parts.push(make("br"), `made by: ${line}`);
    const put = line.replace(/^[^=]*=\s*/, "").replace(NAME, (text, comment, quoted, word, where, whole) => {
        if (!word || whole[where - 1] === "." || !(word in made.v)) return text;
        const other = value(made.v[word]);
        if ("number" in other) return shortly(other.number);
        return other.numbers && other.shape.join() === v.shape.join() ? shortly(other.numbers[i]) : text;
    });
    if (put !== line.replace(/^[^=]*=\s*/, "")) parts.push(make("br"), make("code", { textContent: `= ${put}` }));
    const sum = terms(line, made, v, i);
    if (sum) parts.push(make("br"), make("code", { textContent: sum }));
    return parts;
}

// The sum behind one number of `layer.gradient(x, y, s)`: c_j = w_jk s_k + ..., where the layer's weights are known.
function terms(line, made, v, i) {
    const layer = data.layers[event().l], asked = line.match(/layer\.gradient\([^,]+,[^,]+,\s*(\w+)\)/);
    if (!asked || !layer || !layer.w || !(asked[1] in made.v) || layer.w.length !== v.numbers.length) return "";
    const s = value(made.v[asked[1]]).numbers;
    if (!s || s.length !== layer.w[0].length) return "";
    const parts = layer.w[i].map((w, k) => `${shortly(w)} · ${shortly(s[k])}`);
    return `= ${parts.slice(0, 8).join(" + ")}${parts.length > 8 ? ` + ${parts.length - 8} more` : ""}`;
}

function cells(name, v) {
    const shape = v.shape.slice(1), width = shape.length > 1 && shape.at(-1) === 1 ? shape.at(-2) : shape.at(-1)
        || v.numbers.length, largest = Math.max(...v.numbers.map(Math.abs)) || 1, table = make("table", { className: "cells" });
    for (let i = 0; i < v.numbers.length; i += width) {
        const row = table.insertRow();
        v.numbers.slice(i, i + width).forEach((n, j) => {
            const cell = row.insertCell(), place = i + j;
            cell.textContent = shortly(typeof n === "number" ? +n.toPrecision(5) : n);
            cell.style.background = shade(.75 * n / largest);
            cell.dataset.key = `${v.shape.join()}:${place}`;
            cell.onpointerenter = () => { same(cell.dataset.key); tell(cell, ...origin(name, v, place)); };
            cell.onpointerleave = () => { same(null); hush(); };
        });
    }
    return table;
}

function same(key) {
    for (const cell of document.querySelectorAll(".cells td")) cell.classList.toggle("same", cell.dataset.key === key);
}

function card(name, n, changed) {
    const v = value(n), box = make("div", { className: changed ? "card new" : "card" },
        make("h3", { textContent: name }), make("p", { textContent: summary(v) }));
    if (v && v.numbers) box.append(cells(name, v));
    else if (v && v.grid) box.append(picture(v, 150), make("p", { textContent: `the darkest is ±${shortly(v.largest)}` }));
    else if (v && v.list && v.list.length < 3) v.list.forEach((each, i) => box.append(card(`${name}[${i}]`, each, false)));
    return box;
}

function showNames() {
    const before = previous(), { v, k, r } = event(), box = at("names");
    const order = Object.entries(v).filter(([, n]) => value(n));
    const changed = ([name, n]) => !before || before.s !== event().s ? false : before.v[name] !== n;
    const plain = ([, n]) => "text" in value(n) || "number" in value(n);    // behind the arrays
    order.sort((a, b) => changed(b) - changed(a) || plain(a) - plain(b));
    box.replaceChildren(...(k === "r" ? [card("returned", r, true)] : []),
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

const KINDS = { c: "enters", l: "is about to run line", r: "returns from line" };

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
    location.hash = `${encodeURIComponent(walk)}:${now + 1}`;
}

function go(to) {
    to = Math.max(0, Math.min(to, events().length - 1));
    if (at("ask").checked && to === now + 1 && question(to)) return;
    close();
    now = to;
    show();
}

// "What will s.sum() be?", where the line that is about to run makes an array.
function question(to) {
    const here = event(), next = events()[to];
    if (here.d !== next.d || here.s !== next.s) return false;
    const name = next.k !== "r" && Object.keys(next.v).find(each => next.v[each] !== here.v[each]
        && value(next.v[each]) && "sum" in value(next.v[each]));
    const answer = next.k === "r" ? value(next.r) : name && value(next.v[name]);
    if (!answer || !("sum" in answer)) return false;
    asking = { to, sum: answer.sum };
    at("asked").textContent = next.k === "r" ? "What will the returned array sum to?" : `What will ${name}.sum() be?`;
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
const [asked, number] = location.hash.slice(1).split(":");
if (decodeURIComponent(asked) in data.walks) { walk = decodeURIComponent(asked); now = Math.min((+number || 1) - 1, events().length - 1); }
at("walk").value = walk;
show();
