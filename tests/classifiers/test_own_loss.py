"""A loss defined outside of the package trains like the package's own losses."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone

from visualwords.classifiers import LinearSVM, LinearSVMCV, Loss, Softmax


class HuberisedHinge(Loss):
    """``sum over k != y of h(1 + s_k - s_y)`` with ``h(m) = m^2 / 2`` or ``m - 1/2``."""

    def values_and_grad(self, scores, y):
        rows = np.arange(len(y))
        margins = np.maximum(1 + scores - scores[rows, y][:, None], 0)
        margins[rows, y] = 0
        slopes = np.minimum(margins, 1)
        values = (slopes * (margins - slopes / 2)).sum(axis=1)
        slopes[rows, y] = -slopes.sum(axis=1)
        return values, slopes


def minimum_by_scipy(X, y, alpha, n_classes):
    """Minimise example by example: plain loops, and scipy's L-BFGS-B with its own differences."""
    others = np.arange(n_classes) != y[:, None]

    def value(w):
        W = w.reshape(n_classes, -1)
        scores = X @ W[:, :-1].T + W[:, -1]
        m = (1 + scores - scores[np.arange(len(y)), y][:, None])[others]
        huber = np.where(m <= 0, 0, np.where(m <= 1, m**2 / 2, m - 0.5))
        return huber.sum() / len(y) + alpha / 2 * (W[:, :-1] ** 2).sum()

    zeros = np.zeros(n_classes * (X.shape[1] + 1))
    return minimize(value, zeros, method="L-BFGS-B", options={"ftol": 1e-14, "maxfun": 10**6}).fun


@pytest.mark.parametrize("estimator", [LinearSVM, Softmax])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_it_trains_to_the_optimum_with_the_default_solver(blobs, estimator, alpha):
    X, y = blobs(n=150, d=4, k=3)
    model = estimator(alpha, loss=HuberisedHinge()).fit(X, y)
    objective, W = model.objective(X, y)
    minimum = minimum_by_scipy(X, y, alpha, 3)
    assert minimum * (1 - 1e-6) <= objective.value(W) <= minimum * (1 + 1e-3)
    assert objective.value(W) - model.gap_ <= minimum * (1 + 1e-6)
    assert 0 <= model.gap_ <= 1e-3 * minimum


def test_it_is_a_parameter_like_others(blobs):
    X, y = blobs(n=150, d=4, k=3)
    model = LinearSVM(loss=HuberisedHinge())
    assert repr(model) == "LinearSVM(loss=HuberisedHinge())"
    assert clone(model).fit(X, y).score(X, y) > 0.5
    assert LinearSVMCV([0.01, 1.0], loss=HuberisedHinge(), cv=3).fit(X, y).score(X, y) > 0.5


@pytest.mark.parametrize("loss", ["no such loss", HuberisedHinge, None, ["hinge"]])
@pytest.mark.parametrize("estimator", [LinearSVM, Softmax])
def test_what_is_no_loss_is_refused(blobs, estimator, loss):
    X, y = blobs(n=30, d=4, k=3)
    with pytest.raises(ValueError, match=r"loss must be one of .* or an instance of Loss, got"):
        estimator(loss=loss).fit(X, y)
