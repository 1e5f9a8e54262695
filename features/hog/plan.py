"""What HOG does for images of one shape, found once: the way from pixels to descriptors."""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from visualwords.features.gradients import ARCTANGENT
from visualwords.features.image import FloatArray, Image

from .blocks import NORMS, Blocks, uoctti_numbers
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
from .kernels import Cells, describe, describe_by_table, describe_votes
from .mirror import kept_numbers

__all__ = ["Dtype", "Plan", "find_plan"]

# uint8, float32 or float64
Dtype = np.dtype[np.generic]
IntArray = npt.NDArray[np.int64]
# Writes the blocks of images of shape (n, rows, columns, channels) to the rows of an array.
WriteBlocks = Callable[[Image, FloatArray], None]

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

    def __init__(
        self, p: Parameters, size: tuple[int, ...], dtype: Dtype, only_cells: bool = False
    ) -> None:
        p = check_parameters(p)
        has_blocks = not only_cells and p.convention not in CONVENTIONS_OF_CELLS
        check_size(size[:2], p.cell, p.block if has_blocks else (1, 1))
        self._needs_roots = bool(p.root) and dtype != np.uint8
        n_bins = p.orientations * (2 if p.convention == "uoctti" else 1)
        cells, places = lay_out(p, size, has_blocks)

        sources = blocks_of_cells(p, places, has_blocks)
        if p.convention in ("opencv", "cs231n") and not only_cells:
            sources = sources.transpose(1, 0, 3, 2)
        self.shape: tuple[int, ...] = (*sources.shape, n_bins)
        self._block_size = math.prod(self.shape[2:])
        if not has_blocks:
            self.shape = (*self.shape[:2], n_bins)
        self._cells = self.shape
        self._has_corners = p.convention == "uoctti" and not only_cells
        if self._has_corners:
            self.shape = (*self.shape[:2], 3 * p.orientations + 4)
        # With mirror, numbers that say what others say are left out.
        self.kept = kept_numbers(p, self.shape) if p.mirror else slice(None)
        self.length = len(np.arange(math.prod(self.shape))[self.kept])

        if p.convention in WHOLE_CELLS:  # The cells in a row of a block are one run of numbers.
            sources = sources[..., :1]
        norm = "none" if not has_blocks else "opencv" if p.convention == "opencv" else p.norm
        blocks = Blocks(
            sources.reshape(math.prod(sources.shape[:2]), -1).astype(np.uint64),
            NORMS.index(norm),
            EPSILON.get(p.convention, 0.0),
        )
        self._write = way_to_blocks(p, dtype, cells, blocks)

    def describe(self, images: Image, out: FloatArray) -> None:
        """Write the descriptors of images of shape (n, rows, columns, channels).

        ``out`` has the shape (n, length); both arrays are C-contiguous.
        """
        if isinstance(self.kept, slice):
            self._describe(images, out)
            return
        both = np.empty((2, len(images), math.prod(self.shape)), np.float32)
        self._describe(images, both[0])
        self._describe(np.ascontiguousarray(images[:, :, ::-1]), both[1])
        out[:] = both.mean(axis=0)[:, self.kept]

    def _describe(self, images: Image, out: FloatArray) -> None:
        if self._needs_roots and images.min() < 0:
            raise ValueError("transform_sqrt needs pixels that are not negative")
        if not self._has_corners:
            self._write(images, out.reshape(-1, self._block_size))
            return
        cells = np.empty((len(images), *self._cells), np.float32)
        self._write(images, cells.reshape(-1, self._block_size))
        uoctti_numbers(cells, out.reshape(-1, *self.shape))


make_plan = lru_cache(maxsize=256)(Plan)


def find_plan(p: Parameters, size: tuple[int, ...], dtype: Dtype, only_cells: bool = False) -> Plan:
    """Return the plan, made once, of parameters that may be lists or arrays, which have no hash."""
    try:
        return make_plan(p, size, dtype, only_cells)
    except TypeError:
        values = (tuple(v) if isinstance(v, list | np.ndarray) else v for v in p)
        return make_plan(Parameters(*values), size, dtype, only_cells)  # type: ignore[arg-type]


def lay_out(p: Parameters, size: tuple[int, ...], has_blocks: bool) -> tuple[Cells, IntArray]:
    """Return how cells are sums of pixels, and where a cell starts in all numbers."""
    rows, columns = (windows_along(p, axis, size[axis], has_blocks) for axis in (0, 1))
    n_bins = p.orientations * (2 if p.convention == "uoctti" else 1)

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
    run = in_eights(columns.number * n_bins)
    line_size = in_eights(max(nowhere + n_bins, place(pixels).max() + run))

    first = np.add.outer(rows.period * np.arange(rows.number), rows.first).ravel()
    lines = first[:, np.newaxis] + np.arange(rows.weights.shape[1])
    line_weights = np.tile(rows.weights, (rows.number, 1)) * SCALE.get(p.convention, 1.0)
    line_weights[(lines < rows.start) | (lines >= rows.end)] = 0

    n_cells = len(columns.first)
    cells = np.arange(len(first) * n_cells).reshape(-1, n_cells) * run
    cells = np.add.outer(cells, n_bins * np.arange(columns.number)).swapaxes(1, 2)
    layout = Cells(
        starts.astype(np.uint32),
        line_size,
        first,
        line_weights.astype(np.float32),
        run,
        place(pixels).astype(np.uint64),
        columns.weights.astype(np.float32),
    )
    return layout, cells.reshape(len(first), -1)


def in_eights(n: int) -> int:
    """Return the least multiple of eight that is not below n."""
    return int(-(-n // 8) * 8)


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


def way_to_blocks(p: Parameters, dtype: Dtype, cells: Cells, blocks: Blocks) -> WriteBlocks:
    """Return the function that writes the blocks of images: a kernel and its arguments."""
    n, root = p.orientations, bool(p.root)
    if p.convention == "skimage" and dtype == np.uint8 and not root:
        tables = skimage_tables(n)
        return lambda images, out: describe_by_table(images, *tables, cells, blocks, out)
    if p.convention in WHOLE_CELLS:
        is_course = p.convention == "cs231n"
        votes_of = cs231n_votes if is_course else partial(skimage_votes, takes_roots=root)

        def write(images: Image, out: FloatArray) -> None:
            of_images = out.reshape(len(images), -1, out.shape[1])
            for image, numbers in zip(images, of_images, strict=True):
                bins, votes = votes_of(image, n)
                describe_votes(bins.astype(np.uint32), votes, cells, blocks, numbers)

        return write
    directions = np.empty((2, 0), np.float32)
    if p.convention == "uoctti":
        angles = bin_angles("uoctti", n, False, 2 * np.pi)[:n]
        directions = np.array([np.cos(angles), np.sin(angles)], np.float32)
    arctangent = OPENCV_ARCTANGENT if p.convention == "opencv" else ARCTANGENT
    bins_a_radian = n / (2 * np.pi if p.signed else np.pi)
    coefficients = (np.array(arctangent) * bins_a_radian).astype(np.float32)
    scale = np.float32(1 if dtype == np.uint8 else 255)
    kind = np.uint8 if dtype == np.uint8 else np.float32
    votes = scale, root, n, p.signed, coefficients, directions
    return lambda images, out: describe(images.astype(kind, copy=False), *votes, cells, blocks, out)
