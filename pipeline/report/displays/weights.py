"""``WeightsDisplay``: what a linear classifier looks for in the HOG of an image."""

import re
from functools import cache, partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ....features import HOG
from .base import FloatArray, axes_or_new, draw_stars, without_ticks
from .hog import angles_of

__all__ = ["WeightsDisplay"]

NAME = re.compile(r"hog(?:_block(\d+)_(\d+))?_cell(\d+)_(\d+)_(?:(angle)|unsigned)(-?[\d.]+)$")


class WeightsDisplay:
    """Weights of HOG's numbers, as stars of lines: edges that speak for a class, and against it.

    Parameters
    ----------
    cells : ndarray of shape (rows, columns, bins)
        The sum of the weights of each bin of a cell, over the blocks that the cell is in.
    angles : ndarray of shape (bins,)
        Of the gradients, in radians from pointing right towards pointing down.

    Attributes
    ----------
    ax_ : matplotlib Axes
    lines_ : matplotlib.collections.LineCollection

    Examples
    --------
    >>> from visualwords import HOG
    >>> weights = np.zeros(HOG(image_size=(32, 32)).fit([np.zeros((32, 32))]).n_features_out_)
    >>> WeightsDisplay.from_weights(weights, HOG(image_size=(32, 32))).cells.shape
    (4, 4, 9)
    """

    def __init__(self, cells: FloatArray, angles: FloatArray) -> None:
        self.cells = cells
        self.angles = angles

    @classmethod
    def from_estimator(
        cls, estimator: Any, hog: HOG, label: object, *, columns: slice = slice(None)
    ) -> Self:
        """Take the weights of a class from a classifier.

        Parameters
        ----------
        estimator : LinearSVM or Softmax
            Fitted.
        hog : HOG
            The feature; its size must be known, by ``image_size`` or by ``fit``.
        label : object
            One of ``estimator.classes_``.
        columns : slice
            HOG's columns in the matrix that the classifier was trained on.
        """
        known = list(estimator.classes_)
        if label not in known:
            raise ValueError(f"label must be one of the classes {known}, got {label!r}")
        return cls.from_weights(estimator.coef_[known.index(label), columns], hog)

    @classmethod
    def from_weights(cls, weights: npt.ArrayLike, hog: HOG) -> Self:
        """Sort weights into the cells of HOG.

        Parameters
        ----------
        weights : array-like of shape (n_features_out,)
        hog : HOG
        """
        weights, names = np.asarray(weights, np.float64), hog.get_feature_names_out()
        if weights.shape != names.shape:
            raise ValueError(
                f"expected {len(names)} weights, one for each number of HOG, got {weights.shape}"
            )
        angles = angles_of(hog)
        stride = np.divide(hog.block_stride or hog.pixels_per_cell, hog.pixels_per_cell)
        bins = cache(partial(_bins_near, np.degrees(angles)))
        places, values = [], []
        for name, value in zip(names, weights.tolist(), strict=True):
            match = NAME.match(name)
            if match is None:  # the texture numbers of "uoctti" have no direction
                continue
            row = round(int(match[1] or 0) * stride[0] + int(match[3]))
            column = round(int(match[2] or 0) * stride[1] + int(match[4]))
            for b in bins(float(match[6]), match[5] is None):
                places.append((row, column, b))
                values.append(value)
        index = np.array(places)
        cells = np.zeros((*(index[:, :2].max(axis=0) + 1), len(angles)))
        np.add.at(cells, tuple(index.T), values)
        return cls(cells, angles)

    def plot(self, ax: Any = None, *, sign: str = "for", color: str = "black") -> Self:
        """Draw the stars of one sign.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure where they are left out.
        sign : {"for", "against"}
            Positive or negative weights.
        color : colour of matplotlib
        """
        if sign not in ("for", "against"):
            raise ValueError(f'sign must be "for" or "against", got {sign!r}')
        self.ax_ = axes_or_new(ax)
        without_ticks(self.ax_, *self.cells.shape[:2])
        cells = np.maximum(self.cells if sign == "for" else -self.cells, 0)
        self.lines_ = draw_stars(self.ax_, cells, self.angles, color)
        return self


def _bins_near(degrees: FloatArray, angle: float, is_unsigned: bool) -> list[int]:
    """Return the bins of an angle: two where the gradient may point either way."""
    away = degrees - angle
    if is_unsigned:
        opposite = away % 180
        away = np.minimum(opposite, 180 - opposite)
    return np.flatnonzero(np.abs(away) < 1e-3).tolist()
