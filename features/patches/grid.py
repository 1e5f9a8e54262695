"""Where the samples of a grid of patches lie in an image; nothing of the image itself."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.features.image import FloatArray

__all__ = [
    "BORDER",
    "CELLS",
    "MARGIN",
    "N_NUMBERS",
    "ORIENTATIONS",
    "WINDOW",
    "Grid",
    "IndexArray",
    "lay_grid",
]

IndexArray = npt.NDArray[np.uint32]

WINDOW = 32  # side of a resampled patch, in pixels
CELL = 8  # side of a cell
ORIENTATIONS = 9
CELLS = WINDOW // CELL
N_NUMBERS = CELLS * CELLS * ORIENTATIONS
MARGIN = CELL // 2  # samples beyond a patch's edge that vote
BORDER = MARGIN + 1  # and that are read, for their gradients


class Grid(NamedTuple):
    """Where the samples of a grid of windows lie in an image, and which windows they make up."""

    rows: IndexArray  # (2, height): the rows of pixels above and below every row of samples
    down: FloatArray  # (height,): the weights of those below
    columns: IndexArray  # (2, width): the same of columns
    across: FloatArray  # (width,)
    side: int  # of the small cells, in samples
    apart: int  # small cells between two windows
    n_down: int  # windows
    n_across: int


def lay_grid(
    corner: tuple[float, float],
    step: float,
    stride: int,
    windows: tuple[int, int],
    shape: tuple[int, int],
) -> Grid:
    """Lay a grid of windows over images.

    Parameters
    ----------
    corner : (float, float)
        Row and column of the first window's corner; the image's corner is (0, 0), the centre of
        its first pixel (0.5, 0.5).
    step : float
        Pixels of the image between two samples, at most 1.
    stride : int
        Samples between two windows.
    windows : (int, int)
        Windows down and across.
    shape : (int, int)
        Rows and columns of the images.
    """
    (rows, down), (columns, across) = (
        _taps(first, step, (n - 1) * stride + WINDOW + 2 * BORDER, length)
        for first, n, length in zip(corner, windows, shape, strict=True)
    )
    side = math.gcd(MARGIN, stride)
    return Grid(rows, down, columns, across, side, stride // side, *windows)


def _taps(first: float, step: float, n: int, length: int) -> tuple[IndexArray, FloatArray]:
    """Return the pixels before and behind each of n samples, and the weights of those behind.

    The first sample lies BORDER samples before ``first``. Beyond the ends of the image its end
    pixels go on.
    """
    places = first + (np.arange(n) - BORDER + 0.5) * step - 0.5
    lower = np.floor(places)
    pixels = np.clip([lower, lower + 1], 0, length - 1).astype(np.uint32)
    return pixels, (places - lower).astype(np.float32)
