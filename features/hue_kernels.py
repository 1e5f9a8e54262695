"""Kernels of the histograms of hue: many pixels at a time, in stages that stay in the cache.

The first two stages have no branches, so that they run on vectors. 8-bit images are computed in
float32, which is exact there: numerators and denominators are whole plan below 2**24, their
quotient is rounded correctly, and one that is not whole is further from the next whole number than
the rounding moves it (up to MOST bins). Floating-point images are computed in float64.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["MOST", "describe"]

MOST = 4096  # Bins of an axis.
CHUNK = 1024  # Pixels of one stage; the buffers between the stages stay in the first cache.
LANES = 8  # Copies of the counts, so that pixels of one bin in a row need not wait for each other.

# What ``plan`` holds.
BINS, SATURATIONS, VALUES, WEIGHT, SOFT, ACHROMATIC, NORM = range(7)
UNIT, TOLERANCE, SNAP = 7, 8, 9

UNWEIGHTED, CHROMA, SATURATION = range(3)
PIXELS, NONE, L1, L2 = range(4)


@njit(nogil=True, cache=True, error_model="numpy")
def _hue(red: Any, green: Any, blue: Any, n_bins: Any, tolerance: Any, snap: Any) -> Any:
    """Give a colour's place on the circle in bins, its chroma and its largest channel.

    A colour without a hue has the place ``n_bins`` and chroma 0.
    """
    top = green if green > blue else blue
    top = red if red > top else top
    least = green if green < blue else blue
    least = red if red < least else least
    chroma = top - least
    size = top if top > -least else -least
    twice = chroma + chroma
    circle = twice + twice + twice
    sixths = (red - green) + (twice + twice)
    sixths = (blue - red) + twice if top == green else sixths
    sixths = green - blue if top == red else sixths
    sixths = sixths + snap * size
    sixths = sixths + circle if sixths < 0 else sixths
    sixths = sixths - circle if sixths >= circle else sixths
    gray = chroma <= tolerance * size
    place = sixths * n_bins / circle
    return n_bins if gray else place, chroma - chroma if gray else chroma, top


@njit(nogil=True, cache=True, error_model="numpy")
def _number(pixels: Any, plan: Any, cells: Any) -> None:
    """Write each pixel's bin of hue."""
    n_bins, tolerance, snap = plan[BINS], plan[TOLERANCE], plan[SNAP]
    zero = n_bins - n_bins
    for i in range(len(cells)):
        red, green, blue = pixels[3 * i] + zero, pixels[3 * i + 1] + zero, pixels[3 * i + 2] + zero
        cells[i] = np.int32(_hue(red, green, blue, n_bins, tolerance, snap)[0])


@njit(nogil=True, cache=True, error_model="numpy")
def _locate(pixels: Any, plan: Any, places: Any, chromas: Any, largest: Any) -> None:
    """Write each pixel's place on the circle in bins, its chroma and its largest channel."""
    n_bins, tolerance, snap = plan[BINS], plan[TOLERANCE], plan[SNAP]
    zero = n_bins - n_bins
    for i in range(len(places)):
        red, green, blue = pixels[3 * i] + zero, pixels[3 * i + 1] + zero, pixels[3 * i + 2] + zero
        place, chroma, top = _hue(red, green, blue, n_bins, tolerance, snap)
        places[i], chromas[i], largest[i] = place, chroma, top


@njit(nogil=True, cache=True, error_model="numpy")
def _divide(places: Any, chromas: Any, largest: Any, plan: Any, inner: Any, cells: Any) -> None:
    """Write each pixel's cell of saturation and value, and its cell of all three."""
    saturations, values = plan[SATURATIONS], plan[VALUES]
    one = saturations / saturations
    n_values = np.int32(values)
    n_inner = np.int32(saturations * values)
    for i in range(len(places)):
        slack = plan[TOLERANCE] * largest[i]
        saturation = (chromas[i] + slack) * saturations / largest[i]
        value = (largest[i] + slack) * values / plan[UNIT]
        saturation = saturation if saturation < saturations else saturations - one
        value = value if value < values else values - one
        inner[i] = np.int32(saturation) * n_values + np.int32(value)
        cells[i] = np.int32(places[i]) * n_inner + inner[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _count(cells: Any, counts: Any) -> None:
    """Count the cells in LANES copies."""
    rest = len(cells) % LANES
    for i in range(0, len(cells) - rest, LANES):
        for lane in range(LANES):
            counts[cells[i + lane], lane] += 1
    for i in range(len(cells) - rest, len(cells)):
        counts[cells[i], 0] += 1


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh(
    places: Any, chromas: Any, largest: Any, plan: Any, inner: Any, cells: Any, votes: Any
) -> None:
    """Add the votes of pixels that have weights or share their votes between two bins."""
    n_bins = np.int64(plan[BINS])
    n_inner = np.int64(plan[SATURATIONS] * plan[VALUES])
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
        high = low + 1 if low + 1 < n_bins else 0
        share = weight * (place - low)
        low = low if low >= 0 else n_bins - 1
        votes[low * n_inner + inner[i]] += weight - share
        votes[high * n_inner + inner[i]] += share


@njit(nogil=True, cache=True, error_model="numpy")
def _normalize(votes: Any, n_cells: int, pixels: int, plan: Any, out: Any) -> None:
    """Write the votes, what they lack to one a pixel where that is wanted, and the norm's share."""
    unit = np.float64(plan[UNIT]) if plan[WEIGHT] == CHROMA else 1.0  # The votes are in units.
    total = 0.0
    squares = 0.0
    for cell in range(n_cells):
        total += votes[cell]
        squares += votes[cell] ** 2
    if plan[ACHROMATIC]:
        rest = max(0.0, pixels * unit - total)
        votes[n_cells] = rest
        total += rest
        squares += rest**2
    norms = (pixels * unit, unit, total, np.sqrt(squares))
    norm = norms[np.int64(plan[NORM])]
    for cell in range(len(out)):
        out[cell] = votes[cell] / norm if norm > 0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def describe(stack: Any, plan: Any, out: Any) -> None:
    """Write the histograms of a stack (n, rows, columns, channels) to the rows of ``out``.

    Parameters
    ----------
    stack : C-contiguous, uint8 or float32
    plan : ndarray of shape (10,), float32 for uint8 and float64 for float32
        BINS, SATURATIONS and VALUES, the codes of the other parameters, UNIT (a channel's full
        value), TOLERANCE (chroma relative to the largest channel up to which there is no hue) and
        SNAP (how near to the next bin a hue belongs to it).
    out : ndarray of shape (n, numbers of an image), float32
    """
    n, rows, columns, channels = stack.shape
    size = rows * columns
    n_inner = np.int64(plan[SATURATIONS] * plan[VALUES])
    n_cells = np.int64(plan[BINS]) * n_inner
    votes = np.empty(n_cells + 1, np.float64)
    counts = np.empty((n_cells + n_inner, LANES), np.int32)
    cells = np.empty(CHUNK, np.uint32)  # Unsigned: an index that need not be checked for its sign.
    only_hue = n_inner == 1 and plan[WEIGHT] == UNWEIGHTED and plan[SOFT] == 0
    for k in range(n):
        votes[:] = 0
        counts[:] = 0
        if channels == 3:
            pixels = stack[k].reshape(3 * size)
            if only_hue:
                _vote_hue(pixels, plan, cells, counts)
            else:
                _vote(pixels, plan, cells, counts, votes)
            for cell in range(n_cells):
                votes[cell] += counts[cell].sum()
        _normalize(votes, n_cells, size, plan, out[k])


@njit(nogil=True, cache=True, error_model="numpy")
def _vote_hue(pixels: Any, plan: Any, cells: Any, counts: Any) -> None:
    """Count the pixels of an image by hue alone."""
    for start in range(0, len(pixels) // 3, CHUNK):
        part = pixels[3 * start : 3 * (start + CHUNK)]
        m = len(part) // 3
        _number(part, plan, cells[:m])
        _count(cells[:m], counts)


@njit(nogil=True, cache=True, error_model="numpy")
def _vote(pixels: Any, plan: Any, cells: Any, counts: Any, votes: Any) -> None:
    """Add the pixels of an image to the counts, or to the votes where these are fractions."""
    buffers = np.empty((3, CHUNK), plan.dtype)
    inner = np.empty(CHUNK, np.int32)
    for start in range(0, len(pixels) // 3, CHUNK):
        part = pixels[3 * start : 3 * (start + CHUNK)]
        m = len(part) // 3
        places, chromas, largest = buffers[0, :m], buffers[1, :m], buffers[2, :m]
        _locate(part, plan, places, chromas, largest)
        _divide(places, chromas, largest, plan, inner[:m], cells[:m])
        if plan[WEIGHT] == UNWEIGHTED and plan[SOFT] == 0:
            _count(cells[:m], counts)
        else:
            _weigh(places, chromas, largest, plan, inner, cells, votes)
