"""Record what the authors' own DeepLIFT package answers, so that everybody can compare without TensorFlow.

RevealCancel lives in one library only: `deeplift` by the paper's authors, written for TensorFlow 1. It runs under
the v1 mode of a current TensorFlow, in an environment of its own:

    python3 -m venv .venv-deeplift && .venv-deeplift/bin/pip install tensorflow-cpu setuptools pyyaml deeplift
    .venv-deeplift/bin/python tests/peers/record_deeplift.py

writes data/deeplift_reveal_cancel.json. Nothing in the package is changed. It says `import tensorflow as tf` and
means version 1, so it is handed a module that is `tensorflow.compat.v1` under that name; and since the package
asks for `tf.float32` wherever it makes a number, that module's `float32` is float64. The weights are drawn with
few binary digits, so that the package's own casts to float32 round nothing.

The package adds 1e-7 to positive and negative parts nearer to zero than half of that, before it divides by them. With
each case goes the smallest part that met it, so that who compares knows where this matters.
"""
import json
import pathlib
import sys
import types

import numpy as np

HERE = pathlib.Path(__file__).parent
CALL = ("SequentialModel(layers).get_target_contribs_func(find_scores_layer_idx=0, target_layer_idx=-1)"
        "(task_idx=target, input_data_list=[x], input_references_list=[x_ref], batch_size=len(x))")
DENSE, CONV, MIXED = "dense", "conv", "sigmoid and tanh"


def version_1():
    """Give `import tensorflow` the meaning that the package was written for; return that module."""
    import tensorflow
    import tensorflow.python.ops.nn_grad        # noqa: F401  the package imports it by its full name
    v1 = tensorflow.compat.v1
    v1.disable_v2_behavior()
    alias = types.ModuleType("tensorflow")
    alias.__dict__.update({name: getattr(v1, name) for name in dir(v1)})
    alias.__path__ = tensorflow.__path__
    alias.__version__ = tensorflow.__version__
    alias.float32 = v1.float64
    sys.modules["tensorflow"] = alias
    return alias


def drawn(rng, *shape):
    """Normal numbers rounded to 1/1024: float32 holds them exactly."""
    return np.round(rng.normal(size=shape) * 1024) / 1024


def networks(rng):
    """(name, [(kind, settings), ...], shape of one input): signed weights, biases of both signs."""
    def dense(inputs, outputs):
        return ("Dense", {"W": drawn(rng, inputs, outputs) / 2, "b": drawn(rng, outputs) / 2})

    def conv(size, inputs, outputs, stride, padding):
        return ("Conv2d", {"W": drawn(rng, size, size, inputs, outputs) / 2, "b": drawn(rng, outputs) / 2,
                           "stride": stride, "padding": padding})

    relu, flatten = ("ReLU", {}), ("Flatten", {})
    for sizes in ([6, 5, 3], [6, 7, 6, 3], [20, 9, 3], [20, 24, 18, 3], [20, 24, 24, 18, 3]):
        layers = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            layers += [dense(inputs, outputs), relu]
        yield f"{DENSE} {sizes}", layers[:-1], (sizes[0],)
    for sizes in ([6, 7, 6, 3], [20, 16, 14, 3]):
        first, second, third = (dense(inputs, outputs) for inputs, outputs in zip(sizes, sizes[1:]))
        yield f"{MIXED} {sizes}", [first, ("Sigmoid", {}), second, ("Tanh", {}), third], (sizes[0],)
    yield (f"{CONV} 3x3 valid, dense", [conv(3, 2, 4, 1, "valid"), relu, flatten, dense(3 * 3 * 4, 3)], (5, 5, 2))
    yield (f"{CONV} 3x3 valid of 6 channels, dense, dense",
           [conv(3, 6, 4, 1, "valid"), relu, flatten, dense(3 * 3 * 4, 4), relu, dense(4, 3)], (5, 5, 6))
    yield (f"{CONV} 3x3 same, 3x3 stride 2 same, dense",
           [conv(3, 2, 3, 1, "same"), relu, conv(3, 3, 4, 2, "same"), relu, flatten, dense(3 * 3 * 4, 5), relu,
            dense(5, 3)], (5, 5, 2))
    yield (f"{CONV} 2x2 valid, average pool 2, dense",
           [conv(2, 1, 4, 1, "valid"), relu, ("AvgPool2d", {"size": 2, "stride": 2}), flatten,
            dense(2 * 2 * 4, 4), relu, dense(4, 3)], (5, 5, 1))


def their_layer(kind, settings, mode):
    """One of the package's layers. `mode` is "RevealCancel" or "Rescale"."""
    from deeplift import layers as L
    if kind == "Dense":
        return L.Dense(kernel=settings["W"], bias=settings["b"], dense_mxts_mode="Linear")
    if kind == "Conv2d":
        return L.Conv2D(kernel=settings["W"], bias=settings["b"], strides=(settings["stride"],) * 2,
                        padding=settings["padding"].upper(), data_format="channels_last", conv_mxts_mode="Linear")
    if kind == "AvgPool2d":
        return L.AvgPool2D(pool_size=(settings["size"],) * 2, strides=(settings["stride"],) * 2, padding="VALID",
                           data_format="channels_last")
    if kind == "Flatten":
        return L.Flatten()
    return {"ReLU": L.ReLU, "Sigmoid": L.Sigmoid, "Tanh": L.Tanh}[kind](nonlinear_mxts_mode=mode)


def contributions(layers, x, x_ref, target, mode):
    """What the package answers for one network: contributions in the shape of x, and the smallest part it met."""
    from deeplift.layers import Activation, Input
    from deeplift.models import SequentialModel
    from deeplift.util import compile_func, connect_list_of_layers
    theirs = [Input(batch_shape=(None,) + x.shape[1:])] + [their_layer(*layer, mode) for layer in layers]
    for number, layer in enumerate(theirs):
        layer.name, layer.verbose = str(number), False
    connect_list_of_layers(theirs)
    theirs[-1].build_fwd_pass_vars()
    f = SequentialModel(theirs).get_target_contribs_func(find_scores_layer_idx=0, target_layer_idx=-1)
    answer = np.array(f(task_idx=target, input_data_list=[x], input_references_list=[x_ref], batch_size=len(x),
                        progress_update=None))
    given = [part for layer in theirs if isinstance(layer, Activation)
             for part in layer.get_inputs().get_pos_and_neg_contribs()]
    entry = theirs[0]
    met = compile_func([entry.get_activation_vars(), entry.get_reference_vars()], given)([x, x_ref])
    return answer.tolist(), min(float(abs(part).min()) for part in met)


def plain(value):
    return value.tolist() if isinstance(value, np.ndarray) else value


def main():
    tensorflow = version_1()
    import importlib.metadata
    rng = np.random.default_rng(0)
    cases = []
    for name, layers, shape in networks(rng):
        x, x_ref = drawn(rng, 4, *shape), drawn(rng, 4, *shape)
        x_ref[:, ::2] = x[:, ::2] if name.startswith(CONV) else 0      # conv: some inputs do not differ at all
        target = int(rng.integers(3))
        case = {"name": name, "target": target, "x": plain(x), "x_ref": plain(x_ref),
                "layers": [[kind, {key: plain(value) for key, value in settings.items()}]
                           for kind, settings in layers]}
        case["Rescale"], _ = contributions(layers, x, x_ref, target, "Rescale")
        case["RevealCancel"], case["smallest part"] = contributions(layers, x, x_ref, target, "RevealCancel")
        cases.append(case)
    record = {"package": "deeplift", "version": importlib.metadata.version("deeplift"),
              "tensorflow": tensorflow.__version__, "call": CALL,
              "note": "tensorflow.compat.v1 with v2 behaviour disabled, float64 throughout",
              "cases": cases}
    path = HERE / "data" / "deeplift_reveal_cancel.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record) + "\n")
    print(f"{len(cases)} cases, {path.stat().st_size} bytes in {path}")


if __name__ == "__main__":
    main()
