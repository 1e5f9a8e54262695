"""Compiled loops of HOG, first part: pixels -> gradients.

A band of rows is worked on at a time, so that it stays in a core's cache. Its rows are padded by
one pixel on either side, with which differences at the border of the image come out as zero. Every
step is one plain loop over consecutive pixels, padding and all, which LLVM turns into vector
instructions; indices are unsigned because numba wraps signed ones, which would keep it from that.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["band_gradients", "load_row"]


@njit(nogil=True, cache=True, error_model="numpy")
def load_row(pixels: Any, first: int, channels: int, columns: int, values: Any, place: int) -> None:
    """Write a row of pixels as float32, mirrored in its first and its last pixel.

    Parameters
    ----------
    pixels : uint8 or float32 array
        An image of shape (rows, columns, channels), its axes run together; the row is from
        ``first`` on.
    values : float32 array of shape (channels, padded pixels of the band and a row on each side)
        A row is written from ``place`` on, ``columns + 2`` numbers a channel.
    """
    step = np.uintp(channels)
    to = np.uintp(place + 1)
    for c in range(step):
        start = np.uintp(first) + c
        for i in range(np.uintp(columns)):
            values[c, to + i] = np.float32(pixels[start + i * step])
        values[c, place] = values[c, place + 1 + min(1, columns - 1)]
        values[c, place + columns + 1] = values[c, place + 1 + max(columns - 2, 0)]


@njit(nogil=True, cache=True, error_model="numpy")
def band_gradients(
    values: Any, root: bool, width: int, n: int, gx: Any, gy: Any, squared: Any
) -> None:
    """Write gradient and squared length of the ``n`` pixels of a band of rows ``width`` wide.

    Where the image has colour, a pixel takes the longest of its channels' gradients; the first of
    them where several are equally long.

    Parameters
    ----------
    values : float32 array of shape (channels, n + 2 * width)
    root
        Whether to take square roots of the values first, in place.
    """
    left, right = np.uintp(width - 1), np.uintp(width + 1)
    down = np.uintp(2 * width)
    for c in range(np.uintp(values.shape[0])):
        if root:
            for i in range(np.uintp(n) + down):
                values[c, i] = np.sqrt(values[c, i])
        if c == 0:
            for i in range(np.uintp(n)):
                x = values[c, i + right] - values[c, i + left]
                y = values[c, i + down] - values[c, i]
                gx[i], gy[i], squared[i] = x, y, x * x + y * y
        else:
            for i in range(np.uintp(n)):
                x = values[c, i + right] - values[c, i + left]
                y = values[c, i + down] - values[c, i]
                length = x * x + y * y
                longer = length > squared[i]
                gx[i] = x if longer else gx[i]
                gy[i] = y if longer else gy[i]
                squared[i] = length if longer else squared[i]
