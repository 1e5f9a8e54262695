"""Codings: how the descriptors of a region become the numbers of a bag.

A new coding is a subclass of :class:`Coding` that is listed in ``CODINGS``. It is then a value of
``BagOfVisualWords(assignment=...)``.
"""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from visualwords.compiling import kernel
from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks

from .distances import DoubleArray, IntArray, all_distances
from .pyramid import RegionArray
from .search import WordSearch
from .vocabulary import VisualVocabulary

__all__ = ["CODINGS", "Coding", "CodingOptions"]

PATCHES_AT_A_TIME = 64


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
    def encode(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Sum the codes of descriptors, in their order, over regions.

        Parameters
        ----------
        values : ndarray of shape (m, d), float32
        regions : ndarray of shape (m, levels), int64
            The regions, one a level, to which each descriptor belongs.
        n_regions : int

        Returns
        -------
        ndarray of shape (n_regions, width), float64
            Codes may be negative.
        """


class Hard(Coding):
    """One vote for the nearest word."""

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.search = _search(vocabulary.words_.shape, vocabulary.words_.tobytes())

    def encode(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Count the nearest words."""
        words = np.empty(len(values), np.int32)
        self.search.fill(values, words, np.empty(0, np.float64))
        return _sum(words[:, np.newaxis], None, regions, (n_regions, self.search.n_words))


class Localized(Coding):
    """A vote shared by the ``n_neighbors`` nearest words.

    The shares are proportional to exp(-beta distance^2) and their sum is 1.
    """

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.search = _search(vocabulary.words_.shape, vocabulary.words_.tobytes())
        self.n_neighbors = min(options.n_neighbors, self.search.n_words)
        self.beta = options.beta

    def encode(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Sum the shares."""
        words, squared = self.search.nearest_k(values, self.n_neighbors)
        shares = np.exp(-self.beta * (squared - squared[:, :1]))
        shares /= shares.sum(axis=1, keepdims=True)
        return _sum(words, shares, regions, (n_regions, self.search.n_words))


class Triangle(Coding):
    """Votes of max(0, mean distance to all words - distance to the word)."""

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.columns = np.ascontiguousarray(vocabulary.words_.T)

    def encode(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Sum the differences of the mean distance and the distances, where they are positive."""
        histograms = np.zeros((n_regions, self.columns.shape[1]))
        distances = np.empty((PATCHES_AT_A_TIME, self.columns.shape[1]), np.float32)
        for block in row_blocks(len(values), PATCHES_AT_A_TIME):
            part = distances[: block.stop - block.start]
            all_distances(values[block], self.columns, part)
            _add_triangle(part, regions[block], histograms)
        return histograms


CODINGS: dict[str, type[Coding]] = {"hard": Hard, "localized": Localized, "triangle": Triangle}


@lru_cache(maxsize=2)
def _search(shape: tuple[int, int], words: bytes) -> WordSearch:
    """Return the search of given words; preparing it takes longer than coding an image."""
    return WordSearch(np.frombuffer(words, np.float32).reshape(shape).copy())


def _sum(
    words: IntArray, shares: DoubleArray | None, regions: RegionArray, shape: tuple[int, int]
) -> DoubleArray:
    """Sum the shares (None: ones) of every descriptor's words in all its regions."""
    places = regions[:, :, np.newaxis] * shape[1] + words[:, np.newaxis]
    if shares is not None:
        shares = np.broadcast_to(shares[:, np.newaxis], places.shape).reshape(-1)
    summed = np.bincount(places.reshape(-1), shares, shape[0] * shape[1])
    return summed.reshape(shape).astype(np.float64, copy=False)


@kernel
def _add_triangle(distances: FloatArray, regions: RegionArray, histograms: DoubleArray) -> None:
    """Add max(0, mean - distance) of every descriptor to all its regions."""
    n_words = distances.shape[1]
    for i in range(len(distances)):
        mean = 0.0
        for word in range(n_words):
            mean += distances[i, word]
        mean /= n_words
        for level in range(regions.shape[1]):
            histogram = histograms[regions[i, level]]
            for word in range(n_words):
                histogram[word] += max(0.0, mean - distances[i, word])
