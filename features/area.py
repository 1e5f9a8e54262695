"""Reduction of images by area averaging: a pixel is the mean of what it covers, exactly.

Everything is counted in whole parts: a source image of n pixels a side is cut into n * m parts for
m pixels of the result, of which a source pixel has m and a new one n. So overlaps are whole
numbers, and for 8-bit images so are all sums: those of columns are exact in float32 (up to 65,793
rows), those of rows in float64.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["average"]

BAND = 4  # Rows of the result that are summed side by side, in the lanes of one vector.


def average(images: npt.NDArray[Any], channels: int, out: npt.NDArray[Any]) -> None:
    """Write the means over the area of each pixel of ``out``; those of 8 bits are rounded half up.

    Parameters
    ----------
    images : C-contiguous ndarray of shape (n, rows, columns * channels), uint8 or float32
    channels : int
    out : ndarray of shape (n, rows, columns * channels), of the same dtype
        It has at most as many rows and columns as the images.
    """
    vertical = _overlaps(images.shape[1], out.shape[1])
    horizontal = _overlaps(images.shape[2] // channels, out.shape[2] // channels)
    _average(images, channels, *vertical, *horizontal, out)


@lru_cache(maxsize=256)
def _overlaps(n: int, m: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Give the first of the n pixels that each of m pixels covers, and the parts of it and others.

    The parts have the shape (m, the most pixels that one covers).
    """
    begin = np.arange(m)[:, None] * n
    pixels = begin // m + np.arange(n // m + (2 if n % m else 0))
    parts = np.minimum(begin + n, (pixels + 1) * m) - np.maximum(begin, pixels * m)
    return begin[:, 0] // m, np.maximum(parts, 0).astype(np.float64)


@njit(nogil=True, cache=True, error_model="numpy")
def _average(
    images: Any, channels: int, tops: Any, heights: Any, lefts: Any, widths: Any, out: Any
) -> None:
    """Sum the rows that a new row covers, then of these sums the columns of each new pixel."""
    n, rows, width = images.shape
    columns = width // channels
    unit = 0.5 ** np.ceil(np.log2(rows))  # So that no sum is beyond what a float image may hold.
    area = rows * columns * unit
    half = 0.5 if out.itemsize == 1 else 0.0
    band = np.empty((BAND, width), np.float32)
    across = np.zeros((width + widths.shape[1] * channels, BAND), np.float64)
    sums = np.empty((out.shape[2], BAND), np.float64)
    strips = -(-out.shape[1] // BAND)
    for strip in range(n * strips):
        image, top = strip // strips, strip % strips * BAND
        band[:] = 0
        some = min(BAND, out.shape[1] - top)
        for r in range(some):
            for j in range(heights.shape[1]):
                if heights[top + r, j] > 0:
                    share = np.float32(heights[top + r, j] * unit)
                    _add(share, images[image, tops[top + r] + j], band[r])
        for i in range(width):
            for r in range(BAND):
                across[i, r] = band[r, i]
        _sum_rows(across, lefts, widths, channels, sums)
        for r in range(some):
            for i in range(out.shape[2]):
                out[image, top + r, i] = sums[i, r] / area + half


@njit(nogil=True, cache=True, error_model="numpy")
def _add(share: Any, line: Any, total: Any) -> None:
    """Add a row of pixels to the sums of the columns."""
    for i in range(len(line)):
        total[i] += share * np.float32(line[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_rows(across: Any, lefts: Any, widths: Any, channels: int, sums: Any) -> None:
    """Sum the columns that each new pixel covers, of BAND rows at a time."""
    k = np.uintp(0)  # Unsigned: indices that need not be checked for their sign.
    step = np.uintp(channels)
    for x in range(len(lefts)):
        for c in range(channels):
            i = np.uintp(lefts[x] * channels + c)
            first = second = third = fourth = 0.0
            for j in range(widths.shape[1]):
                part = widths[x, j]
                first += part * across[i, 0]
                second += part * across[i, 1]
                third += part * across[i, 2]
                fourth += part * across[i, 3]
                i = np.uintp(i + step)
            sums[k, 0], sums[k, 1], sums[k, 2], sums[k, 3] = first, second, third, fourth
            k = np.uintp(k + np.uintp(1))
