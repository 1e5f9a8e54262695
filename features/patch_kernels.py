"""Kernels of the patch descriptor: resampled rows -> orientation votes -> cells -> 144 numbers.

Dense grids and single windows run through the same kernels, so that a patch has one descriptor,
however it was found. A call from Python takes as long as many a kernel does for a small image, so
one call describes a grid.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from .image import FloatArray

__all__ = [
    "CELL",
    "N_NUMBERS",
    "WINDOW",
    "Grid",
    "describe_grid",
    "describe_windows",
    "halve",
    "lay_grid",
    "normalize",
]

WINDOW = 32  # side of a resampled patch, in pixels
CELL = 8  # side of a cell
ORIENTATIONS = 9
CELLS = WINDOW // CELL
N_NUMBERS = CELLS * CELLS * ORIENTATIONS
MARGIN = CELL // 2  # samples beyond a patch's edge that vote
BORDER = MARGIN + 1  # and that are read, for their gradients
PADDING = BORDER + 1  # pixels beyond an image's edge that samples at most a pixel apart can reach
INNER = np.float32(0.75)  # weights of the half cells within a cell
OUTER = np.float32(0.25)  # and around it

HALF_CIRCLE = np.float32(ORIENTATIONS)
QUARTER_CIRCLE = np.float32(ORIENTATIONS / 2)
HALF = np.float32(0.5)
ZERO = np.float32(0)
UNIT = np.float32(1)
TINY = np.float32(1e-30)
STRIP = 64  # windows that are normalised together
BAND = 24  # rows of samples that are summed up while they are in a core's cache, a multiple of CELL
CLIP = np.float32(0.2)
# Added (in squares) to the length of a window's votes: about what rounding to 8 bits causes.
FLOOR = np.float32(0.1)
# Numba promotes what is not of its own width and makes up for negative indices: these never need.
NO, NEXT, TWO, THREE = np.uintp(0), np.uintp(1), np.uintp(2), np.uintp(3)
FOUR, N_CELL, N_WINDOW = np.uintp(CELLS), np.uintp(ORIENTATIONS), np.uintp(N_NUMBERS)
FIVE, SIX, SEVEN, EIGHT = np.uintp(5), np.uintp(6), np.uintp(7), np.uintp(8)
LAST_BIN = np.int32(ORIENTATIONS - 1)
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


class Grid(NamedTuple):
    """Where the samples of a grid of windows lie in an image, and which windows they make up."""

    rows: npt.NDArray[np.uint32]  # (2, height) two rows of pixels that a row of samples is between
    down: FloatArray  # (height,) and the weight of the second
    left: npt.NDArray[np.uint32]  # (width,) the same of columns, in a row padded on both sides
    across: FloatArray  # (width,)
    native: bool  # whether samples are as far apart as pixels
    stride: int  # samples between two windows
    n_down: int  # windows
    n_across: int


def lay_grid(
    corner: tuple[float, float],
    step: float,
    stride: int,
    windows: tuple[int, int],
    shape: tuple[int, int],
) -> Grid:
    """Lay a grid of windows over images.

    Parameters
    ----------
    corner : (float, float)
        Row and column of the first window's corner; the image's corner is (0, 0), the centre of
        its first pixel (0.5, 0.5).
    step : float
        Pixels of the image between two samples, at most 1.
    stride : int
        Samples between two windows.
    windows : (int, int)
        Windows down and across.
    shape : (int, int)
        Rows and columns of the images.
    """
    (row, down), (column, across) = (
        _taps(first, step, (n - 1) * stride + WINDOW + 2 * BORDER)
        for first, n in zip(corner, windows, strict=True)
    )
    rows = np.clip(np.stack([row, row + 1]), 0, shape[0] - 1).astype(np.uint32)
    left = (column + PADDING).astype(np.uint32)
    return Grid(rows, down, left, across, step == 1, stride, *windows)


def _taps(first: float, step: float, n: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Pixels that samples lie after, from BORDER before ``first`` on; the next pixel's weight."""
    places = first + (np.arange(n) - BORDER + 0.5) * step - 0.5
    lower = np.floor(places)
    return lower.astype(np.int64), (places - lower).astype(np.float32)


def describe_grid(images: FloatArray, grid: Grid, out: FloatArray, first: int) -> None:
    """Describe a grid of windows of every image, but for :func:`normalize`.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns), float32
    grid : Grid
    out : ndarray of shape (n * windows of an image, 144), float32
        An image's windows of this grid are written from its row number ``first`` on.
    """
    _describe_grid(images, *grid, out, first)


def describe_windows(image: FloatArray, places: FloatArray, out: FloatArray) -> None:
    """Describe windows anywhere in an image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns), float32
    places : ndarray of shape (windows, 4), float64
        Row and column of the centre, side and angle of every window; see :func:`lay_grid`.
    out : ndarray of shape (windows, 144), float32
    """
    _describe_windows(image, places, out)
    normalize(out)


@njit(nogil=True, cache=True)
def _describe_grid(
    images: Any,
    rows: Any,
    down: Any,
    left: Any,
    across: Any,
    native: bool,
    stride: int,
    n_down: int,
    n_across: int,
    out: Any,
    first: int,
) -> None:
    """Resample and sum up the grid's samples a band of rows at a time; see :class:`Grid`."""
    height, width = len(down), len(left)
    side = math.gcd(MARGIN, stride)
    half = MARGIN // side
    padded = np.empty(images.shape[2] + 2 * PADDING, np.float32)
    mixed = np.empty((2, width), np.float32)
    samples = np.empty((min(BAND + 2, height), width), np.float32)
    base, bins, votes, small = _row_of_votes(width - 2, side)
    n_cells = (width - 2) // side - 4 * half + 1
    lines = np.empty(((height - 2) // side, n_cells * ORIENTATIONS), np.float32)
    cells = np.empty(n_cells * ORIENTATIONS, np.float32)
    n_patches = len(out) // len(images)
    for image in range(len(images)):
        for begin in range(0, height - 2, BAND):
            end = min(begin + BAND, height - 2)
            band = samples[: end - begin + 2]
            taps = rows[:, begin : end + 2], down[begin : end + 2], left, across
            _resample(images[image], *taps, native, padded, mixed, band)
            part = lines[begin // side : end // side]
            _sum_lines(band, side, base, bins, votes, small, part)
        begin = image * n_patches + first
        windows = out[begin : begin + n_down * n_across].reshape(-1)
        _gather(lines, half, stride // side, n_down, n_across, cells, windows)


@njit(nogil=True, cache=True)
def _describe_windows(image: Any, places: Any, out: Any) -> None:
    """Resample and sum up one window after the other."""
    width = WINDOW + 2 * MARGIN
    samples = np.empty((width + 2, width + 2), np.float32)
    base, bins, votes, small = _row_of_votes(width, MARGIN)
    cells = np.empty((width // MARGIN - 3) * ORIENTATIONS, np.float32)
    lines = np.empty((width // MARGIN, len(cells)), np.float32)
    for w in range(len(places)):
        _sample_window(image, places[w], samples)
        _sum_lines(samples, MARGIN, base, bins, votes, small, lines)
        _gather(lines, 1, 1, 1, 1, cells, out[w])


@njit(nogil=True, cache=True)
def _row_of_votes(width: int, side: int) -> Any:
    """Give what :func:`_sum_lines` needs for a row of samples: base, bins, votes and small."""
    base = np.empty(width, np.uint32)
    for u in range(width):
        base[u] = u // side * ORIENTATIONS
    bins, votes = np.empty((2, width), np.uint32), np.empty((2, width), np.float32)
    return base, bins, votes, np.zeros(width // side * ORIENTATIONS, np.float32)


def halve(images: FloatArray) -> FloatArray:
    """Mean of every 2 x 2 pixels of images; an odd last row or column counts twice."""
    n, rows, columns = images.shape
    halves = np.empty((n, (rows + 1) // 2, (columns + 1) // 2), np.float32)
    _halve(images, halves)
    return halves


@njit(nogil=True, cache=True)
def _halve(images: Any, halves: Any) -> None:
    rows, columns = images.shape[1:]
    for image in range(len(images)):
        for i in range(halves.shape[1]):
            above, below = images[image, 2 * i], images[image, min(2 * i + 1, rows - 1)]
            for j in range(halves.shape[2]):
                left, right = 2 * j, min(2 * j + 1, columns - 1)
                total = (above[left] + above[right]) + (below[left] + below[right])
                halves[image, i, j] = total * np.float32(0.25)


@njit(nogil=True, cache=True, error_model="numpy")
def _resample(
    image: Any,
    rows: Any,
    down: Any,
    left: Any,
    across: Any,
    native: bool,
    padded: Any,
    mixed: Any,
    samples: Any,
) -> None:
    """Interpolate between rows of pixels that are resampled along their columns."""
    width = np.uintp(len(left))
    row = np.int64(rows[0, 0]) - 1  # The last one that is resampled.
    for u in range(np.uintp(len(down))):
        while row < rows[1, u]:
            row += 1
            place = np.uintp(row & 1)
            for c in range(np.uintp(len(padded))):
                # Beyond the image's ends its end pixels go on.
                padded[c] = image[row, min(max(np.int64(c) - PADDING, 0), image.shape[1] - 1)]
            if native:
                first, weight = np.uintp(left[0]), across[0]
                for c in range(width):
                    pixel = padded[first + c]
                    mixed[place, c] = pixel + weight * (padded[first + c + NEXT] - pixel)
            else:
                for c in range(width):
                    pixel = padded[left[c]]
                    mixed[place, c] = pixel + across[c] * (padded[left[c] + NEXT] - pixel)
        a, b, weight = np.uintp(rows[0, u] & 1), np.uintp(rows[1, u] & 1), down[u]
        for c in range(width):
            samples[u, c] = mixed[a, c] + weight * (mixed[b, c] - mixed[a, c])


@njit(nogil=True, cache=True, error_model="numpy")
def _sample_window(image: Any, place: Any, samples: Any) -> None:
    """Interpolate between the centres of pixels; beyond them the image's edge goes on."""
    side = len(samples)
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    size, angle = place[2] / WINDOW, place[3]
    down, across = math.cos(angle) * size, math.sin(angle) * size
    for i in range(side):
        for j in range(side):
            u, v = i - (side - 1) / 2, j - (side - 1) / 2
            row = place[0] + down * u + across * v - 0.5
            column = place[1] - across * u + down * v - 0.5
            row = min(max(row, 0.0), np.float64(last_row))
            column = min(max(column, 0.0), np.float64(last_column))
            above, left = int(row), int(column)
            below, right = min(above + 1, last_row), min(left + 1, last_column)
            weight, share = np.float32(column - left), np.float32(row - above)
            upper = image[above, left] + weight * (image[above, right] - image[above, left])
            lower = image[below, left] + weight * (image[below, right] - image[below, left])
            samples[i, j] = upper + share * (lower - upper)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _sum_lines(
    samples: Any, side: int, base: Any, bins: Any, votes: Any, small: Any, lines: Any
) -> None:
    """Let all samples vote for their two nearest orientations; sum the votes up along the rows.

    Parameters
    ----------
    samples : float32 array of shape (height, width)
    side : int
        Of the small cells.
    base : uint32 array of shape (width - 2,)
        Where the bins of a sample's small cell begin.
    bins, votes : uint32 and float32 arrays of shape (2, width - 2)
        Overwritten: the two bins of a row's samples and their votes.
    small : float32 array
        The small cells of a row; zero before and after.
    lines : float32 array of shape (height // side, cells of a row * 9)
        Filled: four half cells of a row, of which small cells are parts, make up a cell.
    """
    width, n_cells = np.uintp(len(base)), np.uintp(lines.shape[1])
    shift = np.uintp(MARGIN // side * ORIENTATIONS)
    for b in range(NEXT, np.uintp(len(samples)) - NEXT):
        for u in range(width):
            # The angle, in bins, lies in [0, 9]; the centre of bin b is b + 1/2.
            across = samples[b, u + TWO] - samples[b, u]
            down = samples[b + NEXT, u + NEXT] - samples[b - NEXT, u + NEXT]
            x, y = abs(across), abs(down)
            steep = y > x
            r = (x if steep else y) / ((y if steep else x) + TINY)
            q = r * r
            angle = r * (A0 + q * (A1 + q * (A2 + q * (A3 + q * (A4 + q * (A5 + q * A6))))))
            angle = QUARTER_CIRCLE - angle if steep else angle
            angle = HALF_CIRCLE - angle if across * down < ZERO else angle
            angle += HALF
            first = np.int32(angle)
            magnitude = np.sqrt(across * across + down * down)
            share = magnitude * (angle - np.float32(first))
            votes[NEXT, u], votes[NO, u] = share, magnitude - share
            bins[NO, u] = base[u] + np.uint32(first - 1 if first > 0 else LAST_BIN)
            bins[NEXT, u] = base[u] + np.uint32(first if first <= LAST_BIN else 0)
        for u in range(width):
            small[bins[NO, u]] += votes[NO, u]
            small[bins[NEXT, u]] += votes[NEXT, u]
        if b % side == 0:
            line = b // np.uintp(side) - NEXT
            for c in range(n_cells):
                lines[line, c] = ZERO
            for o in range(NO, shift, np.uintp(ORIENTATIONS)):
                i, j, k = o + shift, o + TWO * shift, o + THREE * shift
                for c in range(n_cells):
                    outer, inner = small[o + c] + small[k + c], small[i + c] + small[j + c]
                    lines[line, c] += OUTER * outer + INNER * inner
            for c in range(np.uintp(len(small))):
                small[c] = ZERO


@njit(nogil=True, cache=True)
def _copy_cell(cells: Any, source: Any, out: Any, cell: Any) -> None:
    """Copy nine numbers; all are read before one is written, so they move as vectors."""
    (
        out[cell],
        out[cell + NEXT],
        out[cell + TWO],
        out[cell + THREE],
        out[cell + FOUR],
        out[cell + FIVE],
        out[cell + SIX],
        out[cell + SEVEN],
        out[cell + EIGHT],
    ) = (
        cells[source],
        cells[source + NEXT],
        cells[source + TWO],
        cells[source + THREE],
        cells[source + FOUR],
        cells[source + FIVE],
        cells[source + SIX],
        cells[source + SEVEN],
        cells[source + EIGHT],
    )


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _gather(
    lines: Any, half: Any, apart: Any, n_down: Any, n_across: Any, cells: Any, out: Any
) -> None:
    """Put the cells of windows together, a row of cells of a row of windows at a time.

    Parameters
    ----------
    lines : float32 array of shape (lines, numbers of a row of cells)
    half, apart : int
        Small cells of half a cell and between two windows.
    n_down, n_across : int
        Windows.
    cells : float32 array of shape (numbers of a row of cells,)
        Overwritten.
    out : float32 array of shape (numbers of the windows,)
        Filled.
    """
    width, next_cell = np.uintp(len(cells)), TWO * np.uintp(half) * N_CELL
    next_window, lines_of_half = np.uintp(apart) * N_CELL, np.uintp(half)
    for i in range(np.uintp(n_down)):
        for m in range(FOUR):
            for x in range(width):
                cells[x] = ZERO
            start = i * np.uintp(apart) + TWO * lines_of_half * m
            for a in range(start, start + lines_of_half):
                b, c, d = a + lines_of_half, a + TWO * lines_of_half, a + THREE * lines_of_half
                for x in range(width):
                    outer, inner = lines[a, x] + lines[d, x], lines[b, x] + lines[c, x]
                    cells[x] += OUTER * outer + INNER * inner
            to = i * np.uintp(n_across) * N_WINDOW + m * FOUR * N_CELL
            for j in range(np.uintp(n_across)):
                source: Any = j * next_window
                for cell in range(to, to + FOUR * N_CELL, N_CELL):
                    _copy_cell(cells, source, out, cell)
                    source += next_cell
                to += N_WINDOW


# "reassoc" lets the compiler choose the order of these sums, once and for all calls. Each pass
# goes over many rows, so that no row waits for the square root of the one before.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def normalize(rows: Any) -> None:
    """L2-Hys of every row in place: scale to unit length, clip at 0.2, scale again."""
    scale = np.empty(STRIP, np.float32)
    n = np.uintp(len(rows))
    strip, numbers = np.uintp(STRIP), np.uintp(N_NUMBERS)
    for first in range(NO, n, strip):
        last: Any = first + strip if first + strip < n else n
        for r in range(first, last):
            total = FLOOR * FLOOR
            for i in range(numbers):
                total += rows[r, i] * rows[r, i]
            scale[r - first] = total
        for r in range(last - first):
            scale[r] = UNIT / np.sqrt(scale[r])
        for r in range(first, last):
            total = ZERO
            for i in range(numbers):
                value = rows[r, i] * scale[r - first]
                clipped = value if value < CLIP else CLIP
                rows[r, i] = clipped
                total += clipped * clipped
            scale[r - first] = total
        for r in range(last - first):
            scale[r] = UNIT / np.sqrt(scale[r] if scale[r] > TINY else TINY)
        for r in range(first, last):
            for i in range(numbers):
                rows[r, i] *= scale[r - first]
