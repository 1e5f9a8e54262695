"""Kernels of the histograms of hue: many pixels at a time, in stages that stay in the cache.

The stages that read pixels have no branches, so that they run on vectors. The hue of 8-bit pixels
is a ratio of whole numbers of 16 bits, computed in float32, which is exact there: numerators and
denominators are whole numbers below 2**24, their quotient is rounded correctly, and one that is not
whole is further from the next whole number than the rounding moves it (up to MOST bins).
Floating-point images are computed in float64.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

__all__ = ["FEW", "MOST", "describe", "describe_hues"]

MOST = 4096  # Bins of an axis.
CHUNK = 1024  # Pixels of one stage; the buffers between the stages stay in the first cache.
FEW = 40  # Up to so many bins it is faster to look for each among all pixels than to index counts.
LANES = 8  # Copies of the counts, so that pixels of one bin in a row need not wait for each other.

# What ``plan`` holds.
BINS, SATURATIONS, VALUES, WEIGHT, SOFT, ACHROMATIC, NORM = range(7)
UNIT, TOLERANCE, SNAP = 7, 8, 9

UNWEIGHTED, CHROMA, SATURATION = range(3)
PIXELS, NONE, L1, L2 = range(4)


@njit(nogil=True, cache=True, error_model="numpy")
def _order(red: Any, green: Any, blue: Any) -> Any:
    """Give the largest and the smallest channel, and the two whose difference hue goes by."""
    top = green if green > blue else blue
    top = red if red > top else top
    least = green if green < blue else blue
    least = red if red < least else least
    after = blue if top == green else red
    before = red if top == green else green
    return top, least, green if top == red else after, blue if top == red else before


@njit(nogil=True, cache=True, error_model="numpy")
def _place(
    top: Any,
    least: Any,
    after: Any,
    before: Any,
    offset: Any,
    n_bins: Any,
    tolerance: Any,
    snap: Any,
) -> Any:
    """Give a colour's place on the circle in bins and its chroma.

    ``offset`` is 0, 2 or 4 sixths, where red, green or blue is the largest. A colour without a hue
    has the place ``n_bins`` and chroma 0.
    """
    chroma = top - least
    size = top if top > -least else -least
    twice = chroma + chroma
    circle = twice + twice + twice
    sixths = after - before + offset * chroma
    sixths = sixths + snap * size
    sixths = sixths + circle if sixths < 0 else sixths
    sixths = sixths - circle if sixths >= circle else sixths
    gray = chroma <= tolerance * size
    place = sixths * n_bins / circle
    return n_bins if gray else place, chroma - chroma if gray else chroma


def _number(pixels: Any, m: int, plan: Any, parts: Any, words: Any) -> None:
    """Write the bins of hue of m pixels to the start of ``words``, ``n_bins`` where there is none.

    There is room for what stages hand on: 5 CHUNK numbers of the pixels' type in ``parts``, 3 CHUNK
    int16 in ``words``. Arrays that are one, a CHUNK apart, need not be checked for overlaps.
    """
    raise NotImplementedError  # What is compiled depends on the type of the pixels.


@overload(_number, jit_options={"nogil": True, "error_model": "numpy"})
def _number_of(pixels: Any, m: int, plan: Any, parts: Any, words: Any) -> Any:
    return _number_bytes if pixels.dtype == types.uint8 else _number_floats


def _number_floats(pixels: Any, m: int, plan: Any, parts: Any, words: Any) -> None:
    none, two, four = np.float32(0), np.float32(2), np.float32(4)
    for i in range(m):
        red, green, blue = pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]
        top, least, after, before = _order(red, green, blue)
        offset = two if top == green else four
        parts[i], parts[CHUNK + i] = top, least
        parts[2 * CHUNK + i], parts[3 * CHUNK + i] = after, before
        parts[4 * CHUNK + i] = none if top == red else offset
    n_bins, tolerance, snap = plan[BINS], plan[TOLERANCE], plan[SNAP]
    for i in range(m):
        place, _ = _place(
            np.float64(parts[i]),
            np.float64(parts[CHUNK + i]),
            np.float64(parts[2 * CHUNK + i]),
            np.float64(parts[3 * CHUNK + i]),
            np.float64(parts[4 * CHUNK + i]),
            n_bins,
            tolerance,
            snap,
        )
        words[i] = np.int16(np.int32(place))


def _number_bytes(pixels: Any, m: int, plan: Any, parts: Any, words: Any) -> None:
    _split_bytes(pixels, m, parts)
    for i in range(m):  # The casts keep the numbers at 16 bits, 16 to a vector.
        chroma = np.int16(parts[2 * CHUNK + i])
        around = np.int16(chroma * np.int16(parts[3 * CHUNK + i]))
        words[CHUNK + i] = np.int16(np.int16(parts[i]) - np.int16(parts[CHUNK + i]) + around)
        words[2 * CHUNK + i] = np.int16(chroma * np.int16(6))
    n_bins = plan[BINS]
    for i in range(m):
        place = np.float32(words[CHUNK + i]) * n_bins / np.float32(words[2 * CHUNK + i])
        words[i] = np.int16(np.int32(place))


@njit(nogil=True, cache=True, error_model="numpy")
def _split_bytes(pixels: Any, m: int, out: Any) -> None:
    """Write hue as (after - before) / chroma + offset sixths of the circle, 8 bits each.

    Where there is no hue, which is where both are the same, it is 0 / 1 + 6: the circle's end.
    """
    none, one, two, four, six = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(6)
    for i in range(m):
        red, green, blue = pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]
        top, least, after, before = _order(red, green, blue)
        out[i], out[CHUNK + i] = after, before
        offset = two if top == green else four
        around = six if green < blue else none
        offset = around if top == red else offset
        out[3 * CHUNK + i] = six if top == least else offset
        out[2 * CHUNK + i] = one if top == least else np.uint8(top - least)


@njit(nogil=True, cache=True, error_model="numpy")
def _locate(pixels: Any, plan: Any, places: Any, chromas: Any, largest: Any) -> None:
    """Write each pixel's place on the circle in bins, its chroma and its largest channel."""
    n_bins, tolerance, snap = plan[BINS], plan[TOLERANCE], plan[SNAP]
    none = n_bins - n_bins
    two = none + np.float32(2)
    for i in range(len(places)):
        red, green, blue = pixels[3 * i] + none, pixels[3 * i + 1] + none, pixels[3 * i + 2] + none
        top, least, after, before = _order(red, green, blue)
        offset = two if top == green else two + two
        offset = none if top == red else offset
        place, chroma = _place(top, least, after, before, offset, n_bins, tolerance, snap)
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
def _occurrences(cells: Any, cell: int) -> Any:
    """Count how many of up to CHUNK cells are ``cell``, in 16 bits, which are 16 to a vector."""
    wanted = np.int16(cell)
    found = np.uint16(0)
    for i in range(len(cells)):
        found = np.uint16(found + np.uint16(cells[i] == wanted))
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def describe_hues(image: Any, plan: Any, out: Any) -> None:
    """Do what ``describe`` does, for votes of 1 and up to FEW bins of hue alone."""
    n_bins = np.int64(plan[BINS])
    length = n_bins + np.int64(plan[ACHROMATIC])
    n = len(out) // length
    size = image.shape[0] * image.shape[1] // n
    flat = image.reshape(image.size)
    votes = np.empty(n_bins + 1, np.float64)
    words = np.empty(3 * CHUNK + 5 * CHUNK * image.itemsize // 2, np.int16)
    parts = words[3 * CHUNK :].view(image.dtype)
    for k in range(n):
        votes[:] = 0
        end = size * (k + 1) if image.shape[2] == 3 else 0
        for start in range(size * k, end, CHUNK):
            m = min(CHUNK, end - start)
            _number(flat[3 * start : 3 * (start + m)], m, plan, parts, words)
            for cell in range(n_bins):
                votes[cell] += _occurrences(words[:m], cell)
        _normalize(votes, n_bins, size, plan, out[length * k : length * (k + 1)])


@njit(nogil=True, cache=True, error_model="numpy")
def describe(image: Any, plan: Any, out: Any) -> None:
    """Write the histograms of images of one shape, one below the other, to ``out``.

    Parameters
    ----------
    image : ndarray of shape (n * rows, columns, channels), uint8 or float32, C-contiguous
    plan : ndarray of shape (10,), float32 for uint8 and float64 for float32
        BINS, SATURATIONS and VALUES, the codes of the other parameters, UNIT (a channel's full
        value), TOLERANCE (chroma relative to the largest channel up to which there is no hue) and
        SNAP (how near to the next bin a hue belongs to it).
    out : ndarray of shape (n * numbers of an image,), float32
    """
    n_inner = np.int64(plan[SATURATIONS] * plan[VALUES])
    n_cells = np.int64(plan[BINS]) * n_inner
    length = n_cells + np.int64(plan[ACHROMATIC])
    n = len(out) // length
    size = image.shape[0] * image.shape[1] // n
    flat = image.reshape(image.size)
    votes = np.empty(n_cells + 1, np.float64)
    counts = np.empty((n_cells + n_inner, LANES), np.int32)
    cells = np.empty(CHUNK, np.uint32)  # Unsigned: an index that need not be checked for its sign.
    inner = np.empty(CHUNK, np.int32)
    buffers = np.empty((3, CHUNK), plan.dtype)
    whole = plan[WEIGHT] == UNWEIGHTED and plan[SOFT] == 0
    for k in range(n):
        votes[:] = 0
        counts[:] = 0
        end = size * (k + 1) if image.shape[2] == 3 else 0
        for start in range(size * k, end, CHUNK):
            m = min(CHUNK, end - start)
            pixels = flat[3 * start : 3 * (start + m)]
            places, chromas, largest = buffers[0, :m], buffers[1, :m], buffers[2, :m]
            _locate(pixels, plan, places, chromas, largest)
            _divide(places, chromas, largest, plan, inner[:m], cells[:m])
            if whole:
                _count(cells[:m], counts)
            else:
                _weigh(places, chromas, largest, plan, inner, cells, votes)
        for cell in range(n_cells):
            for lane in range(LANES):
                votes[cell] += counts[cell, lane]
        _normalize(votes, n_cells, size, plan, out[length * k : length * (k + 1)])
