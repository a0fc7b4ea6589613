"""ONNX nodes that treat every number alike, or all along an axis: activations, Dropout, softmax."""
from minixnn import layers as ours
from minixnn.interop import reading as form


def _dropout(r):
    ratio, training = r.array(1), r.array(2, weights=False)
    if training is not None and training:
        raise ValueError("training_mode=True is not supported")
    ratio = float(r.settings.get("ratio", 0.5) if ratio is None else ratio)
    return r.add("elementwise", layer=ours.Dropout(ratio)) if 0 <= ratio < 1 else r.x


def _clip(r):
    low, high = ((r.settings.get(name) if r.array(place) is None else r.array(place))
                 for name, place in (("min", 1), ("max", 2)))
    return form.clip(r, low, high)


def _prelu(r):
    """The slopes, one number for each place along one axis of x, or one for all."""
    a, rank = r.array(1), len(form.known_rank(r.x))
    wide = [axis for axis, n in enumerate(a.shape, rank - a.ndim) if n > 1]
    if len(wide) > 1:
        raise ValueError(f"has slopes of shape {a.shape}, expected one number per channel")
    return r.add("prelu", a=a.reshape(-1), axis=wide[0] if wide else None)


def _softmax(op):
    def read(r):
        rank = len(form.known_rank(r.x))
        axis = r.settings.get("axis", 1 if r.opset < 13 else -1) % rank
        if r.opset < 13 and axis != rank - 1:
            raise ValueError(f"axis={axis} of {rank} axes, in an opset before 13, is not supported")
        return r.add(op, axis=axis)
    return read


def _activation(name, **names):
    """A layer of ours, its arguments read from the attributes: {ours: (theirs, default)}."""
    def read(r):
        return r.add("elementwise", layer=getattr(ours, name)(**{
            mine: r.settings.get(theirs, default) for mine, (theirs, default) in names.items()}))
    return read


def _selu(r):
    return form.selu(r, **{{"gamma": "scale"}.get(name, name): value for name, value in r.settings.items()})


def _hard_sigmoid(r):
    return form.hard_sigmoid(r, r.settings.get("alpha", 0.2), r.settings.get("beta", 0.5))


ACTIVATIONS = {                                 # type of node -> its reader, the attributes that are understood
    "Dropout": (_dropout, "ratio seed"), "Clip": (_clip, "min max"), "Softmax": (_softmax("softmax"), "axis"),
    "LogSoftmax": (_softmax("log_softmax"), "axis"), "HardSigmoid": (_hard_sigmoid, "alpha beta"),
    "LeakyRelu": (_activation("LeakyReLU", slope=("alpha", 0.01)), "alpha"),
    "Elu": (_activation("ELU", alpha=("alpha", 1.0)), "alpha"),
    "Gelu": (_activation("GELU", approximate=("approximate", "none")), "approximate"),
    "PRelu": (_prelu, ""), "Selu": (_selu, "alpha gamma"),
    **{kind: (_activation(name), "") for kind, name in (
        ("Relu", "ReLU"), ("Sigmoid", "Sigmoid"), ("Tanh", "Tanh"), ("Softplus", "Softplus"),
        ("HardSwish", "Hardswish"))}}
