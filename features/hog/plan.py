"""What HOG does for images of one shape, found once: the way from pixels to descriptors."""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

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
from .votes import ARCTANGENT, Places

__all__ = ["Dtype", "Plan", "find_plan", "make_plan"]

# uint8, float32 or float64
Dtype = np.dtype[np.generic]
# Writes the blocks of images of shape (n, rows, columns, channels) to an array of shape (n, block
# rows, block columns, cell rows, cell columns, bins).
WriteBlocks = Callable[[Image, FloatArray], None]
Votes = Callable[[Image], tuple[Places, FloatArray]]

# Of degree 7; OpenCV's is good to 2e-4 radian, which is part of its convention.
OPENCV_ARCTANGENT = (
    0.9997878412794807,
    -0.3258083974640975,
    0.1555786518463281,
    -0.04432655554792128,
    0.0,
    0.0,
    0.0,
)
# Of "L1", "L2" and so on; those of "opencv" and "uoctti" are in the kernels.
EPSILON = {"dalal": 1e-3, "skimage": 1e-5}
# The units of the pixels, as a part of the 0..255 that the kernels take.
SCALE = {"dalal": 1 / 255, "skimage": 1, "opencv": 1, "uoctti": 1 / 255, "cs231n": 1}
# The last bit of float32 numbers from 512 to 1024 is 2**-14.
ROUNDING = np.float32(768)


class Plan:
    """The way from images of one shape to their descriptors, or to the histograms of their cells.

    Parameters
    ----------
    p : Parameters
    size : (rows, columns) or (rows, columns, channels)
    dtype : dtype
        Of the pixels: uint8, float32 or float64.
    only_cells : bool
        Whether the histograms of the cells are asked for.

    Attributes
    ----------
    shape : tuple of int
        A descriptor as an array: (block rows, block columns, cell rows, cell columns,
        orientations), or (rows, columns, numbers) where there are only cells. For "opencv" and
        "cs231n" columns come before rows.
    length : int
        The numbers of a descriptor.

    Raises
    ------
    ValueError
        If a parameter is not valid or the image is smaller than a block.
    """

    def __init__(
        self, p: Parameters, size: tuple[int, ...], dtype: Dtype, only_cells: bool = False
    ) -> None:
        p = check_parameters(p)
        has_blocks = not only_cells and p.convention not in CONVENTIONS_OF_CELLS
        check_size(size[:2], p.cell, p.block if has_blocks else (1, 1))
        self._needs_roots = bool(p.root) and dtype != np.uint8
        self._blocks, pooling = lay_out(p, size, has_blocks)
        self._write_blocks = way_to_blocks(p, pooling, dtype)
        self._axes: tuple[int, ...] = (0, 1, 2, 3, 4)
        if not only_cells and p.convention in ("opencv", "cs231n"):
            self._axes = (1, 0, 3, 2, 4)
        shape = tuple(self._blocks[axis] for axis in self._axes)
        self.shape = shape if has_blocks else (*shape[:2], shape[4])
        self._has_corners = p.convention == "uoctti" and not only_cells
        if self._has_corners:
            self.shape = (*shape[:2], 3 * p.orientations + 4)
        self.length = math.prod(self.shape)

    def describe(self, images: Image, out: FloatArray) -> None:
        """Write the descriptors of images.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns, channels), C-contiguous
        out : ndarray of shape (n, length), float32, C-contiguous
        """
        if self._needs_roots and images.min() < 0:
            raise ValueError("transform_sqrt needs pixels that are not negative")
        n = len(images)
        if self._has_corners:
            cells = np.empty((n, *self._blocks), np.float32)
            self._write_blocks(images, cells)
            kernels.uoctti_numbers(cells[:, :, :, 0, 0], out.reshape(n, *self.shape))
        elif self._axes[0] == 1:
            blocks = np.empty((n, *self._blocks), np.float32)
            self._write_blocks(images, blocks)
            moved = blocks.transpose(0, *(axis + 1 for axis in self._axes))
            out.reshape(moved.shape)[:] = moved
        else:
            self._write_blocks(images, out.reshape(n, *self._blocks))


@lru_cache(maxsize=256)
def make_plan(p: Parameters, size: tuple[int, ...], dtype: Dtype, only_cells: bool = False) -> Plan:
    """Return the :class:`Plan` of these arguments, made once for the same ones."""
    return Plan(p, size, dtype, only_cells)


def find_plan(p: Parameters, size: tuple[int, ...], dtype: Dtype, only_cells: bool = False) -> Plan:
    """Return :func:`make_plan` of parameters that may be lists or arrays, which have no hash."""
    try:
        return make_plan(p, size, dtype, only_cells)
    except TypeError:
        values = (tuple(v) if isinstance(v, list | np.ndarray) else v for v in p)
        return make_plan(Parameters(*values), size, dtype, only_cells)  # type: ignore[arg-type]


def lay_out(
    p: Parameters, size: tuple[int, ...], has_blocks: bool
) -> tuple[tuple[int, ...], kernels.Pooling]:
    """Return the shape of an image's blocks and how pixels are pooled into them.

    Without blocks, a block is a cell and has no norm.
    """
    assert p.stride is not None
    rows, columns = (windows_along(p, axis, size[axis], has_blocks) for axis in (0, 1))
    block, steps, norm = p.block, p.block, p.norm
    if not has_blocks:
        block, steps, norm = (1, 1), (1, 1), "none"
    elif p.convention == "skimage":  # Here blocks share cells; the others' cells are their own.
        steps = (p.stride[0] // p.cell[0], p.stride[1] // p.cell[1])
    elif p.convention == "opencv":
        norm = "opencv"
    n_blocks = [
        (len(windows.first) - n) // step + 1
        for windows, n, step in zip((rows, columns), block, steps, strict=True)
    ]
    n_bins = p.orientations * (2 if p.convention == "uoctti" else 1)
    pooling = kernels.Pooling(
        rows.first,
        (rows.weights * SCALE[p.convention]).astype(np.float32),
        columns.first,
        columns.weights.astype(np.float32),
        steps,
        kernels.NORMS.index(norm),
        EPSILON.get(p.convention, 0.0),
    )
    return (*n_blocks, *block, n_bins), pooling


def way_to_blocks(p: Parameters, pooling: kernels.Pooling, dtype: Dtype) -> WriteBlocks:
    """Return the function that writes the blocks of images: a kernel and its arguments."""
    n, root = p.orientations, bool(p.root)
    if p.convention == "cs231n":
        return _exactly(partial(cs231n_votes, orientations=n), pooling)
    if p.convention == "skimage":
        if root or dtype != np.uint8:
            return _exactly(partial(skimage_votes, orientations=n, takes_roots=root), pooling)
        table, lengths = skimage_tables(n)
        return lambda images, out: kernels.describe_table(images, table, lengths, pooling, out)
    if p.convention == "uoctti":
        angles = bin_angles("uoctti", n, False, 2 * np.pi)[:n]
        cosines, sines = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        return lambda images, out: kernels.describe_directions(
            in_8_bits(images), root, cosines, sines, pooling, out
        )
    bins_a_radian = n / (2 * np.pi if p.signed else np.pi)
    arctangent = OPENCV_ARCTANGENT if p.convention == "opencv" else ARCTANGENT
    coefficients = (np.array(arctangent) * bins_a_radian).astype(np.float32)
    return lambda images, out: kernels.describe_soft(
        in_8_bits(images), root, p.signed, coefficients, pooling, out
    )


def _exactly(votes: Votes, pooling: kernels.Pooling) -> WriteBlocks:
    """Return the function that writes the blocks of images by votes from :mod:`.exact`."""

    def write(images: Image, out: FloatArray) -> None:
        for image, blocks in zip(images, out, strict=True):
            kernels.describe_votes(*votes(image), pooling, blocks)

    return write


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
