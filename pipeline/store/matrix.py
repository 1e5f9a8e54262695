"""A matrix whose rows lie in the shards of a store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Places", "RowMatrix"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Places:
    """Where the rows of images lie.

    Attributes
    ----------
    shard : ndarray of shape (n,), int32
        Number of the shard, in the order in which shards were found; -1 where there is no row.
    row : ndarray of shape (n,), int32
        Row in the shard.
    """

    shard: IntArray
    row: IntArray

    def __getitem__(self, images: Any) -> "Places":
        return Places(self.shard[images], self.row[images])

    def put_back(self, order: npt.NDArray[np.intp]) -> "Places":
        """Return the places of images of which these are the places in some order."""
        shard, row = np.empty_like(self.shard), np.empty_like(self.row)
        shard[order], row[order] = self.shard, self.row
        return Places(shard, row)

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Whether an image has a row."""
        return self.shard >= 0


class RowMatrix:
    """A matrix of rows in a store: array-like, never read whole unless asked for.

    Parameters
    ----------
    array : callable
        Returns the rows of a shard by its number.
    places : Places
        One for each row of the matrix.
    n_columns : int

    Attributes
    ----------
    shape : (int, int)
    dtype : float32

    Notes
    -----
    A slice whose rows follow each other in one shard is a view of the file; others are copied
    together.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, array: Callable[[int], FloatArray], places: Places, n_columns: int) -> None:
        self._array = array
        self._places = places
        self.shape = (len(places.shard), n_columns)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | npt.ArrayLike) -> FloatArray:
        """Return the rows of a slice, of numbers or of a mask; the row of a single number.

        ``X[rows, ...]``, by which scikit-learn takes the rows of a fold, is ``X[rows]``.
        """
        if isinstance(rows, tuple):  # NumPy would take it for numbers of rows
            if len(rows) != 2 or rows[1] is not Ellipsis:
                raise TypeError(
                    "the matrix gives whole rows: X[rows]; X[rows][:, columns] has some columns"
                )
            rows = rows[0]
        if isinstance(rows, slice):
            return self._gather(self._places[rows])
        wanted = np.asarray(rows)
        return self._gather(self._places[wanted]) if wanted.ndim else self[wanted[None]][0]

    take_rows = __getitem__  # is asked for by ColumnStack

    def take(self, rows: npt.NDArray[np.intp]) -> "RowMatrix":
        """Return the matrix of some rows, by their numbers; nothing is read."""
        return RowMatrix(self._array, self._places[rows], self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _gather(self, places: Places) -> FloatArray:
        runs = _runs(places)
        if len(runs) == 1:
            shard, first, count, _ = runs[0]
            return self._array(shard)[first : first + count]
        out = np.empty((len(places.shard), self.shape[1]), np.float32)
        if len(runs) * 4 < len(out):
            for shard, first, count, to in runs:
                out[to : to + count] = self._array(shard)[first : first + count]
            return out
        for shard in np.unique(places.shard).tolist():
            wanted = places.shard == shard
            out[wanted] = self._array(shard)[places.row[wanted]]
        return out


def _runs(places: Places) -> Sequence[tuple[int, int, int, int]]:
    """Cut places into runs that follow each other in a shard: shard, first row, count, position."""
    n = len(places.shard)
    if not n:
        return []
    breaks = (np.diff(places.shard) != 0) | (np.diff(places.row) != 1)
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    counts = np.diff(np.append(starts, n))
    columns = (places.shard[starts], places.row[starts], counts, starts)
    return list(zip(*(column.tolist() for column in columns), strict=True))
