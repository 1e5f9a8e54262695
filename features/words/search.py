"""Exact nearest words in about a third of the time of a matrix product.

Definition. The distance of a row ``x`` and a word ``c`` is ``sum_i (x_i - c_i)^2`` of the float32
values in float64 arithmetic (eight interleaved partial sums, see ``squared_distance``); the nearest
word is the one of least distance, of equals the first. Whatever the search below computes in
float32 only decides which words need that distance, so the answers depend on nothing else: not on
the rows beside it, the block, the number of threads or the BLAS.

Search. Every word has a lower bound of its distance (:mod:`visualwords.features.bounds`); all
bounds of a few rows are one matrix product, of whole numbers, of which the two least of every eight
are kept. The word of least bound is tried first; then only the words remain whose bound lies under
its distance: for HOG descriptors and 1000 words seven on average. They are estimated in float32,
and those in reach of the least estimate are compared in float64, unless it is the only one and its
distance is not asked for.
"""

from typing import Any, NamedTuple

import numpy as np

from visualwords.compiling import kernel, lowest_bit, part
from visualwords.features.image import FloatArray
from visualwords.lanes import (
    LANES,
    everywhere,
    flags_of,
    lane_of,
    load_integers,
    moved,
    pointer,
    smallest,
    where,
)

from .bounds import (
    CEILINGS,
    FARTHEST,
    FLAGS,
    FOLD,
    MARGINS,
    MOST,
    SMALL,
    STEP,
    UNITS_OF_ROWS,
    bound,
    prepare,
    scratch,
)
from .distances import DoubleArray, IntArray, check_finite, estimate, squared_distance

__all__ = ["WordSearch"]

LAST = np.int32(FOLD - 1)  # the bits of a product that say which of its lane's words it is of
NO_WORD = np.int32(2**31 - FOLD)  # Products are less.
HIGHEST = 2.0**31 - 1 - 2 * FOLD
INFINITE = np.float32(np.inf)
NONE, VECTOR, FOLDED = np.uintp(0), np.uintp(LANES), np.uintp(FOLD)
FLAGGED = np.uintp(FLAGS)


class Lists(NamedTuple):
    """What the kernels write of one row."""

    lanes: IntArray  # (n_lanes + 1,)
    near: IntArray  # (n_words + 1,)
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
        n_words = self.n_words
        lists = Lists(
            np.empty(made.least.shape[1] + 1, np.int32),
            np.empty(n_words + 1, np.int32),
            np.empty(n_words, np.float32),
            np.empty(ids.shape[1], np.float64),
        )
        check_finite(_find(rows, *self.prepared, *made, *lists, ids, distances))


@kernel
def _find(
    rows: Any,
    words: Any,
    mean: Any,
    axes: Any,
    table: Any,
    starts: Any,
    radius: float,
    slack: float,
    lengthening: float,
    rounding: float,
    centred: Any,
    coordinates: Any,
    projected: Any,
    factors: Any,
    lowest: Any,
    second: Any,
    sizes: Any,
    lanes: Any,
    near: Any,
    estimates: Any,
    least: Any,
    ids: Any,
    distances: Any,
) -> Any:
    """Find the nearest words; gives the first row that is not finite, or -1."""
    known = (pointer(mean), axes, table, starts, radius, slack, lengthening, rounding)
    made = (pointer(centred), coordinates, projected, factors, lowest, second, pointer(sizes))
    n_lanes, room = np.uintp(len(starts)) // FOLDED, np.uintp(lowest.shape[1])
    scores = (pointer(estimates), pointer(least), np.uintp(len(least)), len(distances) > 0)
    d, n_words, k = np.uintp(words.shape[1]), np.uintp(len(words)), np.uintp(len(least))
    step = np.uintp(STEP)
    for start in range(np.uintp(0), np.uintp(len(rows)), step):
        n_rows = min(step, np.uintp(len(rows)) - start)
        bound(moved(pointer(rows), start * d), n_rows, d, known, made)
        for r in range(n_rows):  # Each waits for its words; in a loop of their own they overlap.
            least_ = moved(pointer(lowest), r * room)
            margin, farthest = sizes[MARGINS + r], np.inf
            if margin < np.inf:
                x = moved(pointer(rows), (start + r) * d)
                tried = (least_, n_lanes, room, pointer(lanes), pointer(near))
                farthest = np.float64(_try_lanes(x, pointer(words), d, tried, k))
            ceiling = farthest * (1 + 2 * rounding) + SMALL - sizes[r] + margin
            sizes[FARTHEST + r] = farthest
            sizes[CEILINGS + r] = ceiling / sizes[UNITS_OF_ROWS + r]
        for r in range(n_rows):
            x, id_ = moved(pointer(rows), (start + r) * d), moved(pointer(ids), (start + r) * k)
            farthest, n = sizes[FARTHEST + r], n_words
            if farthest < np.inf:
                least_, second_ = moved(pointer(lowest), r * room), moved(pointer(second), r * room)
                lists = (least_, second_, n_lanes, room, pointer(near))
                n = _list_near(sizes[CEILINGS + r], n_words, lists)
            else:
                for word in range(n_words):
                    near[word] = word
            if not _decide(x, pointer(words), d, rounding, farthest, n, pointer(near), scores, id_):
                return np.int64(start + r)
            if len(distances) > 0:
                for i in range(k):
                    distances[start + r, i] = least[i]
    return -1


@part
def _try_lanes(x: Any, words: Any, d: Any, lists: Any, k: Any) -> Any:
    """Give the largest distance, roughly, of the nearest-looking words of ``k`` lanes.

    Of the lanes of least products the words that these are of; the ``k`` nearest are no farther.
    Infinite if there are not so many lanes.
    """
    least, n_lanes, room, lanes, near = lists
    farthest, n = np.float32(0), NONE
    while n < k and farthest < np.inf:
        lane = _lane_of_least(least, room)
        product = least[lane]
        lanes[n], near[n], least[lane] = np.int32(lane), product, MOST
        n += np.uintp(1)
        distance = INFINITE
        if product < NO_WORD:
            word = lane + np.uintp(product & LAST) * n_lanes
            distance = estimate(x, moved(words, word * d), d)
        farthest = distance if distance > farthest else farthest
    while n > NONE:
        n -= np.uintp(1)
        least[np.uintp(lanes[n])] = near[n]
    return farthest


@part
def _lane_of_least(products: Any, n: Any) -> Any:
    """Give the place of a least number among ``n``."""
    least, first = load_integers(products, NONE), everywhere(np.int32(0))
    for i in range(VECTOR, n, VECTOR):
        other = load_integers(products, i)
        less = other < least
        least, first = where(less, other, least), where(less, everywhere(np.int32(i)), first)
    lane = lowest_bit(flags_of(least == everywhere(smallest(least))))
    return np.uintp(lane_of(first, lane)) + np.uintp(lane)


@part
def _list_near(ceiling: float, n_words: Any, lists: Any) -> Any:
    """List the words whose product may not be over the ceiling; gives their number.

    Where that is two words of a lane, all of the lane are listed.
    """
    least, second, n_lanes, room, near = lists
    threshold = np.int32(ceiling + 1 if ceiling + 1 < HIGHEST else HIGHEST)
    end, n = np.int32((threshold | LAST) + np.int32(1)), NONE
    for first in range(NONE, room, FLAGGED):
        found = np.uint64(0)
        for i in range(NONE, FLAGGED, VECTOR):
            found |= flags_of(load_integers(least, first + i) < everywhere(end)) << i
        while found > 0:
            lane = first + np.uintp(lowest_bit(found))
            found &= found - np.uint64(1)
            nearest = lane + np.uintp(least[lane] & LAST) * n_lanes
            near[n] = np.int32(nearest)
            n += np.uintp(1)
            if second[lane] < end:
                for word in range(lane, n_words, n_lanes):
                    near[n] = np.int32(word)
                    n += np.uintp(word != nearest)
    return n


@part
def _decide(
    x: Any,
    words: Any,
    d: Any,
    rounding: float,
    farthest: float,
    n: Any,
    near: Any,
    scores: Any,
    ids: Any,
) -> bool:
    """Compare in float64 those of the listed words that are in reach of the least estimates.

    ``farthest`` is what :func:`_try_lanes` gave. Gives whether the distances are finite.
    """
    estimates, least, k, wanted = scores
    ceiling, n_near = (farthest + SMALL) * (1 + 3 * rounding) + SMALL, NONE
    for i in range(n):
        word = near[i]
        value = estimate(x, moved(words, np.uintp(word) * d), d)
        near[n_near], estimates[n_near] = word, value
        n_near += np.uintp(value <= ceiling)
    if farthest < np.inf:
        reach = -1.0
        for _ in range(k):  # The k-th least estimate; if some are equal, one beyond.
            following = np.inf
            for i in range(n_near):
                other = np.float64(estimates[i])
                following = other if reach < other < following else following
            reach = following
        ceiling = (reach + SMALL) * (1 + 3 * rounding) + SMALL
        n_nearest = 0
        for i in range(n_near):
            if estimates[i] <= ceiling:
                n_nearest += 1
                ids[0] = near[i]
        if n_nearest == 1 and not wanted:
            return True
    for i in range(k):
        least[i] = np.inf
    for i in range(n_near):
        if estimates[i] > ceiling:
            continue
        word = near[i]
        distance = squared_distance(x, moved(words, np.uintp(word) * d), d)
        place: Any = k
        while place > 0:
            before = place - np.uintp(1)
            if least[before] < distance or (least[before] == distance and ids[before] < word):
                break
            if place < k:
                least[place], ids[place] = least[before], ids[before]
            place = before
        if place < k:
            least[place], ids[place] = distance, word
    return least[0] < np.inf
