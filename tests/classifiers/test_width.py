"""A hinge whose kinks the user rounds is trained as it is given."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_iris

from visualwords.classifiers import (
    LBFGS,
    CrammerSinger,
    Hinge,
    LinearSVM,
    LinearSVMCV,
    OneVsRestHinge,
    PrimalDual,
)

X, Y = load_iris(return_X_y=True)
X, Y, ALPHA, WIDTH = X[::3], Y[::3], 0.1, 0.5
LOSSES = [Hinge(WIDTH), OneVsRestHinge(WIDTH), CrammerSinger(WIDTH)]
by_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def rounded_hinge(m):
    """``max over 0 <= a <= 1 of (a m + w/2 a (1 - a))``, worked out by hand."""
    return np.where(np.abs(m) < WIDTH / 2, (m + WIDTH / 2) ** 2 / (2 * WIDTH), np.maximum(m, 0))


def rounded_maximum(m):
    """``max over the simplex of (a . m + w/2 (1 - ||a||^2))``: from the best set of largest m."""
    m = -np.sort(-m, axis=1)
    best = np.full(len(m), -np.inf)
    for size in range(1, m.shape[1] + 1):
        part = m[:, :size]
        a = 1 / size + (part - part.mean(axis=1, keepdims=True)) / WIDTH
        value = (a * part).sum(axis=1) + WIDTH / 2 * (1 - (a**2).sum(axis=1))
        best = np.maximum(best, np.where((a >= 0).all(axis=1), value, -np.inf))
    return best


def mean_loss(loss, scores):
    own = np.eye(3, dtype=bool)[Y]
    margins = 1 + scores - scores[own][:, None]
    if isinstance(loss, OneVsRestHinge):
        return rounded_hinge(1 - np.where(own, scores, -scores)).sum() / len(Y)
    if isinstance(loss, Hinge):
        return rounded_hinge(margins[~own]).sum() / len(Y)
    return rounded_maximum(np.where(own, 0, margins)).mean()


@pytest.fixture(scope="module")
def minima():
    """Give the minimum for each loss by scipy, from the formulas above."""

    def value(w, loss):
        W = w.reshape(3, -1)
        return mean_loss(loss, X @ W[:, :-1].T + W[:, -1]) + ALPHA / 2 * (W[:, :-1] ** 2).sum()

    options = {"ftol": 1e-15, "maxfun": 10**6, "maxiter": 10**5}
    return {
        loss: minimize(value, np.zeros(15), (loss,), "L-BFGS-B", options=options).fun
        for loss in LOSSES
    }


@by_loss
@pytest.mark.parametrize("solver", [None, PrimalDual(1e-6), LBFGS()], ids=str)
def test_a_loss_with_a_width_is_minimised_as_it_is(minima, loss, solver):
    model = LinearSVM(ALPHA, loss=loss, solver=solver).fit(X, Y)
    objective, W = model.objective(X, Y)
    scores = model.decision_function(X)
    value = mean_loss(loss, scores) + ALPHA / 2 * (model.coef_**2).sum()
    assert model.loss_curve_[-1] == pytest.approx(value, rel=1e-6)
    assert objective.value(W) == pytest.approx(value, rel=1e-6)
    assert value - model.gap_ - 1e-6 <= minima[loss] <= value + 1e-6
    assert value <= minima[loss] * (1 + 1e-3)


@by_loss
def test_the_model_of_a_search_has_the_width(minima, loss):
    search = LinearSVMCV([ALPHA], loss=loss, cv=3).fit(X, Y)
    assert search.loss_curve_[-1] == pytest.approx(minima[loss], rel=1e-3)


@by_loss
def test_a_solver_does_not_change_the_width(loss):
    scores = np.random.default_rng(0).normal(size=(len(Y), 3))
    for width in (0.0, 0.1, 2.0):
        values = loss.smoothed(width).values(scores, Y)
        assert values.mean() == pytest.approx(mean_loss(loss, scores), rel=1e-12)
