"""Numerical gradients: to check analytic gradients, and gradient descent by them.

With a step ``h`` along the coordinate ``e``:

    forward    (f(W + h e) - f(W)) / h             error of order h
    centered   (f(W + h e) - f(W - h e)) / 2h      error of order h^2

Cancellation adds an error of order ``eps * |f| / h`` to both. The total error is smallest for a
step near ``eps ** (1/2)`` (forward) or ``eps ** (1/3)`` (centered) times the size of the weights.

References
----------
CS231n, Optimization, "Computing the gradient numerically with finite differences", and Neural
Networks Part 3, "Gradient checks". J. Nocedal and S. Wright, Numerical Optimization, 2006, 8.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from .objective import Objective, Weights
from .solvers.base import State
from .solvers.descent import GradientDescent

__all__ = ["GradientCheck", "NumericalGradientDescent", "check_gradient", "numerical_gradient"]

Formula = Literal["centered", "forward"]
FORMULAS: tuple[Formula, ...] = ("centered", "forward")

Vector = npt.NDArray[np.float64]


def numerical_gradient(
    f: Callable[[Weights], float],
    W: Weights,
    *,
    step: float = 1e-5,
    formula: Formula = "centered",
    indices: npt.NDArray[np.intp] | None = None,
) -> Weights:
    """Approximate the gradient of any function of an array by finite differences.

    Parameters
    ----------
    f : callable
        Returns a number for an array of the shape of ``W``.
    W : ndarray
        Where the gradient is taken. Not changed.
    step : float > 0
        Change of one coordinate at a time.
    formula : {"centered", "forward"}
        Two values of ``f`` per coordinate, or one per coordinate and one more in all.
    indices : ndarray of shape (m,), integers, optional
        Coordinates of the flattened ``W``; all by default.

    Returns
    -------
    ndarray of the shape of W, or of shape (m,) for given indices; float64

    Raises
    ------
    ValueError
        If the step is not positive or the formula is unknown.

    Examples
    --------
    >>> numerical_gradient(lambda w: float((w**2).sum()), np.array([1.0, -3.0])).round(6)
    array([ 2., -6.])
    """
    if not step > 0:
        raise ValueError(f"step must be greater than 0, got {step!r}")
    if formula not in FORMULAS:
        raise ValueError(f"formula must be one of {FORMULAS}, got {formula!r}")
    moved = np.array(W, dtype=np.float64, order="C")
    coordinates = moved.reshape(-1)
    base = f(moved) if formula == "forward" else 0.0

    def difference(index: int) -> float:
        before = coordinates[index]
        coordinates[index] = before + step
        after, value = coordinates[index], f(moved)
        if formula == "forward":
            change, distance = value - base, after - before
        else:
            coordinates[index] = before - step
            change, distance = value - f(moved), after - coordinates[index]
        coordinates[index] = before
        return float(change / distance)

    if indices is None:
        return np.array([difference(i) for i in range(moved.size)]).reshape(moved.shape)
    return np.array([difference(int(i)) for i in indices])


@dataclass(frozen=True)
class GradientCheck:
    """Analytic and numerical derivatives side by side.

    Attributes
    ----------
    indices : ndarray of shape (m,), integers
        Coordinates of the flattened weights.
    analytic, centered, forward : ndarray of shape (m,)
        Derivatives.
    kinks : ndarray of shape (m,), integers
        Number of examples whose loss has a kink within the step. The derivative jumps there, so a
        difference cannot check the analytic derivative.
    """

    indices: npt.NDArray[np.intp]
    analytic: Vector
    centered: Vector
    forward: Vector
    kinks: npt.NDArray[np.intp]

    def errors(self, formula: Formula = "centered") -> Vector:
        """Compute the relative error ``|a - n| / max(|a|, |n|)`` of each coordinate without kinks.

        Rounding changes every coordinate by about the same amount. So the denominator is at least
        a thousandth of the largest derivative.
        """
        numerical = self.centered if formula == "centered" else self.forward
        least = 1e-3 * np.abs(self.analytic).max(initial=0)
        larger = np.maximum(np.maximum(np.abs(self.analytic), np.abs(numerical)), least)
        difference = np.abs(self.analytic - numerical)
        return (difference / np.where(larger > 0, larger, 1))[self.kinks == 0]

    def __str__(self) -> str:
        line = f"{len(self.indices)} coordinates, {np.count_nonzero(self.kinks)} with kinks"
        for formula in FORMULAS:
            worst = self.errors(formula).max(initial=0)
            line += f"; {formula}: relative error at most {worst:.1e}"
        return line


def check_gradient(
    objective: Objective,
    W: Weights,
    *,
    step: float = 1e-5,
    n_coordinates: int = 100,
    random_state: Any = 0,
) -> GradientCheck:
    """Compare the analytic gradient of an objective with both numerical gradients.

    With float32 rows the values of the objective have 7 digits, and their differences few. So the
    check should use float64 rows, for example ``objective.subset`` of an objective over float64.

    Parameters
    ----------
    objective : Objective
    W : ndarray of shape (n_classes, n_features + 1)
    step : float > 0
    n_coordinates : int
        Number of coordinates to compare, drawn without repetition; all if there are fewer.
    random_state : int, RandomState or None
        Seed for the draw of the coordinates.

    Returns
    -------
    GradientCheck

    Examples
    --------
    >>> from visualwords.classifiers import Hinge
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> objective = Objective(X, np.arange(30) % 3, Hinge(), alpha=0.1, n_classes=3)
    >>> check = check_gradient(objective, np.ones(objective.shape))
    >>> bool(check.errors().max() < 1e-6)
    True
    """
    width = objective.shape[1] if objective.fit_intercept else objective.shape[1] - 1
    free = np.arange(W.size).reshape(W.shape)[:, :width].ravel()
    count = min(n_coordinates, len(free))
    indices = np.sort(check_random_state(random_state).choice(free, count, replace=False))
    with objective:
        analytic = objective(W)[1].ravel()[indices]
        centered = numerical_gradient(objective.value, W, step=step, indices=indices)
        forward = numerical_gradient(
            objective.value, W, step=step, formula="forward", indices=indices
        )
        kinks = _kinks(objective, W, indices, step)
    return GradientCheck(indices, analytic, centered, forward, kinks)


def _kinks(
    objective: Objective, W: Weights, indices: npt.NDArray[np.intp], step: float
) -> npt.NDArray[np.intp]:
    """Count the examples whose loss has a kink between ``-step`` and ``+step``.

    A convex piecewise linear function has no kink inside an interval if and only if it has the same
    slope at both ends. Other losses have no kinks.
    """
    loss = objective.loss
    if not loss.piecewise_linear:
        return np.zeros(len(indices), np.intp)
    classes, columns = np.unravel_index(indices, W.shape)
    units = np.zeros((len(indices), W.shape[1]))
    units[np.arange(len(indices)), columns] = step
    scores, steps = objective.scores(W), objective.scores(units)

    def slopes(k: int, change: npt.NDArray[Any]) -> npt.NDArray[Any]:
        moved = scores.copy()
        moved[:, k] += change
        return loss.values_and_grad(moved, objective.y)[1][:, k]

    pairs = zip(classes.tolist(), steps.T, strict=True)
    return np.array(
        [np.count_nonzero((slopes(k, -by) != slopes(k, by)) & (by != 0)) for k, by in pairs],
        dtype=np.intp,
    )


class NumericalGradientDescent(GradientDescent):
    """Gradient descent by a numerical gradient, for teaching and comparison.

    A step costs ``2 * n_classes * (n_features + 1)`` values of the objective, or half as many with
    the forward formula. An analytic gradient costs about one value.

    Parameters
    ----------
    learning_rate : float > 0
    max_iter : int
    tol : float
        Stop when the gradient's largest entry is at most ``tol``.
    difference : float > 0
        Step of the finite differences.
    formula : {"centered", "forward"}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> X, y = load_iris(return_X_y=True)
    >>> solver = NumericalGradientDescent(0.5, tol=0.05)
    >>> Softmax(solver=solver, standardize=True).fit(X, y).score(X, y) > 0.8
    True
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        max_iter: int = 1000,
        tol: float = 1e-5,
        *,
        difference: float = 1e-5,
        formula: Formula = "centered",
    ) -> None:
        super().__init__(learning_rate, max_iter, tol)
        self.difference = difference
        self.formula = formula

    def start(self, objective: Objective, W: Weights) -> State:
        """Compute the objective and its numerical gradient at ``W``; see :class:`Solver`."""
        gradient = numerical_gradient(
            objective.value, W, step=self.difference, formula=self.formula
        )
        if not objective.fit_intercept:
            gradient[:, -1] = 0
        return State(W, objective.value(W), gradient)
