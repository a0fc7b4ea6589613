// The few array helpers that layers and rules share, as in minixnn/arrays.py. An array is a Float64Array of one
// image, channel last; its shape is known to the layers on either side of it. null is "no bias", and stays null.

// f(a[i], i) for every i.
export function each(a, f) {
    const result = new Float64Array(a.length);
    for (let i = 0; i < a.length; i++) result[i] = f(a[i], i);
    return result;
}

// What of `a` has the sign, the rest 0. In a loop without calls and conditions, since weights are many.
function part(a, sign) {
    const result = new Float64Array(a.length);
    for (let i = 0; i < a.length; i++) result[i] = (a[i] + sign * Math.abs(a[i])) / 2;
    return result;
}

export const size = shape => shape.reduce((product, n) => product * n, 1);
export const sum = a => a.reduce((total, v) => total + v, 0);
export const largest = a => a.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
export const times = (a, b) => each(a, (v, i) => v * b[i]);
export const divide = (a, b) => each(a, (v, i) => v / b[i]);
export const plus = (a, b) => b ? each(a, (v, i) => v + b[i]) : a;
export const positive = a => a && part(a, 1);                       // max(a, 0)
export const negative = a => a && part(a, -1);                      // min(a, 0)
export const full = (length, value) => new Float64Array(length).fill(value);
export const oneHot = (length, k, value = 1) => full(length, 0).fill(value, k, k + 1);

// The denominator z + epsilon sgn(z), with sgn(0) = +1. Without a stabiliser a zero becomes infinite, so that
// R / stabilize(z) is 0 there: that relevance is lost, and the ledger says so.
export const stabilize = (z, epsilon = 0) => epsilon
    ? each(z, v => v < 0 ? v - epsilon : v + epsilon) : each(z, v => v === 0 ? Infinity : v);

// Stop with a sentence that says what came and what was expected.
export function require(ok, message) { if (!ok) throw new RangeError(message); }

const bytes = base64 => Uint8Array.from(atob(base64), letter => letter.charCodeAt(0)).buffer;
export const float32 = base64 => Float64Array.from(new Float32Array(bytes(base64)));

// IEEE 754 half precision: 1 bit of sign, 5 of exponent, 10 of fraction.
export function float16(base64) {
    return Float64Array.from(new Uint16Array(bytes(base64)), bits => {
        const sign = bits >> 15 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
        return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024);
    });
}
