"""Do prototypes maximise what they claim to? Does another network recognise the ones that the generator draws?"""
import numpy as np
import pytest

from minixnn import Dense, Flatten, Network, ReLU, Unflatten, datasets, models, passes, synthesis
from minixnn.synthesis import generator
from minixnn.synthesis.density import GaussianMixture
from minixnn.train import backward

RNG = np.random.default_rng
W = RNG(1).normal(size=(6, 3))                          # a linear network: three classes of 2 x 3 pixels
LINEAR = Network([Flatten(), Dense(W)])
SHAPE = (2, 3, 1)
SMALL = Network([Flatten(), Dense(RNG(2).normal(size=(6, 8)), RNG(3).normal(size=8)), ReLU(),
                 Dense(RNG(4).normal(size=(8, 3)), RNG(5).normal(size=3))])
LONG = {"steps": 3000, "learning_rate": 0.05}                    # enough to arrive


def shipped(name):
    """A trained network, or a failure that says how to get it."""
    if not (models.DATA / f"{name}.npz").exists():
        pytest.fail(f"minixnn/data/{name}.npz is missing: python -m minixnn.models train {name} makes it")
    return models.load(name)


@pytest.fixture(scope="module")
def digits():
    images, labels = datasets.mnist("train")
    return images[:4000], labels[:4000]


@pytest.fixture(scope="module")
def expert(digits):
    return GaussianMixture.fit(digits[0], RNG(0), directions=25, clusters=25, rounds=4)


@pytest.fixture(scope="module")
def mean_codes(digits):
    shipped("generator")
    return synthesis.class_means(generator.encoder().predict(digits[0]), digits[1])


class Bell:
    """The density of independent Gaussians of mean m and variance s, up to a constant."""
    m, s = 0.3, np.linspace(0.5, 2, 6).reshape(SHAPE)

    def log_density(self, x):
        return (-(x - self.m) ** 2 / (2 * self.s)).sum(axis=(1, 2, 3))

    def gradient(self, x):
        return -(x - self.m) / self.s


def close(found, expected, tolerance):
    assert abs(found - expected).max() < tolerance, f"found {found.ravel()}, expected {expected.ravel()}"


# Closed forms: with a linear network every objective is a parabola, whose top is known.

def test_a_linear_network_has_its_weights_for_a_prototype():
    found = synthesis.activation_maximization(LINEAR, [2, 0], SHAPE, penalty=0.7, objective=synthesis.logit, **LONG)
    close(found.image, W.T[[2, 0]].reshape(2, *SHAPE) / (2 * 0.7), 1e-6)


def test_the_penalty_pulls_towards_the_given_image():
    mean = RNG(7).normal(size=(2, *SHAPE))
    found = synthesis.activation_maximization(LINEAR, [1, 1], start=mean, towards=mean, penalty=2.0,
                                              objective=synthesis.logit, **LONG)
    close(found.image, mean + W.T[[1, 1]].reshape(2, *SHAPE) / 4, 1e-6)


def test_bounds_cut_the_prototype_off_where_it_would_leave_them():
    found = synthesis.activation_maximization(LINEAR, 0, SHAPE, penalty=0.7, objective=synthesis.logit,
                                              bounds=(-0.1, 0.2), **LONG)
    close(found.image, np.clip(W[:, 0].reshape(1, *SHAPE) / 1.4, -0.1, 0.2), 1e-6)


def test_the_expert_and_the_network_meet_where_their_slopes_cancel():
    found = synthesis.with_expert(LINEAR, [2, 1], Bell(), SHAPE, weight=1.5, objective=synthesis.logit, **LONG)
    close(found.image, Bell.m + Bell.s * W.T[[2, 1]].reshape(2, *SHAPE) / 1.5, 1e-6)


def test_in_code_space_the_weights_are_seen_through_the_generator():
    V, near = RNG(8).normal(size=(4, 6)), RNG(9).normal(size=(3, 4))
    draw = Network([Dense(V), Unflatten(SHAPE)])
    found = synthesis.in_code_space(LINEAR, range(3), draw, towards=near, penalty=0.9, **LONG)
    close(found.code, near + (V @ W).T / 1.8, 1e-6)
    close(found.image, draw.forward(found.code), 1e-12)


@pytest.mark.parametrize("objective", [synthesis.log_probability, synthesis.logit])
def test_the_slope_of_an_objective_agrees_with_central_differences(objective):
    y, direction, h = RNG(1).normal(size=(5, 4)) * 4, RNG(2).normal(size=(5, 4)), 1e-6
    wanted = passes.one_hot(y, [0, 1, 2, 3, 0])
    slope = (objective(y, wanted)[1] * direction).sum(axis=1)
    close(slope, (objective(y + h * direction, wanted)[0] - objective(y - h * direction, wanted)[0]) / (2 * h), 1e-8)


# The search itself.

SEARCHES = {
    "pixels": lambda net, target, **more: synthesis.activation_maximization(net, target, SHAPE, **more),
    "expert": lambda net, target, **more: synthesis.with_expert(net, target, Bell(), SHAPE, **more),
    "codes": lambda net, target, **more: synthesis.in_code_space(
        net, target, Network([Dense(RNG(8).normal(size=(4, 6))), Unflatten(SHAPE)]), **more),
}


@pytest.mark.parametrize("way", SEARCHES)
def test_the_cost_falls_and_has_an_entry_for_each_step(way):
    found = SEARCHES[way](SMALL, range(3), steps=50)
    assert found.cost.shape == (51, 3)
    assert (found.cost[-1] < found.cost[0]).all(), found
    assert found.target.tolist() == [0, 1, 2]
    lines = str(found).splitlines()
    assert len(lines) == 4 and f"{found.cost[-1, 2]:.3f}" in lines[3]


def test_the_last_cost_is_that_of_the_image_returned():
    found = synthesis.activation_maximization(SMALL, [0, 2], SHAPE, penalty=0.2, steps=20)
    p = np.exp(SMALL.forward(found.image))
    p = (p / p.sum(axis=1, keepdims=True))[[0, 1], [0, 2]]
    close(found.probability, p, 1e-12)
    close(found.cost[-1], 0.2 * (found.image ** 2).sum(axis=(1, 2, 3)) - np.log(p), 1e-12)


@pytest.mark.parametrize("way", SEARCHES)
def test_targets_side_by_side_do_not_disturb_each_other(way):
    together = SEARCHES[way](SMALL, range(3), steps=30)
    for c in range(3):
        close(together.image[c:c + 1], SEARCHES[way](SMALL, c, steps=30).image, 1e-9)


@pytest.mark.parametrize("way", SEARCHES)
def test_synthesis_repeats_bit_by_bit_and_changes_no_argument(way):
    given = [a.copy() for layer in SMALL.layers for a in layer.arrays().values()]
    first, again = SEARCHES[way](SMALL, [1, 2], steps=25), SEARCHES[way](SMALL, [1, 2], steps=25)
    assert first.image.tobytes() == again.image.tobytes() and first.cost.tobytes() == again.cost.tobytes()
    assert all((a == b).all() for a, b in zip(given, [a for l in SMALL.layers for a in l.arrays().values()]))
    start = np.full((1, *SHAPE), 0.5)
    synthesis.activation_maximization(SMALL, [0, 1], start=start, steps=5)
    assert (start == 0.5).all()


WRONG = {
    "got target=.*expected a class or a list": lambda: synthesis.activation_maximization(SMALL, 0.5, SHAPE),
    "got target 3, expected a class from 0 to 2": lambda: synthesis.activation_maximization(SMALL, 3, SHAPE),
    "both shape and start, or neither": lambda: synthesis.activation_maximization(SMALL, 0),
    "got 3 starts for 2 targets": lambda: synthesis.activation_maximization(SMALL, [0, 1], start=np.ones((3, *SHAPE))),
    "got steps=0": lambda: synthesis.activation_maximization(SMALL, 0, SHAPE, steps=0),
    "weight of -1": lambda: synthesis.activation_maximization(SMALL, 0, SHAPE, penalty=-1),
    "got towards of shape .2, 2, 3, 1.": lambda: synthesis.activation_maximization(
        SMALL, range(3), SHAPE, towards=np.zeros((2, *SHAPE))),
    "Bell has no method centres": lambda: synthesis.with_expert(SMALL, 0, Bell()),
    "network without weights": lambda: synthesis.activation_maximization(Network([Flatten()]), 0, SHAPE),
    "got 5 labels for 6 images": lambda: synthesis.class_means(np.zeros((6, 2)), np.arange(5), 5),
    "none of them of classes .3.": lambda: synthesis.class_means(np.zeros((3, 2)), np.arange(3), 4),
    "expected more pixels than directions": lambda: GaussianMixture.fit(np.zeros((9, 2, 3, 1)), RNG(0)),
    "Unflatten.* got an array of shape .1, 5.": lambda: Unflatten((2, 3)).forward(np.zeros((1, 5))),
    "Unflatten got shape=": lambda: Unflatten((2, 0)),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_work_is_refused_in_a_sentence(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()


# The density model.

def test_the_gradient_of_the_density_agrees_with_central_differences():
    x, h = RNG(0).normal(size=(200, 3, 3, 1)) + RNG(1).integers(0, 2, (200, 1, 1, 1)) * 3, 1e-5
    density = GaussianMixture.fit(x, RNG(0), directions=4, clusters=3).astype(np.float64)
    for seed in range(5):
        direction = RNG(seed).normal(size=(20, 3, 3, 1))
        slope = (density.gradient(x[:20]) * direction).sum(axis=(1, 2, 3))
        ahead, behind = density.log_density(x[:20] + h * direction), density.log_density(x[:20] - h * direction)
        close(slope, (ahead - behind) / (2 * h), 1e-5)


def test_the_density_integrates_to_one():
    x = np.concatenate([RNG(0).normal(size=(300, 2)) * (1, 0.4), RNG(1).normal(size=(300, 2)) * 0.3 + 3])
    density = GaussianMixture.fit(x.reshape(600, 1, 2, 1), RNG(0), directions=1, clusters=2).astype(np.float64)
    side = np.linspace(-8, 10, 400)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 1, 2, 1)
    total = np.exp(density.log_density(grid)).sum() * (side[1] - side[0]) ** 2
    assert abs(total - 1) < 1e-6, f"found {total}, expected 1"


def test_the_density_is_that_of_its_clusters_written_out():
    x = RNG(0).normal(size=(100, 2, 2, 1))
    d = GaussianMixture.fit(x, RNG(0), directions=2, clusters=3).astype(np.float64)
    p = 0
    for log_pi, m, P in zip(d.log_pi, d.m, d.P):
        S = d.U @ np.linalg.inv(P @ P.T) @ d.U.T + d.v * (np.eye(4) - d.U @ d.U.T)
        away = x[0].ravel() - d.mean - d.U @ m
        p += np.exp(log_pi - away @ np.linalg.inv(S) @ away / 2) / np.sqrt(np.linalg.det(2 * np.pi * S))
    assert abs(d.log_density(x[:1])[0] - np.log(p)) < 1e-4, (d.log_density(x[:1])[0], np.log(p))


def test_unseen_digits_are_likelier_than_shuffled_ones_and_clusters_help(digits, expert):
    unseen = datasets.mnist("test")[0][:500]
    shuffled = RNG(0).permuted(unseen.reshape(500, -1), axis=1).reshape(unseen.shape)
    assert (expert.log_density(unseen) > expert.log_density(shuffled)).all()
    one = GaussianMixture.fit(digits[0], RNG(0), directions=25, clusters=1, rounds=1)
    gain = expert.log_density(unseen).mean() - one.log_density(unseen).mean()
    assert gain > 5, f"25 clusters explain a digit {gain} nats better than one"


# The shipped networks.

def test_prototypes_in_pixel_space_please_the_network(digits):
    net, (images, labels) = shipped("dense_no_bias"), digits
    mean = synthesis.class_means(images, labels)
    small = synthesis.activation_maximization(net, range(10), (28, 28, 1), steps=100)
    close_to_mean = synthesis.activation_maximization(net, range(10), start=mean, towards=mean, penalty=0.1, steps=100)
    assert small.probability.min() > 0.95, small
    assert close_to_mean.probability.min() > 0.95, close_to_mean


def test_prototypes_with_an_expert_please_both(expert):
    net = shipped("dense_no_bias")
    free = synthesis.activation_maximization(net, range(10), (28, 28, 1), steps=60)
    found = synthesis.with_expert(net, range(10), expert, steps=100)
    assert found.probability.min() > 0.8, found
    assert (found.cost[-1] < found.cost[0] - 1).all(), found
    assert expert.log_density(found.image).min() > expert.log_density(free.image).max() + 100


@pytest.mark.parametrize("maximised, other", [("dense_no_bias", "dense"), ("dense_no_bias", "cnn"), ("cnn", "dense")])
def test_prototypes_in_code_space_are_recognised_by_another_network(maximised, other, mean_codes, expert):
    net, draw = shipped(maximised), shipped("generator")
    found = synthesis.in_code_space(net, range(10), draw, towards=mean_codes, steps=60)
    assert found.probability.min() > 0.99, found
    recognised = shipped(other).forward(found.image).argmax(axis=1)
    assert recognised.tolist() == list(range(10)), f"{other} sees {recognised}"
    usual = np.quantile(expert.log_density(datasets.mnist("test")[0][:500]), 0.1)
    assert expert.log_density(found.image).min() > usual, "less likely than nine of ten real digits"


def test_without_knowing_the_classes_all_ten_are_recognised_too():
    found = synthesis.in_code_space(shipped("dense_no_bias"), range(10), shipped("generator"), steps=100)
    assert shipped("dense").forward(found.image).argmax(axis=1).tolist() == list(range(10))


def test_another_network_reads_the_digits_that_the_generator_redraws():
    draw, (images, labels) = shipped("generator"), datasets.mnist("test")
    images, labels = images[:1000], labels[:1000]
    redrawn = draw.forward(generator.encoder().forward(images))
    assert redrawn.shape == images.shape and redrawn.min() >= 0 and redrawn.max() <= 1
    error = ((redrawn - images) ** 2).mean() / images.var(axis=0).mean()
    read = (shipped("dense").forward(redrawn).argmax(axis=1) == labels).mean()
    assert error < 0.45 and read > 0.96, f"{error:.3f} of the variance is lost, {read:.1%} are read right"


def test_codes_have_mean_zero_and_variance_one():
    codes = generator.encoder().forward(datasets.mnist("train")[0][:5000])
    assert abs(codes.mean(axis=0)).max() < 0.1 and abs(codes.var(axis=0) - 1).max() < 0.2


# Training the generator.

def tiny_run(**weights):
    rng = RNG(0)
    images = datasets.mnist("test")[0][:300, 6:22:2, 6:22:2] * np.float32(1)            # 8 x 8 pixels
    code = Network([Flatten(), Dense.random(64, 20, rng), ReLU(), Dense.random(20, 10, rng)])
    net = Network([Dense.random(10, 32, rng), ReLU(), Dense.random(32, 64, rng), Unflatten((8, 8, 1))])
    judge = Network([Flatten(), Dense.random(64, 16, rng), ReLU(), Dense.random(16, 2, rng)])
    return net, generator.fit(net, judge, code, images, RNG(1), epochs=8, batch_size=50, memory=0.8, quiet=True,
                              **weights)


def test_training_lowers_the_losses_and_repeats_to_the_bit():
    (net, history), (again, _) = tiny_run(), tiny_run()
    assert history[-1]["image"] < 0.8 * history[0]["image"] and history[-1]["feature"] < history[0]["feature"], history
    for one, other in zip(generator.parameters(net), generator.parameters(again)):
        assert one.tobytes() == other.tobytes()


def test_each_term_lowers_what_it_asks_for():
    alone = {term: tiny_run(**{t: float(t == term) for t in ("image", "feature", "adversarial")})[1][-1]
             for term in ("image", "feature", "adversarial")}
    for term in alone:
        others = [alone[t][term] for t in alone if t != term]
        assert alone[term][term] < min(others), f"{term}: {alone[term][term]} when asked for, else {others}"


def test_the_gradients_of_training_agree_with_pass_and_differences():
    x, dy, h = RNG(0).normal(size=(4, *SHAPE)), RNG(1).normal(size=(4, 3)), 1e-6
    A = SMALL.trace(x)
    parameters, dx = backward(SMALL, A, dy, to_input=True)
    close(dx, passes.gradient(SMALL, x, start=dy)[0], 1e-12)
    g = parameters[1]["W"]
    moved = Network([SMALL.layers[0], Dense(SMALL.layers[1].W + h * g, SMALL.layers[1].b), *SMALL.layers[2:]])
    slope = ((moved.forward(x) - SMALL.forward(x)) * dy).sum() / h
    assert abs(slope - (g * g).sum()) < 1e-4 * (g * g).sum(), (slope, (g * g).sum())


def test_the_names_of_models_include_the_generator_and_its_record():
    assert "generator" in models.names() and models.record("generator")["accuracy"] > 0.96
