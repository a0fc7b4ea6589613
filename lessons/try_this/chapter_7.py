"""Networks in use."""
import numpy as np

from lessons.try_this import answers
from minixnn import Dense, attribution, models
from minixnn.models import recall
from minixnn.train import Adam, fit


@answers("7.4", 1, "What does AttnLRP say")
def relevance_of_a_number_that_changes_nothing():
    """Something else. The weights and the output are the same, but the rule of the softmax multiplies with the score
    itself: S = (ln 3, 0) receives (-0.41, 0), and S = (ln 3 + 1, 1) receives (-0.79, 0.38). It expands at S, and a
    softmax does not know where its scores lie. What is left of it is the weights' own relevance, which did not
    move."""
    R_A, A = np.array([1.5, 1.0]), np.array([0.75, 0.25])
    for shift, expected in ((0, [-0.41, 0]), (1, [-0.79, 0.38])):
        S = np.array([np.log(3), 0]) + shift
        assert np.allclose(np.exp(S) / np.exp(S).sum(), A)
        assert np.allclose(S * (R_A - A * R_A.sum()), expected, atol=0.006)


@answers("7.6", 1, "What does the score lose")
def each_alone_hides_behind_the_other():
    """As it is, without the third head the score falls by 8.1 of 12.2; the others cost 1.1 to 1.7. With the copy, the
    third costs 1.0 and so does the second, less than a head that has no part; without both it falls by 8.7. Whichever
    is left out, the other does its work. The texts are not wrong without one: it is the question, asked of one part at
    a time, that cannot see two. (Put in from another run, of exchanged letters, a copy is seen: half of the effect
    each, 11.4 and 11.4, for now it votes for the other answer.)"""
    net = models.load("recall").astype(np.float64)
    x, right = recall.questions(200, np.random.default_rng(0))
    order = np.r_[0:8, 16:24, 16:32]                        # the third head's eight channels in the second's place

    def changed(net, place, f):
        l = net.names.index(f"2.body.{place}")
        return net.replaced(l, Dense(*f(net.layers[l].W, net.layers[l].b)))

    def fall(net, *heads):
        keep = ~np.isin(np.arange(32) // 8, heads)
        out = changed(net, "output.1", lambda W, b: (W * keep[:, None], b))
        return (net.forward(x) - out.forward(x))[np.arange(200), right].mean()
    copied = changed(net, "output.1", lambda W, b: (W[order], b))
    for name in ("queries.0", "keys.0", "values.0"):
        copied = changed(copied, name, lambda W, b: (W[:, order], b[order]))
    assert (copied.forward(x).argmax(axis=1) == right).all()
    assert np.allclose([fall(net, head) for head in range(4)], [1.66, 1.15, 8.08, 1.45], atol=0.02)
    assert np.allclose([fall(copied, head) for head in range(4)], [1.64, 1.00, 1.00, 1.39], atol=0.02)
    assert abs(fall(copied, 1, 2) - 8.69) < 0.02 and abs(fall(net, 1, 2) - 8.85) < 0.02
    letters, _, second = recall.exchanged(x, np.random.default_rng(0))
    heads = [l + 1 for l, name in enumerate(net.names) if name.endswith("mixture")]
    found = attribution.patching(copied, letters, x, heads[0], 1, start=np.eye(8)[right] - np.eye(8)[second])
    assert np.allclose(found.mean(axis=0)[1:3], 11.4, atol=0.1)


@answers("7.6", 2, "How often is it right")
def one_in_four():
    """In a quarter of the texts. One layer lets the last token mix what stands in the text, but nobody has told a
    digit which letter stands before it, so the four digits look alike to it: it finds out that the answer is one of
    them, not which. By lot among all eight digits it would be an eighth."""
    net = recall.recall(np.random.default_rng(0), blocks=1)
    (new, _), (x, right), _ = recall.task()
    fit(net, lambda epoch: tuple(a[:4000] for a in new(epoch)), epochs=6, quiet=True, rng=np.random.default_rng(0),
        optimizer=Adam(3e-3))
    y = net.predict(x)
    there = (x[:, :, None] == 8 + np.arange(8)).any(axis=1)                 # (N, 8): digits of the text
    assert abs((y.argmax(axis=1) == right).mean() - 0.25) < 0.02
    assert there[np.arange(len(x)), y.argmax(axis=1)].mean() > 0.95
