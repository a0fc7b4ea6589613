"""Do the checks catch what is wrong, call it by its name, show it on a small case, and let pass what is right?"""
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import strategies as st

from minixnn import Network, checks
from minixnn.checks import CheckFailed, check_layer, check_network, check_rule, definitions, strategies
from minixnn.cli import main
from minixnn.layers import Conv2d, Dense, Elementwise, Layer, ReLU, Softplus, Tanh
from minixnn.rules import lrp
from tests.checks import false_positives, wrong_imports, wrong_layers, wrong_rules
from tests.backends import standin


def caught(check, *given, **claims):
    """The CheckFailed that a check raises."""
    with pytest.raises(CheckFailed) as failure:
        check(*given, **claims)
    return failure.value


def ends_in_a_pencil_case(failure):
    """At most 4 inputs and 2 outputs, with numbers that are quickly read."""
    case = failure.case
    assert case.x.size <= 4 and case.layer.forward(case.x).size <= 2, failure
    assert set(np.ravel(case.x)) <= set(strategies.grid()) | {-2.0, 3.0}, failure


@pytest.mark.parametrize("rule, claims, wanted", wrong_rules.WRONG, ids=lambda v: getattr(v, "__name__", ""))
def test_a_mistake_in_a_rule_is_caught_by_its_name_on_a_small_case(rule, claims, wanted):
    failure = caught(check_rule, rule, examples=15, **claims)       # of each kind; a check draws more by default
    assert failure.property == failure.broken[0] == wanted, failure
    assert f'{rule.__name__} fails "{wanted}".' in str(failure)
    sides = [name for name in ("expected", "came") if getattr(failure, name) is not None]
    assert all(f" {name} " in str(failure).replace("\n", " ") for name in sides), f"{sides} are not shown in\n{failure}"
    ends_in_a_pencil_case(failure)


@pytest.mark.parametrize("layer, shape, wanted", wrong_layers.WRONG, ids=lambda v: type(v).__name__)
def test_a_mistake_in_a_layer_is_caught_by_its_name(layer, shape, wanted):
    failure = caught(check_layer, layer, shape, device=standin, examples=15)
    assert failure.property == wanted, failure
    assert type(layer).__name__ in str(failure)


@pytest.mark.parametrize("mistake", wrong_imports.WRONG)
def test_a_mistake_in_an_import_is_caught_by_its_outputs(mistake):
    failure = caught(check_network, wrong_imports.imported(mistake), wrong_imports.X, expected=wrong_imports.EXPECTED)
    assert failure.property == "outputs" and "Furthest apart" in str(failure)


def test_what_is_right_passes_beside_its_mistaken_brothers():
    assert not check_network(wrong_imports.imported(), wrong_imports.X, expected=wrong_imports.EXPECTED).broken
    assert not check_layer(wrong_layers.SplitsSigns()).broken
    assert len(wrong_rules.WRONG) + len(wrong_layers.WRONG) + len(wrong_imports.WRONG) >= 40


# ----------------------------------------------------------------------------------------------------- the message

def forgetful(layer, x, y, R):
    """LRP-0, halved."""
    return lrp.epsilon(layer, x, y, R, epsilon=0) / 2


@pytest.fixture(scope="module")
def failure():
    return caught(check_rule, forgetful, definition=partial(definitions.epsilon, epsilon=0))


def test_a_failure_is_an_assertion_and_carries_the_case(failure):
    assert isinstance(failure, AssertionError) and failure.__cause__ is None and failure.__suppress_context__
    assert failure.broken == ["conserves", "definition"]
    assert (failure.expected, failure.came) == (1, 0.5)
    assert "conserves" not in failure.report.held and "receptive field" in failure.report.held


def test_its_message_shows_weights_input_relevance_and_the_ledger(failure):
    text = str(failure)
    for part in ("sum_j R_j = R_k", "x_j  w_jk  x_j w_jk", "bias b_k", "received", "R            [[1]]",
                 "arriving =  handed on  bias  stabiliser  lost  unexplained", "Look for this:", "definition",
                 "expected     1", "came         0.5", "forgetful(layer, x, layer.forward(x), R)"):
        assert part in text, f"{part!r} is missing in\n{text}"
    assert "Traceback" not in text and max(map(len, text.splitlines())) <= 160


def test_the_code_in_the_message_runs_and_gives_what_came(failure):
    code = str(failure).rpartition("To step through it:")[2].replace("\n    ", "\n").strip().splitlines()
    found = {"np": np, "Dense": Dense, "forgetful": forgetful}
    exec("\n".join(code[:-1]), found)
    assert eval(code[-1], found).sum() == pytest.approx(failure.came)


class Bent(Elementwise):
    """f(x) = 4 x |x|: smooth enough for a derivative everywhere, but its second derivative jumps at 0."""

    def forward(self, x):
        return 4 * x * abs(x)

    def derivative(self, x, y):
        return 8 * abs(x)


def test_a_jump_of_the_second_derivative_is_no_mistake():
    assert "derivative" in check_layer(Bent()).held


def test_a_few_searches_with_other_seeds_raise_no_alarm(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["false_positives", "--seeds", "3", "--only", "Hard"])
    assert false_positives.main() == 0
    assert "3 searches of 2 subjects" in capsys.readouterr().out


def test_a_report_is_a_table_of_properties():
    text = str(check_rule(lrp.flat, examples=10))
    assert "the rule flat" in text and "largest distance" in text
    for name in ("finite", "scales with R", "receptive field", "conserves", "ledger"):
        assert f"  {name} " in text
    text = str(check_layer(ReLU(), examples=10))
    assert "the layer ReLU()" in text and "derivative" in text and "says nothing here" in text


def gradient_times_input(layer, x, y, R):
    return x * layer.gradient(x, y, R)


def test_a_rule_that_conserves_in_no_way_fails_unless_that_is_claimed():
    failure = caught(check_rule, gradient_times_input, examples=20)
    case = failure.case
    assert failure.broken == ["conserves"] and failure.report.conserves is None
    assert "Nothing was claimed, and none of these holds" in str(failure)
    assert abs((case.x @ case.layer.W).sum()) > 0.06, "the sentence says that no sum is near 0"
    assert "conserves" not in check_rule(gradient_times_input, conserves="never", examples=20).held


@pytest.mark.parametrize("claim", ["always", "without bias"])
def test_a_claim_that_is_too_strong_fails_and_is_told_what_may_be_meant(claim):
    failure = caught(check_rule, lrp.epsilon, conserves=claim, examples=20)
    assert f'Claimed was "{claim}"' in str(failure) and "up to a stabiliser" in str(failure)
    case = failure.case
    assert abs(case.layer.forward(case.x)).min() > 0.06, "the sentence says that no sum is near 0"


def test_a_report_says_what_a_rule_conserves():
    report = check_rule(lrp.epsilon, examples=20)
    assert report.conserves == "up to a stabiliser" and "\nConserves up to a stabiliser: a bias absorbs" in str(report)


class ByNumpy(Elementwise):
    """Right for arrays of NumPy, and for no others."""

    def forward(self, x):
        return np.tanh(x)

    def derivative(self, x, y):
        return 1 - y * y


def test_arrays_of_a_device_are_asked_where_a_module_is_given():
    assert "Arrays of a device were not asked" in str(check_layer(ByNumpy(), examples=5))
    report = check_layer(Tanh(), device=standin, examples=5)
    assert "device" in report.held and "not asked" not in str(report)
    with pytest.raises(CheckFailed, match='fails "device"'):
        check_layer(ByNumpy(), device=standin, examples=5)
    with pytest.raises(ValueError, match="got device=True, expected an array module, such as cupy"):
        check_layer(Tanh(), device=True)


def test_the_same_seed_finds_the_same_case_and_another_looks_elsewhere():
    seen = []

    def watched(layer, x, y, R):
        seen.append(x.sum())
        return lrp.flat(layer, x, y, R)
    runs = []
    for seed in (0, 0, 1):
        seen.clear()
        check_rule(watched, examples=5, seed=seed)
        runs.append(seen[:])
    assert runs[0] == runs[1] != runs[2]


# ------------------------------------------------------------------------------------------------ what may be given

@pytest.mark.parametrize("layer, inputs", [
    (Softplus(), None), (Softplus, None), (lambda: Dense(np.ones((5, 2), "float32")), None),
    (lambda rng: Conv2d(rng.normal(size=(3, 3, 2, 1))), None), (Tanh(), (2, 3)), (Tanh(), np.ones((7, 4), "float32")),
    (strategies.max_pools(), None), (Dense(np.ones((3, 1))), strategies.arrays((1, 2, 3))),
    (st.sampled_from([ReLU(), Tanh()]), (4,))])
def test_layers_and_inputs_may_be_given_in_many_forms(layer, inputs):
    assert not check_layer(layer, inputs, examples=5).broken


def test_a_domain_is_kept():
    class Root(Elementwise):
        def forward(self, x):
            return x ** 0.5

        def derivative(self, x, y):
            return 0.5 / y

    with pytest.raises(CheckFailed, match="finite"):
        check_layer(Root())
    assert not check_layer(Root(), domain=(1, 4)).broken
    low, high = [], []

    def watched(layer, x, y, R):
        low.append(x.min()), high.append(x.max())
        return lrp.flat(layer, x, y, R)
    check_rule(watched, domain=(0.5, 2), examples=10)
    assert min(low) >= 0 and max(high) <= 2, "0 is x of the layer that only counts inputs"


def test_a_smaller_case_stays_in_the_domain_and_fails_for_the_same_reason():
    failure = caught(check_rule, wrong_rules.small_relevance_dropped, domain=(0.5, 3), examples=15)
    assert failure.case.x.min() >= 0.5 and failure.property == "scales with R", failure


def test_a_definition_of_a_layer_is_compared():
    assert "definition" in check_layer(Tanh(), definition=np.tanh, examples=5).held
    with pytest.raises(CheckFailed, match='fails "definition"'):
        check_layer(Tanh(), definition=np.sin, examples=5)


@pytest.mark.parametrize("run, sentence", [
    (lambda: check_rule(lrp.flat, domain="positive"), "got domain='positive', expected 'any', 'nonnegative' or a pair"),
    (lambda: check_rule(lrp.flat, domain=(2, 1)), "got domain="),
    (lambda: check_rule(lrp.flat, conserves="sometimes"), "got conserves='sometimes', expected one of 'always'"),
    (lambda: check_rule(lambda layer, x, R: R), "asks for .layer, x, R., expected a function of .layer, x, y, R."),
    (lambda: check_layer(Dense), "Dense needs W; give a layer"),
    (lambda: check_layer(7), "got 7, expected a layer"),
    (lambda: check_layer(Conv2d(np.ones((1, 1, 37, 1))), (3,)), "37"),
])
def test_a_wrong_call_is_answered_in_a_sentence(run, sentence):
    with pytest.raises((ValueError, CheckFailed), match=sentence):
        run()


def test_a_layer_without_the_optional_methods_is_asked_for_the_others():
    class Bare(Layer):
        def forward(self, x):
            return 2 * x

        def gradient(self, x, y, dy):
            return 2 * dy

    report = check_layer(Bare(), examples=5)
    assert "DeepLIFT" not in report.held and "derivative" in report.held


def test_without_hypothesis_networks_are_checked_and_the_rest_says_why():
    code = ("import sys; sys.modules['hypothesis'] = None\n"
            "import numpy as np; from minixnn import Dense, Network, checks\n"
            "print(checks.check_network(Network([Dense(np.ones((3, 2)))]), np.ones((2, 3))).broken)\n"
            "try: checks.check_rule\nexcept ImportError as error: print(error)\n")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.splitlines()[0] == "[]", run.stderr
    assert "pip install hypothesis" in run.stdout, run.stdout + run.stderr
    assert set(checks.__all__) >= {"check_rule", "check_layer", "check_network", "CheckFailed", "strategies"}


# ----------------------------------------------------------------------------------------- networks, and the command

class Slanted(ReLU):
    """Its gradient leaks a hundredth."""

    def gradient(self, x, y, dy):
        return dy * (x > 0) + dy * 0.01


def wrong_network():
    rng = np.random.default_rng(0)
    return Network([Dense(rng.normal(size=(6, 5))), Slanted(), Dense(rng.normal(size=(5, 3)))])


def test_a_network_names_the_layer_that_is_wrong_and_shows_all_in_a_table():
    failure = caught(check_network, wrong_network(), np.random.default_rng(1).normal(size=(3, 6)))
    assert str(failure).startswith('layer 1, Slanted(), fails "derivative".') and " NO" in str(failure)
    assert failure.property == "derivative" and ("1", "derivative") in failure.report.broken
    assert all(place in ("1", "") for place, _ in failure.report.broken), "no other layer is blamed"


def test_the_command_prints_the_table_and_its_status_tells(tmp_path, capsys):
    conv = Network([Conv2d.random(3, 1, 2, np.random.default_rng(0)), ReLU()])
    conv.save(tmp_path / "conv.npz")
    assert main(["check", str(tmp_path / "conv.npz"), "--size", "6x6"]) == 0
    assert "the whole network" in capsys.readouterr().out
    layers = conv.layers[0], Conv2d.random(3, 2, 2, np.random.default_rng(1))
    large = Network([Conv2d(1e25 * abs(layer.W)) for layer in layers])
    large.save(tmp_path / "large.npz")                      # its outputs are infinite in float32
    assert main(["check", str(tmp_path / "large.npz"), "--size", "6x6"]) == 1
    assert "NO" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "conv.npz")]) == 2
    assert "--size" in capsys.readouterr().err
