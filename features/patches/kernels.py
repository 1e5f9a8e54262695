"""Kernels of the patch descriptor: resampled rows -> orientation votes -> cells -> 144 numbers.

Dense grids and single windows run through the same steps, so that a patch has one descriptor,
however it was found. A call from Python takes as long as many a kernel does for a small image, so
one call describes a grid.
"""

from typing import Any

import numpy as np

from visualwords.compiling import kernel, local
from visualwords.features.image import FloatArray
from visualwords.lanes import moved, pointer

from .grid import MARGIN, N_NUMBERS, ORIENTATIONS, Grid, IndexArray, lay_bases
from .steps import (
    BAND,
    N_WINDOW,
    NEXT,
    NO,
    SAMPLES,
    TINY,
    TWO,
    UNIT,
    ZERO,
    divided,
    gather,
    resample,
    sample_window,
    sum_lines,
)

__all__ = ["describe_grid", "describe_windows", "halve", "normalize"]

FLOAT32, UINT32 = np.dtype(np.float32), np.dtype(np.uint32)
ROWS = BAND + 6  # of samples and what they are made from
STRIP = 64  # windows that are normalised together
CLIP = np.float32(0.2)
# Added (in squares) to the length of a window's votes: about what rounding to 8 bits causes.
FLOOR = np.float32(0.1)
BASE = lay_bases(SAMPLES - 2, MARGIN)


def describe_grid(images: FloatArray, grid: Grid, out: FloatArray, first: int) -> None:
    """Describe a grid of windows of every image, but for :func:`normalize`.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns), float32, C-contiguous
    grid : Grid
    out : ndarray of shape (n * windows of an image, 144), float32, C-contiguous
        An image's windows of this grid are written from its row number ``first`` on.
    """
    made = _room(ROWS, len(grid.down), len(grid.across), grid.side)
    _describe_grid(images, *grid, *made, out, first)


def describe_windows(image: FloatArray, places: FloatArray, out: FloatArray) -> None:
    """Describe windows anywhere in an image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns), float32
    places : ndarray of shape (windows, 4), float64
        Row and column of the centre, side and angle of every window; see :func:`.lay_grid`.
    out : ndarray of shape (windows, 144), float32, C-contiguous
    """
    made = _room(SAMPLES + 2, SAMPLES, SAMPLES, MARGIN)
    _describe_windows(image, places, BASE, *made, out)
    normalize(out)


def _room(n_rows: int, height: int, width: int, side: int) -> tuple[FloatArray, IndexArray]:
    """Make room for what comes before the descriptors, which :func:`divided` cuts up, and bins.

    Arrays made in Python cost no compilation, and one array costs a call less than five.
    """
    n = width - 2
    n_small = n // side * ORIENTATIONS
    n_cells = n_small - (4 * MARGIN // side - 1) * ORIENTATIONS
    size = n_rows * width + 2 * n + n_small + n_cells + (height - 2) // side * n_cells
    return np.empty(size, FLOAT32), np.empty(2 * n, UINT32)


@kernel
def _describe_grid(
    images: Any,
    rows: Any,
    down: Any,
    columns: Any,
    across: Any,
    base: Any,
    native: bool,
    side: int,
    apart: int,
    n_down: int,
    n_across: int,
    made: Any,
    bins: Any,
    out: Any,
    first: int,
) -> None:
    """Resample and sum up the grid's samples a band of rows at a time; see :class:`.Grid`."""
    size, n_columns = np.uintp(images.shape[1] * images.shape[2]), np.uintp(images.shape[2])
    height, width, n_images = np.uintp(len(down)), np.uintp(len(across)), np.uintp(len(images))
    n, s, band = width - TWO, np.uintp(side), np.uintp(BAND)
    samples, votes, small, cells, lines, n_cells = divided(made, np.uintp(ROWS), n, s)
    taps = (pointer(rows), height, pointer(down), pointer(columns), width, pointer(across))
    windows = (np.uintp(apart), np.uintp(n_down), np.uintp(n_across))
    bases, numbers = pointer(base), pointer(bins)
    for k in range(n_images):
        image = (moved(pointer(images), k * size), n_columns)
        line = lines
        for begin in range(NO, height - TWO, band):
            end = begin + band if begin + band < height - TWO else height - TWO
            resample(image, taps, native, begin, end + TWO, samples)
            sum_lines(samples, end - begin, n, s, bases, numbers, votes, small, line, n_cells)
            line = moved(line, band // s * n_cells)
        row = np.uintp(first) + k * (np.uintp(len(out)) // n_images)
        to = moved(pointer(out), row * N_WINDOW)
        gather(lines, np.uintp(MARGIN) // s, windows, cells, n_cells, to)


@kernel
def _describe_windows(image: Any, places: Any, base: Any, made: Any, bins: Any, out: Any) -> None:
    """Resample and sum up one window after the other."""
    n, side, rows = np.uintp(SAMPLES - 2), np.uintp(MARGIN), np.uintp(SAMPLES + 2)
    samples, votes, small, cells, lines, n_cells = divided(made, rows, n, side)
    bases, numbers = pointer(base), pointer(bins)
    for w in range(np.uintp(len(places))):
        sample_window(image, places[w], samples)
        sum_lines(samples, n, n, side, bases, numbers, votes, small, lines, n_cells)
        to = moved(pointer(out), w * N_WINDOW)
        gather(lines, NEXT, (NEXT, NEXT, NEXT), cells, n_cells, to)


def halve(images: FloatArray) -> FloatArray:
    """Mean of every 2 x 2 pixels of images; an odd last row or column counts twice."""
    n, rows, columns = images.shape
    halves = np.empty((n, (rows + 1) // 2, (columns + 1) // 2), np.float32)
    _halve(images, halves)
    return halves


@kernel
def _halve(images: Any, halves: Any) -> None:
    rows, columns = images.shape[1:]
    for image in range(len(images)):
        for i in range(halves.shape[1]):
            above, below = images[image, 2 * i], images[image, min(2 * i + 1, rows - 1)]
            for j in range(halves.shape[2]):
                left, right = 2 * j, min(2 * j + 1, columns - 1)
                total = (above[left] + above[right]) + (below[left] + below[right])
                halves[image, i, j] = total * np.float32(0.25)


# "reassoc" lets the compiler choose the order of these sums, once and for all calls. Each pass
# goes over many rows, so that no row waits for the square root of the one before.
@kernel(fastmath={"reassoc"})
def normalize(rows: Any) -> None:
    """L2-Hys of every row in place: scale to unit length, clip at 0.2, scale again."""
    scale = local(STRIP, np.float32)
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
