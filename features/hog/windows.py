"""Windows of HOG along an axis of an image: which pixels count in a cell, and with what weight."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .conventions import Parameters

__all__ = ["Windows", "windows_along"]


class Windows(NamedTuple):
    """Where pixels along an axis count: pixel ``first[w] + i`` by ``weights[w][i]`` in window w."""

    first: list[int]
    weights: list[npt.NDArray[np.float64]]


def windows_along(p: Parameters, axis: int, pixels: int, has_blocks: bool) -> Windows:
    """Give the windows along an axis of ``pixels``: the cells, or the cells of every block."""
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
