"""Sources: the matrices ``X`` that the classifiers take, in memory or on disk.

A *source* is an object with ``shape``, ``dtype`` and ``len`` whose slices of rows are arrays, such
as an array, a memory map or a :class:`ColumnStack`. The classifiers read it in blocks of rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import EllipsisType
from typing import Any, Protocol, TypeGuard, overload

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

from visualwords.threads import row_blocks, worker_threads

__all__ = ["ColumnStack", "MapParts", "Source", "is_source", "take_rows"]

# Yields function(task) for each task, in order, computed by workers.
MapParts = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


COPIED_ROWS = 2048  # at a time


class Source(Protocol):
    """A matrix that gives blocks of its rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> npt.NDArray[Any]: ...


def is_source(X: object) -> TypeGuard[Source]:
    """Return whether ``X`` is a source of rows but not an array or a data frame."""
    return (
        all(hasattr(X, name) for name in ("shape", "dtype", "__len__", "__getitem__"))
        and not isinstance(X, np.ndarray)
        and isinstance(X.dtype, np.dtype)  # type: ignore[attr-defined]
        and not issparse(X)
    )


class ColumnStack:
    """Several matrices side by side, without a copy into one wide matrix.

    Parameters
    ----------
    parts : sequence of matrices of shape (n, d_i), or mapping of names to such matrices
        Arrays, memory maps, or other sources of rows; all of the same length.

    Attributes
    ----------
    parts : list of matrices
    names : list
        Of the parts; their numbers, from 0, where they have no names.
    map_parts : callable or None
        Lets workers compute an objective's sums; see :meth:`placed`.

    Raises
    ------
    TypeError
        If a part is not an array or a source, for example a data frame or a sparse matrix.
    ValueError
        If there are no parts, a part is not two-dimensional, or the lengths differ.

    Examples
    --------
    >>> stack = ColumnStack([np.zeros((5, 2), np.float32), np.ones((5, 1), np.float32)])
    >>> stack.shape, stack[3:].tolist()
    ((5, 3), [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    >>> ColumnStack({"hue": np.zeros((5, 10)), "hog": np.ones((5, 324))}).names
    ['hue', 'hog']
    """

    def __init__(self, parts: Sequence[Source] | Mapping[str, Source]) -> None:
        self.parts = list(parts.values() if isinstance(parts, Mapping) else parts)
        self.names: list[str | int] = list(
            parts if isinstance(parts, Mapping) else range(len(self.parts))
        )
        self._whole: npt.NDArray[Any] | None = None
        self.map_parts: MapParts | None = None
        if not self.parts:
            raise ValueError("ColumnStack needs at least one matrix, got none")
        for part in self.parts:
            if not (isinstance(part, np.ndarray) or is_source(part)):
                raise TypeError(
                    "ColumnStack needs arrays, memory maps or other sources of rows, got a "
                    f"{type(part).__name__}; make an array of it first"
                )
        shapes = [part.shape for part in self.parts]
        if any(len(shape) != 2 for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(
                "ColumnStack needs two-dimensional matrices with the same number of rows, "
                f"got shapes {shapes}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of the columns of all parts together."""
        return self.parts[0].shape[0], sum(part.shape[1] for part in self.parts)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The widest dtype of the parts."""
        return np.result_type(*(part.dtype for part in self.parts))

    @property
    def widths(self) -> list[int]:
        """Number of columns of each part."""
        return [part.shape[1] for part in self.parts]

    @property
    def is_in_memory(self) -> bool:
        """Whether the parts are columns of one array."""
        return self._whole is not None

    def only(self, names: Sequence[str | int]) -> "ColumnStack":
        """Return a stack of some parts, by their names, without a copy.

        Examples
        --------
        >>> X = ColumnStack({"hue": np.zeros((5, 10)), "hog": np.ones((5, 324))})
        >>> X.only(["hog"]).shape
        (5, 324)
        """
        if unknown := [name for name in names if name not in self.names]:
            raise ValueError(
                f"the stack has no parts {', '.join(map(repr, unknown))}; its parts are "
                f"{', '.join(map(repr, self.names))}"
            )
        stack = ColumnStack([self.parts[self.names.index(name)] for name in names])
        stack.names, stack.map_parts = list(names), self.map_parts
        if stack.names == self.names:
            stack._whole = self._whole
        return stack

    def placed(self, map_parts: MapParts) -> "ColumnStack":
        """Return a stack whose rows are read by workers, where an objective is summed over them.

        Parameters
        ----------
        map_parts : callable
            ``map_parts(function, tasks)`` yields ``function(task)`` for each task, in order.
            Tasks hold stacks made by :meth:`between`.
        """
        stack = self.only(self.names)
        stack.map_parts = map_parts
        return stack

    def between(self, rows: slice) -> "ColumnStack":
        """Return the stack of some rows of parts that have a method ``take``; nothing is read."""
        stack = ColumnStack([part.take(rows) for part in self.parts])  # type: ignore[attr-defined]
        stack.names = self.names
        return stack

    def in_memory(self, n_jobs: int | None = None) -> "ColumnStack":
        """Copy the parts into one array, so that a block of rows is a view.

        Parameters
        ----------
        n_jobs : int or None
            Threads that read; None is one, -1 is all cores.

        Returns
        -------
        ColumnStack
            The parts are column slices of the array.
        """
        whole = np.empty(self.shape, self.dtype)
        ends = np.cumsum(self.widths)
        views = [whole[:, end - width : end] for end, width in zip(ends, self.widths, strict=True)]

        def copy(rows: slice) -> None:  # a whole part may be a copy
            for view, part in zip(views, self.parts, strict=True):
                view[rows] = part[rows]

        with worker_threads(n_jobs) as map_:
            for _ in map_(copy, row_blocks(len(self), COPIED_ROWS)):
                pass
        stack = ColumnStack(views)
        stack.names, stack._whole = self.names, whole
        return stack

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    @overload
    def __getitem__(self, rows: slice | npt.ArrayLike, /) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, rows: tuple[Any, EllipsisType], /) -> "ColumnStack": ...
    def __getitem__(self, rows: Any) -> Any:
        """Return the rows of a slice, of numbers or of a mask, as an array.

        ``X[rows, ...]``, by which scikit-learn takes the rows of a fold, is a stack of the same
        parts in memory: a classifier knows the columns of each feature there, too.
        """
        if isinstance(rows, tuple):
            if len(rows) != 2 or rows[1] is not Ellipsis:
                raise TypeError(f"a stack gives whole rows: expected X[rows], got X[{rows}]")
            index = np.arange(len(self))[rows[0]]
            stack = ColumnStack([take_rows(part, index) for part in self.parts])
            stack.names = self.names
            return stack.in_memory()
        if self._whole is not None:
            return self._whole[rows]
        if len(self.parts) == 1:
            return np.asarray(self.parts[0][rows], self.dtype)
        return np.hstack([part[rows] for part in self.parts])

    def take_rows(self, index: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Return a copy of single rows."""
        if self._whole is not None:
            return np.take(self._whole, index, axis=0)
        return np.hstack([take_rows(part, index) for part in self.parts], dtype=self.dtype)


def take_rows(X: Source, index: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Return a copy of single rows of a source.

    Parameters
    ----------
    X : source of shape (n, d)
        May define ``take_rows(index)`` to do it at once.
    index : ndarray of shape (m,), integers

    Returns
    -------
    ndarray of shape (m, d)
    """
    if isinstance(X, np.ndarray):
        return np.take(X, index, axis=0)
    if hasattr(X, "take_rows"):
        return X.take_rows(index)
    taken = np.empty((len(index), X.shape[1]), X.dtype)
    for to, row in enumerate(index.tolist()):
        taken[to : to + 1] = X[row : row + 1]
    return taken
