"""Descriptors that may not fit in memory, as a stream of float32 blocks."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from visualwords.compiling import read_only
from visualwords.features.image import FloatArray

from .distances import DoubleArray

__all__ = ["DescriptorBlocks", "Descriptors", "is_sequence_of_blocks"]

Descriptors = npt.ArrayLike | Iterable[npt.ArrayLike]
ROWS = 65536  # Rows of a block: 36 MiB of 144 numbers.


class DescriptorBlocks:
    """One matrix, or an iterable of matrices that can be iterated more than once, read by blocks.

    One block at a time is converted to C-contiguous float32; a block that is so already is not
    copied. Blocks are read-only. Small matrices of a sequence, such as the descriptors of single
    images, are joined.

    Parameters
    ----------
    X : ndarray of shape (n, d) or iterable of ndarrays of shape (any, d)

    Attributes
    ----------
    n_rows, n_columns : int

    Raises
    ------
    ValueError
        If the matrices are not two-dimensional, differ in columns or are complex or text.
    """

    def __init__(self, X: Any) -> None:
        self.matrices: Iterable[Any] = [X] if isinstance(X, np.ndarray) else X
        self.n_rows = 0
        self.n_columns = -1
        for number, matrix in enumerate(self.matrices):
            if np.ndim(matrix) != 2:
                raise ValueError(
                    f"block {number} of the descriptors has shape {np.shape(matrix)}, "
                    "expected (n, d)"
                )
            dtype = getattr(matrix, "dtype", None)
            if isinstance(dtype, np.dtype) and dtype.kind in "cSU":
                raise ValueError(
                    f"block {number} of the descriptors has the dtype {dtype}, "
                    "expected real numbers"
                )
            n_rows, n_columns = np.shape(matrix)
            self.n_rows += n_rows
            if self.n_columns not in (-1, n_columns):
                raise ValueError(
                    f"block {number} of the descriptors has {n_columns} columns, "
                    f"the blocks before it {self.n_columns}"
                )
            self.n_columns = n_columns
        if self.n_columns < 1:
            raise ValueError("the descriptors have no columns, expected shape (n, d) with d > 0")

    def __iter__(self) -> Iterator[tuple[int, FloatArray]]:
        """Iterate over ``(number of the first row, block)``."""
        start = 0
        waiting: list[FloatArray] = []
        for piece in self._pieces():
            if sum(map(len, waiting)) + len(piece) > ROWS:
                yield start, _joined(waiting)
                start += sum(map(len, waiting))
                waiting = []
            waiting.append(piece)
        if waiting:
            yield start, _joined(waiting)

    def _pieces(self) -> Iterator[FloatArray]:
        for matrix in self.matrices:
            for start in range(0, len(matrix), ROWS):
                with np.errstate(over="ignore"):  # Too large becomes infinity, refused later.
                    yield np.ascontiguousarray(matrix[start : start + ROWS], np.float32)

    def check_precision(self) -> None:
        """Refuse descriptors whose differences are lost when they are converted to float32.

        Raises
        ------
        ValueError
            If the rounding errors have a variance above 1e-4 of the descriptors' variance.
        """
        origin: DoubleArray | None = None
        moments = np.zeros((4, self.n_columns))  # Sums of values, squares, errors, their squares.
        for matrix in self.matrices:
            exact = np.can_cast(getattr(matrix, "dtype", np.float64), np.float32)
            for start in range(0, 0 if exact else len(matrix), ROWS):
                piece = np.asarray(matrix[start : start + ROWS], np.float64)
                if not (np.abs(piece) < np.finfo(np.float32).max).all():
                    return  # The search refuses these.
                origin = piece[0] if origin is None else origin
                errors = piece - piece.astype(np.float32)
                for i, values in ((0, piece - origin), (2, errors)):
                    moments[i] += values.sum(axis=0)
                    moments[i + 1] += np.square(values).sum(axis=0)
        squares = moments[1::2] - moments[::2] ** 2 / max(1, self.n_rows)
        spread, lost = squares.sum(axis=1)
        if lost > 1e-4 * spread:
            raise ValueError(
                f"float32 loses {lost / max(spread, np.finfo(float).tiny):.1%} of the variance of "
                "the descriptors, which are far from 0; subtract their mean in float64 first"
            )

    def take(self, rows: npt.NDArray[np.int64]) -> FloatArray:
        """Return the rows of these numbers, which must be sorted.

        Parameters
        ----------
        rows : ndarray of shape (m,), int
        """
        taken = np.empty((len(rows), self.n_columns), np.float32)
        for start, block in self:
            first, last = np.searchsorted(rows, (start, start + len(block)))
            taken[first:last] = block[rows[first:last] - start]
        return read_only(taken)


def _joined(pieces: list[FloatArray]) -> FloatArray:
    return read_only(pieces[0] if len(pieces) == 1 else np.concatenate(pieces))


def is_sequence_of_blocks(X: Descriptors) -> TypeGuard[Iterable[npt.ArrayLike]]:
    """Return whether ``X`` is a collection of matrices, not a matrix."""
    if hasattr(X, "dtype") or hasattr(X, "__array__") or not isinstance(X, Iterable):
        return False
    if isinstance(X, Iterator):
        raise TypeError("X is an iterator, which can be read once only; give a sequence of blocks")
    return np.ndim(next(iter(X), 0)) == 2
