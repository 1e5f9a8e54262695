"""What HOG computes once for a size of image: where every pixel votes, and with what weight."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import hog_kernels as kernels
from .hog_bins import BINS_AT_ONCE
from .hog_constants import arctangent_in_bins, constants_of_norm, ends_of_bins, scale_of_pixels
from .hog_parameters import (
    CONVENTIONS_OF_CELLS,
    NORMS,
    Parameters,
    check_counts,
    check_size,
    checked,
)
from .lanes import LANES

__all__ = ["Plan", "find_plan"]


class Windows(NamedTuple):
    """Where pixels along an axis count: pixel ``first[w] + i`` by ``weights[w][i]`` in window w."""

    first: list[int]
    weights: list[npt.NDArray[np.float64]]


class Plan(NamedTuple):
    """What the kernels need beside the pixels; ``is_plain`` if one call of them does it all.

    ``shape`` is that of a descriptor as an array: (block rows, block columns, cell rows, cell
    columns, orientations), or (rows, columns, numbers) where there are only cells; for "opencv" and
    "cs231n" in the order of their owners, columns before rows.
    """

    parameters: Parameters
    only_cells: bool
    refuses_negative: bool
    is_plain: bool
    size: tuple[int, int, int]
    cells: tuple[int, int, int]
    shape: tuple[int, ...]
    length: int
    table: npt.NDArray[np.int64]
    constants: npt.NDArray[np.float32]
    ends: npt.NDArray[np.float32] | None


def find_plan(
    size: tuple[int, ...],
    is_float: bool,
    orientations: Any,
    cell: Any,
    block: Any,
    convention: str,
    stride: Any,
    norm: str,
    signed: bool,
    root: bool | None,
    only_cells: bool = False,
) -> Plan:
    """Plan for images of ``size``, made once (:func:`make_plan`); pairs may be lists or arrays."""
    try:
        return make_plan(
            size, is_float, orientations, cell, block, convention, stride, norm, signed, root,
            only_cells,
        )  # fmt: skip
    except TypeError:  # a list or an array cannot be looked up
        check_counts("orientations", (orientations,), 1)
        cell, block, stride = (
            tuple(p) if isinstance(p, list | np.ndarray) else p for p in (cell, block, stride)
        )
        rest = convention, stride, norm, signed, root, only_cells
        return make_plan(size, is_float, orientations, cell, block, *rest)


@lru_cache(maxsize=256)
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
    windows = [_windows(p, axis, size[axis], has_blocks) for axis in (0, 1)]
    n_bins = p.orientations * (2 if convention == "uoctti" else 1)
    cells = (len(windows[0].first), len(windows[1].first), n_bins)
    blocks = _blocks(p, cells) if has_blocks else Blocks(cells[:2], (1, 1), (1, 1))
    shape = blocks.shape(p) if has_blocks else cells if only_cells else _shape_of_cells(p, cells)
    takes_roots = convention == "opencv" if root is None else bool(root)
    scale = scale_of_pixels(p, is_float)
    whole = (size[0], size[1], size[2] if len(size) == 3 else 1)
    ends = ends_of_bins(p)
    numbers: list[npt.NDArray[Any]] = [constants_of_norm(p), arctangent_in_bins(p)]
    groups = _groups(windows[0], 2 if ends is None else 1)
    lists = [
        _rows(groups, scale**0.5 if takes_roots else scale, numbers),
        _columns(windows[1], numbers),
        blocks.places(p, cells[1], _whole(n_bins, LANES)),
    ]
    settings = np.zeros(kernels.SETTINGS, np.int64)
    settings[kernels.IMAGE : kernels.ROOT] = whole
    settings[kernels.ROOT] = takes_roots
    settings[kernels.ENDS] = 0 if ends is None else len(ends)
    settings[kernels.NORM] = NORMS.index(p.norm) if has_blocks else kernels.NONE
    settings[kernels.RING] = _most_rows(groups) + kernels.BAND
    settings[kernels.N_GROUPS] = len(groups.first)
    settings[kernels.GROUPS], settings[kernels.COLUMNS], settings[kernels.LIST] = (
        kernels.SETTINGS + sum(map(len, lists[:k])) for k in range(3)
    )
    _lay_out_blocks(settings, p, cells, blocks, has_blocks)
    _lay_out_memory(settings, ends is None)
    refuses_negative = takes_roots and is_float
    return Plan(
        p,
        only_cells,
        refuses_negative,
        not refuses_negative and convention not in CONVENTIONS_OF_CELLS and size[1] >= LANES,
        whole,
        cells,
        shape,
        int(np.prod(shape)),
        np.concatenate([settings, *lists]),
        np.concatenate(numbers).astype(np.float32),
        ends,
    )


class Blocks(NamedTuple):
    """Blocks of windows: how many along each axis, their windows, and the step between two."""

    number: tuple[int, int]
    cells: tuple[int, int]
    step: tuple[int, int]

    def shape(self, p: Parameters) -> tuple[int, ...]:
        """Give the axes of a descriptor, the last changing fastest."""
        shape = (*self.number, *self.cells)
        if p.convention == "opencv":
            shape = (shape[1], shape[0], shape[3], shape[2])
        return (*shape, p.orientations)

    def places(self, p: Parameters, columns: int, cell: int) -> npt.NDArray[np.int64]:
        """Give where the histograms of a block are, as a descriptor lists them.

        Rows of windows are kept in as many places as a block has rows, each in that of the one that
        is needed no more: there is a list for each place of the first.
        """
        rows, cols = np.indices(self.cells)
        turned = (np.arange(self.cells[0])[:, None, None] + rows) % self.cells[0]
        places = (turned * columns + cols) * cell
        return (places.swapaxes(1, 2) if p.convention == "opencv" else places).ravel()


def _blocks(p: Parameters, cells: tuple[int, int, int]) -> Blocks:
    """Give the blocks of a descriptor; "skimage" has one window for a cell, whatever its block."""
    assert p.stride is not None
    step = p.block
    if p.convention == "skimage":
        step = (p.stride[0] // p.cell[0], p.stride[1] // p.cell[1])
    i, j = ((cells[axis] - p.block[axis]) // step[axis] + 1 for axis in (0, 1))
    return Blocks((i, j), p.block, step)


def _lay_out_blocks(
    settings: npt.NDArray[np.int64],
    p: Parameters,
    cells: tuple[int, int, int],
    blocks: Blocks,
    has_blocks: bool,
) -> None:
    """Set how many windows, blocks and bins there are, and where blocks go in a descriptor."""
    n_cells = blocks.cells[0] * blocks.cells[1]
    block = n_cells * cells[2]
    strides = (blocks.number[1] * block, block)
    if p.convention == "opencv" and has_blocks:
        strides = (block, blocks.number[0] * block)
    settings[kernels.BINS] = cells[2]
    settings[kernels.CELL] = _whole(cells[2], LANES)
    settings[kernels.TURN] = 2 if p.signed or p.convention == "uoctti" else 1
    settings[kernels.WINDOWS : kernels.BLOCKS] = cells[:2]
    settings[kernels.BLOCKS : kernels.STEP] = blocks.number
    settings[kernels.STEP : kernels.STRIDES] = blocks.step
    settings[kernels.STRIDES : kernels.DEPTH] = strides
    settings[kernels.DEPTH] = blocks.cells[0]
    settings[kernels.CELLS] = n_cells
    settings[kernels.LENGTH] = blocks.number[0] * blocks.number[1] * block


def _lay_out_memory(settings: npt.NDArray[np.int64], by_two: bool) -> None:
    """Set where things are in the working memory of the kernels."""
    room = _whole(settings[kernels.IMAGE + 1], LANES) + 2 * LANES
    # As many bins as are worked on at once, for rows and for columns, and one more.
    sums = (max(_whole(settings[kernels.BINS], n) for n in (4, BINS_AT_ONCE)) + 1) * room
    columns, cell = settings[kernels.WINDOWS + 1], settings[kernels.CELL]
    blocks = settings[kernels.BLOCKS + 1]
    sizes = {
        kernels.SUMS: (kernels.BAND + 2) * settings[kernels.CHANNELS] * room,
        kernels.MORE: sums,
        kernels.HISTOGRAMS: sums if by_two else 0,
        kernels.BLOCK: settings[kernels.DEPTH] * columns * cell,
        kernels.FACTORS: blocks * settings[kernels.CELLS] * cell,
        kernels.VOTES: _whole(blocks, LANES),
        kernels.SIZE: 3 * settings[kernels.RING] * (room - 2 * LANES),
    }
    settings[list(sizes)] = np.cumsum(list(sizes.values()))
    settings[kernels.ROOM] = room


def _whole(number: int, step: int) -> int:
    """Round up to a multiple."""
    return -(-number // step) * step


def _groups(windows: Windows, at_once: int) -> Windows:
    """Group windows whose rows are summed at once: weights are (rows, windows), zeros elsewhere."""
    first, weights = [], []
    for start in range(0, len(windows.first), at_once):
        group = slice(start, start + at_once)
        spans = list(zip(windows.first[group], windows.weights[group], strict=True))
        least = min(f for f, _ in spans)
        both = np.zeros((max(f + len(w) for f, w in spans) - least, at_once))
        for k, (f, w) in enumerate(spans):
            both[f - least : f - least + len(w), k] = w
        first.append(least)
        weights.append(both)
    return Windows(first, weights)


def _rows(groups: Windows, scale: float, numbers: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Give first row, row behind the last and place of the weights of each group of windows.

    The weights are added to the ``numbers``, those alike once. They hold the scale too, so that
    the gradients of 8-bit pixels are whole numbers.
    """
    ends = [first + len(w) for first, w in zip(*groups, strict=True)]
    places = _added([w.ravel() * scale for w in groups.weights], numbers)
    return np.column_stack([groups.first, ends, places]).ravel()


def _columns(windows: Windows, numbers: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Give first column, and beginning and end of the weights of each window: LANES, or more.

    A window begins some columns sooner, with weights of 0, where its lanes then lie in one line of
    the cache and are no more.
    """
    firsts, padded = [], []
    for first, w in zip(*windows, strict=True):
        before = first % LANES
        if _whole(before + len(w), LANES) > _whole(len(w), LANES):
            before = 0
        firsts.append(first - before)
        padded.append(np.pad(w, (before, -(before + len(w)) % LANES)))
    places = _added(padded, numbers)
    ends = [place + len(w) for place, w in zip(places, padded, strict=True)]
    return np.column_stack([firsts, places, ends]).ravel()


def _added(arrays: list[npt.NDArray[np.float64]], numbers: list[npt.NDArray[Any]]) -> list[int]:
    """Add arrays to the numbers, those alike once, and say where each begins."""
    known: dict[bytes, int] = {}
    places = []
    for array in arrays:
        if array.tobytes() not in known:
            known[array.tobytes()] = sum(map(len, numbers))
            numbers.append(array)
        places.append(known[array.tobytes()])
    return places


def _most_rows(windows: Windows) -> int:
    """Give how many rows are kept: from a window's first on to the last that was needed so far."""
    ends = np.add(windows.first, [len(w) for w in windows.weights])
    return int((np.maximum.accumulate(ends) - windows.first).max())


def _shape_of_cells(p: Parameters, cells: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of a descriptor that has no blocks, as its owner lists them."""
    rows, columns, n = cells
    return (columns, rows, n) if p.convention == "cs231n" else (rows, columns, 3 * (n // 2) + 4)


def _windows(p: Parameters, axis: int, pixels: int, has_blocks: bool) -> Windows:
    """Give the windows along an axis: the cells, or the cells of every block."""
    cell = p.cell[axis]
    if p.convention in ("skimage", "cs231n"):
        number = pixels // cell
        return Windows([i * cell for i in range(number)], [np.full(cell, 1 / cell)] * number)
    if has_blocks:
        return _cells_of_blocks(p, axis, pixels)
    if p.convention == "uoctti":  # The first and the last pixel do not vote.
        return _triangles(cell, (pixels + cell // 2) // cell, 1, pixels - 1)
    return _triangles(cell, pixels // cell, 0, pixels // cell * cell)


def _triangles(cell: int, number: int, start: int, end: int) -> Windows:
    """Share the pixels ``start..end`` linearly between the two nearest cells' centres."""
    pixels = np.arange(-(cell // 2), cell + (cell + 1) // 2)
    weights = _shares(cell, 0, pixels)
    seen = [pixels + i * cell for i in range(number)]
    return _trimmed(
        [int(place[0]) for place in seen],
        [np.where((place >= start) & (place < end), weights, 0) for place in seen],
    )


def _shares(cell: int, number: int, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Share of a cell in pixels: 1 at its centre, 0 from the centres of its neighbours on."""
    return np.maximum(0, 1 - np.abs((pixels + 0.5) / cell - 0.5 - number))


def _cells_of_blocks(p: Parameters, axis: int, pixels: int) -> Windows:
    """One window for each cell of each block: a triangle under the block's Gaussian."""
    assert p.stride is not None
    cells, cell, stride = p.block[axis], p.cell[axis], p.stride[axis]
    block = cell * cells
    place = np.arange(block)
    if p.convention == "opencv":
        sigma = sum(c * b for c, b in zip(p.cell, p.block, strict=True)) / 8
        gaussian = np.exp(-((place - block / 2) ** 2) / (2 * sigma**2))
    else:
        gaussian = np.exp(-((place + 0.5 - block / 2) ** 2) / (2 * (block / 2) ** 2))
    of_block = [_shares(cell, k, place) * gaussian for k in range(cells)]
    starts = range(0, pixels - block + 1, stride)
    return _trimmed([start for start in starts for _ in of_block], of_block * len(starts))


def _trimmed(first: list[int], weights: list[npt.NDArray[np.float64]]) -> Windows:
    """Leave out the zeros at either end of each window."""
    spans = [np.flatnonzero(w) for w in weights]
    begins = [int(span[0]) if len(span) else -f for span, f in zip(spans, first, strict=True)]
    return Windows(
        [f + begin for f, begin in zip(first, begins, strict=True)],
        [
            w[span[0] : span[-1] + 1] if len(span) else w[:0]
            for w, span in zip(weights, spans, strict=True)
        ],
    )
