"""Layers that importers make: what layers promise, rules as scalar loops, what they refuse, and joins of two arrays."""
import numpy as np
import pytest
from tests.registry import JOINS, MORE, POSITIVE

from minixnn import Network, layers, ledger, passes
from minixnn.checks import check_layer, check_network
from minixnn.checks.layer_cases import as_type
from minixnn.layers.folding import fold_batch_norm
from minixnn.rules import lrp
from tests.backends import standin

EVERYWHERE = {**{name: (*case, "any") for name, case in MORE.items()}, **POSITIVE}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def close(came, expected):
    np.testing.assert_allclose(came, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_layer_keeps_what_layers_promise(name):
    layer, shape, domain = EVERYWHERE[name]
    report = check_layer(layer, shape[1:], domain, device=standin, examples=12)
    assert {"images apart", "saved and loaded", "derivative", "DeepLIFT", "type"} <= set(report.held), report


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_a_layer_says_of_signs_is_so(name):
    layer, shape, domain = EVERYWHERE[name]
    low, high = (-3, 3) if domain == "any" else domain
    x = np.random.default_rng(0).uniform(low, high, (50, *shape[1:]))
    assert not layer.nonnegative or (layer.forward(x) >= 0).all()
    assert not layer.preserves_sign or (layer.forward(np.random.default_rng(0).uniform(
        max(low, 0), high, (50, *shape[1:]))) >= 0).all()


# --- joins ---------------------------------------------------------------------------------------------------------

def inputs(name, seed=0, dtype="float64"):
    """The join in this type, and inputs of its shapes that keep away from 0."""
    layer, shapes = JOINS[name]
    rng = np.random.default_rng(seed)
    return layer, tuple((rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)).astype(dtype) for shape in shapes)


@pytest.mark.parametrize("name", [name for name in JOINS if not name.startswith(("Add", "MatMul", "Input", "Compare"))])
def test_a_joins_rule_conserves_relevance_of_either_sign(name):
    layer, x = inputs(name)
    y = layer.forward(x)
    R = draw(*y.shape)
    found = layer.rule(layer, x, y, R)
    assert [part.shape for part in found] == [a.shape for a in x]
    close(sum(part.sum() for part in found), R.sum() if name[:6] != "Einsum" else (R * y / (y + 5e-7 * np.where(
        y < 0, -1, 1))).sum())
    for part, other in zip(found, layer.rule(layer, x, y, -2 * R)):
        close(other, -2 * part)


@pytest.mark.parametrize("name", [*MORE, *(name for name in JOINS if not name.startswith("Input"))])
def test_the_own_rule_balances_in_the_ledger(name):
    if name in JOINS:
        layer, x = inputs(name)
        count = len(x)
        net = Network([*map(layers.Input, range(count)), layer], [*((0,) for _ in x), tuple(range(1, count + 1))])
    else:
        net, x = Network([as_type(MORE[name][0], "float64")]), draw(*MORE[name][1])
    rules = [lrp.epsilon if each.rule is None else None for each in net.layers]
    R = passes.lrp(net, x, rules=rules, start=draw(*net.forward(x).shape))
    book = ledger.audit(net, x, R, rules)
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)


def test_the_rule_of_a_product_of_sums_is_the_loop_over_its_terms():
    (a, b), layer = inputs("Einsum")[1], layers.Einsum("nhtd,nhud->nhtu")
    y = layer.forward((a, b))
    R, R_a, R_b = draw(*y.shape), 0 * a, 0 * b
    for n, h, t, u in np.ndindex(y.shape):
        for d in range(a.shape[-1]):
            z = a[n, h, t, d] * b[n, h, u, d]
            share = z / (2 * y[n, h, t, u] + (1e-6 if y[n, h, t, u] >= 0 else -1e-6)) * R[n, h, t, u]
            R_a[n, h, t, d] += share
            R_b[n, h, u, d] += share
    came = layer.rule(layer, (a, b), y, R)
    close(came[0], R_a)
    close(came[1], R_b)


@pytest.mark.parametrize("equation", ["nabc,ncd->nbd", "nij,nkj->nik", "nij,nij->n", "nij,nij->nij", "ni,nj->nji"])
def test_a_sum_of_products_is_numpys(equation):
    a_axes, b_axes, _ = equation.replace("->", ",").split(",")
    sizes = dict(zip("nabcdijk", (2, 3, 4, 5, 6, 3, 4, 5)))
    a, b = (draw(*(sizes[letter] for letter in axes)) for axes in (a_axes, b_axes))
    close(layers.Einsum(equation).forward((a, b)), np.einsum(equation, a, b))


def test_of_equals_the_first_wins():
    x = np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]])
    for join, won in ((layers.Maximum(), [[1, 0]]), (layers.Minimum(), [[1, 1]])):
        assert join.gradient(x, join.forward(x), np.ones((1, 2)))[0].tolist() == won
    for layer in (layers.MaxOver(1), layers.MinOver(1)):
        a = np.array([[2.0, 2.0]])
        assert layer.gradient(a, layer.forward(a), np.ones(1)).tolist() == [[1, 0]]


# --- single layers -------------------------------------------------------------------------------------------------

def test_the_logarithm_of_a_softmax_keeps_its_digits_at_large_scores():
    x = np.array([[30000.0, 30000.3, 29998.0], [-4e6, -4e6 - 1, -4e6 + 3]], "float32")
    np.testing.assert_allclose(layers.LogSoftmax().forward(x), layers.LogSoftmax().forward(x.astype("float64")),
                               rtol=1e-6)


def test_a_vector_of_zeros_has_no_direction_and_gets_nothing():
    layer, x = layers.Norm(-1), np.zeros((1, 3))
    y = layer.forward(x)
    with np.errstate(all="raise"):
        for found in (layer.gradient(x, y, np.ones(1)), layer.deeplift(x, y, x, y, np.ones(1)),
                      layer.rule(layer, x, y, np.ones(1))):
            assert found.tolist() == [[0, 0, 0]]


def test_the_rule_of_a_length_shares_by_squares():
    layer, x, R = layers.Norm(-1), draw(2, 4), draw(2)
    close(layer.rule(layer, x, layer.forward(x), R), x ** 2 / (x ** 2).sum(axis=1, keepdims=True) * R[:, None])


def test_a_constant_that_is_added_absorbs_its_share():
    layer, x, R = layers.Shift(draw(3)), draw(2, 3), draw(2, 3)
    y = layer.forward(x)
    expected = [[x[n, c] / (y[n, c] + (1e-6 if y[n, c] >= 0 else -1e-6)) * R[n, c] for c in range(3)] for n in range(2)]
    close(layer.rule(layer, x, y, R), expected)


def test_a_constant_that_multiplies_passes_all_but_what_it_hides():
    layer, x, R = layers.Scale(np.array([2.0, 0.0, -1.0])), draw(2, 3), draw(2, 3)
    close(layer.rule(layer, x, layer.forward(x), R), R * [1, 0, 1])
    layer, x, R = layers.Scale(np.ones((4, 3))), draw(2, 1, 3), draw(2, 4, 3)
    close(layer.rule(layer, x, layer.forward(x), R), R.sum(axis=1, keepdims=True))


def test_windows_move_into_the_batch_and_an_image_keeps_its_rows():
    out, back = layers.Reshape((49, 5), rows=(1, 4)), layers.Reshape((4, 49, 5), rows=(4, 1))
    x = draw(3, 4, 49, 5)
    y = out.forward(x)
    assert y.shape == (12, 49, 5)
    close(y[4:8], out.forward(x[1:2]))
    close(back.forward(y), x)
    close(out.gradient(x, y, y), x)
    close(out.rule(out, x, y, y), x)
    assert type(out)(**out.settings()).rows == (1, 4) and "rows" not in layers.Reshape((3,)).settings()
    with pytest.raises(ValueError, match="expected 980 numbers per input, in 4 rows"):
        back.forward(y[:-1])


def test_a_network_of_windows_as_rows_explains_each_image_by_itself():
    rng = np.random.default_rng(0)
    net = Network([
        layers.Roll((1, 1), (1, 2)), layers.Reshape((2, 2, 2, 2, 6)), layers.Permute((0, 2, 1, 3, 4)),
        layers.Reshape((4, 6), rows=(1, 4)), layers.LayerNorm(), layers.Attention(*rng.normal(size=(4, 6, 6)), heads=2),
        layers.Reshape((2, 2, 2, 2, 6), rows=(4, 1)), layers.Permute((0, 2, 1, 3, 4)), layers.Reshape((4, 4, 6)),
        layers.GlobalAvgPool(), layers.Dense(rng.normal(size=(6, 3)))])
    x = draw(3, 4, 4, 6)
    close(net.predict(x, batch_size=2), net.forward(x))
    close(passes.lrp(net, x)[0][1:2], passes.lrp(net, x[1:2])[0])
    check_network(net, x)


def test_windows_of_an_image_are_picked_and_put_back_by_indices():
    """im2col and col2im, of 3 x 3 pixels two apart."""
    place = np.arange(7 * 7 * 2).reshape(7, 7, 2)
    index = np.stack([place[i:i + 3, j:j + 3].ravel() for i in range(0, 5, 2) for j in range(0, 5, 2)])
    x = draw(2, 7, 7, 2)
    y = layers.Gather(index).forward(x)
    for n, (i, j) in enumerate((i, j) for i in range(0, 5, 2) for j in range(0, 5, 2)):
        close(y[:, n], x[:, i:i + 3, j:j + 3].reshape(2, -1))
    seen = layers.Scatter(index, (7, 7, 2)).forward(np.ones_like(y))
    assert seen[0, 2, 2, 0] == 4 and seen[0, 2, 1, 0] == 2 and seen[0, 0, 0, 0] == 1


@pytest.mark.parametrize("make, complaint", [
    (lambda: layers.Function("argmax"), "expected one of abs"),
    (lambda: layers.Power(0), "expected a number other than 0"),
    (lambda: layers.SumOver(0), "without the axis 0"),
    (lambda: layers.SumOver(()), "one or more"),
    (lambda: layers.MaxOver(3).forward(draw(2, 3)), "lacks one of these axes"),
    (lambda: layers.Softmax(0), "the axis of the images"),
    (lambda: layers.Stack(0), "the axis of the images"),
    (lambda: layers.Stack().forward((draw(2, 3), draw(2, 4))), "expected one"),
    (lambda: layers.Gather(np.array([1, 2]), 0), "that of the images"),
    (lambda: layers.Gather(np.array([1.0]), 1), "expected whole numbers"),
    (lambda: layers.Gather(np.array([1, 7]), 1).forward(draw(2, 3)), "indices from 1 to 7, for 3 numbers"),
    (lambda: layers.Scatter(np.array([1, 9]), (2, 3)), "indices from 1 to 9, for 6 numbers"),
    (lambda: layers.Scatter(np.array([1, 2]), (2, 3)).forward(draw(2, 3)), "expected .inputs, "),
    (lambda: layers.Roll((1,), (0,)), "not the axis 0"),
    (lambda: layers.Slice(1, step=0), "other than 0"),
    (lambda: layers.Pad(((1, 1),), "around"), "expected 'constant'"),
    (lambda: layers.Reshape((3,), rows=(0, 1)), "how many rows"),
    (lambda: layers.Scale(draw(2, 3)).forward(draw(2, 3)), "behind the images"),
    (lambda: layers.Shift(draw(2)).forward(draw(2, 3)), "behind the images"),
    (lambda: layers.Where(draw(2, 3)).forward((draw(3), draw(3))), "broadcast to one input"),
    (lambda: layers.Einsum("ij,jk->ik"), "begin with one letter"),
    (lambda: layers.Einsum("n...j,njk->nk"), "each letter an axis"),
    (lambda: layers.Einsum("nij,njk->nik").forward((draw(2, 3, 4), draw(2, 5, 6))), "got arrays of shapes"),
    (lambda: layers.Contract(draw(2, 3), "nij,njk->nik"), "which W lacks"),
])
def test_what_is_not_meant_is_refused_in_a_sentence(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


# --- folding -------------------------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("ignore:fold_batch_norm left")
@pytest.mark.parametrize("before, shape", [
    ([layers.Conv1d(draw(3, 2, 4))], (5, 2)), ([layers.Conv3d(draw(1, 2, 2, 2, 4), draw(4))], (2, 3, 3, 2)),
    ([layers.ConvTranspose3d(draw(1, 2, 2, 2, 2), draw(4), groups=2)], (2, 3, 3, 2)),
    ([layers.Conv2d(draw(1, 1, 2, 4)), layers.MaxPool2d(2, ceil=True)], (3, 3, 2)),
    ([layers.Conv2d(draw(1, 1, 2, 4)), layers.MaxOver(1)], (3, 3, 2)),
    ([layers.Conv2d(draw(1, 1, 2, 4)), layers.Permute((0, 2, 1)), layers.MaxOver(-1), layers.Gather([1, 0, 2, 3], -1)],
     (3, 3, 2)), ([layers.Dense(draw(4, 4)), layers.Contract(draw(4), "nc,c->nc")], (4,))])
def test_folding_batch_normalisation_changes_no_number(before, shape):
    rng = np.random.default_rng(0)
    norm = layers.BatchNorm2d(*rng.normal(size=(3, 4)), rng.random(4) + 0.5)
    x = draw(3, *shape)
    for net in (Network([*before, norm]), Network([*before, norm, layers.ReLU(), norm])):
        close(fold_batch_norm(net).forward(x), net.forward(x))
