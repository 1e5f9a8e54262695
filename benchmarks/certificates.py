"""Gaps of fitted models, checked on random ill-conditioned problems by plain NumPy.

``gap_`` says how far the objective of a model is above its minimum at most. A point with a value
below ``value - gap_`` disproves it. Such a point is searched by solvers in float64 with hardly any
tolerance, and both values are computed here, in long double, from ``coef_`` and ``intercept_``.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from visualwords.classifiers import (
    LBFGS,
    DualAscent,
    InteriorPoint,
    LinearSVM,
    LinearSVMCV,
    Objective,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)

PROBLEMS = 500
# A value below the bound by more than this part of it disproves the gap.
ALLOWED = 1e-9
LOSSES = ("hinge", "squared_hinge", "crammer_singer", "one_vs_rest", "softmax")

Array = npt.NDArray[Any]


def report() -> None:
    """Print the number of disproved gaps and of warnings, and each of them."""
    rows = [check(seed) for seed in range(PROBLEMS)]
    for row in rows:
        if row.excess > ALLOWED or row.warning:
            print(f"{row.name}: excess {row.excess:.1e}, gap {row.gap:.1e} {row.warning}")
    wrong = sum(row.excess > ALLOWED for row in rows)
    warned = sum(bool(row.warning) for row in rows)
    print(f"{len(rows)} problems: {wrong} gaps disproved, {warned} warnings")


@dataclass
class Outcome:
    """What a problem showed: ``excess`` is how far the bound is above a value, over the value."""

    name: str
    excess: float
    gap: float
    warning: str


@dataclass
class Problem:
    """Rows, labels, weights and the estimator to fit."""

    name: str
    X: Array
    y: Array
    weight: Array | None
    model: Any


def check(seed: int) -> Outcome:
    """Fit a problem and try to disprove its gap."""
    problem = ill_conditioned(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = problem.model.fit(problem.X, problem.y, sample_weight=problem.weight)
    value = plain_value(problem, model.coef_, model.intercept_)
    best = min(plain_value(problem, *point) for point in rivals(problem))
    messages = [str(c.message) for c in caught if issubclass(c.category, ConvergenceWarning)]
    return Outcome(
        f"{seed} {problem.name}",
        float((value - model.gap_ - best) / value),
        float(model.gap_ / value),
        " ".join(messages),
    )


def ill_conditioned(seed: int) -> Problem:
    """Make a random problem: columns, classes, weights and penalty of very different scale."""
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.integers(12, 200)), int(rng.integers(1, 40)), int(rng.integers(2, 5))
    y = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    X, names = rng.normal(size=(n, d)) + 0.7 * rng.normal(size=(k, d))[y], []
    kinds = {
        "scales": lambda: X * np.geomspace(1e-3, 1e3, d),
        "offset": lambda: X + 10.0 ** rng.uniform(0, 6),
        "duplicated columns": lambda: np.hstack([X, X[:, : d // 2 + 1]]),
        "duplicated rows": lambda: X[rng.integers(0, n // 2, n)],
        "constant columns": lambda: np.hstack([X, np.full((n, 2), 3.7)]),
        "one-hot": lambda: np.hstack([np.eye(7)[rng.integers(0, 7, n)] for _ in range(4)]),
        "plain": lambda: X,
    }
    for name in rng.choice(list(kinds), 2, replace=False):
        names.append(str(name))
        X = kinds[name]()
        d = X.shape[1]
    if rng.random() < 0.3:
        names.append("one row of a class")
        y = np.where(np.arange(n) == 0, 0, 1 + y % (k - 1))
    weight = 10.0 ** rng.uniform(-9, 0, n) if rng.random() < 0.3 else None
    names += ["weights"] * (weight is not None)
    model = _estimator(rng, y)
    names.append(str(model).replace("\n", ""))
    dtype = rng.choice(["float32", "float64"])
    return Problem(", ".join([*names, str(dtype)]), X.astype(dtype), y, weight, model)


def _estimator(rng: np.random.Generator, y: Array) -> Any:
    """Make an estimator with a random loss, penalty and solver."""
    loss, alpha = str(rng.choice(LOSSES)), float(10.0 ** rng.uniform(-8, 1))
    common: dict[str, Any] = {
        "standardize": bool(rng.random() < 0.5),
        "fit_intercept": bool(rng.random() < 0.8),
    }
    solvers: list[Any] = [None, None, None, PrimalDual(tol=1e-4), LBFGS()]
    if loss != "softmax":
        solvers += [DualAscent(), InteriorPoint()]
        common["loss"] = loss
    kind = rng.random()
    if kind < 0.1 and np.bincount(y).min() >= 2:
        search = SoftmaxCV if loss == "softmax" else LinearSVMCV
        return search([alpha, 10 * alpha], cv=2, **common)
    solver = solvers[rng.integers(len(solvers))]
    return (Softmax if loss == "softmax" else LinearSVM)(alpha, solver=solver, **common)


def plain_value(problem: Problem, coef: Array, intercept: Array) -> np.longdouble:
    """Compute the objective in long double, by its definition."""
    X, y, model = problem.X.astype(np.longdouble), problem.y, problem.model
    alpha = getattr(model, "alpha_", None) or model.alpha
    weight = np.ones(len(y)) if problem.weight is None else problem.weight
    share = weight.astype(np.longdouble) / weight.astype(np.longdouble).sum()
    scores = X @ coef.T.astype(np.longdouble) + intercept.astype(np.longdouble)
    own = scores[np.arange(len(y)), y][:, None]
    others = np.arange(len(coef)) != y[:, None]
    loss = _loss_name(model)
    if loss == "softmax":
        top = scores.max(axis=1, keepdims=True)
        mass = np.where(others, np.exp(scores - own), 0).sum(axis=1)
        far = (top - own)[:, 0] > 100
        full = np.log(np.exp(scores - top).sum(axis=1)) + (top - own)[:, 0]
        losses = np.where(far, full, np.log1p(np.where(far, 0, mass)))
    elif loss == "one_vs_rest":
        losses = np.maximum(0, 1 + np.where(others, scores, -scores)).sum(axis=1)
    else:
        margins = np.maximum(0, np.where(others, 1 + scores - own, 0))
        of = {"hinge": margins, "squared_hinge": margins**2}.get(loss)
        losses = margins.max(axis=1) if of is None else of.sum(axis=1)
    scale = _scale(problem, share) if model.standardize else 1.0
    return (share * losses).sum() + np.longdouble(alpha) / 2 * ((coef * scale) ** 2).sum()


def _loss_name(model: Any) -> str:
    return "softmax" if isinstance(model, Softmax) else str(model.loss)


def _scale(problem: Problem, share: Array) -> Array:
    """Standard deviations of the columns, 1 for constant ones."""
    X = problem.X.astype(np.longdouble)
    centred = X - share @ X
    deviation = np.sqrt(share @ centred**2)
    return np.where(np.ptp(X[share > 0], axis=0) > 0, deviation, 1.0)


def rivals(problem: Problem) -> list[tuple[Array, Array]]:
    """Give weights that may be better: those of the model, and of a solver in float64."""
    model, exact = problem.model, problem.X.astype(np.float64)
    points = [(model.coef_, model.intercept_)]
    objective, W = model.objective(exact, problem.y, sample_weight=problem.weight)
    if _loss_name(model) == "softmax":
        best = _by_scipy(objective, W)
    else:
        best = InteriorPoint(tol=1e-13).minimize(objective, np.zeros(W.shape)).W
    raw = best if objective.scaling is None else objective.scaling.raw(best)
    return [*points, (raw[:, :-1], raw[:, -1])]


def _by_scipy(objective: Objective, W: Array) -> Array:
    """Minimise by scipy's L-BFGS, from W."""

    def function(flat: Array) -> tuple[float, Array]:
        value, gradient = objective(flat.reshape(W.shape))
        return value, gradient.ravel()

    options = {"maxiter": 1000, "ftol": 1e-16, "gtol": 1e-14, "maxcor": 20}
    found = minimize(function, W.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x).reshape(W.shape)
