"""Penalties beside finite differences and brute force."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from visualwords.classifiers import (
    L2,
    LBFGS,
    CrossEntropy,
    DualAscent,
    Hinge,
    InteriorPoint,
    Objective,
    Penalty,
    PrimalDual,
)

PENALTIES = [L2(0.3), L2(2.0)]
by_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=str)


def weights(seed=0):
    return np.random.default_rng(seed).normal(size=(3, 5))


@by_penalty
def test_the_gradient_is_that_of_the_value_and_leaves_intercepts_alone(penalty):
    W = weights()
    numerical = approx_fprime(W.ravel(), lambda w: penalty.value(w.reshape(3, 5)), 1e-7)
    np.testing.assert_allclose(penalty.gradient(W), numerical.reshape(3, 5), atol=1e-5)
    assert (penalty.gradient(W)[:, -1] == 0).all()


@by_penalty
def test_the_conjugate_is_the_maximum_over_the_weights(penalty):
    V = weights(1)
    V[:, -1] = 0
    found = minimize(lambda w: penalty.value(w.reshape(3, 5)) - V.ravel() @ w, np.zeros(15))
    assert penalty.conjugate(V) == pytest.approx(-found.fun, rel=1e-6)


@by_penalty
def test_the_gap_is_fenchels_and_0_at_the_minimum(penalty):
    W, gradient = weights(2), weights(3)
    assert penalty.gap(W, gradient) == pytest.approx(Penalty.gap(penalty, W, gradient), rel=1e-9)
    assert penalty.gap(W, 0 * gradient) == pytest.approx(0, abs=1e-12)


def test_l2_by_hand():
    W = np.array([[3.0, -4.0, 7.0]])
    assert L2(0.1).value(W) == pytest.approx(1.25)
    assert L2(0.1).conjugate(W) == pytest.approx(125)
    assert L2(0.0).conjugate(W) == np.inf
    assert L2(0.0).conjugate(0 * W) == 0


class ByColumn(Penalty):
    """L2 with a strength for each column."""

    def __init__(self, alphas):
        self.alphas = np.append(alphas, 0.0)

    def value(self, W):
        return float((self.alphas * W**2).sum()) / 2

    def gradient(self, W):
        return self.alphas * W

    def conjugate(self, V):
        return float((V[:, :-1] ** 2 / self.alphas[:-1]).sum()) / 2


def test_another_penalty_is_minimised_like_scaled_columns(blobs):
    X, y = blobs(n=120, d=6, k=3)
    alphas = np.geomspace(0.03, 3, 6)
    objective = Objective(X, y, CrossEntropy(), ByColumn(alphas), 3)
    found = LBFGS(tol=1e-12).minimize(objective, np.zeros(objective.shape))
    scaled = Objective(X / np.sqrt(alphas), y, CrossEntropy(), 1.0, 3)
    expected = PrimalDual(tol=1e-8).minimize(scaled, np.zeros(objective.shape))
    assert found.value == pytest.approx(expected.value, rel=1e-7)


@pytest.mark.parametrize("solver", [PrimalDual(), DualAscent(), InteriorPoint()])
def test_solvers_that_need_an_l2_penalty_refuse_another_one(blobs, solver):
    X, y = blobs(n=30, d=6, k=3)
    objective = Objective(X, y, Hinge(), ByColumn(np.ones(6)), 3)
    with pytest.raises(ValueError, match=f"{solver.name} needs an L2 penalty"):
        solver.minimize(objective, np.zeros(objective.shape))
