"""The estimators against peers and general-purpose solvers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog, minimize
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from visualwords.classifiers import LBFGS, ColumnStack, LinearSVM, Softmax

TIGHT = LBFGS(tol=1e-14, max_iter=5000)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_softmax_is_multinomial_logistic_regression(blobs, n_classes, fit_intercept):
    X, y = blobs(k=n_classes)
    alpha = 0.02
    ours = Softmax(alpha, solver=TIGHT, fit_intercept=fit_intercept).fit(X, y)
    # Two classes: scikit-learn's one row is the difference of our two, whose squared norms add up
    # to half of its own.
    factor = 2 if n_classes == 2 else 1
    peer = LogisticRegression(
        C=factor / (len(y) * alpha), tol=1e-10, max_iter=10000, fit_intercept=fit_intercept
    ).fit(X, y)
    coef, intercept = ours.coef_, ours.intercept_ - ours.intercept_.mean()
    if n_classes == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    assert_allclose(coef, peer.coef_, atol=1e-4)
    assert_allclose(
        intercept, peer.intercept_ - (n_classes > 2) * peer.intercept_.mean(), atol=1e-4
    )
    assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=1e-4)


def test_standardisation_inside_equals_a_standard_scaler_before(blobs):
    X, y = blobs()
    inside = Softmax(0.1, standardize=True, solver=TIGHT).fit(X, y)
    outside = Softmax(0.1, solver=TIGHT).fit(StandardScaler().fit_transform(X), y)
    assert_allclose(
        inside.decision_function(X),
        outside.decision_function(StandardScaler().fit_transform(X)),
        atol=1e-5,
    )


@pytest.mark.parametrize("estimator", [LinearSVM(0.01), Softmax(0.01, standardize=True)])
def test_same_bits_for_any_number_of_threads_and_any_kind_of_matrix(blobs, estimator, tmp_path):
    X, y = blobs(n=5000, d=40, dtype=np.float32)
    np.save(tmp_path / "X.npy", X)
    one = estimator.set_params(n_jobs=1).fit(X, y)
    coef, scores = one.coef_, one.decision_function(X)
    matrices = [
        X,
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        ColumnStack([np.ascontiguousarray(X[:, :13]), X[:, 13:]]),
    ]
    for matrix in matrices:
        two = estimator.set_params(n_jobs=2).fit(matrix, y)
        assert_array_equal(two.coef_, coef)
        assert_array_equal(two.decision_function(matrix), scores)


def test_hinge_reaches_the_optimum_of_a_quadratic_program(blobs):
    """Slack variables xi_ik >= 1 + s_k - s_y, xi >= 0: scipy minimises the same as a smooth QP."""
    X, y = blobs(n=40, d=4, k=3)
    alpha, n, d, k = 0.05, 40, 4, 3
    rows, others = np.nonzero(np.arange(k) != y[:, None])
    m = len(rows)
    constraints = np.zeros((m, k * (d + 1) + m))  # [W b] then slacks
    features = np.column_stack([X, np.ones(n)])
    for j, (i, c) in enumerate(zip(rows, others, strict=True)):
        constraints[j, c * (d + 1) : (c + 1) * (d + 1)] = -features[i]
        constraints[j, y[i] * (d + 1) : (y[i] + 1) * (d + 1)] = features[i]
        constraints[j, k * (d + 1) + j] = 1
    penalised = np.zeros(constraints.shape[1])
    penalised[: k * (d + 1)] = np.tile(np.r_[np.ones(d), 0], k)
    costs = np.r_[np.zeros(k * (d + 1)), np.ones(m) / n]
    start = linprog(
        costs, -constraints, -np.ones(m), bounds=[(-9, 9)] * (k * (d + 1)) + [(0, None)] * m
    )
    quadratic = minimize(
        lambda v: costs @ v + alpha / 2 * (penalised * v * v).sum(),
        start.x,
        jac=lambda v: costs + alpha * penalised * v,
        method="SLSQP",
        bounds=[(None, None)] * (k * (d + 1)) + [(0, None)] * m,
        constraints={
            "type": "ineq",
            "fun": lambda v: constraints @ v - 1,
            "jac": lambda v: constraints,
        },
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    assert quadratic.success
    ours = LinearSVM(alpha, solver=LBFGS(tol=1e-12, max_iter=5000)).fit(X, y)
    assert ours.loss_curve_[-1] == pytest.approx(quadratic.fun, rel=1e-4)
    assert ours.loss_curve_[-1] >= quadratic.fun * (1 - 1e-9)
