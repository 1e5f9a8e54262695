"""``VisualVocabulary``: the visual words, learned from descriptors by k-means."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from visualwords.checks import check_bool, check_integer, check_real, check_seed
from visualwords.features.hints import with_feature_hints
from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks, worker_threads

from .blocks import DescriptorBlocks, Descriptors, is_sequence_of_blocks
from .distances import DoubleArray, IntArray, all_distances
from .kmeans import ROWS_PER_TASK, Clusters, assign, lloyd, means
from .search import WordSearch
from .seeding import first_words

__all__ = ["VisualVocabulary"]


@with_feature_hints
class VisualVocabulary(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """Visual words: k-means of descriptors, exact and reproducible.

    Lloyd's algorithm (Least squares quantization in PCM, 1982) repeats two steps: every descriptor
    goes to its nearest word, and every word moves to the mean of its descriptors. It stops when the
    mean squared distance stops falling. The nearest word is exact; of equal distances the first
    word counts (:mod:`visualwords.features.words.search`). A word without descriptors moves to the
    descriptor that is farthest from its own word.

    ``max_iter=0`` returns the first words (:mod:`visualwords.features.words.seeding`). Samples for
    them are held in memory; all other reading is block by block.

    The words depend only on the descriptors, on their order and on ``random_state``. They have the
    same bits for any ``n_jobs`` and for any cut of the descriptors into blocks.

    Parameters
    ----------
    n_words : int
        At least 1 and at most the number of descriptors.
    init : {"k-means++", "partition"}
        How k-means begins: "partition" makes no words of outliers, "k-means++" finds clusters.
    n_init : int
        How often :meth:`fit` runs, each time from other first words. The run of least ``inertia_``
        is kept; of equals the first.
    random_state : int, RandomState or None
        Seed of the draws of the first words. None draws other words in every call.
    max_iter : int
        Most iterations of Lloyd's algorithm in a run.
    tol : float
        Stop when an iteration lowers the mean squared distance by no more than this share of it. 0
        iterates until the distance does not fall.
    n_jobs : int or None
        Threads, as in joblib.
    verbose : bool
        Print a line an iteration, and a line a batch of :meth:`partial_fit`.

    Attributes
    ----------
    words_ : ndarray of shape (n_words, n_features_in_), float32
    counts_ : ndarray of shape (n_words,), int64
        Descriptors of every word. After :meth:`partial_fit` they are those of all batches.
    labels_ : ndarray of shape (n,), int32
        Word of every training descriptor. After :meth:`partial_fit` it has the descriptors of the
        last batch and the words as they were before this batch.
    inertia_ : float
        Sum of the squared distances that belong to ``labels_``.
    inertia_history_ : list of float
        Of :meth:`fit` only: ``inertia_`` before every iteration and at the end.
    n_iter_ : int
        How often the words moved: iterations of the run that :meth:`fit` keeps, plus batches of
        :meth:`partial_fit`.

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
        init: str = "k-means++",
        n_init: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_words = n_words
        self.init = init
        self.n_init = n_init
        self.random_state = random_state
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Descriptors, y: object = None) -> Self:
        """Learn the words.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays
            Descriptors. A memory map or a sequence of blocks is read block by block, several
            times. Other dtypes are converted to float32 block by block.
        y : ignored

        Raises
        ------
        ValueError
            If a parameter is out of its range, if there are fewer descriptors than words, if a
            value is not finite in float32, or if float32 cannot tell the descriptors apart because
            they are far from 0.

        Warns
        -----
        ConvergenceWarning
            If words are left without descriptors.
        """
        self._check_parameters()
        generator = np.random.default_rng(check_seed("random_state", self.random_state))
        data = self._descriptors(X, reset=True)
        self._check_training(data)
        best: Clusters | None = None
        with worker_threads(self.n_jobs) as map_:
            for _ in range(int(self.n_init)):
                words = first_words(data, int(self.n_words), self.init, generator, map_)
                found = lloyd(data, words, int(self.max_iter), self.tol, map_, self._report)
                if best is None or found.history[-1] < best.history[-1]:
                    best = found
        assert best is not None
        self.words_, self.counts_, self.labels_, self.inertia_history_ = best
        self.inertia_, self.n_iter_ = best.history[-1], len(best.history) - 1
        self._warn_of_empty_words(data)
        return self

    def _check_parameters(self) -> None:
        check_integer("n_words", self.n_words)
        check_integer("n_init", self.n_init)
        check_integer("max_iter", self.max_iter, least=0)
        check_real("tol", self.tol, least=0)
        check_bool("verbose", self.verbose)

    def _check_training(self, data: DescriptorBlocks) -> None:
        if data.n_rows < self.n_words:
            raise ValueError(
                f"n_samples={data.n_rows} descriptors are too few for n_words={self.n_words}; "
                "give more descriptors or ask for fewer words"
            )
        data.check_precision()

    def _warn_of_empty_words(self, data: DescriptorBlocks) -> None:
        n_empty = np.count_nonzero(self.counts_ == 0)
        if n_empty:
            warnings.warn(
                f"{n_empty} of n_words={self.n_words} words have none of the {data.n_rows} "
                "descriptors, probably because there are fewer distinct descriptors than words; "
                "ask for fewer words or give more descriptors",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _report(self, n_iter: int, mean: float) -> None:
        """Print the objective; ``mean`` is the mean squared distance."""
        if self.verbose:
            print(f"k-means: mean squared distance {mean:.6g} after {n_iter} iterations")

    def partial_fit(self, X: Descriptors, y: object = None) -> Self:
        """Move the words by one batch: mini-batch k-means (Sculley, 2010).

        Every descriptor of the batch goes to its nearest word. Then every word becomes the mean of
        all descriptors that it has received so far. The first batch also gives the first words, so
        it needs at least ``n_words`` descriptors. ``n_init``, ``max_iter`` and ``tol`` do nothing.

        Parameters
        ----------
        X : array of shape (n, d), or sequence of such arrays
        y : ignored

        Raises
        ------
        ValueError
            If ``n_words`` has changed since the words were chosen, and as in ``fit``.
        """
        self._check_parameters()
        first = not hasattr(self, "words_")
        if not first and len(self.words_) != self.n_words:
            raise ValueError(
                f"n_words is {self.n_words}, but {len(self.words_)} words were chosen before; "
                "go on with as many, or choose anew with fit"
            )
        data = self._descriptors(X, reset=first)
        if first:
            self._check_training(data)
        labels = np.empty(data.n_rows, np.int32)
        distances = np.empty(data.n_rows, np.float64)
        generator = np.random.default_rng(check_seed("random_state", self.random_state))
        with worker_threads(self.n_jobs) as map_:
            words = (
                first_words(data, int(self.n_words), self.init, generator, map_)
                if first
                else self.words_
            )
            sums, counts = assign(data, words, map_, labels, distances)
        before = np.zeros_like(counts) if first else self.counts_
        sums += before[:, np.newaxis] * words.astype(np.float64)
        self.words_, self.counts_ = means(words, sums, before + counts), before + counts
        self.labels_, self.inertia_ = labels, float(distances.sum())
        self.n_iter_ = 1 if first else self.n_iter_ + 1
        self._report(self.n_iter_ - 1, self.inertia_ / max(1, data.n_rows))
        if first:
            self._warn_of_empty_words(data)
        return self

    def predict(self, X: Descriptors) -> IntArray:
        """Return the number of the nearest word of every descriptor; of equal distances the first.

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

    def nearest(self, X: Descriptors, k: int) -> tuple[IntArray, DoubleArray]:
        """Find the ``k`` nearest words of every descriptor, nearest first.

        Of equal distances the first word counts.

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
        k = check_integer("k", k, most=len(self.words_))
        ids = np.empty((data.n_rows, k), np.int32)
        distances = np.empty((data.n_rows, k), np.float64)

        def find(start: int, block: FloatArray, rows: slice) -> None:
            ids[_shifted(rows, start)], distances[_shifted(rows, start)] = search.nearest_k(
                block[rows], k
            )

        self._for_tasks(find, data)
        return ids, distances

    def transform(self, X: Descriptors) -> FloatArray:
        """Return the Euclidean distance of every descriptor to every word.

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

    def _prepared(self, X: Descriptors) -> tuple[DescriptorBlocks, WordSearch]:
        check_is_fitted(self)
        return self._descriptors(X, reset=False), WordSearch(self.words_)

    def _for_tasks(
        self, function: Callable[[int, FloatArray, slice], None], data: DescriptorBlocks
    ) -> None:
        """Call ``function(number of the block's first row, block, rows)`` for all rows."""
        with worker_threads(self.n_jobs) as map_:
            for start, block in data:
                rows = row_blocks(len(block), ROWS_PER_TASK)
                for _ in map_(partial(function, start, block), rows):
                    pass

    def _descriptors(self, X: Descriptors, reset: bool) -> DescriptorBlocks:
        """Return the descriptors as blocks after a check of their shape."""
        if not is_sequence_of_blocks(X):
            X = validate_data(
                self, X, reset=reset, dtype="numeric", ensure_all_finite=False, ensure_min_samples=0
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


def _shifted(rows: slice, start: int) -> slice:
    return slice(rows.start + start, rows.stop + start)
