"""Steps in a plane against minima found by scipy, by the formulas in float64."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from visualwords.classifiers import (
    ColumnStack,
    CrossEntropy,
    Objective,
    PrimalDual,
    Softmax,
    SquaredHinge,
)
from visualwords.classifiers.scaling import column_scaling
from visualwords.classifiers.solvers.base import State
from visualwords.classifiers.solvers.plane_search import plane_rows, search_plane

ALPHA = 0.02


@cache
def problem(n=40000, d=60):
    """Rows about centres; columns of different mean, scale and correlation."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    mix = np.eye(d) + 0.1 * rng.normal(size=(d, d))
    X = (rng.normal(size=(n, d)) + rng.normal(0, 0.3, size=(3, d))[y]) @ mix + 2
    X.flags.writeable = y.flags.writeable = False
    return X, y


def value_and_gradient(W, Z, y):
    """Mean cross-entropy plus penalty, written down."""
    scores = Z @ W[:, :-1].T + W[:, -1]
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]
    slopes = (softmax(scores, axis=1) - np.eye(len(W))[y]) / len(y)
    gradient = np.column_stack([slopes.T @ Z + ALPHA * W[:, :-1], slopes.sum(axis=0)])
    return losses.mean() + ALPHA / 2 * (W[:, :-1] ** 2).sum(), gradient


@pytest.mark.parametrize("standardize", [False, True])
def test_the_step_ends_at_the_minimum_in_the_plane(standardize):
    X, y = problem(n=8000)
    scaling = column_scaling(X, None, 1) if standardize else None
    Z = (X - X.mean(axis=0)) / X.std(axis=0) if standardize else X
    objective = Objective(X, y, CrossEntropy(), ALPHA, 3, scaling=scaling)
    rng = np.random.default_rng(1)
    W = 0.1 * rng.normal(size=objective.shape)
    value, gradient = value_and_gradient(W, Z, y)
    direction = -gradient / 10
    rows = objective.subset(np.arange(0, 8000, 2))
    found, promise = search_plane(rows, State(W, value, gradient), direction)

    tilt = gradient - value_and_gradient(W, Z[::2], y[::2])[1]
    span = np.concatenate([W, direction])[:, :-1]

    def in_plane(a):
        a = a.reshape(3, -1)
        moved = np.column_stack([W[:, :-1] + a[:, :-1] @ span, W[:, -1] + a[:, -1]])
        height, slope = value_and_gradient(moved, Z[::2], y[::2])
        slope = slope + tilt
        slope = np.column_stack([slope[:, :-1] @ span.T, slope[:, -1]])
        return height + (tilt * moved).sum(), slope.ravel()

    start = in_plane(np.zeros(21))[0]
    least = minimize(in_plane, np.zeros(21), jac=True, options={"gtol": 1e-8}).fun
    assert_allclose(promise, start - least, rtol=0.01)
    reached = value_and_gradient(found, Z[::2], y[::2])[0] + (tilt * found).sum()
    assert_allclose(start - reached, promise, rtol=1e-6)
    outside = (found - W)[:, :-1]
    outside = outside - outside @ np.linalg.pinv(span) @ span
    assert_allclose(outside, 0, atol=1e-10)


def test_rows_are_drawn_only_where_a_search_costs_less_than_a_pass():
    for n, d in ((8000, 60), (40000, 5)):  # few rows; few columns beside those of the plane
        X, y = problem(n, d)
        assert plane_rows(Objective(X, y, CrossEntropy(), ALPHA, 3), 0) is None
    X, y = problem()
    rows = plane_rows(Objective(X, y, CrossEntropy(), ALPHA, 3), 0)
    assert rows is not None
    assert rows.n_samples < 0.1 * len(y)


@cache
def minimum():
    """Return the minimum for standardised columns of the problem."""
    X, y = problem()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    shape = 3, X.shape[1] + 1

    def flat(w):
        value, gradient = value_and_gradient(w.reshape(shape), Z, y)
        return value, gradient.ravel()

    return minimize(flat, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B", tol=1e-9).fun


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_passes_lead_to_the_optimum_of_many_rows(dtype):
    X, y = problem()
    X = X.astype(dtype)
    scaling = column_scaling(X, None, 1)
    objective = Objective(X, y, CrossEntropy(), ALPHA, 3, scaling=scaling)
    result = PrimalDual(tol=1e-4).minimize(objective, np.zeros(objective.shape))
    assert result.n_iter <= 4  # 7 by line searches
    assert_allclose(result.value, minimum(), rtol=1e-4)
    assert result.value - result.gap <= minimum() * (1 + 1e-6)


def test_bits_are_the_same_at_any_number_of_threads_and_for_parts_side_by_side():
    X, y = problem()
    X = X.astype(np.float32)
    parts = ColumnStack([X[:, :20], np.ascontiguousarray(X[:, 20:])])
    one, two, stacked = (
        Softmax(ALPHA, standardize=True, n_jobs=n_jobs).fit(source, y)
        for n_jobs, source in ((1, X), (2, X), (2, parts))
    )
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(one.coef_, stacked.coef_)


@pytest.mark.parametrize("loss", [CrossEntropy(), SquaredHinge()])
def test_rows_that_tell_little_of_all_are_given_up(loss):
    # A hundred rows, of which a sample has few, have almost all of the loss.
    X, y = (array.copy() for array in problem(n=20000, d=40))
    X[:100] *= 50
    y[:100] = np.arange(100) % 3
    objective = Objective(X, y, loss, ALPHA, 3)
    result = PrimalDual(tol=1e-3).minimize(objective, np.zeros(objective.shape))
    assert result.gap <= 1e-3 * result.value
    tight = PrimalDual(tol=1e-4).minimize(objective, np.zeros(objective.shape))
    assert result.value - result.gap <= tight.value <= result.value * (1 + 1e-6)
