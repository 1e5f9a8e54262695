"""Compiled loops of HOG, first part: pixels -> votes."""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined
from visualwords.features.gradients import Places
from visualwords.features.image import FloatArray, Image

__all__ = ["load", "row_directions", "vote_by_table"]

ZERO = np.float32(0)
FACTOR, OFFSET = np.float32(511), np.float32(255 * 512)  # of indices in the table of gradients
ROUNDING = np.float32(768)  # The last bit of float32 numbers from 512 to 1024 is 2**-14.


@inlined
def load(images: Image, k: int, scale: np.float32, takes_roots: bool, planes: FloatArray) -> None:
    """Copy image k, times ``scale``, into planes with a border of one pixel, or its square roots.

    The pixels, 0..255 when scaled, are rounded to multiples of 2**-14, or as float32 is beyond 256.
    So an 8-bit image divided by 255 becomes the same whole numbers again, and ties are decided
    alike. The border mirrors the image at its outermost pixels: ``planes[c, 0] = planes[c, 2]``. So
    the difference of two neighbours is 0 where one of them lies outside the image. ``planes`` has
    the shape (channels, rows + 2, columns + 2).
    """
    rows, columns, channels = images.shape[1:]
    for c in range(channels):
        for y in range(rows):
            for x in range(columns):
                scaled = np.float32(images[k, y, x, c]) * scale
                planes[c, y + 1, x + 1] = (scaled + ROUNDING) - ROUNDING
            if takes_roots:
                for x in range(1, columns + 1):
                    planes[c, y + 1, x] = np.sqrt(planes[c, y + 1, x])
            planes[c, y + 1, 0] = planes[c, y + 1, min(2, columns)]
            planes[c, y + 1, columns + 1] = planes[c, y + 1, max(columns - 1, 1)]
        for x in range(columns + 2):
            planes[c, 0, x] = planes[c, min(2, rows), x]
            planes[c, rows + 1, x] = planes[c, max(rows - 1, 1), x]


@inlined
def row_directions(
    gx: FloatArray,
    gy: FloatArray,
    directions: FloatArray,
    starts: Places,
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient of a row vote for the direction that it points along most: "uoctti".

    The n directions are ``directions[:, b]``, and their opposites are the bins n + b. The
    first with the largest product with the gradient counts, in float32 as in VLFeat. The vote is
    the gradient's length, or 0 where all products are 0.
    """
    n = directions.shape[1]
    for x in range(len(gx)):
        largest, nearest = ZERO, 0
        for b in range(n):
            product = gx[x] * directions[0, b] + gy[x] * directions[1, b]
            if abs(product) > largest:
                largest, nearest = abs(product), n + b if product < ZERO else b
        length = np.sqrt(gx[x] * gx[x] + gy[x] * gy[x])
        places[0, x] = starts[x] + np.uint32(nearest)
        votes[0, x] = length if largest > ZERO else ZERO


@inlined
def vote_by_table(
    image: npt.NDArray[np.uint8],
    bins: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    pixels: FloatArray,
    gx: FloatArray,
    gy: FloatArray,
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient of an 8-bit image vote for a bin that is looked up: "skimage".

    The bin, written to ``places``, is ``bins[511 * (255 + gy) + 255 + gx]`` and the vote is
    ``sqrt(gx**2 + gy**2)``. Of several channels the first with the largest of the ``lengths`` at
    that place counts. The last five arrays have a number for each pixel; ``gy`` begins as zeros.
    """
    for c in range(image.shape[2]):
        image_gradients(image, c, pixels, gx, gy)
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
