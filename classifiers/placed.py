"""An objective's sums over rows that workers read where they lie.

A worker gets names of the rows, their labels and the weights, and gives back the sums over each
block of rows. They are added in the order of the blocks, like those that are computed here, so the
result has the same bits.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from visualwords.threads import row_blocks

from .scaling import Weights
from .sources import Source

if TYPE_CHECKING:
    from .objective import Objective

__all__ = ["block_rows", "sums_over_blocks"]

# Large enough to hide the cost of a call from Python, small enough for the third cache.
BLOCK_BYTES = 1 << 22
BLOCKS_OF_A_TASK = 8

Functions = Sequence[Callable[[Any, Any], Any]]


def block_rows(X: Source) -> int:
    """Return the number of rows of a block."""
    width = max(1, X.shape[1]) * X.dtype.itemsize
    return int(np.clip(BLOCK_BYTES // width, 64, 4096))


def sums_over_blocks(objective: "Objective", functions: Functions, W: Weights) -> Iterator[Any]:
    """Compute the sums over each block of rows, in order: here, or where the rows lie.

    Parameters
    ----------
    objective : Objective
    functions : sequence of callable
        Functions of (scores, y) whose sums are wanted beside the loss.
    W : ndarray of shape (n_classes, n_features + 1)
    """
    map_parts = getattr(objective.X, "map_parts", None)
    if map_parts is None:
        yield from objective.blocks(W, partial(objective.block_sums, functions))
        return
    parts = row_blocks(objective.n_samples, BLOCKS_OF_A_TASK * block_rows(objective.X))
    tasks = ((_between(objective, rows), functions, W) for rows in parts)
    for sums in map_parts(_sums_of_task, tasks):
        yield from sums


def _sums_of_task(task: tuple["Objective", Functions, Weights]) -> list[Any]:
    return list(sums_over_blocks(*task))


def _between(objective: "Objective", rows: slice) -> "Objective":
    """Return the objective of some rows, to be sent to a worker."""
    weight, offset = objective.sample_weight, objective.offset
    there: Any = objective.X
    return objective.replaced(
        X=there.between(rows),
        y=objective.y[rows],
        sample_weight=None if weight is None else weight[rows],
        offset=None if offset is None else offset[rows],
        n_jobs=1,
        _map=None,
    )
