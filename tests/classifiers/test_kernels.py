"""Scores and gradient of a block against the plain products in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from visualwords.classifiers.kernels import block_gradient, block_scores, packed_weights

SHAPES = [
    *((1, 1, 2), (7, 13, 5), (8, 334, 10), (3, 40, 33), (5, 0, 3), (64, 2, 4), (30, 16, 6)),
    # More than one panel of rows and chunk of columns, each with a rest.
    (131, 1001, 12),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_the_product(shape, dtype):
    n, d, k = shape
    rng = np.random.default_rng(0)
    X, coef = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(k, d)).astype(dtype)
    intercept = rng.normal(size=k).astype(dtype)
    scores = block_scores(X, packed_weights(coef), intercept)
    assert scores.shape == (n, k)
    assert scores.dtype == dtype
    exact = X.astype(np.float64) @ coef.T.astype(np.float64) + intercept
    assert_allclose(scores, exact, atol=3e-5 if dtype == np.float32 else 1e-12)


def test_a_row_of_scores_depends_on_its_row_alone():
    rng = np.random.default_rng(1)
    X, coef = rng.normal(size=(9, 30)).astype("f"), rng.normal(size=(4, 30)).astype("f")
    weights, intercept = packed_weights(coef), np.zeros(4, "f")
    scores = block_scores(X, weights, intercept)
    for i in range(9):
        assert_array_equal(block_scores(X[i : i + 1], weights, intercept), scores[i : i + 1])
    X[2, 3] = np.nan
    broken = block_scores(X, weights, intercept)
    assert np.isnan(broken[2]).all()
    assert_array_equal(np.delete(broken, 2, axis=0), np.delete(scores, 2, axis=0))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_is_the_product(shape, dtype):
    n, d, k = shape
    rng = np.random.default_rng(2)
    X, slopes = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(n, k)).astype(dtype)
    gradient = block_gradient(X, slopes)
    assert gradient.shape == (k, d)
    assert gradient.dtype == dtype
    exact = slopes.T.astype(np.float64) @ X
    assert_allclose(gradient, exact, atol=3e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("row", [0, 12, 24])
def test_a_broken_value_stays_in_its_column_of_the_gradient(row):
    rng = np.random.default_rng(3)
    X, slopes = rng.normal(size=(25, 21)).astype("f"), rng.normal(size=(25, 4)).astype("f")
    gradient = block_gradient(X, slopes)
    X[row, 2] = np.nan
    broken = block_gradient(X, slopes)
    assert np.isnan(broken[:, 2]).all()
    assert_array_equal(np.delete(broken, 2, axis=1), np.delete(gradient, 2, axis=1))


def test_views_with_gaps_and_memory_maps_give_the_bits_of_their_copies(tmp_path):
    rng = np.random.default_rng(4)
    wide, slopes = rng.normal(size=(22, 40)).astype("f"), rng.normal(size=(22, 5)).astype("f")
    view, weights = wide[::2, 3:36], packed_weights(rng.normal(size=(5, 33)).astype("f"))
    intercept = np.ones(5, "f")
    np.save(tmp_path / "X.npy", view)
    gradient = block_gradient(view.copy(), slopes[::2].copy())
    scores = block_scores(view.copy(), weights, intercept)
    for X in (view, np.load(tmp_path / "X.npy", mmap_mode="r")):
        assert_array_equal(block_gradient(X, slopes[::2]), gradient)
        assert_array_equal(block_scores(X, weights, intercept), scores)
    assert view.flags.writeable
