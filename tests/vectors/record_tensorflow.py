"""Record what two packages for TensorFlow answer, so that everybody can compare without it:

    python3 -m venv .venv-tf && .venv-tf/bin/pip install tensorflow-cpu==2.14.1 "numpy<2" setuptools pyyaml matplotlib
    .venv-tf/bin/pip install --no-deps innvestigate==2.1.2 deeplift==0.6.13.0
    .venv-tf/bin/python -m tests.vectors.record_tensorflow innvestigate

writes recorded/innvestigate.json; `deeplift` records the other. Nothing in the packages is changed. Keras is told to
compute in float64, and its layers have the channels last. iNNvestigate starts with the value of one output, so R is
put together output by output; where an output is 0 it cannot be asked.
"""
import datetime
import importlib.metadata
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")          # or every vector is beside pages of notices

import numpy as np
import tensorflow as tf

from . import runner

keras = tf.keras
KINDS = ("Dense", "Conv2d", "AvgPool2d", "GlobalAvgPool")
RULES = {"epsilon": "lrp.epsilon", "alpha_beta": "lrp.alpha_beta", "flat": "lrp.flat", "w_square": "lrp.w_square",
         "z_plus": "lrp.z_plus"}


def last(x):
    x = np.array(x, dtype=float)
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


def first(x):
    return np.moveaxis(x, -1, 1) if x.ndim == 4 else x


def keras_layer(layer):
    """(the layer of Keras, its weights), or None where it has none such."""
    kind, bias = layer["kind"], layer.get("b")
    weights = [np.array(bias)] if bias else []
    if kind == "Dense":
        return keras.layers.Dense(len(layer["W"]), use_bias=bool(bias)), [np.array(layer["W"], float).T, *weights]
    if any(layer.get("padding", [0])) or set(layer.get("dilation", [1])) != {1}:
        return None
    if kind == "Conv2d" and layer.get("groups", 1) == 1:
        W = np.array(layer["W"], float).transpose(2, 3, 1, 0)
        stride = layer.get("stride", [1, 1])
        return keras.layers.Conv2D(W.shape[3], W.shape[:2], stride, use_bias=bool(bias)), [W, *weights]
    if kind == "AvgPool2d":
        return keras.layers.AveragePooling2D(layer["size"], layer["stride"]), []
    return (keras.layers.GlobalAveragePooling2D(keepdims=True), []) if kind == "GlobalAvgPool" else None


def by_innvestigate(rule, group, test):
    """The answer to one vector; None where it does not offer this."""
    import innvestigate
    made = keras_layer(group["layer"]) if group["layer"]["kind"] in KINDS else None
    if rule not in RULES or made is None or rule != "epsilon" and not made[1]:
        return None
    keras.backend.clear_session()
    x, R = last(test["x"]), last(test["R"])
    if x.ndim == 3:
        return None                                         # tokens
    inputs = keras.Input(x.shape[1:])
    outputs = made[0](inputs)
    model = keras.Model(inputs, keras.layers.Flatten()(outputs) if len(outputs.shape) > 2 else outputs)
    made[0].set_weights(made[1])
    knobs = {k: float(v) for k, v in group["knobs"].items()}
    name = RULES[rule] if knobs.get("epsilon", 1) else "lrp.z"
    analyzer = innvestigate.create_analyzer(name, model, neuron_selection_mode="index", **(
        {} if name == "lrp.z" else knobs))
    y, total, R = model.predict(x, verbose=0), 0, R.reshape(len(R), -1)
    for k in range(R.shape[1]):
        if not R[:, k].any():
            continue
        if not y[:, k].all():
            return None
        share = (R[:, k] / y[:, k]).reshape(-1, *[1] * (x.ndim - 1))
        total = total + share * np.array(analyzer.analyze(x, neuron_selection=k))
    return first(total)


def by_deeplift(rule, group, test):
    """Contributions by Rescale. The call is that of tests/peers/record_deeplift.py."""
    from deeplift import layers as L
    from deeplift.models import SequentialModel
    from deeplift.util import connect_list_of_layers
    if rule != "deeplift":
        return None
    x, x_ref, made, before = last(test["x"]), last(test["x_ref"]), [], ()
    shape = x.shape[1:]
    for layer in group["layer"]["layers"]:
        kind = layer["kind"]
        if kind == "Dense":
            W = np.array(layer["W"], float)
            if made and isinstance(made[-1], L.Flatten):    # the features were numbered channels first
                H, W_, C = before
                W = W.reshape(-1, C, H, W_).transpose(0, 2, 3, 1).reshape(len(W), -1)
            made.append(L.Dense(kernel=W.T, bias=np.array(layer["b"], float), dense_mxts_mode="Linear"))
        elif kind == "Conv2d":
            W = np.array(layer["W"], float).transpose(2, 3, 1, 0)
            made.append(L.Conv2D(kernel=W, bias=np.array(layer["b"], float), strides=(1, 1), padding="VALID",
                                 data_format="channels_last", conv_mxts_mode="Linear"))
            shape = (shape[0] - W.shape[0] + 1, shape[1] - W.shape[1] + 1, W.shape[3])
        elif kind in ("MaxPool2d", "AvgPool2d"):
            more = {"maxpool_deeplift_mode": "gradient"} if kind == "MaxPool2d" else {}
            made.append(getattr(L, kind.replace("2d", "2D"))(
                pool_size=tuple(layer["size"]), strides=tuple(layer["stride"]), padding="VALID",
                data_format="channels_last", **more))
            shape = (*((n - k) // s + 1 for n, k, s in zip(shape, layer["size"], layer["stride"])), shape[2])
        elif kind == "Flatten":
            before = shape
            made.append(L.Flatten())
        else:
            made.append(getattr(L, kind)(nonlinear_mxts_mode="Rescale"))
    made = [L.Input(batch_shape=(None, *x.shape[1:])), *made]
    for number, layer in enumerate(made):
        layer.name, layer.verbose = str(number), False
    connect_list_of_layers(made)
    made[-1].build_fwd_pass_vars()
    f = SequentialModel(made).get_target_contribs_func(find_scores_layer_idx=0, target_layer_idx=-1)
    found = [f(task_idx=int(np.argmax(r)), input_data_list=[x[n:n + 1]], input_references_list=[x_ref[n:n + 1]],
               batch_size=1, progress_update=None)[0] for n, r in enumerate(np.array(test["R"]))]
    return first(np.array(found, dtype=float))


def rounded(nested):
    return [rounded(part) for part in nested] if isinstance(nested, list) else float(f"{nested:.12g}")


def version_1():
    """What `import tensorflow` means to the deeplift package, with its float32 as float64."""
    import types

    import tensorflow.python.ops.nn_grad                    # noqa: F401  the package imports it by its full name
    v1 = tf.compat.v1
    v1.disable_v2_behavior()
    alias = types.ModuleType("tensorflow")
    alias.__dict__.update({name: getattr(v1, name) for name in dir(v1)})
    alias.__path__, alias.__version__, alias.float32 = tf.__path__, tf.__version__, v1.float64
    sys.modules["tensorflow"] = alias


def main(library):
    keras.backend.set_floatx("float64")
    if library == "innvestigate":
        tf.compat.v1.disable_eager_execution()
        ask = by_innvestigate
    else:
        version_1()
        ask = by_deeplift
    answers, failed = {}, 0
    for content, group, test in runner.vectors():
        if "before" in test or group["layer"]["kind"] != "Network" and content["rule"] == "deeplift":
            continue
        try:
            answer = ask(content["rule"], group, test)
        except Exception as error:                          # whatever it raises is its answer
            failed, answer = failed + 1, f"{type(error).__name__}: {str(error).splitlines()[0]}"[:160]
            print(test["id"], answer)
        if answer is not None:
            answer = answer if isinstance(answer, str) else rounded(answer.tolist())
            answers[runner.key(content["rule"], group, test)] = answer
    content = {"name": library, "version": importlib.metadata.version(library), "date": f"{datetime.date.today()}",
               "how": f"record_tensorflow.py, TensorFlow {tf.__version__}, float64", "tolerance": 1e-9,
               "notes": {"epsilon": "lrp.epsilon; lrp.z for epsilon 0"} if library == "innvestigate" else {},
               "answers": answers}
    path = runner.HERE / "recorded" / f"{library}.json"
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
    print(f"wrote {path.name}: {len(answers)} answers, {failed} of them exceptions")


if __name__ == "__main__":
    main(*sys.argv[1:])
