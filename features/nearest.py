"""Exact nearest words for about a third of the arithmetic of a matrix product.

Definition. The distance of a row ``x`` and a word ``c`` is ``sum_i (x_i - c_i)^2`` of the float32
values in float64 arithmetic (eight interleaved partial sums, see ``squared_distance``); the nearest
word is the one of least distance, of equals the first. Whatever the search below computes in
float32 only decides which words need that distance, so the answers depend on nothing else: not on
the rows beside it, the block, the number of threads or the BLAS.

Search. Every word has a lower bound of its distance (:mod:`visualwords.features.bounds`); all
bounds of a few rows are one matrix product. The word of least bound is tried first; then only the
words remain whose bound lies under its distance: for HOG descriptors and 1000 words about ten.
They are estimated in float32, and those in reach of the least estimate are compared in float64.
"""

import numba
import numpy as np

from .bounds import FOLD, SMALL, Prepared, Work, bound_margin, fill_bounds, new_work, prepare
from .distances import DoubleArray, IntArray, check_finite, estimate, squared_distance
from .image import FloatArray

__all__ = ["WordSearch"]


class WordSearch:
    """The search, prepared for one set of words.

    Parameters
    ----------
    words : ndarray of shape (n_words, d), float32
        Finite values.

    Examples
    --------
    >>> search = WordSearch(np.array([[0, 0], [4, 0], [4, 0]], np.float32))
    >>> ids, squared_distances = search.nearest(np.array([[3, 1], [2, 0]], np.float32))
    >>> ids, squared_distances
    (array([1, 0], dtype=int32), array([2., 4.]))
    """

    def __init__(self, words: FloatArray) -> None:
        self.n_words = len(words)
        self.prepared = prepare(words)

    def nearest(self, rows: FloatArray) -> tuple[IntArray, DoubleArray]:
        """Find the nearest word of every row, in this thread, without the GIL.

        Parameters
        ----------
        rows : ndarray of shape (n, d), float32, C-contiguous

        Returns
        -------
        ids : ndarray of shape (n,), int32
        squared_distances : ndarray of shape (n,), float64

        Raises
        ------
        ValueError
            If a row has a value that is not finite.
        """
        ids = np.empty(len(rows), np.int32)
        distances = np.empty(len(rows), np.float64)
        self.fill(rows, ids, distances)
        return ids, distances

    def fill(self, rows: FloatArray, ids: IntArray, distances: DoubleArray) -> None:
        """Write what :meth:`nearest` finds into given arrays; without distances if they are empty.

        Parameters
        ----------
        rows : ndarray of shape (n, d), float32, C-contiguous
        ids : ndarray of shape (n,), int32
        distances : ndarray of shape (n,) or (0,), float64
        """
        check_finite(_nearest(rows, self.prepared, ids, distances))

    def nearest_k(self, rows: FloatArray, k: int) -> tuple[IntArray, DoubleArray]:
        """Find the ``k`` nearest words of every row, nearest first; of equals the first word.

        Parameters
        ----------
        rows : ndarray of shape (n, d), float32, C-contiguous
        k : int
            From 1 to the number of words.

        Returns
        -------
        ids : ndarray of shape (n, k), int32
        squared_distances : ndarray of shape (n, k), float64

        Raises
        ------
        ValueError
            If a row has a value that is not finite.
        """
        ids = np.empty((len(rows), k), np.int32)
        distances = np.empty((len(rows), k), np.float64)
        check_finite(_nearest_k(rows, self.prepared, ids, distances))
        return ids, distances


@numba.njit(nogil=True, cache=True)
def _nearest(rows: FloatArray, prepared: Prepared, ids: IntArray, distances: DoubleArray) -> int:
    """Nearest word of every row, and its distance unless there is no room for distances.

    Gives the first row that is not finite, or -1.
    """
    work = new_work(prepared)
    for start in range(0, len(rows), prepared.step):
        stop = min(start + prepared.step, len(rows))
        fill_bounds(rows[start:stop], prepared, work)
        for r in range(start, stop):
            margin = bound_margin(work.squared[r - start], prepared)
            n = _candidates(rows[r], prepared, work.bounds[r - start], margin, work)
            best_id, best = work.near[0], 0.0
            if n > 1 or len(distances) or not margin < np.inf:
                best_id, best = _decide(rows[r], prepared.words, work.near[:n])
            if not np.isfinite(best):
                return r
            ids[r] = best_id
            if len(distances):
                distances[r] = best
    return -1


@numba.njit(nogil=True, cache=True)
def _candidates(
    x: FloatArray, prepared: Prepared, bounds: FloatArray, margin: float, work: Work
) -> int:
    """List the words that may be the nearest in ``work.near``; give their number."""
    words, slack = prepared.words, prepared.slack
    near, estimates = work.near, work.estimates
    if not margin < np.inf:
        for word in range(len(words)):
            near[word] = word
        return len(words)
    lowest = estimate(x, words[_least_bound(bounds, work.folded, work.twice)])
    threshold = np.float32(lowest * (1 + slack) + SMALL + margin)
    n_bounded = _list_under(bounds, threshold, work.folded, work.lanes, near)
    for i in range(n_bounded):
        estimates[i] = estimate(x, words[near[i]])
        lowest = min(lowest, estimates[i])
    ceiling = (lowest + SMALL) * (1 + 3 * slack) + SMALL
    n = 0
    for i in range(n_bounded):
        near[n] = near[i]
        n += estimates[i] <= ceiling
    return n


@numba.njit(nogil=True, cache=True)
def _decide(x: FloatArray, words: FloatArray, near: IntArray) -> tuple[int, float]:
    """Compare the candidates in float64."""
    best_id = near[0]
    best = squared_distance(x, words[best_id])
    for word in near[1:]:
        distance = squared_distance(x, words[word])
        if distance < best or (distance == best and word < best_id):
            best = distance
            best_id = word
    return best_id, best


@numba.njit(nogil=True, cache=True)
def _fold(values: FloatArray, least: FloatArray) -> None:
    """Fill ``least[i]`` with the least of the ``FOLD`` values ``i + j * len(least)``."""
    n = len(least)
    for i in range(n):
        a = min(min(values[i], values[n + i]), min(values[2 * n + i], values[3 * n + i]))
        b = min(
            min(values[4 * n + i], values[5 * n + i]), min(values[6 * n + i], values[7 * n + i])
        )
        least[i] = min(a, b)


@numba.njit(nogil=True, cache=True)
def _least_bound(bounds: FloatArray, folded: FloatArray, twice: FloatArray) -> int:
    """Fold the bounds twice and give the place of the least."""
    _fold(bounds, folded)
    _fold(folded, twice)
    place = 0
    for i in range(len(twice)):
        if twice[i] < twice[place]:
            place = i
    least = twice[place]
    while folded[place] > least:
        place += len(twice)
    while bounds[place] > least:
        place += len(folded)
    return place


@numba.njit(nogil=True, cache=True)
def _list_under(
    bounds: FloatArray, threshold: float, folded: FloatArray, lanes: IntArray, near: IntArray
) -> int:
    """List the places of bounds up to the threshold; every write is kept or written over."""
    n_lanes = 0
    for lane in range(len(folded)):
        lanes[n_lanes] = lane
        n_lanes += folded[lane] <= threshold
    n = 0
    for i in range(n_lanes):
        for j in range(FOLD):
            place = lanes[i] + j * len(folded)
            near[n] = place
            n += bounds[place] <= threshold
    return n


@numba.njit(nogil=True, cache=True)
def _nearest_k(rows: FloatArray, prepared: Prepared, ids: IntArray, distances: DoubleArray) -> int:
    """Nearest words of every row in order; gives the first row that is not finite, or -1."""
    work = new_work(prepared)
    for start in range(0, len(rows), prepared.step):
        stop = min(start + prepared.step, len(rows))
        fill_bounds(rows[start:stop], prepared, work)
        for r in range(start, stop):
            margin = bound_margin(work.squared[r - start], prepared)
            bounds = work.bounds[r - start]
            threshold = _threshold(rows[r], prepared, bounds, margin, ids.shape[1], work.folded)
            _insert(rows[r], prepared, bounds, margin, threshold, ids[r], distances[r])
            if not np.isfinite(distances[r, 0]):
                return r
    return -1


@numba.njit(nogil=True, cache=True)
def _threshold(
    x: FloatArray,
    prepared: Prepared,
    bounds: FloatArray,
    margin: float,
    k: int,
    folded: FloatArray,
) -> np.float32:
    """Value that the bounds of the ``k`` nearest words cannot exceed."""
    if k > len(folded) or not margin < np.inf:
        return np.float32(np.inf)
    _fold(bounds, folded)
    farthest = 0.0
    for _ in range(k):
        lane = 0
        for i in range(len(folded)):
            if folded[i] < folded[lane]:
                lane = i
        word = lane
        while bounds[word] > folded[lane]:
            word += len(folded)
        folded[lane] = np.inf
        farthest = max(farthest, estimate(x, prepared.words[word]))
    return np.float32(farthest * (1 + prepared.slack) + SMALL + margin)


@numba.njit(nogil=True, cache=True)
def _insert(
    x: FloatArray,
    prepared: Prepared,
    bounds: FloatArray,
    margin: float,
    threshold: np.float32,
    ids: IntArray,
    distances: DoubleArray,
) -> None:
    """Keep the nearest words so far sorted; skip those whose bound is over the last of them."""
    words, slack = prepared.words, prepared.slack
    last = len(ids) - 1
    distances[:] = np.inf
    for word in range(len(words)):
        if bounds[word] > threshold or (
            margin < np.inf and estimate(x, words[word]) * (1 - slack) - SMALL > distances[last]
        ):
            continue
        distance = squared_distance(x, words[word])
        if distance < distances[last]:
            place = last
            while place > 0 and distances[place - 1] > distance:
                distances[place] = distances[place - 1]
                ids[place] = ids[place - 1]
                place -= 1
            distances[place] = distance
            ids[place] = word
            threshold = min(threshold, np.float32(distances[last] + margin))
