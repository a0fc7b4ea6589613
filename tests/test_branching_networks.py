"""A network that branches: connections, several inputs, shared layers, one step to every formula, each layer once."""
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from tests.registry import COMPOSITES, NETWORKS, WRITTEN, dense, resnet18, two_inputs, unrolled
from tests.small_networks import graphs

from minixnn import Network, passes
from minixnn.checks import strategies
from minixnn.layers import Add, Concat, Dense, Dropout, Flatten, Input, Multiply, ReLU, Sigmoid, Tanh
from minixnn.rules import lrp
from minixnn.train import SGD, Adam, backpropagate, fit, update

ZERO = partial(lrp.epsilon, epsilon=0)


# --- connections -----------------------------------------------------------------------------------------------------

def test_an_output_is_read_again_by_a_later_join():
    """y = 2 x + relu(2 x): for x = 1 the gradient is 4, for x = -1 it is 2; relevance goes by share."""
    net = Network([Dense(np.array([[2.0]])), ReLU(), Add()], [0, 1, (1, 2)])
    x = np.array([[1.0], [-1.0]])
    assert net.forward(x).tolist() == [[4], [-2]]
    assert passes.gradient(net, x)[0].tolist() == [[4], [2]]
    R = passes.lrp(net, x, rules=ZERO)
    assert [r.tolist() for r in R] == [[[4], [-2]], [[4], [-2]], [[2], [0]], [[4], [-2]]]
    assert net.readers(1) == [1, 2] and net.readers(3) == []
    assert net.entering(net.trace(x), 2)[1].tolist() == [[2], [0]] and net.sources(2) == "A[1], A[2]"


def test_nothing_is_added_in_place():
    """A sum hands the same array to all its inputs; adding to one of them would change the others."""
    net, x = Network([ReLU(), Tanh(), Add(), Add()], [0, 0, (1, 2), (3, 1)]), np.ones((1, 2))
    R = passes.gradient(net, x, start=np.ones((1, 2)))
    assert R[4].tolist() == [[1, 1]] and R[1].tolist() == [[2, 2]] and R[3].tolist() == [[1, 1]]


@pytest.mark.parametrize("layers, inputs, words", [
    ([ReLU(), Tanh(), Sigmoid()], [0, 0, 1], "no layer reads what layer 1, Tanh.., makes, and it is not the output"),
    ([ReLU(), ReLU()], [0], "got 1 inputs for 2 layers"),
    ([ReLU(), ReLU()], [1, 0], "as the inputs of layer 0, ReLU.., expected numbers from 0.* to 0"),
    ([ReLU(), ReLU()], [0, 3], "expected numbers from 0.* to 1, what the layer before it makes"),
    ([ReLU(), ReLU()], [0, -1], "expected numbers from 0"),
    ([ReLU(), ReLU()], [0, ()], "expected numbers from 0"),
    ([ReLU(), ReLU()], [0, (0, 1)], "layer 1, ReLU.., has 2 inputs, expected 1; branches meet in a join"),
    ([ReLU(), Concat()], [0, 1], "layer 1, Concat.., has 1 inputs, expected 2 or more"),
])
def test_connections_that_cannot_be_are_refused(layers, inputs, words):
    with pytest.raises(ValueError, match=words):
        Network(layers, inputs)


def test_parts_replaced_layers_and_networks_behind_each_other():
    make, x = NETWORKS["ResNet-18"]
    net = make()
    A = net.trace(x)
    cuts = [i for i in range(1, len(A)) if all(not (j < i <= l) for l, sources in enumerate(net.inputs)
                                               for j in sources)]
    assert len(cuts) == 4 + 8 * 2 + 2
    for i in cuts[3:9]:
        stem, rest = net.part(0, i), net.part(i, len(net.layers)) if i < len(net.layers) else None
        assert np.array_equal(stem.forward(x), A[i]) and np.array_equal(rest.forward(A[i]), A[-1])
        both = stem.then(rest)
        assert both.inputs == net.inputs and both.names == net.names and np.array_equal(both.forward(x), A[-1])
    inside = next(l for l, name in enumerate(net.names) if name == "4.body.2")
    with pytest.raises(ValueError, match=r"Add.., takes A\[4\]: this connection crosses the cut at A\[\d+\]"):
        net.part(0, inside)
    assert np.array_equal(net.part(-1, len(net.layers)).forward(A[-2]), A[-1])
    with pytest.raises(ValueError, match="expected 0 <= a < b <="):
        net.part(5, 5)
    other = net.replaced(2, Sigmoid())
    assert isinstance(other.layers[2], Sigmoid) and other.inputs == net.inputs and isinstance(net.layers[2], ReLU)
    assert not np.allclose(other.forward(x), A[-1])


# --- several inputs --------------------------------------------------------------------------------------------------


def a_pair(seed=1, count=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 5, 5, 1)), rng.normal(size=(count, 3))


def test_reveal_cancel_goes_through_sums_and_concatenations():
    rng = np.random.default_rng(0)
    net = Network([dense(rng, 3, 4), ReLU(), dense(rng, 4, 4), Add(), Tanh(), Concat(), dense(rng, 12, 2)],
                  [0, 1, 2, (3, 1, 1), 4, (5, 2, 5), 6])
    x, x_ref = rng.normal(size=(3, 3)), rng.normal(size=(1, 3))
    M = passes.deeplift_reveal_cancel(net, x, x_ref, 1)
    difference = (net.forward(x) - net.forward(x_ref))[:, 1]
    for i in (0, 1, 6, 7):                                  # all goes through these
        np.testing.assert_allclose(M[i].sum(axis=1), difference if i < 7 else M[7].sum(axis=1), rtol=1e-9)
    with pytest.raises(NotImplementedError, match="takes networks of one input"):
        passes.deeplift_reveal_cancel(two_inputs(), a_pair(), a_pair(), 0)


def test_several_inputs_are_cut_together():
    net, x = two_inputs(), a_pair()
    np.testing.assert_allclose(net.predict(x, batch_size=3), net.forward(x), rtol=1e-12)


def test_the_same_input_may_be_read_twice():
    net = Network([Input(0), Input(1), Input(0), Multiply()], [0, 0, 0, (1, 2, 3)])
    x = np.array([[3.0]]), np.array([[2.0]])
    assert net.forward(x).tolist() == [[18]]
    assert [r.tolist() for r in passes.gradient(net, x)[0]] == [[[12]], [[9]]]


@pytest.mark.parametrize("x, words", [
    (lambda x: x[0], "expected a tuple|got one array|got an array"),
    (lambda x: x[:1], "got a tuple of 1 inputs"),
    (lambda x: (*x, x[0]), "got a tuple of 3 inputs"),
    (lambda x: (x[0], x[1][:2]), "got inputs of 4 and 2 rows, expected as many of each"),
    (lambda x: (x[0], x[1] * np.nan), "NaN or infinite numbers in the input"),
    (lambda x: (x[0], x[1].astype(int)), "got numbers of type int64"),
])
def test_inputs_that_do_not_fit_are_refused(x, words):
    with pytest.raises(ValueError, match=words):
        two_inputs().forward(x(a_pair()))


# --- one layer in several places -------------------------------------------------------------------------------------

def test_sharing_survives_types_devices_and_other_networks(xp, tmp_path):
    net = unrolled()
    net.save(tmp_path / "net.npz")
    for copy in (net.astype("float32"), net.on(xp), net.replaced(0, Flatten()), Network.load(tmp_path / "net.npz"),
                 net.then(Network([ReLU()])), net.map_arrays(lambda a: a * 2)):
        cells = [layer for layer in copy.layers if isinstance(layer, Dense) and layer.W.shape == (7, 4)]
        assert len(cells) == 5 and len({id(cell) for cell in cells}) == 1
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert np.allclose(Network.load(tmp_path / "net.npz").forward(x), net.forward(x), rtol=1e-12)


def test_gradients_of_shared_parameters_add_up():
    net = unrolled()
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(6, 5, 3)), rng.integers(0, 3, 6)
    _, _, gradients = backpropagate(net, x, labels, rng)
    shared = next(layer for layer in net.layers if isinstance(layer, Dense) and layer.W.shape == (7, 4))
    total = sum(g["W"] for layer, g in zip(net.layers, gradients) if layer is shared)
    v, h = rng.normal(size=total.shape), 1e-6

    def loss(step):
        moved = net.map_arrays(lambda a: a + step * v if a is shared.W else a)
        return backpropagate(moved, x, labels, rng)[0]
    assert (total * v).sum() == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_shared_parameters_take_one_step(optimizer):
    """Of two networks, one with the layer twice and one with a single place of twice the gradient, both end alike."""
    W = np.array([[1.0, 2.0], [3.0, -1.0]])
    shared, single = Dense(W.copy()), Dense(W.copy())
    g = np.array([[0.1, -0.2], [0.3, 0.4]])
    update(optimizer(), Network([shared, shared]), [{"W": g, "b": None}, {"W": g, "b": None}])
    update(optimizer(), Network([single]), [{"W": 2 * g, "b": None}])
    np.testing.assert_allclose(shared.W, single.W, rtol=1e-12)
    assert not np.allclose(shared.W, W)


def test_an_unrolled_cell_learns_and_each_place_draws_its_own_mask():
    net = unrolled().astype("float32")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5, 3)).astype("float32")
    labels = (x[:, 1, 0] > 0).astype(int)
    history = fit(net, x, labels, epochs=12, rng=rng, batch_size=20, optimizer=Adam(0.01), quiet=True)
    assert history[-1]["loss"] < 0.6 * history[0]["loss"], history
    drop, masks = Dropout(0.5), []
    twice = Network([drop, drop])
    for layer, a in zip(twice.layers, (np.ones((4, 50)),) * 2):
        masks.append(layer.training(a, rng).mask)
    assert not np.array_equal(*masks)


# --- stepping --------------------------------------------------------------------------------------------------------


# --- each layer once -------------------------------------------------------------------------------------------------


# --- what is let go --------------------------------------------------------------------------------------------------


def peak(call):
    tracemalloc.start()
    try:
        result = call()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def test_a_pass_that_wants_the_input_only_holds_little_more():
    net, x = resnet18(8), np.random.default_rng(0).random((8, 64, 64, 3))
    size = sum(a.nbytes for a in net.trace(x)[1:])
    for run, bar in ((passes.gradient, 1.6), (passes.lrp, 1.6), (partial(passes.deeplift, x_ref=x[:1] * 0), 2.7)):
        most, _ = peak(lambda: run(net, x, only_input=True))
        assert most < bar * size, f"{run}: {most / size:.2f} times the activations"
    most, _ = peak(lambda: net.forward(x))
    assert most < 0.6 * size, f"forward alone: {most / size:.2f}"


# --- random graphs ---------------------------------------------------------------------------------------------------

def by_hand(net, x, start, epsilon):
    """LRP of one image of vectors in a random graph, number by number: {i: relevance of A[i]}."""
    A = [x]
    for layer, sources in zip(net.layers, net.inputs):
        inputs = [A[i] for i in sources]
        if isinstance(layer, Dense):
            A.append([sum(inputs[0][j] * layer.W[j, k] for j in range(len(inputs[0]))) +
                      (0 if layer.b is None else layer.b[k]) for k in range(layer.W.shape[1])])
        elif isinstance(layer, Add):
            A.append([sum(values) for values in zip(*inputs)])
        elif isinstance(layer, Multiply):
            A.append([np.prod(values) for values in zip(*inputs)])
        elif isinstance(layer, Concat):
            A.append([v for values in inputs for v in values])
        else:
            A.append([max(v, 0) for v in inputs[0]])
    R = [[0.0] * len(a) for a in A]
    R[-1] = list(start)
    for l in reversed(range(len(net.layers))):
        layer, sources, y = net.layers[l], net.inputs[l], A[l + 1]
        places = [(i, j) for i in sources for j in range(len(A[i]))]
        for k, r in enumerate(R[l + 1]):
            z = y[k] + (epsilon if y[k] >= 0 else -epsilon)
            if isinstance(layer, Dense):
                for j, v in enumerate(A[sources[0]]):
                    R[sources[0]][j] += v * layer.W[j, k] / z * r if z else 0
            elif isinstance(layer, Add):
                for i in sources:
                    R[i][k] += A[i][k] / z * r if z else 0
            elif isinstance(layer, Concat):
                i, j = places[k]
                R[i][j] += r
            else:                               # an activation passes on, of a product the signal takes all
                R[sources[0]][k] += r
    return R


@settings(max_examples=80)
@given(graphs(joins=(Add, Concat, Multiply)), strategies.seeds)
def test_lrp_of_a_random_graph_is_the_loop_over_its_numbers(drawn, seed):
    net, shape = drawn
    rng = np.random.default_rng(seed)
    x, start = rng.normal(size=(2, *shape)), rng.normal(size=(2, 3))
    R = passes.lrp(net, x, rules=partial(lrp.epsilon, epsilon=0.25), start=start)
    for n in range(2):
        for i, expected in enumerate(by_hand(net, list(x[n]), start[n], 0.25)):
            np.testing.assert_allclose(R[i][n], expected, rtol=1e-9, atol=1e-9, err_msg=f"A[{i}] of {net}")


@pytest.mark.parametrize("rules", COMPOSITES.values(), ids=COMPOSITES)
@pytest.mark.parametrize("name", WRITTEN)
def test_images_of_a_batch_stay_apart_in_every_way_of_writing(name, rules):
    written, shape = WRITTEN[name]
    net = Network([written]).astype("float64")
    x = np.random.default_rng(0).random((3, *shape[1:]))
    start = np.random.default_rng(1).normal(size=net.forward(x).shape)
    try:
        whole = passes.lrp(net, x, rules=rules, start=start)[0]
    except ValueError as error:                             # z^B of pixels that have met, gamma of x < 0
        assert "expected x >= 0" in str(error) or "have met in a join" in str(error), error
        return
    for n in range(3):
        alone = passes.lrp(net, x[n:n + 1], rules=rules, start=start[n:n + 1])[0]
        np.testing.assert_allclose(whole[n:n + 1], alone, rtol=1e-9, atol=1e-9 * abs(alone).max())
