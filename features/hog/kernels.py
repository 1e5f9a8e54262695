"""Kernels of HOG: from the pixels, or the votes, of images to their blocks of cells."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel
from visualwords.features.gradients import Places, add_votes, row_gradients, row_votes
from visualwords.features.image import FloatArray, Image

from .blocks import Blocks, Runs, write_blocks
from .votes import load, row_directions, vote_by_table

__all__ = ["SharedCells", "WholeCells", "describe", "describe_by_table", "describe_votes"]

ZERO, ONE = np.float32(0), np.float32(1)


class WholeCells(NamedTuple):
    """Where the pixels of an image vote, each for one cell that holds the mean of its votes.

    The pixels of a column of a cell have a histogram of their own, so that neighbours vote for
    different numbers. The first columns of all cells come first, then the second ones.
    """

    height: int  # rows of pixels in a cell
    width: int  # columns of pixels in a cell
    size: int  # numbers of all cells
    row: int  # numbers of a row of cells
    starts: Places  # (columns,): first bin of the histogram of each pixel in the first row of cells


class SharedCells(NamedTuple):
    """How the votes of an image become cells that share pixels with weights.

    A line is a histogram for each column of the image, of the votes in a row of pixels. The rows
    of cells are weighted sums of lines, and the cells in such a row are weighted sums of its
    columns. Columns that lie one block apart are neighbours in a line, so that the pixels at one
    place in the cells of all blocks are a run of numbers.
    """

    starts: Places  # (columns,): first bin of the histogram of each column in a line
    line_size: int  # numbers of a line
    first: npt.NDArray[np.int64]  # (cell rows,): number of the first line of a row of cells
    line_weights: FloatArray  # (cell rows, lines of a cell)
    run: int  # numbers of a run
    runs: Runs  # (cells of a block, columns of a cell): where in a line a run starts
    run_weights: FloatArray  # of the same shape


@inlined
def pixel_starts(rows: int, whole: WholeCells) -> Places:
    """Return where the histogram of each pixel starts, of shape (rows * columns,)."""
    columns = len(whole.starts)
    starts = np.empty(rows * columns, np.uint32)
    for y in range(rows):
        first = np.uint32(y // whole.height * whole.row)
        for x in range(columns):
            starts[y * columns + x] = whole.starts[x] + first
    return starts


@inlined
def average_votes(
    places: Places,
    votes: FloatArray,
    starts: Places,
    height: int,
    sums: FloatArray,
    cells: FloatArray,
) -> None:
    """Compute the mean votes of cells from one vote a pixel; ``places`` are bins before the call.

    ``cells`` are all numbers of the cells; ``sums``, one row of them for each column of a cell, is
    room for the histograms.
    """
    for i in range(len(places)):
        places[i] += starts[i]
    sums[:] = ZERO
    numbers = sums.reshape(sums.size)
    for i in range(len(places)):
        numbers[places[i]] += votes[i]
    cells[:] = ZERO
    for x in range(len(sums)):
        for i in range(len(cells)):
            cells[i] += sums[x, i]
    weight = ONE / np.float32(height * len(sums))
    for i in range(len(cells)):
        cells[i] *= weight


@inlined(fastmath={"contract"})
def add_line(line: FloatArray, y: int, shared: SharedCells, sums: FloatArray) -> None:
    """Add the line of pixel row y, times its weight, to each row of cells that it is part of."""
    for i in range(len(sums)):
        t = y - shared.first[i]
        if 0 <= t < shared.line_weights.shape[1]:
            weight = shared.line_weights[i, t]
            for x in range(len(line)):
                sums[i, x] += weight * line[x]


@inlined(fastmath={"contract"})
def sum_runs(sums: FloatArray, shared: SharedCells, cells: FloatArray) -> None:
    """Compute the cells, of shape (cell rows, cells of a block, numbers of a run)."""
    cells[:] = ZERO
    for i in range(len(cells)):
        for c in range(cells.shape[1]):
            for t in range(shared.runs.shape[1]):
                start, weight = shared.runs[c, t], shared.run_weights[c, t]
                for x in range(np.uint64(shared.run)):
                    cells[i, c, x] += weight * sums[i, start + x]


@kernel
def describe(
    images: Image,
    scale: np.float32,
    takes_roots: bool,
    n_bins: int,
    signed: bool,
    arctangent: FloatArray,
    directions: FloatArray,
    shared: SharedCells,
    blocks: Blocks,
    out: FloatArray,
) -> None:
    """Write the blocks of images to the rows of ``out``, those of one after those of another.

    Pixels vote by :func:`row_votes`, or by :func:`row_directions` if ``directions``, of shape
    (2, n), has columns.
    """
    rows, columns, channels = images.shape[1:]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    n_votes = 1 if directions.shape[1] else 2
    places, votes = (
        np.empty((n_votes, columns), np.uint32),
        np.empty((n_votes, columns), np.float32),
    )
    line = np.empty(shared.line_size, np.float32)
    sums = np.empty((len(shared.first), shared.line_size), np.float32)
    cells = np.empty((len(sums), len(shared.runs), shared.run), np.float32)
    n_blocks = len(blocks.sources)
    room, factors = np.empty((n_blocks, out.shape[1]), np.float32), np.empty(n_blocks, np.float32)
    for k in range(len(images)):
        load(images, k, scale, takes_roots, planes)
        sums[:] = ZERO
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            if directions.shape[1]:
                row_directions(gx, gy, directions, shared.starts, places, votes)
            else:
                row_votes(gx, gy, n_bins, signed, arctangent, shared.starts, places, votes)
            line[:] = ZERO
            add_votes(places, votes, line)
            add_line(line, y, shared, sums)
        sum_runs(sums, shared, cells)
        of_image = out[k * n_blocks : (k + 1) * n_blocks]
        write_blocks(cells.reshape(cells.size), blocks, room, factors, of_image)


@kernel
def describe_by_table(
    images: npt.NDArray[np.uint8],
    bins: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    whole: WholeCells,
    blocks: Blocks,
    out: FloatArray,
) -> None:
    """Describe 8-bit images whose pixels vote by :func:`vote_by_table`."""
    rows, columns = images.shape[1:3]
    size = rows * columns
    pixels, gx = np.empty(size, np.float32), np.empty(size, np.float32)
    gy, votes = np.zeros(size, np.float32), np.empty(size, np.float32)
    places, starts = np.empty(size, np.uint32), pixel_starts(rows, whole)
    sums = np.empty((whole.width, whole.size), np.float32)
    cells = np.empty(whole.size, np.float32)
    n_blocks = len(blocks.sources)
    room = np.empty((n_blocks, out.shape[1]), np.float32)
    factors = np.empty(n_blocks, np.float32)
    for k in range(len(images)):
        vote_by_table(images[k], bins, lengths, pixels, gx, gy, places, votes)
        average_votes(places, votes, starts, whole.height, sums, cells)
        of_image = out[k * n_blocks : (k + 1) * n_blocks]
        write_blocks(cells, blocks, room, factors, of_image)


@kernel
def describe_votes(
    places: Places, votes: FloatArray, whole: WholeCells, blocks: Blocks, out: FloatArray
) -> None:
    """Describe an image by the bins, in ``places``, and the votes of its pixels."""
    starts = pixel_starts(len(places) // len(whole.starts), whole)
    sums = np.empty((whole.width, whole.size), np.float32)
    cells = np.empty(whole.size, np.float32)
    average_votes(places, votes, starts, whole.height, sums, cells)
    room, factors = np.empty(out.shape, np.float32), np.empty(len(out), np.float32)
    write_blocks(cells, blocks, room, factors, out)
