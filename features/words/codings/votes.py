"""Codings that vote for the nearest words."""

from functools import lru_cache

import numpy as np

from visualwords.features.image import FloatArray
from visualwords.features.words.distances import DoubleArray, IntArray
from visualwords.features.words.projection import OffsetArray
from visualwords.features.words.pyramid import RegionArray
from visualwords.features.words.search import WordSearch
from visualwords.features.words.vocabulary import VisualVocabulary

from .base import Coding, CodingOptions

__all__ = ["Hard", "Localized", "word_search"]


class Hard(Coding):
    """One vote for the nearest word."""

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.search = word_search(vocabulary.words_)

    def encode(
        self, values: FloatArray, regions: RegionArray, offsets: OffsetArray, n_regions: int
    ) -> DoubleArray:
        """Count the words."""
        words = np.empty(len(values), np.int32)
        self.search.fill(values, words, np.empty(0, np.float64))
        shape = (len(offsets) - 1, n_regions, self.search.n_words)
        return _sum(words[:, np.newaxis], None, regions, offsets, shape)


class Localized(Coding):
    """A vote shared by the ``n_neighbors`` nearest words.

    The shares are proportional to exp(-beta distance^2) and their sum is 1.
    """

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.search = word_search(vocabulary.words_)
        self.n_neighbors = min(options.n_neighbors, self.search.n_words)
        self.beta = options.beta

    def encode(
        self, values: FloatArray, regions: RegionArray, offsets: OffsetArray, n_regions: int
    ) -> DoubleArray:
        """Sum the shares."""
        words, squared = self.search.nearest_k(values, self.n_neighbors)
        shares = np.exp(-self.beta * (squared - squared[:, :1]))
        shares /= shares.sum(axis=1, keepdims=True)
        shape = (len(offsets) - 1, n_regions, self.search.n_words)
        return _sum(words, shares, regions, offsets, shape)


def word_search(words: FloatArray) -> WordSearch:
    """Return the search of given words; preparing it takes longer than coding an image."""
    return _search(words.shape, words.tobytes())


@lru_cache(maxsize=2)
def _search(shape: tuple[int, int], words: bytes) -> WordSearch:
    return WordSearch(np.frombuffer(words, np.float32).reshape(shape).copy())


def _sum(
    words: IntArray,
    shares: DoubleArray | None,
    regions: RegionArray,
    offsets: OffsetArray,
    shape: tuple[int, int, int],
) -> DoubleArray:
    """Sum the shares (None: ones) of every descriptor's words in all regions that it is in."""
    n, n_regions, n_words = shape
    images = np.repeat(np.arange(n), np.diff(offsets))
    rows = images[:, np.newaxis] * n_regions + regions
    places = rows[:, :, np.newaxis] * n_words + words[:, np.newaxis]
    if shares is not None:
        shares = np.broadcast_to(shares[:, np.newaxis], places.shape).reshape(-1)
    summed = np.bincount(places.reshape(-1), shares, n * n_regions * n_words)
    return summed.reshape(shape).astype(np.float64, copy=False)
