"""Kernels of the patch descriptor: resampled rows -> orientation votes -> cells -> 144 numbers.

Dense grids and single windows run through the same kernels, so that a patch has one descriptor,
however it was found. No kernel calls another one: what is called is compiled and optimised twice.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from visualwords.threads import row_blocks

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
WINDOWS_AT_A_TIME = 32
CLIP = np.float32(0.2)
# Added (in squares) to the length of a window's votes: about what rounding to 8 bits causes.
FLOOR = np.float32(0.1)
# Numba promotes what is not of its own width and makes up for negative indices: these never need.
NO, NEXT, TWO, THREE = np.uintp(0), np.uintp(1), np.uintp(2), np.uintp(3)
FOUR, N_CELL, N_WINDOW = np.uintp(CELLS), np.uintp(ORIENTATIONS), np.uintp(N_NUMBERS)
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

    above: npt.NDArray[np.uint32]  # (height,) two rows of pixels that a row of samples ...
    below: npt.NDArray[np.uint32]  # (height,) ... lies between ...
    down: FloatArray  # (height,) ... and the weight of the second
    left: npt.NDArray[np.uint32]  # (width,) the same of columns, in a row padded on both sides
    across: FloatArray  # (width,)
    native: bool  # whether samples are as far apart as pixels
    layout: "Layout"


class Layout(NamedTuple):
    """How windows on a grid of samples are put together of small cells."""

    side: int  # of the small cells: the greatest on which all cells can be put together
    base: npt.NDArray[np.uint32]  # (width - 2,) where the bins of a sample's small cell begin
    n_small: int  # numbers of a row of small cells
    lines: tuple[int, int]  # rows of small cells, numbers of a row of cells
    # For every row of cells of every row of windows: its first line, its place in a descriptor of
    # the first window.
    starts: npt.NDArray[np.uintp]
    places: npt.NDArray[np.uintp]
    half: np.uintp  # lines of half a cell
    apart: np.uintp  # numbers of a row of cells between two windows
    n_across: np.uintp  # windows


def lay_windows(n_down: int, n_across: int, stride: int) -> Layout:
    """Lay out windows, ``stride`` samples apart."""
    side = math.gcd(MARGIN, stride)
    half, apart = MARGIN // side, stride // side
    height, width = ((n - 1) * stride + WINDOW + 2 * MARGIN for n in (n_down, n_across))
    i, m = np.ogrid[:n_down, :CELLS]
    return Layout(
        side,
        np.arange(width, dtype=np.uint32) // np.uint32(side) * np.uint32(ORIENTATIONS),
        width // side * ORIENTATIONS,
        (height // side, (width // side - 4 * half + 1) * ORIENTATIONS),
        (i * apart + 2 * half * m).reshape(-1).astype(np.uintp),
        (i * n_across * N_NUMBERS + m * CELLS * ORIENTATIONS).reshape(-1).astype(np.uintp),
        np.uintp(half),
        np.uintp(apart * ORIENTATIONS),
        np.uintp(n_across),
    )


ONE_WINDOW = lay_windows(1, 1, WINDOW)


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
    return Grid(
        np.clip(row, 0, shape[0] - 1).astype(np.uint32),
        np.clip(row + 1, 0, shape[0] - 1).astype(np.uint32),
        down,
        (column + PADDING).astype(np.uint32),
        across,
        step == 1,
        lay_windows(*windows, stride),
    )


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
    height, width = len(grid.down), len(grid.across)
    padded = np.empty(images.shape[2] + 2 * PADDING, np.float32)
    mixed = np.empty((2, width), np.float32)
    samples = np.empty((len(images), height, width), np.float32)
    _resample(images, *grid[:6], padded, mixed, samples)
    _describe_samples(samples, grid.layout, out, first)


def describe_windows(image: FloatArray, places: FloatArray, out: FloatArray) -> None:
    """Describe windows anywhere in an image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns), float32
    places : ndarray of shape (windows, 4), float64
        Row and column of the centre, side and angle of every window; see :func:`lay_grid`.
    out : ndarray of shape (windows, 144), float32
    """
    side = WINDOW + 2 * BORDER
    for block in row_blocks(len(out), WINDOWS_AT_A_TIME):
        samples = np.empty((block.stop - block.start, side, side), np.float32)
        _sample_windows(image, places[block], samples)
        _describe_samples(samples, ONE_WINDOW, out[block], 0)
    normalize(out)


def _describe_samples(samples: FloatArray, layout: Layout, out: FloatArray, first: int) -> None:
    """Sum up the cells of windows of images that are resampled; see :func:`describe_grid`."""
    width = len(layout.base)
    lines = np.empty((len(samples), *layout.lines), np.float32)
    _sum_lines(
        samples,
        layout.side,
        layout.base,
        np.empty((2, width), np.uint32),
        np.empty((2, width), np.float32),
        np.zeros(layout.n_small, np.float32),
        lines,
    )
    cells = np.empty(lines.shape[2], np.float32)
    _gather(lines, *layout[4:], cells, out.reshape(len(samples), -1), np.uintp(first * N_NUMBERS))


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
    images: Any,
    above: Any,
    below: Any,
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
    for image in range(np.uintp(len(images))):
        row = np.int64(above[0]) - 1  # The last one that is resampled.
        for u in range(np.uintp(len(down))):
            while row < below[u]:
                row += 1
                place = np.uintp(row & 1)
                for c in range(np.uintp(len(padded))):
                    # Beyond the image's ends its end pixels go on.
                    column = min(max(np.int64(c) - PADDING, 0), images.shape[2] - 1)
                    padded[c] = images[image, row, column]
                if native:
                    first, weight = np.uintp(left[0]), across[0]
                    for c in range(width):
                        pixel = padded[first + c]
                        mixed[place, c] = pixel + weight * (padded[first + c + NEXT] - pixel)
                else:
                    for c in range(width):
                        pixel = padded[left[c]]
                        mixed[place, c] = pixel + across[c] * (padded[left[c] + NEXT] - pixel)
            a, b, weight = np.uintp(above[u] & 1), np.uintp(below[u] & 1), down[u]
            for c in range(width):
                samples[image, u, c] = mixed[a, c] + weight * (mixed[b, c] - mixed[a, c])


@njit(nogil=True, cache=True, error_model="numpy")
def _sample_windows(image: Any, places: Any, samples: Any) -> None:
    """Interpolate between the centres of pixels; beyond them the image's edge goes on."""
    side = samples.shape[1]
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    for w in range(len(places)):
        size, angle = places[w, 2] / WINDOW, places[w, 3]
        down, across = math.cos(angle) * size, math.sin(angle) * size
        for i in range(side):
            for j in range(side):
                u, v = i - (side - 1) / 2, j - (side - 1) / 2
                row = places[w, 0] + down * u + across * v - 0.5
                column = places[w, 1] - across * u + down * v - 0.5
                row = min(max(row, 0.0), np.float64(last_row))
                column = min(max(column, 0.0), np.float64(last_column))
                above, left = int(row), int(column)
                below, right = min(above + 1, last_row), min(left + 1, last_column)
                weight, share = np.float32(column - left), np.float32(row - above)
                upper = image[above, left] + weight * (image[above, right] - image[above, left])
                lower = image[below, left] + weight * (image[below, right] - image[below, left])
                samples[w, i, j] = upper + share * (lower - upper)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _sum_lines(
    samples: Any, side: int, base: Any, bins: Any, votes: Any, small: Any, lines: Any
) -> None:
    """Let all samples vote for their two nearest orientations; sum the votes up along the rows.

    Parameters
    ----------
    samples : float32 array of shape (n, height, width)
    side : int
        Of the small cells.
    base : uint32 array of shape (width - 2,)
        Where the bins of a sample's small cell begin.
    bins, votes : uint32 and float32 arrays of shape (2, width - 2)
        Overwritten: the two bins of a row's samples and their votes.
    small : float32 array
        The small cells of a row; zero before and after.
    lines : float32 array of shape (n, height // side, cells of a row * 9)
        Filled: four half cells of a row, of which small cells are parts, make up a cell.
    """
    width, n_cells = np.uintp(len(base)), np.uintp(lines.shape[2])
    shift = np.uintp(MARGIN // side * ORIENTATIONS)
    for image in range(np.uintp(len(samples))):
        for b in range(NEXT, np.uintp(samples.shape[1]) - NEXT):
            for u in range(width):
                # The angle, in bins, lies in [0, 9]; the centre of bin b is b + 1/2.
                across = samples[image, b, u + TWO] - samples[image, b, u]
                down = samples[image, b + NEXT, u + NEXT] - samples[image, b - NEXT, u + NEXT]
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
                    lines[image, line, c] = ZERO
                for o in range(NO, shift, np.uintp(ORIENTATIONS)):
                    i, j, k = o + shift, o + TWO * shift, o + THREE * shift
                    for c in range(n_cells):
                        outer, inner = small[o + c] + small[k + c], small[i + c] + small[j + c]
                        lines[image, line, c] += OUTER * outer + INNER * inner
                for c in range(np.uintp(len(small))):
                    small[c] = ZERO


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _gather(
    lines: Any,
    starts: Any,
    places: Any,
    half: int,
    apart: int,
    n_across: int,
    cells: Any,
    out: Any,
    first: int,
) -> None:
    """Put the cells of windows together, a row of cells of a row of windows at a time.

    Parameters
    ----------
    lines : float32 array of shape (n, lines, numbers of a row of cells)
    starts, places, half, apart, n_across
        See :class:`Layout`.
    cells : float32 array of shape (numbers of a row of cells,)
        Overwritten.
    out : float32 array of shape (n, numbers of an image)
    first : uintp
        Where the descriptors of these windows begin among the numbers of an image.
    """
    width, next_cell = np.uintp(len(cells)), TWO * half * N_CELL
    for image in range(np.uintp(len(lines))):
        for s in range(np.uintp(len(starts))):
            for x in range(width):
                cells[x] = ZERO
            for a in range(starts[s], starts[s] + half):
                b, c, d = a + half, a + TWO * half, a + THREE * half
                for x in range(width):
                    outer = lines[image, a, x] + lines[image, d, x]
                    inner = lines[image, b, x] + lines[image, c, x]
                    cells[x] += OUTER * outer + INNER * inner
            to = first + places[s]
            for j in range(n_across):
                source: Any = j * apart
                for cell in range(to, to + FOUR * N_CELL, N_CELL):
                    for b in range(N_CELL):
                        out[image, cell + b] = cells[source + b]
                    source += next_cell
                to += N_WINDOW


def normalize(rows: FloatArray) -> None:
    """L2-Hys of every row in place: scale to unit length, clip at 0.2, scale again."""
    _normalize(rows, np.empty(STRIP, np.float32))


# "reassoc" lets the compiler choose the order of these sums, once and for all calls. Each pass
# goes over many rows, so that no row waits for the square root of the one before.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def _normalize(rows: Any, scale: Any) -> None:
    n = np.uintp(len(rows))
    strip, numbers = np.uintp(len(scale)), np.uintp(N_NUMBERS)
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
