"""Descriptors that may not fit in memory, as a stream of float32 blocks."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from visualwords.features.image import FloatArray

__all__ = ["DescriptorBlocks"]

ROWS = 65536  # Rows of a block: 36 MiB of 144 numbers.


class DescriptorBlocks:
    """One matrix, or an iterable of matrices that can be iterated more than once, read by blocks.

    Only a block at a time is converted to float32 or copied, and neither if it is C-contiguous
    float32 already. Small matrices of a sequence (an image's descriptors, say) are put together.

    Parameters
    ----------
    X : ndarray of shape (n, d) or iterable of ndarrays of shape (any, d)

    Attributes
    ----------
    n_rows, n_columns : int

    Raises
    ------
    ValueError
        If the matrices are not two-dimensional or differ in columns.
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

    def take(self, rows: Any) -> FloatArray:
        """Give the rows of these numbers, which must be sorted.

        Parameters
        ----------
        rows : ndarray of shape (m,), int
        """
        taken = np.empty((len(rows), self.n_columns), np.float32)
        for start, block in self:
            first, last = np.searchsorted(rows, (start, start + len(block)))
            taken[first:last] = block[rows[first:last] - start]
        return taken


def _joined(pieces: list[FloatArray]) -> FloatArray:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
