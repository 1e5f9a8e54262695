"""Kernels of HOG: from the pixels, or the votes, of images to their blocks of cells.

They are given :class:`Cells` and :class:`.Blocks` as plain tuples, which numba reads faster.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel
from visualwords.features.gradients import Places, add_votes, row_votes
from visualwords.features.image import FloatArray

from .blocks import UOCTTI, Blocks, Runs, write_blocks, write_uoctti
from .votes import load, longest_gradients, vote_by_table, vote_for_directions

__all__ = ["BAND", "Cells", "describe", "describe_by_table", "describe_votes"]

BAND = 4  # rows of pixels that vote and are added to the cells at once
CHUNK = np.uint64(1200)  # numbers of each line of a band that fit into the fastest cache
ZERO = np.float32(0)


class Cells(NamedTuple):
    """How the votes of an image become cells, which are weighted sums of pixels.

    A line is a histogram for each column of the image, of the votes in a row of pixels. The rows
    of cells are weighted sums of lines, and the cells in such a row are weighted sums of its
    columns. Columns that lie one block apart are neighbours in a line, so that the pixels at one
    place in the cells of all blocks are a run of numbers.
    """

    starts: Places  # (pixels of a band,): first bin of the histogram of each pixel in the lines
    line_size: int  # numbers of a line
    first: npt.NDArray[np.int64]  # (cell rows,): number of the first line of a row of cells
    line_weights: FloatArray  # (cell rows, lines of a cell)
    run: int  # numbers of a run
    runs: Runs  # (cells of a block, columns of a cell): where in a line a run starts
    run_weights: FloatArray  # of the same shape


@inlined
def room_for(layout: Cells, blocks: Blocks, length: int) -> Any:
    """Return arrays for the sums of lines, the cells, the blocks and the factors of blocks."""
    n = len(blocks.sources)
    sums = np.empty((len(layout.first), layout.line_size), np.float32)
    cells = np.empty((len(sums), len(layout.runs), layout.run), np.float32)
    return sums, cells, np.empty((n, length // n), np.float32), np.empty(n, np.float32)


@inlined(fastmath={"contract"})
def add_lines(lines: FloatArray, y: int, layout: Cells, sums: FloatArray) -> None:
    """Add the lines of a band, from pixel row y on, times their weights, to each row of cells.

    To read and write a sum takes longer than to add, so it is done once for the band. A chunk of
    the lines is added to all rows of cells while the processor's cache has it.
    """
    size = np.uint64(sums.shape[1])
    for start in range(np.uint64(0), size, CHUNK):
        for i in range(len(sums)):
            t = y - layout.first[i]
            if 0 <= t < layout.line_weights.shape[1]:
                weights = layout.line_weights[i, t:]
                a, b, c, d = weights[0], weights[1], weights[2], weights[3]
                for x in range(start, min(size, start + CHUNK)):
                    total = sums[i, x] + a * lines[0, x] + b * lines[1, x]
                    sums[i, x] = total + c * lines[2, x] + d * lines[3, x]


@inlined(fastmath={"contract"})
def sum_runs(sums: FloatArray, layout: Cells, cells: FloatArray) -> None:
    """Compute the cells, of shape (cell rows, cells of a block, numbers of a run)."""
    cells[:] = ZERO
    for i in range(len(cells)):
        for c in range(cells.shape[1]):
            for t in range(layout.runs.shape[1]):
                start, weight = layout.runs[c, t], layout.run_weights[c, t]
                for x in range(np.uint64(layout.run)):
                    cells[i, c, x] += weight * sums[i, start + x]


@inlined
def sum_votes(
    places: Places, votes: FloatArray, layout: Cells, sums: FloatArray, cells: FloatArray
) -> None:
    """Compute cells that share no pixels from the bins of pixels, in ``places``, and their votes.

    ``places`` is changed. Pixels beyond the last row of cells are left out.
    """
    sums[:] = ZERO
    band = len(layout.starts)
    for i in range(len(sums)):
        of_row, weights, line = places[i * band :], votes[i * band :], sums[i]
        for k in range(band):
            of_row[k] += layout.starts[k]
        for k in range(band):
            line[of_row[k]] += weights[k]
    sum_runs(sums, layout, cells)


@kernel
def describe(
    scale: float,
    takes_roots: int,
    n_bins: int,
    signed: int,
    arctangent: FloatArray,
    directions: FloatArray,
    of_cells: Cells,
    of_blocks: Blocks,
    item_size: int,
    images: npt.NDArray[np.uint8],
    out: FloatArray,
) -> None:
    """Write the blocks of each image to a row of ``out``.

    The images come as the bytes of their numbers, uint8 or, if ``item_size`` is 4, float32. So all
    but the first step is compiled once for both.

    Pixels vote by :func:`row_votes`, or by :func:`vote_for_directions` if ``directions``, of shape
    (2, n), has columns. The votes of BAND rows are computed in one loop, for rows may be short.
    """
    layout, blocks = Cells(*of_cells), Blocks(*of_blocks)
    rows, columns, channels = images.shape[1], images.shape[2], images.shape[3] // item_size
    pixels, height = len(layout.starts), (rows + BAND - 1) // BAND * BAND + 2
    planes = np.zeros((channels, height * columns), np.float32)
    found, other = np.empty((2, pixels), np.float32), np.empty((2, pixels), np.float32)
    shape = (1 if directions.shape[1] else 2, pixels)
    places, votes = np.empty(shape, np.uint32), np.empty(shape, np.float32)
    lines = np.empty((BAND, layout.line_size), np.float32)
    sums, cells, room, factors = room_for(layout, blocks, out.shape[1])
    for k in range(len(images)):
        load(images[k], item_size, scale, takes_roots, planes)
        sums[:] = ZERO
        for y in range(0, rows, BAND):
            longest_gradients(planes, columns, y * columns, found, other)
            if directions.shape[1]:
                vote_for_directions(found, directions, layout.starts, places[0], votes[0])
            else:
                row_votes(found, n_bins, signed, arctangent, layout.starts, places, votes)
            lines[:] = ZERO
            add_votes(places, votes, lines.reshape(lines.size))
            add_lines(lines, y, layout, sums)
        sum_runs(sums, layout, cells)
        if blocks.norm == UOCTTI:
            write_uoctti(cells, directions.shape[1], out[k])
        else:
            write_blocks(cells, blocks, room, factors, out[k])


@kernel
def describe_by_table(
    bins: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    of_cells: Cells,
    of_blocks: Blocks,
    images: npt.NDArray[np.uint8],
    out: FloatArray,
) -> None:
    """Describe 8-bit images whose pixels vote by :func:`vote_by_table`."""
    layout, blocks = Cells(*of_cells), Blocks(*of_blocks)
    rows, columns, channels = images.shape[1:]
    planes, size = np.empty((channels, (rows + 2) * columns), np.float32), rows * columns
    found = np.empty((2, size), np.float32)
    places, votes = np.empty(size, np.uint32), np.empty(size, np.float32)
    sums, cells, room, factors = room_for(layout, blocks, out.shape[1])
    for k in range(len(images)):
        # Numbers of a type: numba would compile ``load`` again for literals.
        load(images[k], np.int64(1), 1.0, np.int64(0), planes)
        vote_by_table(planes, columns, bins, lengths, found, places, votes)
        sum_votes(places, votes, layout, sums, cells)
        write_blocks(cells, blocks, room, factors, out[k])


@kernel
def describe_votes(
    of_cells: Cells, of_blocks: Blocks, places: Places, votes: FloatArray, out: FloatArray
) -> None:
    """Describe an image by the bins, in ``places``, and the votes of its pixels."""
    layout, blocks = Cells(*of_cells), Blocks(*of_blocks)
    sums, cells, room, factors = room_for(layout, blocks, len(out))
    sum_votes(places.reshape(places.size), votes.reshape(votes.size), layout, sums, cells)
    write_blocks(cells, blocks, room, factors, out)
