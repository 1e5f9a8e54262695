"""Functions of blocks of rows, in the order of the rows: computed here, or where the rows lie."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.threads import row_blocks, worker_threads

from .sources import Source

__all__ = ["BLOCK_ROWS", "over_blocks"]

BLOCK_ROWS = 512
BLOCKS_OF_A_TASK = 64


def over_blocks(
    function: Callable[..., Any],
    X: Source,
    n_jobs: int | None,
    *,
    by_row: Sequence[npt.NDArray[Any]] = (),
    fixed: Sequence[Any] = (),
) -> Iterator[Any]:
    """Yield ``function(block, *parts of by_row, *fixed)`` for each block of 512 rows, in order.

    The blocks are the same here and in workers, so the results have the same bits.

    Parameters
    ----------
    function : callable
        Of a module, so that workers find it by its name.
    X : source of shape (n, d)
        A :class:`.ColumnStack` that is placed is read by its workers.
    n_jobs : int or None
        Threads, where it is read here.
    by_row : sequence of ndarray of shape (..., n)
    fixed : sequence

    Examples
    --------
    >>> list(over_blocks(np.sum, np.ones((600, 2)), None))
    [np.float64(1024.0), np.float64(176.0)]
    """
    map_parts = getattr(X, "map_parts", None)
    if map_parts is None:

        def compute(rows: slice) -> Any:
            return function(np.asarray(X[rows]), *(a[..., rows] for a in by_row), *fixed)

        with worker_threads(n_jobs) as map_:
            yield from map_(compute, row_blocks(X.shape[0], BLOCK_ROWS))
        return
    there: Any = X
    tasks = (
        (function, there.between(rows), [a[..., rows] for a in by_row], fixed)
        for rows in row_blocks(X.shape[0], BLOCKS_OF_A_TASK * BLOCK_ROWS)
    )
    for results in map_parts(_blocks_of_task, tasks):
        yield from results


def _blocks_of_task(task: tuple[Any, ...]) -> list[Any]:
    function, X, by_row, fixed = task
    return list(over_blocks(function, X, 1, by_row=by_row, fixed=fixed))
