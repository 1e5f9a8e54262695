"""``Coding``: what the codings have in common."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from visualwords.features.image import FloatArray
from visualwords.features.words.distances import DoubleArray
from visualwords.features.words.projection import OffsetArray
from visualwords.features.words.pyramid import RegionArray
from visualwords.features.words.vocabulary import VisualVocabulary

__all__ = ["Coding", "CodingOptions"]


class CodingOptions(NamedTuple):
    """Parameters of a bag that a coding may use."""

    n_neighbors: int = 5
    beta: float = 10.0


class Coding(ABC):
    """Turns descriptors into numbers that are summed over regions; prepared once for many images.

    Parameters
    ----------
    vocabulary : VisualVocabulary
        Fitted. It tells the words and how many training descriptors every word has.
    options : CodingOptions
        A coding uses those that concern it.
    """

    @abstractmethod
    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None: ...

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
    def encode(
        self, values: FloatArray, regions: RegionArray, offsets: OffsetArray, n_regions: int
    ) -> DoubleArray:
        """Sum the codes of the descriptors of images over the images' regions.

        The codes of an image have the same bits whatever other images come with it.

        Parameters
        ----------
        values : ndarray of shape (m, d), float32
            Descriptors, image by image.
        regions : ndarray of shape (m, levels), int64
            The regions of its image, one a level, to which each descriptor belongs.
        offsets : ndarray of shape (n + 1,), int64
            Rows ``offsets[i]`` to ``offsets[i + 1]`` belong to image ``i``.
        n_regions : int
            Regions of an image.

        Returns
        -------
        ndarray of shape (n, n_regions, width), float64
            Codes may be negative.
        """
