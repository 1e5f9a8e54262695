"""The solvers of the dual problem minimise a loss by its dual form, whatever the form is."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_iris

from visualwords.classifiers import (
    CrammerSinger,
    DualAscent,
    Hinge,
    InteriorPoint,
    LinearSVM,
    Loss,
    Objective,
    SquaredHinge,
)

X, Y = load_iris(return_X_y=True)
X = X[::3] - X.mean(axis=0)
Y = Y[::3].copy()  # numba compiles kernels for arrays with gaps, too
by_solver = pytest.mark.parametrize("solver", [DualAscent, InteriorPoint])


class OfForm(Loss):
    """The maximum that defines a loss by its dual form, computed from the best slopes."""

    def __init__(self, dual_box=np.inf, dual_sum=np.inf, dual_curvature=0.5, coupled=True):
        self.dual_box = dual_box
        self.dual_sum = dual_sum
        self.dual_curvature = dual_curvature
        self.coupled = coupled

    def values_and_grad(self, scores, y):
        own = np.arange(len(y)), y
        signs = np.ones_like(scores)
        signs[own] = -1
        margins = 1 + (scores - scores[own][:, None] if self.coupled else signs * scores)
        if self.coupled:
            margins[own] = -1  # so that the slope is 0
        slopes = self._best(margins)
        values = (slopes * margins - self.dual_curvature / 2 * slopes**2).sum(axis=1)
        slopes *= signs
        if self.coupled:
            slopes[own] = -slopes.sum(axis=1)
        return values, slopes

    def _best(self, margins):
        """Lower all margins by the same number until the slopes sum to at most ``dual_sum``."""
        if self.dual_sum == np.inf:
            return np.clip(margins / self.dual_curvature, 0, self.dual_box)
        low, high = np.zeros(len(margins)), np.maximum(margins.max(axis=1), 0)
        for _ in range(60):
            level = (low + high) / 2
            slopes = np.clip((margins - level[:, None]) / self.dual_curvature, 0, self.dual_box)
            too_large = slopes.sum(axis=1) > self.dual_sum
            low, high = np.where(too_large, level, low), np.where(too_large, high, level)
        return np.clip((margins - high[:, None]) / self.dual_curvature, 0, self.dual_box)


FORMS = [
    {"dual_curvature": 0.25},
    {"dual_curvature": 3.0},
    {"dual_box": 1.0},
    {"dual_box": 0.3},
    {"dual_box": 3.0, "dual_curvature": 2.0},
    {"dual_box": 0.3, "coupled": False},
    {"dual_curvature": 0.2, "coupled": False},
    {"dual_sum": 1.0},
    {"dual_sum": 0.4, "dual_box": 0.4, "dual_curvature": 0.2},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_optimum_of_a_loss_by_its_dual_form(form, weighted):
    weight = np.random.default_rng(0).uniform(0, 2, len(Y)) * (Y + 1) if weighted else None
    objective = Objective(X, Y, OfForm(**form), 0.1, 3, sample_weight=weight)

    def value_and_grad(w):
        value, gradient = objective(w.reshape(objective.shape))
        return value, gradient.ravel()

    best = minimize(
        value_and_grad,
        np.zeros(objective.shape).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-10, "maxfun": 10**6},
    ).fun
    for solver in (DualAscent, InteriorPoint):
        result = solver(1e-7, max_iter=1000).minimize(objective, np.zeros(objective.shape))
        assert result.reason == "the duality gap is within tol"
        assert objective.value(result.W) == pytest.approx(best, rel=1e-6)


def test_the_squared_hinge_by_its_form_with_another_curvature():
    """``max(0, m)^2 * 2`` on the whole of iris: a minimum that a general solver computed."""
    whole = load_iris()
    model = LinearSVM(0.1, loss=OfForm(dual_curvature=0.25), solver=InteriorPoint(1e-8))
    model.fit(whole.data, whole.target)
    assert model.loss_curve_[-1] == pytest.approx(0.358545, abs=1e-6)


@by_solver
@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"dual_sum": 1.0, "coupled": False}, "a finite dual_sum needs coupled=True"),
        ({"dual_sum": 1.0, "dual_box": 0.5}, "a finite dual_sum needs coupled=True and a dual_box"),
        ({"dual_curvature": 0.0}, "unlimited slopes needs a dual_curvature above 0"),
    ],
)
def test_dual_forms_that_are_refused(solver, form, message):
    objective = Objective(X, Y, OfForm(**form), 0.1, 3)
    with pytest.raises(ValueError, match=f"{solver.__name__} cannot minimise OfForm.*{message}"):
        solver().minimize(objective, np.zeros(objective.shape))


@by_solver
@pytest.mark.parametrize("loss", [Hinge(), SquaredHinge(), CrammerSinger()], ids=repr)
def test_a_gap_that_float64_proves_above_tol_by_a_hair_does_not_end_the_steps(solver, loss):
    objective = Objective(X, Y, loss, 0.1, 3)
    zeros = np.zeros(objective.shape)
    first = solver(1e-3, max_iter=1000).minimize(objective, zeros)
    # The proven gap is above tol, and the gap without the allowance for rounding is below tol.
    tol = first.gap / first.value - 1e-15
    result = solver(tol, max_iter=1000).minimize(objective, zeros)
    assert result.reason == "the duality gap is within tol"
    assert result.gap <= tol * result.value
    assert result.n_iter > first.n_iter
