"""``HOGDisplay``: the histograms of oriented gradients of an image."""

from typing import Any, Self

import numpy as np

from ....features import HOG, hog_cells
from ....features.image import Image, check_image, resize
from .base import FloatArray, axes_or_new, draw_stars, without_ticks

__all__ = ["HOGDisplay"]


class HOGDisplay:
    """The histograms of an image's cells, as stars of lines along its edges.

    Parameters
    ----------
    cells : ndarray of shape (rows, columns, bins)
        Votes of each cell, before blocks are normalised.
    angles : ndarray of shape (bins,)
        Of the gradients, in radians from pointing right towards pointing down.

    Attributes
    ----------
    ax_ : matplotlib Axes
    lines_ : matplotlib.collections.LineCollection

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from visualwords import HOG
    >>> display = HOGDisplay.from_estimator(HOG(image_size=(64, 64)), astronaut())
    >>> display.cells.shape
    (8, 8, 9)
    """

    def __init__(self, cells: FloatArray, angles: FloatArray) -> None:
        self.cells = cells
        self.angles = angles

    @classmethod
    def from_estimator(cls, estimator: HOG, image: Image, *, ax: Any = None) -> Self:
        """Describe an image as an estimator would, and plot it where axes are given.

        Parameters
        ----------
        estimator : HOG
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
        ax : matplotlib Axes, optional
        """
        image = check_image(image, float64=True)
        size = estimator.image_size or getattr(estimator, "image_size_", None)
        if size is not None and image.shape[:2] != tuple(size):
            image = resize(image, tuple(size))
        cells = hog_cells(
            image,
            orientations=estimator.orientations,
            pixels_per_cell=estimator.pixels_per_cell,
            convention=estimator.convention,
            signed=estimator.signed,
            transform_sqrt=estimator.transform_sqrt,
        )
        display = cls(cells, angles_of(estimator))
        return display if ax is None else display.plot(ax)

    def plot(self, ax: Any = None, *, color: str = "black") -> Self:
        """Draw the stars.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure where they are left out.
        color : colour of matplotlib
        """
        self.ax_ = axes_or_new(ax)
        without_ticks(self.ax_, *self.cells.shape[:2])
        self.lines_ = draw_stars(self.ax_, self.cells, self.angles, color)
        return self


def angles_of(estimator: HOG) -> FloatArray:
    """Return the angles of the gradients of an estimator's bins, in radians."""
    from ....features.hog.conventions import bin_angles

    return np.asarray(
        bin_angles(estimator.convention, estimator.orientations, estimator.signed, 2 * np.pi)
    )
