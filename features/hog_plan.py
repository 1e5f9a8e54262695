"""What HOG computes once for a size of image: where every pixel votes, and with what weight."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import hog_kernels as kernels
from .hog_parameters import CONVENTIONS_OF_CELLS, NORMS, Parameters, check_size, checked
from .hog_votes import LANES, ROWS

__all__ = ["Plan", "find_plan"]

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


class Axis(NamedTuple):
    """Groups of pixels along one axis, and the windows that they count in.

    ``weights`` is (pixels of a group, lanes): with what weight a pixel counts in each of the
    windows around its group. A window is the sum over k of lane ``lanes[window, k]`` of the group
    ``groups[window, k]``, which may be -1 or ``number``: beyond the image.
    """

    number: int
    weights: npt.NDArray[np.float64]
    groups: npt.NDArray[np.int64]
    lanes: npt.NDArray[np.int64]


class Plan(NamedTuple):
    """What the kernels need beside the pixels.

    ``shape`` is that of a descriptor as an array: (block rows, block columns, cell rows, cell
    columns, orientations), or (rows, columns, numbers) where there are only cells; for "opencv" and
    "cs231n" in the order of their owners, columns before rows.
    """

    parameters: Parameters
    only_cells: bool
    refuses_negative: bool
    size: tuple[int, int, int]
    cells: tuple[int, int, int]
    shape: tuple[int, ...]
    length: int
    table: npt.NDArray[np.int64]
    constants: npt.NDArray[np.float32]
    ends: npt.NDArray[np.float32] | None


def find_plan(size: tuple[int, ...], is_float: bool, *parameters: Any) -> Plan:
    """Plan for images of ``size``, made once: the arguments of :func:`make_plan`, or lists."""
    try:
        return make_plan(size, is_float, *parameters)
    except TypeError:  # a list or an array cannot be looked up
        hashable = (tuple(p) if isinstance(p, list | np.ndarray) else p for p in parameters)
        return make_plan(size, is_float, *hashable)


@lru_cache(maxsize=256, typed=True)
def make_plan(
    size: tuple[int, ...],
    is_float: bool,
    orientations: int,
    cell: tuple[int, int],
    block: tuple[int, int],
    convention: str,
    stride: tuple[int, int] | None,
    norm: str,
    signed: bool,
    root: bool | None,
    only_cells: bool = False,
) -> Plan:
    """Plan for images of ``size`` = (rows, columns[, channels]): descriptors, or cells' histograms.

    Raises
    ------
    ValueError
        If a parameter is not valid or the image is smaller than a block.
    """
    p = checked(Parameters(orientations, cell, block, convention, stride, norm, signed, root))
    has_blocks = not only_cells and convention not in CONVENTIONS_OF_CELLS
    check_size(size[:2], p.cell, p.block if has_blocks else (1, 1))
    make_axis = _cell_axis if only_cells else _axis
    axes = make_axis(p, 0, size[0]), make_axis(p, 1, size[1])
    n_bins = orientations * (2 if convention == "uoctti" else 1)
    cells = (len(axes[0].groups), len(axes[1].groups), n_bins)
    shape: tuple[int, ...] = cells
    layout: tuple[int, ...] = (*cells[:2], 1, 1)
    step = (1, 1)
    if convention in CONVENTIONS_OF_CELLS:
        shape = cells if only_cells else _shape_of_cells(p, cells)
    elif not only_cells:
        layout, step = _layout(p, cells)
        shape = layout
    sources = _sources(axes, layout, step, n_bins, convention == "skimage")
    if convention == "opencv" and not only_cells:
        sources = sources.transpose(1, 0, 3, 2, 4)
        shape = (*(sources.shape[:4]), n_bins)
    takes_roots = convention == "opencv" if root is None else bool(root)
    scale = _scale(p, is_float)
    constants = (
        _numbers(p),
        _polynomial(p),
        _row_weights(axes[0], scale**0.5 if takes_roots else scale),
        _column_weights(axes[1]),
    )
    whole = (size[0], size[1], size[2] if len(size) == 3 else 1)
    return Plan(
        p,
        only_cells,
        takes_roots and is_float,
        whole,
        cells,
        shape,
        int(np.prod(shape)),
        _table(p, whole, axes, sources, constants, (takes_roots, only_cells)),
        np.concatenate(constants).astype(np.float32),
        _ends(p),
    )


def _table(
    p: Parameters,
    size: tuple[int, int, int],
    axes: tuple[Axis, Axis],
    sources: npt.NDArray[np.int64],
    constants: Sequence[npt.NDArray[Any]],
    flags: tuple[bool, bool],
) -> npt.NDArray[np.int64]:
    """Settings, windows and sources, as the kernels want them."""
    takes_roots, only_cells = flags
    uoctti = p.convention == "uoctti"
    windows = _windows(axes[0])
    first_weights = len(constants[0]) + len(constants[1])
    settings = np.zeros(kernels.SETTINGS, np.int64)
    settings[kernels.ROOT] = takes_roots
    settings[kernels.FRAME] = uoctti
    settings[kernels.ALONE] = p.convention == "skimage"
    settings[kernels.BINS] = p.orientations * (2 if uoctti else 1)
    settings[kernels.TURN] = 2 if p.signed or uoctti else 1
    settings[kernels.NORM] = kernels.NONE if only_cells or uoctti else NORMS.index(p.norm)
    settings[kernels.CELLS] = p.block[0] * p.block[1]
    settings[kernels.ROW_LANES] = windows.shape[1]
    settings[kernels.WINDOWS] = len(axes[0].groups)
    settings[kernels.SOURCES] = sources.shape[-1]
    settings[kernels.IMAGE : kernels.UNIT] = size
    settings[kernels.UNIT : kernels.GROUPS] = [len(axis.weights) for axis in axes]
    settings[kernels.GROUPS : kernels.WEIGHTS] = [axis.number for axis in axes]
    settings[kernels.WEIGHTS : kernels.FIRST_SOURCE] = (
        first_weights,
        first_weights + len(constants[2]),
    )
    settings[kernels.FIRST_SOURCE] = kernels.SETTINGS + windows.size
    return np.concatenate([settings, windows.ravel(), sources.ravel()])


def _shape_of_cells(p: Parameters, cells: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of a descriptor that has no blocks, as its owner lists them."""
    rows, columns, n = cells
    return (columns, rows, n) if p.convention == "cs231n" else (rows, columns, 3 * (n // 2) + 4)


def _layout(p: Parameters, cells: tuple[int, int, int]) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Shape of a descriptor of blocks, listed by rows, and windows from one block to the next."""
    assert p.stride is not None
    step = p.block
    if p.convention == "skimage":
        step = (p.stride[0] // p.cell[0], p.stride[1] // p.cell[1])
    i, j = ((cells[axis] - p.block[axis]) // step[axis] + 1 for axis in (0, 1))
    return (i, j, *p.block, cells[2]), step


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


def _polynomial(p: Parameters) -> npt.NDArray[np.float64]:
    """Polynomial from a slope to an angle in bins."""
    bins_a_radian = p.orientations / (2 * np.pi if p.signed else np.pi)
    return np.array(OPENCV_ARCTANGENT if p.convention == "opencv" else ARCTANGENT) * bins_a_radian


def _ends(p: Parameters) -> npt.NDArray[np.float32] | None:
    """Cosines and sines of the ends of bins, where a pixel votes for one bin only."""
    if p.convention not in ("skimage", "uoctti"):
        return None
    if p.convention == "uoctti":
        ends = (np.arange(p.orientations // 2) + 0.5) * np.pi / p.orientations
    else:
        ends = np.arange(1, p.orientations // 2 + 1) * np.pi / p.orientations
    # Rounded, so that the sine and cosine of 45 degrees are equal and the cosine of 90 is zero.
    directions = np.array([np.cos(ends), np.sin(ends)]).round(12)
    spare = np.tile([[-1.0], [0.0]], -len(ends) % 4 if len(ends) else 4)
    fours = np.hstack([directions, spare]).reshape(2, -1, 4).swapaxes(0, 1)
    return fours.ravel().astype(np.float32)


def _row_weights(axis: Axis, scale: float) -> npt.NDArray[np.float32]:
    """Give the weights of a group's rows in each lane, and zeros for rows beyond the group.

    They hold the scale too, so that the gradients of 8-bit pixels are whole numbers.
    """
    weights = np.pad(axis.weights.T * scale, ((0, 0), (0, ROWS - 1)))
    return weights.ravel().astype(np.float32)


def _column_weights(axis: Axis) -> npt.NDArray[np.float32]:
    """Give the weights of a group's columns: (parts, columns, LANES), padded."""
    spare = -axis.weights.shape[1] % LANES
    weights = np.pad(axis.weights, ((0, 0), (0, spare))).reshape(len(axis.weights), -1, LANES)
    return weights.swapaxes(0, 1).ravel().astype(np.float32)


def _windows(axis: Axis) -> npt.NDArray[np.int32]:
    """Give the window that a lane of a group counts in, or -1: (groups, lanes)."""
    windows = np.full((axis.number, axis.weights.shape[1]), -1, np.int32)
    window, k = np.nonzero((axis.groups >= 0) & (axis.groups < axis.number))
    windows[axis.groups[window, k], axis.lanes[window, k]] = window
    return windows


def _sources(
    axes: tuple[Axis, Axis],
    shape: tuple[int, ...],
    step: tuple[int, int],
    n_bins: int,
    alone: bool,
) -> npt.NDArray[np.int64]:
    """Give the places of the sums of each cell of each block: (*shape, sources), at least two."""
    rows, columns = (
        np.arange(shape[axis])[:, None] * step[axis] + np.arange(shape[axis + 2]) for axis in (0, 1)
    )
    part = n_bins if alone else (n_bins + 1) * LANES
    size = part * -(-axes[1].weights.shape[1] // LANES)
    group, lane = axes[1].groups[columns], axes[1].lanes[columns]
    inside = (group >= 0) & (group < axes[1].number)
    place = group * size + lane // LANES * part + lane % LANES
    row = rows[:, None, :, None, None] * axes[1].number * size
    beyond = len(axes[0].groups) * axes[1].number * size
    sources = np.where(inside[None, :, None], row + place[None, :, None], beyond)
    spare = max(2 - sources.shape[-1], 0)
    return np.pad(sources, [(0, 0)] * 4 + [(0, spare)], constant_values=beyond)


def _axis(p: Parameters, axis: int, pixels: int) -> Axis:
    """Give the windows of the descriptor: of each cell of each block, or of the cells."""
    if p.convention in ("dalal", "opencv"):
        assert p.stride is not None
        return _block_axis(p, axis, pixels, p.stride[axis])
    return _cell_axis(p, axis, pixels)


def _cell_axis(p: Parameters, axis: int, pixels: int) -> Axis:
    """Mean of each cell, or a triangle that is shared with the cells beside it."""
    cell = p.cell[axis]
    if p.convention in ("skimage", "cs231n"):
        number = pixels // cell
        windows = np.arange(number)[:, None]
        return Axis(number, np.full((cell, 1), 1 / cell), windows, np.zeros_like(windows))
    whole = pixels // cell
    count, number = whole, whole
    if p.convention == "uoctti":
        count, number = (pixels + cell // 2) // cell, -(-pixels // cell)
    triangles = _triangles(cell, np.arange(-1, 2), cell)
    groups = np.arange(count)[:, None] + np.array([1, 0, -1])
    return Axis(number, triangles.T, groups, np.broadcast_to(np.arange(3), groups.shape))


def _triangles(cell: int, cells: npt.NDArray[np.int64], pixels: int) -> npt.NDArray[np.float64]:
    """Linear interpolation between the centres of cells: (cells, pixels)."""
    place = (np.arange(pixels) + 0.5) / cell - 0.5
    return np.maximum(0, 1 - np.abs(place - cells[:, None]))


def _block_axis(p: Parameters, axis: int, pixels: int, stride: int) -> Axis:
    """One window for each cell of each block: a triangle under the block's Gaussian.

    A group is as long as the way from one block to the next, and a block ``span`` groups.
    """
    cells = p.block[axis]
    block = p.cell[axis] * cells
    place = np.arange(block)
    if p.convention == "opencv":
        sigma = sum(c * b for c, b in zip(p.cell, p.block, strict=True)) / 8
        gaussian = np.exp(-((place - block / 2) ** 2) / (2 * sigma**2))
    else:
        gaussian = np.exp(-((place + 0.5 - block / 2) ** 2) / (2 * (block / 2) ** 2))
    span = -(-block // stride)
    weights = np.zeros((cells, span * stride))
    weights[:, :block] = _triangles(p.cell[axis], np.arange(cells), block) * gaussian
    lanes = weights.reshape(cells, span, stride).transpose(2, 1, 0).reshape(stride, -1)
    n_blocks = (pixels - block) // stride + 1
    window = np.arange(n_blocks * cells)[:, None]
    groups = window // cells + np.arange(span)
    return Axis(n_blocks - 1 + span, lanes, groups, np.arange(span) * cells + window % cells)
