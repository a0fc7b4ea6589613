"""Are the images what their docstrings say, and is a damaged file refused?"""
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from minixnn import datasets


def cut(image, box):
    top, left, bottom, right = box
    return image[top:bottom, left:right]


@pytest.fixture
def copied_data(tmp_path, monkeypatch):
    """The data folder as a copy that a test may damage, and nothing remembered from earlier reads."""
    for path in datasets.DATA.glob("t10k-*.gz"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(datasets, "DATA", tmp_path)
    datasets._digits.cache_clear()
    yield tmp_path
    datasets._digits.cache_clear()


@pytest.mark.parametrize("split, n", [("train", 60000), ("test", 10000)])
def test_mnist_has_the_promised_shapes_and_dtypes(split, n):
    images, labels = datasets.mnist(split)
    assert images.shape == (n, 28, 28, 1) and images.dtype == np.float32
    assert labels.shape == (n,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    assert sorted(set(labels.tolist())) == list(range(10))


def test_mnist_begins_with_the_known_digits():
    """The first labels as everyone knows them, and the ink of the first test digit, a seven."""
    assert datasets.mnist("train")[1][:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    images, labels = datasets.mnist("test")
    assert labels[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    assert np.flatnonzero(images[0, :, :, 0].any(axis=1))[[0, -1]].tolist() == [7, 26]


def test_each_call_gives_a_copy_of_its_own():
    images, labels = datasets.mnist("test")
    images[:], labels[:] = 7, 7
    again, again_labels = datasets.mnist("test")
    assert again.max() == 1 and again_labels[1] == 2


def test_an_unknown_split_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match='got split \'valid\', expected "train".*"test"'):
        datasets.mnist("valid")


def mislabelled(data):
    data = bytearray(gzip.decompress(data))
    data[8] = 1
    return gzip.compress(bytes(data))


@pytest.mark.parametrize("kind, change, said", [
    ("images-idx3", lambda data: data[:-100], "is truncated or damaged.*git checkout -- minixnn/data/t10k-images-idx3"),
    ("labels-idx1", lambda data: data[:-100], "is truncated or damaged.*git checkout -- minixnn/data/t10k-labels-idx1"),
    ("labels-idx1", lambda data: b"<html>not found</html>", "is truncated or damaged"),
    ("labels-idx1", mislabelled, "not the published one: SHA-256 of its content is .*, expected ff7bcfd4")])
def test_a_damaged_file_is_refused_by_name_with_a_remedy(copied_data, kind, change, said):
    path = copied_data / f"t10k-{kind}-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path.name}.*{said}"):
        datasets.mnist("test")


def test_a_missing_file_is_named(copied_data):
    (copied_data / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte.gz is missing; restore it with"):
        datasets.mnist("test")


def test_the_files_are_hashed_once_per_process(monkeypatch):
    datasets._digits.cache_clear()
    seen, verified = [], datasets._verified
    monkeypatch.setattr(datasets, "_verified", lambda path, *of: seen.append(path.name) or verified(path, *of))
    datasets.mnist("test")
    datasets.mnist("test")
    assert len(seen) == 2, seen


def test_cluttered_images_have_the_promised_shapes_and_dtypes():
    images, labels, boxes = datasets.cluttered_mnist(30, seed=1, size=44)
    assert images.shape == (30, 44, 44, 1) and images.dtype == np.float32 and images.max() <= 1
    assert labels.shape == (30,) and labels.dtype == np.int64
    assert boxes.shape == (30, 4) and boxes.dtype == np.int64


def test_without_clutter_the_box_holds_the_digit_and_nothing_is_outside():
    digits, digit_labels = datasets.mnist("test")
    ink = {cut(digit[..., 0], bounds(digit)).tobytes(): label for digit, label in zip(digits, digit_labels)}
    images, labels, boxes = datasets.cluttered_mnist(200, seed=2, split="test", pieces=0)
    for image, label, box in zip(images[..., 0], labels, boxes):
        inside = cut(image, box)
        assert ink[inside.tobytes()] == label
        assert np.isclose(inside.sum(), image.sum()), (inside.sum(), image.sum())


def bounds(image):
    """Top, left, bottom, right of the ink, the slow way."""
    rows, columns = np.nonzero(image[..., 0])
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def test_clutter_lies_outside_the_box_and_never_hides_the_ink():
    """The first thing drawn is the digit, so the same seed without pieces gives the same scene without clutter."""
    images, labels, boxes = datasets.cluttered_mnist(300, seed=3)
    plain, plain_labels, plain_boxes = datasets.cluttered_mnist(300, seed=3, pieces=0)
    assert (labels == plain_labels).all() and (boxes == plain_boxes).all()
    assert (images >= plain).all()
    for image, same, box in zip(images, plain, boxes):
        assert (cut(image, box) == cut(same, box)).all()
    share = (images > plain).mean()
    assert 0.02 < share < 0.5, f"{share:.3f} of all pixels are clutter"


def test_pieces_that_fit_nowhere_are_left_out():
    """On a ground of 28 pixels most digits leave no square of 20 pixels free; the scene is drawn all the same."""
    images = datasets.cluttered_mnist(50, seed=3, size=28, piece=20)[0]
    plain = datasets.cluttered_mnist(50, seed=3, size=28, pieces=0)[0]
    assert (images == plain).all(axis=(1, 2, 3)).sum() > 25


def test_the_same_seed_gives_the_same_scenes_and_another_seed_others():
    first, second, other = (datasets.cluttered_mnist(20, seed)[0] for seed in (4, 4, 5))
    assert (first == second).all() and (first != other).any()


def test_digits_are_found_at_every_place():
    boxes = datasets.cluttered_mnist(3000, seed=6)[2]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    for axis in (0, 1):
        assert np.ptp(middle[:, axis]) > 12 and 18.5 < middle[:, axis].mean() < 21.5, middle[:, axis].mean()


def test_ten_thousand_cluttered_test_images_show_every_test_digit_once():
    labels = datasets.cluttered_mnist(10000, seed=7, split="test", pieces=0)[1]
    expected = np.bincount(datasets.mnist("test")[1])
    assert (np.bincount(labels) == expected).all()


def test_more_images_than_digits_can_be_asked_for():
    assert len(datasets.cluttered_mnist(10001, seed=8, split="test", pieces=0)[0]) == 10001


@pytest.mark.parametrize("same", [True, False, None])
def test_pairs_show_two_digits_in_their_own_halves(same):
    images, labels, boxes = datasets.digit_pairs(200, seed=9, same=same)
    assert images.shape == (200, 40, 80, 1) and images.dtype == np.float32
    assert labels.shape == (200, 2) and boxes.shape == (200, 2, 4)
    equal = (labels[:, 0] == labels[:, 1]).mean()
    assert equal == {True: 1, False: 0}.get(same, equal) and (same is not None or 0 < equal < 0.3), equal
    digits, digit_labels = datasets.mnist("test")
    ink = {cut(digit[..., 0], bounds(digit)).tobytes(): label for digit, label in zip(digits, digit_labels)}
    for image, pair, (left, right) in zip(images[..., 0], labels, boxes):
        assert left[3] <= 40 <= right[1]
        assert [ink[cut(image, left).tobytes()], ink[cut(image, right).tobytes()]] == pair.tolist()


@pytest.mark.parametrize("wrong", [dict(n=0), dict(n=2.5), dict(size=27), dict(pieces=-1), dict(piece=0)])
def test_impossible_scenes_are_refused_by_the_name_of_the_argument(wrong):
    (name, value), = wrong.items()
    with pytest.raises(ValueError, match=re.escape(f"got {name}={value}, expected")):
        datasets.cluttered_mnist(**{"n": 2, "seed": 0, **wrong})


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(3, 9), st.integers(3, 9), st.integers(1, 3), st.integers(0, 2),
       st.integers(0, 99))
def test_shifted_is_the_loop_over_images_and_pixels(n, height, width, channels, reach, seed):
    images = np.random.default_rng(seed).normal(size=(n, height, width, channels)).astype(np.float32)
    moved = datasets.shifted(images, np.random.default_rng(seed), reach)
    down, right = np.random.default_rng(seed).integers(0, 2 * reach + 1, (2, n)) - reach
    expected = np.zeros_like(images)
    for k in range(n):
        for row in range(height):
            for column in range(width):
                source = row + down[k], column + right[k]
                if 0 <= source[0] < height and 0 <= source[1] < width:
                    expected[k, row, column] = images[k, source[0], source[1]]
    assert moved.dtype == images.dtype and moved.flags.c_contiguous
    assert (moved == expected).all()


def test_shifts_reach_every_offset_and_leave_the_original_alone():
    images = np.zeros((2000, 9, 9, 1), np.float32)
    images[:, 4, 4] = 1
    moved = datasets.shifted(images, np.random.default_rng(0), reach=2)
    places = {tuple(place) for place in np.argwhere(moved[..., 0])[:, 1:]}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}
    assert images[:, 4, 4].sum() == images.sum() == 2000


def test_shifted_refuses_images_without_channels():
    with pytest.raises(ValueError, match=r"got images of shape \(2, 28, 28\), expected \(N, H, W, C\)"):
        datasets.shifted(np.zeros((2, 28, 28)), np.random.default_rng(0))


def test_sources_are_python_programs():
    files = datasets.sources()
    assert len(files) == 31 and "progress.py" in files
    for name, source in files.items():
        compile(source, name, "exec")


def test_photos_are_rgb_in_the_unit_interval_at_any_size():
    pytest.importorskip("PIL")
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        assert datasets.photo(name).shape == (448, 448, 3)
    for path in datasets.PHOTOS.glob("*.jpg"):
        name = path.stem
        assert datasets.photo(name).shape in ((448, 448, 3), (256, 256, 3))
        image = datasets.photo(name, 96)
        assert image.shape == (96, 96, 3) and image.dtype == np.float32
        assert 0 <= image.min() < 0.2 and 0.6 < image.max() <= 1, (name, image.min(), image.max())
    terms = (datasets.PHOTOS / "ATTRIBUTION.txt").read_text()
    unnamed = [path.name for path in datasets.PHOTOS.glob("*.jpg") if f"\n{path.name}" not in terms]
    assert not unnamed, f"whose are {unnamed}, and on what terms?"
    red, green, blue = datasets.photo("coffee").mean(axis=(0, 1))
    assert red > green > blue, "coffee on a wooden table is brown: are the channels in the order red, green, blue?"


def test_an_unknown_photo_and_a_missing_folder_are_refused(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="got photo 'dog', expected one of astronaut, .*chelsea, coffee, .*rocket"):
        datasets.photo("dog")
    monkeypatch.setattr(datasets, "PHOTOS", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="clone the repository"):
        datasets.photo("chelsea")
    with pytest.raises(FileNotFoundError, match="clone the repository"):
        datasets.record("selectivity")


def test_an_installed_package_finds_photographs_in_a_checkout(tmp_path):
    checkout = pathlib.Path(datasets.__file__).parents[1]
    shutil.copytree(checkout / "minixnn", tmp_path / "site" / "minixnn", ignore=shutil.ignore_patterns("*.npz", "*.gz"))
    code = ("from minixnn import datasets; assert 'site' in datasets.__file__; "
            "print(datasets.photo('chelsea', 32).shape, len(datasets.record('selectivity')))")

    def run(folder):
        return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    found = run(checkout / "docs" / "course" / "notebooks")
    assert found.stdout.startswith("(32, 32, 3) "), found.stderr
    elsewhere = run(tmp_path)
    assert elsewhere.returncode and "clone the repository and run from there" in elsewhere.stderr
