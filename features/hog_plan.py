"""What HOG computes once for a size of image: where every pixel votes, and with what weight."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import hog_kernels as kernels

__all__ = ["CONVENTIONS", "CONVENTIONS_OF_CELLS", "NORMS", "Parameters", "Plan", "make_plan"]

CONVENTIONS = ("dalal", "skimage", "opencv", "uoctti", "cs231n")
CONVENTIONS_OF_CELLS = ("uoctti", "cs231n")
NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
CLIP = 0.2

# Odd polynomials of arctan(t), t in 0..1. The first is ours, of least maximal error (3e-7 radian);
# the second is OpenCV's, good to 2e-4 radian, which is part of its convention.
ARCTANGENT = (
    0.999996112,
    -0.333173680,
    0.198078153,
    -0.132333413,
    0.0796236602,
    -0.0336042116,
    0.00681179074,
)
OPENCV_ARCTANGENT = (
    0.9997878412794807,
    -0.3258083974640975,
    0.1555786518463281,
    -0.04432655554792128,
    0.0,
    0.0,
    0.0,
)


class Parameters(NamedTuple):
    """The parameters of :func:`visualwords.features.hog`, all hashable."""

    orientations: int
    cell: tuple[int, int]
    block: tuple[int, int]
    convention: str
    stride: tuple[int, int] | None
    norm: str
    signed: bool
    root: bool | None


class Windows(NamedTuple):
    """Windows over the pixels of one axis, which go in groups of four.

    Pixel 4 g + r counts in window ``first[g] + k`` with ``weights[g, k, r]``.
    """

    first: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    number: int


class Plan(NamedTuple):
    """What the kernels need beside the pixels.

    ``shape`` is that of a descriptor as an array: (block rows, block columns, cell rows, cell
    columns, orientations), or (rows, columns, numbers) where there are only cells; for "opencv" and
    "cs231n" in the order of their owners, columns before rows.
    """

    parameters: Parameters
    shape: tuple[int, ...]
    length: int
    cells: tuple[int, int, int]
    arguments: tuple[npt.NDArray[Any], ...]


@lru_cache(maxsize=256)
def make_plan(
    size: tuple[int, ...], is_float: bool, parameters: Parameters, only_cells: bool = False
) -> Plan:
    """Plan for images of ``size`` = (rows, columns[, channels]): descriptors, or cells' histograms.

    Raises
    ------
    ValueError
        If a parameter is not valid or the image is smaller than a block.
    """
    p = _checked(parameters)
    block = p.block if p.convention not in CONVENTIONS_OF_CELLS else (1, 1)
    _check_size(size[:2], p.cell, block)
    make_windows = _cell_windows if only_cells else _windows
    rows, columns = (make_windows(p, axis, size[axis]) for axis in (0, 1))
    n_bins = p.orientations * (2 if p.convention == "uoctti" else 1)
    cells = (rows.number, columns.number, n_bins)
    shape, step = _layout(p, cells)
    root = p.convention == "opencv" if p.root is None else p.root
    by_columns = p.convention == "opencv"
    norm = kernels.UOCTTI if p.convention == "uoctti" else NORMS.index(p.norm)
    settings = np.zeros(kernels.SETTINGS, np.int64)
    settings[kernels.ROOT] = root
    settings[kernels.FRAME] = p.convention == "uoctti"
    settings[kernels.HARD] = p.convention in ("skimage", "uoctti")
    settings[kernels.ORIENTATIONS] = n_bins
    settings[kernels.TURN] = 2 if p.signed or p.convention == "uoctti" else 1
    settings[kernels.NORM] = kernels.NONE if only_cells else norm
    settings[kernels.BY_COLUMNS] = by_columns
    settings[kernels.WINDOWS : kernels.BLOCKS] = cells[1::-1] if by_columns else cells[:2]
    if len(shape) == 5:
        settings[kernels.BLOCKS : kernels.IMAGE] = (*shape[:4], *step)
    settings[kernels.IMAGE :] = (*size[:2], size[2] if len(size) == 3 else 1, is_float)
    # The scale goes into the weights, so that the gradients of 8-bit pixels are whole numbers.
    scale = _scale(p, is_float)
    row_weights = rows.weights * np.float32(scale**0.5 if root else scale)
    windows = (rows.first, row_weights, columns.first, columns.weights)
    shape = (
        (settings[kernels.WINDOWS], settings[kernels.WINDOWS + 1], n_bins) if only_cells else shape
    )
    return Plan(p, shape, int(np.prod(shape)), cells, (settings, _numbers(p), _angles(p), *windows))


def _checked(p: Parameters) -> Parameters:
    """Check the parameters, and fill in the stride."""
    if p.convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {CONVENTIONS}, got {p.convention!r}")
    if p.norm not in NORMS:
        raise ValueError(f"block_norm must be one of {NORMS}, got {p.norm!r}")
    _check_counts("orientations", (p.orientations,), 1)
    _check_counts("pixels_per_cell", p.cell, 2)
    _check_counts("cells_per_block", p.block, 2)
    if p.orientations < 2 and p.convention in ("dalal", "opencv"):
        raise ValueError("orientations must be at least 2, since votes are shared between two bins")
    if p.signed and p.convention not in ("dalal", "opencv"):
        raise ValueError(f'signed=True is for "dalal" and "opencv", not {p.convention!r}')
    if p.root and p.convention == "cs231n":
        raise ValueError('transform_sqrt=True is not for "cs231n"')
    if p.norm != "L2-Hys" and p.convention not in ("dalal", "skimage"):
        raise ValueError(f'block_norm={p.norm!r} is for "dalal" and "skimage"')
    stride = p.cell if p.stride is None else p.stride
    _check_counts("block_stride", stride, 2)
    if p.convention in CONVENTIONS_OF_CELLS and (p.block, stride) != ((2, 2), p.cell):
        raise ValueError(
            f"{p.convention!r} has no blocks of its own: leave cells_per_block and block_stride out"
        )
    if p.convention == "skimage" and (stride[0] % p.cell[0] or stride[1] % p.cell[1]):
        raise ValueError(
            f'with convention="skimage" block_stride must be a multiple of pixels_per_cell '
            f"{p.cell}, got {stride}"
        )
    return p._replace(stride=stride)


def _check_counts(name: str, values: Sequence[Any], length: int) -> None:
    whole = all(isinstance(v, int | np.integer) and v > 0 for v in values)
    if len(values) != length or not whole:
        what = "a whole number" if length == 1 else "two whole numbers (rows, columns)"
        got = values[0] if length == 1 else values
        raise ValueError(f"{name} must be {what} above 0, got {got!r}")


def _check_size(size: tuple[int, ...], cell: tuple[int, int], block: tuple[int, int]) -> None:
    least = (cell[0] * block[0], cell[1] * block[1])
    if size[0] < least[0] or size[1] < least[1]:
        raise ValueError(
            f"an image of {size[0]}x{size[1]} pixels is too small: a block needs "
            f"{least[0]}x{least[1]}; use a smaller pixels_per_cell or cells_per_block, or enlarge "
            "the images (image_size of HOG)"
        )


def _layout(p: Parameters, cells: tuple[int, int, int]) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Shape of a descriptor, and windows from one block to the next, as its owner lists them."""
    rows, columns, n = cells
    if p.convention == "uoctti":
        return (rows, columns, 3 * (n // 2) + 4), (0, 0)
    if p.convention == "cs231n":
        return (columns, rows, n), (0, 0)
    assert p.stride is not None
    step = p.block
    if p.convention == "skimage":
        step = (p.stride[0] // p.cell[0], p.stride[1] // p.cell[1])
    i, j = (rows - p.block[0]) // step[0] + 1, (columns - p.block[1]) // step[1] + 1
    if p.convention == "opencv":
        return (j, i, p.block[1], p.block[0], n), (step[1], step[0])
    return (i, j, *p.block, n), step


def _scale(p: Parameters, is_float: bool) -> float:
    """Give the factor of the pixels: to 0..1, to 0..255 for "opencv", or 1."""
    if p.convention in ("skimage", "cs231n"):
        return 1.0
    of_uint8 = 1.0 if p.convention == "opencv" else 1 / 255
    return 255 * of_uint8 if is_float else of_uint8


def _numbers(p: Parameters) -> npt.NDArray[np.float32]:
    """Give the constants of the norm: see the kernels' normalisation."""
    size = p.block[0] * p.block[1] * p.orientations
    constants = {
        "dalal": (1e-6, 1e-3, 1e-6, 0.0),
        "skimage": (1e-10, 1e-5, 1e-10, 0.0),
        "opencv": (0.0, 0.1 * size, 0.0, 1e-3),
        "uoctti": (1e-4, 18**-0.5, 0.0, 0.0),
        "cs231n": (0.0, 0.0, 0.0, 0.0),
    }
    add, plus, add_again, plus_again = constants[p.convention]
    if p.norm in ("L2", "L2-Hys") and p.convention in ("dalal", "skimage"):
        plus = 0.0
    return np.array([add, plus, add_again, plus_again, CLIP], np.float32)


def _angles(p: Parameters) -> npt.NDArray[np.float32]:
    """Polynomial to an angle in bins, or cosines and sines of the ends of the bins."""
    if p.convention in ("dalal", "opencv"):
        bins_a_radian = p.orientations / (2 * np.pi if p.signed else np.pi)
        arctangent = ARCTANGENT if p.convention == "dalal" else OPENCV_ARCTANGENT
        return (np.array(arctangent) * bins_a_radian).astype(np.float32)
    if p.convention == "uoctti":
        ends = (np.arange(p.orientations) + 0.5) * np.pi / p.orientations
    else:
        ends = np.arange(1, p.orientations) * np.pi / p.orientations
    ends = np.pad(ends, (0, -len(ends) % 4), constant_values=np.nan)
    # Rounded, so that the sine and cosine of 45 degrees are equal and the cosine of 90 is zero.
    return np.concatenate([np.cos(ends), np.sin(ends)]).round(12).astype(np.float32)


def _windows(p: Parameters, axis: int, pixels: int) -> Windows:
    """Give the windows of the descriptor: of each cell of each block, or of the cells."""
    if p.convention in ("dalal", "opencv"):
        assert p.stride is not None
        return _block_windows(p, axis, pixels, p.stride[axis])
    return _cell_windows(p, axis, pixels)


def _cell_windows(p: Parameters, axis: int, pixels: int) -> Windows:
    """Mean of each cell, or a triangle that is shared with the cells beside it."""
    cell = p.cell[axis]
    if p.convention in ("skimage", "cs231n"):
        means = np.repeat(np.eye(pixels // cell), cell, axis=1) / cell
        return _grouped(means, pixels)
    count = (pixels + cell // 2) // cell if p.convention == "uoctti" else pixels // cell
    used = pixels if p.convention == "uoctti" else count * cell
    return _grouped(_triangles(cell, count, used), pixels)


def _triangles(cell: int, count: int, pixels: int) -> npt.NDArray[np.float64]:
    """Linear interpolation between the centres of cells: (cells, pixels)."""
    place = (np.arange(pixels) + 0.5) / cell - 0.5
    return np.maximum(0, 1 - np.abs(place - np.arange(count)[:, None]))


def _block_windows(p: Parameters, axis: int, pixels: int, stride: int) -> Windows:
    """One window for each cell of each block: a triangle under the block's Gaussian."""
    cells = p.block[axis]
    block = p.cell[axis] * cells
    place = np.arange(block)
    if p.convention == "opencv":
        sigma = sum(c * b for c, b in zip(p.cell, p.block, strict=True)) / 8
        gaussian = np.exp(-((place - block / 2) ** 2) / (2 * sigma**2))
    else:
        gaussian = np.exp(-((place + 0.5 - block / 2) ** 2) / (2 * (block / 2) ** 2))
    weights = _triangles(p.cell[axis], cells, block) * gaussian
    n_blocks = (pixels - block) // stride + 1
    dense = np.zeros((n_blocks * cells, pixels))
    for b in range(n_blocks):
        dense[b * cells : (b + 1) * cells, b * stride : b * stride + block] = weights
    return _grouped(dense, pixels)


def _grouped(dense: npt.NDArray[np.float64], pixels: int) -> Windows:
    """Keep the span of windows in which each group of four pixels counts.

    ``dense`` is (windows, pixels up to the last that counts).
    """
    number = len(dense)
    groups = -(-pixels // 4)
    padded = np.zeros((number, 4 * groups))
    padded[:, : dense.shape[1]] = dense
    by_group = padded.reshape(number, groups, 4).transpose(1, 0, 2)
    used = (by_group != 0).any(axis=2)
    first = used.argmax(1)
    last = number - 1 - used[:, ::-1].argmax(1)
    reach = int(np.where(used.any(1), last - first + 1, 1).max())
    first = np.minimum(first, number - reach)
    weights = np.take_along_axis(by_group, (first[:, None] + np.arange(reach))[..., None], axis=1)
    return Windows(first.astype(np.int64), np.ascontiguousarray(weights, np.float32), number)
