"""The tables that HOG's kernel reads: what there is to do for images of one size, and where."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.lanes import LANES

from . import kernels
from .bins import BINS_AT_ONCE
from .constants import arctangent_in_bins, constants_of_norm, ends_of_bins
from .conventions import NORMS, Parameters
from .windows import Windows

__all__ = ["Blocks", "Layout", "Tables", "blocks_of", "tables"]


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


class Layout(NamedTuple):
    """What a descriptor is made of: windows of rows and of columns, and blocks of windows.

    ``cells`` are the numbers of both and that of bins; ``size`` is (rows, columns, channels);
    ``scale`` is the factor of the pixels, whose square roots are taken or not.
    """

    p: Parameters
    size: tuple[int, int, int]
    windows: list[Windows]
    cells: tuple[int, int, int]
    blocks: Blocks
    has_blocks: bool
    takes_roots: bool
    scale: float


class Tables(NamedTuple):
    """The first arguments of the kernel, :func:`.hog_kernels.describe`."""

    table: npt.NDArray[np.int64]
    ends: npt.NDArray[np.float32] | None


def tables(layout: Layout) -> Tables:
    """Write the tables."""
    p, rows, columns = layout.p, *layout.windows
    ends = ends_of_bins(p)
    numbers: list[npt.NDArray[Any]] = [constants_of_norm(p), arctangent_in_bins(p)]
    groups = _groups(rows, 2 if ends is None else 1)
    scale = layout.scale**0.5 if layout.takes_roots else layout.scale
    lists = [
        _rows(groups, scale, numbers),
        _columns(columns, _whole(layout.size[1], LANES), numbers),
        layout.blocks.places(p, layout.cells[1], _whole(layout.cells[2], LANES)),
    ]
    settings = np.zeros(kernels.SETTINGS, np.int64)
    settings[kernels.IMAGE : kernels.ROOT] = layout.size
    settings[kernels.ROOT] = layout.takes_roots
    settings[kernels.ENDS] = 0 if ends is None else len(ends)
    settings[kernels.NORM] = NORMS.index(p.norm) if layout.has_blocks else kernels.NONE
    settings[kernels.RING] = _most_rows(groups) + kernels.BAND
    settings[kernels.N_GROUPS] = len(groups.first)
    settings[kernels.GROUPS], settings[kernels.COLUMNS], settings[kernels.LIST] = (
        kernels.SETTINGS + sum(map(len, lists[:k])) for k in range(3)
    )
    _lay_out_blocks(settings, layout)
    _lay_out_memory(settings, ends is None)
    settings[kernels.NUMBERS] = kernels.SETTINGS + sum(map(len, lists))
    floats = np.concatenate([*numbers, np.zeros(sum(map(len, numbers)) % 2)]).astype(np.float32)
    return Tables(np.concatenate([settings, *lists, floats.view(np.int64)]), ends)


def blocks_of(p: Parameters, cells: tuple[int, int, int]) -> Blocks:
    """Give the blocks of a descriptor; "skimage" has one window for a cell, whatever its block."""
    assert p.stride is not None
    step = p.block
    if p.convention == "skimage":
        step = (p.stride[0] // p.cell[0], p.stride[1] // p.cell[1])
    i, j = ((cells[axis] - p.block[axis]) // step[axis] + 1 for axis in (0, 1))
    return Blocks((i, j), p.block, step)


def _lay_out_blocks(settings: npt.NDArray[np.int64], layout: Layout) -> None:
    """Set how many windows, blocks and bins there are, and where blocks go in a descriptor."""
    p, cells, blocks = layout.p, layout.cells, layout.blocks
    n_cells = blocks.cells[0] * blocks.cells[1]
    block = n_cells * cells[2]
    strides = (blocks.number[1] * block, block)
    if p.convention == "opencv" and layout.has_blocks:
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
    columns, cell = settings[kernels.IMAGE + 1], settings[kernels.CELL]
    pitch = _whole(columns, LANES)
    sums = (_whole(settings[kernels.BINS], BINS_AT_ONCE) + 1) * pitch
    windows, blocks = settings[kernels.WINDOWS + 1], settings[kernels.BLOCKS + 1]
    sizes = {
        kernels.HISTOGRAMS: (kernels.BAND + 2) * settings[kernels.CHANNELS] * (pitch + 2 * LANES),
        kernels.SUMS: settings[kernels.DEPTH] * windows * cell,
        kernels.MORE: sums,
        kernels.BLOCK: sums if by_two else 0,
        kernels.FACTORS: blocks * settings[kernels.CELLS] * cell,
        kernels.VOTES: _whole(blocks, LANES),
        kernels.SIZE: 3 * settings[kernels.RING] * pitch,
    }
    settings[list(sizes)] = np.cumsum(list(sizes.values()))
    settings[kernels.ROOM] = pitch + 2 * LANES
    # Histograms have no votes beyond their bins; pixels to spare have no weight, but are numbers.
    settings[kernels.ZEROS] = 0 if columns < pitch else settings[kernels.HISTOGRAMS]


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


def _columns(
    windows: Windows, pitch: int, numbers: list[npt.NDArray[Any]]
) -> npt.NDArray[np.int64]:
    """Give first column, and beginning and end of the weights of each window: LANES, or more.

    A window begins some columns sooner, with weights of 0, where its lanes then lie in one line of
    the cache and are no more, and where they would go beyond the ``pitch`` of rows.
    """
    firsts, padded = [], []
    for first, w in zip(*windows, strict=True):
        before = first % LANES
        if _whole(before + len(w), LANES) > _whole(len(w), LANES):
            before = max(first + _whole(len(w), LANES) - pitch, 0)
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
