"""What HOG computes once for a size of image: where every pixel votes, and with what weight."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Plan", "Windows", "plan_dalal"]

# Least-maximum polynomial of arctan(t) / t in t**2 for t in 0..1; error below 4e-8 radian.
ARCTANGENT = (
    0.99999934,
    -0.3332986,
    0.19946561,
    -0.13908605,
    0.09642135,
    -0.0559115,
    0.0218624,
    -0.00405442,
)


class Windows(NamedTuple):
    """Windows over the pixels of one axis: pixel p counts in ``first[p] + k`` by weights[p, k]."""

    first: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    number: int


class Plan(NamedTuple):
    """Everything that the kernel needs beside the pixels."""

    shape: tuple[int, ...]
    arctangent: npt.NDArray[np.float32]
    rows: Windows
    columns: Windows


def _windows(dense: npt.NDArray[np.float64]) -> Windows:
    """Keep the span of windows in which each pixel (row of ``dense``) counts."""
    count = dense.shape[1]
    used = dense != 0
    first = np.where(used.any(1), used.argmax(1), 0)
    last = np.where(used.any(1), count - 1 - used[:, ::-1].argmax(1), 0)
    reach = int((last - first).max()) + 1
    first = np.minimum(first, count - reach)
    weights = np.take_along_axis(dense, first[:, None] + np.arange(reach), axis=1)
    return Windows(first.astype(np.int64), np.ascontiguousarray(weights, np.float32), count)


def _block_windows(pixels: int, cell: int, cells: int, stride: int) -> Windows:
    """One window for each cell of each block: linear between cells, under the block's Gaussian."""
    block = cell * cells
    n_blocks = (pixels - block) // stride + 1
    centre = np.arange(block) + 0.5
    gaussian = np.exp(-0.5 * ((centre - block / 2) / (block / 2)) ** 2)
    linear = 1 - np.abs(centre[:, None] / cell - 0.5 - np.arange(cells))
    weights = np.maximum(linear, 0) * gaussian[:, None]
    dense = np.zeros((pixels, n_blocks * cells))
    for b in range(n_blocks):
        dense[b * stride : b * stride + block, b * cells : (b + 1) * cells] = weights
    return _windows(dense)


@lru_cache(maxsize=256)
def plan_dalal(
    size: tuple[int, int],
    orientations: int,
    cell: tuple[int, int],
    cells: tuple[int, int],
    stride: tuple[int, int],
    signed: bool,
) -> Plan:
    """Plan the convention of Dalal and Triggs for images of ``size`` = (rows, columns)."""
    block = (cell[0] * cells[0], cell[1] * cells[1])
    if size[0] < block[0] or size[1] < block[1]:
        raise ValueError(
            f"an image of {size[0]}x{size[1]} pixels is smaller than one block of "
            f"{block[0]}x{block[1]}; use a smaller pixels_per_cell or cells_per_block, or larger "
            "images (image_size of HOG)"
        )
    rows = _block_windows(size[0], cell[0], cells[0], stride[0])
    columns = _block_windows(size[1], cell[1], cells[1], stride[1])
    shape = (rows.number // cells[0], columns.number // cells[1], *cells, orientations)
    bins_a_radian = orientations / (2 * np.pi if signed else np.pi)
    arctangent = (np.array(ARCTANGENT) * bins_a_radian).astype(np.float32)
    return Plan(shape, arctangent, rows, columns)
