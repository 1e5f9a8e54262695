"""Compiled loops of HOG, first part: pixels -> votes."""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined
from visualwords.features.gradients import Places
from visualwords.features.image import FloatArray, Image

__all__ = ["load", "longest_gradients", "vote_by_table", "vote_for_directions"]

ZERO = np.float32(0)
FACTOR, OFFSET = np.float32(511), np.float32(255 * 512)  # of indices in the table of gradients
ROUNDING = np.float32(768)  # The last bit of float32 numbers from 512 to 1024 is 2**-14.


@inlined
def scale_pixels(numbers: Image, factor: np.float32, scaled: FloatArray) -> None:
    """Write numbers times a factor, as :func:`load` rounds them."""
    for i in range(len(numbers)):
        scaled[i] = (np.float32(numbers[i]) * factor + ROUNDING) - ROUNDING


@inlined
def load(
    image: npt.NDArray[np.uint8], item_size: int, scale: float, takes_roots: int, planes: FloatArray
) -> None:
    """Copy an image times ``scale``, or its square roots, into planes with a row above and below.

    The image comes as the bytes of its numbers, uint8 or, if ``item_size`` is 4, float32.
    The pixels, 0..255 when scaled, are rounded to multiples of 2**-14, or as float32 is beyond 256.
    So an 8-bit image divided by 255 becomes the same whole numbers again, and ties are decided
    alike. The row above is a copy of the second row, and the row below of the last but one, so that
    differences across a border are 0. A plane has ``rows + 2`` rows or more, one after the other.
    """
    rows, columns = image.shape[:2]
    numbers, size, channels = image.reshape(image.size), rows * columns, len(planes)
    scaled = planes[0, columns:] if channels == 1 else np.empty(size * channels, np.float32)
    if item_size == 4:
        scale_pixels(numbers.view(np.float32), np.float32(scale), scaled)
    else:
        scale_pixels(numbers, np.float32(scale), scaled)
    if takes_roots:
        for i in range(size * channels):
            scaled[i] = np.sqrt(scaled[i])
    second, last_but_one = min(1, rows - 1) * columns, max(rows - 2, 0) * columns
    for c in range(channels):
        above, pixels = planes[c], planes[c, columns:]
        if channels > 1:
            for i in range(size):
                pixels[i] = scaled[i * channels + c]
        for x in range(columns):
            above[x], pixels[size + x] = pixels[second + x], pixels[last_but_one + x]


@inlined
def gradients(plane: FloatArray, columns: int, first: int, found: FloatArray) -> None:
    """Compute gx and gy, the rows of ``found``, of whole rows of pixels from pixel ``first`` on.

    gx is the right neighbour less the left one, and 0 in the first and the last column; gy is the
    one below less the one above. One loop runs over all rows, for rows may be short.
    """
    gx, gy = found[0], found[1]
    above, here = plane[first:], plane[first + columns :]
    left, right, below = plane[first + columns - 1 :], here[1:], here[columns:]
    for i in range(len(gx)):
        gx[i] = right[i] - left[i]
        gy[i] = below[i] - above[i]
    for i in range(0, len(gx), columns):
        gx[i] = gx[i + columns - 1] = ZERO


@inlined
def longest_gradients(
    planes: FloatArray, columns: int, first: int, found: FloatArray, other: FloatArray
) -> None:
    """Compute the gradients of the channel in which they are longest, the first of equal ones.

    ``other`` has room for the gradients of another channel.
    """
    gradients(planes[0], columns, first, found)
    for c in range(1, len(planes)):
        gradients(planes[c], columns, first, other)
        for i in range(found.shape[1]):
            length = other[0, i] * other[0, i] + other[1, i] * other[1, i]
            longer = length > found[0, i] * found[0, i] + found[1, i] * found[1, i]
            found[0, i] = other[0, i] if longer else found[0, i]
            found[1, i] = other[1, i] if longer else found[1, i]


@inlined
def vote_for_directions(
    found: FloatArray, directions: FloatArray, starts: Places, places: Places, votes: FloatArray
) -> None:
    """Let each gradient vote for the direction that it points along most: "uoctti".

    The n directions are ``directions[:, b]``, and their opposites are the bins n + b. The
    first with the largest product with the gradient counts, in float32 as in VLFeat. The vote is
    the gradient's length, or 0 where all products are 0. Places and votes have the shape (pixels,).
    """
    gx, gy, n = found[0], found[1], directions.shape[1]
    votes[:] = ZERO
    places[:] = np.uint32(0)
    for b in range(n):
        across, down = directions[0, b], directions[1, b]
        forth, back = np.uint32(b), np.uint32(n + b)
        for x in range(len(gx)):
            product = gx[x] * across + gy[x] * down
            larger = abs(product) > votes[x]
            votes[x] = abs(product) if larger else votes[x]
            places[x] = (back if product < ZERO else forth) if larger else places[x]
    for x in range(len(gx)):
        places[x] += starts[x]
        length = np.sqrt(gx[x] * gx[x] + gy[x] * gy[x])
        votes[x] = length if votes[x] > ZERO else ZERO


@inlined
def vote_by_table(
    planes: FloatArray,
    columns: int,
    bins: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    found: FloatArray,
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient of an 8-bit image vote for a bin that is looked up: "skimage".

    The bin, written to ``places``, is ``bins[511 * (255 + gy) + 255 + gx]`` and the vote is
    ``sqrt(gx**2 + gy**2)``. Of several channels the first with the largest of the ``lengths`` at
    that place counts. Places and votes have the shape (pixels,), and ``found`` is room.
    """
    gx, gy = found[0], found[1]
    for c in range(len(planes)):
        gradients(planes[c], columns, np.int64(0), found)
        if c == 0:
            for i in range(len(votes)):
                votes[i] = np.sqrt(gx[i] * gx[i] + gy[i] * gy[i])
                places[i] = np.int32(gy[i] * FACTOR + gx[i] + OFFSET)
        else:
            for i in range(len(votes)):
                here = np.uint32(gy[i] * FACTOR + gx[i] + OFFSET)
                if lengths[here] > lengths[places[i]]:
                    votes[i], places[i] = np.sqrt(gx[i] * gx[i] + gy[i] * gy[i]), here
    for i in range(len(votes)):
        places[i] = bins[places[i]]
