"""Compiled loops of HOG, third part: sums -> descriptors, and the whole."""

from typing import Any

import numpy as np
from numba import njit

from .hog_gradients import band_gradients, load_row
from .hog_votes import hard_bins, soft_bins, vote_alone, vote_around

__all__ = ["SETTINGS", "describe"]

BAND_PIXELS = 1024

# Places in the array of settings: square root; empty frame; votes for one bin only; number of bins;
# half turns they cover; norm; cells in a block; rows and columns of a group of pixels; rows and
# columns of groups; lanes of a group; the image's rows, columns and channels; whether of float32;
# rows and columns of cells, where there are no blocks.
ROOT, FRAME, HARD, BINS, TURN, NORM, CELLS = range(7)
UNIT, GROUPS, LANES, IMAGE, SHAPE = 7, 9, 11, 12, 16
SETTINGS = 18
L1, L1_SQRT, L2, L2_HYS, UOCTTI, NONE = range(6)


@njit(nogil=True, cache=True, error_model="numpy")
def describe(
    pixels: Any,
    float_pixels: Any,
    settings: Any,
    numbers: Any,
    angles: Any,
    weights: Any,
    sources: Any,
    out: Any,
) -> None:
    """Write the descriptors of images to the rows of ``out``.

    Parameters
    ----------
    pixels, float_pixels : uint8 and float32 arrays of shape (n * numbers of an image,)
        Images of shape (rows, columns, channels) in the one array; the other is left out.
    settings : int64 array of shape (SETTINGS,)
    numbers : float32 array
        What the norm needs.
    angles : float32 array
        As in :func:`soft_bins` or :func:`hard_bins`.
    weights : float32 array of shape (rows of a group * columns of a group * lanes,)
    sources : int32 array of shape (cells of all blocks, number of sources)
        Which sums make up the first bin of a cell; the next bin is ``lanes`` further on.
    out : float32 array of shape (n, numbers)
    """
    rows, columns, channels = settings[IMAGE], settings[IMAGE + 1], settings[IMAGE + 2]
    lanes, bins = settings[LANES], settings[BINS]
    slots = bins if lanes == 1 else bins + 1
    band = min(rows, max(2, BAND_PIXELS // columns))
    values = np.empty((channels, (band + 2) * (columns + 2)), np.float32)
    gx = np.empty(band * (columns + 2), np.float32)
    gy, length, upper = np.empty_like(gx), np.empty_like(gx), np.empty_like(gx)
    places = np.empty(band * (columns + 2), np.int32)
    # After the last group's: zeros, for cells with fewer sources than others.
    sums = np.empty((settings[GROUPS] * settings[GROUPS + 1] + 1) * slots * lanes, np.float32)
    cells = np.empty(len(sources) * bins if settings[NORM] == UOCTTI else 0, np.float32)
    for image in range(len(out)):
        for i in range(np.uintp(len(sums))):
            sums[i] = 0
        for y0 in range(0, rows, band):
            y1 = min(y0 + band, rows)
            if settings[IMAGE + 3]:
                _load(float_pixels, image, rows, columns, channels, y0, y1, values)
            else:
                _load(pixels, image, rows, columns, channels, y0, y1, values)
            _vote(values, settings, angles, weights, y0, y1, gx, gy, length, upper, places, sums)
        if settings[NORM] == UOCTTI:
            _collect(sums, sources, bins, lanes, cells)
            shape = settings[SHAPE], settings[SHAPE + 1], bins
            _normalize_cells(cells, shape, numbers, out[image])
            continue
        _collect(sums, sources, bins, lanes, out[image])
        if settings[NORM] != NONE:
            size = np.uintp(settings[CELLS] * bins)
            for start in range(np.uintp(0), np.uintp(out.shape[1]), size):
                _normalize(out[image], start, size, settings[NORM], numbers)


@njit(nogil=True, cache=True, error_model="numpy")
def _load(
    flat: Any, image: int, rows: int, columns: int, channels: int, y0: int, y1: int, values: Any
) -> None:
    """Load the rows y0 - 1..y1 + 1 of an image, mirrored in its first and its last row."""
    for y in range(y0 - 1, y1 + 1):
        row = min(1, rows - 1) if y < 0 else max(rows - 2, 0) if y == rows else y
        first = (image * rows + row) * columns * channels
        load_row(flat, first, channels, columns, values, (y - y0 + 1) * (columns + 2))


@njit(nogil=True, cache=True, error_model="numpy")
def _vote(
    values: Any,
    settings: Any,
    angles: Any,
    weights: Any,
    y0: int,
    y1: int,
    gx: Any,
    gy: Any,
    length: Any,
    upper: Any,
    places: Any,
    sums: Any,
) -> None:
    """Let the pixels of the rows y0..y1 vote."""
    rows, columns = settings[IMAGE], settings[IMAGE + 1]
    width = columns + 2
    n = (y1 - y0) * width
    band_gradients(values, settings[ROOT] == 1, width, n, gx, gy, length)
    bins, turn, lanes = settings[BINS], settings[TURN], settings[LANES]
    if settings[HARD]:
        hard_bins(gx, gy, length, n, bins, turn, lanes, angles, upper, places)
    else:
        soft_bins(gx, gy, length, n, bins, turn, lanes, angles, upper, places)
    unit = settings[UNIT + 1]
    group = (bins if lanes == 1 else bins + 1) * lanes
    used = min(columns, settings[GROUPS + 1] * unit)
    for y in range(y0, min(y1, settings[GROUPS] * settings[UNIT])):
        row = (y - y0) * width + 1
        if settings[FRAME]:
            _clear_frame(length, row, columns, y == 0 or y == rows - 1)
        start = y // settings[UNIT] * settings[GROUPS + 1] * group
        if lanes == 1:
            vote_alone(length, places, row, used, unit, group, start, weights[0], sums)
        else:
            at = y % settings[UNIT] * unit * lanes
            vote_around(
                length, upper, places, row, used, unit, group, start, lanes, weights, at, sums
            )


@njit(nogil=True, cache=True, error_model="numpy")
def _clear_frame(length: Any, row: int, columns: int, whole: bool) -> None:
    """Take the votes of the first and the last pixel of a row, or of all."""
    for x in range(0, columns, 1 if whole else max(columns - 1, 1)):
        length[row + x] = 0


@njit(nogil=True, cache=True, error_model="numpy")
def _collect(sums: Any, sources: Any, bins: int, lanes: int, out: Any) -> None:
    """Write the histograms of the cells, four of their sources at a time; close the circle."""
    n, stride = np.uintp(bins), np.uintp(lanes)
    for cell in range(np.uintp(len(sources))):
        to = cell * n
        if lanes == 1:
            source = np.uintp(sources[cell, 0])
            for b in range(n):
                out[to + b] = sums[source + b]
            continue
        for b in range(n):
            out[to + b] = 0
        for part in range(0, sources.shape[1], 4):
            i = np.uintp(sources[cell, part])
            j = np.uintp(sources[cell, part + 1])
            k = np.uintp(sources[cell, part + 2])
            m = np.uintp(sources[cell, part + 3])
            for b in range(n):
                place = b * stride
                out[to + b] += (sums[i + place] + sums[j + place]) + (
                    sums[k + place] + sums[m + place]
                )
            last = n * stride
            out[to] += (sums[i + last] + sums[j + last]) + (sums[k + last] + sums[m + last])


@njit(nogil=True, cache=True, error_model="numpy")
def _normalize(out: Any, start: int, size: int, norm: int, numbers: Any) -> None:
    """Normalise ``size`` numbers, not negative, from ``out[start]`` on in place."""
    if norm in (L1, L1_SQRT):
        factor = np.float32(1) / (_total(out, start, size, False) + numbers[1])
    else:
        length = np.sqrt(_total(out, start, size, True) + numbers[0])
        factor = np.float32(1) / (length + numbers[1])
    limit = numbers[4] if norm == L2_HYS else np.float32(np.inf)
    for i in range(size):
        value = out[start + i] * factor
        out[start + i] = limit if value > limit else value
    if norm == L1_SQRT:
        for i in range(size):
            out[start + i] = np.sqrt(out[start + i])
    elif norm == L2_HYS:
        length = np.sqrt(_total(out, start, size, True) + numbers[2])
        factor = np.float32(1) / (length + numbers[3])
        for i in range(size):
            out[start + i] *= factor


@njit(nogil=True, cache=True, error_model="numpy")
def _total(values: Any, start: int, size: int, squared: bool) -> Any:
    """Sum of values or of squares: four sums at once, since an addition waits for the last one."""
    four = np.uintp(4)
    a = b = c = d = np.float32(0)
    whole = size - size % four
    for i in range(start, start + whole, four):
        v, w = values[i], values[i + np.uintp(1)]
        x, y = values[i + np.uintp(2)], values[i + np.uintp(3)]
        a += v * v if squared else v
        b += w * w if squared else w
        c += x * x if squared else x
        d += y * y if squared else y
    for i in range(start + whole, start + size):
        a += values[i] * values[i] if squared else values[i]
    return (a + b) + (c + d)


@njit(nogil=True, cache=True, error_model="numpy")
def _normalize_cells(cells: Any, shape: Any, numbers: Any, out: Any) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by each of the four blocks of 2x2 cells around it (its own row or column
    stands in for one beyond the border) and clipped; the four are summed over. ``shape`` is that of
    the cells: rows, columns, 2 n directions.
    """
    rows, columns, directions = shape
    n = directions // 2
    energy = np.zeros(rows * columns, np.float32)
    for i in range(rows * columns):
        for o in range(i * directions, i * directions + n):
            energy[i] += (cells[o] + cells[o + n]) * (cells[o] + cells[o + n])
    for i in range(rows * columns):
        at = i * (3 * n + 4)
        for o in range(at, at + 3 * n + 4):
            out[o] = 0
        for corner in range(4):
            # Steps to the neighbours in the block at this corner; none beyond the border.
            down = min(max(i // columns + corner // 2 * 2 - 1, 0), rows - 1) - i // columns
            right = min(max(i % columns + corner % 2 * 2 - 1, 0), columns - 1) - i % columns
            below = i + down * columns
            total = energy[i] + energy[below] + energy[i + right] + energy[below + right]
            factor = np.float32(1) / np.sqrt(total + numbers[0])
            for o in range(n):
                forth = cells[i * directions + o] * factor
                back = cells[i * directions + o + n] * factor
                both = min(forth + back, numbers[4])
                out[at + o] += np.float32(0.5) * min(forth, numbers[4])
                out[at + n + o] += np.float32(0.5) * min(back, numbers[4])
                out[at + 2 * n + o] += np.float32(0.5) * both
                out[at + 3 * n + corner] += both * numbers[1]
