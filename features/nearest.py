"""Exact nearest words in about a third of the time of a matrix product.

Definition. The distance of a row ``x`` and a word ``c`` is ``sum_i (x_i - c_i)^2`` of the float32
values in float64 arithmetic (eight interleaved partial sums, see ``squared_distance``); the nearest
word is the one of least distance, of equals the first. Whatever the search below computes in
float32 only decides which words need that distance, so the answers depend on nothing else: not on
the rows beside it, the block, the number of threads or the BLAS.

Search. Every word has a lower bound of its distance (:mod:`visualwords.features.bounds`); all
bounds of a few rows are one matrix product, of whole numbers. The word of least bound is tried
first; then only the words remain whose bound lies under its distance: for HOG descriptors and 1000
words seven on average. They are estimated in float32, and those in reach of the least estimate are
compared in float64, unless it is the only one and its distance is not asked for.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from visualwords.compiling import inner

from .bounds import FOLD, SMALL, STEP, bound, prepare, scratch
from .distances import DoubleArray, IntArray, check_finite, estimate, squared_distance
from .image import FloatArray

__all__ = ["WordSearch"]

MOST = np.int32(2**31 - 1)
TWO, THREE, FOUR = np.uintp(2), np.uintp(3), np.uintp(4)


class Lists(NamedTuple):
    """What the kernels write of one row."""

    folded: npt.NDArray[np.int32]  # (width / FOLD,)
    twice: npt.NDArray[np.int32]  # (width / FOLD^2,)
    lanes: IntArray  # (width / FOLD + 1,)
    near: IntArray  # (width + 1,)
    estimates: FloatArray  # (n_words,)
    least: DoubleArray  # (k,)


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
        self.prepared = prepare(words)

    @property
    def n_words(self) -> int:
        """The number of words."""
        return len(self.prepared.words)

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
        ids, distances = self.nearest_k(rows, 1)
        return ids[:, 0], distances[:, 0]

    def fill(self, rows: FloatArray, ids: IntArray, distances: DoubleArray) -> None:
        """Write what :meth:`nearest` finds into given arrays; without distances if they are empty.

        Parameters
        ----------
        rows : ndarray of shape (n, d), float32, C-contiguous
        ids : ndarray of shape (n,), int32
        distances : ndarray of shape (n,) or (0,), float64
        """
        self._search(rows, ids[:, np.newaxis], distances[:, np.newaxis])

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
        self._search(rows, ids, distances)
        return ids, distances

    def _search(self, rows: FloatArray, ids: IntArray, distances: DoubleArray) -> None:
        """Write the nearest words of every row and their distances, if there is room."""
        made = scratch(self.prepared)
        width, n_words = made.products.shape[1], self.n_words
        lists = Lists(
            np.empty(width // FOLD, np.int32),
            np.empty(width // FOLD**2, np.int32),
            np.empty(width // FOLD + 1, np.int32),
            np.empty(width + 1, np.int32),
            np.empty(n_words, np.float32),
            np.empty(ids.shape[1], np.float64),
        )
        check_finite(_find(rows, self.prepared, made, lists, ids, distances))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _find(rows: Any, prepared: Any, made: Any, lists: Any, ids: Any, distances: Any) -> int:
    """Find the nearest words; gives the first row that is not finite, or -1."""
    words, rounding = prepared.words, prepared.rounding
    for start in range(0, len(rows), STEP):
        block = rows[start : start + STEP]
        bound(block, prepared, made)
        for r in range(len(block)):
            x, products, id_ = block[r], made.products[r], ids[start + r]
            products[len(words) :] = MOST
            bounded = made.margins[r] < np.inf
            farthest = np.inf
            if bounded:
                farthest = np.float64(_try_lanes(x, words, products, lists, len(id_)))
            if farthest < np.inf:
                ceiling = farthest * (1 + 2 * rounding) + SMALL - made.squares[r] + made.margins[r]
                n = _list_near(products, ceiling / made.units[r], lists, len(id_))
            else:
                n = len(words)
                for i in range(n):
                    lists.near[i] = i
            if not _decide(x, prepared, bounded, n, lists, id_, len(distances) > 0):
                return start + r
            for i in range(distances.shape[1] if len(distances) else 0):
                distances[start + r, i] = lists.least[i]
    return -1


@inner
def _try_lanes(x: Any, words: Any, products: Any, lists: Any, k: int) -> Any:
    """Fold the products to lanes, list ``k`` lanes of least and take them out of the folded.

    Gives the largest distance, roughly, of the words of these products: the ``k`` nearest are no
    farther. Infinite if there are not so many lanes.
    """
    folded, twice = lists.folded, lists.twice
    farthest, n_lanes, n = np.float32(0), np.uintp(len(folded)), np.uintp(len(twice))
    _fold(products, folded)
    for i in range(k):
        _fold(folded, twice)
        least, lane = MOST, np.uintp(0)
        for j in range(n):
            if twice[j] < least:
                least, lane = twice[j], np.uintp(j)
        if least == MOST:
            return np.float32(np.inf)
        while folded[lane] != least:
            lane += n
        word: Any = lane
        while products[word] != least:
            word += n_lanes
        lists.lanes[i], folded[lane] = lane, MOST
        farthest = max(farthest, estimate(x, words[word]))
    return farthest


@inner
def _fold(values: Any, least: Any) -> None:
    """Fill ``least[i]`` with the least of the ``FOLD`` values ``i + j * len(least)``."""
    n = np.uintp(len(least))
    for i in range(n):
        j: Any = np.uintp(i)
        a, b, c, d = values[j], values[j + n], values[j + TWO * n], values[j + THREE * n]
        j += FOUR * n
        e, f, g, h = values[j], values[j + n], values[j + TWO * n], values[j + THREE * n]
        least[i] = min(min(min(a, b), min(c, d)), min(min(e, f), min(g, h)))


@inner
def _list_near(products: Any, ceiling: float, lists: Any, n_tried: int) -> Any:
    """List the words whose product is not over the ceiling; gives their number.

    Of the lanes the tried ones are listed already. What does not count is written over.
    """
    folded, lanes, near = lists.folded, lists.lanes, lists.near
    threshold = np.int32(min(ceiling + 1, 2.0**31 - 2))
    n_lanes, n_near, n = np.uintp(len(folded)), np.uintp(n_tried), np.uintp(0)
    for lane in range(n_lanes):
        lanes[n_near] = lane
        n_near += np.uintp(folded[lane] <= threshold)
    for i in range(n_near):
        word: Any = np.uintp(lanes[i])
        for _ in range(FOLD):
            near[n] = word
            n += np.uintp(products[word] <= threshold)
            word += n_lanes
    return n


@inner
def _decide(
    x: Any, prepared: Any, bounded: bool, n: int, lists: Any, ids: Any, distances: bool
) -> bool:
    """Compare in float64 those of the listed words that are in reach of the least estimates.

    Gives whether the distances are finite.
    """
    words, near, estimates, least = prepared.words, lists.near, lists.estimates, lists.least
    k, ceiling = len(ids), np.inf
    for exact in (False, True):
        for i in range(k):
            least[i] = np.inf
        for i in range(n):
            word = near[i]
            if not exact:
                value = estimates[i] = np.float64(estimate(x, words[word]))
            elif estimates[i] > ceiling:
                continue
            else:
                value = squared_distance(x, words[word])
            place = k
            while place > 0 and (
                value < least[place - 1]
                or (exact and value == least[place - 1] and word < ids[place - 1])
            ):
                place -= 1
                if place + 1 < k:
                    least[place + 1], ids[place + 1] = least[place], ids[place]
            if place < k:
                least[place], ids[place] = value, word
        if bounded and not exact:
            ceiling = (least[k - 1] + SMALL) * (1 + 3 * prepared.rounding) + SMALL
            n_near = 0
            for i in range(n):
                n_near += estimates[i] <= ceiling
            if n_near == 1 and not distances:
                break
    return np.isfinite(least[0])
