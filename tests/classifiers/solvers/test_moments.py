"""Moments of columns against NumPy's."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.special import softmax

from visualwords.classifiers import CrossEntropy, Objective
from visualwords.classifiers.scaling import column_scaling
from visualwords.classifiers.solvers.moments import column_moments, row_moments


def test_moments_of_all_rows_are_weighted(blobs):
    X, y = blobs(n=200, d=5)
    weight = np.random.default_rng(2).uniform(size=200)
    objective = Objective(X, y, CrossEntropy(), 0.1, 4, sample_weight=weight)
    moments = column_moments(objective, 0, 200)
    assert_allclose(moments.mean, np.average(X, axis=0, weights=weight), rtol=1e-9)
    assert_allclose(moments.covariance, np.cov(X.T, aweights=weight, bias=True), rtol=1e-9)
    assert not np.allclose(column_moments(objective, 0, 20).covariance, moments.covariance, 1e-2)


def covariance_seen(X):
    objective = Objective(X, np.arange(len(X)) % 2, CrossEntropy(), 0.1, 2)
    return column_moments(objective, 0).covariance


def test_rows_count_as_much_as_the_softmax_is_curved_there(blobs):
    X, y = blobs(n=200, d=5)
    weight = np.random.default_rng(1).uniform(0.1, 2, 200)
    objective = Objective(X, y, CrossEntropy(), 0.1, 4, sample_weight=weight)
    W = np.random.default_rng(2).normal(scale=0.3, size=objective.shape)
    p = softmax(X @ W[:, :-1].T + W[:, -1], axis=1)
    curved = weight * (1 - (p**2).sum(axis=1))
    expected = np.cov(X.T, aweights=curved, bias=True)
    assert_allclose(column_moments(objective, 0, 200, W).covariance, expected, rtol=1e-5)


class Counted(CrossEntropy):
    """Counts its calls."""

    calls = 0

    def values_and_grad(self, scores, y):
        self.calls += 1
        return super().values_and_grad(scores, y)


def test_the_curvature_of_rows_takes_few_calls_of_the_loss_with_many_classes():
    rng, loss = np.random.default_rng(3), Counted()
    X = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) * rng.choice([0.1, 2], (300, 1))
    objective = Objective(X, np.arange(300) % 100, loss, 0.1, 100)
    W = rng.normal(size=objective.shape)
    p = softmax(X @ W[:, :-1].T + W[:, -1], axis=1)
    expected = np.cov(X.T, aweights=1 - (p**2).sum(axis=1), bias=True)
    seen = column_moments(objective, 0, 300, W).covariance
    assert_allclose(seen, expected, atol=0.05 * expected.max())
    assert np.abs(np.cov(X.T, bias=True) - expected).max() > 0.2 * expected.max()
    assert loss.calls < 20


def test_correlations_that_are_noise_are_left_out():
    rng = np.random.default_rng(4)
    X = rng.normal(3, np.arange(1, 41), size=(20000, 40))
    seen = covariance_seen(X)
    assert_allclose(seen, np.diag(seen.diagonal()), atol=1e-9)
    assert_allclose(seen.diagonal(), np.arange(1, 41) ** 2, rtol=0.2)
    # A chain: the squared correlations of a column add up to 2 / 3.
    chain = 0.5 ** np.abs(np.arange(40)[:, None] - np.arange(40))
    seen = covariance_seen(X / np.arange(1, 41) @ np.linalg.cholesky(chain).T)
    assert_allclose(seen, chain, atol=0.15)


def test_a_standardised_column_of_which_the_rows_show_nothing_keeps_a_variance():
    X = np.random.default_rng(5).normal(size=(20000, 6))
    X[:, 4] = np.arange(20000) == 17
    objective = Objective(
        X, np.arange(20000) % 2, CrossEntropy(), 0.1, 2, scaling=column_scaling(X, None, 1)
    )
    variances = column_moments(objective, 0).covariance.diagonal()
    assert_allclose(np.delete(variances, 4), 1, atol=0.2)
    assert 0.4 < variances[4] < 0.6


def test_the_moments_of_few_rows_are_those_of_the_columns():
    rng = np.random.default_rng(6)
    X, weight = rng.normal(3, 2, size=(12, 30)), rng.uniform(size=12)
    objective = Objective(X, np.arange(12) % 2, CrossEntropy(), 0.1, 2, sample_weight=weight)
    W = np.zeros(objective.shape)
    mean, factor = row_moments(objective, W)
    assert_allclose(mean, np.average(X, axis=0, weights=weight), rtol=1e-9)
    assert_allclose(
        factor.T @ factor, np.cov(X.T, aweights=weight, bias=True), rtol=1e-9, atol=1e-12
    )
    assert row_moments(objective.replaced(X=X[:, :20]), W[:, :21]) is None
    assert row_moments(objective.replaced(alpha=0.0), W) is None
