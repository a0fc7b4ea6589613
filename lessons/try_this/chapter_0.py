"""The engine."""
import numpy as np

from lessons.try_this import answers
from minixnn import Dense, Network, ReLU, passes


@answers("0.1", 1, "Say the gradient before you run it")
def other_neurons_fire():
    """The hidden sums are 1 + 3 = 4, 1 - 3 = -2 and -1 + 3 = 2: now the second neuron is silent, and the third fires.
    So the gradient is (1 - 3, 1 + 3) = (-2, 4). It was (3, -1): another set of neurons, another linear function."""
    W1, W2 = np.array([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]), np.array([[1.0], [2.0], [3.0]])
    small = Network([Dense(W1), ReLU(), Dense(W2, np.array([-1.0]))])
    assert np.array_equal(small.trace(np.array([[1.0, 3.0]]))[1], [[4, -2, 2]])
    assert np.array_equal(passes.gradient(small, np.array([[1.0, 3.0]]), 0)[0], [[-2, 4]])
    assert np.array_equal(passes.gradient(small, np.array([[3.0, 1.0]]), 0)[0], [[3, -1]])


@answers("0.2", 2, "What does the difference say, what the pass")
def half_and_nothing():
    """The difference says 1/2, at every step: forwards the neuron rises by h, backwards it does not move. The pass
    says 0, by convention. Neither is wrong: there are two slopes, 1 and 0, and the one takes their mean, the other the
    left."""
    neuron = Network([ReLU()])
    for h in (1.0, 0.1, 1e-6):
        up, down = neuron.forward(np.array([[h]])), neuron.forward(np.array([[-h]]))
        assert np.isclose((up - down) / (2 * h), 0.5)
    assert passes.gradient(neuron, np.zeros((1, 1)), 0)[0] == 0
