"""The message of a failed check of a layer: its numbers, and both sides of the formula."""
from typing import Any

import numpy as np

from minixnn.checks.rule_cases import one_output_each
from minixnn.checks.worked import code_of, code_of_array, ending, heading, named, paragraph, steps_through, text, two

FORWARD, BACK = "layer.forward(x)", "layer.gradient(x, layer.forward(x), dy)"
LIFT = "layer.deeplift(x, layer.forward(x), x_ref, layer.forward(x_ref), dy)"
CALLS = {"answers": BACK, "shape": BACK, "purity": BACK, "type": BACK, "finite": BACK, "derivative": BACK,
         "adjoint": BACK, "parameter gradients": "layer.parameter_gradients(x, dy)", "DeepLIFT": LIFT,
         "images apart": "layer.forward(np.concatenate([x, x_ref]))", "affine": "layer.forward(x - 2 * x_ref)",
         "backward signals": "layer.guided_backprop(x, layer.forward(x), dy)",
         "own rule": "layer.rule(layer, x, layer.forward(x), -2 * dy)", "overflow": "layer.forward(100 * x)",
         "weights": "layer.with_weights(layer.W, None).forward(x)", "saved and loaded": "layer.settings()"}


def explain_layer(property: Any, case: Any, observation: Any, report: Any) -> Any:
    """The message: property, smallest case, both sides of the formula, the usual cause, code to step through."""
    call, layer, dy = CALLS.get(property.name, FORWARD), case.layer, case.dy
    if observation.output is not None:
        dy = one_output_each(layer, case.x, (observation.output,))[2]
    parts = [heading(report.subject, property), f"The smallest case that was found is {described(layer)}:"]
    weights = layer.arrays() if hasattr(layer, "arrays") else {}
    given = {"x": case.x, **({"x_ref": case.x_ref} if "x_ref" in call else {}), **({"dy": dy} if "dy" in call else {}),
             **{name: value for name, value in weights.items() if value is not None}}
    given.update({"forward(x)": case.y} if case.usable else {})
    both = {name: getattr(observation, name) for name in ("expected", "came") if getattr(observation, name) is not None}
    if len(both) == 2 and all(np.ndim(side) == 0 and not isinstance(side, str) for side in both.values()):
        both = dict(zip(both, two(*map(float, both.values()))))
    parts.append("\n".join(line for name, value in given.items() for line in named(name, value)))
    parts += [paragraph(observation.note)] if observation.note else []
    parts += ["\n".join(f"    {step}" for step in observation.steps)] if observation.steps else []
    parts += ["\n".join(line for name, value in both.items() for line in named(name, value))] if both else []
    parts.append(ending(property, report))
    arrays = [f"{name} = {code_of_array(value)}" for name, value in given.items() if name in ("x", "x_ref", "dy")]
    parts.append(steps_through([f"layer = {code_of(layer)}", *arrays, call]))
    return "\n\n".join(parts)


def described(layer: Any) -> Any:
    """What the layer says of itself, and the name of its class where it does not say that."""
    name, own = repr(layer), type(layer).__name__
    return name if name.startswith(own) else f"{own}, {name}"


def walked(j: Any, k: Any, h: Any, up: Any, down: Any) -> Any:
    """The two steps of a difference quotient, as lines."""
    return (f"y{k} where x{j} is {text(h)} larger:   {text(up, 9)}", f"y{k} where x{j} is {text(h)} smaller:  "
            f"{text(down, 9)}", f"their difference over {text(2 * h)}:  {text((up - down) / (2 * h))}")
