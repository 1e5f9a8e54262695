"""Steps of the patch descriptor's kernels: samples -> orientation votes -> cells -> windows.

Arrays are given as pointers to their numbers, which compile sooner.
"""

import math
from typing import Any

import numpy as np

from visualwords.compiling import multiply_add, part
from visualwords.lanes import copy, moved, pointer

from .grid import BORDER, MARGIN, N_NUMBERS, ORIENTATIONS, WINDOW

__all__ = [
    "BAND",
    "FOUR",
    "NEXT",
    "NO",
    "N_CELL",
    "N_WINDOW",
    "SAMPLES",
    "TINY",
    "TWO",
    "UNIT",
    "ZERO",
    "divided",
    "gather",
    "resample",
    "sample_window",
    "sum_lines",
]

SAMPLES = WINDOW + 2 * BORDER  # of a single window, a side
INNER = np.float32(0.75)  # weights of the half cells within a cell
OUTER = np.float32(0.25)  # and around it

HALF_CIRCLE = np.float32(ORIENTATIONS)
QUARTER_CIRCLE = np.float32(ORIENTATIONS / 2)
HALF = np.float32(0.5)
ZERO = np.float32(0)
UNIT = np.float32(1)
TINY = np.float32(1e-30)
BAND = 24  # rows of samples that are summed up while they are in a core's cache, whole cells
# Numba promotes what is not of its own width and makes up for negative indices: these never need.
NO, NEXT, TWO, THREE = np.uintp(0), np.uintp(1), np.uintp(2), np.uintp(3)
FOUR, N_CELL, N_WINDOW = np.uintp(4), np.uintp(ORIENTATIONS), np.uintp(N_NUMBERS)
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


@part
def divided(made: Any, n_rows: Any, n: Any, side: Any) -> Any:
    """Cut ``made`` up: samples, votes, small, cells and lines of the functions below.

    ``n`` is the number of samples of a row that vote. Gives the numbers of a line as well.
    """
    n_small = n // side * N_CELL
    n_cells = n_small - (FOUR * (np.uintp(MARGIN) // side) - NEXT) * N_CELL
    samples = pointer(made)
    votes = moved(samples, n_rows * (n + TWO))
    small = moved(votes, TWO * n)
    cells = moved(small, n_small)
    for c in range(n_small):
        small[c] = ZERO
    return samples, votes, small, cells, moved(cells, n_cells), n_cells


@part
def resample(image: Any, taps: Any, native: bool, begin: Any, end: Any, samples: Any) -> None:
    """Interpolate between rows of pixels that are resampled along their columns.

    Parameters
    ----------
    image : tuple
        Where the image begins, and the number of its columns.
    taps : tuple
        Rows, height, down, columns, width and across of :class:`.Grid`; ``native`` is its as well.
    begin, end : int
        The rows of samples.
    samples : float32 array
        Filled from the third row on. In the first two are the last rows of pixels, resampled, the
        rows after the samples are overwritten.
    """
    pixels, n_columns = image
    rows, height, down, columns, width, across = taps
    row = np.uintp(rows[begin])  # The first that is not resampled yet.
    to = TWO * width
    plain = np.uintp(BAND + 4) * width
    for u in range(begin, end):
        while row <= rows[height + u]:
            place, line = (row & NEXT) * width, row * n_columns
            if native:  # The next pixel is the next sample's.
                for c in range(width):
                    samples[plain + c] = pixels[line + columns[c]]
                samples[plain + width] = pixels[line + columns[TWO * width - NEXT]]
                weight = across[NO]
                for c in range(width):
                    pixel, following = samples[plain + c], samples[plain + c + NEXT]
                    samples[place + c] = pixel + weight * (following - pixel)
            else:
                for c in range(width):
                    pixel, following = pixels[line + columns[c]], pixels[line + columns[width + c]]
                    samples[place + c] = pixel + across[c] * (following - pixel)
            row += NEXT
        a, b, weight = (rows[u] & NEXT) * width, (rows[height + u] & NEXT) * width, down[u]
        for c in range(width):
            samples[to + c] = samples[a + c] + weight * (samples[b + c] - samples[a + c])
        to += width


@part
def sample_window(image: Any, place: Any, samples: Any) -> None:
    """Interpolate between the centres of pixels; beyond them the image's edge goes on.

    ``samples`` is filled from the third row on, as by :func:`resample`.
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
            samples[(i + 2) * SAMPLES + j] = upper + share * (lower - upper)


@part
def sum_lines(
    samples: Any,
    n_rows: Any,
    n: Any,
    side: Any,
    base: Any,
    bins: Any,
    votes: Any,
    small: Any,
    lines: Any,
    n_cells: Any,
) -> None:
    """Let all samples vote for their two nearest orientations; sum the votes up along the rows.

    Parameters
    ----------
    samples : float32 array
        Rows of n + 2: two of other content, then one more than vote, before and after.
    n_rows, n, side : int
        Rows that vote, samples of each that do, and samples that a small cell is wide and high.
    base : uint32 array of shape (n,)
        Where the bins of a sample's small cell begin.
    bins, votes : uint32 and float32 arrays of shape (2 * n,)
        Overwritten: the bin below of a row's samples, then that above, and their votes.
    small : float32 array
        The small cells of a row; zero before and after.
    lines : float32 array
        Filled with lines of ``n_cells`` numbers: four half cells of a row, of which small cells are
        parts, make up a cell.
    """
    width, shift, n_small = n + TWO, np.uintp(MARGIN) // side * N_CELL, n // side * N_CELL
    row, line = THREE * width, NO
    for b in range(n_rows):
        for u in range(n):
            # The angle, in bins, lies in [0, 9]; the centre of bin b is b + 1/2.
            left, above = row + u, row - width + u + NEXT
            across = samples[left + TWO] - samples[left]
            down = samples[above + TWO * width] - samples[above]
            x, y = abs(across), abs(down)
            steep = y > x
            r = (x if steep else y) / ((y if steep else x) + TINY)
            q = r * r
            angle = multiply_add(q, multiply_add(q, multiply_add(q, A6, A5), A4), A3)
            angle = r * multiply_add(q, multiply_add(q, multiply_add(q, angle, A2), A1), A0)
            angle = QUARTER_CIRCLE - angle if steep else angle
            angle = HALF_CIRCLE - angle if across * down < ZERO else angle
            angle += HALF
            first = np.int32(angle)
            magnitude = np.sqrt(multiply_add(across, across, down * down))
            share = magnitude * (angle - np.float32(first))
            votes[n + u], votes[u] = share, magnitude - share
            bins[u] = base[u] + np.uint32(first - 1 if first > 0 else LAST_BIN)
            bins[n + u] = base[u] + np.uint32(first if first <= LAST_BIN else 0)
        row += width
        for u in range(n):
            small[bins[u]] += votes[u]
            small[bins[n + u]] += votes[n + u]
        if (b + NEXT) % side == 0:
            for c in range(n_cells):
                lines[line + c] = ZERO
            for o in range(NO, shift, N_CELL):
                i, j, k = o + shift, o + TWO * shift, o + THREE * shift
                for c in range(n_cells):
                    outer, inner = small[o + c] + small[k + c], small[i + c] + small[j + c]
                    lines[line + c] += multiply_add(OUTER, outer, INNER * inner)
            for c in range(n_small):
                small[c] = ZERO
            line += n_cells


@part
def gather(lines: Any, half: Any, windows: Any, cells: Any, width: Any, out: Any) -> None:
    """Put the cells of windows together, a row of cells of a row of windows at a time.

    Parameters
    ----------
    lines : float32 array
        Of :func:`sum_lines`.
    half : int
        Small cells of half a cell.
    windows : (int, int, int)
        Small cells between two windows, windows down and across.
    cells : float32 array of shape (width,)
        Overwritten: numbers of a row of cells, as many as of a line.
    out : float32 array
        Filled with the numbers of the windows.
    """
    apart, n_down, n_across = windows
    full, step = TWO * half, half * width
    for i in range(n_down * FOUR):
        for x in range(width):
            cells[x] = ZERO
        a = (i // FOUR * apart + i % FOUR * full) * width
        for _ in range(half):
            b, c, d = a + step, a + TWO * step, a + THREE * step
            for x in range(width):
                outer, inner = lines[a + x] + lines[d + x], lines[b + x] + lines[c + x]
                cells[x] += multiply_add(OUTER, outer, INNER * inner)
            a += width
        to = (i // FOUR * n_across * FOUR + i % FOUR) * FOUR * N_CELL
        for j in range(n_across * FOUR):
            source = (j // FOUR * apart + j % FOUR * full) * N_CELL
            cell = to + j // FOUR * N_WINDOW + j % FOUR * N_CELL
            copy(cells, source, out, cell, ORIENTATIONS)
