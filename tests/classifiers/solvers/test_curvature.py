"""Models of the Hessian against dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax

from visualwords.classifiers import CrossEntropy, Hinge, Loss, Objective
from visualwords.classifiers.scaling import column_scaling, scalings_outside
from visualwords.classifiers.solvers.curvature import Spectrum, column_gram, mean_score_hessian


def test_the_inverse_of_the_model_is_that_of_the_dense_matrix():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(3, 2, size=(50, 4)), np.ones(50)])
    gram, n_classes = X.T @ X / 50, 3
    factors = rng.normal(size=(2, n_classes, n_classes))
    by_scores, alphas = factors @ factors.transpose(0, 2, 1), np.array([0.01, 5.0])
    gradients = rng.normal(size=(2, n_classes, 5))
    found = Spectrum(gram).inverse(gradients, alphas, by_scores)
    for gradient, alpha, S, of_model in zip(gradients, alphas, by_scores, found, strict=True):
        dense = np.kron(S, gram) + alpha * np.diag(np.tile([1, 1, 1, 1, 0], n_classes))
        expected = np.linalg.solve(dense, gradient.ravel()).reshape(n_classes, 5)
        assert_allclose(of_model, expected, rtol=1e-7)


def test_the_inverse_without_columns_products():
    gradients = np.array([[[2.0, 4.0, 8.0], [1.0, 0.0, -1.0]]])
    found = Spectrum(None).inverse(gradients, np.array([3.0]), np.diag([1.0, 4.0])[None])
    assert_allclose(found, [[[0.5, 1.0, 8.0], [1 / 7, 0.0, -0.25]]])


class Rewritten(CrossEntropy):
    """A loss without a formula for the second derivatives."""

    score_hessian = Loss.score_hessian


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_hessian_by_scores_is_that_of_the_softmax(dtype):
    rng = np.random.default_rng(1)
    scores, y = 2 * rng.normal(size=(300, 4)), rng.integers(0, 4, 300)
    weight = rng.uniform(size=300)
    p = softmax(scores, axis=1)
    exact = np.diag(weight @ p) - (weight[:, None] * p).T @ p
    found = mean_score_hessian(CrossEntropy(), scores.astype(dtype), y, weight, 0.1)
    assert_allclose(found, exact / weight.sum(), atol=1e-6)
    found = mean_score_hessian(Rewritten(), scores.astype(dtype), y, weight, 0.1)
    assert_allclose(found, exact / weight.sum(), atol=1e-3)


def test_a_hinge_bends_where_margins_are_near_its_kink_alone():
    # Own class first: margins 1 + s_k - s_y of 0 (at the kink), 1 and -1.
    scores = np.array([[1.0, 0.0, 1.0, -1.0]])
    found = mean_score_hessian(Hinge(0.2), scores, np.array([0]), None, 0.05)
    assert_allclose(found, [[5, -5, 0, 0], [-5, 5, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], atol=1e-9)


def test_column_gram_of_all_rows_is_the_weighted_mean_product(blobs):
    X, y = blobs(n=200, d=5)
    weight = np.random.default_rng(2).uniform(size=200)
    objective = Objective(X, y, CrossEntropy(), 0.1, 4, sample_weight=weight)
    whole = np.column_stack([X, np.ones(200)])
    exact = (weight[:, None] * whole).T @ whole / weight.sum()
    assert_allclose(column_gram(objective, 0, 200), exact, rtol=1e-9)
    assert not np.allclose(column_gram(objective, 0, 20), exact, rtol=1e-2)


def covariance_seen(X):
    objective = Objective(X, np.arange(len(X)) % 2, CrossEntropy(), 0.1, 2)
    gram = column_gram(objective, 0)
    mean = gram[-1, :-1]
    return gram[:-1, :-1] - np.outer(mean, mean)


def test_rows_count_as_much_as_the_softmax_is_curved_there(blobs):
    X, y = blobs(n=200, d=5)
    weight = np.random.default_rng(1).uniform(0.1, 2, 200)
    objective = Objective(X, y, CrossEntropy(), 0.1, 4, sample_weight=weight)
    W = np.random.default_rng(2).normal(scale=0.3, size=objective.shape)
    p = softmax(X @ W[:, :-1].T + W[:, -1], axis=1)
    curved = weight * (1 - (p**2).sum(axis=1))
    rows = np.column_stack([X, np.ones(200)])
    expected = rows.T @ (curved[:, None] * rows) / curved.sum()
    assert_allclose(column_gram(objective, 0, 200, W), expected, rtol=1e-5, atol=1e-6)


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
    variances = column_gram(objective, 0).diagonal()[:-1]
    assert_allclose(np.delete(variances, 4), 1, atol=0.2)
    assert 0.4 < variances[4] < 0.6


def test_scalings_outside_groups_are_those_of_the_other_rows(blobs):
    X, _ = blobs(n=300, d=5)
    X[:, 2] = 7
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 3, 300) == np.arange(3)[:, None]
    weights = rng.uniform(size=300) * groups
    for weight, scaling in zip(weights, scalings_outside(X, weights, n_jobs=2), strict=True):
        outside = weights.sum(axis=0) - weight
        mean = np.average(X, axis=0, weights=outside)
        deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=outside))
        deviation[2] = 1
        assert_allclose(scaling.mean, mean)
        assert_allclose(scaling.scale, deviation)
        alone = column_scaling(X, outside, n_jobs=1)
        assert_allclose(scaling.scale, alone.scale)
