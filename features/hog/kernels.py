"""Compiled loops of HOG, second part: votes -> cells -> normalised blocks, and the whole.

The first kernels describe images; they differ in how a gradient votes.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray

from .votes import (
    Places,
    direction_votes,
    histogram_starts,
    load,
    row_gradients,
    row_gradients_by_table,
    soft_votes,
    table_votes,
)

__all__ = [
    "NORMS",
    "Pooling",
    "describe_directions",
    "describe_soft",
    "describe_table",
    "describe_votes",
    "multiply_and_clip",
    "sum_of_squares",
    "uoctti_numbers",
]

NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys", "opencv", "none")
L1, L1_SQRT, L2, L2_HYS, OPENCV, NONE = range(len(NORMS))

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
CLIP = np.float32(0.2)
OPENCV_EPSILON = np.float32(0.1)  # of the first norm, for each number of a block
OPENCV_EPSILON_AGAIN = np.float32(1e-3)  # of the second norm


class Pooling(NamedTuple):
    """Which pixels count in a cell, and which cells make a block.

    Pixel ``first_rows[i] + k`` along the rows counts by ``row_weights[i, k]`` in the cells of row
    i, and so along the columns. Windows may reach beyond the image.
    """

    first_rows: npt.NDArray[np.int64]  # (cell rows,)
    row_weights: FloatArray  # (cell rows, most rows of a cell)
    first_columns: npt.NDArray[np.int64]  # (cell columns,)
    column_weights: FloatArray  # (cell columns, most columns of a cell)
    steps: tuple[int, int]  # rows and columns of cells from one block to the next
    norm: int  # place in NORMS
    epsilon: float  # of the norm


@inlined
def pool(
    places: Places,
    votes: FloatArray,
    pooling: Pooling,
    cells: FloatArray,
) -> None:
    """Sum weighted votes into the histograms of cells.

    ``cells[i, j, b]`` is the sum of ``row_weights[i, y - first_rows[i]] * column_weights[j, x -
    first_columns[j]] * votes[v, y, x]`` over the votes v for bin b of the pixels y, x in the image
    for which there are weights. The rows of a cell are summed first.

    Parameters
    ----------
    places : ndarray of shape (votes of a pixel, rows, columns), uint32
    votes : ndarray of the same shape, float32
    pooling : Pooling
    cells : ndarray of shape (cell rows, cell columns, bins), float32
    """
    n_votes, rows, columns = places.shape
    n_bins = cells.shape[2]
    sums = np.empty(columns * n_bins, np.float32)
    of_columns = sums.reshape(columns, n_bins)
    first_columns, column_weights = pooling.first_columns, pooling.column_weights
    for i in range(len(cells)):
        first, weights = pooling.first_rows[i], pooling.row_weights[i]
        sums[:] = ZERO
        for y in range(max(first, 0), min(first + len(weights), rows)):
            weight = weights[y - first]
            for v in range(n_votes):
                row_places, row_votes = places[v, y], votes[v, y]
                for x in range(columns):
                    sums[row_places[x]] += weight * row_votes[x]
        cells[i] = ZERO
        for k in range(column_weights.shape[1]):
            for j in range(len(first_columns)):
                x, weight = first_columns[j] + k, column_weights[j, k]
                if 0 <= x < columns:
                    for b in range(n_bins):
                        cells[i, j, b] += weight * of_columns[x, b]


# The compiler may choose the order of the two sums, once and for all calls.
@inlined(fastmath={"reassoc"})
def sum_of_squares(values: FloatArray) -> Any:
    """Return the sum of ``values**2``."""
    total = ZERO
    for i in range(len(values)):
        total += values[i] * values[i]
    return total


@inlined(fastmath={"reassoc"})
def multiply_and_clip(values: FloatArray, factor: Any) -> Any:
    """Replace ``values`` by ``min(values * factor, 0.2)``; return the sum of their squares."""
    total = ZERO
    for i in range(len(values)):
        clipped = min(values[i] * factor, CLIP)
        values[i] = clipped
        total += clipped * clipped
    return total


@inlined
def normalize(block: FloatArray, norm: int, epsilon: float) -> None:
    """Normalise the numbers v of a block in place.

    ======== ========================================================================
    L1       ``v / (sum(v) + epsilon)``
    L1-sqrt  ``sqrt(v / (sum(v) + epsilon))``
    L2       ``v / sqrt(sum(v**2) + epsilon**2)``
    L2-Hys   L2, then clipped at 0.2, then L2 again
    opencv   ``v / (sqrt(sum(v**2)) + 0.1 * len(v))``, then clipped at 0.2, then
             ``v / (sqrt(sum(v**2)) + 0.001)``
    none     v
    ======== ========================================================================
    """
    factor, small = ONE, np.float32(epsilon)
    if norm <= L1_SQRT:
        total = ZERO
        for i in range(len(block)):
            total += block[i]
        factor = ONE / (total + small)
    elif norm <= L2_HYS:
        factor = ONE / np.sqrt(sum_of_squares(block) + small * small)
        if norm == L2_HYS:
            factor = ONE / np.sqrt(multiply_and_clip(block, factor) + small * small)
    elif norm == OPENCV:
        added = OPENCV_EPSILON * np.float32(len(block))
        factor = ONE / (np.sqrt(sum_of_squares(block)) + added)
        factor = ONE / (np.sqrt(multiply_and_clip(block, factor)) + OPENCV_EPSILON_AGAIN)
    for i in range(len(block)):
        block[i] *= factor
    if norm == L1_SQRT:
        for i in range(len(block)):
            block[i] = np.sqrt(block[i])


@inlined
def write_blocks(cells: FloatArray, pooling: Pooling, blocks: FloatArray) -> None:
    """Copy the cells of each block and normalise them.

    ``blocks[i, j, r, c]`` is ``cells[i * steps[0] + r, j * steps[1] + c]`` before that.

    Parameters
    ----------
    cells : ndarray of shape (cell rows, cell columns, bins), float32
    pooling : Pooling
    blocks : ndarray of shape (rows, columns, rows and columns of cells in a block, bins), float32
    """
    rows, columns, height, width, n_bins = blocks.shape
    run = width * n_bins  # a row of the cells of a block
    by_rows = cells.reshape(len(cells), cells.shape[1] * n_bins)
    for i in range(rows):
        for j in range(columns):
            block = blocks[i, j].reshape(height * run)
            first = j * pooling.steps[1] * n_bins
            for r in range(height):
                numbers, row = block[r * run : (r + 1) * run], by_rows[i * pooling.steps[0] + r]
                here = row[first : first + run]
                for k in range(run):
                    numbers[k] = here[k]
            normalize(block, pooling.norm, pooling.epsilon)


@inlined
def write_votes(places: Places, votes: FloatArray, pooling: Pooling, blocks: FloatArray) -> None:
    """Pool the votes of an image and write its blocks: see :func:`pool`, :func:`write_blocks`."""
    shape = (len(pooling.first_rows), len(pooling.first_columns), blocks.shape[4])
    cells = np.empty(shape, np.float32)
    pool(places, votes, pooling, cells)
    write_blocks(cells, pooling, blocks)


@kernel
def describe_soft(
    images: Any,
    takes_roots: bool,
    signed: bool,
    arctangent: FloatArray,
    pooling: Pooling,
    out: FloatArray,
) -> None:
    """Describe images by :func:`soft_votes`: "dalal" and "opencv".

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns, channels), uint8 or float32
    takes_roots : bool
        Of :func:`load`.
    signed, arctangent
        Of :func:`soft_votes`.
    pooling : Pooling
    out : ndarray of shape (n, block rows, block columns, cell rows, cell columns, bins), float32
        The blocks of each image.
    """
    rows, columns, channels = images.shape[1:]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    starts = histogram_starts(columns, 1, out.shape[5])
    places = np.empty((2, rows, columns), np.uint32)
    votes = np.empty((2, rows, columns), np.float32)
    for k in range(len(images)):
        load(images[k], takes_roots, planes)
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            soft_votes(
                gx, gy, out.shape[5], signed, arctangent, starts,
                places[0, y], votes[0, y], places[1, y], votes[1, y],
            )  # fmt: skip
        write_votes(places, votes, pooling, out[k])


@kernel
def describe_table(
    images: npt.NDArray[np.uint8],
    table: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    pooling: Pooling,
    out: FloatArray,
) -> None:
    """Describe 8-bit images by :func:`table_votes`: "skimage".

    ``lengths`` is that of :func:`row_gradients_by_table`; the other parameters are those of
    :func:`describe_soft`.
    """
    rows, columns, channels = images.shape[1:]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    starts = histogram_starts(columns, 1, out.shape[5])
    indices = np.empty(columns, np.uint32)
    places = np.empty((1, rows, columns), np.uint32)
    votes = np.empty((1, rows, columns), np.float32)
    for k in range(len(images)):
        load(images[k], False, planes)
        for y in range(rows):
            if channels == 1:
                row_gradients(planes, y, gx, gy)
            else:
                row_gradients_by_table(planes, y, lengths, gx, gy)
            table_votes(gx, gy, table, starts, indices, places[0, y], votes[0, y])
        write_votes(places, votes, pooling, out[k])


@kernel
def describe_directions(
    images: Any,
    takes_roots: bool,
    cosines: FloatArray,
    sines: FloatArray,
    pooling: Pooling,
    out: FloatArray,
) -> None:
    """Describe images by :func:`direction_votes`: "uoctti".

    The parameters are those of :func:`direction_votes` and :func:`describe_soft`.
    """
    rows, columns, channels = images.shape[1:]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    starts = histogram_starts(columns, 1, out.shape[5])
    largest = np.empty(columns, np.float32)
    places = np.empty((1, rows, columns), np.uint32)
    votes = np.empty((1, rows, columns), np.float32)
    for k in range(len(images)):
        load(images[k], takes_roots, planes)
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            direction_votes(gx, gy, cosines, sines, starts, largest, places[0, y], votes[0, y])
        write_votes(places, votes, pooling, out[k])


@kernel
def describe_votes(places: Places, votes: FloatArray, pooling: Pooling, out: FloatArray) -> None:
    """Describe one image by votes that are known, as :func:`write_votes` does."""
    write_votes(places, votes, pooling, out)


@kernel
def uoctti_numbers(cells: FloatArray, out: FloatArray) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by the length of each of the four blocks of 2x2 cells around it, of the n
    unsigned bins; its own row or column stands in for one beyond the border. Each time it is
    clipped at 0.2. The 2 n signed and n unsigned bins are half the sum of the four; the last
    numbers are for each block the sum of the unsigned bins over sqrt(18).

    Parameters
    ----------
    cells : ndarray of shape (images, rows, columns, 2 n), float32
    out : ndarray of shape (images, rows, columns, 3 n + 4), float32
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
