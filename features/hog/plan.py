"""What HOG does for images of one shape, found once: the way from pixels to descriptors."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from visualwords.features.image import FloatArray, Image

from . import kernels
from .conventions import (
    CONVENTIONS_OF_CELLS,
    Parameters,
    bin_angles,
    check_parameters,
    check_size,
    windows_along,
)
from .exact import cs231n_votes, skimage_tables, skimage_votes
from .votes import ARCTANGENT, Places, vote_by_directions, vote_by_table, vote_softly

__all__ = ["Dtype", "Plan", "find_plan"]

# uint8, float32 or float64
Dtype = np.dtype[np.generic]
# Writes the votes of images of shape (n, rows, columns, channels).
WriteVotes = Callable[[Image, Places, FloatArray], None]

# Of degree 7; OpenCV's is good to 2e-4 radian, which is part of its convention.
OPENCV_ARCTANGENT = (
    0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128, 0.0, 0.0, 0.0
)  # fmt: skip
# Of "L1", "L2" and so on; those of "opencv" and "uoctti" are in the kernels.
EPSILON = {"dalal": 1e-3, "skimage": 1e-5}
# The units of the pixels, as a part of the 0..255 that the kernels take.
SCALE = {"dalal": 1 / 255, "skimage": 1, "opencv": 1, "uoctti": 1 / 255, "cs231n": 1}
# The last bit of float32 numbers from 512 to 1024 is 2**-14.
ROUNDING = np.float32(768)
PIXELS_AT_ONCE = 2**15  # of small images, whose votes fit in a core's cache


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
        by_columns = not only_cells and p.convention in ("opencv", "cs231n")
        self.shape, self._starts, self._pooling = lay_out(p, size, has_blocks, by_columns)
        self._block_size = math.prod(self.shape[2:])
        if not has_blocks:
            self.shape = (*self.shape[:2], self.shape[4])
        self._cells = self.shape
        self._has_corners = p.convention == "uoctti" and not only_cells
        if self._has_corners:
            self.shape = (*self.shape[:2], 3 * p.orientations + 4)
        self.length = math.prod(self.shape)
        self._votes_shape = (size[0], 2 if p.convention in ("dalal", "opencv") else 1, size[1])
        self._write_votes = way_to_votes(p, dtype, self._starts)
        self._at_once = max(1, PIXELS_AT_ONCE // (size[0] * size[1]))

    def describe(self, images: Image, out: FloatArray) -> None:
        """Write the descriptors of images of shape (n, rows, columns, channels).

        ``out`` has the shape (n, length); both arrays are C-contiguous.
        """
        if self._needs_roots and images.min() < 0:
            raise ValueError("transform_sqrt needs pixels that are not negative")
        n = len(images)
        cells = np.empty((n, *self._cells), np.float32) if self._has_corners else out
        blocks = cells.reshape(-1, self._block_size)
        n_blocks = len(blocks) // n
        rows, n_votes, columns = self._votes_shape
        at_once = min(n, self._at_once)
        places = np.empty((at_once * rows, n_votes, columns), np.uint32)
        votes = np.empty(places.shape, np.float32)
        for first in range(0, n, at_once):
            self._write_votes(images[first : first + at_once], places, votes)
            part = blocks[first * n_blocks : (first + at_once) * n_blocks]
            kernels.describe_votes(places, votes, *self._pooling, part)
        if self._has_corners:
            kernels.uoctti_numbers(cells, out.reshape(n, *self.shape))


make_plan = lru_cache(maxsize=256)(Plan)


def find_plan(p: Parameters, size: tuple[int, ...], dtype: Dtype, only_cells: bool = False) -> Plan:
    """Return the plan, made once, of parameters that may be lists or arrays, which have no hash."""
    try:
        return make_plan(p, size, dtype, only_cells)
    except TypeError:
        values = (tuple(v) if isinstance(v, list | np.ndarray) else v for v in p)
        return make_plan(Parameters(*values), size, dtype, only_cells)  # type: ignore[arg-type]


def lay_out(
    p: Parameters, size: tuple[int, ...], has_blocks: bool, by_columns: bool
) -> tuple[tuple[int, ...], Places, kernels.Pooling]:
    """Return the shape of an image's blocks, where its columns vote, and how blocks are pooled.

    Without blocks, a block is a cell and has no norm.
    """
    assert p.stride is not None
    rows, columns = (windows_along(p, axis, size[axis], has_blocks) for axis in (0, 1))
    height = 1
    block, steps, norm = p.block, p.block, p.norm
    if not has_blocks:
        block, steps, norm = (1, 1), (1, 1), "none"
    elif p.convention == "skimage":  # Here blocks share cells; the others' cells are their own.
        steps = (p.stride[0] // p.cell[0], p.stride[1] // p.cell[1])
    elif p.convention == "opencv":
        norm = "opencv"
    if p.convention in ("skimage", "cs231n"):  # All rows of a cell have one weight.
        height = p.cell[0]
        rows = rows._replace(period=1, weights=rows.weights[:, :1], end=rows.number)
    n_bins = p.orientations * (2 if p.convention == "uoctti" else 1)

    # Columns that lie one period apart are neighbours in a line.
    pixels = columns.first[:, np.newaxis] + np.arange(columns.weights.shape[1])
    before = -(min(0, pixels.min()) // columns.period)
    behind = max(size[1] - 1, (columns.number - 1) * columns.period + pixels.max())
    together = before + behind // columns.period + 1

    def place(x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (x % columns.period * together + x // columns.period + before) * n_bins

    nowhere = columns.period * together * n_bins  # where columns vote that are in no cell
    x = np.arange(size[1])
    starts = np.where((x >= columns.start) & (x < columns.end), place(x), nowhere)
    run = in_eights(columns.number * n_bins)
    line_size = in_eights(max(nowhere + n_bins, place(pixels).max() + run))

    first = np.add.outer(rows.period * np.arange(rows.number), rows.first).ravel()
    lines = first[:, np.newaxis] + np.arange(rows.weights.shape[1])
    line_weights = np.tile(rows.weights, (rows.number, 1)) * SCALE[p.convention]
    line_weights[(lines < rows.start) | (lines >= rows.end)] = 0
    kept = lines.shape[1] + (np.maximum.accumulate(first) - first).max()

    n_cells = len(columns.first)
    cells = np.arange(len(lines) * n_cells).reshape(-1, n_cells) * run
    cells = np.add.outer(cells, n_bins * np.arange(columns.number)).swapaxes(1, 2)
    cells = cells.reshape(len(lines), -1)
    sources = sliding_window_view(cells, block)[:: steps[0], :: steps[1]]
    if by_columns:
        sources = sources.transpose(1, 0, 3, 2)
    pooling = kernels.Pooling(
        size[0],
        height,
        line_size,
        np.minimum(lines[:, -1] + 1, size[0] // height).astype(np.uint64),
        in_fours(lines % kept * line_size, np.uint64),
        in_fours(line_weights, np.float32),
        run,
        in_fours(place(pixels), np.uint64),
        in_fours(columns.weights, np.float32),
        sources.reshape(-1, block[0] * block[1]).astype(np.uint64),
        kernels.NORMS.index(norm),
        EPSILON.get(p.convention, 0.0),
    )
    return (*sources.shape, n_bins), starts.astype(np.uint32), pooling


def in_eights(n: int) -> int:
    """Return the least multiple of eight that is not below n."""
    return int(-(-n // 8) * 8)


def in_fours(runs: npt.NDArray[Any], dtype: type) -> npt.NDArray[Any]:
    """Append zeros to rows until their length is a multiple of four."""
    missing = -runs.shape[1] % kernels.FOUR
    return np.pad(runs, ((0, 0), (0, missing))).astype(dtype)


def way_to_votes(p: Parameters, dtype: Dtype, starts: Places) -> WriteVotes:
    """Return the function that writes the votes of images: a kernel and its arguments."""
    n, root = p.orientations, bool(p.root)
    if p.convention == "skimage" and dtype == np.uint8 and not root:
        tables = skimage_tables(n)
        return lambda images, places, votes: vote_by_table(images, *tables, starts, places, votes)
    if p.convention in ("skimage", "cs231n"):

        def write(images: Image, places: Places, votes: FloatArray) -> None:
            for k, image in enumerate(images):
                here = slice(k * len(image), (k + 1) * len(image))
                if p.convention == "cs231n":
                    bins, votes[here, 0] = cs231n_votes(image, n)
                else:
                    bins, votes[here, 0] = skimage_votes(image, n, root)
                places[here, 0] = starts + bins

        return write
    if p.convention == "uoctti":
        angles = bin_angles("uoctti", n, False, 2 * np.pi)[:n]
        cosines, sines = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        return lambda images, places, votes: vote_by_directions(
            in_8_bits(images), root, cosines, sines, starts, places, votes
        )
    bins_a_radian = n / (2 * np.pi if p.signed else np.pi)
    arctangent = OPENCV_ARCTANGENT if p.convention == "opencv" else ARCTANGENT
    coefficients = (np.array(arctangent) * bins_a_radian).astype(np.float32)
    return lambda images, places, votes: vote_softly(
        in_8_bits(images), root, n, p.signed, coefficients, starts, places, votes
    )


def in_8_bits(images: Image) -> Image:
    """Return uint8 images as they are, and float images times 255, as float32.

    These are rounded to multiples of 2**-14, or as float32 is beyond 256. So an 8-bit image divided
    by 255 becomes the same whole numbers again, and ties are decided alike.
    """
    if images.dtype == np.uint8:
        return images
    scaled = images.astype(np.float32)
    scaled *= np.float32(255)
    scaled += ROUNDING
    scaled -= ROUNDING
    return scaled
