"""Random graphs, and a cell unrolled over a sequence, against torch's automatic differentiation."""
import numpy as np
import pytest
from hypothesis import given, settings

from minixnn import Graph, Network, passes
from minixnn.checks import strategies
from minixnn.layers import (Add, Attention, Concat, Dense, Flatten, Input, MatMul, Multiply, ReLU, Sigmoid, Softplus,
                            Tanh, Unflatten)
from minixnn.train import backpropagate
from tests.peers.libraries import REASONS, torch
from tests.small_networks import graphs

if torch is None:
    pytest.skip(REASONS["torch"], allow_module_level=True)

JOINED = {Add: sum, Multiply: lambda x: torch.stack(torch.broadcast_tensors(*x)).prod(dim=0),
          Concat: lambda x: torch.cat(x, dim=-1), MatMul: lambda x: x[0] @ x[1]}
ALONE = {ReLU: torch.relu, Tanh: torch.tanh, Sigmoid: torch.sigmoid, Softplus: torch.nn.functional.softplus,
         Flatten: lambda x: x.flatten(1)}


def in_torch(net, x):
    """(A, parameters): all activations of the network as torch computes them, and one tensor for each array."""
    tensors, A = {}, [x]

    def tensor(array):
        return tensors.setdefault(id(array), torch.tensor(array, requires_grad=True))
    for layer, sources in zip(net.layers, net.inputs):
        inputs = [A[i] for i in sources]
        if isinstance(layer, Input):
            A.append(x[layer.index])
        elif type(layer) in JOINED:
            A.append(JOINED[type(layer)](inputs))
        elif isinstance(layer, Dense):
            y = inputs[0] @ tensor(layer.W)
            A.append(y if layer.b is None else y + tensor(layer.b))
        elif isinstance(layer, Unflatten):
            A.append(inputs[0].reshape(-1, *layer.shape))
        else:
            A.append(ALONE[type(layer)](inputs[0]))
    return A, tensors


def close(found, expected, what):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * max(1, abs(np.asarray(expected)).max()),
                               err_msg=what)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(graphs(kinds_between=(ReLU, Tanh, Sigmoid, Softplus), steps=12), strategies.seeds)
def test_a_random_graph_computes_and_differentiates_as_torch_does(drawn, seed):
    net, shape = drawn
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(3, *shape)), rng.normal(size=(3, 3))
    A, _ = in_torch(net, torch.tensor(x, requires_grad=True))
    for i, (found, expected) in enumerate(zip(net.trace(x), A)):
        close(found, expected.detach().numpy(), f"A[{i}] of {net}")
    expected = torch.autograd.grad(A[-1], A[:-1], torch.tensor(dy))
    for i, (found, other) in enumerate(zip(passes.gradient(net, x, start=dy), expected)):
        close(found, other.numpy(), f"dL/dA[{i}] of {net}")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs(kinds_between=(ReLU, Tanh)), strategies.seeds)
def test_gradients_of_parameters_of_a_random_graph_are_torchs(drawn, seed):
    net, shape = drawn
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(4, *shape)), rng.integers(0, 3, 4)
    _, _, gradients = backpropagate(net, x, labels, rng)
    A, tensors = in_torch(net, torch.tensor(x))
    torch.nn.functional.cross_entropy(A[-1], torch.tensor(labels)).backward()
    totals = {}
    for layer, own in zip(net.layers, gradients):
        for name, g in (own or {}).items():
            if g is not None:
                key = id(layer.arrays()[name])
                totals[key] = totals.get(key, 0) + g
    assert totals.keys() == tensors.keys()
    for key, g in totals.items():
        close(g, tensors[key].grad.numpy(), f"a parameter of {net}")


def test_a_cell_unrolled_five_times_learns_as_in_torch():
    """h' = tanh(W [h, x_t]), the same W at five places; h from a dense layer of the whole sequence."""
    rng = np.random.default_rng(0)
    cell, head = Dense(rng.normal(size=(7, 4)), rng.normal(size=4)), Dense(rng.normal(size=(4, 3)), rng.normal(size=3))
    graph, x = Graph(), [rng.normal(size=(6, 4)), *(rng.normal(size=(6, 3)) for _ in range(5))]
    h = graph.add(0, Input(0))
    for t in range(5):
        h = graph.add((h, graph.add(0, Input(t + 1))), Concat(), cell, Tanh(), name=f"step{t}")
    graph.add(h, head)
    net, labels = Network(graph.layers, graph.inputs, names=graph.names), rng.integers(0, 3, 6)

    theirs = torch.nn.RNNCell(3, 4).double()
    with torch.no_grad():
        theirs.weight_hh.copy_(torch.tensor(cell.W[:4].T))
        theirs.weight_ih.copy_(torch.tensor(cell.W[4:].T))
        theirs.bias_hh.copy_(torch.tensor(cell.b))
        theirs.bias_ih.zero_()
    inputs = [torch.tensor(part, requires_grad=True) for part in x]
    state = inputs[0]
    for part in inputs[1:]:
        state = theirs(part, state)
    logits = state @ torch.tensor(head.W) + torch.tensor(head.b)
    close(net.forward(tuple(x)), logits.detach().numpy(), "the outputs")

    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    loss.backward()
    found, _, gradients = backpropagate(net, tuple(x), labels, rng)
    assert found == pytest.approx(loss.item(), rel=1e-12)
    places = [own for layer, own in zip(net.layers, gradients) if layer is cell]
    assert len(places) == 5
    W, b = sum(own["W"] for own in places), sum(own["b"] for own in places)
    close(W, np.concatenate([theirs.weight_hh.grad.T, theirs.weight_ih.grad.T]), "dL/dW, added up over five places")
    close(b, theirs.bias_hh.grad.numpy(), "dL/db")
    R = passes.gradient(net, tuple(x), 1)[0]
    wanted = [torch.tensor(part, requires_grad=True) for part in x]
    state = wanted[0]
    for part in wanted[1:]:
        state = theirs(part, state)
    (state @ torch.tensor(head.W))[:, 1].sum().backward()
    for k, (mine, other) in enumerate(zip(R, wanted)):
        close(mine, other.grad.numpy(), f"input {k}")


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_torchs(causal):
    rng = np.random.default_rng(1)
    layer = Attention.random(6, 2, rng, causal=causal, dtype="float64")
    for name in ("b_q", "b_k", "b_v", "b_o"):
        getattr(layer, name)[:] = rng.normal(size=6)
    theirs = torch.nn.MultiheadAttention(6, 2, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(np.concatenate([layer.W_q.T, layer.W_k.T, layer.W_v.T])))
        theirs.in_proj_bias.copy_(torch.tensor(np.concatenate([layer.b_q, layer.b_k, layer.b_v])))
        theirs.out_proj.weight.copy_(torch.tensor(layer.W_o.T))
        theirs.out_proj.bias.copy_(torch.tensor(layer.b_o))
    x, dy = rng.normal(size=(2, 5, 6)), rng.normal(size=(2, 5, 6))
    mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    a = torch.tensor(x, requires_grad=True)
    y, weights = theirs(a, a, a, attn_mask=mask, average_attn_weights=False)
    y.backward(torch.tensor(dy))
    net = Network([layer])
    A = net.trace(x)
    close(A[-1], y.detach().numpy(), "the outputs")
    close(A[net.names.index("0.weights") + 1], weights.detach().numpy(), "the weights of the heads")
    close(passes.gradient(net, x, start=dy)[0], a.grad.numpy(), "the gradient")
