"""``Path``: the steps of :class:`.InteriorPoint` for classes that are solved together."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve, qr

from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.scaling import Scaling, StandardisedRows
from visualwords.classifiers.sources import Source
from visualwords.threads import row_blocks

from .dual_problem import centring, gradient_by_columns
from .margins import Margins, shares

__all__ = ["Path", "make_paths"]

# Rows whose products are added to the Hessian at a time.
BLOCK_ROWS = 1024
# Classes that are problems of their own are solved in groups with so many slopes, and with so many
# numbers of products of columns at a time, so that arrays stay in a core's cache.
GROUP_SLOPES, PRODUCTS = 1 << 17, 1 << 17
# Part of the way to the nearest bound that a step goes.
MOST_OF_THE_WAY = 0.995
# A shorter step is rounding, not progress.
SHORTEST_STEP = 1e-6
# No further step is made below this mean of the conditions ``a t``.
LEAST_MU = 1e-30
# Slopes and multipliers stay above this number, because hundreds of steps let them underflow to 0.
LEAST = 1e-100
# A class whose ``mu`` is below this part of the largest waits for the other classes.
AHEAD = 1e-3
# Relative increases of the Hessian's diagonal, until it is positive definite in spite of rounding.
MORE_DIAGONAL = (1e-15, 1e-13, 1e-11, 1e-9)

Array = npt.NDArray[np.float64]


@dataclass
class _Step:
    """Changes of the variables in one step."""

    V: Weights
    S: Array
    a: Array
    t: Array
    xi: Array


@dataclass
class Rows:
    """Standardised rows, or their coordinates in a basis, as all groups of classes read them."""

    objective: Objective
    scaling: Scaling
    basis: Array | None


def make_paths(objective: Objective) -> list["Path"]:
    """Return the path of all classes, or one for each group of classes that are not coupled."""
    n, n_classes = objective.n_samples, objective.n_classes
    scaling = objective.scaling or centring(objective, shares(objective))
    basis, X = _short(StandardisedRows(objective.X, scaling))
    rows = Rows(objective.replaced(X=X, scaling=None, offset=None), scaling, basis)
    size = n_classes if objective.loss.coupled else max(1, GROUP_SLOPES // n)
    return [Path(objective, rows, group) for group in row_blocks(n_classes, size)]


class Path:
    """The way of a group of classes to the optimum.

    Attributes
    ----------
    V : ndarray of shape (n_classes, n_columns + 1)
        Weights for standardised columns or a basis.
    S, a, t, xi : ndarray of shape (n, n_classes)
        Scores, slopes and multipliers; see :class:`InteriorPoint`.
    value, gap : float
        The objective of these classes, and an upper bound on its distance to the minimum.
    """

    def __init__(self, objective: Objective, rows: Rows, classes: slice) -> None:
        self.objective, self.margins = objective, Margins(objective, classes)
        self.rows, self.scaling, self.basis = rows.objective, rows.scaling, rows.basis
        n_classes, width = classes.stop - classes.start, self.rows.shape[1]
        self.V, self.S = np.zeros((n_classes, width)), np.zeros((objective.n_samples, n_classes))
        if objective.offset is not None:
            self.S += objective.offset[:, classes]
        m = self.margins.of(self.S)
        # All variables begin above 0, because ``above`` exceeds all margins.
        above = np.repeat(1 + np.maximum(m.max(axis=1, keepdims=True), 0), m.shape[1], axis=1)
        self.xi = above
        if self.margins.shared:
            self.a = np.full(m.shape, self.margins.largest_sum / m.shape[1])
        elif self.margins.bounded:
            self.a = np.full(m.shape, self.margins.largest / 2)
        else:
            self.a, self.xi = above / self.margins.curvature, np.zeros_like(above)
        self.t = self.xi + self.margins.curvature * self.a - m
        self.measure()

    def weights(self) -> Weights:
        """Compute the weights for the columns of the objective."""
        W = self.V
        if self.basis is not None:
            W = np.column_stack([W[:, :-1] @ self.basis.T, W[:, -1]])
        return W if self.objective.scaling is not None else self.scaling.raw(W)

    def point(self) -> Array:
        """Give the derivatives of the mean loss by the scores at the slopes."""
        return self.margins.by_scores(np.where(self.margins.there, self.a, 0.0))

    def measure(self) -> None:
        """Compute the objective and an upper bound on its distance to the minimum."""
        mean = self._sum(self.margins.losses(self.S))
        dual = self.a * self.margins.of(self.S) - self.margins.curvature / 2 * self.a**2
        slack = mean - self._sum(np.where(self.margins.there, dual, 0.0).sum(axis=1))
        gradient = self._gradient(self.a)
        distance = self.objective.penalty.gap(self.V, gradient)
        radius = max(1.0, float(np.abs(self.V[:, -1]).max()))
        gap = slack + distance + radius * float(np.abs(gradient[:, -1]).sum())
        self.value, self.gap = mean + self.objective.penalty.value(self.V), max(gap, 0.0)

    def advance(self) -> bool:
        """Make a step, and return False if there is none that makes progress."""
        mu = self._complementarity()
        if not mu.max() > LEAST_MU:
            return False
        w = np.where(self.margins.there, self._curvatures(), 0.0)
        solve = _solver_of(self._hessians(w))
        if solve is None:
            return False
        zero = np.zeros_like(w)
        trial = self._direction(solve, w, zero, zero)
        after = self._complementarity(self._longest(trial), trial)
        centre = mu * (after / np.maximum(mu, LEAST_MU)) ** 3
        # Products of two changes, which the linear equations leave out, are those of the trial.
        step = self._direction(solve, w, centre - trial.a * trial.t, centre + trial.a * trial.xi)
        length = np.minimum(1.0, MOST_OF_THE_WAY * self._longest(step))
        length[mu < AHEAD * mu.max()] = 0
        if not length.max() > SHORTEST_STEP:
            return False
        self.V = self.V + length[:, None] * step.V
        self.S = self.S + length * step.S
        for name in ("a", "t", "xi"):
            moved = getattr(self, name) + length * getattr(step, name)
            setattr(self, name, np.maximum(moved, LEAST))
        self.measure()
        return True

    def _sum(self, of_examples: Array) -> float:
        """Compute the mean over the examples."""
        return float((of_examples * self.margins.share[:, 0]).sum())

    def _room(self) -> Array:
        """Compute ``largest - a``, above 0 also where rounding leaves nothing of it."""
        largest = self.margins.largest
        return np.maximum(largest - self.a, np.finfo(float).eps * largest)

    def _curvatures(self) -> Array:
        """Compute the derivatives of the slopes by the margins, ignoring the limit on their sum."""
        by_slope = self.t / self.a + self.margins.curvature
        if self.margins.bounded:
            by_slope += self.xi / self._room()
        return 1 / by_slope

    def _direction(self, solve: Callable[[Array], Array], w: Array, at: Array, uxi: Array) -> _Step:
        """Solve the linear equations of a step.

        The step leads to ``a t = at`` and, if bounded, to ``(largest - a) xi = uxi``, up to
        products of two changes. The weights are found first. The changes of the slopes are then
        ``w`` times the sum of ``pull`` and the changes of the margins.

        Parameters
        ----------
        solve : callable
            Solves the linear systems with the Hessians for the curvatures ``w``.
        w, at, uxi : ndarray of shape (n, n_classes)
        """
        pull = at / self.a - self.t
        if self.margins.bounded:
            pull += self.xi - uxi / self._room()
        gradient = self._gradient(self.a + self.margins.changes(w, pull))
        V = -solve(gradient)
        S = np.ascontiguousarray(self.rows.scores(V))
        m = self.margins.linear(S)
        a = self.margins.changes(w, pull + m)
        t = np.where(self.margins.there, (at - self.t * a) / self.a - self.t, 0.0)
        xi = np.where(self.margins.there, t + m - self.margins.curvature * a, 0.0)
        return _Step(V, S, a, t, xi)

    def _longest(self, step: _Step) -> Array:
        """Find the longest step, at most 1, that keeps all variables above 0, for each problem."""
        changes = [(self.a, step.a), (self.t, step.t)]
        if self.margins.bounded:
            changes += [(self._room(), -step.a), (self.xi, step.xi)]
        largest = np.array([(-change / before).max(axis=0) for before, change in changes])
        if self.margins.coupled:
            largest = largest.max(axis=1, keepdims=True)
        return np.asarray(1 / np.maximum(1.0, largest.max(axis=0)))

    def _complementarity(self, length: Array | float = 0.0, step: _Step | None = None) -> Array:
        """Compute the mean of ``a t`` and ``(largest - a) xi`` over each problem, after a step."""
        a, t, xi = self.a, self.t, self.xi
        if step is not None:
            a, t, xi = a + length * step.a, t + length * step.t, xi + length * step.xi
        products = a * t
        if self.margins.bounded:
            products += (self.margins.largest - a) * xi
        share = self.margins.share * self.margins.there
        sums, counts = (share * products).sum(axis=0), share.sum(axis=0)
        if self.margins.coupled:
            sums, counts = sums.sum(keepdims=True), counts.sum(keepdims=True)
        return np.asarray(sums / (counts * (1 + self.margins.bounded)))

    def _gradient(self, slopes: Array) -> Weights:
        """Compute the gradient by the weights at given slopes."""
        derivatives = self.margins.by_scores(np.where(self.margins.there, slopes, 0.0))
        gradient = np.zeros_like(self.V)
        gradient[:, :-1] = gradient_by_columns(self.objective, self.rows.X, derivatives)
        if self.objective.fit_intercept:
            gradient[:, -1] = derivatives.sum(axis=0)
        return gradient + self.objective.penalty.gradient(self.V)

    def _hessians(self, w: Array) -> Array:
        """Compute the Hessian of each problem: one by all weights, or one for each class.

        The Hessian by all weights has blocks of class pairs. Only the lower triangle is filled.
        """
        n_classes, width = self.V.shape
        if not self.margins.coupled:
            return self._penalised(self._hessians_of_classes(w))
        pairs = [(k, m) for k in range(n_classes) for m in range(k + 1)]
        blocks = np.zeros((n_classes, width, n_classes, width))
        targets = [blocks[k, :, m] for k, m in pairs]
        for rows in row_blocks(len(w), BLOCK_ROWS):
            add = partial(self._add_products, w, rows, self._with_ones(rows))
            for _ in self.objective.map(add, zip(targets, pairs, strict=True)):
                pass
        return self._penalised(blocks)

    def _hessians_of_classes(self, w: Array) -> Array:
        """Sum the products of all pairs of columns, by the curvatures of each class."""
        n_classes, width = self.V.shape
        hessians, factors = np.zeros((n_classes, width**2)), self.margins.share * w
        for rows in row_blocks(len(w), max(1, PRODUCTS // width**2)):
            X = self._with_ones(rows)
            hessians += factors[rows].T @ (X[:, :, None] * X[:, None]).reshape(len(X), -1)
        return hessians.reshape(n_classes, width, width)

    def _with_ones(self, rows: slice) -> Array:
        """Return rows with a column for the intercept."""
        X = self.rows.X[rows]
        return np.column_stack([X, np.full(len(X), float(self.objective.fit_intercept))])

    def _add_products(
        self, w: Array, rows: slice, X: Array, block: tuple[Array, tuple[int, int]]
    ) -> None:
        """Add the part of a block of rows to the Hessian of a pair of classes."""
        target, pair = block
        factors = self.margins.share[rows, 0] * self.margins.between(w, rows, *pair)
        seen = np.flatnonzero(factors)
        if len(seen) < len(X):
            X, factors = X[seen], factors[seen]
        target += (X.T * factors) @ X

    def _penalised(self, blocks: Array) -> Array:
        """Add the penalty, and what makes each matrix positive definite up to rounding."""
        n_classes, width = self.V.shape
        if self.margins.coupled:
            # Equal changes of the weights of all classes change no loss: the matrix is singular.
            blocks += np.einsum("kikj->ij", blocks)[:, None] / n_classes**2
            blocks = blocks.reshape(1, n_classes * width, -1)
        diagonals = np.einsum("bii->bi", blocks)
        penalised = np.tile(np.arange(width) < width - 1, len(diagonals[0]) // width)
        diagonals += self.objective.alpha * penalised
        if not self.objective.fit_intercept:
            diagonals[:, ~penalised] = 1.0
        return blocks


def _solver_of(hessians: Array) -> Callable[[Array], Array] | None:
    """Return a function that solves the linear systems of the Hessians, None if there is none."""
    diagonals = np.einsum("bii->bi", hessians)
    before = diagonals.copy()
    for more in MORE_DIAGONAL:
        diagonals[:] = before * (1 + more)
        with suppress(LinAlgError):
            return _factorised(hessians)
    return None


def _factorised(hessians: Array) -> Callable[[Array], Array]:
    """Return a function that solves the linear systems of positive definite matrices.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.
    """
    if len(hessians) == 1:
        factor = cho_factor(hessians[0], lower=True, check_finite=False)
        return lambda right: np.reshape(cho_solve(factor, right.ravel()), right.shape)
    lower = np.linalg.cholesky(hessians)
    upper = lower.transpose(0, 2, 1)
    return lambda right: np.linalg.solve(upper, np.linalg.solve(lower, right[:, :, None]))[:, :, 0]


def _short(X: StandardisedRows) -> tuple[Array | None, Source]:
    """Return a basis of the rows and their coordinates, if there are fewer rows than columns."""
    if len(X) >= X.shape[1]:
        return None, X
    basis, triangle = qr(X[0 : len(X)].T, mode="economic", overwrite_a=True, check_finite=False)
    return basis, np.ascontiguousarray(triangle.T)
