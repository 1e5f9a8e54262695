"""The sample of descriptors that a bag learns from: the same number of every image, to one."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from visualwords.features.image import FloatArray

__all__ = ["draw_descriptors", "quotas"]


def quotas(n_images: int, n_descriptors: int) -> npt.NDArray[np.int64]:
    """Return how many descriptors every image gives; the numbers differ by one at most.

    Examples
    --------
    >>> quotas(4, 6).tolist()
    [1, 2, 1, 2]
    """
    return np.diff(np.arange(n_images + 1) * n_descriptors // max(n_images, 1))


def draw_descriptors(
    images: Iterable[FloatArray], first: int, of_each: npt.NDArray[np.int64], seed: int
) -> list[FloatArray]:
    """Draw descriptors of images; what is drawn of an image depends on the seed and its number.

    Parameters
    ----------
    images : iterable of ndarray of shape (patches, d)
    first : int
        Number of the first of these images in the whole collection.
    of_each : ndarray of int
        How many descriptors to draw, by the number of the image.
    seed : int
    """
    drawn = []
    for number, values in enumerate(images, first):
        random = np.random.default_rng([seed, number])
        drawn.append(values[random.permutation(len(values))[: of_each[number]]])
    return drawn
