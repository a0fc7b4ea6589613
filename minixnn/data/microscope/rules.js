// The relevance rules, as in minixnn/rules: a rule takes a layer, its input x, its output y and the relevance R of
// the output, and returns the relevance of the input. Each is written once for all affine layers:
//
//     z = forward       what each output was made of
//     s = R / z         relevance per unit of it
//     c = gradient      what an input of size 1 has earned
//     R = x c           R_j = x_j c_j
import { divide, each, full, negative, plus, positive, require, stabilize, times } from "./arrays.js";

export function epsilon(layer, x, y, R, { epsilon }) {
    const z = y;                                                    // sum_j x_j w_jk + b_k: the layer's own output
    const s = divide(R, stabilize(z, epsilon));
    const c = layer.gradient(x, y, s);
    return times(x, c);
}

export function gamma(layer, x, y, R, { gamma }) {
    require(x.every(v => v >= 0), "gamma got negative inputs, expected x >= 0 as behind a ReLU; choose another rule");
    const boosted = layer.withWeights(boost(layer.W, gamma), boost(layer.b, gamma));
    const z = boosted.forward(x);
    const s = divide(R, stabilize(z));
    const c = boosted.gradient(x, z, s);
    return times(x, c);
}

// The product x_j w_jk is split by its sign: plus times plus and minus times minus make the positive side.
export function alpha_beta(layer, x, y, R, { alpha, beta }) {
    let R_x = new Float64Array(x.length);
    for (const [share, part, other] of [[alpha, positive, negative], [-beta, negative, positive]]) {
        if (share === 0) continue;
        const { same, opposite, z } = side(layer, x, part, other);
        const s = divide(R, stabilize(z));
        R_x = plus(R_x, each(times(positive(x), same.gradient(x, z, s)), v => share * v));
        if (opposite) R_x = plus(R_x, each(times(negative(x), opposite.gradient(x, z, s)), v => share * v));
    }
    return R_x;
}

export function flat(layer, x, y, R) {
    const ones = full(x.length, 1), same = layer.withWeights(full(layer.W.length, 1), null);
    const z = same.forward(ones);                                   // how many inputs an output sees, without padding
    const s = divide(R, stabilize(z));
    return same.gradient(ones, z, s);
}

export function w_square(layer, x, y, R) {
    const ones = full(x.length, 1), squared = layer.withWeights(times(layer.W, layer.W), null);
    const z = squared.forward(ones);                                // sum_j w_jk^2
    const s = divide(R, stabilize(z));
    return squared.gradient(ones, z, s);
}

export function z_plus(layer, x, y, R) {
    require(x.every(v => v >= 0), "z+ got negative inputs, expected x >= 0 as behind a ReLU; choose another rule");
    const excite = layer.withWeights(positive(layer.W), null);
    const z = excite.forward(x);
    const s = divide(R, stabilize(z));
    const c = excite.gradient(x, z, s);
    return times(x, c);
}

export function z_box(layer, x, y, R, { low, high }) {
    require(x.every(v => low <= v && v <= high), `zB got pixels outside [${low}, ${high}]; choose another rule`);
    const { plain, up, down, z } = box(layer, x, low, high);
    const s = divide(R, stabilize(z));
    const c_up = up.gradient(x, z, s), c_down = down.gradient(x, z, s);
    return each(plain.gradient(x, z, s), (c, j) => x[j] * c - low * c_up[j] - high * c_down[j]);
}

// A pool's relevance is shared in proportion to x over each window.
export function proportional(layer, x, y, R) {
    const pool = layer.summing ? layer.summing() : layer;
    const z = pool.forward(x);
    const s = divide(R, stabilize(z));
    const c = pool.gradient(x, z, s);
    return times(x, c);
}

export const winner_takes_all = (layer, x, y, R) => layer.gradient(x, y, R);
export const pass_on = (layer, x, y, R) => R;

export const RULES = { epsilon, gamma, alpha_beta, flat, w_square, z_plus, z_box, proportional, winner_takes_all,
    pass_on };

const boost = (W, gamma) => W && each(W, w => w + gamma * Math.max(w, 0));

function side(layer, x, part, other) {
    const signed = x.some(v => v < 0), same = layer.withWeights(part(layer.W), part(layer.b));
    const opposite = signed ? layer.withWeights(other(layer.W), null) : null;
    const z = same.forward(positive(x));
    return { same, opposite, z: signed ? plus(z, opposite.forward(negative(x))) : z };
}

function box(layer, x, low, high) {
    const [plain, up, down] = [layer.W, positive(layer.W), negative(layer.W)].map(W => layer.withWeights(W, null));
    const z_low = up.forward(full(x.length, low)), z_high = down.forward(full(x.length, high));
    return { plain, up, down, z: each(plain.forward(x), (v, k) => v - z_low[k] - z_high[k]) };
}

// What a rule divides by. Every rule above hands on, once or twice, a share of R_k in the form
//     q_jk / (z_k + epsilon sgn z_k) R_k        z_k = sum_j q_jk + b_k
// and here stand its share, z, b and epsilon, and q for one input x with weight w. The ledger and the inspector need
// no more; as they never look at what the rule has returned, they check it.
const division = (layer, x, W, q, b = null) => [{ share: 1, z: layer.withWeights(W, b).forward(x), b, q }];
export const DENOMINATORS = {
    epsilon: (layer, x, y, { epsilon }) => [{ share: 1, z: y, b: layer.b, epsilon, q: (x, w) => x * w }],
    gamma: (layer, x, y, { gamma }) => division(layer, x, boost(layer.W, gamma),
        (x, w) => x * (w + gamma * Math.max(w, 0)), boost(layer.b, gamma)),
    alpha_beta: (layer, x, y, { alpha, beta }) => [
        { ...side(layer, x, positive, negative), share: alpha, b: positive(layer.b), q: (x, w) => Math.max(x * w, 0) },
        { ...side(layer, x, negative, positive), share: -beta, b: negative(layer.b), q: (x, w) => Math.min(x * w, 0) }],
    flat: (layer, x) => division(layer, full(x.length, 1), full(layer.W.length, 1), () => 1),
    w_square: (layer, x) => division(layer, full(x.length, 1), times(layer.W, layer.W), (x, w) => w * w),
    z_plus: (layer, x) => division(layer, x, positive(layer.W), (x, w) => x * Math.max(w, 0)),
    z_box: (layer, x, y, { low, high }) => [{ share: 1, z: box(layer, x, low, high).z,
        q: (x, w) => x * w - low * Math.max(w, 0) - high * Math.min(w, 0) }],
    proportional: (layer, x) => [{ share: 1, z: (layer.summing ? layer.summing() : layer).forward(x), q: x => x }],
    winner_takes_all: () => [], pass_on: () => [],                  // they hand on everything
};
