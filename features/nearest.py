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

from typing import Any

import numba
import numpy as np

from visualwords.threads import row_blocks

from .bounds import FOLD, LARGE, SMALL, factors_and_margins, prepare
from .distances import DoubleArray, IntArray, check_finite, estimate, squared_distance
from .image import FloatArray

__all__ = ["WordSearch"]

ROWS = 512  # are looked for at once,
STEP = 64  # and the bounds of so many are one product.
TWO, THREE, FOUR = np.uintp(2), np.uintp(3), np.uintp(4)


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
        words, table, slack = self.prepared.words, self.prepared.table, self.prepared.slack
        k, width = ids.shape[1], table.shape[1]
        n_rows = min(len(rows), ROWS)
        near, ends = np.empty(n_rows * width + 1, np.int32), np.empty(n_rows + 1, np.int64)
        bounds = np.empty((STEP, width), np.float32)
        folded = np.empty(width // FOLD, np.float32)
        twice = np.empty(width // FOLD**2, np.float32)
        lanes = np.empty(len(folded) + 1, np.int32)
        estimates, least = np.empty(len(words), np.float32), np.empty(k, np.float64)
        for block in row_blocks(len(rows), ROWS):
            factors, margins = factors_and_margins(rows[block], self.prepared)
            known = rows[block], words, margins, slack, near, ends
            _list_candidates(
                *known, factors, table, bounds, bounds.reshape(-1), folded, twice, lanes, k
            )
            check_finite(_decide(*known, estimates, least, ids[block], distances[block]))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _list_candidates(
    rows: Any,
    words: Any,
    margins: Any,
    slack: float,
    near: Any,
    ends: Any,
    factors: Any,
    table: Any,
    bounds: Any,
    flat: Any,
    folded: Any,
    twice: Any,
    lanes: Any,
    k: int,
) -> None:
    """List the words that may be among the ``k`` nearest of every row.

    Those of row ``r`` are ``near[ends[r]:ends[r + 1]]``. Every write to a list is kept or written
    over. The arrays from ``bounds`` to ``lanes`` are overwritten.
    """
    n_lanes, width, n = np.uintp(len(folded)), np.uintp(table.shape[1]), 0
    ends[0] = 0
    for r in range(len(rows)):
        row = r % len(bounds)
        if row == 0:
            stop = min(r + len(bounds), len(rows))
            np.dot(factors[r:stop], table, bounds[: stop - r])
        first = np.uintp(row) * width
        distance = _try_lanes(rows[r], words, flat, first, folded, twice, lanes, k)
        threshold = np.float32(distance * (1 + slack) + SMALL + margins[r])
        if threshold < np.inf:
            n_near = np.uintp(k)
            for lane in range(n_lanes):
                lanes[n_near] = lane
                n_near += np.uintp(folded[lane] <= threshold)
            for i in range(n_near):
                word: Any = np.uintp(lanes[i])
                for _ in range(FOLD):
                    near[n] = word
                    n += flat[first + word] <= threshold
                    word += n_lanes
        else:
            for i in range(len(words)):
                near[n] = i
                n += 1
        ends[r + 1] = n


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _try_lanes(
    x: Any, words: Any, bounds: Any, first: int, folded: Any, twice: Any, lanes: Any, k: int
) -> Any:
    """Fold the bounds to lanes, list ``k`` lanes of least bounds and take them out of the folded.

    Gives the largest distance, roughly, of the words of these bounds: the ``k`` nearest are no
    farther. Infinite if there are not so many lanes.
    """
    farthest, n_lanes, n = np.float32(0), np.uintp(len(folded)), np.uintp(len(twice))
    _fold(bounds, first, folded)
    for i in range(k):
        _fold(folded, np.uintp(0), twice)
        least, lane = np.float32(LARGE), np.uintp(0)
        for j in range(n):
            if twice[j] < least:
                least, lane = twice[j], np.uintp(j)
        if not least < LARGE:
            return np.float32(np.inf)
        while folded[lane] != least:
            lane += n
        word: Any = lane
        while bounds[first + word] != least:
            word += n_lanes
        lanes[i], folded[lane] = lane, np.inf
        farthest = max(farthest, estimate(x, words[word]))
    return farthest


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _fold(values: Any, first: int, least: Any) -> None:
    """Fill ``least[i]`` with the least of the ``FOLD`` values ``first + i + j * len(least)``."""
    n = np.uintp(len(least))
    for i in range(n):
        j: Any = first + i
        a, b, c, d = values[j], values[j + n], values[j + TWO * n], values[j + THREE * n]
        j += FOUR * n
        e, f, g, h = values[j], values[j + n], values[j + TWO * n], values[j + THREE * n]
        least[i] = min(min(min(a, b), min(c, d)), min(min(e, f), min(g, h)))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _decide(
    rows: Any,
    words: Any,
    margins: Any,
    slack: float,
    near: Any,
    ends: Any,
    estimates: Any,
    least: Any,
    ids: Any,
    distances: Any,
) -> int:
    """Compare in float64 those of the listed words that are in reach of the least estimates.

    Gives the first row that is not finite, or -1. ``estimates`` and ``least`` are overwritten.
    """
    k = ids.shape[1]
    for r in range(len(rows)):
        first, n, ceiling = ends[r], ends[r + 1] - ends[r], np.inf
        if n == 1 and len(distances) == 0 and margins[r] < np.inf:
            ids[r, 0] = near[first]
            continue
        for exact in (False, True):
            for i in range(k):
                least[i] = np.inf
            for i in range(n):
                word = near[first + i]
                if not exact:
                    value = estimates[i] = np.float64(estimate(rows[r], words[word]))
                elif estimates[i] > ceiling:
                    continue
                else:
                    value = squared_distance(rows[r], words[word])
                place = k
                while place > 0 and (
                    value < least[place - 1]
                    or (exact and value == least[place - 1] and word < ids[r, place - 1])
                ):
                    place -= 1
                    if place + 1 < k:
                        least[place + 1], ids[r, place + 1] = least[place], ids[r, place]
                if place < k:
                    least[place], ids[r, place] = value, word
            if margins[r] < np.inf:
                ceiling = (least[k - 1] + SMALL) * (1 + 3 * slack) + SMALL
        if not np.isfinite(least[0]):
            return r
        if len(distances):
            for i in range(k):
                distances[r, i] = least[i]
    return -1
