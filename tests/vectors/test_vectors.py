"""Our rules beside the conformance vectors, and the vectors beside what they claim: no mistake gets by."""
import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from minixnn.interop import from_onnx
from tests.checks import wrong_rules
from tests.vectors import __main__ as command
from tests.vectors import cases, generate, oracle, runner, schema
from tests.vectors.adapters import minixnn as ours

VECTORS = [(content["rule"], group, test) for content, group, test in runner.vectors()]
ALIKE = {                                                   # a wrong rule: the rule that it would be
    "no_stabilizer": "epsilon", "plus_weights_on_both_signs": "alpha_beta", "bias_counted_twice": "epsilon",
    "bias_forgotten": "epsilon", "input_forgotten": "epsilon", "half_of_it": "epsilon",
    "positive_relevance_only": "epsilon", "squared_relevance": "epsilon", "normalized_over_outputs": "flat",
    "spread_over_the_image": "flat", "images_mixed": "w_square", "writes_into_x": "epsilon", "shape_of_y": "epsilon",
    "without_return": "epsilon", "for_matrices_only": "epsilon", "first_unit_favoured": "w_square",
    "padding_counted": "flat", "size_of_the_sum": "epsilon", "sum_of_sizes": "epsilon", "silent_below_zero": "epsilon",
    "alpha_without_beta": "alpha_beta", "whole_bias_on_both_sides": "alpha_beta", "gamma_with_plain_bias": "gamma",
    "gamma_weights_in_the_numerator_only": "gamma", "squares_with_bias": "w_square",
    "box_with_swapped_bounds": "z_box", "box_without_the_upper_bound": "z_box", "in_single_precision": "epsilon",
    "single_precision_on_the_way": "epsilon", "random_each_time": "epsilon", "unsigned_stabilizer": "epsilon",
    "another_epsilon": "epsilon", "writes_into_R": "w_square", "sum_without_stabilizer": "add",
    "all_to_every_factor": "half_each", "positive_half_each": "half_each", "matrices_by_all_images": "matmul_half_each",
    "sign_that_may_be_zero": "epsilon", "minus_at_zero": "epsilon", "negative_bias_left_out": "epsilon",
    "wrong_at_strides": "epsilon", "groups_forgotten": "flat", "steps_mixed": "w_square",
    "equal_inputs_count_more": "epsilon", "small_relevance_dropped": "epsilon", "writes_into_y": "epsilon"}
UNSEEN = {"remembers", "in_double_precision", "bias_leaks", "half_each_in_a_list", "times_a_scalar_of_numpy",  # right
          "copies_not_added_up"}                            # wrong where one factor broadcasts, which none here does


CONVENTIONS = [                             # rule, knobs, definition or "", relevances of the three inputs
    ("epsilon", {"epsilon": 0}, "", [-.151515, -.196970, 2.424242]),
    ("epsilon", {"epsilon": 0}, "bias ignored", [-.085714, -.257143, 2.342857]),
    ("epsilon", {"epsilon": 0}, "bias spread over the inputs", [-.176768, -.222222, 2.398990]),
    ("alpha_beta", {"alpha": 2, "beta": 1}, "", [-.4, -.777778, 3.377778]),
    ("alpha_beta", {"alpha": 2, "beta": 1}, "all of b in both halves", [-.4, -1.083333, 3.6]),
    ("alpha_beta", {"alpha": 2, "beta": 1}, "bias ignored", [-.714286, -.777778, 3.492063]),
    ("alpha_beta", {"alpha": 1, "beta": 0}, "", [.133333, .111111, 1.688889]),
    ("alpha_beta", {"alpha": 1, "beta": 0}, "all of b in both halves", [.133333, .125, 1.8]),
    ("alpha_beta", {"alpha": 1, "beta": 0}, "bias ignored", [.142857, .111111, 1.746032]),
    ("alpha_beta", {"alpha": 1, "beta": 0}, "weights split, bias ignored", [.2, -.4, 2.2]),
    ("alpha_beta", {"alpha": 1, "beta": 0}, "weights split, all of b", [.181818, -.363636, 2.233766]),
    ("gamma_signed", {"gamma": 0.25}, "", [-.072933, -.119671, 2.229070]),
    ("gamma_signed", {"gamma": 0.25}, "positive weights boosted always", [-.068182, -.238636, 2.340909]),
    ("gamma_signed", {"gamma": 0.25}, "positive weights boosted always, bias not boosted",
     [-.064815, -.245370, 2.361111]),
    ("w_square", {}, "", [.261905, .333333, 1.404762]),
    ("w_square", {}, "b squared absorbs", [.251994, .326156, 1.358852]),
    ("flat", {}, "", [.666667, .666667, .666667])]


@pytest.mark.parametrize("rule, knobs, definition, expected", CONVENTIONS)
def test_the_table_of_conventions_stands_in_the_vectors(rule, knobs, definition, expected):
    """One layer, W = [[1, 2, 3], [-1, -0.5, 2]], b = [0.5, -0.5], at x = [1, -1, 2] with R = [1, 1], in six digits."""
    found, = (test for name, group, test in VECTORS if name == rule and group["layer"] == cases.TABLE and
              group["knobs"] == knobs and test["x"] == [cases.POINT] and test["R"] == [[1, 1]])
    assert runner.same(found["alternatives"][definition] if definition else found["expected"], [expected], 5e-7)


def test_the_numbers_in_lesson_6_2_are_those_of_the_vectors():
    lesson = (runner.HERE.parents[1] / "lessons" / "6_2_five_libraries_five_answers.py").read_text()
    told = {tuple(map(float, found)) for found in re.findall(r"\[(-?\d*\.\d+), (-?\d*\.\d+), (-?\d*\.\d+)\]\)", lesson)}
    table = {tuple(round(v, 6) for v in numbers) for *_, numbers in CONVENTIONS}
    assert len(told) >= 10 and told <= table, told - table


def test_rescale_is_what_captum_shap_and_deeplift_agree_on():
    found = next(test for name, _, test in VECTORS if name == "deeplift" and test["x"] == [cases.POINT])
    assert runner.same(found["expected"], [[1.829192547, -3.139751553, .810559006]], 1e-9)


def test_minixnn_agrees_with_every_vector():
    results = runner.run(ours)
    assert len(results) >= 300
    off = [f"{result.id}: {runner.claim(result)}" for result in results if result.verdict != "agrees"]
    assert not off, off
    assert not runner.expected_of("minixnn"), "nothing is excused"


def test_every_file_has_the_form_of_the_schema_and_no_id_stands_twice(capsys):
    schema.main()
    assert f"{len(VECTORS)} vectors" in capsys.readouterr().out


@pytest.mark.parametrize("spoil, message", [
    (lambda content: content.pop("source"), "lacks source"),
    (lambda content: content["groups"][0]["tests"][0].update(verdict="fine"), "verdict is 'fine'"),
    (lambda content: content["groups"][0]["tests"][0].update(x="1"), "x is '1'"),
    (lambda content: content["groups"][0].update(tests=[]), "tests is empty"),
    (lambda content: content["groups"][0]["layer"].update(weights=[1]), "weights.*does not know")])
def test_a_file_of_another_form_is_refused_with_the_place(spoil, message):
    content = json.loads(schema.files()[0].read_text())
    schema.check(content)
    spoil(content)
    with pytest.raises(ValueError, match=message):
        schema.check(content)


@pytest.mark.parametrize("name", ALIKE)
def test_a_wrong_rule_fails_some_vector(name):
    mistake = getattr(wrong_rules, name)
    for rule, group, test in VECTORS:
        if rule != ALIKE[name] or test["expected"] is None:
            continue
        made, kind = ours.module(group["layer"]), group["layer"]["kind"]
        many = kind in oracle.JOINS
        x = tuple(ours.last(each, kind).copy() for each in test["x"]) if many else ours.last(test["x"], kind).copy()
        try:
            with np.errstate(all="ignore"):
                y = made.forward(x)
                answer = mistake(made, x, y, ours.last(test["R"], kind).reshape(y.shape).copy())
                answer = [ours.first(each, kind) for each in (answer if many else [answer])]
            wrong = not runner.same(answer, test["expected"], test["tolerance"])
        except Exception:                                   # a rule that falls over is found, too
            wrong = True
        if wrong:
            return
    raise AssertionError(f"no vector of {ALIKE[name]} is failed by {name}")


def test_all_wrong_rules_are_either_tried_or_cannot_be_told_by_numbers():
    wrong = {rule.__name__ for rule, _, _ in wrong_rules.WRONG} - {"epsilon"}
    assert wrong == set(ALIKE) | UNSEEN


def test_every_other_definition_and_mistake_fails_some_vector():
    for rule, (_, others, mistakes) in oracle.DEFINITIONS.items():
        tests = [(group, test) for name, group, test in VECTORS if name == rule]
        for name, definition in {**others, **mistakes}.items():
            def fails(group, test):
                if test["expected"] is None:                # where the rule is not defined
                    return name in test["alternatives"]
                xs = test["x"] if group["layer"]["kind"] in oracle.JOINS else [test["x"]]
                return generate.differ(test["expected"], generate.each_example(
                    group["layer"], xs, test["R"], definition, group["knobs"], group["exact"]))
            assert any(fails(*test) for test in tests), f"{rule}: no vector is failed by '{name}'"


def test_a_network_of_the_vectors_computes_what_its_onnx_file_does():
    for rule, group, test in VECTORS:
        if "onnx" in group["layer"] and len(test["x"]) > 1:
            net = from_onnx(runner.HERE / group["layer"]["onnx"], np.shape(test["x"])[1:])
            y = net.forward(ours.last(test["x"]))
            assert runner.same(y, ours.build(group["layer"])[1].forward(ours.last(test["x"])), 1e-6), test["comment"]


class Wrong:
    """A library that is right but for one mistake."""
    name, version, NOTES = "wrong", "1", {}

    def __init__(self, answer):
        self.answer = answer

    def offers(self, rule, layer):
        return rule == "alpha_beta"

    def build(self, layer):
        return layer

    def explain(self, model, rule, x, R, **knobs):
        return self.answer(model, x, R, knobs)


def by_the_oracle(definition):
    def answer(layer, x, R, knobs):
        return generate.each_example(layer, [x], R, definition, knobs, True)
    return Wrong(answer)


@pytest.mark.parametrize("name, verdict", [
    ("all of b in both halves", "another definition"), ("beta added", "contradicts"),
    ("biases exchanged", "contradicts")])
def test_what_a_library_does_instead_is_named(name, verdict):
    _, others, mistakes = oracle.DEFINITIONS["alpha_beta"]
    results = runner.run(by_the_oracle({**others, **mistakes}[name]))
    named = [result for result in results if (result.verdict, result.detail) == (verdict, name)]
    assert len(named) > 10
    assert "crashes" not in {result.verdict for result in results}


def test_a_library_that_falls_over_only_agrees_where_it_should_refuse():
    def fall(layer, x, R, knobs):
        raise ZeroDivisionError("no")
    results = [result for result in runner.run(Wrong(fall)) if result.rule == "alpha_beta"]
    for result in results:
        assert result.verdict == ("agrees" if result.test["verdict"] == "invalid input" else "crashes")
    nothing = [result for result in runner.run(Wrong(lambda layer, x, R, knobs: [np.nan] * len(x)))
               if result.rule == "alpha_beta"]
    assert {result.verdict for result in nothing} == {"crashes"}


def test_what_is_expected_is_strict_in_both_directions(tmp_path, monkeypatch):
    results = runner.run(by_the_oracle(oracle.DEFINITIONS["alpha_beta"][1]["bias ignored"]))
    monkeypatch.setattr(runner, "HERE", tmp_path)
    assert runner.unexpected("wrong", results), "nothing was expected to differ"
    runner.write_expected("wrong", results)
    assert not runner.unexpected("wrong", results)
    for result in results:
        result.verdict = "agrees" if result.verdict != "not offered" else result.verdict
    assert runner.unexpected("wrong", results), "what is expected to differ and does not is a surprise, too"


def test_the_folder_runs_by_itself_without_minixnn(tmp_path):
    command.main(["--zip", str(tmp_path / "vectors.zip")])
    zipfile.ZipFile(tmp_path / "vectors.zip").extractall(tmp_path)
    (tmp_path / "vectors" / "adapters" / "other.py").write_text(
        "import sys\nsys.modules['minixnn'] = None\nfrom .. import generate, oracle\n"
        "name, version, NOTES = 'other', '1', {}\n"
        "def offers(rule, layer): return rule == 'alpha_beta'\ndef build(layer): return layer\n"
        "def explain(model, rule, x, R, **knobs):\n"
        "    return generate.each_example(model, [x], R, oracle.alpha_beta, knobs, True)\n")
    done = subprocess.run([sys.executable, "-m", "vectors", "other"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=120)
    assert "another definition" in done.stdout and not done.stderr, done.stderr
    assert done.returncode == 1, "for it computes where the rule is not defined"


@pytest.mark.parametrize("library", ["innvestigate", "deeplift", "lrp_toolbox"])
def test_what_was_recorded_is_what_its_xfails_say(library):
    results = runner.run(runner.adapter(library))
    assert sum(result.verdict == "agrees" for result in results) >= 4
    assert not runner.unexpected(library, results)


def test_a_difference_prints_as_ten_lines():
    result = next(result for result in runner.run(runner.adapter("lrp_toolbox")) if result.verdict != "not offered")
    lines = runner.report("lrp_toolbox", result).splitlines()
    assert len(lines) == 10
    for part in (result.content["formula"], result.content["source"], result.id, "expected:", "returned:"):
        assert part in "\n".join(lines)
