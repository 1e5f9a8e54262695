"""``VisualVocabulary``: the visual words, learned from descriptors by k-means."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from visualwords.threads import row_blocks, worker_threads

from .blocks import DescriptorBlocks
from .image import FloatArray
from .nearest import DoubleArray, IntArray, WordSearch
from .seeding import kmeans_plusplus

__all__ = ["VisualVocabulary"]

ROWS_PER_TASK = 256
SEEDING_ROWS = 16  # Rows a word in the sample that the first words are chosen from.


class VisualVocabulary(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """Visual words: k-means of descriptors, exact and reproducible.

    Lloyd's algorithm (1982): every descriptor goes to its nearest word, every word to the mean of
    its descriptors, until the mean squared distance stops falling. The nearest word is exact, ties
    go to the first word (:mod:`visualwords.features.nearest`). The first words come from k-means++
    on a sample of the descriptors. A word without descriptors takes the descriptor farthest from
    its own word (of equals the first; every empty word another one).

    The result depends on the descriptors, their order and ``random_state`` alone: not on ``n_jobs``
    nor on how the descriptors are cut into blocks.

    Parameters
    ----------
    n_words : int
    random_state : int, RandomState or None
        Seed of the draws of the first words.
    max_iter : int
        Most iterations.
    tol : float
        Stop when an iteration lowers the mean squared distance by less than this share of it;
        0 iterates until it does not fall.
    n_jobs : int or None
        Threads, as in joblib.
    verbose : bool
        Print a line an iteration.

    Attributes
    ----------
    words_ : ndarray of shape (n_words, n_features_in_), float32
    counts_ : ndarray of shape (n_words,), int64
        Descriptors of every word.
    labels_ : ndarray of shape (n,), int32
        Word of every training descriptor.
    inertia_ : float
        Sum of the squared distances of the training descriptors to their words.
    inertia_history_ : list of float
        ``inertia_`` before every iteration and at the end: ``n_iter_ + 1`` numbers.
    n_iter_ : int
        Iterations done: how often the words moved.

    Examples
    --------
    >>> descriptors = np.array([[0, 0], [0, 1], [9, 9], [9, 8]], np.float32)
    >>> vocabulary = VisualVocabulary(n_words=2).fit(descriptors)
    >>> vocabulary.inertia_
    1.0
    >>> vocabulary.predict(vocabulary.words_)
    array([0, 1], dtype=int32)
    """

    def __init__(
        self,
        n_words: int = 1000,
        *,
        random_state: Any = 0,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_words = n_words
        self.random_state = random_state
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the words.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays
            Descriptors; a memory map or a sequence of blocks is read block by block, several
            times. Other dtypes are converted to float32 block by block.
        y : ignored

        Raises
        ------
        ValueError
            If there are fewer descriptors than words, or a value is not finite in float32.
        """
        data = self._descriptors(X, reset=True)
        if data.n_rows < self.n_words:
            raise ValueError(
                f"n_samples={data.n_rows} descriptors are too few for n_words={self.n_words}; "
                "give more descriptors or ask for fewer words"
            )
        random = check_random_state(self.random_state)
        with worker_threads(self.n_jobs) as map_:
            self._lloyd(data, self._first_words(data, random), map_)
        return self

    def _first_words(self, data: DescriptorBlocks, random: np.random.RandomState) -> FloatArray:
        size = min(data.n_rows, SEEDING_ROWS * self.n_words)
        rows = np.sort(random.choice(data.n_rows, size, replace=False))
        sample = data.take(rows)
        if not np.isfinite(sample).all():
            raise ValueError("X has NaN or infinity; descriptors must be finite in float32")
        return kmeans_plusplus(sample, self.n_words, random)

    def _lloyd(self, data: DescriptorBlocks, words: FloatArray, map_: Any) -> None:
        self.labels_ = np.empty(data.n_rows, np.int32)
        distances = np.empty(data.n_rows, np.float64)
        self.inertia_history_ = []
        for self.n_iter_ in count():
            self.words_ = words
            sums, self.counts_ = self._assign(data, distances, map_)
            self.inertia_history_.append(float(distances.sum()))
            self._report()
            if self._is_done():
                break
            words = self._moved(data, sums, distances)
        self.inertia_ = self.inertia_history_[-1]

    def _assign(
        self, data: DescriptorBlocks, distances: DoubleArray, map_: Any
    ) -> tuple[DoubleArray, npt.NDArray[np.int64]]:
        """Find every descriptor's word and distance; give the words' sums and counts."""
        sums = np.zeros(self.words_.shape, np.float64)
        counts = np.zeros(len(self.words_), np.int64)
        search = WordSearch(self.words_)
        for start, block in data:
            for rows, (ids, squared) in _mapped(search.nearest, block, map_):
                self.labels_[start + rows.start : start + rows.stop] = ids
                distances[start + rows.start : start + rows.stop] = squared
            _accumulate(block, self.labels_[start : start + len(block)], sums, counts)
        return sums, counts

    def _is_done(self) -> bool:
        if self.n_iter_ == 0 or self.n_iter_ == self.max_iter:
            return self.n_iter_ == self.max_iter
        before, now = self.inertia_history_[-2:]
        return before - now <= self.tol * before

    def _moved(
        self, data: DescriptorBlocks, sums: DoubleArray, distances: DoubleArray
    ) -> FloatArray:
        """Means of the words' descriptors, after empty words took the farthest descriptors."""
        counts = self.counts_.copy()
        empty = np.flatnonzero(counts == 0)
        farthest = np.argsort(-distances, kind="stable")[: len(empty)] if len(empty) else empty
        farthest = farthest[distances[farthest] > 0]
        order = np.argsort(farthest)
        for word, row, descriptor in zip(
            empty[order], farthest[order], data.take(farthest[order]), strict=False
        ):
            sums[self.labels_[row]] -= descriptor
            counts[self.labels_[row]] -= 1
            sums[word] = descriptor
            counts[word] = 1
        words = self.words_.copy()
        filled = counts > 0
        words[filled] = sums[filled] / counts[filled, np.newaxis]
        return words

    def _report(self) -> None:
        if self.verbose:
            mean = self.inertia_history_[-1] / len(self.labels_)
            print(f"k-means, iteration {self.n_iter_}: mean squared distance {mean:.6g}")

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Move the words by one batch: mini-batch k-means (Sculley, 2010).

        Every descriptor of the batch is given to its nearest word, then every word becomes the mean
        of all descriptors that it was given so far. The first batch, unless ``fit`` came before,
        is where the first words are chosen (k-means++), so it needs ``n_words`` descriptors.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays
        y : ignored
        """
        first = not hasattr(self, "words_")
        data = self._descriptors(X, reset=first)
        with worker_threads(self.n_jobs) as map_:
            if first:
                if data.n_rows < self.n_words:
                    raise ValueError(
                        f"n_samples={data.n_rows} descriptors in the first batch are too few for "
                        f"n_words={self.n_words}"
                    )
                random = check_random_state(self.random_state)
                self.words_ = self._first_words(data, random)
                self.counts_ = np.zeros(self.n_words, np.int64)
                self.n_iter_ = 0
            self.labels_ = np.empty(data.n_rows, np.int32)
            distances = np.empty(data.n_rows, np.float64)
            sums, counts = self._assign(data, distances, map_)
        total = np.maximum(self.counts_ + counts, 1)[:, np.newaxis]
        step = (sums - counts[:, np.newaxis] * self.words_.astype(np.float64)) / total
        self.words_ = (self.words_ + step).astype(np.float32)
        self.counts_ = self.counts_ + counts
        self.inertia_ = float(distances.sum())
        self.n_iter_ += 1
        return self

    def predict(self, X: Any) -> IntArray:
        """Give the number of the nearest word of every descriptor; of equals the first.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays

        Returns
        -------
        ndarray of shape (n,), int32
        """
        return self.nearest(X, 1)[0][:, 0]

    def nearest(self, X: Any, k: int) -> tuple[IntArray, DoubleArray]:
        """Find the ``k`` nearest words of every descriptor, nearest first; of equals the first.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays
        k : int
            From 1 to ``n_words``.

        Returns
        -------
        ids : ndarray of shape (n, k), int32
        squared_distances : ndarray of shape (n, k), float64
        """
        check_is_fitted(self)
        if not 1 <= k <= len(self.words_):
            raise ValueError(f"k={k} nearest words, expected 1 to {len(self.words_)}")
        data = self._descriptors(X, reset=False)
        ids = np.empty((data.n_rows, k), np.int32)
        distances = np.empty((data.n_rows, k), np.float64)
        search = WordSearch(self.words_)

        def find(rows: FloatArray) -> tuple[IntArray, DoubleArray]:
            return search.nearest_k(rows, k)

        with worker_threads(self.n_jobs) as map_:
            for start, block in data:
                for rows, (near, squared) in _mapped(find, block, map_):
                    ids[start + rows.start : start + rows.stop] = near
                    distances[start + rows.start : start + rows.stop] = squared
        return ids, distances

    def transform(self, X: Any) -> FloatArray:
        """Give the Euclidean distance of every descriptor to every word.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays

        Returns
        -------
        ndarray of shape (n, n_words), float32
        """
        ids, squared = self.nearest(X, len(self.words_) if hasattr(self, "words_") else 1)
        distances = np.empty(ids.shape, np.float32)
        np.put_along_axis(distances, ids, np.sqrt(squared).astype(np.float32), axis=1)
        return distances

    def _descriptors(self, X: Any, reset: bool) -> DescriptorBlocks:
        """Check the shape of the descriptors, whichever way they come."""
        if not _is_sequence_of_blocks(X):
            X = validate_data(
                self, X, reset=reset, dtype="numeric", ensure_all_finite=False, copy=False
            )
            return DescriptorBlocks(X)
        data = DescriptorBlocks(X)
        if reset:
            self.n_features_in_ = data.n_columns
        elif data.n_columns != self.n_features_in_:
            raise ValueError(
                f"the descriptors have {data.n_columns} columns, the vocabulary was learned from "
                f"{self.n_features_in_}"
            )
        return data

    @property
    def _n_features_out(self) -> int:
        return len(self.words_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _is_sequence_of_blocks(X: Any) -> bool:
    """Whether ``X`` is a collection of matrices, not a matrix."""
    if hasattr(X, "shape") or hasattr(X, "__array__") or not isinstance(X, Iterable):
        return False
    if isinstance(X, Iterator):
        raise TypeError("X is an iterator, which can be read once only; give a sequence of blocks")
    return np.ndim(next(iter(X), 0)) == 2


def _mapped(
    function: Callable[[FloatArray], Any], block: FloatArray, map_: Any
) -> Iterator[tuple[slice, Any]]:
    """Apply a function to the rows of a block, a task at a time, in order."""
    tasks = row_blocks(len(block), ROWS_PER_TASK)
    yield from zip(tasks, map_(lambda rows: function(block[rows]), tasks), strict=True)


@numba.njit(nogil=True, cache=True)
def _accumulate(rows, labels, sums, counts):
    """Add rows to the sums of their words, in the order of the rows, in float64."""
    for r in range(len(rows)):
        word = labels[r]
        counts[word] += 1
        for i in range(rows.shape[1]):
            sums[word, i] += rows[r, i]
