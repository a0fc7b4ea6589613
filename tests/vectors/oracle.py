"""What the papers say, as scalar loops: layers, rules, networks, and the other definitions that go by the same names.

Nothing is imported but the standard library. Numbers are exact fractions, or floats where a square root or an
exponential is met; the loops are the same for both. An array is a `(shape, flat list)` of one example, in the order
of ONNX and torch: channels first, images (C, H, W), sequences (T, C), weights of a convolution (O, C / groups, kh, kw),
of a transposed one (C, O / groups, kh, kw), of a dense layer (O, I).

An affine layer is unrolled into its neurons: for each output the inputs (j, w) that it sees, and its bias b. A tap on
padding is an input without a number: (None, w). A rule for affine layers looks at one neuron:

    rule(v, b, p, **knobs)  ->  the share of the neuron's relevance that each input receives

with v = [(x, w), ...] its real inputs and p = [w, ...] its taps on padding. x / 0 counts as 0, sgn(0) as +1.
"""
import math
from fractions import Fraction
from itertools import product

ACTIVATIONS = {
    "ReLU": lambda x: max(x, 0 * x), "Tanh": math.tanh, "SiLU": lambda x: x / (1 + math.exp(-x)),
    "GELU": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2, "Sigmoid": lambda x: 1 / (1 + math.exp(-x))}
AFFINE = ("Dense", "Conv1d", "Conv2d", "ConvTranspose2d", "BatchNorm", "AvgPool2d", "GlobalAvgPool")
JOINS = ("Add", "Concat", "Multiply", "MatMul")


# --- arrays -----------------------------------------------------------------------------------------------------

def shape_of(nested):
    return (len(nested), *shape_of(nested[0])) if isinstance(nested, list) else ()


def flat(nested, number=Fraction):
    return [v for part in nested for v in flat(part, number)] if isinstance(nested, list) else [number(nested)]


def nested(shape, values):
    if not shape:
        return float(values[0])
    step = len(values) // shape[0]
    return [nested(shape[1:], values[i * step:(i + 1) * step]) for i in range(shape[0])]


def index(shape, place):
    found = 0
    for n, i in zip(shape, place):
        found = found * n + i
    return found


def places(shape):
    return list(product(*map(range, shape)))


def square_root(v):
    """Exact where v is the square of a fraction."""
    if isinstance(v, Fraction):
        root = Fraction(math.isqrt(v.numerator), math.isqrt(v.denominator))
        if root * root == v:
            return root
    return math.sqrt(v)


# --- affine layers: what each output sees -------------------------------------------------------------------------

def neurons(layer, shape, number=Fraction):
    """(output shape, [[(j or None, w), ...] of each output], [b of each output])"""
    kind = layer["kind"]
    if kind == "Dense":
        (O, I), W = shape_of(layer["W"]), flat(layer["W"], number)
        b = flat(layer["b"], number) if layer.get("b") else [number(0)] * O
        rows = math.prod(shape[:-1])
        return ((*shape[:-1], O), [[(row * I + i, W[o * I + i]) for i in range(I)]
                                   for row in range(rows) for o in range(O)], b * rows)
    if kind == "BatchNorm":
        scale = [g / square_root(v + number(layer["epsilon"]))
                 for g, v in zip(flat(layer["gamma"], number), flat(layer["variance"], number))]
        b = [beta - mean * s for beta, mean, s in zip(flat(layer["beta"], number), flat(layer["mean"], number), scale)]
        channel = [place[0] for place in places(shape)]
        return shape, [[(j, scale[c])] for j, c in enumerate(channel)], [b[c] for c in channel]
    if kind == "GlobalAvgPool":
        n = math.prod(shape[1:])
        return ((shape[0], 1, 1), [[(c * n + i, number(1) / n) for i in range(n)] for c in range(shape[0])],
                [number(0)] * shape[0])
    if kind == "ConvTranspose2d":
        return transposed(layer, shape, number)
    C, space = shape[0], shape[1:]
    pads = layer.get("padding", [0] * len(space))
    pads = [p if isinstance(p, list) else [p, p] for p in pads]
    stride, dilation = layer.get("stride", [1] * len(space)), layer.get("dilation", [1] * len(space))
    size = layer["size"] if kind == "AvgPool2d" else shape_of(layer["W"])[2:]
    out = tuple((n + a + z - d * (k - 1) - 1) // s + 1
                for n, (a, z), d, k, s in zip(space, pads, dilation, size, stride))

    def taps(place):
        """[(tap, pixel or None), ...] of the window of an output's place."""
        for tap in places(size):
            pixel = tuple(o * s - a + d * t for o, s, (a, _), d, t in zip(place, stride, pads, dilation, tap))
            yield tap, pixel if all(0 <= i < n for i, n in zip(pixel, space)) else None

    links, biases = [], []
    if kind == "AvgPool2d":
        for c, place in product(range(C), places(out)):
            window = list(taps(place))
            real = len(window) if layer.get("count_padding", True) else sum(q is not None for _, q in window)
            links.append([(None if q is None else index(shape, (c, *q)), number(1) / real) for _, q in window
                          if layer.get("count_padding", True) or q is not None])
            biases.append(number(0))
        return (C, *out), links, biases
    W, of_W, groups = flat(layer["W"], number), shape_of(layer["W"]), layer.get("groups", 1)
    b = flat(layer["b"], number) if layer.get("b") else [number(0)] * of_W[0]
    for o, place in product(range(of_W[0]), places(out)):
        first = o // (of_W[0] // groups) * of_W[1]
        links.append([(None if q is None else index(shape, (first + c, *q)), W[index(of_W, (o, c, *tap))])
                      for c in range(of_W[1]) for tap, q in taps(place)])
        biases.append(b[o])
    return (of_W[0], *out), links, biases


def transposed(layer, shape, number):
    W, of_W, groups = flat(layer["W"], number), shape_of(layer["W"]), layer.get("groups", 1)
    stride, pad = layer.get("stride", [1, 1]), layer.get("padding", [0, 0])
    extra, gap = layer.get("output_padding", [0, 0]), layer.get("dilation", [1, 1])
    O = of_W[1] * groups
    b = flat(layer["b"], number) if layer.get("b") else [number(0)] * O
    out = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 + e
                for n, s, p, d, k, e in zip(shape[1:], stride, pad, gap, of_W[2:], extra))
    links = []
    for o, place in product(range(O), places(out)):
        first, sees = o // of_W[1] * (shape[0] // groups), []
        for c, tap in product(range(shape[0] // groups), places(of_W[2:])):
            reach = [i + p - d * t for i, p, d, t in zip(place, pad, gap, tap)]
            if all(r % s == 0 and 0 <= r // s < n for r, s, n in zip(reach, stride, shape[1:])):
                j = index(shape, (first + c, *(r // s for r, s in zip(reach, stride))))
                sees.append((j, W[index(of_W, (first + c, o % of_W[1], *tap))]))
        links.append(sees)
    return (O, *out), links, [b[o] for o in range(O) for _ in places(out)]


# --- rules for affine layers: one neuron ----------------------------------------------------------------------------

def quotient(a, b):
    return a / b if b != 0 else 0 * a


def up(v):
    return max(v, 0 * v)


def down(v):
    return min(v, 0 * v)


def total(parts):
    return sum(parts, Fraction(0))


def shared(parts, bias):
    """Each part over the sum of all and a bias: what nearly all rules have in common."""
    z = total(parts) + bias
    return [quotient(part, z) for part in parts]


def stabilized(z, epsilon):
    return z + epsilon if z >= 0 else z - epsilon


def products(v):
    return [x * w for x, w in v]


def epsilon(v, b, p, epsilon=0):
    z = stabilized(total(products(v)) + b, epsilon)
    return [quotient(part, z) for part in products(v)]


def epsilon_like(denominator, parts=lambda v, b: products(v)):
    """A rule like epsilon with another denominator(z without bias, b, epsilon)."""
    def rule(v, b, p, epsilon=0):
        z = denominator(total(products(v)), b, epsilon)
        return [quotient(part, z) for part in parts(v, b)]
    return rule


def bias_by_size(rule):
    """The bias takes |b| of |z| + |b|, z the sum without it; what is left is shared without a bias."""
    def other(v, b, p, **knobs):
        z = abs(total(products(v)))
        kept = quotient(z, z + abs(b) + knobs.get("epsilon", 0)) if b else 1
        return [kept * share for share in rule(v, 0 * b, p, **knobs)]
    return other


def without_bias(rule):
    return lambda v, b, p, **knobs: rule(v, 0 * b, p, **knobs)


def gamma(v, b, p, gamma=Fraction(1, 4)):
    return shared([x * (w + gamma * up(w)) for x, w in v], b + gamma * up(b))


def gamma_signed(v, b, p, gamma=Fraction(1, 4), boost=None):
    same, other = (up, down) if total(products(v)) + b >= 0 else (down, up)
    parts = [x * (w + gamma * (same if x > 0 else other)(w)) for x, w in v]
    return shared(parts, b + (gamma * same(b) if boost is None else boost))


def alpha_beta(v, b, p, alpha, beta):
    halves = shared(list(map(up, products(v))), up(b)), shared(list(map(down, products(v))), down(b))
    return [alpha * a - beta * c for a, c in zip(*halves)]


def halves(part, bias, other_bias=None):
    """alpha-beta with another way to split: part(x, w, sign) and what the biases in the denominators are."""
    def rule(v, b, p, alpha, beta):
        one = shared([part(x, w, up) for x, w in v], bias(b))
        two = shared([part(x, w, down) for x, w in v], (other_bias or bias)(b))
        return [alpha * a - beta * c for a, c in zip(one, two)]
    return rule


def by_product(x, w, sign):
    return sign(x * w)


def by_weight(x, w, sign):
    return x * sign(w)


def z_plus(v, b, p):
    return shared([x * up(w) for x, w in v], 0)


def w_square(v, b, p):
    return shared([w * w for _, w in v], 0)


def flat_rule(v, b, p):
    return [Fraction(1, len(v)) for _ in v]


def z_box(v, b, p, low, high):
    return shared([x * w - low * up(w) - high * down(w) for x, w in v], 0)


def box(parts, bias=lambda b, p, low, high: 0):
    return lambda v, b, p, low, high: shared([parts(x, w, low, high) for x, w in v], bias(b, p, low, high))


def box_part(x, w, low, high):
    return x * w - low * up(w) - high * down(w)


# --- other layers: whole arrays ---------------------------------------------------------------------------------------

def windows(layer, shape):
    """[[j, ...] of each output] of a max pool: the real pixels of its window, row by row."""
    return neurons({**layer, "kind": "AvgPool2d", "count_padding": False}, shape)[:2]


def wins(choose):
    """A rule of a max pool: choose(values of the window) -> the numbers of those that share R."""
    def rule(layer, xs, y, R):
        (shape, x), = xs
        R_x = [0 * r for r in x]
        for window, r in zip(windows(layer, shape)[1], R):
            js = [j for j, _ in window]
            chosen = choose([x[j] for j in js])
            for i in chosen:
                R_x[js[i]] += r / len(chosen)
        return [R_x]
    return rule


def overwriting(layer, xs, y, R):
    """Winner takes all, but a pixel that wins twice keeps what came last."""
    (shape, x), = xs
    R_x = [0 * r for r in x]
    for window, r in zip(windows(layer, shape)[1], R):
        js = [j for j, _ in window]
        R_x[max(js, key=lambda j: x[j])] = r
    return [R_x]


def first_maximum(values):
    return [values.index(max(values))]


def last_maximum(values):
    return [len(values) - 1 - values[::-1].index(max(values))]


def all_maxima(values):
    return [i for i, value in enumerate(values) if value == max(values)]


def proportional(layer, xs, y, R):
    (shape, x), = xs
    R_x = [0 * r for r in x]
    for window, r in zip(windows(layer, shape)[1], R):
        for j, _ in window:
            R_x[j] += quotient(x[j], total(x[i] for i, _ in window)) * r
    return [R_x]


def passing(layer, xs, y, R):
    return [list(R)]


def times(factor):
    """R times factor(x, y), entry by entry."""
    return lambda layer, xs, y, R: [[r * factor(x, z) for r, x, z in zip(R, xs[0][1], y[1])]]


def adding(share):
    """A sum's rule: share(x_i, [all x], epsilon) of R for each summand."""
    def rule(layer, xs, y, R, epsilon=0):
        return [[r * share(v[i], [w[i] for _, w in xs], epsilon) for i, r in enumerate(R)] for _, v in xs]
    return rule


def pairs(share):
    """A sum's rule, two summands after the other: share(a, b, epsilon) of R for a in a + b."""
    def rule(layer, xs, y, R, epsilon=0):
        sums = [xs[0][1]]
        for _, x in xs[1:]:
            sums.append([a + b for a, b in zip(sums[-1], x)])
        found = []
        for before, (_, x) in zip(sums[-2::-1], xs[:0:-1]):
            found.append([r * share(b, a, epsilon) for r, a, b in zip(R, before, x)])
            R = [r * share(a, b, epsilon) for r, a, b in zip(R, before, x)]
        return [R, *found[::-1]]
    return rule


def cut(layer, xs, y, R):
    """R of a concatenation along the first axis."""
    pieces, start = [], 0
    for _, x in xs:
        pieces.append(list(R[start:start + len(x)]))
        start += len(x)
    return pieces


def to_factors(*weights):
    """A product's rule: weights[i] of R to factor i."""
    return lambda layer, xs, y, R: [[w * r for r in R] for w, _ in zip(weights, xs)]


def matmul(weights, denominator):
    """y = a b of (.., T, d) and (.., d, U): weights[i] a_tk b_ku R_tu / denominator(y_tu, epsilon) to factor i."""
    def rule(layer, xs, y, R, epsilon=0):
        ((*lead, T, d), a), ((*_, U), b) = xs
        R_a, R_b = [0 * v for v in a], [0 * v for v in b]
        for n, t, u in product(range(math.prod(lead)), range(T), range(U)):
            s = quotient(R[(n * T + t) * U + u], denominator(y[1][(n * T + t) * U + u], epsilon))
            for k in range(d):
                i, j = (n * T + t) * d + k, (n * d + k) * U + u
                R_a[i] += weights[0] * a[i] * b[j] * s
                R_b[j] += weights[1] * a[i] * b[j] * s
        return [R_a, R_b]
    return rule


def rows(shape, values):
    """The values along the last axis, row by row."""
    return [values[i:i + shape[-1]] for i in range(0, len(values), shape[-1])]


def by_row(of_row):
    """A rule that looks at one row: of_row(layer, x, y, R, **knobs) -> R_x."""
    def rule(layer, xs, y, R, **knobs):
        (shape, x), = xs
        three = zip(rows(shape, x), rows(shape, y[1]), rows(shape, R))
        return [[v for x_row, y_row, R_row in three for v in of_row(layer, x_row, y_row, R_row, **knobs)]]
    return rule


def softmax_taylor(layer, x, y, R):
    return [0.0 if v == -math.inf else v * (r - s * sum(R)) for v, s, r in zip(x, y, R)]


def normalized(layer, x):
    """(mean, scale): what is subtracted, and what the difference is multiplied by."""
    mean = sum(x) / len(x) if layer["kind"] == "LayerNorm" else 0
    return mean, 1 / math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + layer["epsilon"])


def scale_held_fixed(layer, x, y, R, epsilon=0, stabilize=stabilized):
    """The scale is a constant; then y_k = sum_j a_kj x_j + beta_k is affine, and LRP-epsilon of it."""
    (_, scale), n = normalized(layer, x), len(x)
    g, R_x = layer.get("gamma") or [1.0] * n, [0.0] * n
    for k, j in product(range(n), range(n)):
        a = g[k] * scale * ((k == j) - (1 / n if layer["kind"] == "LayerNorm" else 0))
        R_x[j] += x[j] * a * quotient(R[k], stabilize(y[k], epsilon))
    return R_x


def norm_by_size(layer, x, y, R, epsilon=0):
    """The bias takes its size's share; x - mean is shared by sizes; the mean's share returns by the sizes of x."""
    (mean, _), n = normalized(layer, x), len(x)
    R = [r * quotient(abs(z - c), abs(z - c) + abs(c) + epsilon) if "beta" in layer else r
         for r, z, c in zip(R, y, layer.get("beta") or [0.0] * n)]
    back = sum(r * quotient(abs(mean), abs(v) + abs(mean) + epsilon) for r, v in zip(R, x))
    return [r * quotient(abs(v), abs(v) + abs(mean) + epsilon) + back * quotient(abs(v), sum(map(abs, x)) + epsilon)
            for r, v in zip(R, x)]


def gradient_of_norm(layer, x, y, R):
    """x times the derivative with the scale a function of x, over y."""
    (mean, scale), n = normalized(layer, x), len(x)
    g = layer.get("gamma") or [1.0] * n
    R_x = [0.0] * n
    for k, j in product(range(n), range(n)):
        centre = (k == j) - (1 / n if layer["kind"] == "LayerNorm" else 0)
        a = g[k] * (scale * centre - (x[k] - mean) * scale ** 3 * (x[j] - mean) / n)
        R_x[j] += x[j] * a * quotient(R[k], y[k])
    return R_x


# --- every rule: the paper's, other definitions of the name, mistakes ------------------------------------------------

no_sign = epsilon_like(lambda z, b, e: z + b + e)
HALF = Fraction(1, 2)
DEFINITIONS = {                     # rule: (definition, {name: another definition}, {name: a mistake})
    "epsilon": (epsilon, {
        "bias ignored": without_bias(epsilon),
        "bias spread over the inputs": epsilon_like(
            lambda z, b, e: stabilized(z + b, e), lambda v, b: [x * w + b / len(v) for x, w in v]),
        "bias by size": bias_by_size(epsilon),
        "stabiliser without sign": no_sign,
        "relevance passes unchanged": lambda v, b, p, epsilon=0: [Fraction(1, len(v))] * len(v),
    }, {
        "bias counted twice": epsilon_like(lambda z, b, e: stabilized(z + 2 * b, e)),
        "|z| in place of z": epsilon_like(lambda z, b, e: stabilized(abs(z + b), e)),
        "outputs below 0 silent": epsilon_like(lambda z, b, e: stabilized(z + b, e) if z + b > 0 else 0 * z),
        "stabiliser left out": epsilon_like(lambda z, b, e: z + b),
        "stabiliser with the sign turned": epsilon_like(lambda z, b, e: stabilized(z + b, -e)),
        "sgn(0) = 0": epsilon_like(lambda z, b, e: stabilized(z + b, e) if z + b else 0 * z),
        "sgn(0) = -1": epsilon_like(lambda z, b, e: stabilized(z + b, e) if z + b else -e),
        "input left out": epsilon_like(lambda z, b, e: stabilized(z + b, e), lambda v, b: [w for _, w in v]),
        "sum of sizes": lambda v, b, p, epsilon=0: [
            quotient(part, sum(map(abs, products(v))) + abs(b) + epsilon) for part in products(v)],
    }),
    "gamma": (gamma, {
        "bias not boosted": lambda v, b, p, gamma: shared([x * (w + gamma * up(w)) for x, w in v], b),
        "bias ignored": without_bias(gamma),
        "sign of the sum boosted": gamma_signed,
        "sign of the sum boosted, bias not boosted": lambda v, b, p, gamma: gamma_signed(v, b, p, gamma, 0),
        "bias by size": bias_by_size(gamma),
        "bias by size, sign of the sum boosted": bias_by_size(gamma_signed),
        "silent where the sum is 0": lambda v, b, p, gamma: [
            share * (total(products(v)) + b != 0) for share in gamma_signed(v, b, p, gamma)],
    }, {
        "numerator boosted only": lambda v, b, p, gamma: [
            quotient(x * (w + gamma * up(w)), total(products(v)) + b) for x, w in v],
        "negative weights boosted": lambda v, b, p, gamma: shared(
            [x * (w + gamma * down(w)) for x, w in v], b + gamma * down(b)),
        "all weights boosted": lambda v, b, p, gamma: shared([x * w for x, w in v], b),
        "bias counted twice": lambda v, b, p, gamma: shared(
            [x * (w + gamma * up(w)) for x, w in v], 2 * (b + gamma * up(b))),
        "positive weights only": lambda v, b, p, gamma: shared([x * up(w) for x, w in v], up(b)),
    }),
    "gamma_signed": (gamma_signed, {
        "positive weights boosted always": gamma,
        "bias not boosted": lambda v, b, p, gamma: gamma_signed(v, b, p, gamma, 0),
        "positive weights boosted always, bias not boosted": lambda v, b, p, gamma: shared(
            [x * (w + gamma * up(w)) for x, w in v], b),
        "bias ignored": without_bias(gamma_signed),
        "bias by size": bias_by_size(gamma_signed),
        "silent where the sum is 0": lambda v, b, p, gamma: [
            share * (total(products(v)) + b != 0) for share in gamma_signed(v, b, p, gamma)],
    }, {
        "outputs below 0 silent": lambda v, b, p, gamma: [
            share * (total(products(v)) + b >= 0) for share in gamma_signed(v, b, p, gamma)],
        "b counted twice where the sum is above 0": lambda v, b, p, gamma: gamma_signed(
            v, b, p, gamma, b + gamma * b if total(products(v)) + b >= 0 else None),
        "mirror image left out": lambda v, b, p, gamma: shared(
            [x * (w + gamma * (up if x > 0 else down)(w)) for x, w in v], b + gamma * up(b)),
        "negative inputs not boosted": lambda v, b, p, gamma: shared(
            [x * w if x < 0 else x * (w + gamma * (up if total(products(v)) + b >= 0 else down)(w)) for x, w in v], b),
        "plain weights": lambda v, b, p, gamma: epsilon(v, b, p),
    }),
    "alpha_beta": (alpha_beta, {
        "all of b in both halves": halves(by_product, lambda b: b),
        "bias ignored": halves(by_product, lambda b: 0),
        "weights split, all of b": halves(by_weight, lambda b: b),
        "weights split, b split": halves(by_weight, up, down),
        "weights split, bias ignored": halves(by_weight, lambda b: 0),
        "bias by size": bias_by_size(alpha_beta),
    }, {
        "beta added": lambda v, b, p, alpha, beta: alpha_beta(v, b, p, alpha, -beta),
        "beta left out": lambda v, b, p, alpha, beta: alpha_beta(v, b, p, alpha, 0),
        "alpha left out": lambda v, b, p, alpha, beta: alpha_beta(v, b, p, 1, beta),
        "alpha and beta exchanged": lambda v, b, p, alpha, beta: alpha_beta(v, b, p, beta, alpha),
        "biases exchanged": halves(by_product, down, up),
        "|b| in both halves": halves(by_product, abs, lambda b: -abs(b)),
        "b+ in the first half only": halves(by_product, up, lambda b: 0),
        "b- in the second half only": halves(by_product, lambda b: 0, down),
    }),
    "z_plus": (z_plus, {
        "b+ absorbs": lambda v, b, p: shared([x * up(w) for x, w in v], up(b)),
        "all of b absorbs": lambda v, b, p: shared([x * up(w) for x, w in v], b),
        "product split": lambda v, b, p: shared([up(x * w) for x, w in v], 0),
        "product split, b+ absorbs": lambda v, b, p: shared([up(x * w) for x, w in v], up(b)),
        "bias by size": bias_by_size(z_plus),
        "product split, bias by size": bias_by_size(lambda v, b, p: shared([up(x * w) for x, w in v], 0)),
    }, {
        "all weights": lambda v, b, p: epsilon(v, 0, p),
        "sizes of weights": lambda v, b, p: shared([x * abs(w) for x, w in v], 0),
        "negative weights": lambda v, b, p: shared([x * down(w) for x, w in v], 0),
        "inputs left out": lambda v, b, p: shared([up(w) for _, w in v], 0),
        "positive weights over all": lambda v, b, p: [quotient(x * up(w), total(products(v))) for x, w in v],
    }),
    "w_square": (w_square, {
        "b squared absorbs": lambda v, b, p: shared([w * w for _, w in v], b * b),
        "padding counted": lambda v, b, p: shared([w * w for _, w in v], total(w * w for w in p)),
        "b squared absorbs, padding counted": lambda v, b, p: shared(
            [w * w for _, w in v], b * b + total(w * w for w in p)),
    }, {
        "not squared": lambda v, b, p: shared([w for _, w in v], 0),
        "sizes": lambda v, b, p: shared([abs(w) for _, w in v], 0),
        "times the input": lambda v, b, p: shared([x * w * w for x, w in v], 0),
        "positive weights": lambda v, b, p: shared([up(w) ** 2 for _, w in v], 0),
    }),
    "flat": (flat_rule, {
        "padding counted": lambda v, b, p: [Fraction(1, len(v) + len(p)) for _ in v],
        "bias as one input more": lambda v, b, p: [Fraction(1, len(v) + (b != 0)) for _ in v],
    }, {
        "zero weights not counted": lambda v, b, p: shared([Fraction(w != 0) for _, w in v], 0),
        "zero inputs not counted": lambda v, b, p: shared([Fraction(x != 0) for x, _ in v], 0),
        "w squared": w_square,
        "not divided": lambda v, b, p: [Fraction(1) for _ in v],
    }),
    "z_box": (z_box, {
        "b absorbs": box(box_part, lambda b, p, low, high: b),
        "padding counted": box(box_part, lambda b, p, low, high: total(-low * up(w) - high * down(w) for w in p)),
        "b absorbs, padding counted": box(
            box_part, lambda b, p, low, high: b + total(-low * up(w) - high * down(w) for w in p)),
        "bias by size": lambda v, b, p, low, high: bias_by_size(z_box)(v, b, p, low=low, high=high),
    }, {
        "upper bound in place of the lower": box(lambda x, w, low, high: box_part(x, w, high, high)),
        "lower bound in place of the upper": box(lambda x, w, low, high: box_part(x, w, low, low)),
        "bounds exchanged": box(lambda x, w, low, high: box_part(x, w, high, low)),
        "upper bound left out": box(lambda x, w, low, high: x * w - low * up(w)),
        "lower bound left out": box(lambda x, w, low, high: x * w - high * down(w)),
        "bounds left out": box(lambda x, w, low, high: x * w),
        "bounds times all weights": box(lambda x, w, low, high: x * w - low * w - high * w),
    }),
    "winner_takes_all": (wins(first_maximum), {
        "ties shared": wins(all_maxima), "last maximum wins": wins(last_maximum), "proportional": proportional,
        "shared evenly": wins(lambda values: list(range(len(values)))),
    }, {
        "overlaps overwritten": overwriting,
        "each maximum gets all": lambda layer, xs, y, R: [[
            r * n for r, n in zip(*(part[0] for part in (wins(all_maxima)(layer, xs, y, R), [[2] * len(xs[0][1])])))]],
        "smallest wins": wins(lambda values: [values.index(min(values))]),
    }),
    "proportional": (proportional, {"winner takes all": wins(first_maximum), "shared evenly": wins(
        lambda values: list(range(len(values))))}, {"ties shared": wins(all_maxima)}),
    "pass": (passing, {
        "y / x": times(lambda x, y: quotient(y, x)), "gated where x <= 0": times(lambda x, y: 1 if x > 0 else 0),
    }, {"times x": times(lambda x, y: x), "times y": times(lambda x, y: y)}),
    "add": (adding(lambda x, all_, e: quotient(x, stabilized(total(all_), e))), {
        "by size": adding(lambda x, all_, e: quotient(abs(x), total(map(abs, all_)) + e)),
        "evenly": adding(lambda x, all_, e: Fraction(1, len(all_))),
        "copied": adding(lambda x, all_, e: 1),
        "stabiliser without sign": adding(lambda x, all_, e: quotient(x, total(all_) + e)),
        "stabiliser without sign, pair after pair": pairs(lambda a, b, e: quotient(a, a + b + e)),
        "by size, pair after pair": pairs(lambda a, b, e: quotient(abs(a), abs(a) + abs(b) + e)),
        "pair after pair": pairs(lambda a, b, e: quotient(a, stabilized(a + b, e))),
    }, {"all to the first": lambda layer, xs, y, R, epsilon=0: [list(R)] + [[0 * r for r in R]] * (len(xs) - 1),
        "sum of sizes": adding(lambda x, all_, e: quotient(x, total(map(abs, all_)) + e))}),
    "cut": (cut, {}, {"turned round": lambda layer, xs, y, R: cut(layer, xs, y, R[::-1]),
                      "halved": lambda layer, xs, y, R: [[r / 2 for r in part] for part in cut(layer, xs, y, R)]}),
    "half_each": (to_factors(HALF, HALF), {
        "signal takes all": to_factors(1, 0), "gate takes all": to_factors(0, 1), "all to each": to_factors(1, 1),
        "by size": lambda layer, xs, y, R: [[quotient(abs(a), abs(a) + abs(b)) * r for a, b, r in zip(
            *(v for _, v in pair), R)] for pair in (xs, xs[::-1])]},
        {"times the gate": lambda layer, xs, y, R: [[r * g for r, g in zip(R, xs[1][1])], [0 * r for r in R]]}),
    "signal_takes_all": (to_factors(1, 0), {
        "half each": to_factors(HALF, HALF), "gate takes all": to_factors(0, 1), "all to each": to_factors(1, 1)},
        {"times the gate": lambda layer, xs, y, R: [[r * g for r, g in zip(R, xs[1][1])], [0 * r for r in R]]}),
    "matmul_half_each": (matmul((1, 1), lambda y, e: stabilized(2 * y, e)), {
        "signal takes all": matmul((0, 1), stabilized), "all to each": matmul((1, 1), stabilized),
        "stabiliser without sign": matmul((1, 1), lambda y, e: 2 * y + e),
        "stabiliser not halved": matmul((HALF, HALF), stabilized),
    }, {"first takes all": matmul((1, 0), stabilized), "first halved": matmul((HALF, 1), stabilized)}),
    "matmul_signal_takes_all": (matmul((0, 1), stabilized), {
        "half each": matmul((1, 1), lambda y, e: stabilized(2 * y, e)), "all to each": matmul((1, 1), stabilized),
        "stabiliser without sign": matmul((0, 1), lambda y, e: y + e),
    }, {"first takes all": matmul((1, 0), stabilized)}),
    "softmax": (by_row(softmax_taylor), {
        "relevance passes unchanged": passing, "relevance gated": times(lambda x, y: y),
        "derivative times input": by_row(lambda layer, x, y, R: [
            0.0 if v == -math.inf else v * s * (r - sum(a * b for a, b in zip(y, R))) for v, s, r in zip(x, y, R)]),
    }, {"sum left out": by_row(lambda layer, x, y, R: [0.0 if v == -math.inf else v * r for v, r in zip(x, R)]),
        "input left out": by_row(lambda layer, x, y, R: [r - s * sum(R) for s, r in zip(y, R)]),
        "mean in place of the sum": by_row(lambda layer, x, y, R: [
            0.0 if v == -math.inf else v * (r - s * sum(R) / len(R)) for v, s, r in zip(x, y, R)])}),
    "scale_held_fixed": (by_row(scale_held_fixed), {
        "relevance passes unchanged": lambda layer, xs, y, R, epsilon=0: passing(layer, xs, y, R),
        "scale a function of x": by_row(lambda layer, x, y, R, epsilon=0: gradient_of_norm(layer, x, y, R)),
        "by size": by_row(norm_by_size),
        "stabiliser without sign": by_row(lambda layer, x, y, R, epsilon=0: scale_held_fixed(
            layer, x, y, R, epsilon, lambda z, e: z + e)),
    }, {"mean not subtracted": by_row(lambda layer, x, y, R, epsilon=0: scale_held_fixed(
            {**layer, "kind": "RMSNorm"}, x, y, R, epsilon)),
        "weights left out": by_row(lambda layer, x, y, R, epsilon=0: scale_held_fixed(
            {**layer, "gamma": None}, x, y, R, epsilon))}),
    "identity": (passing, {
        "scale held fixed": by_row(scale_held_fixed), "scale a function of x": by_row(gradient_of_norm),
        "bias by size": by_row(lambda layer, x, y, R: [
            r * quotient(abs(z - c), abs(z - c) + abs(c))
            for r, z, c in zip(R, y, layer.get("beta") or [0.0] * len(R))]),
    }, {"times y": times(lambda x, y: y)}),
}


# --- networks ---------------------------------------------------------------------------------------------------------

def forward(layer, xs, number=Fraction):
    """y of one layer. xs: the arrays that enter it."""
    kind, (shape, x) = layer["kind"], xs[0]
    if kind in AFFINE:
        out, links, b = neurons(layer, shape, number)
        return out, [total(x[j] * w for j, w in sees if j is not None) + c for sees, c in zip(links, b)]
    if kind in ACTIVATIONS:
        return shape, [ACTIVATIONS[kind](v) for v in x]
    if kind == "MaxPool2d":
        out, links = windows(layer, shape)
        return out, [max(x[j] for j, _ in window) for window in links]
    if kind == "Flatten":
        return (len(x),), list(x)
    if kind == "Add":
        return shape, [total(parts) for parts in zip(*(v for _, v in xs))]
    if kind == "Multiply":
        return shape, [math.prod(parts) for parts in zip(*(v for _, v in xs))]
    if kind == "Concat":
        return (sum(s[0] for s, _ in xs), *shape[1:]), [v for _, part in xs for v in part]
    if kind == "MatMul":
        (*lead, T, d), U, b = shape, xs[1][0][-1], xs[1][1]
        return (*lead, T, U), [total(x[(n * T + t) * d + k] * b[(n * d + k) * U + u] for k in range(d))
                               for n, t, u in product(range(math.prod(lead)), range(T), range(U))]
    if kind == "Transpose":
        (*lead, T, d) = shape
        return (*lead, d, T), [x[(n * T + t) * d + k] for n, k, t in product(
            range(math.prod(lead)), range(d), range(T))]
    if kind == "Softmax":
        found = []
        for row in rows(shape, x):
            e = [math.exp(v - max(row)) for v in row]
            found += [v / sum(e) for v in e]
        return shape, found
    if kind in ("LayerNorm", "RMSNorm"):
        found = []
        for row in rows(shape, x):
            mean, scale = normalized(layer, row)
            g, beta = layer.get("gamma") or [1.0] * len(row), layer.get("beta") or [0.0] * len(row)
            found += [(v - mean) * scale * a + c for v, a, c in zip(row, g, beta)]
        return shape, found
    raise ValueError(f"no layer is called {kind}")


def backward(layer, xs, y, R, definition, knobs, number=Fraction):
    """R_x of one layer, a list with one beside each of xs."""
    if layer["kind"] not in AFFINE or definition is passing:
        return definition(layer, xs, y, R, **knobs)
    (shape, x), = xs
    _, links, b = neurons(layer, shape, number)
    R_x = [0 * v for v in x]
    for sees, bias, r in zip(links, b, R):
        real = [(j, w) for j, w in sees if j is not None]
        shares = definition([(x[j], w) for j, w in real], bias, [w for j, w in sees if j is None], **knobs)
        for (j, _), share in zip(real, shares):
            R_x[j] += share * r
    return [R_x]


def transpose_back(layer, xs, y, R):
    """The relevance of what a transposition moved."""
    return [forward(layer, [(y[0], R)])[1]]


def trace(model, xs, number=Fraction):
    """[what enters, what each layer made]: A, of one example. model: {"layers": [...], "inputs": [[...], ...]}"""
    A = list(xs)
    for layer, entering in zip(model["layers"], model["inputs"]):
        A.append(forward(layer, [A[i] for i in entering], number))
    return A


def explain(model, xs, R, rules, number=Fraction):
    """Relevance beside every array of the trace. rules: for each layer (definition, knobs)."""
    A = trace(model, xs, number)
    found = [[0 * v for v in values] for _, values in A[:-1]] + [list(R)]
    for l in reversed(range(len(model["layers"]))):
        layer, entering, (definition, knobs) = model["layers"][l], model["inputs"][l], rules[l]
        if layer["kind"] == "Transpose":
            definition = transpose_back
        position = l + len(xs)
        parts = backward(layer, [A[i] for i in entering], A[position], found[position], definition, knobs, number)
        for i, part in zip(entering, parts):
            found[i] = [a + c for a, c in zip(found[i], part)]
    return found


DERIVATIVES = {"ReLU": lambda x, y: x > 0, "Tanh": lambda x, y: 1 - y * y, "Sigmoid": lambda x, y: y * (1 - y)}


def rescale(model, x, x_ref, start, number=Fraction, gradient=False, overwrite=False, pools=False):
    """DeepLIFT, Rescale: contributions m (x - x_ref) of a chain. Shrikumar et al. 2017, section 3.5.1.

    A max pool hands what is above both maxima to the winner of x, what is below to the winner of x_ref. Where x = x_ref
    a multiplier is the derivative. gradient: it is so everywhere; pools: at
    max pools. overwrite: a pixel that wins twice keeps what came last.
    """
    A, A_ref = trace(model, [x], number), trace(model, [x_ref], number)
    m = list(start)
    for l in reversed(range(len(model["layers"]))):
        layer, (shape, a), (_, a_ref) = model["layers"][l], A[l], A_ref[l]
        if layer["kind"] in AFFINE:
            back = [0 * v for v in a]
            for sees, signal in zip(neurons(layer, shape, number)[1], m):
                for j, w in sees:
                    if j is not None:
                        back[j] += w * signal
        elif layer["kind"] == "MaxPool2d":
            credit, slope = [0 * v for v in a], [0 * v for v in a]
            for window, y, y_ref, signal in zip(windows(layer, shape)[1], A[l + 1][1], A_ref[l + 1][1], m):
                js = [j for j, _ in window]
                slope[max(js, key=lambda j: a[j])] += signal
                for values, part in ((a, signal * (max(y, y_ref) - y_ref)), (a_ref, signal * (y - max(y, y_ref)))):
                    j = max(js, key=lambda j: values[j])
                    credit[j] = part if overwrite and part else credit[j] + part
            back = [g if gradient or pools or v == v_ref else c / (v - v_ref)
                    for c, g, v, v_ref in zip(credit, slope, a, a_ref)]
        elif layer["kind"] in ACTIVATIONS and gradient:
            back = [s * number(DERIVATIVES[layer["kind"]](v, y)) for s, v, y in zip(m, a, A[l + 1][1])]
        elif layer["kind"] in ACTIVATIONS:
            slope = [quotient(y - y_ref, v - v_ref) if v != v_ref else number(v > 0) for v, v_ref, y, y_ref in zip(
                a, a_ref, A[l + 1][1], A_ref[l + 1][1])]
            back = [s * signal for s, signal in zip(slope, m)]
        else:
            back = m
        m = back
    return [s * (v - v_ref) for s, v, v_ref in zip(m, x[1], x_ref[1])]
