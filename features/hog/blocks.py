"""Compiled loops of HOG, second part: cells -> normalised blocks."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined
from visualwords.features.gradients import CLIP, multiply_and_clip, sum_of_squares
from visualwords.features.image import FloatArray

__all__ = ["NORMS", "UOCTTI", "Blocks", "Runs", "write_blocks", "write_uoctti"]

Runs = npt.NDArray[np.uint64]

NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys", "opencv", "none", "uoctti")
L1, L1_SQRT, L2, L2_HYS, OPENCV, NONE, UOCTTI = range(len(NORMS))

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
OPENCV_EPSILON = np.float32(0.1)  # of the first norm, for each number of a block
OPENCV_EPSILON_AGAIN = np.float32(1e-3)  # of the second norm


class Blocks(NamedTuple):
    """Which cells are copied to the blocks of an image, and how blocks are normalised."""

    sources: Runs  # (blocks, runs of a block): where in all cells a run of numbers starts
    norm: int  # place in NORMS
    epsilon: float  # of the norm


@inlined
def write_blocks(
    cells: FloatArray, blocks: Blocks, room: FloatArray, factors: FloatArray, out: FloatArray
) -> None:
    """Write the normalised blocks of an image to ``out``, one after the other.

    ``room`` has the shape (blocks, numbers of a block), ``factors`` a number for each block. All
    steps but the last take place there, for the processor waits for memory that it has not written
    to for long.
    """
    n_blocks, n_runs = blocks.sources.shape
    numbers, rows = cells.reshape(cells.size), out.reshape(room.shape)
    length = np.uint64(room.shape[1] // n_runs)
    for m in range(n_blocks):
        for r in range(n_runs):
            source = blocks.sources[m, r]
            for i in range(length):
                room[m, r * length + i] = numbers[source + i]
    normalize(room, factors, blocks.norm, blocks.epsilon)
    for m in range(n_blocks):
        factor = factors[m]
        for i in range(room.shape[1]):
            rows[m, i] = room[m, i] * factor
        if blocks.norm == L1_SQRT:
            for i in range(room.shape[1]):
                rows[m, i] = np.sqrt(rows[m, i])


@inlined
def normalize(blocks: FloatArray, factors: FloatArray, norm: int, epsilon: float) -> None:
    """Find the factors that normalise the numbers v of each block; clip v where the norm says so.

    Each step runs over all blocks, so that the processor overlaps their roots and divisions.

    ======== ========================================================================
    L1       ``v / (sum(v) + epsilon)``
    L1-sqrt  ``sqrt(v / (sum(v) + epsilon))``; the root is not taken here
    L2       ``v / sqrt(sum(v**2) + epsilon**2)``
    L2-Hys   L2, then clipped at 0.2, then L2 again
    opencv   ``v / (sqrt(sum(v**2)) + 0.1 * len(v))``, then clipped at 0.2, then
             ``v / (sqrt(sum(v**2)) + 0.001)``
    none     v
    ======== ========================================================================
    """
    small = np.float32(epsilon)
    added = OPENCV_EPSILON * np.float32(blocks.shape[1])
    for m in range(len(factors)):
        if norm <= L1_SQRT:
            total = ZERO
            for i in range(blocks.shape[1]):
                total += blocks[m, i]
            factors[m] = ONE / (total + small)
        elif norm <= L2_HYS:
            factors[m] = ONE / np.sqrt(sum_of_squares(blocks, m) + small * small)
        elif norm == OPENCV:
            factors[m] = ONE / (np.sqrt(sum_of_squares(blocks, m)) + added)
        else:
            factors[m] = ONE
    if norm in (L2_HYS, OPENCV):
        for m in range(len(factors)):
            total = multiply_and_clip(blocks, m, factors[m])
            if norm == L2_HYS:
                factors[m] = ONE / np.sqrt(total + small * small)
            else:
                factors[m] = ONE / (np.sqrt(total) + OPENCV_EPSILON_AGAIN)


@inlined
def write_uoctti(cells: FloatArray, n: int, out: FloatArray) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by the length of each of the four blocks of 2x2 cells around it, of the n
    unsigned bins; its own row or column stands in for one beyond the border. Each time it is
    clipped at 0.2. The 2 n signed and n unsigned bins are half the sum of the four; the last
    numbers are for each block the sum of the unsigned bins over sqrt(18). ``cells[i, 0]`` has the
    2 n signed bins of the cells in row i, one cell after the other.
    """
    rows, columns = len(cells), len(out) // (len(cells) * (3 * n + 4))
    numbers = out.reshape(rows, columns, 3 * n + 4)
    numbers[:] = ZERO
    energy = np.zeros((rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            for o in range(2 * n * j, 2 * n * j + n):
                both = cells[i, 0, o] + cells[i, 0, o + n]
                energy[i, j] += both * both
    for i in range(rows):
        for j in range(columns):
            for corner in range(4):
                y = min(max(i + corner // 2 * 2 - 1, 0), rows - 1)
                x = min(max(j + corner % 2 * 2 - 1, 0), columns - 1)
                total = (energy[i, j] + energy[y, j]) + (energy[i, x] + energy[y, x])
                factor = ONE / np.sqrt(total + np.float32(1e-4))
                cell = cells[i, 0, 2 * n * j : 2 * n * (j + 1)]
                add_normalized(cell, factor, corner, numbers[i, j])


@inlined
def add_normalized(cell: FloatArray, factor: Any, corner: int, numbers: FloatArray) -> None:
    """Add a cell's bins, times the factor of one corner and clipped, to its numbers."""
    n = len(cell) // 2
    for o in range(n):
        forth, back = cell[o] * factor, cell[o + n] * factor
        both = min(forth + back, CLIP)
        numbers[o] += HALF * min(forth, CLIP)
        numbers[n + o] += HALF * min(back, CLIP)
        numbers[2 * n + o] += HALF * both
        numbers[3 * n + corner] += both * np.float32(18**-0.5)
