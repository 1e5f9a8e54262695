"""Votes in the float64 arithmetic of their owners, where rounding decides which bin gets them.

They are computed by NumPy as scikit-image and the code of the course CS231n compute them.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from visualwords.features.image import FloatArray, Image

__all__ = ["cs231n_votes", "skimage_tables", "skimage_votes"]

Doubles = npt.NDArray[np.float64]

# The course's weights of grey; the last is 0.144 there, not BT.601's 0.114.
GRAY = (0.299, 0.587, 0.144)


@lru_cache(maxsize=16)
def skimage_tables(orientations: int) -> tuple[npt.NDArray[np.uint8], Doubles]:
    """Return the bin and the length of every gradient (gx, gy) that 8-bit pixels may have.

    They are number ``511 * (255 + gy) + 255 + gx`` of two arrays, uint8 and float64.
    """
    differences = np.arange(-255.0, 256)
    gy, gx = np.meshgrid(differences, differences, indexing="ij")
    return _skimage_bins(gx, gy, orientations).astype(np.uint8).ravel(), np.hypot(gy, gx).ravel()


def skimage_votes(
    image: Image, orientations: int, roots: bool
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return for which bin each pixel votes, and its vote, as ``skimage.feature.hog`` does.

    Of several channels the first with the longest gradient counts. Gradients have the precision of
    the image, float64 for uint8; angles and the ends of bins have that of float64. The image has
    the shape (rows, columns, channels); bins and votes have the shape (rows, columns).
    """
    pixels = image.astype(np.float64) if image.dtype == np.uint8 else image
    if roots:
        pixels = np.sqrt(pixels)
    gy, gx = np.zeros((2, image.shape[2], *image.shape[:2]), pixels.dtype)
    for c in range(image.shape[2]):
        gy[c, 1:-1] = pixels[2:, :, c] - pixels[:-2, :, c]
        gx[c, :, 1:-1] = pixels[:, 2:, c] - pixels[:, :-2, c]
    longest = np.hypot(gy, gx).argmax(axis=0)[np.newaxis]
    gy, gx = (np.take_along_axis(g, longest, 0)[0].astype(np.float64) for g in (gy, gx))
    bins, votes = _skimage_bins(gx, gy, orientations), np.hypot(gy, gx)
    # An angle may be rounded up to 180 degrees, which is in no bin.
    votes[bins == orientations] = 0
    bins[bins == orientations] = 0
    return bins, votes.astype(np.float32)


def _skimage_bins(gx: Doubles, gy: Doubles, orientations: int) -> npt.NDArray[np.int64]:
    """Return for each angle how many ends of bins it has reached."""
    angles = np.rad2deg(np.arctan2(gy, gx)) % 180
    ends = 180 / orientations * np.arange(1, orientations + 1)
    return np.searchsorted(ends, angles, side="right")


def cs231n_votes(image: Image, orientations: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return for which bin each pixel votes, and its vote, as the course's code does.

    Gradients are forward differences of the grey image, 0 in the last column or row. The angle is
    that of the gradient plus 90 degrees. Gradients outside 0..180, the half that points left, do
    not vote. A gradient straight up or down lies on the edge, and rounding decides. Shapes are as
    in :func:`skimage_votes`.
    """
    gray = image[:, :, 0].astype(np.float64)
    if image.shape[2] == 3:
        gray = gray * GRAY[0] + image[:, :, 1] * GRAY[1] + image[:, :, 2] * GRAY[2]
    gx, gy = np.zeros((2, *gray.shape))
    gx[:, :-1], gy[:-1] = np.diff(gray, axis=1), np.diff(gray, axis=0)
    angles = np.arctan2(gy, gx + 1e-15) * (180 / np.pi) + 90
    ends = 180 / orientations * np.arange(1, orientations)
    bins = np.searchsorted(ends, angles, side="right")
    votes = np.where((angles > 0) & (angles < 180), np.sqrt(gx**2 + gy**2), 0)
    return bins, votes.astype(np.float32)
