"""From descriptors to votes for words, summed over the regions of an image."""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel
from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks

from .distances import all_distances
from .search import WordSearch

__all__ = ["ASSIGNMENTS", "Coder", "make_coder", "n_regions", "regions_of"]

IntArray = npt.NDArray[np.int32]
RegionArray = npt.NDArray[np.int64]
DoubleArray = npt.NDArray[np.float64]
PATCHES_AT_A_TIME = 64


def n_regions(levels: int) -> int:
    """Regions of a pyramid: 1 + 4 + 16 + ..."""
    return (4 ** int(levels) - 1) // 3


def regions_of(positions: FloatArray, shapes: npt.NDArray[np.int64], levels: int) -> RegionArray:
    """Numbers of the regions that contain the centres of patches.

    Parameters
    ----------
    positions : ndarray of shape (m, 4)
        Centre row and centre column come first.
    shapes : ndarray of shape (m, 2), int64
        Rows and columns of every patch's image.
    levels : int
        Level l cuts the image into 2^l x 2^l regions, numbered row by row, after those before.

    Returns
    -------
    ndarray of shape (m, levels), int64
    """
    regions = np.zeros((len(positions), levels), np.int64)
    for level in range(1, levels):
        side = 2**level
        cells = positions[:, :2].astype(np.float64) / shapes * side
        rows, columns = np.clip(cells.astype(np.int64), 0, side - 1).T
        regions[:, level] = n_regions(level) + rows * side + columns
    return regions


class Coder(ABC):
    """Turns descriptors into votes for words; prepared once for many images."""

    @abstractmethod
    def votes(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Sum the votes of descriptors, in their order.

        Parameters
        ----------
        values : ndarray of shape (m, d), float32
        regions : ndarray of shape (m, levels), int64
            Where each descriptor votes.
        n_regions : int

        Returns
        -------
        ndarray of shape (n_regions, n_words), float64
        """


class HardCoder(Coder):
    """One vote for the nearest word."""

    def __init__(self, words: FloatArray) -> None:
        self.search = _search(words.shape, words.tobytes())

    def votes(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Count the nearest words."""
        words = np.empty(len(values), np.int32)
        self.search.fill(values, words, np.empty(0, np.float64))
        return _sum(words[:, np.newaxis], None, regions, (n_regions, self.search.n_words))


class LocalizedCoder(Coder):
    """A vote shared by the nearest words: exp(-beta distance^2), scaled to the sum 1."""

    def __init__(self, words: FloatArray, n_neighbors: int, beta: float) -> None:
        self.search = _search(words.shape, words.tobytes())
        self.n_neighbors = n_neighbors
        self.beta = beta

    def votes(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Sum the shares."""
        words, squared = self.search.nearest_k(values, self.n_neighbors)
        shares = np.exp(-self.beta * (squared - squared[:, :1]))
        shares /= shares.sum(axis=1, keepdims=True)
        return _sum(words, shares, regions, (n_regions, self.search.n_words))


class TriangleCoder(Coder):
    """Votes max(0, mean distance to all words - distance to the word)."""

    def __init__(self, words: FloatArray) -> None:
        self.columns = np.ascontiguousarray(words.T)

    def votes(self, values: FloatArray, regions: RegionArray, n_regions: int) -> DoubleArray:
        """Sum what distances fall short of their mean."""
        histograms = np.zeros((n_regions, self.columns.shape[1]))
        distances = np.empty((PATCHES_AT_A_TIME, self.columns.shape[1]), np.float32)
        for block in row_blocks(len(values), PATCHES_AT_A_TIME):
            part = distances[: block.stop - block.start]
            all_distances(values[block], self.columns, part)
            _add_triangle(part, regions[block], histograms)
        return histograms


@lru_cache(maxsize=2)
def _search(shape: tuple[int, int], words: bytes) -> WordSearch:
    """Prepare the search, which takes longer than an image, once for many calls."""
    return WordSearch(np.frombuffer(words, np.float32).reshape(shape).copy())


def make_coder(assignment: str, words: FloatArray, n_neighbors: int, beta: float) -> Coder:
    """Prepare the coder of an ``assignment``."""
    if assignment == "hard":
        return HardCoder(words)
    if assignment == "localized":
        return LocalizedCoder(words, min(n_neighbors, len(words)), beta)
    return TriangleCoder(words)


ASSIGNMENTS = ("hard", "localized", "triangle")


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
