"""``DualProblem``: the dual problem that :mod:`.dual` maximises, and its variables.

The two subclasses in :mod:`.dual_sweeps` differ in what a sweep over the examples keeps up to date.
"""

from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.balance import balanced
from visualwords.classifiers.kernels.products import block_gradient
from visualwords.classifiers.kernels.slopes import Limits
from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.scaling import Scaling, StandardisedRows, column_scaling
from visualwords.classifiers.sources import Source
from visualwords.threads import row_blocks

__all__ = [
    "BLOCK_ROWS",
    "DualProblem",
    "Slopes",
    "centring",
    "derivatives_by_scores",
    "gradient_by_columns",
]

BLOCK_ROWS = 512
# How fast intercepts follow the slopes, as a multiple of the mean over the rows of the curvature.
INTERCEPT_RATE = 16.0
# Smoothings whose slopes at the first weights are tried as the first slopes.
FIRST_WIDTHS = (1.0, 0.3, 0.1, 0.03, 0.01)

Slopes = npt.NDArray[np.float64]


class Solution(NamedTuple):
    """Weights for the columns of the objective, and the values of both problems.

    The dual value is a lower bound of the minimum if the slopes are balanced.
    """

    W: Weights
    value: float
    dual_value: float

    @property
    def gap(self) -> float:
        """How much larger the value is than that of the dual problem."""
        return self.value - self.dual_value


class DualProblem(ABC):
    """The dual variables (slopes) and intercepts of an objective whose loss has a dual form.

    Columns are centred if there are intercepts, whether they are standardised or not.

    Parameters
    ----------
    objective : Objective
    W : ndarray of shape (n_classes, n_features + 1)
        The first weights.

    Attributes
    ----------
    share : ndarray of shape (n,)
        Weight of each example in the mean. The first of equal examples has the weight of all.
    twin : ndarray of shape (n,)
        The first example that is equal to each.
    visited : ndarray of shape (m,)
        The examples with weight, in an order that does not depend on the order of the rows.
    slopes : ndarray of shape (n, n_classes)
    intercept : ndarray of shape (n_classes,)
    relaxation : float in [1, 2)
        How much longer than the best step a step is, within the limits (successive
        over-relaxation). With longer steps the intercepts follow more slowly, so that they do not
        oscillate.
    """

    relaxation = 1.0

    def __init__(self, objective: Objective, W: Weights) -> None:
        self.objective, self.y = objective, objective.y
        self.share, self.visited, self.twin = _shares(objective)
        self.scaling = objective.scaling or centring(objective, self.share)
        self.standardised = StandardisedRows(objective.X, self.scaling)
        self.offset = np.zeros((objective.n_samples, objective.n_classes))
        if objective.offset is not None:
            self.offset += objective.offset
        squares = self._learn_rows()
        self.rate = 0.0
        if objective.fit_intercept:
            self.rate = max(1.0, INTERCEPT_RATE * float(self.share @ squares) / len(self.visited))
        # A row of length 0 has no best slopes, so the curvature has a lower bound.
        least = 1e-8 / np.maximum(self.share, 1e-9 * self.share.max())
        self.curvature = np.maximum(squares + self.rate, least)
        self.limits = self._limits()
        of_columns = W if objective.scaling is not None else self.scaling.standardised(W)
        self.intercept = of_columns[:, -1].copy()
        self.slopes = self._first_slopes(W)

    @abstractmethod
    def _learn_rows(self) -> npt.NDArray[np.float64]:
        """Return the squared lengths of the standardised rows, divided by alpha."""

    def sweep(self, order: npt.NDArray[np.intp]) -> npt.NDArray[np.bool]:
        """Visit examples once, in the given order, and return which of them changed."""
        moved = np.zeros(len(self.y), np.bool)
        self._improve(order, moved)
        # The method of multipliers: intercepts move by the violation of their constraint.
        sums = self.by_scores(self.slopes).sum(axis=0)
        self.intercept -= (2 - self.relaxation) * self.rate * sums
        return moved

    @abstractmethod
    def _improve(self, order: npt.NDArray[np.intp], moved: npt.NDArray[np.bool]) -> None:
        """Improve the slopes of the examples in turn and mark those that moved."""

    @abstractmethod
    def update(self) -> None:
        """Recompute what a sweep keeps up to date, without the rounding errors of many steps."""

    @abstractmethod
    def scores_of(self, slopes: Slopes) -> Slopes:
        """Compute the scores, without intercepts, of the weights that belong to slopes."""

    @abstractmethod
    def _coef_and_scores(self, slopes: Slopes) -> tuple[Weights, Slopes]:
        """Compute the weights of the standardised columns that belong to slopes; their scores."""

    @property
    def coupled(self) -> bool:
        """Whether margins are differences of scores."""
        return self.objective.loss.coupled

    def _limits(self) -> Limits:
        """Return what the loss allows for each example's slopes, times the example's share."""
        loss, share = self.objective.loss, self.share
        assert loss.dual_box is not None
        # The limits of an example with share 0 do not count: it is not visited.
        positive = np.where(share > 0, share, 1.0)
        shortening = 1 / (1 + loss.dual_curvature / (self.curvature * positive))
        return Limits(
            largest=loss.dual_box * positive,
            largest_sum=loss.dual_sum * positive,
            shortening=shortening,
            curvature=self.curvature,
        )

    def _first_slopes(self, W: Weights) -> Slopes:
        """Return the best multiple of the slopes at the first weights; zeros if these are zero."""
        best, first = 0.0, np.zeros(self.offset.shape)
        if not W[:, :-1].any():
            return first
        scores, rows = self.objective.scores(W).astype(np.float64), np.arange(len(self.y))
        for width in FIRST_WIDTHS:
            loss = self.objective.loss.smoothed(width)
            slopes = loss.values_and_grad(scores, self.y)[1] * self.share[:, None]
            slopes[rows, self.y] *= 0.0 if self.coupled else -1.0
            linear, square = self._terms(slopes, self.scores_of(slopes))
            sums = self.by_scores(slopes).sum(axis=0)
            linear += float(self.intercept @ sums)
            square += self.rate / 2 * float(sums @ sums)
            factor = float(np.clip(linear / (2 * square), 0, 1)) if square > 0 else 0.0
            value = factor * linear - factor**2 * square
            if value > best:
                best, first = value, factor * slopes
        return np.ascontiguousarray(first)  # A kernel is compiled once more for another order.

    def by_scores(self, slopes: Slopes) -> Slopes:
        """Compute the derivatives by scores, ``A``."""
        return derivatives_by_scores(slopes, self.y, self.coupled)

    def solution(self, slopes: Slopes, intercept: npt.NDArray[np.float64]) -> Solution:
        """Compute what belongs to slopes and intercepts."""
        coef, scores = self._coef_and_scores(slopes)
        W = np.column_stack([coef, intercept])
        linear, square = self._terms(slopes, scores)
        losses = self.objective.loss.values(scores + intercept, self.y)
        return Solution(
            W if self.objective.scaling is not None else self.scaling.raw(W),
            self.objective.mean(losses) + self._penalty(slopes, scores),
            linear - square,
        )

    def _penalty(self, slopes: Slopes, scores: Slopes) -> float:
        """Compute ``alpha / 2 * ||W||^2`` from the scores of ``W = -X^T A / alpha``."""
        return -0.5 * float((self.by_scores(slopes) * (scores - self.offset)).sum())

    def _terms(self, slopes: Slopes, scores: Slopes) -> tuple[float, float]:
        """Compute the linear term of the dual value and the quadratic term, which is subtracted."""
        seen = self.share > 0
        linear = float(slopes.sum() + (self.by_scores(slopes) * self.offset).sum())
        square = self._penalty(slopes, scores)
        if self.objective.loss.dual_curvature:
            curved = slopes[seen] ** 2 / self.share[seen, None]
            square += self.objective.loss.dual_curvature / 2 * float(curved.sum())
        return linear, square

    def balanced(self, slopes: Slopes) -> Slopes:
        """Lower slopes by as little as makes the derivatives by the intercepts 0."""
        if not self.objective.fit_intercept:
            return slopes
        lowered = balanced(self.by_scores(slopes), self.y, self.coupled)
        if self.coupled:
            lowered[np.arange(len(self.y)), self.y] = 0
        return np.abs(lowered)

    def point(self, slopes: Slopes) -> Slopes:
        """Give the derivatives by scores, which equal examples share by their weights."""
        parts = self.objective.shares / np.where(self.share > 0, self.share, 1.0)[self.twin]
        return self.by_scores(slopes)[self.twin] * parts[:, None]


def _shares(
    objective: Objective,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the weight of every example, the examples to visit, and the first equal to each.

    Equal examples are found by their digests. A weight of 2 therefore gives the same steps as a
    row that is there twice.
    """
    n = objective.n_samples
    labels, offset = objective.y, objective.offset
    keys = []
    for rows in row_blocks(n, BLOCK_ROWS):
        for i, row in enumerate(np.ascontiguousarray(objective.X[rows]), rows.start):
            key = blake2b(row, digest_size=16, salt=int(labels[i]).to_bytes(16, "little"))
            if offset is not None:
                key.update(offset[i].tobytes())
            keys.append(key.hexdigest())
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    weight = np.ones(n) if objective.sample_weight is None else objective.sample_weight
    share = np.zeros(n)
    share[first] = np.bincount(group, weight) / weight.sum()
    return share, first[share[first] > 0], first[group]


def centring(objective: Objective, share: npt.NDArray[np.float64]) -> Scaling:
    """Return the scaling that centres the columns; one that changes nothing without intercepts."""
    centre, ones = np.zeros(objective.X.shape[1]), np.ones(objective.X.shape[1])
    if objective.fit_intercept:
        centre = column_scaling(objective.X, share, objective.n_jobs).mean
    return Scaling(centre, ones)


def derivatives_by_scores(slopes: Slopes, y: npt.NDArray[np.intp], coupled: bool) -> Slopes:
    """Turn derivatives by the margins into those by the scores.

    Parameters
    ----------
    slopes : ndarray of shape (n, n_classes)
        By the margins ``1 + s_k - s_y`` if ``coupled``, otherwise by ``1 - t_k s_k``.
    y : ndarray of shape (n,)
    coupled : bool
    """
    rows = np.arange(len(y))
    derivatives = slopes.copy()
    if coupled:
        derivatives[rows, y] = 0
        derivatives[rows, y] = -derivatives.sum(axis=1)
    else:
        derivatives[rows, y] *= -1
    return derivatives


def gradient_by_columns(
    objective: Objective, X: Source, derivatives: npt.NDArray[np.floating]
) -> Weights:
    """Compute ``derivatives.T @ X`` with the threads of an objective.

    Parameters
    ----------
    objective : Objective
    X : source of shape (n or more, d)
    derivatives : ndarray of shape (n, n_classes), dtype of X
    """

    def product(rows: slice) -> npt.NDArray[np.floating]:
        return block_gradient(X[rows], derivatives[rows])

    gradient = np.zeros((derivatives.shape[1], X.shape[1]))
    for part in objective.map(product, row_blocks(len(derivatives), BLOCK_ROWS)):
        gradient += part
    return gradient
