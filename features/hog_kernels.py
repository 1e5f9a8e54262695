"""Compiled loops of HOG: pixels -> gradients -> votes -> windowed histograms.

An image is worked on in bands of rows that stay in a core's cache. Within a band every step is one
plain loop over consecutive pixels with few arrays, which LLVM turns into vector instructions.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["window_histograms"]

BAND_PIXELS = 2048


@njit(nogil=True, cache=True, error_model="numpy")
def _load(pixels: Any, scale: float, root: bool, plane: Any) -> None:
    """Write (rows, columns) values, scaled and by choice square-rooted, into a flat plane."""
    rows, columns = pixels.shape
    for y in range(rows):
        for x in range(columns):
            plane[y * columns + x] = np.float32(pixels[y, x]) * scale
    if root:
        for i in range(rows * columns):
            plane[i] = np.sqrt(plane[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _difference(upper: Any, lower: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = upper[i] - lower[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _length(gx: Any, gy: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = np.sqrt(gx[i] * gx[i] + gy[i] * gy[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _keep_longer(length: Any, other_length: Any, out: Any, other: Any) -> None:
    for i in range(len(out)):
        out[i] = other[i] if other_length[i] > length[i] else out[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _position(gx: Any, gy: Any, arctangent: Any, half_turn: float, signed: bool, out: Any) -> None:
    """Write the angle of each gradient in bins, from the centre of bin 0."""
    a0, a1, a2, a3 = arctangent[0], arctangent[1], arctangent[2], arctangent[3]
    a4, a5, a6, a7 = arctangent[4], arctangent[5], arctangent[6], arctangent[7]
    quarter_turn = half_turn * np.float32(0.5)
    full_turn = half_turn * np.float32(2)
    for i in range(len(out)):
        x = abs(gx[i])
        y = abs(gy[i])
        larger = x if x > y else y
        smaller = y if x > y else x
        t = smaller / (larger + np.float32(1e-30))
        s = t * t
        p = ((((((a7 * s + a6) * s + a5) * s + a4) * s + a3) * s + a2) * s + a1) * s + a0
        angle = p * t
        angle = quarter_turn - angle if y > x else angle
        opposite = gx[i] < 0
        if not signed:
            opposite = (gx[i] < 0) != (gy[i] < 0)
        angle = half_turn - angle if opposite else angle
        if signed:
            angle = full_turn - angle if gy[i] < 0 else angle
        out[i] = angle - np.float32(0.5)


@njit(nogil=True, cache=True, error_model="numpy")
def _split(position: Any, length: Any, orientations: int, bins: Any, upper: Any) -> None:
    """Cut positions into the bin below and the share of the vote that goes to the bin above."""
    turn = np.float32(orientations)
    for i in range(len(bins)):
        below = np.floor(position[i])
        upper[i] = (position[i] - below) * length[i]
        below = below + turn if below < 0 else below
        below = below - turn if below >= turn else below
        bins[i] = np.int32(below)


@njit(nogil=True, cache=True, error_model="numpy")
def _gradients(
    values: Any, image_rows: int, columns: int, y0: int, back: int, gx: Any, gy: Any
) -> None:
    """Write the differences of the rows y0, y0 + 1 ... whose values begin at ``values[columns]``.

    Central for ``back`` = 1, forward for 0; zero where a neighbour lies outside the image.
    """
    n = len(gx)
    _difference(values[columns + 1 : columns + 1 + n], values[columns - back :], gx)
    _difference(values[2 * columns :], values[columns * (1 - back) :], gy)
    for row in range(n // columns):
        gx[(row + 1) * columns - 1] = 0
        if back:
            gx[row * columns] = 0
        y = y0 + row
        if y == image_rows - 1 or (back and y == 0):
            gy[row * columns : (row + 1) * columns] = 0


@njit(nogil=True, cache=True, error_model="numpy")
def _scatter(
    bins: Any,
    length: Any,
    upper: Any,
    first: Any,
    weights: Any,
    sums: Any,
) -> None:
    """Add the votes of one row of pixels to ``sums[orientation, column window]``."""
    orientations = sums.shape[0]
    reach = weights.shape[1]
    for x in range(len(bins)):
        below = bins[x]
        above = below + 1 if below + 1 < orientations else 0
        high = upper[x]
        low = length[x] - high
        for k in range(reach):
            weight = weights[x, k]
            sums[below, first[x] + k] += low * weight
            sums[above, first[x] + k] += high * weight


@njit(nogil=True, cache=True, error_model="numpy")
def _add_scaled(source: Any, weight: float, target: Any) -> None:
    for i in range(len(source)):
        target[i] += source[i] * weight


@njit(nogil=True, cache=True, error_model="numpy")
def window_histograms(
    pixels: Any,
    scale: float,
    root: bool,
    back: int,
    arctangent: Any,
    signed: bool,
    row_first: Any,
    row_weights: Any,
    column_first: Any,
    column_weights: Any,
    histograms: Any,
) -> None:
    """Histograms of gradient orientation in windows over one image.

    Parameters
    ----------
    pixels : array of shape (rows, columns, channels)
    scale : float32
        Pixels are multiplied by it; then, with ``root``, square-rooted.
    back : 1 or 0
        Central or forward differences.
    arctangent : float32 array of shape (8,)
        Odd polynomial that gives an angle in bins from a slope of at most 1.
    row_first, row_weights : int64 (rows,), float32 (rows, reach)
        Row y counts in windows ``row_first[y] + k`` with weight ``row_weights[y, k]``; likewise
        the columns.
    histograms : float32 array of shape (row windows, orientations, column windows)
        Is overwritten.
    """
    rows, columns, channels = pixels.shape
    orientations = histograms.shape[1]
    half_turn = np.float32(orientations * (0.5 if signed else 1.0))
    band = max(1, BAND_PIXELS // columns)
    size = band * columns
    values = np.zeros(size + 2 * columns + 1, np.float32)
    planes = np.empty((7, size), np.float32)
    bins = np.empty(size, np.int32)
    sums = np.empty(histograms.shape[1:], np.float32)
    histograms[:] = 0
    for y0 in range(0, rows, band):
        y1 = min(y0 + band, rows)
        n = (y1 - y0) * columns
        gx, gy, length, position, upper = (
            planes[0, :n],
            planes[1, :n],
            planes[2, :n],
            planes[3, :n],
            planes[4, :n],
        )
        top = max(y0 - 1, 0)
        for channel in range(channels):
            part = pixels[top : min(y1 + 1, rows), :, channel]
            _load(part, scale, root, values[columns * (top - y0 + 1) :])
            if channel == 0:
                _gradients(values, rows, columns, y0, back, gx, gy)
                _length(gx, gy, length)
            else:
                other_x, other_y = planes[5, :n], planes[6, :n]
                _gradients(values, rows, columns, y0, back, other_x, other_y)
                _length(other_x, other_y, upper)
                _keep_longer(length, upper, gx, other_x)
                _keep_longer(length, upper, gy, other_y)
                _keep_longer(length, upper, length, upper)
        _position(gx, gy, arctangent, half_turn, signed, position)
        _split(position, length, orientations, bins[:n], upper)
        for y in range(y0, y1):
            here = slice((y - y0) * columns, (y - y0 + 1) * columns)
            sums[:] = 0
            _scatter(bins[here], length[here], upper[here], column_first, column_weights, sums)
            for k in range(row_weights.shape[1]):
                weight = row_weights[y, k]
                if weight != 0:
                    _add_scaled(sums.reshape(-1), weight, histograms[row_first[y] + k].reshape(-1))


@njit(nogil=True, cache=True, error_model="numpy")
def _normalize_hys(block: Any, epsilon: float, clip: float) -> None:
    """L2-Hys in place: unit length, clip, unit length again."""
    for limit in (clip, np.float32(np.inf)):
        total = np.float32(0)
        for i in range(len(block)):
            total += block[i] * block[i]
        factor = np.float32(1) / np.sqrt(total + epsilon * epsilon)
        for i in range(len(block)):
            value = block[i] * factor
            block[i] = value if value < limit else limit


@njit(nogil=True, cache=True, error_model="numpy")
def blocks(histograms: Any, shape: Any, step: Any, epsilon: float, clip: float, out: Any) -> None:
    """Gather the windows of every block and normalise each.

    ``shape`` is (block rows, block columns, cell rows, cell columns); block (i, j) holds windows
    ``i * step[0] ...``, ``j * step[1] ...``.
    """
    orientations = histograms.shape[1]
    size = shape[2] * shape[3] * orientations
    start = 0
    for block_row in range(shape[0]):
        for block_column in range(shape[1]):
            at = start
            for row in range(shape[2]):
                for column in range(shape[3]):
                    for o in range(orientations):
                        out[at] = histograms[
                            block_row * step[0] + row, o, block_column * step[1] + column
                        ]
                        at += 1
            _normalize_hys(out[start:at], epsilon, clip)
            start += size


@njit(nogil=True, cache=True, error_model="numpy")
def describe_block(
    images: Any,
    scale: float,
    root: bool,
    back: int,
    arctangent: Any,
    signed: bool,
    row_first: Any,
    row_weights: Any,
    column_first: Any,
    column_weights: Any,
    shape: Any,
    step: Any,
    epsilon: float,
    clip: float,
    histogram_shape: Any,
    out: Any,
) -> None:
    histograms = np.empty((histogram_shape[0], histogram_shape[1], histogram_shape[2]), np.float32)
    for i in range(len(images)):
        window_histograms(
            images[i],
            scale,
            root,
            back,
            arctangent,
            signed,
            row_first,
            row_weights,
            column_first,
            column_weights,
            histograms,
        )
        blocks(histograms, shape, step, epsilon, clip, out[i])
