"""Write the vectors:  python -m tests.vectors.generate

The cases are those of `cases.py`, the numbers those of `oracle.py`. A vector that none of the other definitions and
none of the mistakes of its rule fails is dropped, for it tests nothing.
"""
import json
import pathlib
from fractions import Fraction

from . import cases, oracle, schema
from .oracle import DEFINITIONS

HERE = pathlib.Path(__file__).parent
ABOUT = {                                                   # rule: (source, formula)
    "epsilon": ("Bach et al. 2015, eq. 58", "R_j = sum_k x_j w_jk R_k / (z_k + e sgn z_k), z_k = sum_j x_j w_jk + b_k"),
    "gamma": ("Montavon et al. 2019, section 10.2.1",
              "R_j = sum_k x_j (w_jk + g w_jk+) R_k / (sum_j x_j (w_jk + g w_jk+) + b_k + g b_k+), x >= 0"),
    "gamma_signed": ("Andeol et al. 2021", "as gamma; products with the sign of z_k are boosted, b_k too: "
                     "z_k >= 0: q_jk = x_j+ (w + g w+) + x_j- (w + g w-), B = b + g b+; z_k < 0 the mirror image"),
    "alpha_beta": ("Bach et al. 2015, eq. 60", "R_j = sum_k (alpha z_jk+ / (sum_j z_jk+ + b_k+) "
                   "- beta z_jk- / (sum_j z_jk- + b_k-)) R_k, z_jk = x_j w_jk, alpha - beta = 1"),
    "flat": ("Lapuschkin et al. 2019", "R_j = sum_k R_k / n_k, n_k real inputs of output k"),
    "z_plus": ("Montavon et al. 2017", "R_j = sum_k x_j w_jk+ R_k / sum_j x_j w_jk+, x >= 0"),
    "w_square": ("Montavon et al. 2017", "R_j = sum_k w_jk^2 R_k / sum_j w_jk^2, over real inputs"),
    "z_box": ("Montavon et al. 2017", "R_j = sum_k (x_j w_jk - l w_jk+ - h w_jk-) R_k / (the same, summed over j), "
              "l <= x <= h, over real inputs"),
    "winner_takes_all": ("Montavon et al. 2019", "R of a window to its largest input; of several, to the first"),
    "proportional": ("Montavon et al. 2017", "R_j = sum_k x_j R_k / sum_j x_j over the window"),
    "pass": ("Bach et al. 2015", "R passes an activation unchanged"),
    "add": ("Bach et al. 2015, eq. 58, weights of 1", "R_i = x_i R / (y + e sgn y), y = sum_i x_i"),
    "cut": ("-", "R of a concatenation is cut as y was joined (first axis behind the batch)"),
    "half_each": ("Achtibat et al. 2024, prop. 3.2", "y = a b: R_a = R_b = R / 2"),
    "signal_takes_all": ("Arras et al. 2017", "y = signal gate: R_signal = R, R_gate = 0; the signal is the first"),
    "matmul_half_each": ("Achtibat et al. 2024, prop. 3.3",
                         "O = A V: S = R / (2 O + e sgn O), R_A = A (S V^T), R_V = V (A^T S), entry by entry"),
    "matmul_signal_takes_all": ("Ali et al. 2022",
                                "O = A V, A a constant: S = R / (O + e sgn O), R_V = V (A^T S), R_A = 0"),
    "softmax": ("Achtibat et al. 2024, prop. 3.1", "R_i = x_i (R'_i - s_i sum_j R'_j); x_i = -inf counts as 0"),
    "scale_held_fixed": ("Ali et al. 2022; Achtibat et al. 2024, prop. 3.4",
                         "the scale is a constant, epsilon rule of the affine map that is left, mean included"),
    "identity": ("Achtibat et al. 2024", "R passes a normalisation unchanged"),
    "network": ("as each layer's rule", "relevance beside every array of the trace"),
    "deeplift": ("Shrikumar et al. 2017, section 3.5.1", "Rescale: m = (y - y_ref) / (x - x_ref) at activations; "
                 "contributions m (x - x_ref) sum to the difference of the outputs"),
}
CAPTUM, INNVESTIGATE = "https://github.com/meta-pytorch/captum/", "https://github.com/albermax/innvestigate/issues/"
NOTES = {                                                   # flag: (text, links)
    "one neuron": ("Can be computed by hand.", []),
    "bias": ("Biases: who absorbs what?", [INNVESTIGATE + "116", INNVESTIGATE + "327"]),
    "positive bias": ("A bias above 0.", [INNVESTIGATE + "327"]),
    "negative bias": ("A bias below 0, which some put whole into the positive half, too.",
                      [INNVESTIGATE + "273", "https://github.com/chr5tphr/zennit/issues/107"]),
    "negative input": ("Inputs of both signs: is the product split, or the weight?",
                       [CAPTUM + "issues/1234", INNVESTIGATE + "42"]),
    "zero sum": ("A denominator is 0. The papers do not say what R / 0 is; here it is 0.",
                 ["https://github.com/sebastian-lapuschkin/lrp_toolbox/issues/19"]),
    "bias alone": ("The neuron is nothing but its bias: nothing is left to hand on.", []),
    "one-sided": ("No positive, or no negative part: that half hands on nothing.",
                  ["https://github.com/sebastian-lapuschkin/lrp_toolbox/issues/19"]),
    "tie": ("Several inputs are the largest. Here the first takes all; to share is as good.",
            ["https://github.com/sebastian-lapuschkin/lrp_toolbox/issues/5"]),
    "overlap": ("An input that several outputs see receives the sum.",
                ["https://github.com/moboehle/Pytorch-LRP/issues/11"]),
    "pool": ("DeepLIFT through a max pool.", [CAPTUM + "issues/1276", CAPTUM + "pull/1847"]),
    "pool beside activation": ("A max pool straight behind an activation.",
                               [CAPTUM + "issues/1104", CAPTUM + "pull/1843", CAPTUM + "issues/1276"]),
    "invalid": ("The rule is not defined here. To refuse is right.", []),
}


def number(v, digits=13):
    """The shortest JSON number of a fraction or float; "-inf" as a string."""
    if isinstance(v, list):
        return [number(part, digits) for part in v]
    if v in ("-inf", float("-inf")):
        return "-inf"
    v = float(f"{float(v):.{digits}g}")
    return int(v) if v == int(v) and abs(v) < 1e15 else v


def differ(a, b):
    """Whether two answers differ by more than any tolerance here."""
    a, b = oracle.flat(a, float), oracle.flat(b, float)
    size = max([1.0, *map(abs, a)])
    return any(not abs(p - q) <= 1e-6 * size for p, q in zip(a, b))


def each_example(layer, xs, R, definition, knobs, exact):
    """The answer to a batch, an example at a time: one nested list, or of a join one for each input."""
    kind = Fraction if exact else float
    knobs = {name: Fraction(value) if exact else value for name, value in knobs.items()}
    answers = []
    for n in range(len(R)):
        entering = [(oracle.shape_of(x[n]), oracle.flat(x[n], kind)) for x in xs]
        y = oracle.forward(layer, entering, kind)
        parts = oracle.backward(layer, entering, y, oracle.flat(R[n], kind), definition, knobs, kind)
        answers.append([oracle.nested(shape, part) for (shape, _), part in zip(entering, parts)])
    found = [[answer[i] for answer in answers] for i in range(len(xs))]
    return found if layer["kind"] in oracle.JOINS else found[0]


def structural(expected, R, layer, before, of):
    """{name: answer} of mistakes that any rule can have."""
    found = {"relevance below 0 left out": of(positive(R))}
    if layer["kind"] not in oracle.JOINS and len(expected) > 1:
        found["the first example's answer for all"] = [expected[0]] * len(expected)
        found["examples in the other order"] = expected[::-1]
    if before is not None:
        found["the answer before"] = before
    return found


def positive(nested):
    return [positive(part) for part in nested] if isinstance(nested, list) else max(nested, 0)


class Writer:
    """Collects the groups of one file; drops what no mistake fails."""

    def __init__(self, rule):
        self.rule, self.groups, self.count, self.dropped, self.flags, self.caught = rule, {}, 0, [], set(), {}

    def add(self, layer, x, R, comment, flags, knobs, exact=True, verdict=None, before=None):
        right, others, mistakes = DEFINITIONS[self.rule]
        xs = x if layer["kind"] in oracle.JOINS else [x]

        def of(relevance, definition=right, given=xs):
            return each_example(layer, given, relevance, definition, knobs, exact)
        invalid = verdict == "invalid input"
        expected = of(R)
        answers = {name: of(R, rule) for name, rule in others.items()}
        wrong = {**answers, **{name: of(R, rule) for name, rule in mistakes.items()},
                 **structural(expected, R, layer, None if before is None else of(R, right, [before]), of)}
        caught = [name for name, answer in wrong.items() if invalid or differ(expected, answer)]
        key = json.dumps([layer, knobs, exact])
        identity = f"{self.rule}-{self.count + 1:03}"
        expects_zero = {"zero sum", "bias alone", "one-sided", "zero"} & set(flags)
        if not expects_zero and {"sgn(0) = 0", "sgn(0) = -1"} & set(caught):
            raise ValueError(f"{self.rule}: {comment}: a sum is 0 by chance; draw other numbers")
        if not caught or any(test["x"] == x and test["R"] == R and test.get("before") == before
                             for test in self.groups.get(key, [])):
            self.dropped.append(comment)
            return
        self.count += 1
        for name in caught:
            self.caught[name] = self.caught.get(name, 0) + 1
        if negative(xs) and self.rule not in ("cut", "half_each", "pass"):
            flags = [*flags, "negative input"]
        if verdict is None:
            loose = {"tie"} if self.rule == "winner_takes_all" else {"zero sum", "one-sided"}
            verdict = "acceptable" if loose & set(flags) and not knobs.get("epsilon") else "valid"
        if invalid:
            flags, answers = [*flags, "invalid"], {"the formula all the same": expected, **answers}
        kept = {}
        for name, answer in answers.items():
            if (invalid or differ(expected, answer)) and all(differ(answer, other) for other in kept.values()):
                kept[name] = answer
        self.flags |= set(flags)
        test = {"id": identity, "comment": comment, "x": number(x), "R": number(R),
                "expected": None if invalid else number(expected), "verdict": verdict, "flags": flags,
                "tolerance": 1e-9, "alternatives": {name: number(answer, 10) for name, answer in kept.items()}}
        if before is not None:
            test["before"] = before
        self.groups.setdefault(key, []).append(test)

    def write(self, groups=None):
        source, formula = ABOUT[self.rule]
        groups = groups or [dict(zip(("layer", "knobs", "exact"), json.loads(key)), tests=tests)
                            for key, tests in self.groups.items()]
        flags = sorted(self.flags or {flag for group in groups for test in group["tests"] for flag in test["flags"]})
        notes = {flag: dict(zip(("text", "links"), NOTES[flag])) for flag in flags if flag in NOTES}
        content = {"schema": schema.VERSION, "rule": self.rule, "source": source, "formula": formula, "notes": notes,
                   "groups": groups}
        schema.check(content)
        (HERE / f"{self.rule}.json").write_text(compact(content))
        tests = sum(len(group["tests"]) for group in groups)
        uncaught = [] if not self.caught else [
            name for part in DEFINITIONS[self.rule][1:] for name in part if name not in self.caught]
        print(f"{self.rule:24} {tests:4} vectors, {len(self.dropped):3} dropped"
              + (f", caught by none: {uncaught}" if uncaught else ""))
        return tests


def negative(nested):
    return any(map(negative, nested)) if isinstance(nested, list) else nested == "-inf" or nested < 0


def compact(content):
    """JSON with a line for each test."""
    head = {name: value for name, value in content.items() if name != "groups"}
    lines = []
    for group in content["groups"]:
        about = json.dumps({name: value for name, value in group.items() if name != "tests"}, separators=(",", ":"))
        tests = ",\n".join(json.dumps(test, separators=(",", ":")) for test in group["tests"])
        lines.append(f'{about[:-1]},"tests":[\n{tests}]}}')
    return json.dumps(head, indent=1)[:-2] + ',\n "groups": [\n' + ",\n".join(lines) + "]}\n"


def single_layers():
    """The files of rules for one layer. Returns how many vectors there are."""
    files = {rule: Writer(rule) for rule in DEFINITIONS}
    for rule, settings in cases.KNOBS.items():
        nonnegative = rule in ("gamma", "z_plus")
        for knobs in settings:
            plain = knobs == settings[0]
            for layer, x, R, comment, flags, exact in cases.affine(nonnegative):
                one_kind_is_enough = not plain and knobs != {"alpha": 1, "beta": 0}
                if one_kind_is_enough and layer["kind"] != "Dense" or not (exact or plain):
                    continue
                x = clipped(x, **knobs) if rule == "z_box" else x
                files[rule].add(layer, x, R, comment, flags, knobs, exact)
            if plain:
                for layer, x, R, comment, flags, before in cases.related(nonnegative):
                    files[rule].add(layer, x, R, comment, flags, knobs, before=before)
        for layer, x, R, comment, knobs in cases.invalid(rule):
            files[rule].add(layer, x, R, comment, [], knobs or settings[0], verdict="invalid input")
    for rule, layer, x, R, comment, flags in cases.pools():
        files[rule].add(layer, x, R, comment, flags, {})
    for layer, x, R, comment, flags in cases.activations():
        files["pass"].add(layer, x, R, comment, flags, {}, layer["kind"] == "ReLU")
    for rule, layer, x, R, comment, flags, knobs in cases.joins():
        files[rule].add(layer, x, R, comment, flags, knobs)
    for rule, layer, x, R, comment, flags, knobs in cases.by_rows():
        files[rule].add(layer, x, R, comment, flags, knobs, False)
    return sum(file.write() for file in files.values())


def clipped(x, low, high):
    return [clipped(part, low, high) for part in x] if isinstance(x, list) else max(low, min(x, high))


def rule_of(layer, rules, first):
    """(name, knobs) of one layer under a set of rules."""
    kind, of_products = layer["kind"], rules if isinstance(rules, str) else "attn_lrp"
    joins = {"half_each": "half_each", "signal_takes_all": "signal_takes_all"}
    if kind in oracle.ACTIVATIONS or kind in ("Flatten", "Transpose"):
        return "pass", {}
    if kind in ("BatchNorm", "AvgPool2d", "GlobalAvgPool") or kind in oracle.AFFINE and isinstance(rules, str):
        return "epsilon", {"epsilon": 0}
    if kind in oracle.AFFINE:
        rest, at_first = rules if isinstance(rules, list) else (rules, rules)
        return at_first if first else rest
    return {"MaxPool2d": ("winner_takes_all", {}), "Add": ("add", {"epsilon": 0}), "Concat": ("cut", {}),
            "Multiply": (joins.get(of_products, "half_each"), {}), "Softmax": ("softmax", {}),
            "LayerNorm": ("scale_held_fixed", {"epsilon": 0}),
            "MatMul": ("matmul_half_each" if of_products == "attn_lrp" else "matmul_signal_takes_all",
                       {"epsilon": 0})}[kind]


def network_vectors():
    file, groups, count = Writer("network"), [], 0
    for number_of, (name, model, shape, sets, flags) in enumerate(cases.networks()):
        draw, kinds = cases.Draw(100 + number_of), {layer["kind"] for layer in model["layers"]}
        exact = not kinds & {"SiLU", "Softmax", "LayerNorm", "GELU"}
        kind = Fraction if exact else float
        write_onnx(name, model, shape)
        for rules in sets:
            chosen = [rule_of(layer, rules, l == 0) for l, layer in enumerate(model["layers"])]
            definitions = [(DEFINITIONS[rule][0], {k: kind(v) for k, v in knobs.items()}) for rule, knobs in chosen]
            tests = []
            for size in (1, 2):
                x = draw(size, *shape, least=-4)
                x = clipped(x, -2, 2)
                entering = [[(oracle.shape_of(v), oracle.flat(v, kind))] for v in x]
                out = oracle.trace(model, entering[0], kind)[-1][0]
                R = draw(size, *out)

                def of(definitions):
                    return [oracle.explain(model, a, oracle.flat(r, kind), definitions, kind)
                            for a, r in zip(entering, R)]
                found = of(definitions)
                one_wrong = (of([*definitions[:l], (other, definitions[l][1]), *definitions[l + 1:]])
                             for l, (rule, _) in enumerate(chosen) for other in DEFINITIONS[rule][1].values())
                if not any(differ([number(a[0]) for a in found], [number(a[0]) for a in wrong]) for wrong in one_wrong):
                    file.dropped.append(name)
                    continue
                count += 1
                others = {}
                for name_of in sorted({other for rule, _ in chosen for other in DEFINITIONS[rule][1]}):
                    also = "bias by size" if name_of == "by size" else ""
                    answer = [number(oracle.nested(oracle.shape_of(x[0]), a[0]), 10) for a in of([
                        (DEFINITIONS[rule][1].get(name_of) or DEFINITIONS[rule][1].get(also) or DEFINITIONS[rule][0],
                         knobs) for (rule, _), (_, knobs) in zip(chosen, definitions)])]
                    if all(differ(answer, other) for other in others.values()):
                        others[name_of] = answer
                shapes = [s for s, _ in oracle.trace(model, entering[0], kind)]
                whole = [[number(oracle.nested(s, answer[i])) for answer in found] for i, s in enumerate(shapes)]
                tests.append({"id": f"network-{count:03}", "comment": f"{name}, {title(rules)}", "x": number(x),
                              "R": number(R), "expected": whole[0], "relevance": whole, "verdict": "valid",
                              "flags": flags + ["batch"] * (size > 1), "tolerance": 1e-9,
                              "alternatives": {k: v for k, v in others.items() if differ(whole[0], v)}})
            if tests:
                groups.append({"layer": {"kind": "Network", "onnx": f"networks/{name}.onnx", **model}, "exact": exact,
                               "knobs": {"rules": [{"rule": rule, **knobs} for rule, knobs in chosen]},
                               "tests": tests})
    return file.write(groups)


def title(rules):
    if isinstance(rules, str):
        return rules
    if isinstance(rules, tuple):
        return " ".join([rules[0], *(f"{k}={v}" for k, v in rules[1].items())])
    return f"{rules[1][0]} first, then {rules[0][0]}"


def deeplift_vectors():
    file, groups, count = Writer("deeplift"), [], 0
    for number_of, (name, layers, shape, flags) in enumerate(cases.deeplift()):
        draw = cases.Draw(200 + number_of)
        model = {"layers": layers, "inputs": [[i] for i in range(len(layers))]}
        exact = name != "smooth"
        kind = Fraction if exact else float
        tests = []
        for size in (1, 2):
            x, x_ref = draw(size, *shape, least=-4), draw(size, *shape, least=-4)
            if name == "table":
                x, x_ref = [cases.POINT] * size, [[0, 0.5, -1], [0, 0, 0]][:size]
            outputs = len(oracle.trace(model, [(shape, oracle.flat(x[0], kind))], kind)[-1][1])
            start = [[float(k == n % outputs) for k in range(outputs)] for n in range(size)]
            found, *wrong = ([oracle.nested(shape, oracle.rescale(
                model, *((shape, oracle.flat(v, kind)) for v in pair), oracle.flat(one, kind), kind, **mistake))
                for *pair, one in zip(x, x_ref, start)] for mistake in (
                    {}, {"pools": True}, {"gradient": True}, {"overwrite": True}))
            others = {name: number(other, 10) for name, other in zip(
                ("max pools by their gradient", "derivative times difference", "overlaps overwritten"), wrong)
                if differ(found, other)}
            if not others:
                file.dropped.append(name)
                continue
            count += 1
            tests.append({"id": f"deeplift-{count:03}", "comment": name, "x": number(x), "x_ref": number(x_ref),
                          "R": number(start), "expected": number(found), "verdict": "valid",
                          "flags": flags + ["batch"] * (size > 1), "tolerance": 1e-9, "alternatives": others})
        if tests:
            groups.append({"layer": {"kind": "Network", **model}, "knobs": {}, "exact": exact,
                           "tests": tests})
    return file.write(groups)


def write_onnx(name, model, shape):
    """The network as an ONNX file in float64. Needs `onnx`."""
    import onnx
    from onnx import TensorProto, helper
    nodes, constants = [], []

    def constant(values, label):
        dims, data = oracle.shape_of(values), oracle.flat(values, float)
        constants.append(helper.make_tensor(label, TensorProto.DOUBLE, dims, data))
        return label

    def node(op, entering, out, **attributes):
        nodes.append(helper.make_node(op, entering, [out], **attributes))
    for l, (layer, entering) in enumerate(zip(model["layers"], model["inputs"])):
        kind, ins, out = layer["kind"], [f"A{i}" for i in entering], f"A{l + 1}"
        pads = list(layer.get("padding", [0, 0])) * 2
        if kind == "Dense":
            turned = constant([list(column) for column in zip(*layer["W"])], f"W{l}")
            node("MatMul", [*ins, turned], f"z{l}" if "b" in layer else out)
            if "b" in layer:
                node("Add", [f"z{l}", constant(layer["b"], f"b{l}")], out)
        elif kind == "Conv2d":
            node("Conv", [*ins, constant(layer["W"], f"W{l}"), constant(layer["b"], f"b{l}")], out, pads=pads,
                 strides=layer.get("stride", [1, 1]))
        elif kind == "BatchNorm":
            names = ("gamma", "beta", "mean", "variance")
            node("BatchNormalization", ins + [constant(layer[n], f"{n}{l}") for n in names], out,
                 epsilon=float(layer["epsilon"]))
        elif kind in ("AvgPool2d", "MaxPool2d"):
            node({"A": "AveragePool", "M": "MaxPool"}[kind[0]], ins, out, kernel_shape=layer["size"],
                 strides=layer["stride"])
        elif kind == "SiLU":
            node("Sigmoid", ins, f"g{l}")
            node("Mul", [*ins, f"g{l}"], out)
        elif kind == "LayerNorm":
            node("LayerNormalization", ins + [constant(layer[n], f"{n}{l}") for n in ("gamma", "beta")], out,
                 epsilon=layer["epsilon"])
        else:
            op, attributes = {"ReLU": ("Relu", {}), "GlobalAvgPool": ("GlobalAveragePool", {}),
                              "Flatten": ("Flatten", {}), "Add": ("Add", {}), "Multiply": ("Mul", {}),
                              "Concat": ("Concat", {"axis": 1}), "MatMul": ("MatMul", {}),
                              "Softmax": ("Softmax", {"axis": -1}),
                              "Transpose": ("Transpose", {"perm": [0, 2, 1]})}[kind]
            node(op, ins, out, **attributes)
    last = f"A{len(model['layers'])}"
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("A0", TensorProto.DOUBLE, ["N", *shape])],
                              [helper.make_tensor_value_info(last, TensorProto.DOUBLE, None)], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (HERE / "networks").mkdir(exist_ok=True)
    onnx.save(made, HERE / "networks" / f"{name}.onnx")


def main():
    total = single_layers() + network_vectors() + deeplift_vectors()
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    print(f"{total} vectors; the folder has {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
