"""Compiled loops of HOG, first part: pixels -> gradients.

A band of rows is worked on at a time, so that it stays in a core's cache. Every step is one plain
loop over consecutive pixels with few arrays, which LLVM turns into vector instructions; indices are
unsigned because numba wraps signed ones, which would keep it from doing so.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["ANGLE", "GX", "GY", "LENGTH", "PLANES", "UPPER", "band_gradients", "load_band"]

# Rows of the array of planes, each a number a pixel of the band. The gradient of a second colour
# channel stands where the votes come later.
GX, GY, LENGTH, OTHER_X, OTHER_Y, OTHER_LENGTH = range(6)
PLANES = 6
ANGLE, UPPER = OTHER_X, OTHER_Y


@njit(nogil=True, cache=True, error_model="numpy")
def load_band(
    pixels: Any,
    is_float: bool,
    columns: int,
    channels: int,
    rows: int,
    y0: int,
    y1: int,
    values: Any,
) -> None:
    """Write the pixels of the rows y0 - 1..y1 + 1, as far as they exist, as float32.

    Parameters
    ----------
    pixels : uint8 array
        The bytes of an image of shape (rows, columns, channels), uint8 or float32. So there is one
        compiled function for both.
    values : float32 array of (channels, pixels of the band and of one row on each side)
    """
    first = max(y0 - 1, 0)
    n = (min(y1 + 1, rows) - first) * columns
    place = (first - y0 + 1) * columns
    if is_float:
        _copy(pixels.view(np.float32), first * columns, n, channels, values, place)
    else:
        _copy(pixels, first * columns, n, channels, values, place)


@njit(nogil=True, cache=True, error_model="numpy")
def _copy(flat: Any, first: int, n: int, channels: int, values: Any, place: int) -> None:
    """Write ``n`` pixels to ``values[channel, place:]``."""
    start = np.uintp(first * channels)
    to = np.uintp(place)
    if channels == 1:
        for i in range(np.uintp(n)):
            values[0, to + i] = np.float32(flat[start + i])
        return
    # Two steps, since only channels of equal type are parted by vector instructions.
    parted = np.empty((3, n), flat.dtype)
    three = np.uintp(3)
    for i in range(np.uintp(n)):
        parted[0, i] = flat[start + three * i]
        parted[1, i] = flat[start + three * i + np.uintp(1)]
        parted[2, i] = flat[start + three * i + np.uintp(2)]
    for c in range(three):
        for i in range(np.uintp(n)):
            values[c, to + i] = np.float32(parted[c, i])


@njit(nogil=True, cache=True, error_model="numpy")
def band_gradients(
    values: Any, root: bool, frame: bool, rows: int, columns: int, y0: int, y1: int, planes: Any
) -> None:
    """Write gradient and length of the pixels of the rows y0..y1.

    Gradients are differences of the two neighbours, zero where one lies outside the image. Where
    the image has colour, a pixel takes the longest of its channels' gradients; the first of them
    where several are equally long.

    Parameters
    ----------
    values : float32 array
        As :func:`load_band` wrote it.
    root
        Whether to take square roots of the values first, in place.
    frame
        Whether the pixels of the image's frame have no gradient at all.
    planes : float32 array of shape (PLANES, pixels of the band)
        Rows GX, GY and LENGTH are the result.
    """
    n = (y1 - y0) * columns
    for channel in range(len(values)):
        if root:
            _square_root(values[channel])
        at = GX if channel == 0 else OTHER_X
        _differences(values[channel], columns, n, planes, at)
        _clear_outside(planes, at, rows, columns, y0, y1, frame)
        _squared_lengths(planes, at, n)
        if channel:
            _keep_longer(planes, n)
    _square_root(planes[LENGTH])


@njit(nogil=True, cache=True, error_model="numpy")
def _square_root(values: Any) -> None:
    for i in range(len(values)):
        values[i] = np.sqrt(values[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _differences(values: Any, columns: int, n: int, planes: Any, at: int) -> None:
    """Subtract neighbours; what neighbours outside the image give is cleared afterwards."""
    gx = np.uintp(at)
    gy = np.uintp(at + 1)
    right = np.uintp(columns + 1)
    left = np.uintp(columns - 1)
    down = np.uintp(2 * columns)
    for i in range(np.uintp(n)):
        planes[gx, i] = values[i + right] - values[i + left]
    for i in range(np.uintp(n)):
        planes[gy, i] = values[i + down] - values[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _clear_outside(
    planes: Any, at: int, rows: int, columns: int, y0: int, y1: int, frame: bool
) -> None:
    """Zero the difference where a neighbour is missing; in the frame, by choice, both."""
    for y in range(y0, y1):
        start = (y - y0) * columns
        end = start + columns
        if y == 0 or y == rows - 1:
            planes[at + 1, start:end] = 0
            if frame:
                planes[at, start:end] = 0
        planes[at, start] = 0
        planes[at, end - 1] = 0
        if frame:
            planes[at + 1, start] = 0
            planes[at + 1, end - 1] = 0


@njit(nogil=True, cache=True, error_model="numpy")
def _squared_lengths(planes: Any, at: int, n: int) -> None:
    gx = np.uintp(at)
    gy = np.uintp(at + 1)
    out = np.uintp(at + 2)
    for i in range(np.uintp(n)):
        planes[out, i] = planes[gx, i] * planes[gx, i] + planes[gy, i] * planes[gy, i]


@njit(nogil=True, cache=True, error_model="numpy")
def _keep_longer(planes: Any, n: int) -> None:
    """Replace the gradient by the other channel's where that is longer."""
    for row in range(np.uintp(2)):
        for i in range(np.uintp(n)):
            kept, other = planes[row, i], planes[row + np.uintp(OTHER_X), i]
            planes[row, i] = other if planes[OTHER_LENGTH, i] > planes[LENGTH, i] else kept
    for i in range(np.uintp(n)):
        kept, other = planes[LENGTH, i], planes[OTHER_LENGTH, i]
        planes[LENGTH, i] = other if other > kept else kept
