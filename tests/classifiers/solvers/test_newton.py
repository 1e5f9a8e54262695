"""``Newton`` and the default of ``Softmax`` where columns repeat and the penalty is tiny."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from visualwords.classifiers import CrossEntropy, LinearSVM, Loss, Newton, Objective, Softmax


class SmoothHinge(Loss):
    """``sum over k of log(1 + exp(1 - t_k s_k))`` with ``t_k = 1`` for the own class, else -1."""

    coupled = False

    def values_and_grad(self, scores, y):
        signs = np.where(np.arange(scores.shape[1]) == y[:, None], -1, 1)
        margins = 1 + signs * scores
        return np.logaddexp(0, margins).sum(axis=1), signs / (1 + np.exp(-margins))


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("alpha", [1e-6, 1e-8])
@pytest.mark.parametrize("columns", ["duplicated", "one-hot", "scaled"])
def test_the_default_softmax_is_as_low_as_scipy(columns, alpha, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 20)), np.r_[np.arange(3), rng.integers(0, 3, 147)]
    X[:, :3] += 2 * np.eye(3)[y]
    if columns == "duplicated":
        X = np.hstack([X, X[:, :10]])
    elif columns == "one-hot":
        X = np.hstack([np.eye(7)[rng.integers(0, 7, 150)] for _ in range(4)])
    else:
        X = X * np.geomspace(1e-3, 1e3, 20)
    model = Softmax(alpha).fit(X.astype(dtype), y)
    objective, W = model.objective(X.astype(dtype).astype(np.float64), y)
    # The optimizer moves weights times the size of their column: it needs fewer steps.
    sizes = np.append(X.std(axis=0), 1)

    def function(flat):
        value, gradient = objective(flat.reshape(W.shape) / sizes)
        return value, (gradient / sizes).ravel()

    best = minimize(function, np.zeros(W.size), jac=True, method="L-BFGS-B").fun
    assert objective.value(W) <= best * (1 + 1e-4)
    assert model.gap_ <= 1e-4 * objective.value(W)


def test_steps_without_intercepts_are_few():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)) * np.geomspace(1e-2, 1e2, 8), np.arange(60) % 3
    model = Softmax(1e-4, fit_intercept=False, solver=Newton(tol=1e-6, max_iter=30)).fit(X, y)
    assert model.gap_ <= 1e-6 * model.loss_curve_[-1]
    assert not model.intercept_.any()


@pytest.mark.parametrize("size", [1e-4, 1e5, 1e8])
@pytest.mark.parametrize("offset", [0, 1e5])
def test_large_columns_far_from_zero_take_few_steps(size, offset):
    """A penalty that follows the columns' size leaves the same problem."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 10)), rng.integers(0, 3, 300)
    X[:, :3] += np.eye(3)[y]
    expected = Softmax(1e-3, solver=Newton()).fit(X, y)
    model = Softmax(1e-3 * size**2, solver=Newton()).fit((X + offset) * size, y)
    np.testing.assert_allclose(model.coef_ * size, expected.coef_, atol=1e-3)
    assert model.gap_ <= 1e-4 * model.loss_curve_[-1]
    assert model.n_iter_ <= 20


def test_many_classes_take_few_rows_at_a_time(monkeypatch):
    X = np.random.default_rng(0).normal(size=(90, 3))
    y = np.arange(90) % 9
    weight = np.random.default_rng(1).uniform(0, 2, 90)
    whole = Softmax(1e-3, solver=Newton(tol=1e-8)).fit(X, y, weight)
    monkeypatch.setattr("visualwords.classifiers.solvers.newton.BLOCK_NUMBERS", 1000)
    blocks = Softmax(1e-3, solver=Newton(tol=1e-8)).fit(X, y, weight)
    peer = LogisticRegression(C=1 / (weight.sum() * 1e-3), tol=1e-10, max_iter=1000)
    peer.fit(X, y, weight)
    assert np.allclose(whole.coef_, blocks.coef_, atol=1e-9)
    assert np.allclose(whole.coef_, peer.coef_, atol=1e-3)


@pytest.mark.parametrize("estimator", [LinearSVM, Softmax])
def test_an_own_smooth_loss_on_columns_of_very_different_scale(estimator):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 12)) * np.geomspace(1e-4, 1e4, 12), np.arange(200) % 3
    model = estimator(1e-7, loss=SmoothHinge()).fit(X, y)
    tol = model._default_solver(model.objective(X, y)[0]).tol
    assert 0 <= model.gap_ <= tol * model.loss_curve_[-1]
    exact = estimator(1e-7, loss=SmoothHinge(), solver=Newton(tol=1e-8)).fit(X, y)
    assert model.loss_curve_[-1] <= exact.loss_curve_[-1] * (1 + tol)


def test_newton_ends_where_rounding_lets_neither_value_nor_gap_fall():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(50, 60)), rng.integers(0, 3, 50)
    model = Softmax(1e-3, solver=Newton(tol=1e-12)).fit(X, y)  # a warning would be an error
    assert model.n_iter_ < 60
    assert model.gap_ < 1e-12 * model.loss_curve_[-1]


def test_newton_says_that_the_gap_is_within_tol_where_it_is():
    for seed in range(30, 36):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 8)) * 10.0 ** rng.uniform(-3, 3, 8)
        objective = Objective(X, np.arange(60) % 3, CrossEntropy(), 1e-4, 3)
        for tol in (1e-9, 1e-14):  # the second one is nearer than float64 can prove
            result = Newton(tol=tol).minimize(objective, np.zeros(objective.shape))
            is_within = result.reason == "the duality gap is within tol"
            assert is_within <= (result.gap <= tol * result.value)
            assert is_within or tol == 1e-14
