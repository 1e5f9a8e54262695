"""Compiled loops of HOG, third part: sums -> descriptors, and the whole."""

from typing import Any

import numpy as np
from numba import njit

from visualwords.compiling import inner, reassociated

from .hog_gradients import band_gradients, fetch, load_band, take_roots
from .hog_votes import (
    LANES,
    ROWS,
    add_columns,
    add_rows,
    hard_bins,
    soft_bins,
    vote_alone,
    vote_around,
)

__all__ = ["SETTINGS", "describe", "normalize_cells"]

BAND_PIXELS = 1024  # worked on at a time
FETCH = 4096  # numbers of the next image are fetched ahead; then the processor sees the pattern
STRIP_NUMBERS = 4096  # of the histograms of rows

# Places in the table of settings: square root; empty frame; whether groups have one lane alone;
# number of bins; half turns they cover; norm; cells in a block; lanes of rows; rows of windows;
# sources of a cell; the image's rows, columns and channels; rows and columns of a group of pixels;
# rows and columns of groups; where the weights of rows and of columns begin in the constants; where
# sources begin in the table. After the settings come the windows.
ROOT, FRAME, ALONE, BINS, TURN, NORM, CELLS, ROW_LANES, WINDOWS, SOURCES = range(10)
IMAGE, UNIT, GROUPS, WEIGHTS, FIRST_SOURCE, SETTINGS = 10, 13, 15, 17, 19, 20
ANGLES = 5  # where they begin in the constants, after those of the norm
L1, L1_SQRT, L2, L2_HYS, NONE = range(5)


@njit(nogil=True, cache=True, error_model="numpy")
def describe(pixels: Any, table: Any, constants: Any, ends: Any, out: Any) -> None:
    """Write the descriptors of images, or the histograms of their cells, to ``out``.

    Parameters
    ----------
    pixels : uint8 or float32 array
        Images of shape (rows, columns, channels), their axes run together.
    table : int64 array
        Settings; for each row of groups and lane of rows the row of windows that it counts in, or
        -1; for each cell of all blocks the sums that make up its first bin.
    constants : float32 array
        The numbers that the norm needs; those of :func:`soft_bins`; the weights of rows and of
        columns as in :func:`add_rows` and :func:`vote_around`.
    ends : float32 array or None
        As in :func:`hard_bins`. None: votes are shared between bins.
    out : float32 array
        Their numbers, image after image.
    """
    rows, columns, channels = table[IMAGE], table[IMAGE + 1], table[IMAGE + 2]
    bins, turn, stride = table[BINS], table[TURN], 1 if table[ALONE] else LANES
    size = bins
    if not table[ALONE]:
        size = (bins + 1) * ((len(constants) - table[WEIGHTS + 1]) // table[UNIT + 1])
    step = rows * columns * channels
    band = min(rows, max(ROWS, BAND_PIXELS // columns))
    values = np.empty((band + 2) * columns * channels, np.float32)
    gx, gy = np.empty(band * columns, np.float32), np.empty(band * columns, np.float32)
    places = np.empty(band * columns, np.int32)
    histograms = np.empty(max(STRIP_NUMBERS, max(ROWS, table[UNIT + 1]) * size), np.float32)
    # After the last window's: zeros, for cells with fewer sources than others.
    sums = np.empty((table[WINDOWS] * table[GROUPS + 1] + 1) * size, np.float32)
    n_images = len(pixels) // step
    length = len(out) // n_images
    for image in range(n_images):
        first = image * step
        fetch(pixels, first + step, min(first + step + FETCH, len(pixels)))
        _clear(sums, len(sums))
        for y0 in range(0, rows, band):
            y1 = min(y0 + band, rows)
            n = (y1 - y0) * columns
            load_band(pixels, first, rows, columns, channels, y0, y1, values)
            if table[ROOT]:
                take_roots(values)
            band_gradients(values, channels, columns, n, table[FRAME], gx, gy)
            if ends is None:
                soft_bins(gx, gy, n, bins, turn, constants, ANGLES, places)
            else:
                hard_bins(gx, gy, n, bins, turn, stride, ends, places)
            _vote(gx, gy, places, y0, y1, table, constants, ends, size, histograms, sums)
        begin = image * length
        _collect(sums, table, stride, begin, out)
        if table[NORM] != NONE:
            size_of_block = table[CELLS] * bins
            _normalize(out, begin, begin + length, size_of_block, table[NORM], constants)


@inner
def _clear(values: Any, n: int) -> None:
    """Set the first ``n`` numbers to zero."""
    for i in range(np.uintp(n)):
        values[i] = 0


@inner
def _vote(
    lower: Any,
    upper: Any,
    places: Any,
    y0: int,
    y1: int,
    table: Any,
    constants: Any,
    ends: Any,
    size: int,
    histograms: Any,
    sums: Any,
) -> None:
    """Let the pixels of the rows y0..y1 vote: some rows of a strip of groups at a time."""
    unit, wide, columns, groups = table[UNIT], table[UNIT + 1], table[IMAGE + 1], table[GROUPS + 1]
    depth = wide if table[ALONE] else ROWS
    strip = max(1, STRIP_NUMBERS // (depth * size))
    frame = table[FRAME]
    y, end = max(y0, frame), min(y1, min(table[GROUPS] * unit, table[IMAGE] - frame))
    while y < end:
        group, within = y // unit, y % unit
        rows = min(min(unit - within, ROWS), end - y)
        for x in range(0, groups, strip):
            n = min(strip, groups - x)
            used = min(columns - x * wide, n * wide)
            row = (y - y0) * columns + x * wide
            _clear(histograms, n * depth * size)
            if ends is not None:  # noqa: SIM102 - numba leaves out what comes after None, alone
                if table[ALONE]:
                    vote_alone(lower, places, row, columns, rows, used, size, histograms)
                    weight = constants[table[WEIGHTS]] * constants[table[WEIGHTS + 1]]
                    to = (group * groups + x) * size
                    add_columns(histograms, used, wide, size, weight, sums, to)
                    continue
            at, skip = table[WEIGHTS + 1], n * size
            vote_around(
                lower, upper, places, row, columns, rows, used, wide, constants, at, skip, size,
                histograms,
            )  # fmt: skip
            for lane in range(table[ROW_LANES]):
                window = table[SETTINGS + group * table[ROW_LANES] + lane]
                if window >= 0:
                    at = table[WEIGHTS] + lane * (unit + ROWS - 1) + within
                    add_rows(histograms, skip, constants, at, sums, (window * groups + x) * size)
        y += rows


@inner
def _collect(sums: Any, table: Any, stride: int, begin: int, out: Any) -> None:
    """Write the histograms of an image's cells, two sources at a time; close the circle."""
    n, step = np.uintp(table[BINS]), np.uintp(stride)
    first, k, to = table[FIRST_SOURCE], table[SOURCES], np.uintp(begin)
    while first < len(table):
        i, j = np.uintp(table[first]), np.uintp(table[first + 1])
        for b in range(n):
            out[to + b] = sums[i + b * step] + sums[j + b * step]
        for s in range(first + 2, first + k):
            i = np.uintp(table[s])
            for b in range(n):
                out[to + b] += sums[i + b * step]
        if stride > 1:
            for s in range(first, first + k):
                out[to] += sums[np.uintp(table[s]) + n * step]
        first += k
        to += n


@inner
def _normalize(out: Any, begin: int, end: int, size: int, norm: int, constants: Any) -> None:
    """Normalise each ``size`` numbers, not negative, of ``out[begin:end]`` in place."""
    limit = constants[4] if norm == L2_HYS else np.float32(np.inf)
    for at in range(np.uintp(begin), np.uintp(end), np.uintp(size)):
        stop = at + np.uintp(size)
        if norm in (L1, L1_SQRT):
            total = np.float32(0)
            for i in range(at, stop):
                total += out[i]
            factor = np.float32(1) / (total + constants[1])
        else:
            length = np.sqrt(_squared(out, at, stop) + constants[0])
            factor = np.float32(1) / (length + constants[1])
        for i in range(at, stop):
            value = out[i] * factor
            out[i] = limit if value > limit else value
        if norm == L1_SQRT:
            for i in range(at, stop):
                out[i] = np.sqrt(out[i])
        elif norm == L2_HYS:
            length = np.sqrt(_squared(out, at, stop) + constants[2])
            factor = np.float32(1) / (length + constants[3])
            for i in range(at, stop):
                out[i] *= factor


@reassociated
def _squared(values: Any, start: int, end: int) -> Any:
    """Sum of squares: several sums at once, in an order that is LLVM's but always the same."""
    total = np.float32(0)
    for i in range(start, end):
        total += values[i] * values[i]
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def normalize_cells(cells: Any, constants: Any, out: Any) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by each of the four blocks of 2x2 cells around it (its own row or column
    stands in for one beyond the border) and clipped; the four are summed over.

    Parameters
    ----------
    cells : float32 array of shape (images, rows, columns, 2 n directions)
    constants : float32 array
        As in :func:`describe`.
    out : float32 array of shape (images, numbers)
    """
    rows, columns, directions = cells.shape[1:]
    for image in range(len(cells)):
        _normalize_image(cells[image].ravel(), rows, columns, directions, constants, out[image])


@inner
def _normalize_image(
    cells: Any, rows: int, columns: int, directions: int, constants: Any, out: Any
) -> None:
    """Write the descriptor of one image."""
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
            factor = np.float32(1) / np.sqrt(total + constants[0])
            for o in range(n):
                forth = cells[i * directions + o] * factor
                back = cells[i * directions + o + n] * factor
                both = min(forth + back, constants[4])
                out[at + o] += np.float32(0.5) * min(forth, constants[4])
                out[at + n + o] += np.float32(0.5) * min(back, constants[4])
                out[at + 2 * n + o] += np.float32(0.5) * both
                out[at + 3 * n + corner] += both * constants[1]
