"""Standardised columns without a standardised copy of ``X``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.threads import row_blocks, worker_threads

from .kernels.products import block_moments
from .sources import Source

__all__ = ["Scaling", "StandardisedRows", "Weights", "column_scaling", "scalings_outside"]

Weights = npt.NDArray[np.float64]
BLOCK_ROWS = 512


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

    def balanced(self, widths: Sequence[int]) -> "Scaling":
        """Scale whole groups of columns, so that each has the same total variance.

        Block scaling: a group of ``w`` of all ``d`` columns is divided by ``sqrt(w * groups / d)``
        more. Else a penalty on the weights favours the widest group just for its width.

        Parameters
        ----------
        widths : sequence of int
            Columns of each group, in order.

        Examples
        --------
        >>> plain = Scaling(np.zeros(4), np.ones(4))
        >>> plain.balanced([1, 3]).scale.round(3).tolist()
        [0.707, 1.225, 1.225, 1.225]
        """
        shares = np.array(widths) / np.sum(widths)
        return Scaling(self.mean, self.scale * np.repeat(np.sqrt(shares * len(widths)), widths))

    def uncentred(self) -> "Scaling":
        """Scale the columns only."""
        return Scaling(np.zeros_like(self.mean), self.scale)

    def bounds(self, share: float) -> npt.NDArray[np.float64]:
        """Bound the absolute values of each column, in rows that have a share of the weight.

        Of values of the variance ``v``, none that has the share ``p`` of the weight is farther from
        the mean than ``sqrt(v / p)``.

        Parameters
        ----------
        share : float
            The least weight of a row, divided by the sum of all.

        Examples
        --------
        >>> Scaling(np.array([-2.0]), np.array([1.0])).bounds(0.25).tolist()
        [4.0]
        """
        with np.errstate(divide="ignore"):
            return np.abs(self.mean) + self.scale / np.sqrt(share)

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


class StandardisedRows:
    """A source of the rows of another in float64, converted whenever they are read.

    Blocks are C-contiguous: sums over them are the same bits however X lies in memory.

    Parameters
    ----------
    X : source of shape (n, n_features)
    scaling : Scaling or None
        Standardise the columns, or leave them.
    """

    def __init__(self, X: Source, scaling: Scaling | None) -> None:
        self.X, self.scaling = X, scaling
        self.shape, self.dtype = X.shape, np.dtype(np.float64)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> npt.NDArray[np.float64]:
        if self.scaling is None:
            return np.asarray(self.X[rows], np.float64, order="C")
        block = np.subtract(self.X[rows], self.scaling.mean, order="C")
        block /= self.scaling.scale
        return block


def column_scaling(
    X: Source, weight: npt.NDArray[np.float64] | None, n_jobs: int | None
) -> Scaling:
    """Compute mean and standard deviation of the columns, in one pass.

    Sums are taken of the differences to the first row, so a large mean costs no digits.

    Parameters
    ----------
    X : source of shape (n, n_features)
    weight : ndarray of shape (n,), optional
    n_jobs : int or None

    Returns
    -------
    Scaling
        A constant column has scale 1. Where a value is not finite the mean is not finite either,
        where squares of values overflow the scale.
    """
    weights = np.ones((1, X.shape[0])) if weight is None else weight[None]
    origin, first, second, total = _moments(X, weights, n_jobs)
    return _from_moments(origin, first[0], second[0], total[0])


def scalings_outside(
    X: Source, weights: npt.NDArray[np.float64], n_jobs: int | None
) -> list[Scaling]:
    """Compute :func:`column_scaling` by the rows outside each group of rows, in one pass.

    Parameters
    ----------
    X : source of shape (n, n_features)
    weights : ndarray of shape (n_groups, n)
        Weight of each row in each group; a row is in one group.
    n_jobs : int or None
    """
    origin, *moments = _moments(X, weights, n_jobs)
    first, second, total = (moment.sum(axis=0) - moment for moment in moments)
    groups = zip(first, second, total, strict=True)
    return [_from_moments(origin, *of_group) for of_group in groups]


def _moments(
    X: Source, weights: npt.NDArray[np.float64], n_jobs: int | None
) -> tuple[Any, Any, Any, Any]:
    """Sums of the columns' differences to the first row, of their squares, and of the weights."""
    origin = np.asarray(X[0:1])[0]

    def moments(rows: slice) -> tuple[Any, Any, Any]:
        block = np.asarray(X[rows])
        c = weights[:, rows].astype(block.dtype)
        first, second = block_moments(block, origin, c)
        return first.astype(np.float64), second.astype(np.float64), c.sum(axis=1, dtype=np.float64)

    with worker_threads(n_jobs) as map_:
        parts = list(map_(moments, row_blocks(X.shape[0], BLOCK_ROWS)))
    return origin, *(sum(column) for column in zip(*parts, strict=True))


def _from_moments(origin: Any, first: Any, second: Any, total: float) -> Scaling:
    with np.errstate(over="ignore", invalid="ignore"):
        shift = first / total
        variance = np.maximum(second / total - shift**2, 0)
        varies = (variance > 1e-12 * second / total) | ~np.isfinite(second)
        return Scaling(shift + origin, np.where(varies, np.sqrt(variance), 1.0))
