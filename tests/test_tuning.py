"""Is a matrix product that is computed in slices the product, and is it cut where OpenBLAS gains by it?"""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minixnn import tuning


@pytest.fixture(scope="module")
def slices():
    """Slices on any processor, and small ones. The list tells how many matrices each call multiplied at once."""
    counts, plain = [], np.matmul

    def matmul(a, b, out):
        counts.append(len(a) if a.ndim == 3 else 1)
        return plain(a, b, out=out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "multiplies_small_unpacked", lambda: True)
        patch.setattr(tuning, "SMALL", 300)
        patch.setattr(tuning, "blas_threads", lambda: 1)
        patch.setattr(np, "matmul", matmul)
        yield counts


def matrix(rng, rows, columns, transposed):
    return rng.normal(size=(columns, rows)).astype("float32").T if transposed else (
        rng.normal(size=(rows, columns)).astype("float32"))


@given(st.tuples(*[st.integers(0, 40)] * 3), st.tuples(*[st.booleans()] * 3), st.sampled_from([1, 2, -1]),
       st.integers(0, 99))
def test_a_product_in_slices_is_the_product(slices, sizes, transposed, step, seed):
    (M, K, N), rng = sizes, np.random.default_rng(seed)
    a, b = matrix(rng, M, K, transposed[0]), matrix(rng, K, N, transposed[1])
    a, b = a[::step, ::step], b[::step, ::step]
    (M, K), N = a.shape, b.shape[1]
    out = np.full((N, M), np.nan, "float32").T if transposed[2] else np.full((M, N), np.nan, "float32")
    came = tuning.product(a, b, out)
    assert (out.size == 0 or np.shares_memory(came, out)) and came.shape == (M, N)
    np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-4)


def test_the_longer_side_is_sliced_and_what_is_left_comes_last(slices):
    def sliced(M, K, N, transposed=False, dtype="float32"):
        slices.clear()
        a, b = np.ones((M, K), dtype), np.ones((N, K), dtype).T if transposed else np.ones((K, N), dtype)
        assert (tuning.product(a, b, out=np.empty((M, N), dtype)) == K).all()
        return slices[:]

    assert sliced(100, 5, 5) == [8, 1]                      # 12 rows are 300 multiply-adds; 8 times 12, and 4 are left
    assert sliced(96, 5, 5) == [8]
    assert sliced(5, 5, 100) == [8, 1]                      # so for columns
    assert sliced(12, 5, 5) == [1]                          # small by itself
    assert sliced(100, 20, 20) == [1]                       # three rows at a time would be too few
    assert sliced(100, 7, 6) == [1]                         # four rows at a time, too
    assert sliced(5, 5, 128) == [10, 1] and sliced(5, 5, 129) == [1]        # columns of a wide matrix lie far apart
    assert sliced(900, 5, 10, transposed=True) == [1]       # OpenBLAS has no way for transposed matrices this short
    assert sliced(100, 5, 5, dtype="float64") == [1]        # the small ones are of float32


def test_transposed_matrices_have_slices_that_openblas_takes(monkeypatch):
    """With a transposed second matrix OpenBLAS multiplies at once what has 1,200 results at most, of 32 terms."""
    taken = []
    monkeypatch.setattr(tuning, "multiplies_small_unpacked", lambda: True)
    monkeypatch.setattr(tuning, "SMALL", 1_000_000)
    monkeypatch.setattr(tuning, "blas_threads", lambda: 1)
    monkeypatch.setattr(tuning, "_in_slices", lambda a, b, out, n: taken.append((len(b.T), n)) or out)
    for K in (31, 32):
        tuning.product(np.ones((9, K), "float32"), np.ones((5000, K), "float32").T, np.empty((9, 5000), "float32"))
    tuning.product(np.ones((5000, 32), "float32"), np.ones((32, 9), "float32"), out=np.empty((5000, 9), "float32"))
    assert taken == [(9, 132), (9, 3472)]


def test_threads_that_can_share_a_product_get_it_whole(slices, monkeypatch):
    monkeypatch.setattr(tuning, "blas_threads", lambda: 2)
    slices.clear()
    tuning.product(np.ones((100, 5), "float32"), np.ones((5, 5), "float32"), out=np.empty((100, 5), "float32"))
    assert slices == [1]
