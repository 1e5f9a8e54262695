"""``Path``: the steps of :class:`.InteriorPoint` for classes that are solved together."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from visualwords.classifiers.objective import Objective, Weights
from visualwords.threads import row_blocks

from .interior_rows import BLOCK_ROWS, Rows
from .margins import Margins

__all__ = ["Path", "make_paths"]

# Classes that are problems of their own are solved in groups with so many slopes, and with so many
# numbers of products of columns at a time, so that arrays stay in a core's cache.
GROUP_SLOPES, PRODUCTS = 1 << 16, 1 << 17
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
    m: Array
    a: Array
    t: Array
    xi: Array


def make_paths(objective: Objective) -> list["Path"]:
    """Return the path of all classes, or one for each group of classes that are not coupled."""
    n, n_classes, rows = objective.n_samples, objective.n_classes, Rows(objective)
    size = n_classes if objective.loss.coupled else max(1, GROUP_SLOPES // n)
    return [Path(objective, rows, group) for group in row_blocks(n_classes, size)]


class Path:
    """The way of a group of classes to the optimum.

    Attributes
    ----------
    V : ndarray of shape (n_classes, n_columns + 1)
        Weights for standardised columns or a basis.
    m, a, t, xi : ndarray of shape (n, n_classes)
        Margins, slopes and multipliers; see :class:`InteriorPoint`.
    value, gap : float
        The objective of these classes, and an upper bound on its distance to the minimum.
    """

    def __init__(self, objective: Objective, rows: Rows, classes: slice) -> None:
        self.objective, self.margins, self.rows = objective, Margins(objective, classes), rows
        shape = classes.stop - classes.start, objective.n_samples
        # The numbers of a class lie side by side, so that sums over examples or classes are fast.
        self.V, scores = np.zeros((shape[0], rows.width)), np.zeros(shape).T
        if objective.offset is not None:
            scores += objective.offset[:, classes]
        self.m = m = self.margins.of(scores)
        # All variables begin above 0, because ``above`` exceeds all margins.
        above = np.zeros_like(m)
        above += 1 + np.maximum(m.max(axis=1, keepdims=True), 0)
        self.xi = above
        if self.margins.shared:
            self.a = np.full_like(m, self.margins.largest_sum / m.shape[1])
        elif self.margins.bounded:
            self.a = np.full_like(m, self.margins.largest / 2)
        else:
            self.a, self.xi = above / self.margins.curvature, np.zeros_like(above)
        self.t = self.xi + self.margins.curvature * self.a - m
        self.measure()

    def weights(self) -> Weights:
        """Compute the weights for the columns of the objective."""
        W = self.V
        if self.rows.basis is not None:
            W = np.column_stack([W[:, :-1] @ self.rows.basis.T, W[:, -1]])
        return W if self.objective.scaling is not None else self.rows.scaling.raw(W)

    def point(self) -> Array:
        """Compute the derivatives of the mean loss by the scores at the slopes."""
        return self.margins.by_scores(self.a)

    def measure(self) -> None:
        """Compute the objective and an upper bound on its distance to the minimum."""
        dual = self.m - self.margins.curvature / 2 * self.a
        dual *= self.a
        mean = float(self.margins.losses(self.m) @ self.margins.share[:, 0])
        slack = mean - float(self.margins.only_there(dual).sum(axis=1) @ self.margins.share[:, 0])
        gradient = self._gradient(self.a, self.V)
        distance = self.objective.penalty.gap(self.V, gradient)
        # Intercepts have no penalty; their best values are taken to be at most so far away.
        radius = max(1.0, float(np.abs(self.V[:, -1]).max()))
        gap = slack + distance + radius * float(np.abs(gradient[:, -1]).sum())
        self.value, self.gap = mean + self.objective.penalty.value(self.V), max(gap, 0.0)

    def advance(self) -> bool:
        """Make a step, and return False if there is none that makes progress."""
        room = self._room()
        mu = self._complementarity(room)
        if not mu.max() > LEAST_MU:
            return False
        w = self._curvatures(room)
        solve = _solver_of(self._hessians(w))
        if solve is None:
            return False
        trial = self._direction(solve, w, self.xi - self.t if self.margins.bounded else -self.t)
        centre = mu * self._left(trial, mu, self._longest(room, trial)) ** 3
        # Products of two changes, which the linear equations leave out, are those of the trial.
        target = (centre - trial.a * trial.t) / self.a
        pull = target - self.t
        if self.margins.bounded:
            pull += self.xi - (centre + trial.a * trial.xi) / room
        step = self._direction(solve, w, pull, target)
        length = np.minimum(1.0, MOST_OF_THE_WAY * self._longest(room, step))
        length[mu < AHEAD * mu.max()] = 0
        if not length.max() > SHORTEST_STEP:
            return False
        self.V += length[:, None] * step.V
        for name in ("m", "a", "t", "xi"):
            moved = getattr(self, name)
            moved += length * getattr(step, name)
            if name != "m":
                np.maximum(moved, LEAST, out=moved)
        self.measure()
        return True

    def _room(self) -> Array:
        """Compute ``largest - a``, above 0 also where rounding leaves nothing of it."""
        largest = self.margins.largest
        return np.maximum(largest - self.a, np.finfo(float).eps * largest)

    def _curvatures(self, room: Array) -> Array:
        """Compute the derivatives of the slopes by the margins, ignoring the limit on their sum."""
        by_slope = self.t / self.a
        by_slope += self.margins.curvature
        if self.margins.bounded:
            by_slope += self.xi / room
        return self.margins.only_there(np.divide(1, by_slope, out=by_slope))

    def _direction(
        self, solve: Callable[[Array], Array], w: Array, pull: Array, target: Array | float = 0.0
    ) -> _Step:
        """Solve the linear equations of a step.

        The step leads to ``a t = a target``, up to products of two changes. The weights are found
        first. The changes of the slopes are then ``w`` times the sum of ``pull`` and the changes of
        the margins.

        Parameters
        ----------
        solve : callable
            Solves the linear systems with the Hessians for the curvatures ``w``.
        w, pull : ndarray of shape (n, n_classes)
        target : ndarray of shape (n, n_classes) or 0
        """
        V = -solve(self._gradient(self.a + self.margins.changes(w, pull), self.V))
        m = self.margins.linear(self.rows.scores(V))
        a = self.margins.changes(w, pull + m)
        if self.margins.coupled:
            # Once more for what rounding left of the gradient. Beside the Hessian it takes no time.
            V -= solve(self._gradient(self.a + a, self.V + V))
            m = self.margins.linear(self.rows.scores(V))
            a = self.margins.changes(w, pull + m)
        t = a / self.a
        t += 1
        t *= self.t
        t = self.margins.only_there(target - t)
        xi = t + m
        xi -= self.margins.curvature * a
        return _Step(V, m, a, t, self.margins.only_there(xi))

    def _longest(self, room: Array, step: _Step) -> Array:
        """Find the longest step, at most 1, that keeps all variables above 0, for each problem."""
        changes = [(step.a, self.a), (step.t, self.t)]
        if self.margins.bounded:
            changes.append((step.xi, self.xi))
        least = np.array([(change / before).min(axis=0) for change, before in changes])
        largest = -least.min(axis=0)
        if self.margins.bounded:
            largest = np.maximum(largest, (step.a / room).max(axis=0))
        if self.margins.coupled:
            largest = largest.max(keepdims=True)
        return np.asarray(1 / np.maximum(1.0, largest))

    def _complementarity(self, room: Array) -> Array:
        """Compute the mean of ``a t`` and ``(largest - a) xi`` over each problem."""
        products = self.a * self.t
        if self.margins.bounded:
            products += room * self.xi
        return self._mean(products)

    def _left(self, trial: _Step, mu: Array, length: Array) -> Array:
        """Compute which part of ``mu`` a trial step leaves.

        The linear equations of a trial step lead to 0, and the products of two changes stay.
        """
        changes = trial.t - trial.xi if self.margins.bounded else trial.t
        products = self._mean(trial.a * changes) / np.maximum(mu, LEAST_MU)
        return np.maximum(1 - length + length**2 * products, 0)

    def _mean(self, products: Array) -> Array:
        """Compute the mean over each problem of sums over its conditions."""
        sums, counts = self.margins.sums(products), self.margins.counts
        if self.margins.coupled:
            sums = sums.sum(keepdims=True)
        return np.asarray(sums / (counts * (1 + self.margins.bounded)))

    def _gradient(self, slopes: Array, V: Weights) -> Weights:
        """Compute the gradient by the weights at given slopes and weights."""
        gradient = self.rows.gradient(self.margins.by_scores(slopes))
        return gradient + self.objective.penalty.gradient(V)

    def _hessians(self, w: Array) -> Array:
        """Compute the Hessian of each problem: one by all weights, or one for each class.

        The Hessian by all weights has a block for each pair of classes. Only its lower triangle is
        valid. Equal changes of the weights of all classes change no loss, so the blocks of a class
        sum to 0. The block of the class with itself is therefore minus the sum of the others.
        """
        n_classes, width = self.V.shape
        if not self.margins.coupled:
            return self._penalised(self._hessians_of_classes(w))
        blocks = np.zeros((n_classes, width, n_classes, width))
        for rows in row_blocks(len(w), BLOCK_ROWS):
            add = partial(self._add_products, w, rows, self.rows.block(rows))
            for _ in self.objective.map(add, enumerate(blocks)):
                pass
        of_classes = np.einsum("kikj->kij", blocks)  # a view of the blocks on the diagonal
        for k in range(n_classes):
            # The links of two classes were added to the blocks of both.
            linked = blocks[k, :, :k] + blocks[:k, :, k].swapaxes(0, 1)
            of_classes[k] += linked.sum(axis=1)
            of_classes[:k] += linked.swapaxes(0, 1)
            blocks[k, :, :k] = -linked
        return self._penalised(blocks)

    def _hessians_of_classes(self, w: Array) -> Array:
        """Sum the products of all pairs of columns, by the curvatures of each class."""
        n_classes, width = self.V.shape
        hessians, factors = np.zeros((n_classes, width, width)), self.margins.share * w
        if n_classes <= width:
            for rows in row_blocks(len(w), BLOCK_ROWS):
                X = self.rows.block(rows)
                for hessian, of_class in zip(hessians, factors[rows].T, strict=True):
                    hessian += (X.T * of_class) @ X
            return hessians
        # With more classes than columns it is quicker to multiply pairs of columns only once.
        flat = hessians.reshape(n_classes, -1)
        for rows in row_blocks(len(w), max(1, PRODUCTS // width**2)):
            X = self.rows.block(rows)
            flat += factors[rows].T @ (X[:, :, None] * X[:, None]).reshape(len(X), -1)
        return hessians

    def _add_products(self, w: Array, rows: slice, X: Array, of_class: tuple[int, Array]) -> None:
        """Add the products of some rows by the links of a class to the blocks of the class.

        ``of_class`` is the class and its blocks, which have the shape (width, n_classes, width).
        """
        k, blocks = of_class
        examples, links = self.margins.links(w, rows, k)
        X = X[examples]
        (n, n_linked), width = links.shape, X.shape[1]
        products = X.T @ (links[:, :, None] * X[:, None]).reshape(n, n_linked * width)
        blocks[:, :n_linked] += products.reshape(width, n_linked, width)

    def _penalised(self, blocks: Array) -> Array:
        """Add the penalty, and what makes each matrix positive definite up to rounding."""
        n_classes, width = self.V.shape
        if self.margins.coupled:
            # Equal changes of the weights of all classes change no loss, so the matrix is singular.
            # The weights of all classes sum to 0, so what is added here changes no step.
            blocks += np.einsum("kikj->ij", blocks)[:, None] / n_classes**2
            blocks = blocks.reshape(1, n_classes * width, -1)
        diagonals = np.einsum("bii->bi", blocks)
        is_intercept = np.arange(diagonals.shape[1]) % width == width - 1
        diagonals += self.objective.alpha * ~is_intercept
        if not self.objective.fit_intercept:
            diagonals[:, is_intercept] = 1.0
        return blocks


def _solver_of(hessians: Array) -> Callable[[Array], Array] | None:
    """Return a function that solves the linear systems, or None where rounding prevents it."""
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
