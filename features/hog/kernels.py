"""Compiled loops of HOG, second part: votes -> cells -> normalised blocks."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray

from .votes import Places

__all__ = [
    "FOUR",
    "NORMS",
    "Pooling",
    "describe_votes",
    "multiply_and_clip",
    "sum_of_squares",
    "uoctti_numbers",
]

Runs = npt.NDArray[np.uint64]

NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys", "opencv", "none")
L1, L1_SQRT, L2, L2_HYS, OPENCV, NONE = range(len(NORMS))

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
CLIP = np.float32(0.2)
OPENCV_EPSILON = np.float32(0.1)  # of the first norm, for each number of a block
OPENCV_EPSILON_AGAIN = np.float32(1e-3)  # of the second norm
FOUR = 4  # runs that are added at once


class Pooling(NamedTuple):
    """How the votes of an image become cells, and cells become blocks.

    A line is a histogram for each column of the image, of the votes in ``height`` rows of pixels.
    The rows of cells are weighted sums of lines, and the cells in such a row are weighted sums of
    its columns. Columns that lie one block apart are neighbours in a line, so that the pixels at
    one place in the cells of all blocks are a run of numbers.
    """

    rows: int  # of pixels in an image
    height: int
    line_size: int  # numbers of a line
    line_ends: Runs  # (cell rows,): number of the line behind the last of a row of cells
    lines: Runs  # (cell rows, lines of a cell): where a line starts in all that are kept
    line_weights: FloatArray  # of the same shape
    run: int  # numbers of a run
    runs: Runs  # (cells of a block, columns of a cell): where in a line a run starts
    run_weights: FloatArray  # of the same shape
    sources: Runs  # (blocks, cells of a block): where in all cells a block's cell starts
    norm: int  # place in NORMS
    epsilon: float  # of the norm


@kernel
def describe_votes(
    places: Places,
    votes: FloatArray,
    rows: int,
    height: int,
    line_size: int,
    line_ends: Runs,
    lines: Runs,
    line_weights: FloatArray,
    run: int,
    runs: Runs,
    run_weights: FloatArray,
    sources: Runs,
    norm: int,
    epsilon: float,
    out: FloatArray,
) -> None:
    """Pool the votes of images into cells, and write the normalised blocks of cells.

    ``places`` and ``votes`` have the shape (images * rows, votes of a pixel, columns), ``out`` has
    the shape (images * blocks, numbers of a block); the rest is a :class:`Pooling`.
    """
    n_blocks, n_bins = len(sources), out.shape[1] // sources.shape[1]
    all_places, all_votes = places.reshape(places.size), votes.reshape(votes.size)
    of_a_row = votes.shape[1] * votes.shape[2]
    kept = np.zeros(lines.max() + line_size, np.float32)
    sums = np.empty(line_size, np.float32)
    cells = np.empty(len(line_ends) * len(runs) * run, np.float32)
    factors = np.empty(n_blocks, np.float32)
    for k in range(len(out) // n_blocks):
        filled = 0
        for i in range(len(line_ends)):
            while filled < line_ends[i]:
                start = np.uint64((k * rows + filled * height) * of_a_row)
                line = np.uint64(filled * line_size % len(kept))
                kept[line : line + np.uint64(line_size)] = ZERO
                for t in range(start, start + np.uint64(height * of_a_row)):
                    kept[line + all_places[t]] += all_votes[t]
                filled += 1
            add_runs(kept, lines, line_weights, i, sums)
            for c in range(len(runs)):
                first = (i * len(runs) + c) * run
                add_runs(sums, runs, run_weights, c, cells[first : first + run])
        for m in range(n_blocks):
            copy_cells(cells, sources, m, n_bins, k * n_blocks + m, out)
        if norm != NONE:
            normalize(out, k * n_blocks, factors, norm, epsilon)


@inlined(fastmath={"contract"})
def add_runs(
    numbers: FloatArray, runs: Runs, weights: FloatArray, k: int, sums: FloatArray
) -> None:
    """Compute ``sums[i]``, the sum of ``weights[k, t] * numbers[runs[k, t] + i]`` over t.

    There are four, eight, or twelve ... runs: four at a time are added.
    """
    sums[:] = ZERO
    for t in range(0, runs.shape[1], FOUR):
        a, b, c, d = runs[k, t], runs[k, t + 1], runs[k, t + 2], runs[k, t + 3]
        u, v, w, z = weights[k, t], weights[k, t + 1], weights[k, t + 2], weights[k, t + 3]
        for i in range(np.uint64(len(sums))):
            sums[i] += (
                u * numbers[a + i] + v * numbers[b + i] + w * numbers[c + i] + z * numbers[d + i]
            )


@inlined
def copy_cells(
    cells: FloatArray, sources: Runs, m: int, n_bins: int, block: int, out: FloatArray
) -> None:
    """Copy the cells of an image's block number m to row ``block`` of ``out``."""
    for c in range(sources.shape[1]):
        source = sources[m, c]
        for b in range(n_bins):
            out[block, c * n_bins + b] = cells[source + np.uint64(b)]


# The compiler may choose the order of the two sums, once and for all calls.
@inlined(fastmath={"reassoc"})
def sum_of_squares(rows: FloatArray, k: int) -> Any:
    """Return the sum of ``rows[k]**2``."""
    total = ZERO
    for i in range(rows.shape[1]):
        total += rows[k, i] * rows[k, i]
    return total


@inlined(fastmath={"reassoc"})
def multiply_and_clip(rows: FloatArray, k: int, factor: Any) -> Any:
    """Replace ``rows[k]`` by ``min(rows[k] * factor, 0.2)``; return the sum of its squares."""
    total = ZERO
    for i in range(rows.shape[1]):
        clipped = min(rows[k, i] * factor, CLIP)
        rows[k, i] = clipped
        total += clipped * clipped
    return total


@inlined
def normalize(
    blocks: FloatArray, first: int, factors: FloatArray, norm: int, epsilon: float
) -> None:
    """Normalise in place the numbers v of each of the ``len(factors)`` blocks from ``first`` on.

    Each step runs over all blocks, so that the processor overlaps their roots and divisions.
    ``factors`` is room for what each block is multiplied by.

    ======== ========================================================================
    L1       ``v / (sum(v) + epsilon)``
    L1-sqrt  ``sqrt(v / (sum(v) + epsilon))``
    L2       ``v / sqrt(sum(v**2) + epsilon**2)``
    L2-Hys   L2, then clipped at 0.2, then L2 again
    opencv   ``v / (sqrt(sum(v**2)) + 0.1 * len(v))``, then clipped at 0.2, then
             ``v / (sqrt(sum(v**2)) + 0.001)``
    ======== ========================================================================
    """
    small = np.float32(epsilon)
    added = OPENCV_EPSILON * np.float32(blocks.shape[1])
    for m in range(len(factors)):
        if norm <= L1_SQRT:
            total = ZERO
            for i in range(blocks.shape[1]):
                total += blocks[first + m, i]
            factors[m] = ONE / (total + small)
        elif norm <= L2_HYS:
            factors[m] = ONE / np.sqrt(sum_of_squares(blocks, first + m) + small * small)
        else:
            factors[m] = ONE / (np.sqrt(sum_of_squares(blocks, first + m)) + added)
    if norm in (L2_HYS, OPENCV):
        for m in range(len(factors)):
            total = multiply_and_clip(blocks, first + m, factors[m])
            if norm == L2_HYS:
                factors[m] = ONE / np.sqrt(total + small * small)
            else:
                factors[m] = ONE / (np.sqrt(total) + OPENCV_EPSILON_AGAIN)
    for m in range(len(factors)):
        factor = factors[m]
        for i in range(blocks.shape[1]):
            blocks[first + m, i] *= factor
        if norm == L1_SQRT:
            for i in range(blocks.shape[1]):
                blocks[first + m, i] = np.sqrt(blocks[first + m, i])


@kernel
def uoctti_numbers(cells: FloatArray, out: FloatArray) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by the length of each of the four blocks of 2x2 cells around it, of the n
    unsigned bins; its own row or column stands in for one beyond the border. Each time it is
    clipped at 0.2. The 2 n signed and n unsigned bins are half the sum of the four; the last
    numbers are for each block the sum of the unsigned bins over sqrt(18). ``cells`` has the shape
    (images, rows, columns, 2 n), ``out`` the shape (images, rows, columns, 3 n + 4).
    """
    images, rows, columns, directions = cells.shape
    n = directions // 2
    energy = np.empty((rows, columns), np.float32)
    for k in range(images):
        for i in range(rows):
            for j in range(columns):
                energy[i, j] = ZERO
                for o in range(n):
                    both = cells[k, i, j, o] + cells[k, i, j, o + n]
                    energy[i, j] += both * both
        out[k] = ZERO
        for i in range(rows):
            for j in range(columns):
                for corner in range(4):
                    y = min(max(i + corner // 2 * 2 - 1, 0), rows - 1)
                    x = min(max(j + corner % 2 * 2 - 1, 0), columns - 1)
                    total = (energy[i, j] + energy[y, j]) + (energy[i, x] + energy[y, x])
                    factor = ONE / np.sqrt(total + np.float32(1e-4))
                    add_normalized(cells[k, i, j], factor, corner, out[k, i, j])


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
