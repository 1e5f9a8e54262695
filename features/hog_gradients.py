"""Compiled loops of HOG, first part: pixels -> gradients.

A band of rows is worked on at a time, so that it stays in a core's cache. Every step is one plain
loop over consecutive pixels with few arrays, which LLVM turns into vector instructions; indices are
unsigned because numba wraps signed ones, which would keep it from doing so.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["ANGLE", "GX", "GY", "LENGTH", "PLANES", "UPPER", "band_gradients"]

# Rows of the array of planes, each a number a pixel of the band. The gradient of a second colour
# channel stands where the votes come later.
GX, GY, LENGTH, OTHER_X, OTHER_Y, OTHER_LENGTH = range(6)
PLANES = 6
ANGLE, UPPER = OTHER_X, OTHER_Y


@njit(nogil=True, cache=True, error_model="numpy")
def band_gradients(
    image: Any,
    y0: int,
    y1: int,
    scale: float,
    tie: float,
    root: bool,
    frame: bool,
    values: Any,
    planes: Any,
) -> None:
    """Write gradient and length of the rows y0..y1 of an image of shape (rows, columns, channels).

    Gradients are differences of the two neighbours, zero where one lies outside the image. Where
    the image has colour, a pixel takes the longest of its channels' gradients; the first of them
    where several are equally long.

    Parameters
    ----------
    scale, root
        Pixels are multiplied by ``scale``, then by choice square-rooted.
    tie
        How many times as long as that of the channels before a channel's gradient must be.
    frame
        Whether the pixels of the image's frame have no gradient at all.
    values : float32 array of (channels, pixels of the band and of one row on each side)
    planes : float32 array of shape (PLANES, pixels of the band)
        Rows GX, GY and LENGTH are the result.
    """
    rows, columns, channels = image.shape
    n = (y1 - y0) * columns
    first = max(y0 - 1, 0)
    loaded = (min(y1 + 1, rows) - first) * columns
    place = (first - y0 + 1) * columns
    flat = image.reshape(-1)
    if channels == 3:
        parted = np.empty((3, loaded), image.dtype)
        _part(flat, first * columns, loaded, parted)
    for channel in range(channels):
        if channels == 3:
            _scale(parted[channel], 0, loaded, scale, values, channel, place)
        else:
            _scale(flat, first * columns, loaded, scale, values, channel, place)
        if root:
            _square_root(values, channel, place, place + loaded)
        at = GX if channel == 0 else OTHER_X
        _differences(values, channel, columns, n, planes, at)
        _clear_outside(planes, at, rows, columns, y0, y1, frame)
        _lengths(planes, at, n)
        if channel:
            _keep_longer(planes, n, tie)


@njit(nogil=True, cache=True, error_model="numpy")
def _part(flat: Any, first: int, n: int, parted: Any) -> None:
    """Copy the three channels of ``n`` pixels apart."""
    three = np.uintp(3)
    start = three * np.uintp(first)
    for i in range(np.uintp(n)):
        parted[0, i] = flat[start + three * i]
        parted[1, i] = flat[start + three * i + np.uintp(1)]
        parted[2, i] = flat[start + three * i + np.uintp(2)]


@njit(nogil=True, cache=True, error_model="numpy")
def _scale(
    source: Any, first: int, n: int, scale: float, values: Any, channel: int, place: int
) -> None:
    """Write ``n`` scaled pixels to ``values[channel, place:]``."""
    c = np.uintp(channel)
    start = np.uintp(first)
    to = np.uintp(place)
    for i in range(np.uintp(n)):
        values[c, to + i] = np.float32(source[start + i]) * scale


@njit(nogil=True, cache=True, error_model="numpy")
def _square_root(values: Any, channel: int, start: int, end: int) -> None:
    c = np.uintp(channel)
    for i in range(np.uintp(start), np.uintp(end)):
        values[c, i] = np.sqrt(values[c, i])


@njit(nogil=True, cache=True, error_model="numpy")
def _differences(values: Any, channel: int, columns: int, n: int, planes: Any, at: int) -> None:
    """Subtract neighbours; what neighbours outside the image give is cleared afterwards."""
    c = np.uintp(channel)
    gx = np.uintp(at)
    gy = np.uintp(at + 1)
    right = np.uintp(columns + 1)
    left = np.uintp(columns - 1)
    down = np.uintp(2 * columns)
    for i in range(np.uintp(n)):
        planes[gx, i] = values[c, i + right] - values[c, i + left]
    for i in range(np.uintp(n)):
        planes[gy, i] = values[c, i + down] - values[c, i]


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
def _lengths(planes: Any, at: int, n: int) -> None:
    gx = np.uintp(at)
    gy = np.uintp(at + 1)
    out = np.uintp(at + 2)
    for i in range(np.uintp(n)):
        planes[out, i] = np.sqrt(planes[gx, i] * planes[gx, i] + planes[gy, i] * planes[gy, i])


@njit(nogil=True, cache=True, error_model="numpy")
def _keep_longer(planes: Any, n: int, tie: float) -> None:
    """Replace the gradient by the other channel's where that is more than ``tie`` times as long."""
    for i in range(np.uintp(n)):
        kept, other = planes[GX, i], planes[OTHER_X, i]
        planes[GX, i] = other if planes[OTHER_LENGTH, i] > planes[LENGTH, i] * tie else kept
    for i in range(np.uintp(n)):
        kept, other = planes[GY, i], planes[OTHER_Y, i]
        planes[GY, i] = other if planes[OTHER_LENGTH, i] > planes[LENGTH, i] * tie else kept
    for i in range(np.uintp(n)):
        kept, other = planes[LENGTH, i], planes[OTHER_LENGTH, i]
        planes[LENGTH, i] = other if other > kept * tie else kept
