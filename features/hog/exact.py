"""The HOG of scikit-image in its own arithmetic, for images of which rounding decides the votes.

It takes lengths and angles of gradients from numpy. Which of the channels has the longest gradient,
and on which side of the end of a bin an angle lies, is decided here without them where that is
plain, and by numpy for the few pixels where it is not.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inner, kernel
from visualwords.features.image import Image

from .kernels import L1, L1_SQRT, L2_HYS

__all__ = ["normalize_blocks", "skimage_cells"]

Doubles = npt.NDArray[np.float64]
# Several times the error of numpy's angles, in radians, and of the products below.
CLOSE = 1e-14
EPSILON = 1e-5


def skimage_cells(
    image: Image, cell: tuple[int, int], cells: tuple[int, int, int], takes_root: bool
) -> Doubles:
    """Give the mean votes of the cells, as ``cells`` = (rows, columns, orientations).

    Of the channels of ``image``, an array of shape (rows, columns, channels), the first with the
    longest gradient counts; gradients have the image's precision, float64 for uint8. A pixel votes
    for the bin that its angle, in float64, lies in.
    """
    pixels = image.astype(np.float64) if image.dtype == np.uint8 else image
    pixels = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
    if takes_root:
        pixels = np.sqrt(pixels)
    across, along = np.empty((2, *image.shape[:2]))
    unsure = np.empty(image.shape[:2], np.bool_)
    if _find_longest(pixels, 8 * np.finfo(pixels.dtype).eps, across, along, unsure):
        _ask_for_longest(pixels, across, along, unsure)
    bins = np.empty(image.shape[:2], np.int64)
    ends = 180 / cells[2] * np.arange(1, cells[2] + 1)
    angles = np.deg2rad(ends)
    if _find_bins(across, along, np.cos(angles), np.sin(angles), bins, unsure):
        angles = np.rad2deg(np.arctan2(along[unsure], across[unsure])) % 180
        bins[unsure] = np.searchsorted(ends, angles, side="right")
    # An angle may be rounded up to 180 degrees, which is no bin's: one more takes its vote.
    votes = np.zeros((cells[0], cells[1], cells[2] + 1))
    _add_votes(across, along, bins, cell[0], cell[1], votes)
    return votes[..., :-1] / (cell[0] * cell[1])


@kernel
def _find_longest(pixels: Any, margin: float, across: Any, along: Any, unsure: Any) -> int:
    """Write the longest gradient of each pixel, and whether another's length is within a margin."""
    channels, rows, columns = pixels.shape
    n_unsure = 0
    longest, second, row_x = np.empty(columns), np.empty(columns), np.zeros(columns)
    for y in range(rows):
        above, below = (y - 1, y + 1) if 0 < y < rows - 1 else (y, y)
        gx, gy = across[y], along[y]
        for x in range(columns):
            gx[x], gy[x], longest[x], second[x] = 0, 0, 0, 0
        for channel in range(channels):
            row, before, after = pixels[channel, y], pixels[channel, above], pixels[channel, below]
            for x in range(1, columns - 1):
                row_x[x] = row[x + 1] - row[x - 1]
            for x in range(columns):
                other_x, other_y = row_x[x], np.float64(after[x] - before[x])
                squared = other_x * other_x + other_y * other_y
                alike = (abs(other_x) == abs(gx[x])) & (abs(other_y) == abs(gy[x]))
                second[x] = max(second[x], 0.0 if alike else min(squared, longest[x]))
                longer = squared > longest[x]
                gx[x] = other_x if longer else gx[x]
                gy[x] = other_y if longer else gy[x]
                longest[x] = squared if longer else longest[x]
        for x in range(columns):
            unsure[y, x] = (second[x] > 0) & (second[x] >= longest[x] * (1 - margin))
            n_unsure += unsure[y, x]
    return n_unsure


def _ask_for_longest(pixels: Image, across: Doubles, along: Doubles, unsure: Any) -> None:
    """Write the longest gradients of pixels by their lengths."""
    y, x = np.nonzero(unsure)
    last_row, last_column = unsure.shape[0] - 1, unsure.shape[1] - 1
    gy = pixels[:, np.minimum(y + 1, last_row), x] - pixels[:, y - 1, x]
    gx = pixels[:, y, np.minimum(x + 1, last_column)] - pixels[:, y, x - 1]
    gy[:, (y == 0) | (y == last_row)] = 0
    gx[:, (x == 0) | (x == last_column)] = 0
    longest = np.hypot(gy, gx).argmax(axis=0)
    each = np.arange(len(longest))
    across[unsure], along[unsure] = gx[longest, each], gy[longest, each]


@kernel
def _find_bins(across: Any, along: Any, cosines: Any, sines: Any, bins: Any, unsure: Any) -> int:
    """Write the bin of each pixel's angle, and whether it is close to the end of one.

    An angle has passed another where the sine of their difference is not negative.
    """
    rows, columns = across.shape
    n_unsure = 0
    closest, passed = np.empty(columns), np.empty(columns)
    for y in range(rows):
        for x in range(columns):
            closest[x], passed[x] = np.inf, 0
        for k in range(len(cosines) - 1):
            for x in range(columns):
                turned = along[y, x] < 0
                sine = along[y, x] * cosines[k] - across[y, x] * sines[k]
                sine = -sine if turned else sine
                passed[x] += 1.0 if sine >= 0 else 0.0
                closest[x] = min(closest[x], abs(sine))
        for x in range(columns):
            gx, gy = across[y, x], along[y, x]
            close = CLOSE * (abs(gx) + abs(gy))
            near = closest[x] <= close or 0 < abs(gy) <= close
            unsure[y, x] = near and gy != 0
            bins[y, x] = np.int64(passed[x]) if gy != 0 else 0
            n_unsure += unsure[y, x]
    return n_unsure


@kernel
def _add_votes(across: Any, along: Any, bins: Any, height: int, width: int, votes: Any) -> None:
    """Add the length of each pixel's gradient to its bin of its cell."""
    for i in range(votes.shape[0]):
        for y in range(i * height, (i + 1) * height):
            for j in range(votes.shape[1]):
                for x in range(j * width, (j + 1) * width):
                    squared = across[y, x] * across[y, x] + along[y, x] * along[y, x]
                    votes[i, j, bins[y, x]] += np.sqrt(squared)


@kernel
def normalize_blocks(votes: Any, down: int, right: int, norm: int, out: Any) -> None:
    """Write the blocks of cells, from one to the next ``down`` rows and ``right`` columns."""
    rows, columns, height, width, n = out.shape
    by_rows = votes.reshape(len(votes), -1)
    blocks = out.reshape(rows, columns, height, width * n)
    for i in range(rows):
        for j in range(columns):
            start = j * right * n
            block = by_rows[i * down : i * down + height, start : start + width * n]
            factor, again = 1 / _size(block, 1.0, norm, np.inf), 1.0
            clip = np.inf
            if norm == L2_HYS:
                clip = 0.2
                again = 1 / _size(block, factor, norm, clip)
            for row in range(height):
                for at in range(width * n):
                    number = min(block[row, at] * factor, clip) * again
                    blocks[i, j, row, at] = np.sqrt(number) if norm == L1_SQRT else number


@inner
def _size(block: Any, factor: float, norm: int, clip: float) -> float:
    """Give the sum or the length of a block times ``factor``, clipped, and a little more."""
    total = 0.0
    for row in range(block.shape[0]):
        for at in range(block.shape[1]):
            number = min(block[row, at] * factor, clip)
            total += number if norm in (L1, L1_SQRT) else number * number
    return total + EPSILON if norm in (L1, L1_SQRT) else np.sqrt(total + EPSILON * EPSILON)
