"""``Coding``: what the codings have in common."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from visualwords.features.image import FloatArray
from visualwords.features.words.distances import DoubleArray
from visualwords.features.words.mixture import GaussianVocabulary
from visualwords.features.words.projection import OffsetArray
from visualwords.features.words.pyramid import RegionArray
from visualwords.features.words.vocabulary import VisualVocabulary

__all__ = ["Coding", "CodingOptions", "PlacedPatches", "Vocabulary", "with_mirror_images"]

Vocabulary = VisualVocabulary | GaussianVocabulary


class CodingOptions(NamedTuple):
    """Parameters of a bag that a coding may use.

    Attributes
    ----------
    n_neighbors : int
    beta : float
    signs : ndarray of shape (d,), float32, or None
        The mirror image of a patch with the descriptor x has the descriptor x * signs. None if
        mirror images do not count.
    """

    n_neighbors: int = 5
    beta: float = 10.0
    signs: FloatArray | None = None


class PlacedPatches(NamedTuple):
    """Descriptors of the patches of images, and the regions that they belong to.

    Attributes
    ----------
    values : ndarray of shape (m, d), float32
        Image by image.
    offsets : ndarray of shape (n + 1,), int64
        Rows ``offsets[i]`` to ``offsets[i + 1]`` belong to image ``i``.
    regions : ndarray of shape (1 or 2, m, levels), int64
        The regions of its image, one a level, to which each patch belongs; if mirror images count,
        also those to which it belongs in the mirror image of its image.
    n_regions : int
        Regions of an image.
    """

    values: FloatArray
    offsets: OffsetArray
    regions: RegionArray
    n_regions: int

    @property
    def n_images(self) -> int:
        """The number of images."""
        return len(self.offsets) - 1

    @property
    def images(self) -> OffsetArray:
        """The number of every patch's image."""
        return np.repeat(np.arange(self.n_images), np.diff(self.offsets))


class Coding(ABC):
    """Turns descriptors into numbers that are summed over regions; prepared once for many images.

    Parameters
    ----------
    vocabulary : estimator
        What :meth:`learn` returned.
    options : CodingOptions
        A coding uses those that concern it.

    Notes
    -----
    If mirror images count, the codes of an image's mirror image are added to those of the image.
    Then the words and their mirror images are one vocabulary of twice as many words: a patch has
    the code c for a word's mirror image exactly if its own mirror image has the code c for the
    word. So only the patches themselves are compared with the words. A patch that is its own mirror
    image is as near to a word as to its mirror image: where words are chosen (``chooses``), half of
    its code counts in the image and half in the mirror image.
    """

    # How k-means begins.
    init: ClassVar[str] = "k-means++"
    # Whether only the nearest words of a patch have numbers, so that ties matter.
    chooses: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, vocabulary: Vocabulary, options: CodingOptions) -> None: ...

    @classmethod
    def learn(
        cls,
        sample: FloatArray,
        n_words: int,
        random_state: int | np.random.RandomState | None,
        n_jobs: int | None,
    ) -> Vocabulary:
        """Learn the vocabulary that this coding needs."""
        words = VisualVocabulary(
            n_words, init=cls.init, random_state=random_state, n_jobs=n_jobs
        ).fit(sample)
        del words.labels_  # They are as long as the sample, which is not kept.
        return words

    @classmethod
    def width(cls, n_words: int, n_columns: int) -> int:
        """Return how many numbers a region has, for descriptors of ``n_columns`` numbers.

        A coding with other than one number a word overrides this method and :meth:`names`.
        """
        return n_words

    @classmethod
    def names(cls, n_words: int, n_columns: int) -> list[str]:
        """Return the names of the ``width`` numbers of a region."""
        return [f"word{word:04d}" for word in range(n_words)]

    @abstractmethod
    def encode(self, patches: PlacedPatches) -> DoubleArray:
        """Sum the codes of the patches of images over the images' regions.

        The codes of an image have the same bits whatever other images come with it.

        Returns
        -------
        ndarray of shape (n_images, n_regions, width), float64
            Codes may be negative.
        """


def with_mirror_images(words: FloatArray, signs: FloatArray | None) -> FloatArray:
    """Return the words, followed by their mirror images if these count."""
    return words if signs is None else np.concatenate([words, words * signs])
