"""Kernels of the patch descriptor: resampled rows -> orientation votes -> cells -> 144 numbers.

Dense grids and single windows run through the same :func:`_vote` and :func:`_normalize`, so that
a patch has one descriptor, however it was found.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .image import FloatArray

__all__ = [
    "CELL",
    "N_NUMBERS",
    "WINDOW",
    "describe_grid",
    "describe_windows",
    "halve",
    "place_grid",
]

WINDOW = 32  # side of a resampled patch, in pixels
CELL = 8  # side of a cell
ORIENTATIONS = 9
CELLS = WINDOW // CELL
N_NUMBERS = CELLS * CELLS * ORIENTATIONS
MARGIN = CELL // 2  # samples beyond a patch's edge that vote
BORDER = MARGIN + 1  # and that are read, for their gradients
INNER = np.float32(0.75)  # weights of the half cells within a cell
OUTER = np.float32(0.25)  # and around it

HALF_CIRCLE = np.float32(ORIENTATIONS)
QUARTER_CIRCLE = np.float32(ORIENTATIONS / 2)
NEXT = np.uint32(1)  # unsigned: an index that is never negative needs no check for it
HALF = np.float32(0.5)
ZERO = np.float32(0)
UNIT = np.float32(1)
TINY = np.float32(1e-30)
CLIP = np.float32(0.2)
# Added (in squares) to the length of a window's votes: about what rounding to 8 bits causes.
FLOOR = np.float32(0.1)
# atan(r) in orientation bins for r in [0, 1]: least largest error (7e-7 bins) of seven odd terms.
A0, A1, A2, A3, A4, A5, A6 = (
    np.float32(2.8647778359612626),
    np.float32(-0.9544722838336221),
    np.float32(0.5674520890183317),
    np.float32(-0.3791072236587639),
    np.float32(0.22810483758486905),
    np.float32(-0.0962688466510323),
    np.float32(0.0195143002413163),
)


@njit(nogil=True, cache=True)
def halve(image: FloatArray) -> FloatArray:
    """Mean of every 2 x 2 pixels; an odd last row or column counts twice."""
    rows, columns = image.shape
    half = np.empty(((rows + 1) // 2, (columns + 1) // 2), np.float32)
    for i in range(half.shape[0]):
        above, below = image[2 * i], image[min(2 * i + 1, rows - 1)]
        for j in range(half.shape[1]):
            left, right = 2 * j, min(2 * j + 1, columns - 1)
            half[i, j] = ((above[left] + above[right]) + (below[left] + below[right])) * np.float32(
                0.25
            )
    return half


@njit(nogil=True, cache=True)
def _taps(start: float, step: float, lower: Any, weight: Any, size: int) -> None:
    """Where the samples from -BORDER on read: pixel ``lower``, ``weight`` of the next one."""
    for u in range(len(lower)):
        x = start + (u - BORDER + 0.5) * step - 0.5
        x = min(max(x, 0.0), size - 1.0)
        lower[u] = min(int(x), max(size - 2, 0))
        weight[u] = x - lower[u]


@njit(nogil=True, cache=True)
def _extend(row: Any, first: int, out: Any) -> None:
    """Copy a row from pixel ``first`` on; beyond its ends the first and the last pixel go on."""
    left, right = max(-first, 0), min(len(row) - first, len(out))
    for u in range(left):
        out[u] = row[0]
    for u in range(left, right):
        out[u] = row[first + u]
    for u in range(right, len(out)):
        out[u] = row[len(row) - 1]


@njit(nogil=True, cache=True)
def _mix_columns(row: Any, lower: Any, weight: Any, out: Any) -> None:
    """Resample a row of pixels; it has one pixel more than the taps speak of."""
    for u in range(len(out)):
        left = row[lower[u]]
        out[u] = left + weight[u] * (row[lower[u] + NEXT] - left)


@njit(nogil=True, cache=True)
def _mix_rows(above: Any, below: Any, weight: Any, out: Any) -> None:
    for u in range(len(out)):
        out[u] = above[u] + weight * (below[u] - above[u])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _orient(
    above: Any,
    row: Any,
    below: Any,
    base: Any,
    lower_bin: Any,
    upper_bin: Any,
    lower: Any,
    upper: Any,
) -> None:
    """Gradients of a row of pixels as votes for the two nearest orientations.

    The angle, in bins, lies in [0, 9]; the centre of bin b is b + 1/2.
    """
    for u in range(len(base)):
        across = row[u + 2] - row[u]
        down = below[u + 1] - above[u + 1]
        x, y = abs(across), abs(down)
        r = min(x, y) / max(max(x, y), TINY)
        q = r * r
        angle = r * (A0 + q * (A1 + q * (A2 + q * (A3 + q * (A4 + q * (A5 + q * A6))))))
        angle = QUARTER_CIRCLE - angle if y > x else angle
        angle = HALF_CIRCLE - angle if across * down < ZERO else angle
        angle += HALF
        first = np.int32(angle)
        lower_bin[u] = base[u] + np.uint32(first - 1 if first > 0 else ORIENTATIONS - 1)
        upper_bin[u] = base[u] + np.uint32(first if first < ORIENTATIONS else 0)
        magnitude = np.sqrt(across * across + down * down)
        share = magnitude * (angle - np.float32(first))
        upper[u] = share
        lower[u] = magnitude - share


@njit(nogil=True, cache=True)
def _vote(lower_bin: Any, upper_bin: Any, lower: Any, upper: Any, cells: Any) -> None:
    """Add the votes of a row of pixels to the bins of its cells."""
    for u in range(len(lower)):
        cells[lower_bin[u]] += lower[u]
        cells[upper_bin[u]] += upper[u]


@njit(nogil=True, cache=True)
def _weigh(a: Any, b: Any, c: Any, d: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] += OUTER * (a[i] + d[i]) + INNER * (b[i] + c[i])


class Work(NamedTuple):
    """What becomes of the samples, row by row."""

    side: int  # of the small cells: the greatest on which all cells can be put together
    base: Any  # (width,) where the bins of a sample's small cell begin
    bins: Any  # (2, width) the two bins of a sample ...
    votes: Any  # (2, width) ... and its votes for them
    small: Any  # (width / side * 9,) small cells of the present row
    lines: Any  # (height / side, cells * 9) weighted sums along the rows of small cells


@njit(nogil=True, cache=True)
def _work(height: int, width: int, stride: int) -> Work:
    """Prepare for samples of a size, without their border."""
    side = math.gcd(MARGIN, stride)
    base = np.empty(width, np.uint32)
    for u in range(width):
        base[u] = u // side * ORIENTATIONS
    n_lines, n_cells = height // side, width // side - 4 * (MARGIN // side) + 1
    return Work(
        side,
        base,
        np.empty((2, width), np.uint32),
        np.empty((2, width), np.float32),
        np.zeros(width // side * ORIENTATIONS, np.float32),
        np.zeros((n_lines, n_cells * ORIENTATIONS), np.float32),
    )


@njit(nogil=True, cache=True)
def _add_row(above: Any, row: Any, below: Any, u: int, work: Work) -> None:
    """Take in row ``u`` of the samples; with the last of its cells, sum these along the row."""
    bins, votes, small = work.bins, work.votes, work.small
    _orient(above, row, below, work.base, bins[0], bins[1], votes[0], votes[1])
    _vote(bins[0], bins[1], votes[0], votes[1], small)
    if (u + 1) % work.side == 0:
        line, shift = work.lines[u // work.side], MARGIN // work.side * ORIENTATIONS
        for o in range(0, shift, ORIENTATIONS):
            half = small[o:]
            _weigh(half, half[shift:], half[2 * shift :], half[3 * shift :], line)
        for i in range(len(small)):
            small[i] = ZERO


# "reassoc" lets the compiler choose the order of these sums, once and for all calls. Each pass
# goes over many rows, so that no row waits for the square root of the one before.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def _normalize(rows: Any) -> None:
    """L2-Hys of every row in place: scale to unit length, clip at 0.2, scale again."""
    scale = np.empty(len(rows), np.float32)
    for r in range(len(rows)):
        total = FLOOR * FLOOR
        for i in range(N_NUMBERS):
            total += rows[r, i] * rows[r, i]
        scale[r] = total
    for r in range(len(rows)):
        scale[r] = UNIT / np.sqrt(scale[r])
    for r in range(len(rows)):
        total = ZERO
        for i in range(N_NUMBERS):
            clipped = min(rows[r, i] * scale[r], CLIP)
            rows[r, i] = clipped
            total += clipped * clipped
        scale[r] = total
    for r in range(len(rows)):
        scale[r] = UNIT / np.sqrt(max(scale[r], TINY))
    for r in range(len(rows)):
        for i in range(N_NUMBERS):
            rows[r, i] *= scale[r]


@njit(nogil=True, cache=True)
def _copy_cell(cell: Any, out: Any) -> None:
    """Copy nine numbers; all are read before one is written, so they move as vectors."""
    (out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], out[8]) = (
        cell[0],
        cell[1],
        cell[2],
        cell[3],
        cell[4],
        cell[5],
        cell[6],
        cell[7],
        cell[8],
    )


@njit(nogil=True, cache=True)
def describe_grid(
    image: FloatArray,
    corner: tuple[float, float],
    step: float,
    stride: int,
    shape: tuple[int, int],
    out: FloatArray,
) -> None:
    """Describe a grid of windows of one image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns), float32
    corner : (float, float)
        Row and column of the first window's corner; the image's corner is (0, 0), the centre of
        its first pixel (0.5, 0.5).
    step : float
        Pixels of the image between two samples.
    stride : int
        Samples between two windows.
    shape : (int, int)
        Windows down and across.
    out : ndarray of shape (windows, 144), float32
    """
    height = (shape[0] - 1) * stride + WINDOW + 2 * BORDER
    width = (shape[1] - 1) * stride + WINDOW + 2 * BORDER
    lower, weight = np.empty(height, np.uint32), np.empty(height, np.float32)
    lower_column, weight_column = np.empty(width, np.uint32), np.empty(width, np.float32)
    _taps(corner[0], step, lower, weight, image.shape[0])
    _taps(corner[1], step, lower_column, weight_column, image.shape[1])
    first, shift = math.floor(corner[1]) - BORDER, np.float32(corner[1] - math.floor(corner[1]))
    row = np.empty(width + 1 if step == 1 else image.shape[1] + 1, np.float32)
    # The rows in use: two of the image, resampled along the columns, and three of the samples.
    mixed, samples = np.empty((2, width), np.float32), np.empty((3, width), np.float32)
    work = _work(height - 2, width - 2, stride)
    source: Any = lower.astype(np.int64)
    ready, last = source[0], len(image) - 1
    for u in range(height):
        below = min(source[u] + 1, last)
        while ready <= below:
            if step == 1:
                _extend(image[ready], first, row)
                _mix_rows(row[:-1], row[1:], shift, mixed[ready % 2])
            else:
                _extend(image[ready], 0, row)
                _mix_columns(row, lower_column, weight_column, mixed[ready % 2])
            ready += 1
        _mix_rows(mixed[source[u] % 2], mixed[below % 2], weight[u], samples[u % 3])
        if u >= 2:
            _add_row(samples[(u - 2) % 3], samples[(u - 1) % 3], samples[u % 3], u - 2, work)
    _gather(work, stride, shape, out)


@njit(nogil=True, cache=True)
def describe_windows(image: FloatArray, places: FloatArray, out: FloatArray) -> None:
    """Describe windows anywhere in an image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns), float32
    places : ndarray of shape (windows, 4), float64
        Row and column of the centre, side and angle of every window; see :func:`describe_grid`.
    out : ndarray of shape (windows, 144), float32
    """
    side = WINDOW + 2 * BORDER
    samples = np.empty((side, side), np.float32)
    work = _work(side - 2, side - 2, WINDOW)
    for w in range(len(places)):
        row, column, size, angle = places[w, 0], places[w, 1], places[w, 2], places[w, 3]
        down, across = math.cos(angle) * size / WINDOW, math.sin(angle) * size / WINDOW
        for i in range(side):
            for j in range(side):
                u, v = i - (side - 1) / 2, j - (side - 1) / 2
                samples[i, j] = _sample(
                    image, row + down * u + across * v, column - across * u + down * v
                )
        for u in range(side - 2):
            _add_row(samples[u], samples[u + 1], samples[u + 2], u, work)
        _gather(work, WINDOW, (1, 1), out[w : w + 1])
        work.lines[:] = ZERO


@njit(nogil=True, cache=True)
def _sample(image: Any, row: float, column: float) -> Any:
    """Interpolate between the centres of pixels; beyond them the image's edge goes on."""
    row = min(max(row - 0.5, 0.0), image.shape[0] - 1.0)
    column = min(max(column - 0.5, 0.0), image.shape[1] - 1.0)
    i, j = int(row), int(column)
    below, right = min(i + 1, image.shape[0] - 1), min(j + 1, image.shape[1] - 1)
    down, across = np.float32(row - i), np.float32(column - j)
    upper = image[i, j] + across * (image[i, right] - image[i, j])
    lower = image[below, j] + across * (image[below, right] - image[below, j])
    return upper + down * (lower - upper)


@njit(nogil=True, cache=True)
def _gather(work: Work, stride: int, shape: tuple[int, int], out: Any) -> None:
    """Put the 4 x 4 cells of every window together and normalise them, row by row of the grid."""
    k, lines, apart = MARGIN // work.side, work.lines, stride // work.side
    cells = np.empty(lines.shape[1], np.float32)
    for i in range(shape[0]):
        rows = out[i * shape[1] : (i + 1) * shape[1]]
        for m in range(CELLS):
            first = i * apart + 2 * k * m
            for c in range(len(cells)):
                cells[c] = ZERO
            for o in range(first, first + k):
                _weigh(lines[o], lines[o + k], lines[o + 2 * k], lines[o + 3 * k], cells)
            for j in range(shape[1]):
                for n in range(CELLS):
                    cell = cells[(j * apart + 2 * k * n) * ORIENTATIONS :]
                    _copy_cell(cell, rows[j, (m * CELLS + n) * ORIENTATIONS :])
        _normalize(rows)


@njit(nogil=True, cache=True)
def place_grid(
    corner: tuple[float, float], size: float, stride: float, n_across: int, out: FloatArray
) -> None:
    """Write down the centre, side and angle (0) of every window of a grid, row by row."""
    for i in range(len(out)):
        out[i, 0] = corner[0] + size / 2 + stride * (i // n_across)
        out[i, 1] = corner[1] + size / 2 + stride * (i % n_across)
        out[i, 2] = size
        out[i, 3] = 0
