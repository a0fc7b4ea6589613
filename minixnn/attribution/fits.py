"""What fits a network: which rules its layers take, which methods explain it, and why the others are refused.

    print(fits(net, images))

Nothing is looked up in a table: every rule is tried on every layer, with the layer's input for these images, and every
method on the first image. A refusal has a number in brackets, and its sentence stands below the tables. A number behind
"yes" is that of a warning.
"""
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from minixnn.arrays import Array, Inputs, negative, positive
from minixnn.layers import Affine, MatMul, Multiply
from minixnn.layers.base import Layer, Rule
from minixnn.layers.norm import Normalization
from minixnn.layers.reduce import Extremum
from minixnn.network import Network
from minixnn.rules import (composites, deep_taylor, half_each, identity, lrp, reveal_cancel, scale_held_fixed,
                           signal_takes_all)
from minixnn.rules.composites import check_rule, name_of

REFUSALS = (AttributeError, NotImplementedError, TypeError, ValueError)
COMPOSITES = ("epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat",
              "epsilon_gamma_box", "by_depth", "attn_lrp", "cp_lrp", "deep_taylor")


def fits(net: Network, x: Array) -> str:
    """Three tables, as text: layers and their rules, methods and composites, and the sentences of what is refused.

    Parameters
    ----------
    net : the Network.
    x : some inputs (N, ...) that it takes. Rules are tried on all of them, methods on the first.

    Returns
    -------
    The text, to be printed.

    Raises
    ------
    ValueError : inputs that the network does not take.
    """
    said: list[str] = []
    layers = [("layer", "at", "default rule", "takes", "refuses", "DeepLIFT", "RevealCancel"),
              *layer_rows(net, net.trace(x), said)]
    methods = [("method", "fits"), *method_rows(net, x[:1], said)]
    sentences = [f"[{n}] {sentence}" for n, sentence in enumerate(said, 1)]
    return "\n".join([*aligned(layers), "", *aligned(methods), "", *sentences])


def layer_rows(net: Network, A: list[Array], said: list[str]) -> list[tuple]:
    """One line for each kind of layer and answer, with the numbers of the layers that it is about."""
    places: dict[tuple, list] = {}
    for l, layer in enumerate(net.layers):
        places.setdefault((type(layer).__name__, *answers(layer, net.entering(A, l), said)), []).append(str(l))
    return [(row[0], shortened(found), *row[1:]) for row, found in places.items()]


def answers(layer: Layer, x: Array, said: list[str]) -> tuple:
    """The cells of a layer's line, from trying everything on it."""
    y, x_ref, taken = layer.forward(x), each(x, nothing), []
    refused: dict[str, list] = {}                           # a sentence's number -> the rules that it is about
    for name, rule in candidates(layer, x).items():
        sentence = refusal(apply, rule, layer, x, y)
        if sentence is None:
            taken.append(name)
        else:
            general = sentence.replace(f"got {name_of(rule)} as", "got it as").replace(repr(layer), "this layer")
            refused.setdefault(numbered(general, said), []).append(name)
    lift = refusal(layer.deeplift, x, y, x_ref, layer.forward(x_ref), y)
    cancel = refusal(reveal_cancel.forward, layer, x, x_ref, each(x, signs))
    cancel = cancel and cancel.replace(f"{type(layer).__name__} has", "this layer has")
    own = "" if layer.rule is None or isinstance(layer, Affine) else name_of(layer.rule)
    takes = "every rule" if taken == [rule.__name__ for rule in composites.AFFINE_RULES] else " ".join(taken)
    return (own, takes or "no other", " ".join(f"{in_short(names)} {n}" for n, names in refused.items()),
            *("yes" if sentence is None else numbered(sentence, said) for sentence in (lift, cancel)))


def in_short(names: Sequence[str]) -> str:
    """The names of rules that are refused alike; many are all those that need weights."""
    return " ".join(names) if len(names) <= 3 else "the others"


def candidates(layer: Layer, x: Array) -> dict[str, Rule]:
    """{name: rule} to try on a layer: other layers than these take no rule than their own."""
    named = {rule.__name__: rule for rule in composites.AFFINE_RULES}
    if isinstance(layer, Affine):
        named["z_box"] = partial(deep_taylor.z_box, low=float(x.min()), high=float(x.max()))
    if isinstance(layer, Extremum):
        return {"winner_takes_all": layer.rule, "proportional": lrp.proportional, **named}
    if isinstance(layer, Normalization):
        return {"scale_held_fixed": scale_held_fixed, "identity": identity, **named}
    if isinstance(layer, (MatMul, Multiply)):
        return {"signal_takes_all": signal_takes_all, "half_each": half_each}
    return named if isinstance(layer, Affine) else {}


def apply(rule: Rule, layer: Layer, x: Inputs, y: Array) -> None:
    check_rule(rule, layer, 0)
    rule(layer, x, y, y)


def each(x: Inputs, f: Callable) -> Inputs:
    """f(x); of a join's inputs, for each of them."""
    return tuple(map(f, x)) if isinstance(x, tuple) else f(x)


def nothing(x: Array) -> Array:
    return x * 0


def signs(x: Array) -> tuple[Array, Array]:
    return positive(x), negative(x)


def method_rows(net: Network, x: Array, said: list[str]) -> Iterator[tuple[str, str]]:
    """One line for each method and composite: yes, with the number of what it warns of, or that of its refusal."""
    from minixnn.attribution import METHODS
    methods = dict(METHODS)
    for name in COMPOSITES:
        methods[f"composites.{name}"] = partial(METHODS["lrp_epsilon"], rules=getattr(composites, name))
    for name, method in methods.items():
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            sentence = refusal(method, net, x)
        if sentence is not None:
            yield name, numbered(sentence, said)
        else:
            yield name, " ".join(["yes", *dict.fromkeys(numbered(str(each.message), said) for each in warned)])


def refusal(function: Callable, *arguments: object) -> str | None:
    """The sentence with which a call is refused, or None."""
    try:
        function(*arguments)
    except REFUSALS as error:
        return str(error).replace("the rule of layer 0, ", "the rule of ")
    return None


def numbered(sentence: str, said: list[str]) -> str:
    """The number of a sentence in the list `said`, to which it is added if it is new."""
    if sentence not in said:
        said.append(sentence)
    return f"[{said.index(sentence) + 1}]"


def shortened(places: Sequence[str], most: int = 4) -> str:
    """Some of the places, and how many more there are."""
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return ", ".join(places[:most]) + more


def aligned(rows: Iterable[tuple]) -> list[str]:
    """Lines of text, every column as wide as its widest cell."""
    rows = list(rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
