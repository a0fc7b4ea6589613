"""What a module of torch does beside its layers: hooks, several outputs, other arguments; and what cannot be traced."""
import numpy as np
import pytest

from minixnn.interop import from_torch
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
X = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")


class Calls(torch.nn.Module if torch else object):
    """A forward f(linear layer, x, ...)."""

    def __init__(self, f):
        super().__init__()
        self.linear, self.f = torch.nn.Linear(5, 4), f

    def forward(self, x):
        return self.f(self.linear, x)


def same(net, module, x=X, output=None):
    with torch.no_grad():
        theirs = module.eval()(torch.tensor(x))
    theirs = theirs if output is None else theirs[output]
    np.testing.assert_allclose(net.forward(x), theirs.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("f, output", [
    (lambda linear, x: (linear(x), x), 0), (lambda linear, x: {"logits": linear(x), "features": x}, "logits"),
    (lambda linear, x: [x, linear(x).relu()], 1)])
def test_one_of_several_outputs_is_read_by_its_place_or_key(f, output):
    module = Calls(f)
    same(from_torch(module, (5,), output=output), module, output=output)
    with pytest.raises(ValueError, match=r"name one to explain, for instance output="):
        from_torch(module, (5,))


def test_an_output_that_is_no_function_of_the_input_is_refused():
    with pytest.raises(ValueError, match="the output does not depend on the input"):
        from_torch(Calls(lambda linear, x: (linear(x), linear.weight)), (5,), output=1)


@pytest.mark.parametrize("reparametrise", ["weight_norm", "spectral_norm", "prune", "parametrize"])
def test_weights_are_taken_as_hooks_and_parametrisations_make_them(reparametrise):
    torch.manual_seed(0)
    linear = torch.nn.Linear(5, 4)
    if reparametrise == "prune":
        from torch.nn.utils import prune
        prune.l1_unstructured(linear, "weight", amount=0.5)
    elif reparametrise == "parametrize":
        linear = torch.nn.utils.parametrizations.weight_norm(linear)
    else:
        linear = getattr(torch.nn.utils, reparametrise)(linear)
    module = torch.nn.Sequential(linear, torch.nn.ReLU())
    linear.eval()
    same(from_torch(module, (5,)), module)


def test_a_hook_that_changes_what_passes_is_read_with_it():
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU())
    module[0].register_forward_hook(lambda layer, inputs, y: 2 * y)
    same(from_torch(module, (5,)), module)


def test_hooks_for_all_modules_are_refused():
    hook = torch.nn.modules.module.register_module_forward_hook(lambda module, inputs, y: y)
    try:
        with pytest.raises(ValueError, match="hooks for all modules are registered"):
            from_torch(Calls(lambda linear, x: linear(x)), (5,))
    finally:
        hook.remove()


class Arguments(torch.nn.Module if torch else object):
    def forward(self, x, factor=3.0, other=None):
        return x * factor if other is None else x + other


class TwoInputs(torch.nn.Module if torch else object):
    def forward(self, x, z):
        return x + z


def test_other_arguments_have_their_defaults_or_are_refused():
    same(from_torch(Arguments(), (5,)), Arguments())
    with pytest.raises(ValueError, match="its forward takes 'z' beside its first input, expected one input"):
        from_torch(TwoInputs(), (5,))


@pytest.mark.parametrize("f, sentence", [
    (lambda linear, x: linear(x) if x.sum() > 0 else -linear(x), "decides by the values of its input, in an if"),
    (lambda linear, x: [row * 2 for row in x][0], "takes one of the images of a batch"),
    (lambda linear, x: x * linear(x)[:, 0].item(), "does not take inputs of shape .* cannot be converted to Scalar"),
])
def test_a_forward_that_decides_by_values_is_refused_with_the_remedy(f, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_torch(Calls(f), (5,))


def test_what_a_forward_asks_of_a_tensor_is_answered():
    def f(linear, x):
        y = linear(x).to(x.dtype)
        return y * x.ndim + y.dim() * torch.ones(4, dtype=x.dtype, device=x.device) + y.shape[1]
    module = Calls(f)
    same(from_torch(module, (5,)), module)


def test_a_trace_that_computes_something_else_is_refused():
    """A forward can see that it is traced, and the trace has no trace of that."""
    with pytest.raises(ValueError, match="its trace computes something else than the module itself"):
        from_torch(Calls(lambda linear, x: linear(x) * (1 if torch.compiler.is_exporting() else 3)), (5,))
