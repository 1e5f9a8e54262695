"""Kernels of the histograms of hue: many pixels at a time, in stages that stay in the cache.

The first two stages have no branches, so that they run on vectors. 8-bit images are computed in
float32, which is exact there: numerators and denominators are whole numbers below 2**24, their
quotient is rounded correctly, and one that is not whole is further from the next whole number than
the rounding moves it (up to MOST bins). Floating-point images are computed in float64.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["MOST", "describe"]

MOST = 4096  # Bins of an axis.
CHUNK = 1024  # Pixels of one stage; the buffers between the stages stay in the first cache.
LANES = 4  # Copies of the counts, so that pixels of one bin in a row need not wait for each other.

# What ``plan`` and ``numbers`` hold.
BINS, SATURATIONS, VALUES, WEIGHT, SOFT, ACHROMATIC, NORM = range(7)
TOLERANCE, UNIT = 7, 8

UNWEIGHTED, CHROMA, SATURATION = range(3)
PIXELS, NONE, L1, L2 = range(4)


@njit(nogil=True, cache=True, error_model="numpy")
def _locate(
    pixels: Any, n_bins: Any, tolerance: Any, places: Any, chromas: Any, largest: Any
) -> None:
    """Write each pixel's place on the circle in bins, its chroma and its largest channel.

    A pixel without a hue has chroma 0 and the place ``n_bins``.
    """
    zero = tolerance - tolerance
    six = zero + np.float32(6)
    for i in range(len(places)):
        red = pixels[3 * i] + zero
        green = pixels[3 * i + 1] + zero
        blue = pixels[3 * i + 2] + zero
        top = green if green > blue else blue
        top = red if red > top else top
        least = green if green < blue else blue
        least = red if red < least else least
        chroma = top - least
        slack = tolerance * (top if top > -least else -least)
        sixths = red - green + (chroma + chroma) + (chroma + chroma)
        sixths = blue - red + (chroma + chroma) if top == green else sixths
        sixths = green - blue if top == red else sixths
        circle = six * chroma
        sixths = sixths + slack
        sixths = sixths + circle if sixths < zero else sixths
        sixths = sixths - circle if sixths >= circle else sixths
        gray = chroma <= slack
        place = sixths * n_bins / circle
        places[i] = n_bins if gray else place
        chromas[i] = zero if gray else chroma
        largest[i] = top


@njit(nogil=True, cache=True, error_model="numpy")
def _number(
    places: Any, chromas: Any, largest: Any, plan: Any, numbers: Any, inner: Any, cells: Any
) -> None:
    """Write each pixel's cell of saturation and value, and its cell of all three."""
    n_inner = np.int32(plan[SATURATIONS] * plan[VALUES])
    if n_inner == 1:
        for i in range(len(places)):
            cells[i] = np.int32(places[i])
        return
    n_values = np.int32(plan[VALUES])
    saturations, values = numbers[SATURATIONS], numbers[VALUES]
    one = saturations / saturations
    for i in range(len(places)):
        slack = numbers[TOLERANCE] * largest[i]
        saturation = (chromas[i] + slack) * saturations / largest[i]
        value = (largest[i] + slack) * values / numbers[UNIT]
        saturation = saturation if saturation < saturations else saturations - one
        value = value if value < values else values - one
        inner[i] = np.int32(saturation) * n_values + np.int32(value)
        cells[i] = np.int32(places[i]) * n_inner + inner[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _count(cells: Any, counts: Any) -> None:
    """Count the cells in LANES copies."""
    rest = len(cells) % LANES
    for i in range(0, len(cells) - rest, LANES):
        counts[0, cells[i]] += 1
        counts[1, cells[i + 1]] += 1
        counts[2, cells[i + 2]] += 1
        counts[3, cells[i + 3]] += 1
    for i in range(len(cells) - rest, len(cells)):
        counts[0, cells[i]] += 1


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh(
    places: Any, chromas: Any, largest: Any, plan: Any, inner: Any, cells: Any, votes: Any
) -> None:
    """Add the votes of pixels that have weights or share their votes between two bins."""
    n_inner = plan[SATURATIONS] * plan[VALUES]
    for i in range(len(places)):
        chroma = np.float64(chromas[i])
        if chroma == 0:
            continue
        weight = 1.0
        if plan[WEIGHT] != UNWEIGHTED:
            weight = chroma if plan[WEIGHT] == CHROMA else chroma / largest[i]
        if plan[SOFT] == 0:
            votes[cells[i]] += weight
            continue
        place = places[i] - 0.5
        low = np.int64(np.floor(place))
        high = low + 1 if low + 1 < plan[BINS] else 0
        share = weight * (place - low)
        low = low if low >= 0 else plan[BINS] - 1
        votes[low * n_inner + inner[i]] += weight - share
        votes[high * n_inner + inner[i]] += share


@njit(nogil=True, cache=True, error_model="numpy")
def _normalize(votes: Any, pixels: int, plan: Any, unit: float, out: Any) -> None:
    """Write the votes, what they lack to one a pixel where that is wanted, and the norm's share."""
    total = 0.0
    squares = 0.0
    n_cells = plan[BINS] * plan[SATURATIONS] * plan[VALUES]
    for cell in range(n_cells):
        if plan[WEIGHT] == CHROMA:
            votes[cell] /= unit
        total += votes[cell]
        squares += votes[cell] ** 2
    votes[n_cells] = max(0.0, pixels - total)
    if plan[ACHROMATIC]:
        total += votes[n_cells]
        squares += votes[n_cells] ** 2
    norms = (np.float64(pixels), 1.0, total, np.sqrt(squares))
    norm = norms[plan[NORM]]
    for cell in range(len(out)):
        out[cell] = votes[cell] / norm if norm > 0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def describe(stack: Any, plan: Any, numbers: Any, out: Any) -> None:
    """Write the histograms of a stack (n, rows, columns, channels) to the rows of ``out``.

    Parameters
    ----------
    stack : C-contiguous, uint8 or float32
    plan : ndarray of shape (7,), int64
        BINS, SATURATIONS and VALUES, and the codes of the other parameters.
    numbers : ndarray of shape (9,), float32 for uint8 and float64 for float32
        The same, TOLERANCE (relative to the largest channel) and UNIT (a channel's full value).
    out : ndarray of shape (n, numbers of an image), float32
    """
    n, rows, columns, channels = stack.shape
    size = rows * columns
    buffers = np.empty((3, CHUNK), numbers.dtype)
    numbered = np.zeros((2, CHUNK), np.int32)
    n_inner = plan[SATURATIONS] * plan[VALUES]
    n_cells = plan[BINS] * n_inner
    counts = np.empty((LANES, n_cells + n_inner), np.int32)
    votes = np.empty(n_cells + 1, np.float64)
    weighted = plan[WEIGHT] != UNWEIGHTED or plan[SOFT] != 0
    for k in range(n):
        counts[:] = 0
        votes[:] = 0
        pixels = stack[k].reshape(rows * columns * channels)
        for start in range(0, size if channels == 3 else 0, CHUNK):
            m = min(CHUNK, size - start)
            places, chromas, largest = buffers[0, :m], buffers[1, :m], buffers[2, :m]
            inner, cells = numbered[0, :m], numbered[1, :m]
            part = pixels[3 * start : 3 * (start + m)]
            _locate(part, numbers[BINS], numbers[TOLERANCE], places, chromas, largest)
            _number(places, chromas, largest, plan, numbers, inner, cells)
            if weighted:
                _weigh(places, chromas, largest, plan, inner, cells, votes)
            else:
                _count(cells, counts)
        if not weighted:
            for cell in range(n_cells):
                votes[cell] = counts[0, cell] + counts[1, cell] + counts[2, cell] + counts[3, cell]
        _normalize(votes, size, plan, np.float64(numbers[UNIT]), out[k])
