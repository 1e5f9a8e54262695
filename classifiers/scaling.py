"""Standardised columns without a standardised copy of ``X``."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .kernels.products import block_moments
from .row_blocks import over_blocks
from .sources import MapParts, Source, take_rows

__all__ = ["Scaling", "StandardisedRows", "Weights", "column_scaling", "scalings_outside"]

FloatArray = npt.NDArray[np.floating]
Weights = npt.NDArray[np.float64]
# Beyond this mean, in standard deviations, sums in float32 lose digits to the mean.
FAR = 16.0
# Beyond this standard deviation, or below its inverse, squares leave the range of float32.
LARGE = 1e9


@dataclass(frozen=True)
class Scaling:
    """The affine map from the columns of ``X`` to standardised columns, ``(x - mean) / scale``.

    Solvers do not apply it to ``X``. They turn weights for the standardised columns into weights
    for ``X``, and gradients the other way.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,), float64
    """

    mean: Weights
    scale: Weights

    def balanced(self, widths: Sequence[int]) -> "Scaling":
        """Return a scaling that gives each group of columns the same total variance.

        The columns of a group of ``w`` of all ``d`` columns are divided by
        ``sqrt(w * groups / d)`` in addition (block scaling). Without it, a penalty on the weights
        favours the group with the most columns.

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

    def divided(self, factors: Weights) -> "Scaling":
        """Return a scaling that divides the columns by factors in addition."""
        return Scaling(self.mean, self.scale * factors)

    def uncentred(self) -> "Scaling":
        """Return a scaling that divides by the same scale and subtracts nothing."""
        return Scaling(np.zeros_like(self.mean), self.scale)

    def frame(self, dtype: np.dtype[np.floating]) -> "Scaling | None":
        """Return a coarse scaling after which ``dtype`` can hold rows and sums, or None.

        Weights for raw columns cancel where a mean is many standard deviations from 0, and squares
        of very small or large columns leave the range of float32. The frame subtracts such means
        and divides such columns by a power of two, so it rounds next to nothing. None says that no
        column needs it.

        Parameters
        ----------
        dtype : dtype of the rows

        Examples
        --------
        >>> Scaling(np.array([5.0, 1e5]), np.array([1.0, 2.0])).frame(np.dtype(np.float32))
        Scaling(mean=array([     0., 100000.]), scale=array([1., 1.]))
        """
        far = np.abs(self.mean) > FAR * self.scale
        odd = (self.scale > LARGE) | (self.scale < 1 / LARGE)
        if not (far | odd).any():
            return None
        mean = np.where(far, self.mean, 0.0).astype(dtype).astype(np.float64)
        return Scaling(mean, np.where(odd, np.exp2(np.round(np.log2(self.scale))), 1.0))

    def within(self, frame: "Scaling") -> "Scaling":
        """Return the scaling that gives the same columns when it follows a frame."""
        return Scaling((self.mean - frame.mean) / frame.scale, self.scale / frame.scale)

    def bounds(self, share: float) -> Weights:
        """Return a bound on the absolute values of each column.

        A value that has the share ``p`` of the weight is at most ``sqrt(v / p)`` away from the
        mean, where ``v`` is the variance.

        Parameters
        ----------
        share : float
            Smallest weight of a row, divided by the sum of all weights.

        Examples
        --------
        >>> Scaling(np.array([-2.0]), np.array([1.0])).bounds(0.25).tolist()
        [4.0]
        """
        with np.errstate(divide="ignore"):
            return np.abs(self.mean) + self.scale / np.sqrt(share)

    def raw(self, W: Weights) -> Weights:
        """Return the weights for ``X`` that give the same scores as ``W`` for scaled columns."""
        coef = W[:, :-1] / self.scale
        return np.column_stack([coef, W[:, -1] - coef @ self.mean])

    def standardised(self, W: Weights) -> Weights:
        """Return the weights for scaled columns that give the same scores as ``W`` for ``X``."""
        return np.column_stack([W[:, :-1] * self.scale, W[:, -1] + W[:, :-1] @ self.mean])

    def gradient(self, G: Weights) -> Weights:
        """Return the gradient by the weights for scaled columns, from that by the raw weights."""
        columns = (G[:, :-1] - np.outer(G[:, -1], self.mean)) / self.scale
        return np.column_stack([columns, G[:, -1]])


class StandardisedRows:
    """A source that reads blocks of rows of ``X`` and scales and converts them.

    Blocks are C-contiguous, so sums over them have the same bits however X lies in memory.

    Parameters
    ----------
    X : source of shape (n, n_features)
    scaling : Scaling or None
        None leaves the columns as they are.
    dtype : dtype, optional
        Of the blocks. The arithmetic is done in float64.
    """

    def __init__(
        self, X: Source, scaling: Scaling | None, dtype: npt.DTypeLike = np.float64
    ) -> None:
        self.X, self.scaling = X, scaling
        self.shape, self.dtype = X.shape, np.dtype(dtype)
        self._ones = scaling is not None and bool((scaling.scale == 1).all())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> FloatArray:
        return self._scaled(self.X[rows])

    @property
    def map_parts(self) -> MapParts | None:
        """What lets workers read the rows; see :class:`.ColumnStack`."""
        return getattr(self.X, "map_parts", None)

    def between(self, rows: slice) -> "StandardisedRows":
        """Return the source of some rows; nothing is read."""
        X: Any = self.X
        return StandardisedRows(X.between(rows), self.scaling, self.dtype)

    def take_rows(self, index: npt.NDArray[np.intp]) -> FloatArray:
        """Copy single rows; see :func:`take_rows`."""
        return self._scaled(take_rows(self.X, index))

    def _scaled(self, block: FloatArray) -> FloatArray:
        if self.scaling is None:
            return np.asarray(block, self.dtype, order="C")
        # NumPy converts and subtracts faster one after the other.
        scaled = np.array(block, np.float64, order="C")
        scaled -= self.scaling.mean
        if not self._ones:
            scaled /= self.scaling.scale
        return scaled.astype(self.dtype, copy=False)


def column_scaling(X: Source, weight: Weights | None, n_jobs: int | None) -> Scaling:
    """Compute the mean and the standard deviation of each column, in one pass.

    Sums are taken of the differences to the first row, so a large mean costs no digits.

    Parameters
    ----------
    X : source of shape (n, n_features)
    weight : ndarray of shape (n,), optional
    n_jobs : int or None

    Returns
    -------
    Scaling
        A constant column has scale 1. Where a value is not finite, the mean is not finite either.
        Where squares of values overflow, the scale is not finite.
    """
    weights = np.ones((1, X.shape[0])) if weight is None else weight[None]
    moments = _moments(X, weights, n_jobs)
    return _from_moments(moments, moments.first[0], moments.second[0], moments.total[0])


def scalings_outside(X: Source, weights: Weights, n_jobs: int | None) -> list[Scaling]:
    """Compute :func:`column_scaling` by the rows outside each group of rows, in one pass.

    Parameters
    ----------
    X : source of shape (n, n_features)
    weights : ndarray of shape (n_groups, n)
        Weight of each row in each group; a row is in one group at most.
    n_jobs : int or None
    """
    moments = _moments(X, weights, n_jobs)
    first, second, total = (
        sums.sum(axis=0) - sums for sums in (moments.first, moments.second, moments.total)
    )
    groups = zip(first, second, total, strict=True)
    return [_from_moments(moments, *of_group) for of_group in groups]


class Moments(NamedTuple):
    """Weighted sums over each group of rows, of differences to ``origin`` in units of ``unit``.

    Attributes
    ----------
    origin, unit : ndarray of shape (n_features,)
    first, second : ndarray of shape (n_groups, n_features)
        Sums of the differences and of their squares.
    total : ndarray of shape (n_groups,)
        Sums of the weights.
    """

    origin: Weights
    unit: Weights
    first: Weights
    second: Weights
    total: Weights


def _moments(X: Source, weights: Weights, n_jobs: int | None) -> Moments:
    """Compute the moments; columns whose squares underflow take two more passes."""
    start = np.asarray(X[0:1])[0]
    origin, unit = start.astype(np.float64), np.ones(X.shape[1])
    first, second, total = _sums(X, start, weights, n_jobs)
    limits = np.finfo(X.dtype)
    small = np.flatnonzero(second.sum(axis=0) < limits.tiny / limits.eps * total.sum())
    if len(small):
        largest = over_blocks(_largest_differences, X, n_jobs, fixed=(origin[small], small))
        unit[small] = np.max(list(largest), axis=0)
        small, unit[unit == 0] = small[unit[small] > 0], 1.0
    if len(small):
        chosen = _Chosen(small, origin[small], unit[small])
        zeros = np.zeros(len(small))
        first[:, small], second[:, small], _ = _sums(X, zeros, weights, n_jobs, chosen)
    return Moments(origin, unit, first, second, total)


class _Chosen(NamedTuple):
    """Some columns, what is subtracted from them, and what they are divided by then."""

    columns: npt.NDArray[np.intp]
    mean: Weights
    unit: Weights


def _sums(
    X: Source,
    origin: FloatArray,
    weights: Weights,
    n_jobs: int | None,
    chosen: _Chosen | None = None,
) -> tuple[Weights, Weights, Weights]:
    """Sum the differences to ``origin``, their squares and the weights, for each group."""
    fixed = (origin, chosen)
    parts = over_blocks(_block_sums, X, n_jobs, by_row=(weights,), fixed=fixed)
    first, second, total = (reduce(np.add, column) for column in zip(*parts, strict=True))
    return first, second, total


def _block_sums(
    block: FloatArray, weights: Weights, origin: FloatArray, chosen: _Chosen | None
) -> tuple[Weights, Weights, Weights]:
    if chosen is not None:
        block = (block[:, chosen.columns] - chosen.mean) / chosen.unit
    c = weights.astype(block.dtype)
    first, second = block_moments(block, origin, c)
    return first.astype(np.float64), second.astype(np.float64), c.sum(axis=1, dtype=np.float64)


def _largest_differences(
    block: FloatArray, origin: Weights, columns: npt.NDArray[np.intp]
) -> Weights:
    """Find the largest absolute difference to ``origin`` in some columns."""
    largest: Weights = np.abs(block[:, columns] - origin).max(axis=0)
    return largest


def _from_moments(moments: Moments, first: Weights, second: Weights, total: float) -> Scaling:
    with np.errstate(over="ignore", invalid="ignore"):
        shift = first / total
        variance = np.maximum(second / total - shift**2, 0)
        varies = (variance > 1e-12 * second / total) | ~np.isfinite(second)
        mean = shift * moments.unit + moments.origin
        return Scaling(mean, np.where(varies, np.sqrt(variance) * moments.unit, 1.0))
