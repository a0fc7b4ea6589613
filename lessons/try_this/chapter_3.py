"""Looking through the gradient."""
import numpy as np

from lessons.try_this import answers
from minixnn import attribution, datasets, models, passes


@answers("3.2", 1, "Why do they stay so much paler")
def a_sure_network_has_no_gradient_left():
    """The climb loses its gradient where the network is sure. The gradient of log p is that of the logits, each times
    [k = target] - p_k, and these all go to 0 as p goes to 1. On digits of which the network is sure to 99.9 % its
    length is less than 0.2 % of the logit's. A logit has no such end."""
    net, (images, labels) = models.load("cnn"), datasets.mnist("test")
    x, target = images[:200], labels[:200]
    y = net.forward(x)
    p = np.exp(y - y.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    one = np.eye(10, dtype=y.dtype)[target]
    sure = p[np.arange(200), target] > 0.999
    of_log, of_logit = (np.sqrt((passes.gradient(net, x, start=start)[0] ** 2).sum(axis=(1, 2, 3)))[sure]
                        for start in (one - p, one))
    assert sure.sum() > 100 and (of_log / of_logit).max() < 0.002


@answers("3.5", 2, "What does the sum of the map now equal")
def the_noisy_images_outputs():
    """The mean of the outputs for the *noisy* images, less the output for the empty one: integrated gradients is
    complete for each of them, and SmoothGrad takes the mean of maps. It need not equal the output for the digit
    itself; on these ten the two differ by 0.4 on average."""
    net, (images, labels) = models.load("dense"), datasets.mnist("test")
    x, target, seen = images[:10], labels[:10], []

    def integrated(net, noisy, target):
        seen.append(net.forward(noisy)[np.arange(len(noisy)), target])
        return attribution.integrated_gradients(net, noisy, target, steps=100)
    R = attribution.smoothgrad(net, x, target, method=integrated, rng=0, samples=20)
    empty = net.forward(0 * x)[np.arange(10), target]
    expected = np.concatenate(seen).reshape(-1, 10).mean(axis=0) - empty
    assert np.allclose(R.reshape(10, -1).sum(axis=1), expected, atol=0.05)
    gap = abs(expected - (net.forward(x)[np.arange(10), target] - empty)).mean()
    assert abs(gap - 0.4) < 0.02
