// Layers, as in minixnn/layers: `forward(x)` is y, `gradient(x, y, dy)` turns dL/dy into dL/dx. A layer remembers
// nothing: it is handed both its sides. `input` and `output` are the shapes of one image, (H, W, C) or (units).
import { full, size } from "./arrays.js";

class Layer {
    constructor({ kind, settings }, input) {
        Object.assign(this, settings, { kind, input, output: input });
    }
}

// Flatten, and Dropout once training is over: the same numbers in the same order.
class Identity extends Layer {
    constructor(plan, input) {
        super(plan, input);
        if (plan.kind === "Flatten") this.output = [size(input)];
    }
    forward(x) { return x; }
    gradient(x, y, dy) { return dy; }
}

class ReLU extends Layer {
    forward(x) { return x.map(v => Math.max(v, 0)); }
    gradient(x, y, dy) { return dy.map((d, i) => x[i] > 0 ? d : 0); }
}

// y = W.x + b for some linear map W.x. The rules are written once for the whole family.
class Affine extends Layer {
    constructor(plan, input) {
        super(plan, input);
        this.W = plan.W ? plan.W.values : full(1, 1);               // a pool has one weight, 1, for the rules to change
        this.b = plan.b ? plan.b.values : null;
    }
    // The same linear map with other weights: "a re-weighted copy of the layer".
    withWeights(W, b) {
        return Object.assign(Object.create(Object.getPrototypeOf(this)), this, { W, b });
    }
}

// y_k = sum_j x_j w_jk + b_k. W (inputs, outputs)
class Dense extends Affine {
    constructor(plan, input) {
        super(plan, input);
        this.output = [plan.W.shape[1]];
    }
    forward(x) {
        const y = full(this.output[0], 0);
        addRows(y, 0, y.length, this.W, 0, x, 0, x.length);
        return addBias(y, this.b);
    }
    gradient(x, y, dy) {
        const dx = full(x.length, 0);
        addProducts(dx, 0, dx.length, this.W, 0, dy, 0, dy.length);
        return dx;
    }
}

// What looks at an image through windows of kh x kw pixels, `stride` pixels apart; one window if no size is given.
class Windowed extends Affine {
    constructor(plan, input) {
        super(plan, input);
        const kernel = plan.W ? plan.W.shape.slice(0, 2) : this.size || input.slice(0, 2);
        const { stride = [1, 1], padding = "valid" } = this, pads = kernel.map((k, axis) => {
            if (padding === "valid") return [0, 0];
            if (padding !== "same") return padding[axis];
            const n = input[axis], s = stride[axis], missing = Math.max((Math.ceil(n / s) - 1) * s + k - n, 0);
            return [missing >> 1, missing - (missing >> 1)];        // an odd pixel is added at the end
        });
        const [Ho, Wo] = kernel.map((k, axis) =>
            Math.floor((input[axis] + pads[axis][0] + pads[axis][1] - k) / stride[axis]) + 1);
        Object.assign(this, { kernel, stride, pads, Ho, Wo, output: [Ho, Wo, plan.W ? plan.W.shape[3] : input[2]] });
    }
    // Calls visit(pixel of the output, pixel of the input, place in the window); padding is left out.
    windows(visit) {
        const { kernel: [kh, kw], stride: [down, across], pads: [[top], [left]], input: [H, W], Ho, Wo } = this;
        for (let h = 0; h < Ho; h++) for (let w = 0; w < Wo; w++) for (let i = 0; i < kh; i++) {
            const row = h * down + i - top;
            if (row < 0 || row >= H) continue;
            for (let j = 0; j < kw; j++) {
                const column = w * across + j - left;
                if (column >= 0 && column < W) visit(h * Wo + w, row * W + column, i * kw + j);
            }
        }
    }
}

// W (kh, kw, C, O)
class Conv2d extends Windowed {
    forward(x) {
        const C = this.input[2], O = this.output[2], y = full(size(this.output), 0);
        this.windows((to, from, place) => addRows(y, to * O, O, this.W, place * C, x, from * C, C));
        return addBias(y, this.b);
    }
    // Each output pixel hands dy W back to the pixels of its window, where all that arrives is summed.
    gradient(x, y, dy) {
        const C = this.input[2], O = this.output[2], dx = full(x.length, 0);
        const busy = new Uint8Array(this.Ho * this.Wo);             // the pixels that have anything to hand back
        dy.forEach((d, k) => { if (d !== 0) busy[Math.floor(k / O)] = 1; });
        this.windows((to, from, place) => {
            if (busy[to]) addProducts(dx, from * C, C, this.W, place * C, dy, to * O, O);
        });
        return dx;
    }
}

// y = W times the sum of x over each window, W being 1; of an average the sum is divided by the number of pixels.
class SumPool2d extends Windowed {
    constructor(plan, input) {
        super(plan, input);
        if (plan.kind === "GlobalAvgPool") this.output = [input[2]];
        const real = full(this.Ho * this.Wo, 0);                    // the pixels of each window that are no padding
        this.windows(to => { real[to] += 1; });
        this.share = real.map(n => plan.kind === "SumPool2d" ? 1 : 1 / (this.count_padding ? size(this.size) : n));
    }
    forward(x) {
        const C = this.input[2], y = full(size(this.output), 0);
        this.windows((to, from) => {
            for (let c = 0; c < C; c++) y[to * C + c] += x[from * C + c] * this.W[0] * this.share[to];
        });
        return y;
    }
    gradient(x, y, dy) {
        const C = this.input[2], dx = full(x.length, 0);
        this.windows((to, from) => {
            for (let c = 0; c < C; c++) dx[from * C + c] += dy[to * C + c] * this.W[0] * this.share[to];
        });
        return dx;
    }
}

// y = the largest x in each window. Of equals the first one wins.
class MaxPool2d extends Windowed {
    forward(x) {
        const C = this.input[2], y = full(size(this.output), -Infinity);
        this.windows((to, from) => {
            for (let c = 0; c < C; c++) y[to * C + c] = Math.max(y[to * C + c], x[from * C + c]);
        });
        return y;
    }
    gradient(x, y, dy) {
        const C = this.input[2], dx = full(x.length, 0), found = new Uint8Array(dy.length);
        this.windows((to, from) => {
            for (let c = 0, k = to * C, j = from * C; c < C; c++, k++, j++) {
                if (found[k] || x[j] !== y[k]) continue;
                dx[j] += dy[k];
                found[k] = 1;
            }
        });
        return dx;
    }
    // The sum over the same windows: what sharing relevance in proportion to x starts from.
    summing() {
        return new SumPool2d({ kind: "SumPool2d", settings: this }, this.input);
    }
}

// The two loops in which the time goes. W is a matrix of rows of O numbers, of which C are used, from `row` on:
// y[to + o] += sum_c x[from + c] W[row + c, o]
function addRows(y, to, O, W, row, x, from, C) {
    for (let c = 0; c < C; c++) {
        const v = x[from + c], w = (row + c) * O - to;
        if (v !== 0) for (let k = to; k < to + O; k++) y[k] += v * W[w + k];        // most inputs are 0
    }
}

// dx[to + c] += sum_o W[row + c, o] dy[from + o]
function addProducts(dx, to, C, W, row, dy, from, O) {
    for (let c = 0; c < C; c++) {
        const w = (row + c) * O - from;
        let total = 0;
        for (let k = from; k < from + O; k++) total += W[w + k] * dy[k];
        dx[to + c] += total;
    }
}

const addBias = (y, b) => b ? y.map((v, k) => v + b[k % b.length]) : y;

export const KINDS = { Dense, Conv2d, MaxPool2d, SumPool2d, ReLU, AvgPool2d: SumPool2d, GlobalAvgPool: SumPool2d,
    Flatten: Identity, Dropout: Identity };
