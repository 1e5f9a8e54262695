"""Compiled loops of HOG, first part: pixels -> gradients.

A band of rows is worked on at a time, so that it stays in a core's cache. Every step is one plain
loop over consecutive pixels, from the end of a row right on to the next, which LLVM turns into
vector instructions; what that does to the pixels at either end of a row is put right afterwards.
Indices are unsigned because numba wraps signed ones, which would keep LLVM from it.
"""

from typing import Any

import numpy as np

from visualwords.compiling import inner, prefetch

__all__ = ["band_gradients", "fetch", "load_band", "take_roots"]

CACHE_LINE = 64  # bytes


@inner
def fetch(array: Any, start: int, end: int) -> None:
    """Have numbers of an array fetched from memory while something else is computed."""
    for i in range(start, end, CACHE_LINE // array.itemsize):
        prefetch(array, np.uintp(i))


@inner
def load_band(
    pixels: Any, first: int, rows: int, columns: int, channels: int, y0: int, y1: int, values: Any
) -> None:
    """Write the rows y0 - 1..y1 + 1 of an image as float32, mirrored in its first and its last row.

    Parameters
    ----------
    pixels : uint8 or float32 array
        From ``first`` on an image of shape (rows, columns, channels), its axes run together.
    values : float32 array of shape (channels, pixels), its axes run together
        Room for the band and a row on each side.
    """
    plane = np.uintp(len(values) // channels)
    top = max(y0 - 1, 0)
    for part in range(3):
        row, end, place = top, min(y1 + 1, rows), top - y0 + 1
        if part == 1:
            row, place = min(1, rows - 1), 0
            end = row + 1 if y0 == 0 else row
        if part == 2:
            row, place = max(rows - 2, 0), y1 - y0 + 1
            end = row + 1 if y1 == rows else row
        start, to = np.uintp(first + row * columns * channels), np.uintp(place * columns)
        n = np.uintp((end - row) * columns)
        if channels == 1:
            for i in range(n):
                values[to + i] = np.float32(pixels[start + i])
            continue
        green, blue = to + plane, to + plane + plane
        for i in range(n):
            at = start + np.uintp(3) * i
            values[to + i] = np.float32(pixels[at])
            values[green + i] = np.float32(pixels[at + np.uintp(1)])
            values[blue + i] = np.float32(pixels[at + np.uintp(2)])


@inner
def take_roots(values: Any) -> None:
    """Replace numbers by their square roots."""
    for i in range(np.uintp(len(values))):
        values[i] = np.sqrt(values[i])


@inner
def band_gradients(
    values: Any, channels: int, columns: int, n: int, frame: int, gx: Any, gy: Any
) -> None:
    """Write the gradients of the ``n`` pixels of a band of rows.

    Where the image has colour, a pixel takes the longest of its channels' gradients; the first of
    them where several are equally long. The first and the last pixel of a row have gradients that
    point up or down, or none if there is a frame.

    Parameters
    ----------
    values : float32 array
        As in :func:`load_band`.
    """
    plane, down = np.uintp(len(values) // channels), np.uintp(2 * columns)
    left, right = np.uintp(columns - 1), np.uintp(columns + 1)
    if channels == 1:
        for i in range(np.uintp(n)):
            gx[i] = values[i + right] - values[i + left]
            gy[i] = values[i + down] - values[i]
    else:
        for i in range(np.uintp(n)):
            x, y = values[i + right] - values[i + left], values[i + down] - values[i]
            squared = x * x + y * y
            j = i + plane
            x1, y1 = values[j + right] - values[j + left], values[j + down] - values[j]
            squared1 = x1 * x1 + y1 * y1
            j += plane
            x2, y2 = values[j + right] - values[j + left], values[j + down] - values[j]
            longer = squared1 > squared
            x, y = x1 if longer else x, y1 if longer else y
            squared = squared1 if longer else squared
            longer = x2 * x2 + y2 * y2 > squared
            gx[i], gy[i] = x2 if longer else x, y2 if longer else y
    _end_rows(values, plane, columns, n, frame, gx, gy)


@inner
def _end_rows(values: Any, plane: int, columns: int, n: int, frame: int, gx: Any, gy: Any) -> None:
    """Write the gradients of the first and the last pixel of each row."""
    down, step = np.uintp(2 * columns), np.uintp(columns - 1)
    grey = np.uintp(len(values)) == plane
    for first in range(np.uintp(0), np.uintp(n), np.uintp(columns)):
        for end in (first, first + step):
            gx[end] = 0
            if frame:
                gy[end] = 0
            elif not grey:  # of a grey image it is there already
                longest = values[end + down] - values[end]
                for i in range(end + plane, np.uintp(len(values)) - down, plane):
                    y = values[i + down] - values[i]
                    longest = y if y * y > longest * longest else longest
                gy[end] = longest
