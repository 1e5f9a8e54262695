"""Scores and gradient of a block against the plain products in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from visualwords.classifiers import CrossEntropy
from visualwords.classifiers.kernels.products import (
    MANY_CLASSES,
    block_gradient,
    block_moments,
    block_scores,
    row_scores,
    scaled_block,
)

SHAPES = [
    *((1, 1, 2), (7, 13, 5), (8, 334, 10), (3, 40, 33), (5, 0, 3), (64, 2, 4), (30, 16, 6)),
    # More than one panel of rows and chunk of columns, each with a rest.
    (131, 1001, 12),
    (3, 7, MANY_CLASSES + 1),
    # More than one strip of rows, with a rest; and one that cannot be cut.
    (150, 1001, 10),
    (20, 100, 600),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_the_product(shape, dtype):
    n, d, k = shape
    rng = np.random.default_rng(0)
    X, coef = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(k, d)).astype(dtype)
    intercept = rng.normal(size=k).astype(dtype)
    scores = block_scores(X, coef, intercept)
    assert scores.shape == (n, k)
    assert scores.dtype == dtype
    exact = X.astype(np.float64) @ coef.T.astype(np.float64) + intercept
    assert_allclose(scores, exact, atol=3e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (40, 334), (3, 0)])
def test_scaled_rows_and_their_sizes_are_those_of_the_definition(shape):
    rng = np.random.default_rng(3)
    X, weights = rng.normal(size=shape) + 5, rng.random(shape[0])
    mean, scale = rng.normal(size=shape[1]) + 5, rng.random(shape[1]) + 0.1
    before, coef = X.copy(), rng.random(shape[1])
    rows, sizes, squares, terms = scaled_block(X, mean, scale, weights, coef)
    exact = (X - mean) / scale
    assert_allclose(rows, exact, rtol=1e-15)
    assert_allclose(sizes, weights @ np.abs(exact), rtol=1e-13)
    assert_allclose(squares, (exact**2).sum(axis=1), rtol=1e-13)
    assert_allclose(terms, np.abs(exact) @ coef, rtol=1e-13)
    assert_array_equal(X, before)


@pytest.mark.parametrize("d", [1, 30, 64, 334])
@pytest.mark.parametrize("n_classes", [1, 4, 10, MANY_CLASSES + 8])
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_a_row_of_scores_depends_on_its_row_alone(d, n_classes, dtype):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(9, d)).astype(dtype)
    weights, intercept = rng.normal(size=(n_classes, d)).astype(dtype), np.zeros(n_classes, dtype)
    scores = row_scores(X, weights, intercept)
    for i in range(9):
        assert_array_equal(row_scores(X[i : i + 1], weights, intercept), scores[i : i + 1])
    X[2, d // 2] = np.nan
    broken = row_scores(X, weights, intercept)
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


@pytest.mark.parametrize("n_groups", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_are_the_weighted_sums_of_powers(n_groups, dtype):
    rng = np.random.default_rng(5)
    X, origin = rng.normal(size=(50, 21)).astype(dtype), rng.normal(size=21).astype(dtype)
    groups = rng.integers(0, n_groups, 50) == np.arange(n_groups)[:, None]
    weights = (rng.uniform(size=50) * groups).astype(dtype)
    moments = block_moments(X, origin, weights)
    differences = X.astype(np.float64) - origin
    for power, sums in enumerate(moments, 1):
        assert sums.dtype == dtype
        exact = weights.astype(np.float64) @ differences**power
        assert_allclose(sums, exact, atol=3e-5 if dtype == np.float32 else 1e-12)


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
    view, weights = wide[::2, 3:36], rng.normal(size=(5, 33)).astype("f")
    intercept = np.ones(5, "f")
    np.save(tmp_path / "X.npy", view)
    gradient = block_gradient(view.copy(), slopes[::2].copy())
    scores = block_scores(view.copy(), weights, intercept)
    for X in (view, np.load(tmp_path / "X.npy", mmap_mode="r")):
        assert_array_equal(block_gradient(X, slopes[::2]), gradient)
        assert_array_equal(block_scores(X, weights, intercept), scores)
    assert view.flags.writeable


def test_cross_entropy_in_float32_is_that_in_float64():
    rng = np.random.default_rng(5)
    scale = 10.0 ** rng.uniform(-3, 3, (2001, 1))
    scores, y = (scale * rng.normal(size=(2001, 7))).astype("f"), rng.integers(0, 7, 2001)
    values, gradients = CrossEntropy().values_and_grad(scores, y)
    assert values.dtype == gradients.dtype == np.float32
    exact_values, exact = CrossEntropy().values_and_grad(scores.astype(np.float64), y)
    assert_allclose(values, exact_values, rtol=3e-7, atol=1e-6)
    assert_allclose(gradients, exact, rtol=1e-6, atol=3e-7)
    for i in range(0, 2001, 97):
        alone = CrossEntropy().values_and_grad(scores[i : i + 1], y[i : i + 1])
        assert_array_equal(alone[0], values[i : i + 1])
        assert_array_equal(alone[1], gradients[i : i + 1])


def test_cross_entropy_in_float32_of_scores_far_apart_or_broken():
    far = np.array([[0, -1e4, -3e38], [88, 0, -1], [np.nan, 0, 1], [0, -87, -104]], "f")
    values, gradients = CrossEntropy().values_and_grad(far, np.array([1, 0, 1, 1]))
    assert_allclose(values[[0, 1, 3]], [1e4, 0, 87])
    assert_array_equal(gradients[0], [1, -1, 0])
    assert np.isnan(values[2])
    assert np.isnan(gradients[2]).all()
    assert_allclose(gradients[3], [1, -1, 0], atol=1e-37)


def test_exponentials_have_one_error_in_their_last_place():
    x = -np.random.default_rng(6).exponential(20, 100_000).astype("f")
    x = x[x > -87]
    # Of two scores, the derivative by the lower is exp(x) / (1 + exp(x)).
    scores = np.column_stack([np.zeros_like(x), x])
    _, gradients = CrossEntropy().values_and_grad(scores, np.zeros(len(x), np.intp))
    low = x < -20
    exact = np.exp(x[low].astype(np.float64))
    assert (np.abs(gradients[low, 1] - exact) / np.spacing(exact.astype("f"))).max() < 1.01


def test_weights_of_another_shape_are_refused():
    X, intercept = np.zeros((5, 3), "f"), np.zeros(2, "f")
    for shape in [(2, 4), (3, 3), (2, 2)]:
        with pytest.raises(ValueError, match="expected weights of shape"):
            block_scores(X, np.zeros(shape, "f"), intercept)
