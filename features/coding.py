"""From descriptors to votes for words, summed over the regions of an image."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from visualwords.threads import row_blocks

from .distances import all_distances
from .image import FloatArray
from .nearest import WordSearch

__all__ = ["ASSIGNMENTS", "Coder", "make_coder", "n_regions", "regions_of"]

IntArray = npt.NDArray[np.int32]
DoubleArray = npt.NDArray[np.float64]
PATCHES_AT_A_TIME = 64


def n_regions(levels: int) -> int:
    """Regions of a pyramid: 1 + 4 + 16 + ..."""
    return (4**levels - 1) // 3


def regions_of(positions: FloatArray, shape: tuple[int, int], levels: int) -> IntArray:
    """Numbers of the regions that contain the centres of patches.

    Parameters
    ----------
    positions : ndarray of shape (m, 4)
        Centre row and centre column come first.
    shape : (int, int)
        Rows and columns of the image.
    levels : int
        Level l cuts the image into 2^l x 2^l regions, numbered row by row, after those before.

    Returns
    -------
    ndarray of shape (m, levels), int32
    """
    regions = np.empty((len(positions), levels), np.int32)
    for level in range(levels):
        side = 2**level
        cells = positions[:, :2].astype(np.float64) / shape * side
        rows, columns = np.clip(cells.astype(np.int32), 0, side - 1).T
        regions[:, level] = n_regions(level) + rows * side + columns
    return regions


class Coder(ABC):
    """Turns descriptors into votes for words; prepared once for many images."""

    @abstractmethod
    def vote(self, values: FloatArray, regions: IntArray, histograms: DoubleArray) -> None:
        """Add the votes of an image's descriptors.

        Parameters
        ----------
        values : ndarray of shape (m, d), float32
        regions : ndarray of shape (m, levels), int32
            Where each descriptor votes.
        histograms : ndarray of shape (regions, n_words), float64
            Added to, in the order of the descriptors.
        """


class HardCoder(Coder):
    """One vote for the nearest word."""

    def __init__(self, words: FloatArray) -> None:
        self.search = WordSearch(words)

    def vote(self, values: FloatArray, regions: IntArray, histograms: DoubleArray) -> None:
        """Add one vote a descriptor."""
        words, _ = self.search.nearest(values)
        _add(words[:, np.newaxis], np.ones((len(words), 1)), regions, histograms)


class LocalizedCoder(Coder):
    """A vote shared by the nearest words: exp(-beta distance^2), scaled to the sum 1."""

    def __init__(self, words: FloatArray, n_neighbors: int, beta: float) -> None:
        self.search = WordSearch(words)
        self.n_neighbors = n_neighbors
        self.beta = beta

    def vote(self, values: FloatArray, regions: IntArray, histograms: DoubleArray) -> None:
        """Add the shares."""
        words, squared = self.search.nearest_k(values, self.n_neighbors)
        shares = np.exp(-self.beta * (squared - squared[:, :1]))
        shares /= shares.sum(axis=1, keepdims=True)
        _add(words, shares, regions, histograms)


class TriangleCoder(Coder):
    """Votes max(0, mean distance to all words - distance to the word)."""

    def __init__(self, words: FloatArray) -> None:
        self.columns = np.ascontiguousarray(words.T)

    def vote(self, values: FloatArray, regions: IntArray, histograms: DoubleArray) -> None:
        """Add the votes."""
        distances = np.empty((PATCHES_AT_A_TIME, self.columns.shape[1]), np.float32)
        for block in row_blocks(len(values), PATCHES_AT_A_TIME):
            part = distances[: block.stop - block.start]
            all_distances(values[block], self.columns, part)
            _add_triangle(part, regions[block], histograms)


def make_coder(assignment: str, words: FloatArray, n_neighbors: int, beta: float) -> Coder:
    """Prepare the coder of an ``assignment``."""
    if assignment == "hard":
        return HardCoder(words)
    if assignment == "localized":
        return LocalizedCoder(words, min(n_neighbors, len(words)), beta)
    return TriangleCoder(words)


ASSIGNMENTS = ("hard", "localized", "triangle")


@njit(nogil=True, cache=True)
def _add(words: Any, shares: Any, regions: Any, histograms: Any) -> None:
    """Add the shares of every descriptor to its words in all its regions."""
    for i in range(len(words)):
        for level in range(regions.shape[1]):
            histogram = histograms[regions[i, level]]
            for j in range(words.shape[1]):
                histogram[words[i, j]] += shares[i, j]


@njit(nogil=True, cache=True)
def _add_triangle(distances: Any, regions: Any, histograms: Any) -> None:
    """Add what distances fall short of their mean in all regions of every descriptor."""
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
