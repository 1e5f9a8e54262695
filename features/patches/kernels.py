"""Kernels of the patch descriptor: samples -> votes -> small cells -> cells -> 144 numbers.

Dense grids and single windows run through the same steps, so that a patch has one descriptor,
however it was found. Votes and the norm are those of HOG.
"""

import math

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, inner, kernel
from visualwords.features.gradients import (
    ARCTANGENT,
    add_votes,
    multiply_and_clip,
    row_votes,
    sum_of_squares,
)
from visualwords.features.image import FloatArray

from .grid import BORDER, CELLS, MARGIN, N_NUMBERS, ORIENTATIONS, WINDOW, Grid, IndexArray

__all__ = ["describe_grid", "describe_windows", "halve", "normalize"]

SAMPLES = WINDOW + 2 * BORDER  # of a single window, a side
# Added (in squares) to the length of a window's votes: about what rounding to 8 bits causes.
FLOOR = np.float32(0.1)
TINY = np.float32(1e-30)
ZERO, ONE = np.float32(0), np.float32(1)
# Weights of the half cells in a cell, and of those around it.
INNER, OUTER = np.float32(0.75), np.float32(0.25)
COEFFICIENTS = (np.array(ARCTANGENT) * ORIENTATIONS / np.pi).astype(np.float32)


def describe_grid(images: FloatArray, grid: Grid, out: FloatArray, first: int) -> None:
    """Describe a grid of windows of every image, but for :func:`normalize`.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns), float32, C-contiguous
    grid : Grid
    out : ndarray of shape (n * windows of an image, 144), float32, C-contiguous
        An image's windows of this grid are written from its row number ``first`` on.
    """
    of_images = out.reshape(len(images), -1, N_NUMBERS)
    _describe_grid(images, *grid, COEFFICIENTS, first, of_images)


def describe_windows(image: FloatArray, places: npt.NDArray[np.float64], out: FloatArray) -> None:
    """Describe windows anywhere in an image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns), float32
    places : ndarray of shape (windows, 4), float64
        Row and column of the centre, side and angle of every window; see :func:`.lay_grid`.
    out : ndarray of shape (windows, 144), float32, C-contiguous
    """
    _describe_windows(image, places, COEFFICIENTS, out)
    normalize(out)


@kernel
def _describe_grid(
    images: FloatArray,
    rows: IndexArray,
    down: FloatArray,
    columns: IndexArray,
    across: FloatArray,
    side: int,
    apart: int,
    n_down: int,
    n_across: int,
    arctangent: FloatArray,
    first: int,
    out: FloatArray,
) -> None:
    """Describe the windows of a :class:`.Grid` in each image: ``out[k, first:]``."""
    height, width = len(down), len(across)
    wide = np.empty((images.shape[1], width), np.float32)
    samples = np.empty((height, width), np.float32)
    for k in range(len(images)):
        resample(images[k], rows, down, columns, across, wide, samples)
        sum_windows(samples, arctangent, side, apart, n_down, n_across, out[k, first:])


@kernel
def _describe_windows(
    image: FloatArray, places: npt.NDArray[np.float64], arctangent: FloatArray, out: FloatArray
) -> None:
    """Describe one window after the other."""
    samples = np.empty((SAMPLES, SAMPLES), np.float32)
    side, one = np.int64(MARGIN), np.int64(1)  # Literals would have sum_windows compiled again.
    for k in range(len(places)):
        sample_window(image, places[k], samples)
        sum_windows(samples, arctangent, side, one, one, one, out[k : k + 1])


@inlined
def resample(
    image: FloatArray,
    rows: IndexArray,
    down: FloatArray,
    columns: IndexArray,
    across: FloatArray,
    wide: FloatArray,
    samples: FloatArray,
) -> None:
    """Interpolate an image bilinearly at the rows and columns of a :class:`.Grid`.

    Sample (i, j) lies between the pixels ``rows[0, i], rows[1, i]`` and ``columns[0, j],
    columns[1, j]``; ``down[i]`` and ``across[j]`` are the weights of the second ones. ``wide``, of
    shape (rows of the image, columns of samples), is room for rows interpolated along columns.
    """
    for r in range(len(wide)):
        pixels, row = image[r], wide[r]
        for j in range(len(across)):
            left, right = pixels[columns[0, j]], pixels[columns[1, j]]
            row[j] = left + across[j] * (right - left)
    for i in range(len(down)):
        above, below, row, weight = wide[rows[0, i]], wide[rows[1, i]], samples[i], down[i]
        for j in range(len(across)):
            row[j] = above[j] + weight * (below[j] - above[j])


@inlined
def sample_window(image: FloatArray, place: npt.NDArray[np.float64], samples: FloatArray) -> None:
    """Interpolate an image bilinearly at the samples of a turned window.

    Beyond the centres of its outermost pixels the image's edge goes on.
    """
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    size, angle = place[2] / WINDOW, place[3]
    down, across = math.cos(angle) * size, math.sin(angle) * size
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            u, v = i - (SAMPLES - 1) / 2, j - (SAMPLES - 1) / 2
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


@inner
def sum_windows(
    samples: FloatArray,
    arctangent: FloatArray,
    side: int,
    apart: int,
    n_down: int,
    n_across: int,
    out: FloatArray,
) -> None:
    """Let samples vote, and write the cells of the windows that they make up.

    Parameters
    ----------
    samples : ndarray of shape (rows, columns), float32
        With one sample around those that vote.
    arctangent
        Of :func:`visualwords.features.gradients.row_votes`.
    side : int
        Samples that a small cell is wide and high; a half cell has ``MARGIN``.
    apart : int
        Small cells from one window to the next.
    n_down, n_across : int
        Windows.
    out : ndarray of shape (windows, 144), float32
    """
    rows, columns = samples.shape[0] - 2, samples.shape[1] - 2
    half = MARGIN // side  # small cells of a half cell
    n_lines, n_small = rows // side, columns // side
    small = np.empty(n_small * ORIENTATIONS, np.float32)
    lines = np.empty((n_lines, (n_small - 4 * half + 1) * ORIENTATIONS), np.float32)
    gradients = np.empty((2, columns), np.float32)
    places, votes = np.empty((2, columns), np.uint32), np.empty((2, columns), np.float32)
    starts = np.empty(columns, np.uint32)
    for x in range(columns):
        starts[x] = x // side * ORIENTATIONS
    bins, signed = np.int64(ORIENTATIONS), np.int64(0)  # no literals, as HOG has none either
    for i in range(n_lines):
        small[:] = ZERO
        for y in range(i * side, (i + 1) * side):
            above, here, below = samples[y], samples[y + 1], samples[y + 2]
            for x in range(columns):
                gradients[0, x] = here[x + 2] - here[x]
                gradients[1, x] = below[x + 1] - above[x + 1]
            row_votes(gradients, bins, signed, arctangent, starts, places, votes)
            add_votes(places, votes, small)
        sum_halves(small, bins, half, lines[i])
    write_windows(lines, half, apart, n_down, n_across, out)


@inlined
def sum_halves(numbers: FloatArray, shift: int, half: int, out: FloatArray) -> None:
    """Sum four half cells, of ``half`` small cells each, weighted by 1/4, 3/4, 3/4 and 1/4.

    ``numbers`` are those of small cells, ``shift`` numbers from one to the next; ``out[i]`` is the
    sum for the half cells that begin at ``numbers[i]``.
    """
    step = half * shift
    out[:] = ZERO
    for k in range(half):
        first = numbers[k * shift :]
        second, third, fourth = first[step:], first[2 * step :], first[3 * step :]
        for i in range(len(out)):
            out[i] += OUTER * (first[i] + fourth[i]) + INNER * (second[i] + third[i])


@inlined
def write_windows(
    lines: FloatArray, half: int, apart: int, n_down: int, n_across: int, out: FloatArray
) -> None:
    """Sum lines of small cells to rows of cells, and copy these to the windows.

    Parameters
    ----------
    lines : ndarray of shape (small cells down, numbers), float32
        For each small cell the 9 numbers of the cell that begins there.
    half, apart, n_down, n_across, out
        Of :func:`sum_windows`.
    """
    width = lines.shape[1]
    cells = np.empty(width, np.float32)
    for i in range(n_down):
        for r in range(CELLS):
            line = i * apart + r * 2 * half
            sum_halves(lines[line : line + 4 * half].reshape(4 * half * width), width, half, cells)
            for j in range(n_across):
                window = out[i * n_across + j]
                for c in range(CELLS):
                    source = cells[(j * apart + c * 2 * half) * ORIENTATIONS :]
                    numbers = window[(r * CELLS + c) * ORIENTATIONS :]
                    for b in range(ORIENTATIONS):
                        numbers[b] = source[b]


def halve(images: FloatArray) -> FloatArray:
    """Return the means of every 2 x 2 pixels; an odd last row or column counts twice."""
    n, rows, columns = images.shape
    halves = np.empty((n, (rows + 1) // 2, (columns + 1) // 2), np.float32)
    _halve(images, halves)
    return halves


@kernel
def _halve(images: FloatArray, halves: FloatArray) -> None:
    rows, columns = images.shape[1:]
    for image in range(len(images)):
        for i in range(halves.shape[1]):
            above, below = images[image, 2 * i], images[image, min(2 * i + 1, rows - 1)]
            for j in range(halves.shape[2]):
                left, right = 2 * j, min(2 * j + 1, columns - 1)
                total = (above[left] + above[right]) + (below[left] + below[right])
                halves[image, i, j] = total * np.float32(0.25)


@kernel
def normalize(windows: FloatArray) -> None:
    """Normalise every row v by L2-Hys, in place.

    It becomes ``v / sqrt(sum(v**2) + 0.1**2)``, is clipped at 0.2 and divided by its length.
    """
    for k in range(len(windows)):
        factor = ONE / np.sqrt(sum_of_squares(windows, k) + FLOOR * FLOOR)
        factor = ONE / np.sqrt(multiply_and_clip(windows, k, factor) + TINY)
        for i in range(windows.shape[1]):
            windows[k, i] *= factor
