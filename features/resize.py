"""Reduction of images by area averaging: a pixel is the mean of the area that it covers.

Overlaps are counted in whole parts: to make m pixels of n, each old pixel is cut into m parts and a
new pixel covers n parts. So the sums over 8-bit pixels are whole numbers, exact in float64.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel

__all__ = ["average"]

PixelArray = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


def average(images: PixelArray, out: PixelArray) -> None:
    """Write the mean over the area of each pixel of ``out``; round 8-bit means half up.

    Parameters
    ----------
    images : C-contiguous ndarray of shape (n, rows, columns, channels), uint8 or float32
    out : C-contiguous ndarray of shape (n, rows, columns, channels), of the same dtype
        It has at most as many rows and columns as the images.
    """
    _average(
        images,
        *_overlaps(images.shape[1], out.shape[1]),
        *_overlaps(images.shape[2], out.shape[2]),
        0.5 if out.dtype == np.uint8 else 0.0,
        out,
    )


@lru_cache(maxsize=256)
def _overlaps(n: int, m: int) -> tuple[IndexArray, DoubleArray]:
    """Return which of n pixels in a line each of m new pixels covers, and how many of its parts.

    Both arrays have the shape (m, the most pixels that one covers). Where a new pixel covers fewer,
    the last number of parts is 0.
    """
    begin = np.arange(m)[:, np.newaxis] * n
    pixels = begin // m + np.arange(n // m + (2 if n % m else 0))
    parts = np.minimum(begin + n, (pixels + 1) * m) - np.maximum(begin, pixels * m)
    return np.minimum(pixels, n - 1), np.maximum(parts, 0).astype(np.float64)


@kernel
def _average(
    images: PixelArray,
    rows: IndexArray,
    heights: DoubleArray,
    columns: IndexArray,
    widths: DoubleArray,
    rounding: float,
    out: PixelArray,
) -> None:
    """Sum the rows that a new row covers, then the columns that each of its pixels covers."""
    n_columns, n_channels = images.shape[2], images.shape[3]
    area = np.float64(images.shape[1] * n_columns)
    line = np.empty(n_columns * n_channels, np.float64)
    for image in range(len(images)):
        for y in range(out.shape[1]):
            line[:] = 0
            for i in range(rows.shape[1]):
                row, height = images[image, rows[y, i]].reshape(-1), heights[y, i]
                for k in range(len(line)):
                    line[k] += height * row[k]
            for x in range(out.shape[2]):
                for c in range(n_channels):
                    total = 0.0
                    for j in range(columns.shape[1]):
                        total += widths[x, j] * line[columns[x, j] * n_channels + c]
                    out[image, y, x, c] = total / area + rounding
