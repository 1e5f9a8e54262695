"""``VisualVocabulary``: the visual words, learned from descriptors by k-means."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks, worker_threads

from .blocks import DescriptorBlocks
from .distances import DoubleArray, IntArray, all_distances
from .kmeans import ROWS_PER_TASK, CountArray, assign, means
from .search import WordSearch
from .seeding import first_words

__all__ = ["VisualVocabulary"]


class VisualVocabulary(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """Visual words: k-means of descriptors, exact and reproducible.

    Lloyd's algorithm (Least squares quantization in PCM, 1982): every descriptor goes to its
    nearest word, every word to the mean of its descriptors, until the mean squared distance stops
    falling. The nearest word is exact, of equals the first (:mod:`visualwords.features.nearest`).
    A word that is left without descriptors takes the one that is farthest from its own word (of
    equals the first, for every such word another one).

    It starts from words that are good already: k-means++ and passes with momentum over growing
    samples of at most 256 descriptors a word (:func:`visualwords.features.seeding.first_words`);
    ``max_iter=0`` gives these. Samples are held in memory, everything else is read block by block.

    The words depend on the descriptors, their order and ``random_state`` alone: to the bit not on
    ``n_jobs``, nor on how the descriptors are cut into blocks.

    Parameters
    ----------
    n_words : int
        At least 1 and at most the number of descriptors.
    random_state : int, RandomState or None
        Seed of the draws of the first words.
    max_iter : int
        Most iterations of Lloyd's algorithm.
    tol : float
        Stop when an iteration lowers the mean squared distance by less than this share of it;
        0 iterates until it does not fall.
    n_jobs : int or None
        Threads, as in joblib.
    verbose : bool
        Print a line an iteration, and a line a batch of :meth:`partial_fit`.

    Attributes
    ----------
    words_ : ndarray of shape (n_words, n_features_in_), float32
    counts_ : ndarray of shape (n_words,), int64
        Descriptors of every word.
    labels_ : ndarray of shape (n,), int32
        Word of every training descriptor; after :meth:`partial_fit`, of those of the last batch.
    inertia_ : float
        Sum of the squared distances of the training descriptors to their words; after
        :meth:`partial_fit`, of the last batch to the words as they were before it.
    inertia_history_ : list of float
        Of :meth:`fit` only: ``inertia_`` before every iteration and at the end.
    n_iter_ : int
        How often the words moved: iterations of :meth:`fit` and batches of :meth:`partial_fit`.

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
        with worker_threads(self.n_jobs) as map_:
            self._lloyd(data, self._first_words(data, map_), map_)
        return self

    def _first_words(self, data: DescriptorBlocks, map_: Any) -> FloatArray:
        check_scalar(self.n_words, "n_words", Integral, min_val=1)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=0)
        check_scalar(self.tol, "tol", Real, min_val=0)
        if data.n_rows < self.n_words:
            raise ValueError(
                f"n_samples={data.n_rows} descriptors are too few for n_words={self.n_words}; "
                "give more descriptors or ask for fewer words"
            )
        return first_words(data, int(self.n_words), check_random_state(self.random_state), map_)

    def _lloyd(self, data: DescriptorBlocks, words: FloatArray, map_: Any) -> None:
        labels = np.empty(data.n_rows, np.int32)
        distances = np.empty(data.n_rows, np.float64)
        history: list[float] = []
        for n_iter in count():
            sums, counts = assign(data, words, map_, labels, distances)
            history.append(float(distances.sum()))
            self._report(n_iter, history[-1] / data.n_rows)
            if n_iter == self.max_iter or _stands(history, self.tol):
                break
            _fill_empty(data, sums, counts, labels, distances)
            words = means(words, sums, counts)
        self.words_, self.counts_, self.labels_ = words, counts, labels
        self.inertia_, self.inertia_history_, self.n_iter_ = history[-1], history, n_iter

    def _report(self, n_iter: int, mean: float) -> None:
        if self.verbose:
            print(f"k-means: mean squared distance {mean:.6g} after {n_iter} iterations")

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Move the words by one batch: mini-batch k-means (Sculley, 2010).

        Every descriptor of the batch is given to its nearest word, then every word becomes the mean
        of all descriptors that it was given so far. The first batch, unless ``fit`` came before,
        is where the first words are chosen (k-means++), so it needs ``n_words`` descriptors.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays
        y : ignored

        Raises
        ------
        ValueError
            If ``n_words`` is no longer what the words were chosen for, besides what ``fit`` raises.
        """
        first = not hasattr(self, "words_")
        if not first and len(self.words_) != self.n_words:
            raise ValueError(
                f"n_words is {self.n_words}, but {len(self.words_)} words were chosen before; "
                "go on with as many, or choose anew with fit"
            )
        data = self._descriptors(X, reset=first)
        labels = np.empty(data.n_rows, np.int32)
        distances = np.empty(data.n_rows, np.float64)
        with worker_threads(self.n_jobs) as map_:
            words = self._first_words(data, map_) if first else self.words_
            sums, counts = assign(data, words, map_, labels, distances)
        before = np.zeros_like(counts) if first else self.counts_
        sums += before[:, np.newaxis] * words.astype(np.float64)
        self.words_, self.counts_ = means(words, sums, before + counts), before + counts
        self.labels_, self.inertia_ = labels, float(distances.sum())
        self.n_iter_ = 1 if first else self.n_iter_ + 1
        self._report(self.n_iter_ - 1, self.inertia_ / max(1, data.n_rows))
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
        data, search = self._prepared(X)
        ids = np.empty(data.n_rows, np.int32)
        none = np.empty(0, np.float64)

        def find(start: int, block: FloatArray, rows: slice) -> None:
            search.fill(block[rows], ids[_shifted(rows, start)], none)

        self._for_tasks(find, data)
        return ids

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
        data, search = self._prepared(X)
        if not 1 <= k <= len(self.words_):
            raise ValueError(f"k={k} nearest words, expected 1 to n_words={len(self.words_)}")
        ids = np.empty((data.n_rows, k), np.int32)
        distances = np.empty((data.n_rows, k), np.float64)

        def find(start: int, block: FloatArray, rows: slice) -> None:
            ids[_shifted(rows, start)], distances[_shifted(rows, start)] = search.nearest_k(
                block[rows], k
            )

        self._for_tasks(find, data)
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
        data, _ = self._prepared(X)
        distances = np.empty((data.n_rows, len(self.words_)), np.float32)
        columns = np.ascontiguousarray(self.words_.T)

        def find(start: int, block: FloatArray, rows: slice) -> None:
            all_distances(block[rows], columns, distances[_shifted(rows, start)])

        self._for_tasks(find, data)
        return distances

    def _prepared(self, X: Any) -> tuple[DescriptorBlocks, WordSearch]:
        check_is_fitted(self)
        return self._descriptors(X, reset=False), WordSearch(self.words_)

    def _for_tasks(
        self, function: Callable[[int, FloatArray, slice], None], data: DescriptorBlocks
    ) -> None:
        """Call ``function(number of the block's first row, block, rows)`` for all rows."""
        with worker_threads(self.n_jobs) as map_:
            for start, block in data:
                for _ in map_(
                    partial(function, start, block), row_blocks(len(block), ROWS_PER_TASK)
                ):
                    pass

    def _descriptors(self, X: Any, reset: bool) -> DescriptorBlocks:
        """Check the shape of the descriptors, whichever way they come."""
        if not _is_sequence_of_blocks(X):
            X = validate_data(
                self,
                X,
                reset=reset,
                dtype="numeric",
                ensure_all_finite=False,
                ensure_min_samples=0,
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
    if hasattr(X, "dtype") or hasattr(X, "__array__") or not isinstance(X, Iterable):
        return False
    if isinstance(X, Iterator):
        raise TypeError("X is an iterator, which can be read once only; give a sequence of blocks")
    return np.ndim(next(iter(X), 0)) == 2


def _shifted(rows: slice, start: int) -> slice:
    return slice(rows.start + start, rows.stop + start)


def _stands(history: list[float], tol: float) -> bool:
    """Whether the last iteration lowered the inertia by no more than its share ``tol``."""
    return len(history) > 1 and history[-2] - history[-1] <= tol * history[-2]


def _fill_empty(
    data: DescriptorBlocks,
    sums: DoubleArray,
    counts: CountArray,
    labels: IntArray,
    distances: DoubleArray,
) -> None:
    """Move the farthest descriptors, none that lies on its word, to the words without any."""
    empty = np.flatnonzero(counts == 0)
    if len(empty) == 0:
        return
    farthest = np.argsort(-distances, kind="stable")[: len(empty)]
    farthest = farthest[distances[farthest] > 0]
    order = np.argsort(farthest)
    rows = data.take(farthest[order])
    for word, source, row in zip(empty[order], labels[farthest[order]], rows, strict=True):
        sums[source] -= row
        counts[source] -= 1
        sums[word] = row
        counts[word] = 1
