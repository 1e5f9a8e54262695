"""Compiled loops of HOG, first part: pixels -> gradients -> votes.

Each function writes to the arrays that it is given last.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined
from visualwords.features.image import FloatArray

__all__ = [
    "ARCTANGENT",
    "Places",
    "direction_votes",
    "histogram_starts",
    "load",
    "row_gradients",
    "row_gradients_by_table",
    "soft_votes",
    "table_votes",
]

# Places of bins in histograms that lie one behind another: ``starts[x] + b`` is that of bin b in
# the histogram of column x. Unsigned, for numba lets negative indices count from the end.
Places = npt.NDArray[np.uint32]

# Coefficients of t, t**3, t**5 ... in a polynomial near arctan(t) for t in 0..1, of least maximal
# error (3e-7 radian).
ARCTANGENT = (
    0.999996112,
    -0.333173680,
    0.198078153,
    -0.132333413,
    0.0796236602,
    -0.0336042116,
    0.00681179074,
)

ZERO, HALF = np.float32(0), np.float32(0.5)
TINY = np.float32(1e-30)  # keeps the slope of a gradient of length 0 a number


@inlined
def load(image: Any, takes_roots: bool, planes: FloatArray) -> None:
    """Copy an image into planes with a border of one pixel, or copy its square roots.

    The border mirrors the image at its outermost pixels: ``planes[c, 0] = planes[c, 2]``. So the
    difference of two neighbours is 0 where one of them lies outside the image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns, channels), uint8 or float32
    takes_roots : bool
    planes : ndarray of shape (channels, rows + 2, columns + 2), float32
    """
    rows, columns, channels = image.shape
    for c in range(channels):
        plane = planes[c]
        for y in range(rows):
            for x in range(columns):
                plane[y + 1, x + 1] = image[y, x, c]
            if takes_roots:
                for x in range(1, columns + 1):
                    plane[y + 1, x] = np.sqrt(plane[y + 1, x])
            plane[y + 1, 0] = plane[y + 1, min(2, columns)]
            plane[y + 1, columns + 1] = plane[y + 1, max(columns - 1, 1)]
        plane[0] = plane[min(2, rows)]
        plane[rows + 1] = plane[max(rows - 1, 1)]


@inlined
def row_gradients(planes: FloatArray, y: int, gx: FloatArray, gy: FloatArray) -> None:
    """Compute ``gx = p[y, x + 1] - p[y, x - 1]`` and ``gy = p[y + 1, x] - p[y - 1, x]`` of a row.

    Of several channels that with the largest ``gx**2 + gy**2`` counts, the first of equal ones.

    Parameters
    ----------
    planes : ndarray of shape (channels, rows + 2, columns + 2), float32
        The pixels p, with a border.
    y : int
    gx, gy : ndarray of shape (columns,), float32
    """
    above, row, below = planes[0, y], planes[0, y + 1], planes[0, y + 2]
    for x in range(len(gx)):
        gx[x] = row[x + 2] - row[x]
        gy[x] = below[x + 1] - above[x + 1]
    for c in range(1, len(planes)):
        above, row, below = planes[c, y], planes[c, y + 1], planes[c, y + 2]
        for x in range(len(gx)):
            across, down = row[x + 2] - row[x], below[x + 1] - above[x + 1]
            longer = across * across + down * down > gx[x] * gx[x] + gy[x] * gy[x]
            gx[x] = across if longer else gx[x]
            gy[x] = down if longer else gy[x]


@inlined
def row_gradients_by_table(
    planes: FloatArray, y: int, lengths: npt.NDArray[np.float64], gx: FloatArray, gy: FloatArray
) -> None:
    """Compute the gradients of a row as :func:`row_gradients`, of 8-bit channels.

    The first channel with the largest ``lengths[255 + gy, 255 + gx]`` counts.
    """
    for x in range(len(gx)):
        longest = -1.0
        for c in range(len(planes)):
            across = planes[c, y + 1, x + 2] - planes[c, y + 1, x]
            down = planes[c, y + 2, x + 1] - planes[c, y, x + 1]
            length = lengths[255 + int(down), 255 + int(across)]
            if length > longest:
                longest, gx[x], gy[x] = length, across, down


@inlined
def histogram_starts(columns: int, width: int, n_bins: int) -> Places:
    """Return where the histograms of columns start: ``width`` columns share one of ``n_bins``."""
    starts = np.empty(columns, np.uint32)
    for x in range(columns):
        starts[x] = x // width * n_bins
    return starts


@inlined
def soft_votes(
    gx: FloatArray,
    gy: FloatArray,
    n_bins: int,
    signed: bool,
    arctangent: FloatArray,
    starts: Places,
    lower_places: Places,
    lower: FloatArray,
    upper_places: Places,
    upper: FloatArray,
) -> None:
    """Share the length of each gradient linearly between the two bins nearest to its angle.

    Bin b has its centre at the angle ``(b + 1/2) * turn / n_bins``, where the turn is 2 pi if
    ``signed`` and pi if not; the bin after the last is the first. A gradient of length g and angle
    ``(b + 1/2 + s) * turn / n_bins`` gives ``(1 - s) * g`` to bin b and ``s * g`` to bin b + 1.

    Parameters
    ----------
    gx, gy : ndarray of shape (columns,), float32
    n_bins : int
    signed : bool
    arctangent : ndarray of shape (7,), float32
        Coefficients of ``t, t**3, t**5 ...`` in arctan(t) * n_bins / turn for t in 0..1.
    starts : ndarray of shape (columns,), uint32
        Of :func:`histogram_starts`.
    lower_places, upper_places : ndarray of shape (columns,), uint32
        The places of the bins b and b + 1.
    lower, upper : ndarray of shape (columns,), float32
        Their votes.
    """
    a0, a1, a2, a3, a4, a5, a6 = (
        arctangent[0],
        arctangent[1],
        arctangent[2],
        arctangent[3],
        arctangent[4],
        arctangent[5],
        arctangent[6],
    )
    last = np.int32(n_bins - 1)
    turn = np.float32(n_bins)
    half_turn = turn * HALF if signed else turn
    quarter_turn = half_turn * HALF
    for x in range(len(gx)):
        across, down = abs(gx[x]), abs(gy[x])
        steep = down > across
        t = min(across, down) / (max(across, down) + TINY)
        s = t * t
        angle = t * (a0 + s * (a1 + s * (a2 + s * (a3 + s * (a4 + s * (a5 + s * a6))))))
        angle = quarter_turn - angle if steep else angle
        leftwards, upwards = gx[x] < ZERO, gy[x] < ZERO
        mirrored = leftwards if signed else leftwards != upwards
        angle = half_turn - angle if mirrored else angle
        angle = turn - angle if signed and upwards else angle
        above = min(max(np.int32(angle + HALF), np.int32(0)), np.int32(n_bins))
        length = np.sqrt(across * across + down * down)
        share = length * (angle + HALF - np.float32(above))
        lower[x], upper[x] = length - share, share
        below = np.int32(above - 1) if above > 0 else last
        lower_places[x] = starts[x] + np.uint32(below)
        upper_places[x] = starts[x] + np.uint32(above if above <= last else np.int32(0))


@inlined
def table_votes(
    gx: FloatArray,
    gy: FloatArray,
    table: npt.NDArray[np.uint8],
    starts: Places,
    indices: npt.NDArray[np.uint32],
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient of 8-bit pixels vote for the bin ``table[511 * (255 + gy) + 255 + gx]``.

    The vote is its length, ``sqrt(gx**2 + gy**2)``. ``indices``, of shape (columns,), is room for
    those of the table.
    """
    for x in range(len(gx)):
        votes[x] = np.sqrt(gx[x] * gx[x] + gy[x] * gy[x])
        indices[x] = np.int32(gy[x] * np.float32(511) + gx[x] + np.float32(255 * 512))
    for x in range(len(gx)):
        places[x] = starts[x] + np.uint32(table[indices[x]])


@inlined
def direction_votes(
    gx: FloatArray,
    gy: FloatArray,
    cosines: FloatArray,
    sines: FloatArray,
    starts: Places,
    largest: FloatArray,
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient vote for the direction that it points along most, with its length.

    The n directions are ``(cosines[k], sines[k])``, and their opposites are the bins n + k. The
    first with the largest product with the gradient counts, in float32 as in VLFeat. There is no
    vote where all products are 0. ``largest``, of shape (columns,), is room for these products.
    """
    n = len(cosines)
    for x in range(len(gx)):
        places[x] = 0
        largest[x] = ZERO
    for k in range(n):
        along, opposite = np.int32(k), np.int32(n + k)
        cosine, sine = cosines[k], sines[k]
        for x in range(len(gx)):
            product = gx[x] * cosine + gy[x] * sine
            nearest = opposite if product < ZERO else along
            places[x] = nearest if abs(product) > largest[x] else places[x]
            largest[x] = max(abs(product), largest[x])
    for x in range(len(gx)):
        length = np.sqrt(gx[x] * gx[x] + gy[x] * gy[x])
        votes[x] = length if largest[x] > ZERO else ZERO
        places[x] += starts[x]
