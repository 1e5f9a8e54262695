"""Compiled loops of HOG, first part: pixels -> gradients -> votes.

Each kernel takes images of shape (n, rows, columns, channels) and writes the votes of their pixels:
``votes[k * rows + y, v, x]`` is vote number v of the pixel in row y and column x of image k. The
vote is for bin ``places[k * rows + y, v, x] - starts[x]``, where ``starts[x]`` is the place of the
first bin in the histogram of column x.
"""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray, Image

__all__ = [
    "ARCTANGENT",
    "Places",
    "row_gradients",
    "row_votes",
    "vote_by_directions",
    "vote_by_table",
    "vote_softly",
]

# Unsigned, for numba lets negative indices count from the end.
Places = npt.NDArray[np.uint32]

# Coefficients of t, t**3, t**5 ... in a polynomial near arctan(t) for t in 0..1, of least maximal
# error (3e-7 radian).
ARCTANGENT = (
    0.999996112, -0.33317368, 0.198078153, -0.132333413, 0.0796236602, -0.0336042116, 0.00681179074
)  # fmt: skip

ZERO, HALF = np.float32(0), np.float32(0.5)
FACTOR, OFFSET = np.float32(511), np.float32(255 * 512)  # of indices in the table of gradients
TINY = np.float32(1e-30)  # keeps the slope of a gradient of length 0 a number


@inlined
def load(images: Image, k: int, takes_roots: bool, planes: FloatArray) -> None:
    """Copy image k into planes with a border of one pixel, or copy its square roots.

    The border mirrors the image at its outermost pixels: ``planes[c, 0] = planes[c, 2]``. So the
    difference of two neighbours is 0 where one of them lies outside the image. ``planes`` has the
    shape (channels, rows + 2, columns + 2).
    """
    rows, columns, channels = images.shape[1:]
    for c in range(channels):
        for y in range(rows):
            for x in range(columns):
                planes[c, y + 1, x + 1] = images[k, y, x, c]
            if takes_roots:
                for x in range(1, columns + 1):
                    planes[c, y + 1, x] = np.sqrt(planes[c, y + 1, x])
            planes[c, y + 1, 0] = planes[c, y + 1, min(2, columns)]
            planes[c, y + 1, columns + 1] = planes[c, y + 1, max(columns - 1, 1)]
        for x in range(columns + 2):
            planes[c, 0, x] = planes[c, min(2, rows), x]
            planes[c, rows + 1, x] = planes[c, max(rows - 1, 1), x]


@inlined
def row_gradients(planes: FloatArray, y: int, gx: FloatArray, gy: FloatArray) -> None:
    """Compute ``gx = p[y, x + 1] - p[y, x - 1]`` and ``gy = p[y + 1, x] - p[y - 1, x]`` of a row.

    Of several channels that with the largest ``gx**2 + gy**2`` counts, the first of equal ones.
    ``planes`` are the pixels p, with a border, as :func:`load` writes them; gx and gy have the
    shape (columns,).
    """
    for x in range(len(gx)):
        gx[x] = planes[0, y + 1, x + 2] - planes[0, y + 1, x]
        gy[x] = planes[0, y + 2, x + 1] - planes[0, y, x + 1]
    for c in range(1, len(planes)):
        for x in range(len(gx)):
            across = planes[c, y + 1, x + 2] - planes[c, y + 1, x]
            down = planes[c, y + 2, x + 1] - planes[c, y, x + 1]
            longer = across * across + down * down > gx[x] * gx[x] + gy[x] * gy[x]
            gx[x] = across if longer else gx[x]
            gy[x] = down if longer else gy[x]


@inlined
def row_votes(
    gx: FloatArray,
    gy: FloatArray,
    n_bins: int,
    signed: bool,
    arctangent: FloatArray,
    starts: Places,
    row: int,
    places: Places,
    votes: FloatArray,
) -> None:
    """Share the length of each gradient linearly between the two bins nearest to its angle.

    Bin b has its centre at the angle ``(b + 1/2) * turn / n_bins``, where the turn is 2 pi if
    ``signed`` and pi if not; the bin after the last is the first. A gradient of length g and angle
    ``(b + 1/2 + s) * turn / n_bins`` gives ``(1 - s) * g`` to bin b and ``s * g`` to bin b + 1.
    ``arctangent`` are the coefficients of ``t, t**3, t**5 ...`` in arctan(t) * n_bins / turn for t
    in 0..1. The votes are written to ``places[row]`` and ``votes[row]``, of shape (2, columns).
    """
    a0, a1, a2, a3 = arctangent[0], arctangent[1], arctangent[2], arctangent[3]
    a4, a5, a6 = arctangent[4], arctangent[5], arctangent[6]
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
        votes[row, 0, x], votes[row, 1, x] = length - share, share
        below = np.int32(above - 1) if above > 0 else last
        places[row, 0, x] = starts[x] + np.uint32(below)
        places[row, 1, x] = starts[x] + np.uint32(above if above <= last else np.int32(0))


@kernel
def vote_softly(
    images: Image,
    takes_roots: bool,
    n_bins: int,
    signed: bool,
    arctangent: FloatArray,
    starts: Places,
    places: Places,
    votes: FloatArray,
) -> None:
    """Write the two votes of every pixel, by :func:`row_votes`: "dalal" and "opencv"."""
    rows, columns, channels = images.shape[1:]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for k in range(len(images)):
        load(images, k, takes_roots, planes)
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            row_votes(gx, gy, n_bins, signed, arctangent, starts, k * rows + y, places, votes)


@kernel
def vote_by_table(
    images: npt.NDArray[np.uint8],
    bins: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    starts: Places,
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient of 8-bit pixels vote for a bin that is looked up: "skimage".

    The bin is ``bins[511 * (255 + gy) + 255 + gx]`` and the vote is ``sqrt(gx**2 + gy**2)``. Of
    several channels the first with the largest of the ``lengths`` at that place counts.
    """
    n, rows, columns, channels = images.shape
    size = rows * columns
    pixels, gx = np.empty(size, np.float32), np.empty(size, np.float32)
    gy = np.zeros(size, np.float32)
    place = np.empty(size, np.uint32)
    all_votes, all_places = votes.reshape(-1, size), places.reshape(-1, rows, columns)
    indices = place.reshape(rows, columns)
    for k in range(n):
        vote = all_votes[k]
        for c in range(channels):
            image_gradients(images[k], c, pixels, gx, gy)
            if c == 0:
                for i in range(size):
                    vote[i] = np.sqrt(gx[i] * gx[i] + gy[i] * gy[i])
                    place[i] = np.int32(gy[i] * FACTOR + gx[i] + OFFSET)
            else:
                for i in range(size):
                    here = np.uint32(gy[i] * FACTOR + gx[i] + OFFSET)
                    if lengths[here] > lengths[place[i]]:
                        vote[i], place[i] = np.sqrt(gx[i] * gx[i] + gy[i] * gy[i]), here
        for y in range(rows):
            for x in range(columns):
                all_places[k, y, x] = starts[x] + bins[indices[y, x]]


@inlined
def image_gradients(
    image: Image, c: int, pixels: FloatArray, gx: FloatArray, gy: FloatArray
) -> None:
    """Compute the gradients of channel c in loops over the whole image, for its rows may be short.

    ``gx`` is 0 in the first and the last column, and ``gy`` is 0 in the first and the last row.
    The pixels and the gradients of row y and column x are number ``y * columns + x``.
    """
    rows, columns, channels = image.shape
    values = image.reshape(rows * columns, channels)
    for i in range(len(pixels)):
        pixels[i] = values[i, c]
    for i in range(len(pixels) - 2):
        gx[i + 1] = pixels[i + 2] - pixels[i]
    for y in range(rows):
        gx[y * columns] = gx[(y + 1) * columns - 1] = ZERO
    below, inner = pixels[2 * columns :], gy[columns:]
    for i in range(len(below)):
        inner[i] = below[i] - pixels[i]


@kernel
def vote_by_directions(
    images: Image,
    takes_roots: bool,
    cosines: FloatArray,
    sines: FloatArray,
    starts: Places,
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient vote for the direction that it points along most: "uoctti".

    The n directions are ``(cosines[b], sines[b])``, and their opposites are the bins n + b. The
    first with the largest product with the gradient counts, in float32 as in VLFeat. The vote is
    the gradient's length, or 0 where all products are 0.
    """
    rows, columns, channels = images.shape[1:]
    n = len(cosines)
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for k in range(len(images)):
        load(images, k, takes_roots, planes)
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            for x in range(columns):
                largest, nearest = ZERO, 0
                for b in range(n):
                    product = gx[x] * cosines[b] + gy[x] * sines[b]
                    if abs(product) > largest:
                        largest, nearest = abs(product), n + b if product < ZERO else b
                length = np.sqrt(gx[x] * gx[x] + gy[x] * gy[x])
                places[k * rows + y, 0, x] = starts[x] + np.uint32(nearest)
                votes[k * rows + y, 0, x] = length if largest > ZERO else ZERO
