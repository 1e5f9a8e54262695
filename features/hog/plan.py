"""What HOG does for images of one shape, found once: the way from pixels to descriptors."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from visualwords.features.gradients import ARCTANGENT
from visualwords.features.image import FloatArray, Image, as_stack

from .blocks import NORMS, Blocks
from .conventions import (
    CONVENTIONS_OF_CELLS,
    WHOLE_CELLS,
    Parameters,
    bin_angles,
    check_parameters,
    check_size,
    windows_along,
)
from .exact import cs231n_votes, skimage_tables, skimage_votes
from .kernels import BAND, Cells, describe, describe_by_table, describe_votes
from .mirror import kept_numbers

__all__ = ["Dtype", "Plan", "Values", "find_plan"]

Dtype = np.dtype[np.generic]  # uint8, float32 or float64
Size = tuple[int, ...]  # rows, columns and maybe channels
IntArray = npt.NDArray[np.int64]
# The values of Parameters, in their order; a plain tuple is made in a tenth of the time.
Values = tuple[Any, ...]
# Writes a row of numbers for each of some images of shape (n, rows, columns, channels).
Write = Callable[[Image, FloatArray], None]

# Of degree 7; OpenCV's is good to 2e-4 radian, which is part of its convention.
OPENCV_ARCTANGENT = (
    0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128, 0.0, 0.0, 0.0
)  # fmt: skip
# Of "L1", "L2" and so on; those of "opencv" and "uoctti" are in the kernels.
EPSILON = {"dalal": 1e-3, "skimage": 1e-5}
# The units of the pixels, as a part of the 0..255 that the kernels take.
SCALE = {"dalal": 1 / 255, "opencv": 1, "uoctti": 1 / 255}


class Plan:
    """The way from images of one shape to their descriptors, or to the histograms of their cells.

    A descriptor has ``length`` numbers. Its ``shape`` is (block rows, block columns, cell rows,
    cell columns, bins), or (rows, columns, numbers) where there are only cells; for "opencv" and
    "cs231n" columns come before rows.
    """

    def __init__(self, values: Values, size: Size, dtype: Dtype, only_cells: bool) -> None:
        p = check_parameters(Parameters(*values))
        has_blocks = not only_cells and p.convention not in CONVENTIONS_OF_CELLS
        check_size(size[:2], p.cell, p.block if has_blocks else (1, 1))
        self._needs_roots = bool(p.root) and dtype != np.uint8
        n_bins = p.orientations * (2 if p.convention == "uoctti" else 1)
        cells, places = lay_out(p, size, n_bins, has_blocks)

        sources = blocks_of_cells(p, places, has_blocks)
        if p.convention in ("opencv", "cs231n") and not only_cells:
            sources = sources.transpose(1, 0, 3, 2)
        self.shape: tuple[int, ...] = (*sources.shape, n_bins)
        if not has_blocks:
            self.shape = (*self.shape[:2], n_bins)
        norm = "none" if not has_blocks else "opencv" if p.convention == "opencv" else p.norm
        if p.convention == "uoctti" and not only_cells:
            norm = "uoctti"
            self.shape = (*self.shape[:2], 3 * p.orientations + 4)
        # With mirror, numbers that say what others say are left out.
        self.kept = kept_numbers(p, self.shape) if p.mirror else slice(None)
        self.length = len(np.arange(math.prod(self.shape))[self.kept])

        if p.convention in WHOLE_CELLS:  # The cells in a row of a block are one run of numbers.
            sources = sources[..., :1]
        # One order in memory for all conventions: numba compiles the kernels for each order.
        starts = sources.reshape(math.prod(sources.shape[:2]), -1).astype(np.uint64, order="C")
        blocks = Blocks(starts, NORMS.index(norm), EPSILON.get(p.convention, 0.0))
        self._write = way_to_blocks(p, dtype, cells, blocks)

    def describe_one(self, image: Image) -> FloatArray:
        """Return the descriptor, of shape (length,), of an image that is checked."""
        out = np.empty((1, self.length), np.float32)
        self.describe(as_stack(image), out)
        return out[0]

    def describe(self, images: Image, out: FloatArray) -> None:
        """Write the descriptors of images of shape (n, rows, columns, channels).

        ``out`` has the shape (n, length); both arrays are C-contiguous.
        """
        if self._needs_roots and images.min() < 0:
            raise ValueError("transform_sqrt needs pixels that are not negative")
        if isinstance(self.kept, slice):
            self._write(images, out)
            return
        both = np.empty((2, len(images), math.prod(self.shape)), np.float32)
        self._write(images, both[0])
        self._write(np.ascontiguousarray(images[:, :, ::-1]), both[1])
        out[:] = both.mean(axis=0)[:, self.kept]


make_plan = lru_cache(maxsize=256)(Plan)


def find_plan(values: Values, size: Size, dtype: Dtype, only_cells: bool = False) -> Plan:
    """Return the plan, made once, of parameters that may be lists or arrays, which have no hash."""
    try:
        return make_plan(values, size, dtype, only_cells)
    except TypeError:
        values = tuple(tuple(v) if isinstance(v, list | np.ndarray) else v for v in values)
        return make_plan(values, size, dtype, only_cells)


def lay_out(p: Parameters, size: Size, n_bins: int, has_blocks: bool) -> tuple[Cells, IntArray]:
    """Return how cells are sums of pixels, and where a cell starts in all numbers."""
    rows, columns = (windows_along(p, axis, size[axis], has_blocks) for axis in (0, 1))

    # Columns that lie one period apart are neighbours in a line.
    pixels = columns.first[:, np.newaxis] + np.arange(columns.weights.shape[1])
    before = -(min(0, pixels.min()) // columns.period)
    behind = max(size[1] - 1, (columns.number - 1) * columns.period + pixels.max())
    together = before + behind // columns.period + 1

    def place(x: IntArray) -> IntArray:
        return (x % columns.period * together + x // columns.period + before) * n_bins

    nowhere = columns.period * together * n_bins  # where columns vote that are in no cell
    x = np.arange(size[1])
    starts = np.where((x >= columns.start) & (x < columns.end), place(x), nowhere)
    run = multiple(columns.number * n_bins, 8)
    line_size = multiple(max(nowhere + n_bins, place(pixels).max() + run), 16)

    first = np.add.outer(rows.period * np.arange(rows.number), rows.first).ravel()
    lines = first[:, np.newaxis] + np.arange(rows.weights.shape[1])
    scale = SCALE.get(p.convention, 1.0) ** (0.5 if p.root else 1)  # of roots it is the root
    line_weights = np.tile(rows.weights, (rows.number, 1)) * scale
    line_weights[(lines < rows.start) | (lines >= rows.end)] = 0

    n_cells = len(columns.first)
    cells = np.arange(len(first) * n_cells).reshape(-1, n_cells) * run
    cells = np.add.outer(cells, n_bins * np.arange(columns.number)).swapaxes(1, 2)

    # A band is the rows of a cell where cells share no pixels; all of them share a line. Otherwise
    # it is BAND rows, of a line each. Weights of 0 fill cells up to whole bands.
    band, apart = (p.cell[0], 0) if p.convention in WHOLE_CELLS else (BAND, line_size)
    within = first % band
    down = np.zeros((len(first), multiple(within.max() + lines.shape[1], band)))
    np.put_along_axis(down, lines - (first - within)[:, np.newaxis], line_weights, axis=1)
    layout = Cells(
        np.add.outer(apart * np.arange(band), starts).ravel().astype(np.uint32),
        line_size,
        first - within,
        down.astype(np.float32),
        run,
        place(pixels).astype(np.uint64),
        columns.weights.astype(np.float32),
    )
    return layout, cells.reshape(len(first), -1)


def multiple(n: int, of: int) -> int:
    """Return the least multiple of a number that is not below n."""
    return int(-(-n // of) * of)


def blocks_of_cells(p: Parameters, cells: IntArray, has_blocks: bool) -> IntArray:
    """Return what the cells of each block hold in an array of shape (cell rows, cell columns).

    The result has the shape (block rows, block columns, rows, columns). Without blocks, a block is
    a cell.
    """
    if not has_blocks:
        return cells[:, :, np.newaxis, np.newaxis]
    down, across = p.block  # in cells, from a block to the next, for blocks share no cells
    if p.convention == "skimage":
        assert p.stride is not None
        down, across = p.stride[0] // p.cell[0], p.stride[1] // p.cell[1]
    return sliding_window_view(cells, p.block)[::down, ::across]


def way_to_blocks(p: Parameters, dtype: Dtype, cells: Cells, blocks: Blocks) -> Write:
    """Return the function that writes the blocks of images: a kernel and its arguments."""
    n, root = p.orientations, bool(p.root)
    layout = tuple(cells), tuple(blocks)
    if p.convention == "skimage" and dtype == np.uint8 and not root:
        return partial(describe_by_table, *skimage_tables(n), *layout)
    if p.convention in WHOLE_CELLS:
        votes_of = partial(skimage_votes, roots=root) if p.convention == "skimage" else cs231n_votes

        def write_one_by_one(images: Image, out: FloatArray) -> None:
            for image, numbers in zip(images, out, strict=True):
                bins, votes = votes_of(image, n)
                describe_votes(*layout, bins.astype(np.uint32), votes, numbers)

        return write_one_by_one
    directions = np.empty((2, 0), np.float32)
    if p.convention == "uoctti":
        angles = bin_angles("uoctti", n, False, 2 * np.pi)[:n]
        directions = np.array([np.cos(angles), np.sin(angles)], np.float32)
    arctangent = OPENCV_ARCTANGENT if p.convention == "opencv" else ARCTANGENT
    bins_a_radian = n / (2 * np.pi if p.signed else np.pi)
    coefficients = (np.array(arctangent) * bins_a_radian).astype(np.float32)
    scale = 1.0 if dtype == np.uint8 else 255.0
    votes = scale, int(root), n, int(p.signed), coefficients, directions

    def write(images: Image, out: FloatArray) -> None:
        images = images.astype(np.float32) if dtype == np.float64 else images
        describe(*votes, *layout, images.itemsize, images.view(np.uint8), out)

    return write
