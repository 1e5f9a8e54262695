"""Scores of penalties where rows are fewer than columns: models in coordinates of the rows.

Let ``Z`` be the training rows of a split, standardised by themselves. The best weights for an L2
penalty are sums of training rows, ``W = A Z`` (the representer theorem). With the Cholesky factor
``L`` of the products ``Z Z^T``, the vector ``L^-1 Z z`` has as many coordinates as there are
training rows. Weights ``U`` for these coordinates give the scores of ``W = U L^-1 Z``, and have the
same length, ``||U|| = ||W||``. So a model is learned from a square matrix, in float64.

Each split is computed by itself, so that its models know nothing of the rows that they do not see.

References
----------
G. Kimeldorf and G. Wahba, Some results on Tchebycheffian spline functions, J. Math. Anal. Appl. 33,
1971. T. Hastie and R. Tibshirani, Efficient quadratic regularization for expression arrays,
Biostatistics 5, 2004.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from .objective import Objective
from .parts import ColumnPenalty, divided
from .row_products import factor_of_products
from .scaling import Scaling, Weights
from .scored import Scored
from .solvers.base import Minimizer

__all__ = ["FewRows", "ObjectiveOf", "WeightedSplits"]

# The duality gap of a model may be this part of the tolerance, relative to its value.
GAP = 0.1

# The objective over all rows for weights of shape (n,), some of them 0. Its columns are made by the
# rows whose weight is above 0.
ObjectiveOf = Callable[[Weights], Objective]
# The weights of all rows in the training and in the test of each split.
WeightedSplits = Sequence[tuple[Weights, Weights]]


class Fit(NamedTuple):
    """The scores of all rows by the model of a split.

    Attributes
    ----------
    scores : ndarray of shape (n, n_classes)
    intercepts : ndarray of shape (n_classes,)
        They are part of the scores.
    is_short : bool
        Whether the solver stopped before its tolerance was met.
    """

    scores: Weights
    intercepts: Weights
    is_short: bool


class FewRows:
    """Scores penalties; see :class:`.Scorer`.

    Parameters
    ----------
    objective_of : callable
    weight : ndarray of shape (n,)
    splits : list of (ndarray of shape (n,), ndarray of shape (n,))
    widths : sequence of int
        Columns of each part that may have a penalty of its own.
    solver : callable
        Returns the solver for an objective.
    tol : float
        Tolerance of the models.
    """

    def __init__(
        self,
        objective_of: ObjectiveOf,
        weight: Weights,
        splits: WeightedSplits,
        widths: Sequence[int],
        solver: Callable[[Objective], Minimizer],
        tol: float,
    ) -> None:
        self.tests = [test for _, test in splits]
        self.short: list[float] = []
        self.everything = RowSpace(objective_of(weight), widths, solver, tol)
        self.spaces = [RowSpace(objective_of(train), widths, solver, tol) for train, _ in splits]

    def score(
        self, penalties: Sequence[ColumnPenalty], start: Scored[list[Fit]] | None = None
    ) -> list[Scored[list[Fit]]]:
        """Score penalties by a model for each split; see :meth:`.Scorer.score`."""
        starts: Sequence[Fit | None] = start.models if start else [None] * len(self.spaces)
        of_splits = [
            space.fits(penalties, first) for space, first in zip(self.spaces, starts, strict=True)
        ]
        of_penalties = list(zip(penalties, zip(*of_splits, strict=True), strict=True))
        self.short += [p.alpha for p, fits in of_penalties if any(fit.is_short for fit in fits)]
        return [Scored(p, self._accuracies(fits), list(fits)) for p, fits in of_penalties]

    def held_out_scores(self, scored: Scored[list[Fit]]) -> Weights:
        """Compute the scores of each row by the model without it; see :class:`.Scorer`."""
        scores = np.zeros_like(scored.models[0].scores)
        for test, fit in zip(self.tests, scored.models, strict=True):
            scores[test > 0] = fit.scores[test > 0]
        return scores

    def weights(self, scored: Scored[list[Fit]]) -> Weights:
        """Learn a model of all rows; see :meth:`.Scorer.weights`."""
        (fit,) = self.everything.fits([scored.penalty], None)
        return self.everything.weights(fit, scored.penalty.factors)

    def _accuracies(self, fits: Sequence[Fit]) -> Weights:
        """Compute the weighted accuracy of each split's model on the rows that it tests."""
        y = self.everything.objective.y
        return np.array(
            [
                np.average(fit.scores.argmax(axis=1) == y, weights=test)
                for test, fit in zip(self.tests, fits, strict=True)
            ]
        )


class RowSpace:
    """The coordinates of all rows by the training rows of a split, and models that use them.

    Parameters
    ----------
    objective : Objective
        Over all rows; the training rows are those with a weight above 0. Its penalty is not used.
    widths, solver, tol
        As in :class:`FewRows`.
    """

    def __init__(
        self,
        objective: Objective,
        widths: Sequence[int],
        solver: Callable[[Objective], Minimizer],
        tol: float,
    ) -> None:
        self.objective, self.widths, self.solver, self.tol = objective, widths, solver, tol
        weight = objective.sample_weight
        assert weight is not None
        self.train = np.flatnonzero(weight)
        self.scaling = objective.scaling or _centring(objective)
        parts = np.split(self._rows(), np.cumsum(widths)[:-1], axis=1)
        self.products = np.stack([part @ part[self.train].T for part in parts])

    def fits(self, penalties: Sequence[ColumnPenalty], start: Fit | None) -> list[Fit]:
        """Learn a model for each penalty.

        The largest penalty comes first and its model begins at ``start``, or at weights of 0. Each
        other model begins at the one before it.
        """
        found: dict[int, Fit] = {}
        last: Weights | None = None
        coordinates, factor = self.coordinates(last)
        for i in sorted(range(len(penalties)), key=lambda i: -penalties[i].alpha):
            alpha, factors = penalties[i]
            if factors is not last:
                coordinates, factor = self.coordinates(factors)
                last = factors
            objective = self._objective(coordinates, alpha)
            solver = self.solver(objective)
            tol = max(solver.get_params()["tol"], GAP * self.tol)
            solver.set_params(tol=tol)
            result = solver.minimize(objective, self._first_weights(factor, start))
            U, intercepts = result.W[:, :-1], result.W[:, -1]
            is_short = result.gap > tol * result.value
            found[i] = start = Fit(coordinates @ U.T + intercepts, intercepts, is_short)
        return [found[i] for i in range(len(penalties))]

    def coordinates(self, factors: Weights | None) -> tuple[Weights, Weights]:
        """Compute the coordinates of all rows, (n, n_train), and the factor ``L``.

        Parameters
        ----------
        factors : ndarray of shape (n_features,) or None
            What columns are divided by; the same for all columns of a part.
        """
        starts = np.cumsum([0, *self.widths[:-1]])
        of_parts = np.ones(len(starts)) if factors is None else factors[starts]
        products = np.tensordot(of_parts**-2.0, self.products, axes=1)
        factor = factor_of_products(products[self.train])
        coordinates = solve_triangular(factor, products.T, lower=True, check_finite=False).T
        return np.ascontiguousarray(coordinates), factor

    def weights(self, fit: Fit, factors: Weights | None) -> Weights:
        """Return the weights of a model for the columns of the objective's ``X``."""
        _, factor = self.coordinates(factors)
        of_rows = cho_solve((factor, True), fit.scores[self.train] - fit.intercepts)
        columns = of_rows.T @ self._rows()[self.train]
        if factors is not None:
            columns /= factors
        scaling = divided(self.scaling, factors) or self.scaling
        return scaling.raw(np.column_stack([columns, fit.intercepts]))

    def _rows(self) -> Weights:
        """Return the standardised rows."""
        rows = np.array(self.objective.X[:], np.float64)
        rows -= self.scaling.mean
        rows /= self.scaling.scale
        return rows

    def _first_weights(self, factor: Weights, start: Fit | None) -> Weights:
        """Return the weights for coordinates that give the training rows the scores of a model."""
        if start is None:
            return np.zeros((self.objective.n_classes, len(self.train) + 1))
        centred = start.scores[self.train] - start.intercepts
        U = solve_triangular(factor, centred, lower=True, check_finite=False).T
        return np.column_stack([U, start.intercepts])

    def _objective(self, coordinates: Weights, alpha: float) -> Objective:
        of_all = self.objective
        assert of_all.sample_weight is not None
        return Objective(
            coordinates[self.train],
            of_all.y[self.train],
            of_all.loss,
            alpha,
            of_all.n_classes,
            sample_weight=of_all.sample_weight[self.train],
            fit_intercept=of_all.fit_intercept,
            n_jobs=of_all.n_jobs,
        )


def _centring(objective: Objective) -> Scaling:
    """Return a scaling that centres columns if there are intercepts, which make up for it."""
    rows = np.asarray(objective.X[:], np.float64)
    mean = np.average(rows, axis=0, weights=objective.sample_weight) * objective.fit_intercept
    return Scaling(mean, np.ones_like(mean))
