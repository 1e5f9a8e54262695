"""Codings by differences to the words: VLAD and Fisher vectors."""

import numpy as np

from visualwords.compiling import kernel
from visualwords.features.image import FloatArray
from visualwords.features.words.distances import DoubleArray, IntArray
from visualwords.features.words.mixture import GaussianVocabulary, powers_of
from visualwords.features.words.projection import OffsetArray
from visualwords.features.words.pyramid import RegionArray
from visualwords.features.words.vocabulary import VisualVocabulary

from .base import Coding, CodingOptions, PlacedPatches, with_mirror_images
from .votes import word_search

__all__ = ["VLAD", "Fisher"]

TINY = 1e-30


class VLAD(Coding):
    """Vectors of locally aggregated descriptors: x - c for a patch x and its nearest word c.

    H. Jegou, M. Douze, C. Schmid, P. Perez, "Aggregating local descriptors into a compact image
    representation", CVPR 2010.
    """

    chooses = True

    def __init__(self, vocabulary: VisualVocabulary, options: CodingOptions) -> None:
        self.words, d = vocabulary.words_, vocabulary.words_.shape[1]
        self.search = word_search(with_mirror_images(self.words, options.signs))
        self.signs = np.ones(d, np.float32) if options.signs is None else options.signs

    @classmethod
    def width(cls, n_words: int, n_columns: int) -> int:
        """Return one number for each word and number of a descriptor."""
        return n_words * n_columns

    @classmethod
    def names(cls, n_words: int, n_columns: int) -> list[str]:
        """Name the words and the numbers of a descriptor."""
        return [f"{word}_number{i}" for word in super().names(n_words, 0) for i in range(n_columns)]

    def encode(self, patches: PlacedPatches) -> DoubleArray:
        """Sum the differences."""
        words = np.empty(len(patches.values), np.int32)
        self.search.fill(patches.values, words, np.empty(0, np.float64))
        sums = np.zeros((patches.n_images, patches.n_regions, *self.words.shape))
        _add_differences(
            patches.values, words, self.words, self.signs, patches.images, patches.regions, sums
        )
        return sums.reshape(patches.n_images, patches.n_regions, -1)


@kernel
def _add_differences(
    values: FloatArray,
    nearest: IntArray,
    words: FloatArray,
    signs: FloatArray,
    images: OffsetArray,
    regions: RegionArray,
    sums: DoubleArray,
) -> None:
    """Add the differences of patches and their nearest words to all their regions.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32
    nearest : ndarray of shape (m,), int32
        ``n_words + w`` is the mirror image of word w; the patch's mirror image is then added.
    words : ndarray of shape (n_words, d), float32
    signs : ndarray of shape (d,), float32
    images : ndarray of shape (m,), int64
    regions : ndarray of shape (1 or 2, m, levels), int64
    sums : ndarray of shape (n_images, n_regions, n_words, d), float64
    """
    n_words, d = words.shape
    for i in range(len(values)):
        kind, word = divmod(nearest[i], n_words)
        for level in range(regions.shape[2]):
            sum_ = sums[images[i], regions[kind, i, level], word]
            for j in range(d):
                value = np.float64(values[i, j])
                sum_[j] += (value * signs[j] if kind else value) - words[word, j]


class Fisher(Coding):
    """Fisher vectors: derivatives of the patches' log-likelihood under a mixture of Gaussians.

    A patch x with the share g_k in word k, which has the weight w_k, the mean mu_k and the
    variances s_k^2, adds to the numbers of word k, with z = (x - mu_k) / s_k:

    - g_k z / sqrt(w_k), the derivative by the mean,
    - g_k (z^2 - 1) / sqrt(2 w_k), the derivative by the standard deviation.

    J. Sanchez, F. Perronnin, T. Mensink, J. Verbeek, "Image classification with the Fisher vector:
    theory and practice", IJCV 2013. There, descriptors have 64 principal components, words are
    256, and vectors have the norm "sqrt".
    """

    def __init__(self, vocabulary: GaussianVocabulary, options: CodingOptions) -> None:
        self.n_words, self.signs = len(vocabulary.words_), options.signs
        self.means, self.deviations = vocabulary.words_, np.sqrt(vocabulary.variances_)
        self.roots = np.sqrt(np.maximum(vocabulary.weights_, TINY))[:, np.newaxis]
        self.gaussians = vocabulary.gaussians
        if self.signs is not None:
            self.gaussians = self.gaussians.with_mirror_images(self.signs)

    @classmethod
    def learn(
        cls,
        sample: FloatArray,
        n_words: int,
        random_state: int | np.random.RandomState | None,
        n_jobs: int | None,
    ) -> GaussianVocabulary:
        """Learn a mixture of Gaussians."""
        return GaussianVocabulary(n_words, random_state=random_state, n_jobs=n_jobs).fit(sample)

    @classmethod
    def width(cls, n_words: int, n_columns: int) -> int:
        """Return two numbers for each word and number of a descriptor."""
        return 2 * n_words * n_columns

    @classmethod
    def names(cls, n_words: int, n_columns: int) -> list[str]:
        """Name the derivatives by the means, then those by the standard deviations."""
        return [
            f"{kind}_{word}_number{i}"
            for kind in ("mean", "deviation")
            for word in super(Fisher, cls).names(n_words, 0)
            for i in range(n_columns)
        ]

    def encode(self, patches: PlacedPatches) -> DoubleArray:
        """Sum the derivatives."""
        shape = (patches.n_images, patches.n_regions, 2, *self.means.shape)
        sums = np.zeros(shape)
        for i in range(patches.n_images):
            rows = slice(*patches.offsets[i : i + 2])
            values = patches.values[rows].astype(np.float64)
            shares, _ = self.gaussians.shares(powers_of(values))
            self._add(values, shares[:, : self.n_words], patches.regions[0, rows], sums[i])
            if self.signs is not None:
                mirrored, of_mirrored = values * self.signs, shares[:, self.n_words :]
                self._add(mirrored, of_mirrored, patches.regions[1, rows], sums[i])
        return sums.reshape(patches.n_images, patches.n_regions, -1)

    def _add(
        self, values: DoubleArray, shares: DoubleArray, regions: RegionArray, sums: DoubleArray
    ) -> None:
        """Add the derivatives of the patches of an image, of shape (n_regions, 2, n_words, d)."""
        cells, cell_of = np.unique(regions, axis=0, return_inverse=True)
        for cell, places in enumerate(cells):
            here = cell_of.reshape(-1) == cell
            zeroth = shares[here].sum(axis=0)[:, np.newaxis]
            first, second = np.hsplit(shares[here].T @ powers_of(values[here]), 2)
            centred = first - self.means * zeroth
            spread = second - self.means * (first + centred)
            by_mean = centred / self.deviations / self.roots
            by_deviation = spread / self.deviations**2 - zeroth
            by_deviation /= np.sqrt(2) * self.roots
            for place in places:
                sums[place] += by_mean, by_deviation
