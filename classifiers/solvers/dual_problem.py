"""The dual problem of a hinge, and where its maximisation by :mod:`.dual` stands."""

from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array

from visualwords.classifiers.kernels.dual import CLASSES, LANES, sweep_products, sweep_rows
from visualwords.classifiers.kernels.products import block_gradient, block_scores
from visualwords.classifiers.objective import Objective, Weights
from visualwords.classifiers.scaling import Scaling, StandardisedRows, column_scaling
from visualwords.classifiers.sources import Source
from visualwords.threads import row_blocks

__all__ = [
    "DualByProducts",
    "DualByRows",
    "DualProblem",
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


class DualProblem(ABC):
    """Slopes and intercepts, and what follows from them.

    Columns are centred where there are intercepts, standardised or not.

    Parameters
    ----------
    objective : Objective
    W : ndarray of shape (n_classes, n_features + 1)
        The first weights.

    Attributes
    ----------
    share : ndarray of shape (n,)
        Weight of each example in the mean; the first of equal ones has that of all.
    visited : ndarray of shape (m,)
        The examples that have weight, in an order that does not depend on that of the rows.
    slopes : ndarray of shape (n, n_classes)
    intercept : ndarray of shape (n_classes,)
    relaxation : float in [1, 2)
        How much longer steps are, where allowed, than the best while all others stay (successive
        over-relaxation). The longer, the more slowly intercepts follow, lest they swing.
    """

    relaxation = 1.0

    def __init__(self, objective: Objective, W: Weights) -> None:
        self.objective, self.y = objective, objective.y
        self.share, self.visited = _shares(objective)
        self.scaling = objective.scaling or centring(objective, self.share)
        self.standardised = StandardisedRows(objective.X, self.scaling)
        self.offset = np.zeros((objective.n_samples, objective.n_classes))
        if objective.offset is not None:
            self.offset += objective.offset
        squares = self._learn_rows()
        self.rate = 0.0
        if objective.fit_intercept:
            self.rate = max(1.0, INTERCEPT_RATE * float(self.share @ squares) / len(self.visited))
        # A row without length has no best slopes; one of hardly any length cannot be told from it.
        least = 1e-8 / np.maximum(self.share, 1e-9 * self.share.max())
        self.curvature = np.maximum(squares + self.rate, least)
        self.limits = self._limits()
        of_columns = W if objective.scaling is not None else self.scaling.standardised(W)
        self.intercept = of_columns[:, -1].copy()
        self.slopes = self._first_slopes(W)

    @abstractmethod
    def _learn_rows(self) -> npt.NDArray[np.float64]:
        """Give the squared lengths of the standardised rows, divided by alpha."""

    def sweep(self, order: npt.NDArray[np.intp]) -> npt.NDArray[np.bool]:
        """Visit examples once, in this order; say which changed."""
        moved = np.zeros(len(self.y), np.bool)
        self._improve(
            order,
            self.y,
            self.limits,
            self.coupled,
            self.relaxation,
            self.slopes,
            self.intercept,
            self.rate,
            moved,
        )
        # The intercepts move on by what the sums of the derivatives are off.
        sums = self.by_scores(self.slopes).sum(axis=0)
        self.intercept -= (2 - self.relaxation) * self.rate * sums
        return moved

    @abstractmethod
    def _improve(self, *sweep: Any) -> None:
        """Call the kernel, with the first of its arguments and those of the subclass."""

    @abstractmethod
    def update(self) -> None:
        """Compute anew, without the errors of many small steps, what a sweep keeps up to date."""

    @abstractmethod
    def scores_of(self, slopes: Slopes) -> Slopes:
        """Scores, without intercepts, of the weights that slopes stand for."""

    @abstractmethod
    def _coef(self, slopes: Slopes) -> Weights:
        """Weights of the standardised columns that slopes stand for, without intercepts."""

    @property
    def coupled(self) -> bool:
        """Whether margins are differences of scores."""
        return self.objective.loss.coupled

    def _limits(self) -> npt.NDArray[np.float64]:
        """Give what the loss allows for each example's slopes; see :func:`.sweep_products`."""
        loss, share = self.objective.loss, self.share
        assert loss.dual_box is not None
        # The largest box, infinity, is that of an example with share 0 too.
        least = np.maximum(share, 1e-9 * share.max())
        cap = share if loss.dual_box == 1 else loss.dual_box * least
        total = share if loss.dual_sum == 1 else loss.dual_sum * least
        shortening = 1 / (1 + loss.dual_curvature / (self.curvature * least))
        return np.column_stack([cap, total, shortening, self.curvature])

    def _first_slopes(self, W: Weights) -> Slopes:
        """Give the best multiple of the slopes at the first weights; zeros if these are zero."""
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
        return first

    def by_scores(self, slopes: Slopes) -> Slopes:
        """Derivatives by scores: ``A``."""
        return derivatives_by_scores(slopes, self.y, self.coupled)

    def weights(self, slopes: Slopes, intercept: npt.NDArray[np.float64]) -> Weights:
        """Weights for the columns of the objective that slopes stand for, and intercepts."""
        W = np.column_stack([self._coef(slopes), intercept])
        return W if self.objective.scaling is not None else self.scaling.raw(W)

    def bounds(self, slopes: Slopes, intercept: npt.NDArray[np.float64]) -> tuple[float, float]:
        """Values of the objective and of the dual problem.

        The latter is a lower bound of the minimum when the slopes are balanced.
        """
        scores = self.scores_of(slopes)
        linear, square = self._terms(slopes, scores)
        penalty = self._penalty(slopes, scores)
        losses = self.objective.loss.values(scores + intercept, self.y)
        return self.objective.mean(losses) + penalty, linear - square

    def _penalty(self, slopes: Slopes, scores: Slopes) -> float:
        return -0.5 * float((self.by_scores(slopes) * (scores - self.offset)).sum())

    def _terms(self, slopes: Slopes, scores: Slopes) -> tuple[float, float]:
        """Value of the dual problem: a term linear in the slopes, minus a quadratic one."""
        seen = self.share > 0
        linear = float(slopes.sum() + (self.by_scores(slopes) * self.offset).sum())
        square = self._penalty(slopes, scores)
        if self.objective.loss.dual_curvature:
            curved = slopes[seen] ** 2 / self.share[seen, None]
            square += self.objective.loss.dual_curvature / 2 * float(curved.sum())
        return linear, square

    def balanced(self, slopes: Slopes) -> Slopes:
        """Lower slopes by as little as makes the derivatives by the intercepts 0.

        All slopes of one class's examples in one margin are lowered by the same factor.
        """
        n_classes = self.objective.n_classes
        sums = np.zeros((n_classes, n_classes))
        np.add.at(sums, self.y, slopes)
        if not self.objective.fit_intercept or not sums.any():
            return slopes
        of, into = np.nonzero(sums)
        flows = np.arange(len(of))
        if self.coupled:
            ends = np.r_[into, of], np.r_[flows, flows]
            signs = np.repeat([1.0, -1.0], len(of))
        else:
            ends = into, flows
            signs = np.where(of == into, -1.0, 1.0)
        balance = csr_array((signs, ends), shape=(n_classes, len(of)))
        most = sums[of, into] / sums.max()
        kept = linprog(
            -np.ones(len(of)),
            A_eq=balance,
            b_eq=np.zeros(n_classes),
            bounds=np.column_stack([np.zeros(len(of)), most]),
        ).x
        factors = np.ones_like(sums)
        factors[of, into] = np.clip(kept / most, 0, 1)
        return slopes * factors[self.y]


class DualByProducts(DualProblem):
    """Keeps the scores up to date by the products of all pairs of rows: for few rows."""

    def _learn_rows(self) -> npt.NDArray[np.float64]:
        objective = self.objective
        blocks = list(row_blocks(objective.n_samples, BLOCK_ROWS))
        products = np.empty((objective.n_samples, objective.n_samples))

        def fill(first: slice) -> None:
            left = self.standardised[first] / objective.alpha
            for second in blocks:
                if second.start <= first.start:
                    product = left @ self.standardised[second].T
                    products[first, second] = product
                    products[second, first] = product.T

        for _ in objective.map(fill, reversed(blocks)):
            pass
        self.products = products
        return products.diagonal()

    def _improve(self, *sweep: Any) -> None:
        room = np.empty((2, self.objective.n_classes))
        sweep_products(*sweep, self.products, self.scores, *room)

    def update(self) -> None:
        """Compute the scores anew; see :class:`DualProblem`."""
        self.scores = self.scores_of(self.slopes)

    def scores_of(self, slopes: Slopes) -> Slopes:
        """Scores by the products; see :class:`DualProblem`."""
        return self.offset - self.products @ self.by_scores(slopes)

    def _coef(self, slopes: Slopes) -> Weights:
        objective, derivatives = self.objective, self.by_scores(slopes).T

        def product(rows: slice) -> npt.NDArray[np.float64]:
            return derivatives[:, rows] @ self.standardised[rows]

        coef = np.zeros((objective.n_classes, objective.X.shape[1]))
        for part in objective.map(product, row_blocks(len(self.y), BLOCK_ROWS)):
            coef -= part
        return coef / objective.alpha


class DualByRows(DualProblem):
    """Keeps the weights up to date, by a standardised copy of the rows: for more rows."""

    relaxation = 1.5

    def _learn_rows(self) -> npt.NDArray[np.float64]:
        objective, (n, d) = self.objective, self.objective.X.shape
        self.rows = np.zeros((n + 1, -(-d // LANES) * LANES), objective.X.dtype)
        squares = np.empty(n)

        def fill(rows: slice) -> None:
            block = self.standardised[rows]
            self.rows[rows, :d] = block
            squares[rows] = (block**2).sum(axis=1)

        for _ in objective.map(fill, row_blocks(n, BLOCK_ROWS)):
            pass
        return squares / objective.alpha

    def _improve(self, *sweep: Any) -> None:
        n_classes, dtype = self.objective.n_classes, self.rows.dtype
        room = np.empty((4, len(self.coef)), dtype), np.empty((4, 4), dtype), np.empty(n_classes)
        steps = np.empty((4, n_classes)), np.empty((4, n_classes), dtype)
        alpha = self.objective.alpha
        sweep_rows(*sweep, self.rows, self.offset, self.coef, alpha, *room, *steps)

    def update(self) -> None:
        """Compute the weights anew; see :class:`DualProblem`."""
        coef = self._padded_coef(self.slopes)
        n_classes = -(-len(coef) // CLASSES) * CLASSES
        self.coef = np.zeros((n_classes, coef.shape[1]), self.rows.dtype)
        self.coef[: len(coef)] = coef

    def scores_of(self, slopes: Slopes) -> Slopes:
        """Scores by the weights; see :class:`DualProblem`."""
        W = self._padded_coef(slopes).astype(self.rows.dtype)
        zero = np.zeros(self.objective.n_classes, self.rows.dtype)
        scores = self.offset.copy()

        def add(rows: slice) -> None:
            scores[rows] += block_scores(self.rows[rows], W, zero)

        for _ in self.objective.map(add, row_blocks(len(self.y), BLOCK_ROWS)):
            pass
        return scores

    def _coef(self, slopes: Slopes) -> Weights:
        return self._padded_coef(slopes)[:, : self.objective.X.shape[1]]

    def _padded_coef(self, slopes: Slopes) -> Weights:
        derivatives = self.by_scores(slopes).astype(self.rows.dtype)
        return -gradient_by_columns(self.objective, self.rows, derivatives) / self.objective.alpha


def _shares(objective: Objective) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Give every example's weight in the mean, and those to visit; see :class:`DualProblem`.

    So a weight of 2 is the same as a row that is there twice, also to the last step.
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
    return share, first[share[first] > 0]


def centring(objective: Objective, share: npt.NDArray[np.float64]) -> Scaling:
    """Give the scaling that only centres the columns, and not even that without intercepts."""
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
