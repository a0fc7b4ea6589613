// Lines from the neuron in hand to the inputs that receive most of its relevance, as far as both are in sight.
import { placeOf } from "./pictures.js";

const LINES = 12;

// The middle of neuron k of a column on the page; null where it is not among those shown.
function middle({ shape, buttons }, k) {
    const [H, W, C] = shape, button = buttons?.find(each => each.c === (C ? k % C : k));
    if (!button) return null;
    const { left, top, width, height } = (C ? button.firstChild : button).getBoundingClientRect();
    if (!C) return [left + 8, top + height / 2];
    const [row, column] = placeOf(k, [H, W, C]);
    return [left + (column + .5) * width / W, top + (row + .5) * height / H];
}

export function connect(wires, columns, { column: c, k }, { order, shares }) {
    const { left, top } = wires.parentElement.getBoundingClientRect(), { scrollLeft, scrollTop } = wires.parentElement;
    const here = point => [point[0] - left + scrollLeft, point[1] - top + scrollTop];
    const from = c && middle(columns[c], k), below = columns[c - 1];
    wires.replaceChildren();
    for (const side of ["width", "height"]) wires.setAttribute(side, 0);             // or it would hold its place open
    if (!from || !below?.buttons) return;                           // the picture has frames
    const [x1, y1] = here(from), most = Math.abs(shares.received[order[0]] ?? 1);
    for (const j of order.filter(each => middle(below, each)).slice(0, LINES)) {
        const [x2, y2] = here(middle(below, j)), share = shares.received[j] / most;
        const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
        Object.entries({ x1, y1, x2, y2, class: share < 0 ? "minus" : "plus", "data-j": j,
            "stroke-width": .5 + 3 * Math.abs(share) }).forEach(entry => line.setAttribute(...entry));
        wires.append(line);
    }
    wires.setAttribute("width", wires.parentElement.scrollWidth);
    wires.setAttribute("height", wires.parentElement.scrollHeight);
}
