// Numbers for people, and formulas.

// Three digits and a real minus: 0.0123, −4.56, 1.2·10⁻⁷. Small whole numbers as they are.
export function number(v) {
    if (Number.isInteger(v) && Math.abs(v) < 1e4) return `${v}`.replace("-", "−");
    const exponent = Math.floor(Math.log10(Math.abs(v)));
    if (exponent >= -4 && exponent < 5) return v.toFixed(Math.max(0, 2 - exponent)).replace("-", "−");
    const [digits, power] = v.toExponential(1).replace("-", "−").split("e");
    return `${digits}·10${[...power].map(c => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] || { "-": "⁻", "−": "⁻" }[c] || "").join("")}`;
}

export const signed = v => v ? `${v < 0 ? "−" : "+"} ${number(Math.abs(v))}` : "";

// "x_j w_jk^+" as HTML: names with subscript and superscript, numbers, and signs. Not as MathML, which looks well only
// with a mathematical font, and few telephones have one.
const math = text => text.split(" ").filter(Boolean).map(token => {
    const [, name, below, above] = /^([^_^]+)(?:_([^^]+))?(?:\^(.+))?$/.exec(token);
    const base = /^[a-zα-ω]$/i.test(name) ? `<var>${name}</var>` : `<span class="sign">${name}</span>`;
    return base + (below ? `<sub>${below}</sub>` : "") + (above ? `<sup>${above}</sup>` : "");
}).join("");

// One line: left = factor top/bottom ... times R [= result].
export function equation(left, terms, R, result = "") {
    const fractions = terms.map(([factor, top, bottom]) =>
        `${math(factor)}<span class="fraction"><span>${math(top)}</span><span>${math(bottom)}</span></span>`);
    const [open, close] = fractions.length > 1 ? ["(", ")"] : ["", ""], times = fractions.length ? "·" : "";
    return `<span role="math">${math(`${left} = ${open}`)}${fractions.join("")}${math(`${close} ${times} ${R}`)}`
        + `${result && math(`= ${result}`)}</span>`;
}

// Each rule's [factor, numerator, denominator], in letters and for one input x with weight w in numbers.
export const LETTERS = {
    epsilon: ({ epsilon }) => [["", "x_j w_jk", epsilon ? "z_k + ε sgn ( z_k )" : "z_k"]],
    gamma: () => [["", "x_j ( w_jk + γ w_jk^+ )", "Σ_j x_j ( w_jk + γ w_jk^+ ) + b_k + γ b_k^+"]],
    alpha_beta: ({ beta }) => [["α", "z_jk^+", "Σ_j z_jk^+ + b_k^+"], ["− β", "z_jk^−", "Σ_j z_jk^− + b_k^−"]]
        .slice(0, beta ? 2 : 1),
    flat: () => [["", "1", "n_k"]],
    w_square: () => [["", "w_jk^2", "Σ_j w_jk^2"]],
    z_plus: () => [["", "x_j w_jk^+", "Σ_j x_j w_jk^+"]],
    z_box: () => [["", "x_j w_jk − l w_jk^+ − h w_jk^−", "Σ_j ( x_j w_jk − l w_jk^+ − h w_jk^− )"]],
    proportional: () => [["", "x_j", "Σ_j x_j"]],
};
const product = (x, w) => `${number(x)} · ${number(w)}`;
const NUMERATORS = {
    epsilon: product, alpha_beta: product, z_plus: product,
    gamma: (x, w, { gamma }) => `${number(x)} · ${w > 0 ? `${number(1 + gamma)} ·` : ""} ${number(w)}`,
    z_box: (x, w, { low, high }) => `${product(x, w)} − ${w > 0 ? product(low, w) : product(high, w)}`,
};
export function inNumbers(rule, knobs, parts, k, x, w) {
    return parts.filter(({ share }) => share).map(({ share, z, b, epsilon, q }) => {
        const bias = b ? b[k % b.length] : 0, factor = share < 0 ? signed(share) : share === 1 ? "" : number(share);
        const top = q(x, w) && NUMERATORS[rule] ? NUMERATORS[rule](x, w, knobs) : number(q(x, w));
        return [factor, top, `${number(z[k] - bias)} ${signed(bias)} ${signed(z[k] < 0 ? -epsilon : epsilon)}`];
    });
}
