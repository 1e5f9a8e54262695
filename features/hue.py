"""Histograms of hue: ``hue_histogram`` and ``HueHistogram``."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from sklearn.utils.validation import check_is_fitted

from .base import ImageFeature
from .image import FloatArray, Image, Images, as_stack, check_image, stacks

__all__ = ["HueHistogram", "hue_histogram"]


@njit(nogil=True, cache=True, error_model="numpy")
def _count_hues(stack: Any, n_bins: int, out: Any) -> None:
    """Write the share of the pixels of each image that falls in each bin of hue."""
    n, rows, columns, channels = stack.shape
    for i in range(n):
        out[i] = 0
        if channels == 1:
            continue
        for y in range(rows):
            for x in range(columns):
                red = np.float32(stack[i, y, x, 0])
                green = np.float32(stack[i, y, x, 1])
                blue = np.float32(stack[i, y, x, 2])
                largest = max(red, green, blue)
                chroma = largest - min(red, green, blue)
                if chroma == 0:
                    continue
                if largest == red:
                    sixth = (green - blue) + (6 * chroma if green < blue else 0 * chroma)
                elif largest == green:
                    sixth = (blue - red) + 2 * chroma
                else:
                    sixth = (red - green) + 4 * chroma
                position = np.int64(sixth * n_bins / (6 * chroma))
                out[i, min(position, n_bins - 1)] += 1
        out[i] /= np.float32(rows * columns)


def hue_histogram(image: Image, *, n_bins: int = 10) -> FloatArray:
    """Histogram of the hue of an image's pixels.

    Examples
    --------
    >>> hue_histogram(np.full((2, 2, 3), (255, 0, 0), np.uint8), n_bins=4)
    array([1., 0., 0., 0.], dtype=float32)
    """
    out = np.empty((1, n_bins), np.float32)
    _count_hues(as_stack(check_image(image)), n_bins, out)
    return out[0]


class HueHistogram(ImageFeature):
    """Histogram of hue of many images: :func:`hue_histogram` as a transformer.

    Examples
    --------
    >>> HueHistogram(n_bins=4).fit_transform(np.zeros((5, 8, 8, 3), np.uint8)).shape
    (5, 4)
    """

    def __init__(self, n_bins: int = 10, n_jobs: int | None = None) -> None:
        self.n_bins = n_bins
        self.n_jobs = n_jobs

    def fit(self, images: Images, y: Any = None) -> Self:
        """Check the parameters; nothing is learned from the images.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        self._check_training(images)
        self.n_features_out_ = self.n_bins
        return self

    def describe(self, image: Image) -> FloatArray:
        """Describe one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        ndarray of shape (n_features_out_,), float32
        """
        check_is_fitted(self)
        return hue_histogram(image, n_bins=self.n_bins)

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        for rows, stack in stacks(images, first, lambda image: image):
            _count_hues(stack, self.n_bins, out[rows])

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name the bins by the angle in degrees at which each begins."""
        check_is_fitted(self)
        return np.array([f"hue{360 * b / self.n_bins:g}" for b in range(self.n_bins)], object)
