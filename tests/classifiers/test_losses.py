"""Losses at the ends of what scores can be: classes ruled out, and losses next to nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from visualwords import classifiers
from visualwords.classifiers import CrammerSinger, CrossEntropy, LinearSVM, Loss, Softmax
from visualwords.tests.classifiers.losses import LOSSES, ROUNDED

by_loss = pytest.mark.parametrize("loss", [*LOSSES, *ROUNDED], ids=repr)
by_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def test_every_exported_loss_is_tested_and_has_a_name():
    exported = {getattr(classifiers, name) for name in classifiers.__all__}
    losses = {cls for cls in exported if isinstance(cls, type) and issubclass(cls, Loss)} - {Loss}
    assert losses == {type(loss) for loss in LOSSES}
    by_name = {**LinearSVM.losses, **Softmax.losses}
    assert {cls.name: cls for cls in losses} == by_name
    for estimator in (LinearSVM, Softmax):
        assert all(f'"{name}"' in estimator.__doc__ for name in estimator.losses)


def score_matrices(most):
    finite = st.floats(-most, most, width=32)
    return st.tuples(st.integers(1, 9), st.integers(3, 6)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=finite)
    )


@by_loss
@by_dtype
@settings(max_examples=15, deadline=None)
@given(scores=score_matrices(50), seed=st.integers(0, 99))
def test_a_class_that_is_ruled_out_is_as_if_it_were_not_there(loss, dtype, scores, seed):
    n, k = scores.shape
    rng = np.random.default_rng(seed)
    y, out = rng.integers(0, k, n), rng.integers(0, k, n)
    out[out == y] = (out[out == y] + 1) % k
    ruled = scores.astype(dtype)
    ruled[np.arange(n), out] = -np.inf
    values, gradients = loss.values_and_grad(ruled, y)
    assert_array_equal(loss.values(ruled, y), values)
    assert np.isfinite(loss.slack(ruled, y)).all()
    there = np.arange(k) != out[:, None]
    left = scores[there].reshape(n, k - 1).astype(dtype)
    rows = zip(left[:, None], (y - (out < y))[:, None], strict=True)
    expected, of_expected = zip(*(loss.values_and_grad(*row) for row in rows), strict=True)
    assert_allclose(values, np.concatenate(expected), rtol=1e-5, atol=1e-30)
    of_left = gradients[there].reshape(n, k - 1)
    assert_allclose(of_left, np.concatenate(of_expected), rtol=1e-5, atol=1e-6)
    assert (gradients[~there] == 0).all()


@by_loss
@by_dtype
def test_the_own_class_ruled_out_makes_the_loss_infinite(loss, dtype):
    scores = np.array([[-np.inf, 1, 3, 3.5], [2, -np.inf, -np.inf, 0.5]], dtype)
    y = np.array([0, 1])
    values, gradients = loss.values_and_grad(scores, y)
    assert_array_equal(values, np.inf)
    assert_array_equal(loss.values(scores, y), np.inf)
    low = scores.astype(np.float64)
    low[[0, 1], y] = -1e4  # far enough for all slopes to be those of the limit
    limits = loss.values_and_grad(low, y)[1]
    if loss.dual_box == np.inf:  # the slopes grow with the loss
        limits[limits != 0] *= np.inf
    assert_allclose(gradients, limits, atol=1e-6)


@by_loss
@by_dtype
@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_stays_and_other_rows_are_as_without(loss, dtype):
    rng = np.random.default_rng(0)
    scores, y = rng.normal(size=(6, 4)).astype(dtype), np.array([0, 1, 2, 3, 0, 1])
    scores[3, 2] = -np.inf
    values, gradients = loss.values_and_grad(scores, y)
    scores[[1, 4], [3, 0]] = np.nan
    scores[5, 1] = -np.inf
    broken, of_broken = loss.values_and_grad(scores, y)
    assert np.isnan(broken[[1, 4]]).all()
    assert_array_equal(broken[[0, 2, 3]], values[[0, 2, 3]])
    assert_array_equal(of_broken[[0, 2, 3]], gradients[[0, 2, 3]])


def exact_cross_entropy(scores, y):
    """Loss and derivative by the own score, in extended precision, of scores as they are."""
    rows = np.arange(len(y))
    others = np.delete(scores, 0, axis=1).astype(np.longdouble)
    for i in rows:
        others[i] = np.delete(scores[i], y[i])
    above = others - scores[rows, y].astype(np.longdouble)[:, None]
    odds = np.exp(above).sum(axis=1)
    return np.log1p(odds), -odds / (1 + odds)


@pytest.mark.parametrize(("dtype", "lowest"), [(np.float32, 85), (np.float64, 700)])
@pytest.mark.parametrize("k", [2, 3, 10, 100])
def test_cross_entropy_keeps_its_digits(dtype, lowest, k):
    rng = np.random.default_rng(k)
    n = 4000
    scores, y = rng.normal(size=(n, k)), rng.integers(0, k, n)
    # From hopeless to beyond doubt.
    scores[np.arange(n), y] = scores.max(axis=1) + np.linspace(-30, lowest - 10, n)
    scores = scores.astype(dtype)
    values, gradients = CrossEntropy().values_and_grad(scores, y)
    exact, own = exact_cross_entropy(scores, y)
    # The difference of two scores is rounded once, which exp multiplies by its size.
    tolerance = (4 + np.sqrt(k) + np.abs(np.ptp(scores, axis=1))) * np.finfo(dtype).eps
    assert exact.min() < 10.0 ** (-0.4 * (lowest - 15))
    assert (np.abs(values - exact) <= tolerance * exact).all()
    assert (np.abs(gradients[np.arange(n), y] - own) <= tolerance * -own).all()
    assert_allclose(gradients.sum(axis=1, dtype=np.float64), 0, atol=4 * k**0.5 * tolerance.max())


@by_dtype
def test_cross_entropy_of_a_margin_of_17(dtype):
    scores = np.array([[17, 0, 0], [0, 17, 0]], dtype)
    values, gradients = CrossEntropy().values_and_grad(scores, np.array([0, 0]))
    # log(1 + 2 exp(-17)), log(2 + exp(17))
    assert_allclose(values, [8.279874645e-8, 17.00000008279874], rtol=1e-6)
    assert_allclose(gradients[0], [-8.279874e-8, 4.139937e-8, 4.139937e-8], rtol=2e-6)


@by_dtype
@pytest.mark.parametrize("size", [1e3, 1e6, 1e20])
def test_smoothed_crammer_singer_of_large_losses(dtype, size):
    """Three classes within the width of the highest: each has its share of the derivative."""
    scores = np.array([[0, 1, 1, 1, 0.5]]) * size
    _, gradients = CrammerSinger(1e-3).values_and_grad(scores.astype(dtype), np.array([0]))
    assert_allclose(gradients, [[-1, 1 / 3, 1 / 3, 1 / 3, 0]], rtol=1e-6)


@by_loss
@by_dtype
@pytest.mark.parametrize("y", [[0, 3], [10**9, 1], [-(10**9), 2]])
def test_labels_beyond_the_classes_are_refused(loss, dtype, y):
    for function in (loss.values, loss.values_and_grad):
        with pytest.raises(IndexError):
            function(np.zeros((2, 3), dtype), np.array(y))
