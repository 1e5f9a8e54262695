"""``EvidenceDisplay``: which patches of an image speak for a class, and which against it."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ....features import BagOfVisualWords, patch_evidence
from ....features.image import Image
from .base import FloatArray, axes_or_new, without_ticks

__all__ = ["EvidenceDisplay"]


class EvidenceDisplay:
    """A map of what the patches of an image add to a linear score.

    Parameters
    ----------
    image : ndarray of shape (rows, columns) or (rows, columns, 3)
    evidence : ndarray of shape (patches,)
        What each patch adds to the score; see :func:`visualwords.features.patch_evidence`.
    positions : ndarray of shape (patches, 4)
        Centre row, centre column, side and angle of the patches.

    Attributes
    ----------
    ax_ : matplotlib Axes
    map_ : ndarray of shape (rows, columns), float64
        The evidence of a patch is spread evenly over its square, so the map's sum is the score of
        the patches that lie in the image.

    Examples
    --------
    >>> from skimage.data import brick, grass
    >>> images = [brick()[:64, :64], grass()[:64, :64]]
    >>> bag = BagOfVisualWords(n_words=20).fit(images)
    >>> weights = np.linspace(-1, 1, 20)
    >>> display = EvidenceDisplay.from_weights(weights, bag, images[0])
    >>> display.map_.shape
    (64, 64)
    """

    def __init__(self, image: Image, evidence: FloatArray, positions: FloatArray) -> None:
        self.image = image
        self.evidence = evidence
        self.positions = positions
        self.map_ = _spread(evidence, positions, *image.shape[:2])

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        bag: BagOfVisualWords,
        image: Image,
        label: object,
        *,
        against: object = None,
        columns: slice = slice(None),
    ) -> Self:
        """Take the weights of a class from a classifier.

        Parameters
        ----------
        estimator : LinearSVM or Softmax
            Fitted.
        bag : BagOfVisualWords
            Fitted; the feature.
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
        label : object
            One of ``estimator.classes_``.
        against : object, optional
            Another class; its score is subtracted.
        columns : slice
            The bag's columns in the matrix that the classifier was trained on.
        """
        known = list(estimator.classes_)
        for name in [label] if against is None else [label, against]:
            if name not in known:
                raise ValueError(f"expected one of the classes {known}, got {name!r}")
        weights = estimator.coef_[known.index(label), columns]
        if against is not None:
            weights = weights - estimator.coef_[known.index(against), columns]
        return cls.from_weights(weights, bag, image)

    @classmethod
    def from_weights(cls, weights: npt.ArrayLike, bag: BagOfVisualWords, image: Image) -> Self:
        """Share a score out among the patches of an image.

        Parameters
        ----------
        weights : array-like of shape (n_features_out_,)
        bag : BagOfVisualWords
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
        """
        return cls(image, *patch_evidence(bag, image, weights))

    def plot(self, ax: Any = None, *, cmap: str = "PuOr_r") -> Self:
        """Draw the image in grey and the map over it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure where they are left out.
        cmap : str
            A colour map with a neutral middle; that of 0.
        """
        self.ax_ = axes_or_new(ax)
        rows, columns = self.map_.shape
        gray = self.image if self.image.ndim == 2 else np.asarray(self.image).mean(axis=2)
        extent = (0, columns, rows, 0)
        self.ax_.imshow(gray, cmap="gray", extent=extent)
        most = max(float(np.abs(self.map_).max()), 1e-12)
        self.ax_.imshow(self.map_, cmap=cmap, vmin=-most, vmax=most, alpha=0.6, extent=extent)
        without_ticks(self.ax_, rows, columns)
        return self


def _spread(
    evidence: FloatArray, positions: FloatArray, rows: int, columns: int
) -> npt.NDArray[np.float64]:
    """Spread the evidence of patches over their squares, by the differences at the corners."""
    steps = np.zeros((rows + 1, columns + 1))
    half = positions[:, 2] / 2
    top, left = (np.round(positions[:, k] - half).astype(int) for k in (0, 1))
    bottom, right = (np.round(positions[:, k] + half).astype(int) for k in (0, 1))
    area = np.maximum((bottom - top) * (right - left), 1)
    for y, x, sign in (
        (top, left, 1),
        (top, right, -1),
        (bottom, left, -1),
        (bottom, right, 1),
    ):
        corner = np.clip(y, 0, rows), np.clip(x, 0, columns)
        np.add.at(steps, corner, sign * evidence / area)
    return steps.cumsum(axis=0).cumsum(axis=1)[:rows, :columns]
