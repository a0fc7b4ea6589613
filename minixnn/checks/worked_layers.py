"""The message of a failed check of a layer: its numbers, and both sides of the formula."""
from typing import Any

import numpy as np

from minixnn.checks.as_layer import SideBySide, Written
from minixnn.checks.rule_cases import one_output_each
from minixnn.checks.worked import code_of, code_of_array, code_of_input, ending, heading, named, paragraph, parts_of, \
    steps_through, text, two

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
    parts.append("\n".join(lines_of(layer, given)))
    parts += [paragraph(observation.note)] if observation.note else []
    parts += ["\n".join(f"    {step}" for step in observation.steps)] if observation.steps else []
    parts += ["\n".join(lines_of(layer, both))] if both else []
    parts.append(ending(property, report))
    arrays = [f"{name} = {code_of_array(value) if name == 'dy' else code_of_input(layer, value)}"
              for name, value in given.items() if name in ("x", "x_ref", "dy")]
    if isinstance(layer, Written):
        back = "passes.gradient(net, x, start=dy)[0]" if "dy" in given else "net.forward(x)"
        parts.append(steps_through([f"net = {code_of(layer)}", *arrays, back]))
    else:
        parts.append(steps_through([f"layer = {code_of(layer)}", *arrays, call]))
    return "\n\n".join(parts)


def lines_of(layer: Any, given: Any) -> list[str]:
    """Arrays by their names, as lines; those of several inputs one by one."""
    return [line for name, value in given.items() for part, array in parts_of(layer, name, value).items()
            for line in named(part, array)]


def described(layer: Any) -> Any:
    """What the layer says of itself, and the name of its class where it does not say that."""
    if isinstance(layer, Written):
        return repr(layer)
    name, own = repr(layer), type(layer.layer if isinstance(layer, SideBySide) else layer).__name__
    return name if name.startswith(own) else f"{own}, {name}"


def walked(j: Any, k: Any, h: Any, up: Any, down: Any) -> Any:
    """The two steps of a difference quotient, as lines."""
    return (f"y{k} where x{j} is {text(h)} larger:   {text(up, 9)}", f"y{k} where x{j} is {text(h)} smaller:  "
            f"{text(down, 9)}", f"their difference over {text(2 * h)}:  {text((up - down) / (2 * h))}")
