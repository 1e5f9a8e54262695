"""``VocabularyDisplay``: what the words of a vocabulary look like."""

from collections.abc import Sequence
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage

from ....features import BagOfVisualWords, PatchDescriptors, PixelPatches
from ....features.image import Image, check_image
from .base import axes_or_new, without_ticks

__all__ = ["VocabularyDisplay"]

SIDE = 20  # pixels of a patch in the display
MOST_PATCHES = 32  # of a word, whose mean is shown
CONTRAST, FLAT = 55.0, 0.15  # grey levels; and the deviation of a mean that counts as flat

Pixels = npt.NDArray[np.uint8]


class VocabularyDisplay:
    """The mean of the patches that are nearest to each word, and some of them.

    Parameters
    ----------
    means : ndarray of shape (n_words, side, side, 3), uint8
        Means of patches of like brightness and contrast, with the contrast of a photograph; what
        the patches of a word share is seen. Colour only of words of pixels. Grey where no patch
        was found.
    examples : list of list of ndarray of shape (side, side, 3), uint8
        Patches of each word, from different images where there are enough.
    counts : ndarray of shape (n_words,), integers
        Patches of each word.
    order : ndarray of shape (n_words,), integers
        The words so that neighbours look alike: the leaves of the tree that average linkage builds
        over the words.

    Attributes
    ----------
    ax_ : matplotlib Axes

    Examples
    --------
    >>> from skimage.data import brick, grass
    >>> images = [brick()[:64, :64], grass()[:64, :64]]
    >>> bag = BagOfVisualWords(n_words=20).fit(images)
    >>> VocabularyDisplay.from_estimator(bag, images).means.shape
    (20, 20, 20, 3)
    """

    def __init__(
        self,
        means: Pixels,
        examples: Sequence[Sequence[Pixels]],
        counts: npt.NDArray[np.intp],
        order: npt.NDArray[np.intp],
    ) -> None:
        self.means = means
        self.examples = examples
        self.counts = counts
        self.order = order

    @classmethod
    def from_estimator(
        cls, estimator: BagOfVisualWords, images: Sequence[Image], *, n_examples: int = 4
    ) -> Self:
        """Find the patches of the words in images.

        Parameters
        ----------
        estimator : BagOfVisualWords
            Fitted.
        images : sequence of images
        n_examples : int
            Patches of each word that are kept.
        """
        described = [estimator._of_block([image], slice(0, 1)) for image in images]
        joined = PatchDescriptors.joined(described)
        vocabulary = estimator.vocabulary_
        values, projection = joined.values, estimator._encoder().projection
        if projection is not None:
            values = projection.one_of_two(projection.apply(values, joined.offsets))
        words = np.asarray(vocabulary.predict(values))
        owners = np.repeat(np.arange(len(images)), np.diff(joined.offsets))
        # The patches of a word in an order that goes round the images.
        rank = np.random.default_rng(0).permutation(len(words))
        by_word = np.lexsort((rank, words))
        starts = np.searchsorted(words[by_word], np.arange(len(vocabulary.words_) + 1))
        is_coloured = isinstance(estimator.patches, PixelPatches)
        means = np.full((len(vocabulary.words_), SIDE, SIDE, 3), 128, np.uint8)
        examples: list[list[Pixels]] = []
        pixels = [_rgb(image) for image in images]
        for word in range(len(means)):
            mine = by_word[starts[word] : starts[word + 1]][:MOST_PATCHES]
            patches = _cut([pixels[owner] for owner in owners[mine]], joined.positions[mine])
            if len(patches):
                means[word] = _mean(patches.astype(np.float64), is_coloured)
            examples.append(list(patches[:n_examples]))
        tree = linkage(vocabulary.words_, "average") if len(means) > 1 else None
        order = np.zeros(1, np.intp) if tree is None else leaves_list(tree).astype(np.intp)
        return cls(means, examples, np.diff(starts), order)

    def gallery(self, columns: int = 40) -> Pixels:
        """Return the means as one picture, in order, row by row."""
        n_rows = -(-len(self.order) // columns)
        picture = np.full((n_rows * columns, SIDE, SIDE, 3), 128, np.uint8)
        picture[: len(self.order)] = self.means[self.order]
        rows = picture.reshape(n_rows, columns, SIDE, SIDE, 3).swapaxes(1, 2)
        return np.ascontiguousarray(rows.reshape(n_rows * SIDE, columns * SIDE, 3))

    def plot(self, ax: Any = None, *, columns: int = 40) -> Self:
        """Draw the means in order.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure where they are left out.
        columns : int
            Words in a row.
        """
        self.ax_ = axes_or_new(ax)
        picture = self.gallery(columns)
        self.ax_.imshow(picture, extent=(0, picture.shape[1], picture.shape[0], 0))
        without_ticks(self.ax_, *picture.shape[:2])
        return self


def _mean(patches: npt.NDArray[np.float64], is_coloured: bool) -> Pixels:
    """Return the mean of patches that have mean 0 and deviation 1, made visible."""
    if not is_coloured:  # the words are of gradients, which say nothing of colour
        patches = patches.mean(axis=3, keepdims=True)
    patches -= patches.mean(axis=(1, 2, 3), keepdims=True)
    mean = (patches / np.maximum(patches.std(axis=(1, 2, 3), keepdims=True), 1.0)).mean(axis=0)
    # A flat word has no contrast to be raised.
    mean *= CONTRAST / max(float(mean.std()), FLAT)
    return np.clip(np.round(mean + 128), 0, 255).astype(np.uint8)


def _rgb(image: Image) -> npt.NDArray[np.float32]:
    image = check_image(image)
    unit = np.float32(1 if image.dtype == np.uint8 else 255)
    pixels = image.astype(np.float32) * unit
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def _cut(images: Sequence[npt.NDArray[np.float32]], positions: npt.NDArray[np.float32]) -> Pixels:
    """Cut a patch out of each image, turned upright, and resample it."""
    patches = np.empty((len(images), SIDE, SIDE, 3), np.float32)
    for image, to_image, patch in zip(images, _maps(positions), patches, strict=True):
        cv2.warpAffine(
            image,
            to_image,
            (SIDE, SIDE),
            dst=patch,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return np.clip(np.round(patches), 0, 255).astype(np.uint8)


def _maps(positions: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the affine maps, (n, 2, 3), from pixels of patches to those of their images.

    The centres of pixels are at whole numbers in OpenCV.
    """
    row, column, side, angle = positions.T.astype(np.float64)
    middle = (SIDE - 1) / 2
    cos, sin = np.cos(angle) * side / SIDE, np.sin(angle) * side / SIDE
    maps = np.empty((len(positions), 2, 3))
    maps[:, 0] = np.column_stack([cos, -sin, column - 0.5 - (cos - sin) * middle])
    maps[:, 1] = np.column_stack([sin, cos, row - 0.5 - (sin + cos) * middle])
    return maps
