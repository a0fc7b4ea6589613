"""RNN, GRU and LSTM beside torch's: states, gradients of inputs, of given states and of the shared weights."""
import numpy as np
import pytest

from minixnn import Graph, Network, passes
from minixnn.layers import GRU, LSTM, RNN, Branches, Dense, Input
from minixnn.train import backward
from tests.peers.libraries import REASONS, torch

if torch is None:
    pytest.skip(REASONS["torch"], allow_module_level=True)

CASES = [(RNN, "RNN", {"activation": "tanh"}), (RNN, "RNN", {"activation": "relu"}), (GRU, "GRU", {}),
         (LSTM, "LSTM", {})]


def close(found, expected):
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-9, atol=1e-10)


def module(name, settings, **more):
    more.update({"nonlinearity": settings["activation"]} if settings else {})
    torch.manual_seed(0)
    return getattr(torch.nn, name)(3, 4, batch_first=True, **more).double()


def arrays(theirs, suffix):
    """W_x, W_h, b_x, b_h of one layer and direction."""
    return [getattr(theirs, f"{name}_{suffix}").detach().numpy().T.copy()
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


@pytest.mark.parametrize("kind, name, settings", CASES)
def test_states_and_gradients_are_torchs(kind, name, settings):
    theirs, rng = module(name, settings), np.random.default_rng(0)
    net = Network([kind(*arrays(theirs, "l0"), steps=5, **settings)])
    x, dy = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 4))
    tensor = torch.tensor(x, requires_grad=True)
    y, _ = theirs(tensor)
    y.backward(torch.tensor(dy))
    close(net.forward(x), y)
    close(passes.gradient(net, x, start=dy)[0], tensor.grad)

    gradients, _ = backward(net, net.trace(x), dy)
    found = {}
    for layer, own in zip(net.layers, gradients):
        for which, g in (own or {}).items():
            if g is not None:
                found[id(layer), which] = found.get((id(layer), which), 0) + g
    written = kind(*arrays(theirs, "l0"), steps=5, **settings)
    seen = list({id(layer): layer for layer in net.layers if isinstance(layer, Dense)}.values())
    joint = {gate: next(layer for layer in seen if np.array_equal(layer.W, dense.W))
             for gate, dense in written.cell.items() if not (kind is GRU and gate == "candidate")}
    for n, gate in enumerate(kind.gates):
        own = slice(4 * n, 4 * n + 4)
        W_x, W_h = (getattr(theirs, f"weight_{part}_l0").grad[own].T for part in ("ih", "hh"))
        b_x, b_h = (getattr(theirs, f"bias_{part}_l0").grad[own] for part in ("ih", "hh"))
        if gate in joint:
            close(found[id(joint[gate]), "W"], torch.cat([W_x, W_h]))
            close(found[id(joint[gate]), "b"], b_x)
        else:
            of_token, of_state = (next(layer for layer in seen if np.array_equal(layer.W, dense.W))
                                  for dense in (written.of_token, written.of_state))
            for layer, W, b in ((of_token, W_x, b_x), (of_state, W_h, b_h)):
                close(found[id(layer), "W"], W)
                close(found[id(layer), "b"], b)


@pytest.mark.parametrize("kind, name, settings", CASES)
def test_two_layers_of_both_directions_are_torchs(kind, name, settings):
    theirs = module(name, settings, num_layers=2, bidirectional=True)
    net = Network([Branches([[kind(*arrays(theirs, f"l{n}"), steps=5, **settings)],
                             [kind(*arrays(theirs, f"l{n}_reverse"), steps=5, reverse=True, **settings)]])
                   for n in range(2)])
    x, dy = np.random.default_rng(0).normal(size=(2, 5, 3)), np.random.default_rng(1).normal(size=(2, 5, 8))
    tensor = torch.tensor(x, requires_grad=True)
    y, _ = theirs(tensor)
    y.backward(torch.tensor(dy))
    close(net.forward(x), y)
    close(passes.gradient(net, x, start=dy)[0], tensor.grad)


@pytest.mark.parametrize("kind, name, settings", CASES)
def test_a_given_state_is_torchs(kind, name, settings):
    theirs, rng, graph = module(name, settings), np.random.default_rng(0), Graph()
    states = len(kind.states)
    graph.add(tuple(graph.add(0, Input(n)) for n in range(1 + states)),
              kind(*arrays(theirs, "l0"), steps=5, **settings))
    net = Network(graph.layers, graph.inputs)
    x = (rng.normal(size=(2, 5, 3)), *(rng.normal(size=(2, 4)) for _ in range(states)))
    tensors = [torch.tensor(part if n == 0 else part[None], requires_grad=True) for n, part in enumerate(x)]
    y, _ = theirs(tensors[0], tensors[1] if states == 1 else tuple(tensors[1:]))
    dy = rng.normal(size=(2, 5, 4))
    y.backward(torch.tensor(dy))
    close(net.forward(x), y)
    for n, part in enumerate(passes.gradient(net, x, start=dy)[0]):
        close(part if n == 0 else part[None], tensors[n].grad)
