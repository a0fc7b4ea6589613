// The network as columns: what each affine or pooling layer hands to the next one, with the menu of its rule.
import { largest } from "./arrays.js";
import { number } from "./formulas.js";
import { draw, neuronAt, placeOf, strongest } from "./pictures.js";

const MAPS = 6, BARS = 10;                                          // neurons shown in a column, the strongest
const NAMES = { Dense: "Dense", Conv2d: "Conv", MaxPool2d: "Max pool", SumPool2d: "Sum pool", AvgPool2d: "Mean pool",
    GlobalAvgPool: "Global mean" };
const RULE_MENU = [                                                 // `knob`: the number that can be turned
    { label: "LRP-0", rule: "epsilon", knobs: { epsilon: 0 } },
    { label: "LRP-ε", rule: "epsilon", knobs: { epsilon: 0.25 }, knob: "epsilon", letter: "ε" },
    { label: "LRP-γ", rule: "gamma", knobs: { gamma: 0.25 }, knob: "gamma", letter: "γ" },
    { label: "LRP-αβ", rule: "alpha_beta", knobs: { alpha: 2, beta: 1 }, knob: "alpha", letter: "α" },
    { label: "z⁺", rule: "z_plus", knobs: {} }, { label: "w²", rule: "w_square", knobs: {} },
    { label: "zᴮ", rule: "z_box", knobs: {} }, { label: "flat", rule: "flat", knobs: {} }];
const POOL_MENU = [{ label: "winner takes all", rule: "winner_takes_all", knobs: {} },
    { label: "in proportion", rule: "proportional", knobs: {} }];

export function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
}

// ReLU, Flatten and Dropout pass relevance on unchanged, neuron by neuron; so a column stands behind them. `l` is the
// layer whose rule shares out the relevance of its neurons; A[at] and R[at] are what it shows.
export function columnsOf(layers) {
    const columns = [{ first: true, at: 0, shape: layers[0].input, title: "the picture" }], counts = {};
    layers.forEach((layer, l) => {
        if (!NAMES[layer.kind]) return;
        let at = l + 1;
        while (at < layers.length && ["ReLU", "Dropout"].includes(layers[at].kind)) at++;
        const [H, W, C] = layer.output, name = NAMES[layer.kind], weights = ["Conv2d", "Dense"];
        const bounded = !layers.slice(0, l).some(({ kind }) => weights.includes(kind));              // as pixels are
        const menu = name === "Max pool" ? POOL_MENU : RULE_MENU.filter(({ rule }) => bounded || rule !== "z_box");
        counts[name] = (counts[name] || 0) + 1;
        columns.push({ l, at, shape: layer.output, title: `${name} ${counts[name]}`, menu,
            about: C ? `${C} maps, ${H}×${W}` : `${H} neurons` });
    });
    Object.assign(columns.at(-1), { last: true, title: "Output" });
    return columns;
}

// The elements of column number `c`. turn(column, rule, knobs), point(neuron) and pin(path) are what one can do.
export function columnElement(column, c, [low, high], { turn, point, pin }) {
    const { menu, shape } = column, images = shape.length > 1, count = images ? MAPS : BARS;
    const select = element("select", { ariaLabel: `rule of ${column.title}` },
        ...menu.map(({ label }) => element("option", { textContent: label })));
    const knob = element("input", { type: "number", min: 0, step: "any" }), letter = element("span");
    const chosen = () => menu[select.selectedIndex];
    select.onchange = () => turn(column, chosen().rule, chosen().rule === "z_box" ? { low, high } : chosen().knobs);
    knob.onchange = () => {
        const value = Math.max(+knob.value, 0), alpha = Math.max(value, 1), { rule, knob: name } = chosen();
        turn(column, rule, name === "alpha" ? { alpha, beta: alpha - 1 } : { [name]: value });
    };
    const buttons = Array.from({ length: Math.min(count, shape.at(-1)) }, () => element("button", { type: "button" }));
    for (const button of buttons) {
        const here = k => point({ column: c, k: button.k = k });
        button.onpointerenter = button.onfocus = () => here(button.k);
        button.onpointerleave = button.onblur = () => point(null);
        button.onclick = () => pin([{ column: c, k: button.k }]);
        if (images) makeMap(button, shape, here);
        else button.append(element("span"), element("i"), element("b"));            // its number, a bar, its value
    }
    Object.assign(column, { select, knob, letter, buttons, others: element("p", { className: "others" }) });
    return element("section", { className: "column" }, element("h2", { textContent: column.title }),
        element("p", { textContent: column.about }), select, element("label", { className: "knob" }, letter, knob),
        element("div", { className: images ? "maps" : "bars" }, ...buttons), column.others);
}

// A map of neurons, in which the pointer or the arrow keys choose one.
function makeMap(button, [H, W, C], here) {
    const canvas = element("canvas", { width: 112, height: Math.round(112 * H / W) });
    button.append(canvas);
    button.onpointermove = button.onpointerdown = event => here(neuronAt(event, canvas, [H, W, C], button.c));
    button.onkeydown = event => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (!step) return;
        event.preventDefault();
        const [row, column] = placeOf(button.k, [H, W, C]).map((n, axis) => n + step[axis]);
        if (row >= 0 && row < H && column >= 0 && column < W) here((row * W + column) * C + button.c);
    };
}

// Say what the buttons stand for now, the strongest first, and how large the values `shown` are.
export function paintColumn({ menu, shape, last, title, buttons, select, knob, letter, others }, R, shown, rule) {
    const C = shape[2] || shape[0], what = shape[2] ? "map" : last ? "output" : "neuron", scale = largest(shown) || 1;
    const entry = menu.find(({ rule: name, knobs }) => name === rule.rule && !knobs.epsilon === !rule.knobs.epsilon);
    select.selectedIndex = menu.indexOf(entry);
    knob.parentElement.style.visibility = entry.knob ? "" : "hidden";
    letter.textContent = entry.letter;
    Object.assign(knob, { value: rule.knobs[entry.knob] ?? "", ariaLabel: `${entry.knob} of ${title}` });
    const ranked = strongest(R, C), rest = ranked.splice(buttons.length).reduce((sum, { total }) => sum + total, 0);
    if (last) ranked.sort((one, two) => one.c - two.c);                             // classes keep their places
    ranked.forEach(({ c, total, peak }, n) => {
        Object.assign(buttons[n], { c, k: peak, ariaLabel: `${what} ${c}, relevance ${number(total)}` });
        if (shape[2]) return;
        const [name, bar, value] = buttons[n].children;
        [name.textContent, value.textContent, bar.className] = [c, number(shown[c]), shown[c] < 0 ? "minus" : "plus"];
        bar.style.width = `${Math.abs(shown[c]) / scale * 60}%`;
    });
    others.textContent = C > buttons.length ? `${C - buttons.length} others: ${number(rest)}` : "";
}

// Draw the maps, and mark the neurons `chosen`, the first of them most.
export function mark({ shape, buttons }, shown, chosen, kind, look) {
    for (const button of buttons) {
        if (shape[2]) draw(button.firstChild, shape, shown, button.c, kind, largest(shown), look, chosen);
        else button.classList.toggle("chosen", chosen.includes(button.c));
    }
}
