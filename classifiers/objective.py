"""``Objective``: the mean loss over the rows of one matrix plus a penalty.

    f(W, b) = (sum over i of c_i * loss(W x_i + b, y_i)) / (sum over i of c_i) + penalty(W)

``c_i`` is the weight of example ``i``. One array of shape ``(n_classes, n_features + 1)`` holds
``W`` and, in its last column, the intercepts ``b``. One pass over ``X`` computes value and
gradient. It reads ``X`` in blocks of rows that fit in the processor's cache. Sums within a block
have the dtype of ``X``. Sums over blocks are float64 and in the order of the blocks, so the result
does not depend on ``n_jobs``.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from visualwords.threads import row_blocks, worker_threads

from .kernels.products import block_scores
from .losses import Labels, Loss
from .penalties import Penalty, as_penalty
from .placed import block_rows, block_sums, block_values, sums_over_blocks
from .scaling import Scaling, StandardisedRows, Weights
from .sources import Source, take_rows

__all__ = ["Certificate", "Objective", "Weights"]

T = TypeVar("T")


@dataclass(frozen=True)
class Certificate:
    """Upper bound on how far an objective is above its minimum.

    Attributes
    ----------
    value : float
        The objective at the weights.
    slack : float
        Part of the gap that comes from kinks of the loss.
    distance : float
        Part of the gap that comes from a gradient by W that is not zero.
    intercepts : float
        Part of the gap that comes from a gradient by the intercepts that is not zero.
    """

    value: float
    slack: float
    distance: float
    intercepts: float

    @property
    def gap(self) -> float:
        """The objective's minimum is at least ``value - gap``."""
        return self.slack + self.distance + self.intercepts


class Objective:
    """Mean loss over a matrix plus a penalty. The intercepts are not penalised.

    A ``with`` statement keeps the threads between calls. Otherwise each call starts its own.

    Parameters
    ----------
    X : source of shape (n, n_features), float32 or float64
        Array, memory map, or other source of rows (:mod:`.sources`). Not copied.
    y : ndarray of shape (n,), integers in [0, n_classes)
    loss : Loss
    alpha : float >= 0 or Penalty
        Strength of the L2 penalty ``alpha / 2 * ||W||^2``, or another penalty.
    n_classes : int
    sample_weight : ndarray of shape (n,), optional
    total_weight : float, optional
        What the sum over the rows is divided by; by default the sum of the weights.
    fit_intercept : bool
        When False, the derivatives by the intercepts are 0, so intercepts of 0 stay 0.
    scaling : Scaling, optional
        The weights and the penalty are for standardised columns.
    offset : ndarray of shape (n, n_classes), optional
        Added to the scores.
    n_jobs : int or None

    Raises
    ------
    ValueError
        If y does not hold such a number for each row, or weights have another shape.

    Examples
    --------
    >>> from visualwords.classifiers.losses import CrossEntropy
    >>> X = np.eye(3, dtype=np.float32)
    >>> objective = Objective(X, np.array([0, 1, 2]), CrossEntropy(), alpha=1.0, n_classes=3)
    >>> value, gradient = objective(np.zeros(objective.shape))
    >>> round(value, 4), gradient.shape
    (1.0986, (3, 4))
    """

    def __init__(
        self,
        X: Source,
        y: Labels,
        loss: Loss,
        alpha: float | Penalty,
        n_classes: int,
        *,
        sample_weight: npt.NDArray[np.floating] | None = None,
        total_weight: float | None = None,
        fit_intercept: bool = True,
        scaling: Scaling | None = None,
        offset: npt.NDArray[np.floating] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        _check_labels(y, X.shape[0], n_classes)
        self.X, self.y, self.loss, self.n_classes = X, y, loss, n_classes
        self.penalty = as_penalty(alpha)
        self.sample_weight, self.fit_intercept = sample_weight, fit_intercept
        self.scaling, self.offset, self.n_jobs = scaling, offset, n_jobs
        total = len(y) if sample_weight is None else sample_weight.sum()
        self._total = float(total if total_weight is None else total_weight)
        self._map: Any = None
        self._threads = ExitStack()

    def __enter__(self) -> Self:
        if self._map is None:
            self._map = self._threads.enter_context(worker_threads(self.n_jobs))
            self._threads.callback(setattr, self, "_map", None)
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.close()

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weights: classes, and features plus one for the intercept."""
        return self.n_classes, self.X.shape[1] + 1

    @property
    def alpha(self) -> float:
        """Strength of the L2 penalty; 0 for no penalty or another one."""
        return self.penalty.curvature or 0.0

    @property
    def n_samples(self) -> int:
        """Rows of X."""
        return len(self.y)

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """The weight of each example in the mean, shape (n,); they sum to 1."""
        weight = np.ones(self.n_samples) if self.sample_weight is None else self.sample_weight
        weight = weight.astype(np.float64)
        return weight / weight.sum()

    def __call__(self, W: Weights) -> tuple[float, Weights]:
        """Compute value and (sub)gradient in one pass over X.

        Parameters
        ----------
        W : ndarray of shape (n_classes, n_features + 1)

        Returns
        -------
        value : float
        gradient : ndarray of the shape of W, float64
        """
        self._check_weights(W, self.n_classes)
        total, by_intercept = 0.0, np.zeros(self.n_classes)
        by_coef = np.zeros((self.n_classes, self.X.shape[1]))
        for losses, columns, intercepts in sums_over_blocks(self, block_sums, W):
            total += losses
            by_coef += columns
            by_intercept += intercepts
        gradient = np.column_stack([by_coef, by_intercept]) / self._total
        if self.scaling is not None:
            gradient = self.scaling.gradient(gradient)
        if not self.fit_intercept:
            gradient[:, -1] = 0
        gradient += self.penalty.gradient(W)
        return total / self._total + self.penalty.value(W), gradient

    def value(self, W: Weights) -> float:
        """Compute the value alone, in one pass over X."""
        return self.mean(self.losses(W)) + self.penalty.value(W)

    def mean(self, losses: npt.NDArray[np.floating]) -> float:
        """Compute the weighted mean over the examples of losses of shape (n,)."""
        weights = 1.0 if self.sample_weight is None else self.sample_weight
        return float((weights * losses).sum(dtype=np.float64)) / self._total

    def scores(self, W: Weights) -> npt.NDArray[Any]:
        """Compute the scores of all examples, in one pass over X.

        Scores are linear in the weights, so one pass serves many stacked weight matrices.

        Parameters
        ----------
        W : ndarray of shape (m, n_features + 1)
            Any number of rows.

        Returns
        -------
        ndarray of shape (n, m), dtype of X; contiguous along the examples
        """
        self._check_weights(W, len(W))
        scores = np.empty((len(W), self.n_samples), self.X.dtype)

        def keep(of_block: npt.NDArray[Any], y: Labels, X: npt.NDArray[Any], rows: slice) -> None:
            scores[:, rows] = of_block.T

        for _ in self.blocks(W, keep):
            pass
        return scores.T

    def losses(self, W: Weights) -> npt.NDArray[np.float64]:
        """Compute the loss of every example, float64, without penalty and sample weights."""
        self._check_weights(W, self.n_classes)
        values = list(self.blocks(W, lambda s, y, X, rows: self.loss.values(s, y)))
        return np.concatenate(values).astype(np.float64)

    def certify(self, W: Weights, gradient: Weights | None = None) -> Certificate:
        """Bound how far the objective at ``W`` is above its minimum.

        The (sub)gradients ``a_i`` of the examples by their scores are a feasible point of
        Fenchel's dual problem. Its duality gap is

            mean slack_i + penalty.gap(W, gradient) + radius * sum |r_k|

        The last term is for the intercepts, which have no penalty: ``r`` is the gradient by the
        intercepts. The bound holds for all W and all intercepts within ``radius = max(1, max |b|)``
        of the given ones. For a loss with kinks the bound is better if the objective is
        :meth:`smoothed`. Value and gap are those of the loss without smoothing in any case.

        Parameters
        ----------
        W : ndarray of shape (n_classes, n_features + 1)
        gradient : ndarray of the shape of W, optional
            The gradient at ``W``, if it is known. A loss with kinks then needs the scores alone.
        """
        itself = self.loss.smoothed(0.0)
        if itself.smooth:
            return self.certificate(W, *self(W))
        gradient = self(W)[1] if gradient is None else gradient
        functions = [itself.values, self.loss.slack]
        sums = sum(sums_over_blocks(self, partial(block_values, functions), W))
        value, slack = (sums / self._total).tolist()
        return self.certificate(W, value + self.penalty.value(W), gradient, slack)

    def certificate(
        self, W: Weights, value: float, gradient: Weights, slack: float = 0.0
    ) -> Certificate:
        """Make the bound of :meth:`certify` from value and gradient."""
        distance = self.penalty.gap(W, gradient)
        radius = max(1.0, float(np.abs(W[:, -1]).max()))
        intercepts = radius * float(np.abs(gradient[:, -1]).sum())
        return Certificate(value, slack, distance, intercepts)

    def smoothed(self, width: float) -> "Objective":
        """Return this objective with the kinks of the loss rounded over ``width``."""
        return self.replaced(loss=self.loss.smoothed(width))

    def in_double(self) -> "Objective":
        """Return this objective with sums in float64; each block of rows is converted when read."""
        if isinstance(self.X, StandardisedRows):
            return self.replaced(X=StandardisedRows(self.X.X, self.X.scaling))
        return self.replaced(X=StandardisedRows(self.X, None))

    def subset(self, index: npt.NDArray[np.intp]) -> "Objective":
        """Return the objective over a copy of some rows, such as a minibatch or a sample.

        Its expectation over random rows is this objective, also when rows have weights.
        """
        return self.replaced(
            X=take_rows(self.X, index),
            y=self.y[index],
            sample_weight=None if self.sample_weight is None else self.sample_weight[index],
            offset=None if self.offset is None else self.offset[index],
        )

    def replaced(self, **changes: Any) -> "Objective":
        """Return an objective with some arguments changed. It shares the threads of this one."""
        if "alpha" in changes:
            changes["penalty"] = as_penalty(changes.pop("alpha"))
        if unknown := changes.keys() - vars(self).keys():
            raise TypeError(f"Objective has no arguments {sorted(unknown)} to replace")
        other = copy(self)
        vars(other).update(changes, _threads=ExitStack())
        other._total = self._total * len(other.y) / len(self.y)
        return other

    def _check_weights(self, W: Weights, n_rows: int) -> None:
        """Refuse weights of a wrong shape: kernels do not check it."""
        shape = n_rows, self.X.shape[1] + 1
        if W.shape != shape:
            raise ValueError(
                f"weights must have shape {shape}, a column for each feature and the last for the "
                f"intercepts; got shape {W.shape}"
            )

    def blocks(self, W: Weights, function: Callable[..., T]) -> Iterator[T]:
        """Apply a function of (scores, y, X, rows) to every block of rows, in order."""
        weights = W if self.scaling is None else self.scaling.raw(W)
        coef = weights[:, :-1].astype(self.X.dtype, order="C")
        intercept = weights[:, -1].astype(self.X.dtype)

        @np.errstate(over="ignore", invalid="ignore")  # in each thread; the sums tell
        def compute(rows: slice) -> T:
            block = np.ascontiguousarray(self.X[rows])
            scores = block_scores(block, coef, intercept)
            if self.offset is not None:
                scores += self.offset[rows]
            return function(scores, self.y[rows], block, rows)

        return self.map(compute, row_blocks(len(self.y), block_rows(self.X)))

    def map(self, function: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
        """Apply a function to items by the threads of this objective, in order."""
        if self._map is not None:
            yield from self._map(function, items)
            return
        with worker_threads(self.n_jobs) as map_:
            yield from map_(function, items)


def _check_labels(y: Labels, n_rows: int, n_classes: int) -> None:
    """Refuse labels that are out of range: kernels do not check them."""
    of_kind = isinstance(y, np.ndarray) and y.dtype.kind in "iu" and y.shape == (n_rows,)
    if not of_kind or (n_rows and not 0 <= y.min() <= y.max() < n_classes):
        raise ValueError(
            f"y must be an array of {n_rows} integers, one for each row, from 0 to n_classes - 1 = "
            f"{n_classes - 1}; make them of labels by np.unique(labels, return_inverse=True)"
        )
