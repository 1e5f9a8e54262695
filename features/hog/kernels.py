"""Kernels of HOG: from the pixels, or the votes, of images to their blocks of cells."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel
from visualwords.features.gradients import Places, add_votes, row_gradients, row_votes
from visualwords.features.image import FloatArray, Image

from .blocks import Blocks, Runs, write_blocks
from .votes import load, row_directions, vote_by_table

__all__ = ["Cells", "describe", "describe_by_table", "describe_votes"]

ZERO = np.float32(0)


class Cells(NamedTuple):
    """How the votes of an image become cells, which are weighted sums of pixels.

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
def room_for_cells(layout: Cells) -> tuple[FloatArray, FloatArray]:
    """Return arrays for the weighted sums of lines and for the cells."""
    sums = np.empty((len(layout.first), layout.line_size), np.float32)
    return sums, np.empty((len(sums), len(layout.runs), layout.run), np.float32)


@inlined(fastmath={"contract"})
def add_line(line: FloatArray, y: int, layout: Cells, sums: FloatArray) -> None:
    """Add the line of pixel row y, times its weight, to each row of cells that it is part of."""
    for i in range(len(sums)):
        t = y - layout.first[i]
        if 0 <= t < layout.line_weights.shape[1]:
            weight = layout.line_weights[i, t]
            for x in range(len(line)):
                sums[i, x] += weight * line[x]


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
    columns, height = len(layout.starts), layout.line_weights.shape[1]
    rows = min(len(places) // columns, len(sums) * height)
    for y in range(rows):
        line = np.uint32(y // height * layout.line_size)
        for x in range(columns):
            places[y * columns + x] += layout.starts[x] + line
    sums[:] = ZERO
    numbers = sums.reshape(sums.size)
    for i in range(rows * columns):
        numbers[places[i]] += votes[i]
    sum_runs(sums, layout, cells)


@kernel
def describe(
    images: Image,
    scale: np.float32,
    takes_roots: bool,
    n_bins: int,
    signed: bool,
    arctangent: FloatArray,
    directions: FloatArray,
    layout: Cells,
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
    places = np.empty((n_votes, columns), np.uint32)
    votes = np.empty((n_votes, columns), np.float32)
    line = np.empty(layout.line_size, np.float32)
    sums, cells = room_for_cells(layout)
    n_blocks = len(blocks.sources)
    room, factors = np.empty((n_blocks, out.shape[1]), np.float32), np.empty(n_blocks, np.float32)
    for k in range(len(images)):
        load(images, k, scale, takes_roots, planes)
        sums[:] = ZERO
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            if directions.shape[1]:
                row_directions(gx, gy, directions, layout.starts, places, votes)
            else:
                row_votes(gx, gy, n_bins, signed, arctangent, layout.starts, places, votes)
            line[:] = ZERO
            add_votes(places, votes, line)
            add_line(line, y, layout, sums)
        sum_runs(sums, layout, cells)
        of_image = out[k * n_blocks : (k + 1) * n_blocks]
        write_blocks(cells.reshape(cells.size), blocks, room, factors, of_image)


@kernel
def describe_by_table(
    images: npt.NDArray[np.uint8],
    bins: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    layout: Cells,
    blocks: Blocks,
    out: FloatArray,
) -> None:
    """Describe 8-bit images whose pixels vote by :func:`vote_by_table`."""
    size = images.shape[1] * images.shape[2]
    pixels, gx = np.empty(size, np.float32), np.empty(size, np.float32)
    gy, votes = np.zeros(size, np.float32), np.empty(size, np.float32)
    places = np.empty(size, np.uint32)
    sums, cells = room_for_cells(layout)
    n_blocks = len(blocks.sources)
    room, factors = np.empty((n_blocks, out.shape[1]), np.float32), np.empty(n_blocks, np.float32)
    for k in range(len(images)):
        vote_by_table(images[k], bins, lengths, pixels, gx, gy, places, votes)
        sum_votes(places, votes, layout, sums, cells)
        of_image = out[k * n_blocks : (k + 1) * n_blocks]
        write_blocks(cells.reshape(cells.size), blocks, room, factors, of_image)


@kernel
def describe_votes(
    places: Places, votes: FloatArray, layout: Cells, blocks: Blocks, out: FloatArray
) -> None:
    """Describe an image by the bins, in ``places``, and the votes of its rows of pixels."""
    sums, cells = room_for_cells(layout)
    sum_votes(places.reshape(places.size), votes.reshape(votes.size), layout, sums, cells)
    room, factors = np.empty(out.shape, np.float32), np.empty(len(out), np.float32)
    write_blocks(cells.reshape(cells.size), blocks, room, factors, out)
