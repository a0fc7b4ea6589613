"""Does one command explain a photograph, and a file, with the shipped networks?"""
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from minixnn import attribution, datasets, models
from minixnn.cli import main, text
from minixnn.models import magika

ROOT = pathlib.Path(__file__).parents[2]
CAT = ROOT / "lessons" / "data" / "photos" / "chelsea.jpg"


def test_a_photograph_needs_no_other_word_than_its_name(tmp_path, capsys):
    assert main(["explain", str(CAT), "-o", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "network: efficientnet_lite0, as no --model was given; method: lrp_by_depth" in said
    assert "chelsea.jpg: Egyptian cat, 40 % (then: tiger cat 31 %, tabby 17 %, lynx 4 %); see " in said
    assert f"see {tmp_path / 'chelsea_overlay.png'}" in said
    assert {"chelsea_heatmap.png", "chelsea_overlay.png"} <= {path.name for path in tmp_path.iterdir()}
    R, net = np.load(tmp_path / "chelsea_relevance.npy"), models.load("efficientnet_lite0")
    x = datasets.photo("chelsea", 224)[None]
    expected = attribution.METHODS["lrp_by_depth"](net, x, 285)
    assert np.allclose(R, expected[0], atol=1e-4 * expected.max())
    found = json.loads((tmp_path / "chelsea_relevance.json").read_text())["found"]["control"]
    toaster = attribution.METHODS["lrp_by_depth"](net, x, 859)[0].sum(axis=-1, dtype=float).ravel()
    cat = expected[0].sum(axis=-1, dtype=float).ravel()
    cosine = abs(cat @ toaster) / (np.linalg.norm(cat) * np.linalg.norm(toaster))
    assert abs(found["alike"]["859 toaster"] - cosine) < 2e-3 and len(found["alike"]) == 6
    assert found["mean"] == pytest.approx(np.mean(list(found["alike"].values())), abs=1e-3)
    assert found["shuffled weights"] < 0.2, "by depth, a network that has learnt nothing gives another map"
    with Image.open(tmp_path / "chelsea_overlay.png") as two, Image.open(tmp_path / "chelsea_heatmap.png") as one:
        assert two.width > 2 * 448 > one.width, "two panels side by side, and one"


def test_a_quick_call_draws_one_map_and_details_tell_where_relevance_went(tmp_path, capsys):
    call = ["explain", str(CAT), "--quick", "--details", "-o", str(tmp_path)]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "Egyptian cat, 40 %" in said and "explained Egyptian cat (9.07" in said and "withheld by biases" in said
    assert "control" not in json.loads((tmp_path / "chelsea_relevance.json").read_text())["found"]
    with Image.open(tmp_path / "chelsea_overlay.png") as one:
        assert one.width < 2 * 448


def test_one_class_can_be_explained_rather_than_another_by_their_names(tmp_path, capsys):
    call = ["explain", str(CAT), "--target", "tiger cat", "--versus", "tabby", "--method", "gradient", "--no-figures"]
    assert main([*call, "-o", str(tmp_path)]) == 0
    assert "explained tiger cat rather than tabby; see" in capsys.readouterr().out
    assert main([*call, "--details", "-o", str(tmp_path)]) == 0
    assert "explained tiger cat rather than tabby (8.8" in capsys.readouterr().out
    assert main(["explain", str(CAT), "--target", "moggy", "-o", str(tmp_path)]) == 2
    assert "got the label 'moggy', expected one of the network's 1000 labels" in capsys.readouterr().err


def test_a_wide_photograph_is_cut_to_the_square_in_its_middle(tmp_path, capsys):
    wide = np.zeros((448, 600, 3), np.uint8)
    wide[:, 76:524] = np.asarray(Image.open(CAT).convert("RGB"))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert np.allclose(datasets.photo(tmp_path / "wide.png", 224), datasets.photo("chelsea", 224), atol=1e-6)
    assert main(["explain", str(tmp_path / "wide.png"), "--method", "gradient", "-o", str(tmp_path / "o")]) == 0
    assert "(cut to the 448 x 448 pixels in its middle, resized from 448 x 448 to 224 x 224)" in capsys.readouterr().out


def test_without_a_model_what_is_no_colour_picture_is_asked_about(tmp_path, capsys):
    Image.new("L", (28, 28), 9).save(tmp_path / "grey.png")
    (tmp_path / "words.txt").write_text("no picture")
    for name, expected in (("grey.png", "is no colour picture; give --model: dense or cnn for a digit"),
                           ("words.txt", "give --model magika, which tells the type of a file"),
                           ("none.png", "there is no such file")):
        assert main(["explain", str(tmp_path / name), "-o", str(tmp_path / "o")]) == 2
        assert expected in capsys.readouterr().err


def test_a_script_is_told_to_be_python_and_its_text_is_coloured(tmp_path, capsys):
    script = tmp_path / "script.py"
    script.write_text("import os\n\nfor n in range(3):\n    print(n < 2, 'é')\n", encoding="utf-8")
    call = ["explain", str(script), "--model", "magika", "-o", str(tmp_path / "o")]
    assert main([*call, "--color", "always"]) == 0
    said = capsys.readouterr().out
    assert "thresholds" in said and "\x1b[" in said and "48;2;" in said
    assert ("python, 9" in said or "python, over 99 %" in said)
    page = (tmp_path / "o" / "script.py_relevance.html").read_text(encoding="utf-8")
    assert "&lt;" in page and ">é</span>" in page and "LRP-epsilon" in page and "<script" not in page
    found = json.loads((tmp_path / "o" / "script.py_relevance.json").read_text())["found"]
    assert found["what"] == "python"
    assert main(call) == 0 and "\x1b[" not in capsys.readouterr().out, "no colours where there is no terminal"


def test_binary_files_are_shown_in_numbers_and_folders_file_by_file(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cat.jpg").write_bytes(CAT.read_bytes())
    (tmp_path / "in" / "words.md").write_text("# Title\n\n* one\n* two\n\n[link](https://example.org)\n")
    assert main(["explain", str(tmp_path / "in"), "--model", "magika", "-o", str(tmp_path / "o")]) == 0
    said = capsys.readouterr().out
    assert "jpeg, over 99 %" in said and "words.md: markdown" in said
    page = (tmp_path / "o" / "cat_relevance.html").read_text(encoding="utf-8")
    assert "00000000  " in page and "bytes that the network does not use" in page and ">ff </span>" in page


def test_the_view_shows_all_relevance_and_escapes_control_characters():
    data = "\x1b[2J text é\r\n".encode() * 3
    R = np.random.default_rng(0).normal(size=2048)
    lines, _ = text.coloured(data, R)
    used = R[magika.positions(data) >= 0]
    assert sum(r for line in lines for _, r in line if r is not None) == pytest.approx(used.sum())
    assert "\x1b[2J" not in text.terminal(lines, 1e9) and "\N{SYMBOL FOR ESCAPE}[2J" in text.terminal(lines, 1e9)


def test_an_empty_file_is_left_out_with_the_reason(tmp_path, capsys):
    (tmp_path / "empty").touch()
    assert main(["explain", str(tmp_path / "empty"), "--model", "magika", "-o", str(tmp_path / "o")]) == 1
    assert "empty left out: got an empty file" in capsys.readouterr().err
