"""Codings that vote for the nearest words."""

from functools import lru_cache

import numpy as np

from visualwords.features.image import FloatArray
from visualwords.features.words.distances import DoubleArray, IntArray
from visualwords.features.words.search import WordSearch
from visualwords.features.words.vocabulary import VisualVocabulary

from .base import Coding, CodingOptions, PlacedPatches, with_mirror_images

__all__ = ["Hard", "Localized", "word_search"]


class Hard(Coding):
    """One vote for the nearest word."""

    chooses = True

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.n_words = len(vocabulary.words_)
        self.search = word_search(with_mirror_images(vocabulary.words_, options.signs))

    def encode(self, patches: PlacedPatches) -> DoubleArray:
        """Count the words."""
        words = np.empty(len(patches.values), np.int32)
        self.search.fill(patches.values, words, np.empty(0, np.float64))
        return _sum(patches, words[:, np.newaxis], None, self.n_words)


class Localized(Coding):
    """A vote shared by the ``n_neighbors`` nearest words.

    The shares are proportional to exp(-beta distance^2) and their sum is 1 (L. Liu, L. Wang, X.
    Liu, "In defense of soft-assignment coding", ICCV 2011).
    """

    chooses = True

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.n_words = len(vocabulary.words_)
        self.search = word_search(with_mirror_images(vocabulary.words_, options.signs))
        self.n_neighbors = min(options.n_neighbors, self.search.n_words)
        self.beta = options.beta

    def encode(self, patches: PlacedPatches) -> DoubleArray:
        """Sum the shares."""
        words, squared = self.search.nearest_k(patches.values, self.n_neighbors)
        shares = np.exp(-self.beta * (squared - squared[:, :1]))
        shares /= shares.sum(axis=1, keepdims=True)
        return _sum(patches, words, shares, self.n_words)


def word_search(words: FloatArray) -> WordSearch:
    """Return the search of given words; preparing it takes longer than coding an image."""
    return _search(words.shape, words.tobytes())


@lru_cache(maxsize=2)
def _search(shape: tuple[int, int], words: bytes) -> WordSearch:
    return WordSearch(np.frombuffer(words, np.float32).reshape(shape).copy())


def _sum(
    patches: PlacedPatches, words: IntArray, shares: DoubleArray | None, n_words: int
) -> DoubleArray:
    """Sum the shares (None: ones) of every patch's words in all regions that it is in.

    The word ``n_words + w`` is the mirror image of the word w.
    """
    kinds, words = np.divmod(words, n_words)
    regions = patches.regions[kinds, np.arange(len(words))[:, np.newaxis]]
    rows = patches.images[:, np.newaxis, np.newaxis] * patches.n_regions + regions
    places = rows * n_words + words[:, :, np.newaxis]
    if shares is not None:
        shares = np.broadcast_to(shares[:, :, np.newaxis], places.shape).reshape(-1)
    shape = (patches.n_images, patches.n_regions, n_words)
    summed = np.bincount(places.reshape(-1), shares, int(np.prod(shape)))
    return summed.reshape(shape).astype(np.float64, copy=False)
