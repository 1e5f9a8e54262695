"""Compiled loops of HOG, third part: votes -> histograms of windows -> descriptors."""

from typing import Any

import numpy as np
from numba import njit

from .hog_gradients import PLANES, band_gradients, load_band
from .hog_votes import cast_votes, slots_of

__all__ = ["SETTINGS", "describe"]

BAND_PIXELS = 2048
GROUP = 8  # rows of windows that are summed over the columns at once

# Places in the array of settings: square root; empty frame; votes for one bin only; number of bins;
# half turns they cover; norm; whether cells are listed by columns; then, in the order in which
# cells are listed, the numbers of windows, of blocks, of cells in a block, and of windows from one
# block to the next; then the image's rows, columns and channels, and whether it is of float32.
ROOT, FRAME, HARD, ORIENTATIONS, TURN, NORM, BY_COLUMNS = range(7)
WINDOWS, BLOCKS, CELLS, STEP, IMAGE = 7, 9, 11, 13, 15
SETTINGS = 19
L1, L1_SQRT, L2, L2_HYS, UOCTTI, NONE = range(6)


@njit(nogil=True, cache=True, error_model="numpy")
def describe(
    images: Any,
    settings: Any,
    numbers: Any,
    angles: Any,
    row_first: Any,
    row_weights: Any,
    column_first: Any,
    column_weights: Any,
    out: Any,
) -> None:
    """Write the descriptors of images to the rows of ``out``.

    Parameters
    ----------
    images : uint8 array of shape (n, bytes of an image)
        The bytes of uint8 or float32 images of shape (rows, columns, channels).
    settings : int64 array of shape (SETTINGS,)
    numbers : float32 array
        What the norm needs.
    angles : float32 array
        As in :func:`cast_votes`.
    row_first, row_weights : int64 (groups,), float32 (groups, reach, 4)
        The rows 4 g + r count in window ``row_first[g] + k`` with ``row_weights[g, k, r]``;
        likewise the columns.
    """
    root, frame, hard = settings[ROOT] == 1, settings[FRAME] == 1, settings[HARD] == 1
    rows, columns, channels, is_float = settings[IMAGE : IMAGE + 4]
    bins = settings[ORIENTATIONS]
    slots = slots_of(bins, hard)
    width = columns * slots
    band = min(rows, max(4, BAND_PIXELS // columns // 4 * 4))
    values = np.zeros((channels, (band + 2) * columns + 1), np.float32)
    planes = np.empty((PLANES, band * columns), np.float32)
    places = np.empty(band * columns, np.uint32)
    votes = np.empty((band + 3) * width, np.float32)
    by_columns = settings[BY_COLUMNS] == 1
    cells = np.empty((settings[WINDOWS], settings[WINDOWS + 1], bins), np.float32)
    sums = np.empty((cells.shape[1] if by_columns else cells.shape[0], width), np.float32)
    for image in range(len(images)):
        sums[:] = 0
        for y0 in range(0, rows, band):
            y1 = min(y0 + band, rows)
            n = (y1 - y0) * columns
            load_band(images[image], is_float == 1, columns, channels, rows, y0, y1, values)
            band_gradients(values, root, frame, rows, columns, y0, y1, planes)
            cast_votes(planes, n, hard, bins, settings[TURN], angles, places, votes)
            votes[n * slots : (n + 3 * columns) * slots] = 0
            _add_rows(votes, y1 - y0, y0 // 4, row_first, row_weights, sums)
        _sum_columns(sums, slots, column_first, column_weights, not hard, by_columns, cells)
        if settings[NORM] == NONE:
            out[image] = cells.reshape(-1)
        elif settings[NORM] == UOCTTI:
            _normalize_cells(cells, numbers, out[image])
        else:
            _normalize_blocks(cells, settings, numbers, out[image])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_rows(source: Any, rows: int, group: int, first: Any, weights: Any, sums: Any) -> None:
    """Add rows, which lie one after another in ``source``, to the sums of the windows.

    The rows begin with group number ``group``. Four go at a time: up to three rows after the last
    are read, with weight zero.
    """
    width = np.uintp(sums.shape[1])
    reach = weights.shape[1]
    for part in range((rows + 3) // 4):
        g = group + part
        at = np.uintp(4 * part) * width
        k = 0
        while k + 3 <= reach:
            _add_to_three(source, at, weights[g, k : k + 3], sums, first[g] + k)
            k += 3
        while k < reach:
            _add_to_one(source, at, weights[g, k], sums, first[g] + k)
            k += 1


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_to_one(source: Any, a: int, w: Any, sums: Any, window: int) -> None:
    n = np.uintp(sums.shape[1])
    b, c, d = a + n, a + n + n, a + n + n + n
    t = np.uintp(window)
    w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
    for i in range(n):
        sums[t, i] += (
            w0 * source[a + i] + w1 * source[b + i] + w2 * source[c + i] + w3 * source[d + i]
        )


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_to_three(source: Any, a: int, w: Any, sums: Any, window: int) -> None:
    n = np.uintp(sums.shape[1])
    b, c, d = a + n, a + n + n, a + n + n + n
    t, u, v = np.uintp(window), np.uintp(window + 1), np.uintp(window + 2)
    w00, w01, w02, w03 = w[0, 0], w[0, 1], w[0, 2], w[0, 3]
    w10, w11, w12, w13 = w[1, 0], w[1, 1], w[1, 2], w[1, 3]
    w20, w21, w22, w23 = w[2, 0], w[2, 1], w[2, 2], w[2, 3]
    for i in range(n):
        s0, s1, s2, s3 = source[a + i], source[b + i], source[c + i], source[d + i]
        sums[t, i] += w00 * s0 + w01 * s1 + w02 * s2 + w03 * s3
        sums[u, i] += w10 * s0 + w11 * s1 + w12 * s2 + w13 * s3
        sums[v, i] += w20 * s0 + w21 * s1 + w22 * s2 + w23 * s3


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_columns(
    sums: Any, slots: int, first: Any, weights: Any, soft: bool, by_columns: bool, out: Any
) -> None:
    """Sum over the columns, some rows of windows at a time, and close the circle of bins."""
    windows, width = sums.shape
    columns = width // slots
    group = min(GROUP, windows)
    turned = np.zeros((columns + 3) * group * slots // 2, np.float64)
    column_windows = out.shape[0] if by_columns else out.shape[1]
    group_sums = np.empty((column_windows, group * slots), np.float32)
    for top in range(0, windows, group):
        count = min(group, windows - top)
        _turn(sums.view(np.float64), top, count, group, slots // 2, turned)
        group_sums[:] = 0
        _add_rows(turned.view(np.float32), columns, 0, first, weights, group_sums)
        _place(group_sums, top, count, slots, soft, by_columns, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _turn(sums: Any, top: int, count: int, group: int, pairs: int, turned: Any) -> None:
    """Copy [window, column, pair of slots] to [column, window, pair of slots]."""
    n = np.uintp(pairs)
    stride = np.uintp(group) * n
    columns = np.uintp(sums.shape[1]) // n
    for window in range(np.uintp(count)):
        row = np.uintp(top) + window
        for column in range(columns):
            for pair in range(n):
                turned[column * stride + window * n + pair] = sums[row, column * n + pair]


@njit(nogil=True, cache=True, error_model="numpy")
def _place(
    group_sums: Any, top: int, count: int, slots: int, soft: bool, by_columns: bool, out: Any
) -> None:
    """Copy [column window, row window, slot] to [row window, column window, bin]."""
    bins = np.uintp(out.shape[2])
    n = np.uintp(slots)
    for column in range(np.uintp(len(group_sums))):
        for window in range(np.uintp(count)):
            row = np.uintp(top) + window
            i, j = (column, row) if by_columns else (row, column)
            for slot in range(bins):
                out[i, j, slot] = group_sums[column, window * n + slot]
            if soft:
                out[i, j, 0] += group_sums[column, window * n + bins]


@njit(nogil=True, cache=True, error_model="numpy")
def _normalize_blocks(cells: Any, settings: Any, numbers: Any, out: Any) -> None:
    """Write the cells of each block, normalised."""
    bins = cells.shape[2]
    flat = cells.reshape(-1)
    norm = settings[NORM]
    rows = settings[CELLS]
    run = np.uintp(settings[CELLS + 1] * bins)
    at = np.uintp(0)
    for i in range(settings[BLOCKS]):
        for j in range(settings[BLOCKS + 1]):
            start = at
            for row in range(i * settings[STEP], i * settings[STEP] + rows):
                source = np.uintp((row * cells.shape[1] + j * settings[STEP + 1]) * bins)
                for k in range(run):
                    out[at + k] = flat[source + k]
                at += run
            _normalize(out, start, run * np.uintp(rows), norm, numbers)


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
def _normalize_cells(cells: Any, numbers: Any, out: Any) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by each of the four blocks of 2x2 cells around it (its own row or column
    stands in for one beyond the border) and clipped; the four are summed over.
    """
    rows, columns, directions = cells.shape
    n = directions // 2
    factors = np.empty(4, np.float32)
    energy = _cell_energies(cells)
    at = 0
    for y in range(rows):
        for x in range(columns):
            for corner in range(4):
                beyond_y = min(max(y + 2 * (corner // 2) - 1, 0), rows - 1)
                beyond_x = min(max(x + 2 * (corner % 2) - 1, 0), columns - 1)
                total = energy[y, x] + energy[beyond_y, x] + energy[y, beyond_x]
                total += energy[beyond_y, beyond_x]
                factors[corner] = np.float32(1) / np.sqrt(total + numbers[0])
            out[at : at + 3 * n + 4] = 0
            for factor in range(4):
                for o in range(n):
                    forth = cells[y, x, o] * factors[factor]
                    back = cells[y, x, o + n] * factors[factor]
                    both = min(forth + back, numbers[4])
                    out[at + o] += np.float32(0.5) * min(forth, numbers[4])
                    out[at + n + o] += np.float32(0.5) * min(back, numbers[4])
                    out[at + 2 * n + o] += np.float32(0.5) * both
                    out[at + 3 * n + factor] += both * numbers[1]
            at += 3 * n + 4


@njit(nogil=True, cache=True, error_model="numpy")
def _cell_energies(cells: Any) -> Any:
    """Sum of squares of the unsigned histogram of each cell."""
    rows, columns, directions = cells.shape
    n = directions // 2
    energy = np.zeros((rows, columns), np.float32)
    for y in range(rows):
        for x in range(columns):
            for o in range(n):
                both = cells[y, x, o] + cells[y, x, o + n]
                energy[y, x] += both * both
    return energy
