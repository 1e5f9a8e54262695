"""Triangle coding: votes for all words that are nearer than the mean word."""

import numpy as np

from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray
from visualwords.features.words.distances import MATH, DoubleArray, check_finite
from visualwords.features.words.projection import OffsetArray
from visualwords.features.words.pyramid import RegionArray
from visualwords.features.words.vocabulary import VisualVocabulary
from visualwords.threads import row_blocks

from .base import Coding, CodingOptions

__all__ = ["Triangle"]

# Products of so many patches and all words stay in a core's second cache until they are summed.
PATCHES_AT_A_TIME = 64
ZERO = np.float32(0)


class Triangle(Coding):
    """Votes of max(0, mean distance to all words - distance to the word).

    The squared distance of a patch x to a word c is ||x||^2 + ||c||^2 - 2 x.c in float32. The
    inner products of 64 patches and all words come from one matrix product, and are summed at
    once. So the memory does not grow with the patches.
    """

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        words = vocabulary.words_
        self.columns = np.ascontiguousarray(-2 * words.T)
        self.squares = np.square(words, dtype=np.float64).sum(axis=1).astype(np.float32)

    def encode(
        self, values: FloatArray, regions: RegionArray, offsets: OffsetArray, n_regions: int
    ) -> DoubleArray:
        """Sum the differences of the mean distance and the distances, where they are positive."""
        votes = np.zeros((len(offsets) - 1, n_regions, len(self.squares)))
        products = np.empty((PATCHES_AT_A_TIME, len(self.squares)), np.float32)
        run = np.empty(len(self.squares), np.float32)
        for i in range(len(votes)):
            first = offsets[i]
            patches, places = values[first : offsets[i + 1]], regions[first : offsets[i + 1]]
            # The blocks begin anew with every image, so that its sums have the same bits in any
            # company.
            for block in row_blocks(len(patches), PATCHES_AT_A_TIME):
                part = products[: block.stop - block.start]
                np.matmul(patches[block], self.columns, out=part)
                bad = _add_triangle(
                    patches[block], self.squares, places[block], part, run, votes[i]
                )
                check_finite(bad if bad < 0 else first + block.start + bad)
        return votes


@kernel(fastmath=MATH)
def _add_triangle(
    patches: FloatArray,
    squares: FloatArray,
    regions: RegionArray,
    products: FloatArray,
    run: FloatArray,
    votes: DoubleArray,
) -> int:
    """Add the votes of patches to all their regions. Return the first that is not finite, or -1.

    Parameters
    ----------
    patches : ndarray of shape (n, d), float32
    squares : ndarray of shape (n_words,), float32
        Squared lengths of the words.
    regions : ndarray of shape (n, levels), int64
    products : ndarray of shape (n, n_words), float32
        -2 times the inner products of patches and words; overwritten.
    run : ndarray of shape (n_words,), float32
        Room for the votes of neighbours that lie in the same regions: they are summed before they
        are added to the regions.
    votes : ndarray of shape (n_regions, n_words), float64
    """
    n, n_words = products.shape
    run[:] = ZERO
    for i in range(n):
        length = ZERO
        for j in range(patches.shape[1]):
            length += patches[i, j] * patches[i, j]
        if not np.isfinite(length):
            return i
        distances, total = products[i], ZERO
        for word in range(n_words):
            distance = np.sqrt(max(length + (squares[word] + distances[word]), ZERO))
            distances[word] = distance
            total += distance
        mean = total / np.float32(n_words)
        for word in range(n_words):
            run[word] += max(mean - distances[word], ZERO)
        if i == n - 1 or differ(regions[i], regions[i + 1]):
            for level in range(regions.shape[1]):
                region = votes[regions[i, level]]
                for word in range(n_words):
                    region[word] += run[word]
            run[:] = ZERO
    return -1


@inlined
def differ(some: RegionArray, others: RegionArray) -> bool:
    """Tell whether two patches lie in different regions."""
    found = False
    for level in range(len(some)):
        found |= some[level] != others[level]
    return found
