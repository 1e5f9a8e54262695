"""``Objective``: loss + L2 penalty over one matrix, as a function of the weights.

    f(W, b) = (sum over i of c_i * loss(W x_i + b, y_i)) / (sum over i of c_i) + alpha / 2 * ||W||^2

with ``c_i`` the weight of example ``i``. ``W`` and ``b`` are kept in one array of shape
``(n_classes, n_features + 1)``, the intercepts being its last column. The rows of ``X`` are read
once for value and gradient together, a block at a time: scores, losses and gradient are computed
while the block is in the core's cache. A block's sums are in the dtype of ``X``, the sums over
blocks in float64 and in the order of the blocks, so the result does not depend on ``n_jobs``.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from visualwords.threads import row_blocks, worker_threads

from .losses import Labels, Loss
from .matrix import Source, take_rows

__all__ = ["Objective", "Scaling", "Weights"]

Weights = npt.NDArray[np.float64]
T = TypeVar("T")

BLOCK_BYTES = 1 << 19


@dataclass(frozen=True)
class Scaling:
    """The affine map from ``X`` to its standardised columns, ``(x - mean) / scale``.

    It is never applied to ``X``: weights for standardised columns are turned into weights for
    ``X`` itself, and gradients the other way.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,), float64
    """

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    def raw(self, W: Weights) -> Weights:
        """Weights for ``X`` that give the scores of weights ``W`` for standardised columns."""
        coef = W[:, :-1] / self.scale
        return np.column_stack([coef, W[:, -1] - coef @ self.mean])

    def standardised(self, W: Weights) -> Weights:
        """Undo :meth:`raw`."""
        return np.column_stack([W[:, :-1] * self.scale, W[:, -1] + W[:, :-1] @ self.mean])

    def gradient(self, G: Weights) -> Weights:
        """Gradient by the standardised weights, from the gradient by the raw ones."""
        columns = (G[:, :-1] - np.outer(G[:, -1], self.mean)) / self.scale
        return np.column_stack([columns, G[:, -1]])


class Objective:
    """Mean loss plus ``alpha / 2 * ||W||^2`` over a matrix; intercepts are not penalised.

    Inside a ``with`` statement the threads are kept between calls; outside, each call starts and
    ends its own.

    Parameters
    ----------
    X : source of shape (n, n_features), float32 or float64
        Array, memory map, or other source of rows (:mod:`.matrix`). Never copied.
    y : ndarray of shape (n,), integers in [0, n_classes)
    loss : Loss
    alpha : float >= 0
    n_classes : int
    sample_weight : ndarray of shape (n,), optional
    fit_intercept : bool
        When False, the intercepts' derivative is given as 0: who starts at 0 stays there.
    scaling : Scaling, optional
        The weights (and the penalty) are those for standardised columns.
    n_jobs : int or None

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
        alpha: float,
        n_classes: int,
        *,
        sample_weight: npt.NDArray[np.floating] | None = None,
        fit_intercept: bool = True,
        scaling: Scaling | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.X, self.y, self.loss, self.alpha, self.n_classes = X, y, loss, alpha, n_classes
        self.sample_weight, self.fit_intercept = sample_weight, fit_intercept
        self.scaling, self.n_jobs = scaling, n_jobs
        self._total = float(len(y) if sample_weight is None else sample_weight.sum())
        self._map: Any = None
        self._threads = ExitStack()

    def __enter__(self) -> Self:
        self._map = self._threads.enter_context(worker_threads(self.n_jobs))
        return self

    def __exit__(self, *error: object) -> None:
        self._map = None
        self._threads.close()

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weights: classes, and features plus one for the intercept."""
        return self.n_classes, self.X.shape[1] + 1

    @property
    def n_samples(self) -> int:
        """Rows of X."""
        return len(self.y)

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
        value, gradient = 0.0, np.zeros(self.shape)
        for block_value, columns, intercepts in self._blocks(W, self._sums):
            value += block_value
            gradient[:, :-1] += columns
            gradient[:, -1] += intercepts
        gradient /= self._total
        if self.scaling is not None:
            gradient = self.scaling.gradient(gradient)
        if not self.fit_intercept:
            gradient[:, -1] = 0
        gradient[:, :-1] += self.alpha * W[:, :-1]
        return value / self._total + self.penalty(W), gradient

    def value(self, W: Weights) -> float:
        """Compute the value alone, in one pass over X."""
        return self.mean(self.losses(W)) + self.penalty(W)

    def mean(self, losses: npt.NDArray[np.floating]) -> float:
        """Mean over the examples, with the sample weights: of losses of shape (n,)."""
        weights = 1.0 if self.sample_weight is None else self.sample_weight
        return float((weights * losses).sum(dtype=np.float64)) / self._total

    def scores(self, W: Weights) -> npt.NDArray[Any]:
        """Compute the scores of all examples, in one pass over X.

        Scores are linear in the weights, so those of many weights (stacked, or along a line) cost
        one pass together.

        Parameters
        ----------
        W : ndarray of shape (m, n_features + 1)
            Any number of rows.

        Returns
        -------
        ndarray of shape (n, m), dtype of X; contiguous along the examples
        """
        scores = np.empty((len(W), self.n_samples), self.X.dtype)

        def keep(of_block: npt.NDArray[Any], y: Labels, X: npt.NDArray[Any], rows: slice) -> None:
            scores[:, rows] = of_block.T

        for _ in self._blocks(W, keep):
            pass
        return scores.T

    def losses(self, W: Weights) -> npt.NDArray[np.float64]:
        """Compute the loss of every example, without penalty and sample weights.

        Returns
        -------
        ndarray of shape (n,), float64
        """
        values = list(self._blocks(W, lambda s, y, X, rows: self.loss.values(s, y)))
        return np.concatenate(values).astype(np.float64)

    def penalty(self, W: Weights) -> float:
        """``alpha / 2 * ||W||^2`` without the intercepts."""
        return 0.5 * self.alpha * float((W[:, :-1] ** 2).sum())

    def subset(self, index: npt.NDArray[np.intp]) -> "Objective":
        """Make the objective of some rows, which are copied: a minibatch, or a sample."""
        weight = None if self.sample_weight is None else self.sample_weight[index]
        return Objective(
            take_rows(self.X, index),
            self.y[index],
            self.loss,
            self.alpha,
            self.n_classes,
            sample_weight=weight,
            fit_intercept=self.fit_intercept,
            scaling=self.scaling,
            n_jobs=self.n_jobs,
        )

    def _sums(
        self, scores: npt.NDArray[Any], y: Labels, X: npt.NDArray[Any], rows: slice
    ) -> tuple[float, npt.NDArray[Any], npt.NDArray[Any]]:
        """Weighted sums over a block: of the losses, and of the gradient by W and by b."""
        values, gradients = self.loss.values_and_grad(scores, y)
        if self.sample_weight is not None:
            weight = self.sample_weight[rows].astype(X.dtype, copy=False)
            values = values * weight
            gradients *= weight[:, None]
        intercepts = gradients.sum(axis=0, dtype=np.float64)
        return float(values.sum(dtype=np.float64)), gradients.T @ X, intercepts

    def _blocks(self, W: Weights, function: Callable[..., T]) -> Iterator[T]:
        """Apply a function of (scores, y, X, rows) to every block of rows, in order."""
        weights = W if self.scaling is None else self.scaling.raw(W)
        coef = weights[:, :-1].astype(self.X.dtype)
        intercept = weights[:, -1:].astype(self.X.dtype)

        def compute(rows: slice) -> T:
            block = np.asarray(self.X[rows])
            # (n_classes, n) is computed and its transpose given: reductions over classes are
            # then sums of long rows.
            scores = (coef @ block.T + intercept).T
            return function(scores, self.y[rows], block, rows)

        width = self.X.shape[1] * self.X.dtype.itemsize
        rows = row_blocks(len(self.y), int(np.clip(BLOCK_BYTES // width, 64, 4096)))
        if self._map is not None:
            yield from self._map(compute, rows)
            return
        with worker_threads(self.n_jobs) as map_:
            yield from map_(compute, rows)
