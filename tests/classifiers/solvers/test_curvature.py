"""Models of the Hessian against dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax

from visualwords.classifiers import CrossEntropy, Hinge, Loss, Objective
from visualwords.classifiers.scaling import column_scaling, scalings_outside
from visualwords.classifiers.solvers.curvature import Curvature, Spectrum, mean_score_hessian
from visualwords.classifiers.solvers.moments import Moments


def test_the_inverse_of_the_model_is_that_of_the_dense_matrix():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(3, 2, size=(50, 4)), np.ones(50)])
    gram, n_classes = X.T @ X / 50, 3
    moments = Moments(X[:, :-1].mean(axis=0), np.cov(X[:, :-1].T, bias=True))
    factors = rng.normal(size=(2, n_classes, n_classes))
    by_scores, alphas = factors @ factors.transpose(0, 2, 1), np.array([0.01, 5.0])
    gradients = rng.normal(size=(2, n_classes, 5))
    found = Spectrum(moments).inverse(gradients, alphas, by_scores)
    for gradient, alpha, S, of_model in zip(gradients, alphas, by_scores, found, strict=True):
        dense = np.kron(S, gram) + alpha * np.diag(np.tile([1, 1, 1, 1, 0], n_classes))
        expected = np.linalg.solve(dense, gradient.ravel()).reshape(n_classes, 5)
        assert_allclose(of_model, expected, rtol=1e-7)


@pytest.mark.parametrize("n", [20, 200])  # fewer rows than columns, and more
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_model_of_one_hessian_for_all_classes_is_the_dense_matrix(n, fit_intercept):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 6)) @ rng.normal(size=(6, 50)) + 3, rng.integers(0, 3, n)
    weight = rng.uniform(size=n)
    objective = Objective(
        X, y, CrossEntropy(), 0.01, 3, sample_weight=weight, fit_intercept=fit_intercept
    )
    model = Curvature.of(objective, 0, np.zeros(objective.shape))
    rows = np.column_stack([X, np.ones(n)])
    mean_product = (weight[:, None] * rows).T @ rows / weight.sum()
    gradient = rng.normal(size=objective.shape)
    if not fit_intercept:
        mean_product[-1, :-1] = mean_product[:-1, -1] = 0
        gradient[:, -1] = 0
    penalty = 0.01 * np.diag([1.0] * 50 + [0.0])
    # The curvature along a step is measured: here it is 0.7 of the mean product.
    step = rng.normal(size=objective.shape)
    step[:, -1] *= fit_intercept
    model.measure([(step, step @ (0.7 * mean_product + penalty))])
    expected = np.linalg.solve(0.7 * mean_product + penalty, gradient.T).T
    assert_allclose(model.inverse(gradient), expected, rtol=1e-6, atol=1e-9)


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
