"""Triangle coding: votes for all words that are nearer than the mean word."""

import numpy as np

from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray
from visualwords.features.words.distances import MATH, DoubleArray, check_finite
from visualwords.features.words.pyramid import RegionArray
from visualwords.features.words.vocabulary import VisualVocabulary
from visualwords.threads import row_blocks

from .base import Coding, CodingOptions, PlacedPatches

__all__ = ["Triangle"]

# Products of so many patches and all words stay in a core's second cache until they are summed.
PATCHES_AT_A_TIME = 64
ZERO = np.float32(0)


class Triangle(Coding):
    """Votes of max(0, mean distance to all words - distance to the word).

    A. Coates, A. Ng, H. Lee, "An analysis of single-layer networks in unsupervised feature
    learning", AISTATS 2011.

    The squared distance of a patch x to a word c is ||x||^2 + ||c||^2 - 2 x.c in float32. The mean
    word is subtracted from both first, so that numbers far from 0 lose no digits. The
    inner products of 64 patches and all words come from one matrix product, and are summed at
    once. So the memory does not grow with the patches.

    If mirror images count, the inner product of x and c is the sum e + o of the products of their
    even and their odd components; that of x and the mirror image of c is e - o. So twice as many
    words cost no more multiplications.

    K-means begins with a random partition. K-means++ would make words of single outliers: they
    raise the mean distance and with it the votes for all other words, which then tell less apart.
    """

    init = "partition"

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        words = vocabulary.words_
        n_words, d = words.shape
        # If mirror images count, the mean of all words and their mirror images is near 0.
        self.origin = words.mean(axis=0) if options.signs is None else np.zeros(d, np.float32)
        words = words - self.origin
        self.n_words = n_words
        n_even = d if options.signs is None else np.count_nonzero(options.signs > 0)
        self.kinds = (
            [slice(0, d)] if options.signs is None else [slice(0, n_even), slice(n_even, d)]
        )
        self.columns = [np.ascontiguousarray(-2 * words[:, kind].T) for kind in self.kinds]
        self.squares = np.square(words, dtype=np.float64).sum(axis=1).astype(np.float32)

    def encode(self, patches: PlacedPatches) -> DoubleArray:
        """Sum the differences of the mean distance and the distances, where they are positive."""
        votes = np.zeros((patches.n_images, patches.n_regions, self.n_words))
        products = np.empty((len(self.kinds), PATCHES_AT_A_TIME, self.n_words), np.float32)
        run = np.empty((len(self.kinds), self.n_words), np.float32)
        for i in range(len(votes)):
            # The blocks begin anew with every image, so that its sums have the same bits in any
            # company.
            first, last = patches.offsets[i : i + 2]
            for block in row_blocks(last - first, PATCHES_AT_A_TIME):
                rows = slice(first + block.start, first + block.stop)
                values = patches.values[rows] - self.origin
                part = products[:, : block.stop - block.start]
                for kind, columns, out in zip(self.kinds, self.columns, part, strict=True):
                    np.matmul(values[:, kind], columns, out=out)
                # Without gaps for any block: numba compiles the kernel for arrays with gaps, too.
                regions = np.ascontiguousarray(patches.regions[:, rows])
                bad = _add_triangle(values, self.squares, regions, part, run, votes[i])
                check_finite(bad if bad < 0 else rows.start + bad)
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
    regions : ndarray of shape (1 or 2, n, levels), int64
    products : ndarray of shape (1 or 2, n, n_words), float32
        -2 times the inner products of patches and words: of all components, or of the even and
        of the odd ones; overwritten.
    run : ndarray of shape (1 or 2, n_words), float32
        Room for the votes of neighbours that lie in the same regions: they are summed before they
        are added to the regions.
    votes : ndarray of shape (n_regions, n_words), float64
    """
    n_kinds, n, n_words = products.shape
    n_levels = regions.shape[2]
    run[:] = ZERO
    for i in range(n):
        length = ZERO
        for j in range(patches.shape[1]):
            length += patches[i, j] * patches[i, j]
        if not np.isfinite(length):
            return i
        if n_kinds == 1:
            total = to_distances(products[0, i], squares, length)
        else:
            total = to_both_distances(products[0, i], products[1, i], squares, length)
        mean = total / np.float32(n_kinds * n_words)
        for kind in range(n_kinds):
            distances, sums = products[kind, i], run[kind]
            for word in range(n_words):
                sums[word] += max(mean - distances[word], ZERO)
        if i == n - 1 or differ(regions, i):
            for kind in range(n_kinds):
                for level in range(n_levels):
                    region, sums = votes[regions[kind, i, level]], run[kind]
                    for word in range(n_words):
                        region[word] += sums[word]
            run[:] = ZERO
    return -1


@inlined(fastmath=MATH)
def to_distances(products: FloatArray, squares: FloatArray, length: np.float32) -> np.float32:
    """Turn the products of a patch and the words into distances, and return their sum."""
    total = ZERO
    for word in range(len(squares)):
        distance = np.sqrt(max(length + (squares[word] + products[word]), ZERO))
        products[word] = distance
        total += distance
    return total


@inlined(fastmath=MATH)
def to_both_distances(
    evens: FloatArray, odds: FloatArray, squares: FloatArray, length: np.float32
) -> np.float32:
    """Turn the products of even and odd components into the distances, and return their sum.

    Distances to the words take the place of the even products, distances to the words' mirror
    images that of the odd ones.
    """
    total = ZERO
    for word in range(len(squares)):
        lengths, even, odd = length + squares[word], evens[word], odds[word]
        distance = np.sqrt(max(lengths + (even + odd), ZERO))
        mirrored = np.sqrt(max(lengths + (even - odd), ZERO))
        evens[word], odds[word] = distance, mirrored
        total += distance + mirrored
    return total


@inlined
def differ(regions: RegionArray, i: int) -> bool:
    """Tell whether patches i and i + 1 lie in different regions."""
    found = False
    for kind in range(len(regions)):
        for level in range(regions.shape[2]):
            found |= regions[kind, i, level] != regions[kind, i + 1, level]
    return found
