"""The properties of a layer: name, formula, why it must hold, what is wrong where it does not.

`layer_tests.py` has the tests, docs/checks.md the list for readers.
"""
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

from minixnn.checks import layer_tests as of
from minixnn.checks.properties import Property
from minixnn.checks.rule_properties import on_device


def properties_of_layer(definition: Any = None, device: ModuleType | None = None) -> Any:
    """The list, the most telling first: of several that fail, the first is reported."""
    given = [replace(DEFINITION, test=partial(of.definition, formula=definition))] if definition else []
    return [*PROPERTIES[:7], *given, *PROPERTIES[7:], *on_device(DEVICE, of.device, device)]


PROPERTIES = [
    Property("answers", "forward and gradient return, and so do the other methods that the class has",
             "A pass calls them one after the other, whatever the network.",
             "an operation that does not fit the shapes of a batch (N, ...)", of.answers),
    Property("shape", "y has one entry for each image; what goes backwards has the shape of x",
             "The pass hands the one to the layer below, the other to the layer above.",
             "an axis that is summed or dropped; images lie along the first one", of.shape),
    Property("purity", "the layer and its arguments are the same before and after",
             "A layer remembers nothing: the pass hands it both its sides, x and y. Several passes may use one layer "
             "at a time.",
             "an attribute set in forward, such as self.x = x, or an operation in place, such as x[x < 0] = 0",
             of.purity),
    Property("type", "float32 in, float32 out; float64 in, float64 out",
             "A float64 array in between doubles memory and time; a float32 one loses nine digits.",
             "an array made without dtype, such as numpy.zeros(shape), or weights that arrays() does not name",
             of.dtype),
    Property("finite", "no NaN, no infinity",
             "A number that is not finite spoils all layers behind it.",
             "a division by zero, or a logarithm or root of it", of.finite),
    Property("repeats", "f(x) = f(x)",
             "Explaining is not training: the same input has the same output.",
             "random numbers, or something remembered from the call before", of.repeats, 1e-12),
    Property("images apart", "f([x, x']) = [f(x), f(x')]",
             "The output for an image must not depend on what else is in the batch.",
             "a sum, mean or maximum over the first axis too", of.images_apart),
    Property("affine", "f(x - 2 x') - f(0) = (f(x) - f(0)) - 2 (f(x') - f(0))",
             "The class is derived from Affine, so the rules take it for y = W.x + b.",
             "something in forward is not linear; derive the class from Layer", of.affine),
    Property("derivative", "gradient(x, y, dy)_j = sum_k dy_k (f_k(x + h e_j) - f_k(x - h e_j)) / 2h",
             "The gradient says how fast the output changes. So walk a little way and look. Where the quotients "
             "forwards and backwards differ there is a kink, and the entry is left out.",
             "a transposed array, a factor, a condition the wrong way round, or a derivative at y instead of x",
             of.derivative, 1e-5),
    Property("adjoint", "<W x, dy> = <x, gradient(dy)>",
             "If forward multiplies by W, gradient multiplies by its transpose.",
             "gradient uses other weights or other windows than forward", of.adjoint),
    Property("weights", "with_weights(V, c).forward(x) = V.x + c, for any V of the shape of W, and c = None is no bias",
             "Relevance rules change the weights in this way, and nothing else.",
             "with_weights keeps something of the old layer, or the bias is added elsewhere", of.weights),
    Property("parameter gradients", "parameter_gradients(x, dy)[p] = the difference quotient of <f(x), dy> in p",
             "Training walks along these numbers.",
             "a sum over images or pixels is missing, or one too many is taken", of.parameter_gradients, 1e-5),
    Property("DeepLIFT", "sum_j m_j (x_j - x_ref_j) = y_k - y_ref_k",
             "The contributions of the inputs sum to the difference of the outputs (Shrikumar et al. 2017).",
             "the gradient was taken where a quotient of differences is meant; where x = x_ref the gradient is right",
             of.sums_to_difference, 1e-7),
    Property("backward signals", "deconvnet = guided_backprop = gradient, of an affine layer",
             "Both methods change what a nonlinearity does, and nothing else (Zeiler & Fergus 2014; Springenberg et "
             "al. 2015).",
             "an affine layer that rectifies", of.backward_signals),
    Property("own rule", "rule(layer, x, y, -2 R) = -2 rule(layer, x, y, R)",
             "The class's own rule shares out relevance of either sign.",
             "a part of R is cut off, or R is reshaped wrongly", of.own_rule),
    Property("overflow", "at 100 x, float32 is finite where float64 is",
             "Inputs grow large in training, and an infinity in between becomes NaN later.",
             "exp of a large number; shift it, as in max(x, 0) + log1p(exp(-abs(x)))", of.overflow),
    Property("saved and loaded", "type(layer)(**arrays(), **settings()) = the layer",
             "Files hold what arrays() and settings() name, and nothing more.",
             "settings() leaves out an argument of the constructor", of.rebuilt)]
DEFINITION = Property("definition", "forward(x) = definition(x)", "The formula that was given.",
                      "forward computes another formula")
DEVICE = Property("device", "every method on arrays of a GPU = the same on NumPy's",
                  "An array knows where it lives, and what is computed from it lives there too.",
                  "a function of numpy called by name; write xp = array_module(x) and xp.maximum(x, 0)")
