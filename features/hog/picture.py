"""Histograms of oriented gradients as a picture: ``hog_image``."""

from typing import Never

import numpy as np

from visualwords.features.hints import FEATURE_HINTS
from visualwords.features.image import FloatArray, Image
from visualwords.hints import hint_at

from .conventions import bin_angles
from .hog import hog_cells

__all__ = ["hog_image"]


def hog_image(
    image: Image,
    *,
    orientations: int = 9,
    pixels_per_cell: tuple[int, int] = (8, 8),
    convention: str = "dalal",
    signed: bool = False,
    transform_sqrt: bool | None = None,
    **unknown: Never,
) -> FloatArray:
    """Draw the histograms of an image's cells as small stars of lines.

    A line runs along the edge that its bin stands for, at right angles to the gradient; it is as
    bright as the cell's votes for the bin.

    Parameters
    ----------
    image, orientations, pixels_per_cell, convention, signed, transform_sqrt
        As in :func:`hog_cells`.

    Returns
    -------
    ndarray of shape (rows, columns), float32
        As large as the image; pixels that belong to no cell are 0. With
        ``convention="skimage"`` it is what ``skimage.feature.hog`` draws.

    Examples
    --------
    >>> hog_image(np.eye(32, dtype=np.float32)).shape
    (32, 32)
    """
    if unknown:
        hint_at("hog_image", unknown, FEATURE_HINTS)
    cells = hog_cells(
        image,
        orientations=orientations,
        pixels_per_cell=pixels_per_cell,
        convention=convention,
        signed=signed,
        transform_sqrt=transform_sqrt,
    )
    from skimage.draw import line  # slow to import, and used here alone

    angles = bin_angles(convention, orientations, signed, 2 * np.pi)
    rows, columns = pixels_per_cell
    radius = max(0, min(rows, columns) // 2 - 1)
    steps = radius * np.cos(angles), radius * np.sin(angles)
    height, width = np.shape(image)[:2]
    # The last cells of "uoctti" may reach beyond the image.
    whole = max(height, cells.shape[0] * rows), max(width, cells.shape[1] * columns)
    picture = np.zeros(whole, np.float32)
    for i, j in np.ndindex(*cells.shape[:2]):  # Cell by cell: where a line ends is rounded.
        y, x = i * rows + rows // 2, j * columns + columns // 2
        for votes, dy, dx in zip(cells[i, j], *steps, strict=True):
            ends = line(int(y - dy), int(x + dx), int(y + dy), int(x - dx))
            picture[ends] += votes
    return np.ascontiguousarray(picture[:height, :width])
