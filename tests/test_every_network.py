"""What holds of every network of the registry: derivatives, sums, the ledger, purity, and one step to each formula."""
import inspect
import linecache
import pathlib
import sys
from functools import partial

import numpy as np
import pytest
from tests.backends import standin
from tests.helpers import assert_derivative, traced
from tests.registry import COMPOSITES, NETWORKS

from minixnn import Network, ledger, passes
from minixnn.checks import check_network
from minixnn.layers import Add, Branches, Sigmoid, Tanh
from minixnn.rules import composites, lrp

pytestmark = pytest.mark.filterwarnings("ignore:deep Taylor got positive biases", "ignore:the network ends in")
PASSES = ["gradient", "deconvnet", "guided_backprop", "deeplift", "lrp"]


def parts(x):
    return x if isinstance(x, tuple) else (x,)


def like(x, change):
    """x, or each array of a tuple, after `change`."""
    return tuple(map(change, x)) if isinstance(x, tuple) else change(x)


def run_of(name, x, rules=lrp.epsilon):
    """The pass of this name, as a function of (net, x, target, only_input=)."""
    more = {"lrp": {"rules": rules}, "deeplift": {"x_ref": like(x, lambda a: a[:1] * 0)}}.get(name, {})
    return partial(getattr(passes, name), **more)


def frozen(a):
    a = np.array(a)
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_right_in_every_layer(name):
    """Images apart, ledger, integrated gradients, DeepLIFT's sum, float32, its file, and an array module of its own."""
    make, x = NETWORKS[name]
    check_network(make(), x, device=standin)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("tokens", "two inputs")])
def test_the_gradient_is_what_differences_show(name):
    make, x = NETWORKS[name]
    net, x, target = make(), x + 1e-3, [0, 1, 2, 1][:len(x)]            # away from the kinks at pixels of 0
    start = np.eye(3)[target]
    assert_derivative(lambda x: (net.forward(x) * start).sum(), x, passes.gradient(net, x, target)[0],
                      np.random.default_rng(0), name)


@pytest.mark.parametrize("rules", COMPOSITES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_composite_balances_in_the_ledger_image_by_image(name, rules):
    (make, x), rules = NETWORKS[name], COMPOSITES[rules]
    net = make()
    if name == "GRU" and rules in (composites.by_depth, composites.epsilon_gamma_box):
        with pytest.raises(ValueError, match="sees pixels that have met in a join"):
            passes.lrp(net, x, 1, rules)
        return
    R = passes.lrp(net, x, 1, rules)
    book = ledger.audit(net, x, R, rules)
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)
    assert len(book.rows) == len(net.layers)
    assert book.total.relevance_in == pytest.approx(sum(part.sum() for part in parts(R[0])), rel=1e-9)
    for i in range(1, len(net.layers)):                     # what the readers of A[i] send there is R[i]
        sent = sum(row.sent[i] for row in book.per_image if i in row.sent)
        np.testing.assert_allclose(sent, R[i].reshape(len(R[i]), -1).sum(axis=1), atol=1e-9 * abs(R[i]).sum())
    for n in range(len(R[-1])):
        alone = passes.lrp(net, like(x, lambda a, n=n: a[n:n + 1]), 1, rules)[0]
        for whole, own in zip(parts(R[0]), parts(alone)):
            np.testing.assert_allclose(whole[n:n + 1], own, rtol=1e-7, atol=1e-9 * abs(own).max())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("run", PASSES)
def test_a_pass_leaves_all_as_it_was_and_keeps_shapes_and_types(name, run):
    make, x = NETWORKS[name]
    for dtype in ("float32", "float64"):
        net = make().astype(dtype).map_arrays(frozen)
        x = like(x, lambda a, dtype=dtype: frozen(a.astype(dtype) if a.dtype.kind == "f" else a))
        before, A = [dict(vars(layer)) for layer in net.layers], net.trace(x)
        A[1:] = map(frozen, A[1:])
        for l, layer in enumerate(net.layers):              # what a layer hands on is written to by nobody behind it
            layer.gradient(net.entering(A, l), A[l + 1], A[l + 1])
        R = run_of(run, x)(net, x, target=1)
        assert all(vars(layer) == old for layer, old in zip(net.layers, before)), "no array was replaced"
        for r, a in zip([*parts(R[0]), *R[1:]], [*parts(x), *A[1:]], strict=True):
            assert r.shape == a.shape and (r.dtype == dtype or name == "tokens") and np.isfinite(r).all()
        only = run_of(run, x)(net, x, target=1, only_input=True)
        assert all(map(np.array_equal, parts(only[0]), parts(R[0]))) and only[1:] == [None] * len(net.layers)


# --- one step from the loop to the formula ---------------------------------------------------------------------------

def steps_into(run, call):
    """What each marked line of the pass `run` calls first: the code objects, in order."""
    code, found = inspect.unwrap(run).__code__, []

    def trace(frame, event, argument):
        if event == "call" and frame.f_back is not None and frame.f_back.f_code is code and (
                "STEP INTO" in linecache.getline(code.co_filename, frame.f_back.f_lineno)):
            found.append(frame.f_code)
    traced(call, trace)
    return found


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("run", PASSES)
def test_one_step_leads_into_the_method_or_rule_of_each_layer(name, run):
    make, x = NETWORKS[name]
    net = make()
    for rules in COMPOSITES.values() if run == "lrp" else [None]:
        if name == "GRU" and rules in (composites.by_depth, composites.epsilon_gamma_box):
            continue
        found = steps_into(getattr(passes, run), lambda rules=rules: run_of(run, x, rules)(net, x))
        expected = ([getattr(rule, "func", rule).__code__ for rule in composites.rules_for(net, rules)]
                    if run == "lrp" else [getattr(type(layer), run).__code__ for layer in net.layers])
        assert found == expected[::-1]


def test_one_step_leads_from_the_loop_of_deep_taylor_into_each_rule():
    make, x = NETWORKS["pools, no biases"]
    net = make()
    expected = [getattr(rule, "func", rule).__code__ for rule in composites.rules_for(net, composites.deep_taylor)]
    assert steps_into(passes.deep_taylor, lambda: passes.deep_taylor(net, x)) == expected[::-1]


@pytest.mark.parametrize("rules", COMPOSITES)
def test_no_sentence_is_made_in_a_pass_that_goes_well(rules):
    """Messages name types and layers; making one takes a debugger through frames that have nothing to do with it."""
    made = []

    def watch(frame, event, argument):
        if event == "call" and (frame.f_code.co_name in ("__repr__", "__str__")
                                or pathlib.Path(frame.f_code.co_filename).name == "_dtype.py"):
            made.append(frame.f_code)
    make, x = NETWORKS["graph"]
    net, before = make(), sys.getprofile()
    sys.setprofile(watch)
    try:
        passes.lrp(net, x, 0, COMPOSITES[rules])
        passes.gradient(net, x, 0), passes.guided_backprop(net, x, 0)
    finally:
        sys.setprofile(before)
    assert not made, made


# --- each layer once -------------------------------------------------------------------------------------------------

def counting(net, method):
    """The network, each of whose layers counts the calls of a method; and the list of counts."""
    counts = [0] * len(net.layers)

    def counted(layer, l):
        layer, plain = layer.map_arrays(lambda a: a), getattr(layer, method)

        def count(*arguments):
            counts[l] += 1
            return plain(*arguments)
        vars(layer)[method] = count
        return layer
    return net.like_this([counted(layer, l) for l, layer in enumerate(net.layers)]), counts


@pytest.mark.parametrize("name", NETWORKS)
def test_each_layer_runs_forwards_once_a_pass(name):
    make, x = NETWORKS[name]
    for run in PASSES:
        net, counts = counting(make(), "forward")
        run_of(run, x)(net, x)
        assert set(counts) == {2 if run == "deeplift" else 1}, (run, counts)       # once for x, once for the reference
    net, counts = counting(make(), "gradient")
    passes.gradient(net, x)
    assert set(counts) == {1}


def test_a_gradient_asks_each_layer_once_where_branches_meet_again():
    """20 sums of two branches each have a million paths through them; each layer is still asked once."""
    net = Network([Branches([[Tanh()], [Sigmoid()]], Add()) for _ in range(20)])
    net, counts = counting(net, "gradient")
    passes.gradient(net, np.ones((1, 2)), start=np.ones((1, 2)))
    assert set(counts) == {1}
