"""An objective's sums over rows that workers read where they lie.

A worker gets names of the rows, their labels and the weights, and gives back the sums over each
block of rows. They are added in the order of the blocks, like those that are computed here, so the
result has the same bits.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from visualwords.threads import row_blocks

from .kernels.products import block_gradient
from .losses import Labels
from .scaling import Weights
from .sources import Source

if TYPE_CHECKING:
    from .objective import Objective

__all__ = ["block_rows", "block_sums", "block_values", "sums_over_blocks"]

# Large enough to hide the cost of calls from Python, and small enough that a block is read from the
# second cache the second time, for the gradient.
BLOCK_BYTES = 1 << 20
BLOCKS_OF_A_TASK = 8

FloatArray = npt.NDArray[np.floating]


def block_rows(X: Source) -> int:
    """Return the number of rows of a block."""
    width = max(1, X.shape[1]) * X.dtype.itemsize
    return max(64, min(BLOCK_BYTES // width, 4096))


def sums_over_blocks(
    objective: "Objective", function: Callable[..., Any], W: Weights
) -> Iterator[Any]:
    """Compute sums over each block of rows, in order: here, or where the rows lie.

    Parameters
    ----------
    objective : Objective
    function : callable
        Of (objective, scores, y, X, rows), of a module, so that workers find it by its name.
    W : ndarray of shape (n_classes, n_features + 1)
    """
    map_parts = getattr(objective.X, "map_parts", None)
    if map_parts is None:
        yield from objective.blocks(W, partial(function, objective))
        return
    parts = row_blocks(objective.n_samples, BLOCKS_OF_A_TASK * block_rows(objective.X))
    tasks = ((_between(objective, rows), function, W) for rows in parts)
    for sums in map_parts(_sums_of_task, tasks):
        yield from sums


def block_sums(
    objective: "Objective", scores: FloatArray, y: Labels, X: FloatArray, rows: slice
) -> tuple[float, FloatArray, npt.NDArray[np.float64]]:
    """Compute a block's weighted sums: of the losses and of their gradients by W and by b."""
    losses, gradients = objective.loss.values_and_grad(scores, y)
    if objective.sample_weight is not None:
        weight = objective.sample_weight[rows].astype(X.dtype, copy=False)
        losses = losses * weight
        gradients *= weight[:, None]
    intercepts = gradients.sum(axis=0, dtype=np.float64)
    return float(losses.sum(dtype=np.float64)), block_gradient(X, gradients), intercepts


def block_values(
    functions: Sequence[Callable[[FloatArray, Labels], FloatArray]],
    objective: "Objective",
    scores: FloatArray,
    y: Labels,
    X: FloatArray,
    rows: slice,
) -> npt.NDArray[np.float64]:
    """Compute a block's weighted sums of functions of (scores, y)."""
    values = np.array([function(scores, y) for function in functions])
    if objective.sample_weight is not None:
        values *= objective.sample_weight[rows].astype(X.dtype, copy=False)
    return np.asarray(values.sum(axis=1, dtype=np.float64))


def _sums_of_task(task: tuple["Objective", Callable[..., Any], Weights]) -> list[Any]:
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
