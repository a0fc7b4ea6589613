"""ONNX's own tests of its operators, `onnx.backend.test`: what is read gives the expected numbers, the rest is refused.

A case is one node, or the function that it stands for written out. Its first input, or all that have as many rows, have
an axis of images in front, as inputs of networks have; the others become constants of the file.
"""
import collections
import warnings

import numpy as np
import pytest

from minixnn import layers
from minixnn.interop import from_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install -e \".[test]\" brings it")
from minixnn.interop.table import ONNX as TABLE  # noqa: E402

# All cases of these are refused, truly; they are read in networks that do other things with them.
NEVER_RIGHT = {
    "ArgMax", "ArgMin", "TopK", "NonZero", "Unique", "NonMaxSuppression", "Bernoulli",      # choose, count or draw
    "Round", "Floor", "Ceil", "Sign",                                                       # are steps
    "IsNaN", "Shape", "Size", "Upsample",                   # alone no output that explains, or of an older opset only
    "GatherElements", "GatherND", "Tile", "MeanVarianceNormalization"}                      # across images
ALIKE = {"Acos", "Add", "Ceil", "Celu", "Clip", "Div", "Elu", "Floor", "Gelu", "HardSigmoid", "LeakyRelu", "Max",
         "Mean", "Min", "Mish", "Mul", "Pow", "Round", "Selu", "Shrink", "Sign", "Sub", "Sum", "Swish",
         "ThresholdedRelu"}
UNTRUE = ("make no sense together", "zero-size array", "fault of the reader", "Traceback", "object has no attribute")


def cases():
    from onnx.backend.test.loader import load_model_tests
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [case for case in load_model_tests(kind="node") if case.model is not None]


def arrays_of(case):
    """(inputs, the first output) as arrays, or None where one of them is a list, or of a type that NumPy lacks."""
    def array(value):
        value = onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        return value if isinstance(value, np.ndarray) and value.dtype.kind in "fbiu" else None
    inputs, outputs = case.data_sets[0]
    found = [array(value) for value in (*inputs, outputs[0])]
    return None if any(value is None for value in found) else (found[:-1], found[-1])


def written(case, inputs, expected, path, names, free):
    """The case as a file in which only `names` are inputs; free: for any number of images."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.ir_version = max(model.ir_version, 8)
    for entry in model.opset_import:                        # where opset 11 has the same version of all operators
        if not entry.domain and entry.version < 11 and all(
                onnx.defs.get_schema(node.op_type, 11, node.domain).since_version <= entry.version
                for node in model.graph.node if not node.domain and onnx.defs.has(node.op_type)):
            entry.version = 11
    entries = {entry.name: (entry, a) for entry, a in zip(case.model.graph.input, inputs)}
    del model.graph.input[:]
    for name, (entry, a) in entries.items():
        if name not in names:
            model.graph.initializer.append(onnx.numpy_helper.from_array(a, name))
            continue
        model.graph.input.append(onnx.helper.make_tensor_value_info(
            name, entry.type.tensor_type.elem_type, ["N" if free else len(a), *a.shape[1:]]))
    output = model.graph.output[0].name
    if expected.dtype.kind != "f":                          # truth values and whole numbers as numbers
        model.graph.node.append(onnx.helper.make_node("Cast", [output], ["as numbers"], "as numbers", to=1))
        output = "as numbers"
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    onnx.save(model, path)
    return path


def answer(case, inputs, expected, path):
    """"right", "WRONG: ..." or what is said, of the first way that is read."""
    names = [entry.name for entry in case.model.graph.input]
    if case.model.graph.node[0].op_type in ("Cast", "CastLike") and inputs[0].shape == expected.shape:
        finite = np.isfinite(inputs[0].astype(np.float64))  # networks take no others
        inputs = [np.where(finite, inputs[0], 1).astype(inputs[0].dtype), *inputs[1:]]
        expected = np.where(finite, expected, 1).astype(expected.dtype)
    kinds = [node.op_type for node in case.model.graph.node]
    if len(kinds) == 1 and kinds[0] in ALIKE and max((a.ndim for a in inputs), default=0) < 2:
        inputs, expected = [a[None] if a.ndim else a for a in inputs], expected[None] if expected.ndim else expected
    able = [name for name, a in zip(names, inputs) if a.ndim > 1 and a.size]
    if not able:
        return "has no axis of images"
    rows = len(inputs[names.index(able[0])])
    all_of_them = [name for name in able if len(inputs[names.index(name)]) == rows]
    said = ""
    for chosen in dict.fromkeys(((able[0],), tuple(all_of_them))):
        for free in (False, True):
            try:
                net = from_onnx(written(case, inputs, expected, path, chosen, free), layout="channels last")
                x = [inputs[names.index(name)] for name in chosen]
                y = net.forward(x[0] if len(x) == 1 else tuple(x))
            except ValueError as error:
                said = said or str(error)
                continue
            y = getattr(layers, net.card.head)().forward(y) if net.card.head else y
            return "right" if close(y, expected, case) else f"WRONG: {net}"
    return said


def close(y, expected, case):
    """Whether ours is the expected array; the images come first, be it one."""
    expected = expected.astype(np.float64)
    expected = expected[:, None] if expected.ndim == 1 else expected
    half = any(entry.type.tensor_type.elem_type in (10, 16)
               for entry in (*case.model.graph.input, *case.model.graph.output))
    bound = max(case.rtol, 1e-2 if half else 1e-4)
    return any(y.shape == moved.shape and np.allclose(y, moved, rtol=bound, atol=max(case.atol, bound / 10))
               for moved in (expected[None], *(np.moveaxis(expected, place, 0) for place in range(expected.ndim))))


def test_every_operation_gives_what_onnx_expects_or_is_refused(path):
    counts, by_kind, wrong, untrue = collections.Counter(), collections.defaultdict(collections.Counter), [], []
    for case in cases():
        kinds = [node.op_type for node in case.model.graph.node]
        found = arrays_of(case)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            said = "has no axis of images" if found is None else answer(case, *found, path)
        verdict = said if said in ("right", "has no axis of images") else said[:5] if said.startswith("WRONG") else \
            "refused"
        counts[verdict] += 1
        if len(kinds) == 1:
            by_kind[kinds[0]][verdict] += 1
        if verdict == "WRONG":
            wrong.append(f"{case.name}: {said}")
        elif verdict == "refused":
            named = any(f"({kind})" in said or kind in said for kind in kinds)
            if any(part in said for part in UNTRUE) or not (named or str(path) in said or "the output" in said
                                                            or "got " in said):
                untrue.append(f"{case.name}: {said}")
            if len(kinds) == 1 and kinds[0] not in TABLE and not case.model.graph.node[0].domain:
                assert "not supported" in said or "opset" in said or "Seq" in kinds[0], (case.name, said)
    claimed = [kind for kind in by_kind if kind in TABLE]
    never = {kind for kind in claimed if not by_kind[kind]["right"] and by_kind[kind]["refused"]}
    print(f"{sum(counts.values())} cases of {len(by_kind)} operations, {len(claimed)} of them claimed: "
          f"{dict(counts)}; claimed, with no case that is read: {sorted(never)}")
    assert not wrong, "\n".join(wrong)
    assert not untrue, "\n".join(untrue)
    assert never <= NEVER_RIGHT, sorted(never - NEVER_RIGHT)
    assert counts["right"] >= 500
