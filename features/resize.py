"""Reduction of images by area averaging: a pixel is the mean of what it covers, exactly.

Everything is counted in whole parts: a source image of n pixels a side is cut into n * m parts for
m pixels of the result, of which a source pixel has m and a new one n. So overlaps are whole
numbers, and for 8-bit images so are all sums: those of columns are exact in float32 (up to 65,793
rows), those of rows in float64.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel, part
from visualwords.lanes import pointer

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
    rows, width = images.shape[1:]
    vertical = _overlaps(rows, out.shape[1])
    horizontal = _overlaps(width // channels, out.shape[2] // channels)
    unit = 0.5 ** math.ceil(math.log2(rows))  # So no sum is beyond what a float image may hold.
    area = rows * (width // channels) * unit
    band = np.empty(BAND * width, np.float32)
    across = np.zeros((width + horizontal[1].shape[1] * channels) * BAND, np.float64)
    sums = np.empty(out.shape[2] * BAND, np.float64)
    _average(images, channels, *vertical, *horizontal, unit, area, band, across, sums, out)


@lru_cache(maxsize=256)
def _overlaps(n: int, m: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Give the first of the n pixels that each of m pixels covers, and the parts of it and others.

    The parts have the shape (m, the most pixels that one covers).
    """
    begin = np.arange(m)[:, None] * n
    pixels = begin // m + np.arange(n // m + (2 if n % m else 0))
    parts = np.minimum(begin + n, (pixels + 1) * m) - np.maximum(begin, pixels * m)
    return begin[:, 0] // m, np.maximum(parts, 0).astype(np.float64)


@kernel
def _average(
    images: Any,
    channels: int,
    tops: Any,
    heights: Any,
    lefts: Any,
    widths: Any,
    unit: float,
    area: float,
    band: Any,
    across: Any,
    sums: Any,
    out: Any,
) -> None:
    """Sum the rows that a new row covers, then of these sums the columns of each new pixel."""
    pixels, means = pointer(images), pointer(out)
    band, across, sums = pointer(band), pointer(across), pointer(sums)
    n_rows, width = np.uintp(images.shape[1]), np.uintp(images.shape[2])
    n_means, n_taps = np.uintp(out.shape[1]), np.uintp(heights.shape[1])
    n, lanes = np.uintp(out.shape[2]), np.uintp(BAND)
    half = 0.5 if out.itemsize == 1 else 0.0
    to = np.uintp(0)
    for image in range(np.uintp(len(images))):
        for top in range(np.uintp(0), n_means, lanes):
            some = lanes if top + lanes < n_means else n_means - top
            for i in range(lanes * width):
                band[i] = 0
            for r in range(some):
                row = image * n_rows + np.uintp(tops[top + r])
                for j in range(n_taps):
                    if heights[top + r, j] > 0:
                        share, at = np.float32(heights[top + r, j] * unit), (row + j) * width
                        for i in range(width):
                            band[r * width + i] += share * np.float32(pixels[at + i])
            for i in range(width):
                for r in range(lanes):
                    across[i * lanes + r] = band[r * width + i]
            _sum_rows(across, lefts, widths, np.uintp(channels), sums)
            for r in range(some):
                for i in range(n):
                    means[to + i] = sums[i * lanes + r] / area + half
                to += n


@part
def _sum_rows(across: Any, lefts: Any, widths: Any, channels: Any, sums: Any) -> None:
    """Sum the columns that each new pixel covers, of BAND rows at a time."""
    one, two, three, four = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(BAND)
    k = np.uintp(0)
    for x in range(np.uintp(len(lefts))):
        for c in range(channels):
            i = (np.uintp(lefts[x]) * channels + c) * four
            first = second = third = fourth = 0.0
            for j in range(np.uintp(widths.shape[1])):
                share = widths[x, j]
                first += share * across[i]
                second += share * across[i + one]
                third += share * across[i + two]
                fourth += share * across[i + three]
                i += channels * four
            sums[k], sums[k + one], sums[k + two], sums[k + three] = first, second, third, fourth
            k += four
