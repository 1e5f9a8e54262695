"""Kernels of the histograms of hue: many pixels at a time, in stages that stay in the cache.

The stages that read pixels have no branches, so that they run on vectors. The hue of 8-bit pixels
is a ratio of whole numbers of 16 bits, computed in float32, which is exact there: numerators and
denominators are whole numbers below 2**24, their quotient is rounded correctly, and one that is not
whole is further from the next whole number than the rounding moves it (up to MOST bins).
Floating-point images are computed in float64.
"""

from typing import Any

import numpy as np

from visualwords.compiling import kernel, local, part
from visualwords.lanes import pointer

__all__ = ["FEW", "MOST", "describe", "describe_hues_of_bytes", "describe_hues_of_floats"]

MOST = 4096  # Bins of an axis.
CHUNK = 1024  # Pixels of one stage; the buffers between the stages stay in the first cache.
FEW = 40  # Up to so many bins it is faster to look for each among all pixels than to index counts.
FLOATS, BYTES, WORDS, VOTES = 5 * CHUNK, 4 * CHUNK, 2 * CHUNK, FEW + 1  # What a stage hands on.
FIRST, SECOND, THIRD, FOURTH = (np.uintp(k * CHUNK) for k in range(1, 5))
ZERO, ONE, TWO, THREE = np.uintp(0), np.uintp(1), np.uintp(2), np.uintp(3)
# Copies of the counts, so that pixels of one bin in a row need not wait for each other.
LANES = np.uintp(8)

# What ``plan`` holds.
BINS, SATURATIONS, VALUES, WEIGHT, SOFT, ACHROMATIC, NORM = range(7)
UNIT, TOLERANCE, SNAP = 7, 8, 9

UNWEIGHTED, CHROMA, SATURATION = range(3)
PIXELS, NONE, L1, L2 = range(4)


@part
def _order(red: Any, green: Any, blue: Any) -> Any:
    """Give the largest and the smallest channel, and the two whose difference hue goes by."""
    top = green if green > blue else blue
    top = red if red > top else top
    least = green if green < blue else blue
    least = red if red < least else least
    after = blue if top == green else red
    before = red if top == green else green
    return top, least, green if top == red else after, blue if top == red else before


@part
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


@part
def _number_floats(pixels: Any, first: int, m: int, plan: Any, numbers: Any) -> None:
    # Stages of their own, for vectors: numbers of 32 bits are sorted eight at a time.
    parts = local(FLOATS, np.float32)
    none, two, four = np.float32(0), np.float32(2), np.float32(4)
    for i in range(m):
        at = first + THREE * i
        red, green, blue = pixels[at], pixels[at + ONE], pixels[at + TWO]
        top, least, after, before = _order(red, green, blue)
        offset = two if top == green else four
        parts[i], parts[FIRST + i] = top, least
        parts[SECOND + i], parts[THIRD + i] = after, before
        parts[FOURTH + i] = none if top == red else offset
    n_bins, tolerance, snap = plan[BINS], plan[TOLERANCE], plan[SNAP]
    for i in range(m):
        place, _ = _place(
            np.float64(parts[i]),
            np.float64(parts[FIRST + i]),
            np.float64(parts[SECOND + i]),
            np.float64(parts[THIRD + i]),
            np.float64(parts[FOURTH + i]),
            n_bins,
            tolerance,
            snap,
        )
        numbers[i] = np.int16(np.int32(place))


@part
def _number_bytes(pixels: Any, first: int, m: int, plan: Any, numbers: Any) -> None:
    """Take hue as (after - before) / chroma + offset sixths of the circle, 8 bits each.

    Where there is no hue, which is where both are the same, it is 0 / 1 + 6: the circle's end.
    """
    parts, words = local(BYTES, np.uint8), local(WORDS, np.int16)
    none, one, two, four, six = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(6)
    for i in range(m):
        at = first + THREE * i
        red, green, blue = pixels[at], pixels[at + ONE], pixels[at + TWO]
        top, least, after, before = _order(red, green, blue)
        parts[i], parts[FIRST + i] = after, before
        offset = two if top == green else four
        around = six if green < blue else none
        offset = around if top == red else offset
        parts[THIRD + i] = six if top == least else offset
        parts[SECOND + i] = one if top == least else np.uint8(top - least)
    for i in range(m):  # The casts keep the numbers at 16 bits, 16 to a vector.
        chroma = np.int16(parts[SECOND + i])
        turned = np.int16(chroma * np.int16(parts[THIRD + i]))
        words[i] = np.int16(np.int16(parts[i]) - np.int16(parts[FIRST + i]) + turned)
        words[FIRST + i] = np.int16(chroma * np.int16(6))
    n_bins = plan[BINS]
    for i in range(m):
        place = np.float32(words[i]) * n_bins / np.float32(words[FIRST + i])
        numbers[i] = np.int16(np.int32(place))


@part
def _locate(
    pixels: Any, first: Any, m: Any, plan: Any, places: Any, chromas: Any, largest: Any
) -> None:
    """Write each pixel's place on the circle in bins, its chroma and its largest channel."""
    n_bins, tolerance, snap = plan[BINS], plan[TOLERANCE], plan[SNAP]
    none = n_bins - n_bins
    two = none + np.float32(2)
    for i in range(m):
        at = first + THREE * i
        red, green, blue = pixels[at] + none, pixels[at + ONE] + none, pixels[at + TWO] + none
        top, least, after, before = _order(red, green, blue)
        offset = two if top == green else two + two
        offset = none if top == red else offset
        place, chroma = _place(top, least, after, before, offset, n_bins, tolerance, snap)
        places[i], chromas[i], largest[i] = place, chroma, top


@part
def _divide(
    m: Any, places: Any, chromas: Any, largest: Any, plan: Any, inner: Any, cells: Any
) -> None:
    """Write each pixel's cell of saturation and value, and its cell of all three."""
    saturations, values = plan[SATURATIONS], plan[VALUES]
    one = saturations / saturations
    n_values = np.int32(values)
    n_inner = np.int32(saturations * values)
    for i in range(m):
        slack = plan[TOLERANCE] * largest[i]
        saturation = (chromas[i] + slack) * saturations / largest[i]
        value = (largest[i] + slack) * values / plan[UNIT]
        saturation = saturation if saturation < saturations else saturations - one
        value = value if value < values else values - one
        inner[i] = np.int32(saturation) * n_values + np.int32(value)
        cells[i] = np.int32(places[i]) * n_inner + inner[i]


@part
def _count(m: Any, cells: Any, counts: Any) -> None:
    """Count the cells in LANES copies."""
    rest = m % LANES
    for i in range(ZERO, m - rest, LANES):
        for lane in range(LANES):
            counts[cells[i + lane], lane] += 1
    for i in range(m - rest, m):
        counts[cells[i], ZERO] += 1


@part
def _weigh(
    m: Any,
    places: Any,
    chromas: Any,
    largest: Any,
    plan: Any,
    inner: Any,
    cells: Any,
    votes: Any,
) -> None:
    """Add the votes of pixels that have weights or share their votes between two bins."""
    n_bins = np.int64(plan[BINS])
    n_inner = np.int64(plan[SATURATIONS] * plan[VALUES])
    for i in range(m):
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


@part
def _normalize(
    votes: Any, n_cells: int, pixels: int, plan: Any, out: Any, first: int, length: int
) -> None:
    """Write the votes, what they lack to one a pixel where that is wanted, and the norm's share."""
    unit = np.float64(plan[UNIT]) if plan[WEIGHT] == CHROMA else 1.0  # The votes are in units.
    total = 0.0
    squares = 0.0
    for cell in range(n_cells):
        total += votes[cell]
        squares += votes[cell] ** 2
    if plan[ACHROMATIC]:
        rest = pixels * unit - total if pixels * unit > total else 0.0
        votes[n_cells] = rest
        total += rest
        squares += rest**2
    norms = (pixels * unit, unit, total, np.sqrt(squares))
    norm = norms[np.int64(plan[NORM])]
    for cell in range(length):
        out[first + cell] = votes[cell] / norm if norm > 0 else 0.0


@part
def _occurrences(cells: Any, m: int, cell: int) -> Any:
    """Count how many of up to CHUNK cells are ``cell``, in 16 bits, which are 16 to a vector."""
    wanted = np.int16(cell)
    found = np.uint16(0)
    for i in range(m):
        found = np.uint16(found + np.uint16(cells[i] == wanted))
    return found


@kernel
def describe_hues_of_bytes(image: Any, plan: Any, out: Any) -> None:
    """Do what ``describe`` does for uint8, votes of 1 and up to FEW bins of hue alone."""
    _describe_hues(_number_bytes, image, plan, out)


@kernel
def describe_hues_of_floats(image: Any, plan: Any, out: Any) -> None:
    """Do what ``describe`` does for float32, votes of 1 and up to FEW bins of hue alone."""
    _describe_hues(_number_floats, image, plan, out)


@part
def _describe_hues(number: Any, image: Any, plan: Any, out: Any) -> None:
    n_bins = np.int64(plan[BINS])
    length = n_bins + np.int64(plan[ACHROMATIC])
    n = len(out) // length
    pixels, plan, out = pointer(image), pointer(plan), pointer(out)
    size = image.shape[0] * image.shape[1] // n
    votes, numbers = local(VOTES, np.float64), local(CHUNK, np.int16)
    for k in range(n):
        for cell in range(n_bins):
            votes[cell] = 0
        end = size * (k + 1) if image.shape[2] == 3 else 0
        for start in range(size * k, end, CHUNK):
            m = np.uintp(CHUNK if start + CHUNK < end else end - start)
            number(pixels, np.uintp(3 * start), m, plan, numbers)
            for cell in range(n_bins):
                votes[cell] += _occurrences(numbers, m, cell)
        _normalize(votes, n_bins, size, plan, out, length * k, length)


@kernel
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
    votes = np.empty(n_cells + 1, np.float64)
    counts = np.empty((n_cells + n_inner, LANES), np.int32)
    cells, inner = local(CHUNK, np.uint32), local(CHUNK, np.int32)
    places, chromas = local(CHUNK, plan.dtype), local(CHUNK, plan.dtype)
    largest = local(CHUNK, plan.dtype)
    pixels, plan, out = pointer(image), pointer(plan), pointer(out)
    whole = plan[WEIGHT] == UNWEIGHTED and plan[SOFT] == 0
    for k in range(n):
        votes[:] = 0
        counts[:] = 0
        end = size * (k + 1) if image.shape[2] == 3 else 0
        for start in range(size * k, end, CHUNK):
            m = np.uintp(CHUNK if start + CHUNK < end else end - start)
            _locate(pixels, np.uintp(3 * start), m, plan, places, chromas, largest)
            _divide(m, places, chromas, largest, plan, inner, cells)
            if whole:
                _count(m, cells, counts)
            else:
                _weigh(m, places, chromas, largest, plan, inner, cells, votes)
        for cell in range(n_cells):
            for lane in range(LANES):
                votes[cell] += counts[cell, lane]
        _normalize(votes, n_cells, size, plan, out, length * k, length)
