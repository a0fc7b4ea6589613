"""The residual block: two branches whose outputs are added. He et al. 2016 (arXiv 1512.03385)."""
import minixnn.layers
from minixnn.arrays import stabilize
from minixnn.layers.base import Affine, Layer, recalling


class TwoBranches(Layer):
    """What a layer made of two lists of layers holds, and how it is rebuilt, moved, trained and saved.

    `arrays` names what lies inside by branch and place, body.0.W, and the constructor puts such arrays back into the
    layers that `settings` describes: type(layer)(**layer.arrays(), **layer.settings()) is a twin, as of any layer.
    """

    def __init__(self, body, shortcut=(), **arrays):
        self.body = [_rebuilt(layer, f"body.{l}", arrays) for l, layer in enumerate(body)]
        self.shortcut = [_rebuilt(layer, f"shortcut.{l}", arrays) for l, layer in enumerate(shortcut)]
        if not self.body:
            raise ValueError(f"{type(self).__name__} got an empty body, expected a list such as [Conv2d(W, b), ReLU()]")

    @property
    def branches(self):
        """{"body": layers, "shortcut": layers}"""
        return {"body": self.body, "shortcut": self.shortcut}

    def arrays(self):
        return {f"{branch}.{l}.{name}": array for branch, layers in self.branches.items()
                for l, layer in enumerate(layers) for name, array in layer.arrays().items()}

    def settings(self):
        return {branch: [{"kind": type(layer).__name__, "settings": layer.settings()} for layer in layers]
                for branch, layers in self.branches.items()}

    def map_arrays(self, f):
        return type(self)(*([layer.map_arrays(f) for layer in layers] for layers in self.branches.values()))

    def training(self, x, rng):
        """The block for one batch: its Dropout layers draw their masks, its normalisation looks at the batch."""
        branches = []
        for layers in (self.body, self.shortcut):
            a, mine = x, []
            for layer in layers:
                mine.append(layer.training(a, rng))
                a = mine[-1].forward(a)
            branches.append(mine)
        return type(self)(*branches)

    def __repr__(self):
        shortcut = f"of {len(self.shortcut)}" if self.shortcut else "the identity"
        return f"{type(self).__name__}(body of {len(self.body)}, shortcut {shortcut})"      # net.describe() shows more


class Residual(TwoBranches):
    """y = body(x) + shortcut(x), two lists of layers; an empty shortcut is the identity, y = body(x) + x.

    A list within the list of layers: each verb is a pass over either branch, written as in `passes.py`, and what
    comes out of both is added. Where a list of rules has one rule a layer, it has a pair of lists here:

        rules = [lrp.epsilon, ([lrp.gamma, None, lrp.gamma], []), ...]          # the body's, the shortcut's
    """

    def forward(self, x):
        body, shortcut = trace(self.body, x)[-1], trace(self.shortcut, x)[-1]
        if body.shape != shortcut.shape:
            raise ValueError(f"{self!r} got {body.shape} from its body and {shortcut.shape} from its shortcut, which "
                             "cannot be added; a shortcut such as [Conv2d(W, stride=2)] changes channels and size")
        return body + shortcut

    def gradient(self, x, dy):
        dx = 0
        for layers in (self.body, self.shortcut):
            A, d = trace(layers, x), dy
            layers = recalling(layers, A)
            for l in reversed(range(len(layers))):
                d = layers[l].gradient(A[l], d)
            dx = dx + d                                     # x went both ways, so both ways come back
        return dx

    def deconvnet(self, x, dy):
        dx = 0
        for layers in (self.body, self.shortcut):
            A, d = trace(layers, x), dy
            layers = recalling(layers, A)
            for l in reversed(range(len(layers))):
                d = layers[l].deconvnet(A[l], d)
            dx = dx + d
        return dx

    def guided_backprop(self, x, dy):
        dx = 0
        for layers in (self.body, self.shortcut):
            A, d = trace(layers, x), dy
            layers = recalling(layers, A)
            for l in reversed(range(len(layers))):
                d = layers[l].guided_backprop(A[l], d)
            dx = dx + d
        return dx

    def lrp(self, x, R, rule=None):
        """Either branch receives by its share of the sum, as in LRP-0:  R_branch = branch / y R.

        rule: a pair of lists, or one rule for every affine layer inside. Conserves, except where y is 0.
        """
        traces, R_x = (trace(self.body, x), trace(self.shortcut, x)), 0
        s = R / stabilize(traces[0][-1] + traces[1][-1])                    # relevance per unit of y
        for layers, A, rules in zip((self.body, self.shortcut), traces, rules_within(self, rule)):
            layers, R_l = recalling(layers, A), [None] * len(layers) + [A[-1] * s]
            for l in reversed(range(len(layers))):
                R_l[l] = layers[l].lrp(A[l], R_l[l + 1], rules[l])          # <- STEP INTO
            R_x = R_x + R_l[0]
        return R_x

    def deeplift(self, x, x_ref, m):
        """A sum is linear: both branches get the multipliers m of y, and theirs are added."""
        m_x = 0
        for layers in (self.body, self.shortcut):
            A, A_ref, m_l = trace(layers, x), trace(layers, x_ref), m
            layers = recalling(layers, A)
            for l in reversed(range(len(layers))):
                m_l = layers[l].deeplift(A[l], A_ref[l], m_l)
            m_x = m_x + m_l
        return m_x

    def parameter_gradients(self, x, dy):
        gradients = {}
        for branch, layers in self.branches.items():
            A, d = trace(layers, x), dy
            for l in reversed(range(len(layers))):
                mine = layers[l].parameter_gradients(A[l], d)
                gradients.update({f"{branch}.{l}.{name}": g for name, g in mine.items()})
                d = layers[l].gradient(A[l], d)
        return gradients


def trace(layers, x):
    """All activations of a branch: A[l] enters layers[l], A[-1] is what comes out, x itself if there is no layer."""
    A = [x]
    for layer in layers:
        A.append(layer.forward(A[-1]))
    return A


def rules_within(block, rule):
    """The two lists of rules, one entry a layer, for the branches of a Residual: from such a pair, or from one rule."""
    if callable(rule):                          # a block within the block gets the rule too, and hands it on
        return tuple([rule if isinstance(layer, (Affine, Residual)) else None for layer in layers]
                     for layers in block.branches.values())
    lengths = tuple(map(len, block.branches.values()))
    if not isinstance(rule, (list, tuple)) or len(rule) != 2 or tuple(
            len(rules) if isinstance(rules, (list, tuple)) else -1 for rules in rule) != lengths:
        raise ValueError(f"{block!r} got {rule!r} as its rule, expected one rule for all affine layers inside, or a "
                         f"pair of lists with one entry a layer: {lengths[0]} for the body, {lengths[1]} for the "
                         "shortcut, None where a layer takes no rule")
    return tuple(rule)


def every_layer(layers):
    """All layers, those inside residual blocks too, in the order of a list read from left to right."""
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from every_layer(layer.body)
            yield from every_layer(layer.shortcut)


def _rebuilt(layer, place, arrays):
    """A layer as it is; or the one that `settings` described, with those of `arrays` that are its own."""
    if isinstance(layer, Layer):
        return layer
    if not isinstance(layer, dict) or layer.get("kind") not in minixnn.layers.__all__:
        raise ValueError(f"Residual got {layer!r} in its {place.partition('.')[0]}, expected a layer of minixnn.layers")
    mine = {name.removeprefix(f"{place}."): array for name, array in arrays.items() if name.startswith(f"{place}.")}
    return getattr(minixnn.layers, layer["kind"])(**mine, **layer["settings"])
