"""Kernels of the hue histograms.

A kernel counts a chunk of pixels in two loops: the first finds the cell of every pixel, without
branches, so that the compiler makes vector instructions of it; the second counts the cells.

The type of ``tolerance`` is the type of the arithmetic. For 8-bit pixels it is float32, which gives
the exact bin: numerator and denominator of a hue are whole numbers below 2**24, and a quotient that
is not whole is further from the next whole number than rounding moves it, up to ``MOST_BINS`` bins.
For float pixels it is float64.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel

__all__ = [
    "CHROMA",
    "L1",
    "L2",
    "MOST_BINS",
    "PIXELS",
    "SATURATION",
    "UNWEIGHTED",
    "VOTES",
    "HueBins",
    "count_pixels",
    "weigh_pixels",
]

MOST_BINS = 4096  # of an axis
CHUNK = 1024  # pixels of one stage; their cells stay in the first cache
COPIES = 8  # of the counts, so that equal cells in a row need not wait for each other

UNWEIGHTED, CHROMA, SATURATION = range(3)  # what a pixel's vote is
PIXELS, VOTES, L1, L2 = range(4)  # what a histogram is divided by; VOTES: nothing

PixelArray = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
CellArray = npt.NDArray[np.uint32]
CountArray = npt.NDArray[np.int32]
Real = np.float32 | np.float64


class HueBins(NamedTuple):
    """Bins of the three axes. A cell is one bin of each; value runs fastest."""

    hues: int
    saturations: int
    values: int


@inlined
def _find_hue(
    red: Real, green: Real, blue: Real, n_bins: Real, tolerance: Real, snap: Real
) -> tuple[Real, Real, Real]:
    """Return a colour's place on the circle of hues, its chroma and its largest channel.

    The circle is ``n_bins`` around. A colour without a hue, whose chroma is at most ``tolerance``
    of its largest channel, has the place ``n_bins`` and chroma 0. ``snap`` is how far before the
    end of a bin a hue belongs to the next bin, in sixths of the circle for a pure colour.
    """
    number = type(tolerance)
    top = green if green > blue else blue
    top = red if red > top else top
    least = green if green < blue else blue
    least = red if red < least else least
    chroma = top - least
    circle = number(6) * chroma
    sixths = blue - red + number(2) * chroma if top == green else red - green + number(4) * chroma
    sixths = green - blue if top == red else sixths
    sixths = sixths + snap * top
    sixths = sixths + circle if sixths < number(0) else sixths
    sixths = sixths - circle if sixths >= circle else sixths
    has_hue = chroma > tolerance * top
    place = sixths * n_bins / circle
    return place if has_hue else n_bins, chroma if has_hue else number(0), top


@inlined
def _hue_cells(
    pixels: PixelArray, bins: HueBins, tolerance: Real, snap: Real, cells: CellArray
) -> None:
    """Write the bin of hue of every pixel; ``bins.hues`` for a pixel without a hue."""
    number = type(tolerance)
    n_bins, no_hue = number(bins.hues), np.int32(bins.hues)
    for i in range(len(pixels) // 3):
        red, green, blue = (
            number(pixels[3 * i]),
            number(pixels[3 * i + 1]),
            number(pixels[3 * i + 2]),
        )
        place, _, _ = _find_hue(red, green, blue, n_bins, tolerance, snap)
        cell = np.int32(place)
        cells[i] = cell if cell < no_hue else no_hue


@inlined
def _all_cells(
    pixels: PixelArray, bins: HueBins, white: Real, tolerance: Real, snap: Real, cells: CellArray
) -> None:
    """Write the cell of every pixel; the number of cells for a pixel without a hue."""
    number = type(tolerance)
    n_bins, no_hue = number(bins.hues), np.int32(bins.hues * bins.saturations * bins.values)
    for i in range(len(pixels) // 3):
        red, green, blue = (
            number(pixels[3 * i]),
            number(pixels[3 * i + 1]),
            number(pixels[3 * i + 2]),
        )
        place, chroma, top = _find_hue(red, green, blue, n_bins, tolerance, snap)
        inner = _inner_cell(chroma, top, bins, white, tolerance)
        cell = np.int32(place) * np.int32(bins.saturations * bins.values) + inner
        cells[i] = cell if chroma > 0 else no_hue


@inlined
def _inner_cell(chroma: Real, top: Real, bins: HueBins, white: Real, tolerance: Real) -> np.int32:
    """Return the cell of saturation and value within a bin of hue."""
    number = type(tolerance)
    slack = tolerance * top
    saturation = np.int32((chroma + slack) * number(bins.saturations) / top)
    value = np.int32((top + slack) * number(bins.values) / white)
    saturation = min(saturation, np.int32(bins.saturations - 1))
    return saturation * np.int32(bins.values) + min(value, np.int32(bins.values - 1))


@kernel
def count_pixels(
    pixels: PixelArray,
    bins: HueBins,
    white: Real,
    tolerance: Real,
    snap: Real,
    norm: int,
    out: FloatArray,
) -> None:
    """Write the histograms of images whose pixels each have one vote for one cell.

    Parameters
    ----------
    pixels : ndarray of shape (n, pixels of an image * 3), uint8 or float32
    bins : HueBins
    white : float32 or float64
        The value of a channel at full brightness.
    tolerance : float32 or float64
        A pixel whose chroma is at most this share of its largest channel has no hue.
    snap : float32 or float64
        How far before the end of a bin a hue belongs to the next bin; see ``_find_hue``.
    norm : int
        PIXELS, VOTES, L1 or L2.
    out : ndarray of shape (n, cells[ + 1]), float32
        With one number more than there are cells, the last one is for pixels without a hue.
    """
    n_cells = bins.hues * bins.saturations * bins.values
    cells = np.empty(CHUNK, np.uint32)
    counts = np.empty((COPIES, n_cells + 1), np.int32)
    votes = np.empty(n_cells + 1, np.float64)
    for image in range(len(pixels)):
        counts[:] = 0
        for start in range(0, pixels.shape[1], 3 * CHUNK):
            chunk = pixels[image][start : start + 3 * CHUNK]
            if bins.saturations * bins.values == 1:
                _hue_cells(chunk, bins, tolerance, snap, cells)
            else:
                _all_cells(chunk, bins, white, tolerance, snap, cells)
            for i in range(len(chunk) // 3):
                counts[i % COPIES, cells[i]] += 1
        votes[:] = 0
        for copy in range(COPIES):
            for cell in range(n_cells):
                votes[cell] += counts[copy, cell]
        _normalize(votes, pixels.shape[1] // 3, norm, out[image])


@kernel
def weigh_pixels(
    pixels: PixelArray,
    bins: HueBins,
    weight: int,
    soft: bool,
    white: Real,
    tolerance: Real,
    snap: Real,
    norm: int,
    out: FloatArray,
) -> None:
    """Write the histograms of images whose pixels have weights or share their votes.

    Parameters
    ----------
    weight : int
        UNWEIGHTED, CHROMA or SATURATION.
    soft : bool
        Whether a pixel shares its vote between the two nearest bins of hue.
    pixels, bins, white, tolerance, snap, norm, out
        As in :func:`count_pixels`.
    """
    number = type(tolerance)
    n_inner = bins.saturations * bins.values
    n_cells = bins.hues * n_inner
    unit = np.float64(white) if weight == CHROMA else 1.0  # Chroma is summed in whole numbers.
    votes = np.empty(n_cells + 1, np.float64)
    for image in range(len(pixels)):
        votes[:] = 0
        for i in range(0, pixels.shape[1], 3):
            red, green, blue = pixels[image, i], pixels[image, i + 1], pixels[image, i + 2]
            place, chroma, top = _find_hue(
                number(red), number(green), number(blue), number(bins.hues), tolerance, snap
            )
            if chroma == 0:
                continue
            inner = _inner_cell(chroma, top, bins, white, tolerance)
            vote = 1.0
            if weight == CHROMA:
                vote = np.float64(chroma)
            elif weight == SATURATION:
                vote = np.float64(chroma) / np.float64(top)
            if soft:
                _share(vote, np.float64(place), inner, bins, votes)
            else:
                hue = min(np.int64(place), np.int64(bins.hues - 1))
                votes[hue * n_inner + inner] += vote
        votes /= unit
        _normalize(votes, pixels.shape[1] // 3, norm, out[image])


@inlined
def _share(vote: float, place: float, inner: int, bins: HueBins, votes: DoubleArray) -> None:
    """Share a vote between the two bins of hue whose centres are nearest.

    The centre of bin b is the place b + 1/2; the last bin and the first bin are neighbours.
    """
    n_inner = bins.saturations * bins.values
    low = np.int64(np.floor(place - 0.5))
    share = place - 0.5 - low
    votes[low % bins.hues * n_inner + inner] += vote * (1 - share)
    votes[(low + 1) % bins.hues * n_inner + inner] += vote * share


@inlined
def _normalize(votes: DoubleArray, n_pixels: int, norm: int, out: FloatArray) -> None:
    """Write the votes of an image, divided by their norm, to ``out``.

    The last of ``votes`` becomes what the pixels did not give to a cell.
    """
    votes[-1] = 0
    votes[-1] = max(n_pixels - votes.sum(), 0)
    total = 0.0
    squares = 0.0
    for i in range(len(out)):
        total += votes[i]
        squares += votes[i] ** 2
    norms = (np.float64(n_pixels), 1.0, total, np.sqrt(squares))
    for i in range(len(out)):
        out[i] = votes[i] / norms[norm] if norms[norm] > 0 else 0.0
