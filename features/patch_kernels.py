"""Kernels of the patch descriptor: resampled rows -> orientation votes -> cells -> 144 numbers.

Dense grids and single windows run through the same :func:`_vote` and :func:`_normalize`, so that
a patch has one descriptor, however it was found.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from .image import FloatArray

__all__ = ["CELL", "N_NUMBERS", "WINDOW", "describe_grid", "halve", "place_grid"]

WINDOW = 32  # side of a resampled patch, in pixels
CELL = 8  # side of a cell
ORIENTATIONS = 9
CELLS = WINDOW // CELL
N_NUMBERS = CELLS * CELLS * ORIENTATIONS
MARGIN = CELL // 2  # samples that count beyond a patch's edge
INNER = np.float32(0.75)  # weights of the half cells within a cell
OUTER = np.float32(0.25)  # and around it

# Votes go to ORIENTATIONS + 2 slots: the first and the last are the half circle's two neighbours.
SLOTS = ORIENTATIONS + 2
HALF_CIRCLE = np.float32(ORIENTATIONS)
QUARTER_CIRCLE = np.float32(ORIENTATIONS / 2)
ONE = np.uint32(1)  # unsigned: an index that is never negative needs no check for it
HALF = np.float32(0.5)
ZERO = np.float32(0)
TINY = np.float32(1e-30)
CLIP = np.float32(0.2)
# Added (in squares) to the length of a window's votes: about what rounding to 8 bits causes.
FLOOR = np.float32(0.1)
# atan(r) in orientation bins for r in [0, 1]: least largest error (4e-8 bins) of eight odd terms.
ATAN = tuple(
    np.float32(c)
    for c in (
        2.864787072208552,
        -0.9548301766304232,
        0.5714270054303664,
        -0.3984528434546051,
        0.2762284956525075,
        -0.16017686465555178,
        0.06263265359729575,
        -0.011615449500660116,
    )
)
A0, A1, A2, A3, A4, A5, A6, A7 = ATAN


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
    """Where the samples from -MARGIN - 1 on read: pixel ``lower``, ``weight`` of the next one."""
    for u in range(len(lower)):
        x = start + (u - MARGIN - 0.5) * step - 0.5
        x = min(max(x, 0.0), size - 1.0)
        lower[u] = min(int(x), max(size - 2, 0))
        weight[u] = x - lower[u]


@njit(nogil=True, cache=True)
def _mix_columns(image: Any, lower: Any, weight: Any) -> Any:
    """Resample every row of an image."""
    mixed = np.empty((image.shape[0], len(lower)), np.float32)
    row = np.empty(image.shape[1] + 1, np.float32)
    for i in range(image.shape[0]):
        row[:-1] = image[i]
        row[-1] = row[-2]
        for u in range(len(lower)):
            left = row[lower[u]]
            mixed[i, u] = left + weight[u] * (row[lower[u] + ONE] - left)
    return mixed


@njit(nogil=True, cache=True)
def _mix_rows(above: Any, below: Any, weight: Any, out: Any) -> None:
    for u in range(len(out)):
        out[u] = above[u] + weight * (below[u] - above[u])


@njit(nogil=True, cache=True, error_model="numpy")
def _orient(lines: Any, top: int, base: Any, slot: Any, lower: Any, upper: Any) -> None:
    """Gradients of a row of pixels as votes for two neighbouring orientations.

    The angle, in bins, lies in [0, 9]; the centre of bin b is b + 1/2, that of slot s is s - 1/2.
    """
    above, row, below = lines[top], lines[(top + 1) % 3], lines[(top + 2) % 3]
    for u in range(len(slot)):
        across = row[u + 2] - row[u]
        down = below[u + 1] - above[u + 1]
        x, y = abs(across), abs(down)
        r = min(x, y) / max(max(x, y), TINY)
        q = r * r
        angle = A4 + q * (A5 + q * (A6 + q * A7))
        angle = r * (A0 + q * (A1 + q * (A2 + q * (A3 + q * angle))))
        angle = QUARTER_CIRCLE - angle if y > x else angle
        angle = HALF_CIRCLE - angle if across * down < ZERO else angle
        angle += HALF
        first = np.int32(angle)
        magnitude = np.sqrt(across * across + down * down)
        slot[u] = base[u] + np.uint32(first)
        upper[u] = magnitude * (angle - np.float32(first))
        lower[u] = magnitude - upper[u]


@njit(nogil=True, cache=True)
def _vote(slot: Any, lower: Any, upper: Any, cells: Any) -> None:
    """Add the votes of a row of pixels to the slots of its cells."""
    for u in range(len(slot)):
        cells[slot[u]] += lower[u]
        cells[slot[u] + ONE] += upper[u]


@njit(nogil=True, cache=True)
def _fold(cell: Any, out: Any) -> None:
    """Add the slots of a cell to ``out``, the two beyond the half circle at its other end."""
    for b in range(ORIENTATIONS):
        out[b] += cell[b + 1]
    out[ORIENTATIONS - 1] += cell[0]
    out[0] += cell[ORIENTATIONS + 1]


@njit(nogil=True, cache=True)
def _sum_small(small: Any, k: int) -> Any:
    """Half cells at every place of the small cells' grid: sums of k x k small cells."""
    rows, columns = small.shape[0] - k + 1, small.shape[1] - k + 1
    halves = np.zeros((rows, columns, ORIENTATIONS), np.float32)
    line = np.empty((small.shape[1], ORIENTATIONS), np.float32)
    for i in range(rows):
        line[:] = ZERO
        for di in range(k):
            for j in range(small.shape[1]):
                _fold(small[i + di, j], line[j])
        for j in range(columns):
            for dj in range(k):
                for b in range(ORIENTATIONS):
                    halves[i, j, b] += line[j + dj, b]
    return halves


@njit(nogil=True, cache=True)
def _weigh(a: Any, b: Any, c: Any, d: Any, out: Any) -> None:
    """Weighted sum of four half cells in a row: a cell."""
    for i in range(len(out)):
        out[i] = OUTER * (a[i] + d[i]) + INNER * (b[i] + c[i])


@njit(nogil=True, cache=True)
def _sum_halves(halves: Any, k: int) -> Any:
    """Cells at every place of the half cells' grid, each of 4 x 4 half cells that lie k apart."""
    rows, columns = halves.shape[0] - 3 * k, halves.shape[1] - 3 * k
    n, shift = columns * ORIENTATIONS, k * ORIENTATIONS
    lines = np.empty((halves.shape[0], n), np.float32)
    for i in range(len(halves)):
        half = halves[i].reshape(halves.shape[1] * ORIENTATIONS)
        _weigh(half, half[shift:], half[2 * shift :], half[3 * shift :], lines[i])
    cells = np.empty((rows, n), np.float32)
    for i in range(rows):
        _weigh(lines[i], lines[i + k], lines[i + 2 * k], lines[i + 3 * k], cells[i])
    return cells.reshape(rows, columns, ORIENTATIONS)


# "reassoc" lets the compiler choose the order of these sums, once and for all calls.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def _normalize(values: Any) -> None:
    """L2-Hys in place: scale to unit length, clip at 0.2, scale again."""
    total = ZERO
    for i in range(N_NUMBERS):
        total += values[i] * values[i]
    scale = np.float32(1) / np.sqrt(total + FLOOR * FLOOR)
    total = ZERO
    for i in range(N_NUMBERS):
        clipped = min(values[i] * scale, CLIP)
        values[i] = clipped
        total += clipped * clipped
    scale = np.float32(1) / np.sqrt(max(total, TINY))
    for i in range(N_NUMBERS):
        values[i] *= scale


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
    side = math.gcd(MARGIN, stride)
    height = (shape[0] - 1) * stride + WINDOW + 2 * MARGIN
    width = (shape[1] - 1) * stride + WINDOW + 2 * MARGIN
    lower_row, weight_row = np.empty(height + 2, np.uint32), np.empty(height + 2, np.float32)
    lower_column, weight_column = np.empty(width + 2, np.uint32), np.empty(width + 2, np.float32)
    _taps(corner[0], step, lower_row, weight_row, image.shape[0])
    _taps(corner[1], step, lower_column, weight_column, image.shape[1])
    mixed = _mix_columns(image, lower_column, weight_column)
    lines = np.empty((3, width + 2), np.float32)
    slot, base = np.empty(width, np.uint32), np.empty(width, np.uint32)
    for u in range(width):
        base[u] = u // side * SLOTS
    votes = np.empty((2, width), np.float32)
    small = np.zeros((height // side, width // side * SLOTS), np.float32)
    for u in range(height + 2):
        below = min(lower_row[u] + 1, image.shape[0] - 1)
        _mix_rows(mixed[lower_row[u]], mixed[below], weight_row[u], lines[u % 3])
        if u >= 2:
            _orient(lines, (u - 2) % 3, base, slot, votes[0], votes[1])
            _vote(slot, votes[0], votes[1], small[(u - 2) // side])
    k = MARGIN // side
    small = small.reshape(len(small), width // side, SLOTS)
    _gather(_sum_halves(_sum_small(small, k), k), 2 * k, stride // side, shape, out)


@njit(nogil=True, cache=True)
def _gather(cells: Any, apart: int, stride: int, shape: tuple[int, int], out: Any) -> None:
    """Put the 4 x 4 cells of every window together and normalise them."""
    for i in range(shape[0]):
        for j in range(shape[1]):
            values = out[i * shape[1] + j]
            for m in range(CELLS):
                for n in range(CELLS):
                    cell = cells[i * stride + m * apart, j * stride + n * apart]
                    first = (m * CELLS + n) * ORIENTATIONS
                    for b in range(ORIENTATIONS):
                        values[first + b] = cell[b]
            _normalize(values)


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
