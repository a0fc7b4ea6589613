// A network is a list of layers; a pass is a loop over it, as in minixnn/passes.py; the ledger says where relevance
// went, as in minixnn/ledger.
import { float16, oneHot, stabilize, sum } from "./arrays.js";
import { KINDS } from "./layers.js";
import { DENOMINATORS, RULES } from "./rules.js";

// The layers of a network that `plot.microscope` wrote down.
export function build({ shape, layers }) {
    const decode = array => array && { shape: array.shape, values: float16(array.float16) };
    return layers.map(plan => {
        const layer = new KINDS[plan.kind]({ ...plan, W: decode(plan.W), b: decode(plan.b) }, shape);
        shape = layer.output;
        return layer;
    });
}

// All activations: A[l] enters layer l, the last one is the output.
export function trace(layers, x) {
    const A = [x];
    for (const layer of layers) A.push(layer.forward(A.at(-1)));
    return A;
}

// Layer-wise relevance propagation: R[l] lies beside A[l]. rules[l] = { rule: "gamma", knobs: { gamma: 0.25 } }.
// `start` is the relevance above layer `top` - 1: that of the outputs, unless one neuron further down is asked about.
export function lrp(layers, A, start, rules, top = layers.length) {
    const R = [];
    R[top] = start;
    for (let l = top - 1; l >= 0; l--) {
        const { rule, knobs } = rules[l];
        R[l] = RULES[rule](layers[l], A[l], A[l + 1], R[l + 1], knobs);
    }
    return R;
}

// What of R_k each output k does not hand on. R_k = (sum_j q_jk + b_k + epsilon sgn z_k) s_k, for each denominator:
// the first term is passed on, the second goes to the bias, the third to the stabiliser; without s_k all is lost.
function withheld(parts, R) {
    const bias = new Float64Array(R.length), stabilizer = new Float64Array(R.length), lost = new Float64Array(R.length);
    for (const { share, z, b, epsilon = 0 } of parts) {
        const d = stabilize(z, epsilon);
        for (let k = 0; k < R.length; k++) {
            const s = share * R[k] / d[k];
            if (b) bias[k] += b[k % b.length] * s;
            stabilizer[k] += (z[k] < 0 ? -epsilon : epsilon) * s;
            if (d[k] === Infinity) lost[k] += share * R[k];
        }
    }
    return { bias, stabilizer, lost };
}

// The balance of every layer: arriving = handed on + bias + stabilizer + lost + residual, the last 0 up to rounding.
export function ledger(layers, A, R, rules) {
    return layers.map((layer, l) => {
        const { rule, knobs } = rules[l], kept = withheld(DENOMINATORS[rule](layer, A[l], A[l + 1], knobs), R[l + 1]);
        const row = { arriving: sum(R[l + 1]), handedOn: sum(R[l]), bias: sum(kept.bias),
            stabilizer: sum(kept.stabilizer), lost: sum(kept.lost) };
        row.residual = row.arriving - row.handedOn - row.bias - row.stabilizer - row.lost;
        return row;
    });
}

// How neuron k above layer l shares out its relevance. A rule is linear in R, so it is asked once more, with the
// relevance of this one neuron; and w_jk, for all j, is the layer's gradient of output k.
export function split(layers, A, R, rules, l, k) {
    const layer = layers[l], x = A[l], y = A[l + 1], { rule, knobs } = rules[l];
    const parts = DENOMINATORS[rule](layer, x, y, knobs), alone = oneHot(y.length, k, R[l + 1][k]);
    const kept = withheld(parts, alone), only = R[l + 1].every((r, i) => r === alone[i]);
    return {
        received: RULES[rule](layer, x, y, alone, knobs), w: layer.gradient(x, y, oneHot(y.length, k)), parts,
        bias: kept.bias[k], stabilizer: kept.stabilizer[k], lost: kept.lost[k],
        pixels: only ? R[0] : lrp(layers, A, alone, rules, l + 1)[0],               // this neuron's part of the heatmap
    };
}
