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

import numpy as np

from visualwords.compiling import kernel, part

from .bounds import FOLD, MARGINS, SMALL, STEP, UNITS_OF_ROWS, bound, prepare, scratch
from .distances import DoubleArray, IntArray, check_finite, estimate, squared_distance
from .image import FloatArray
from .lanes import moved, pointer

__all__ = ["WordSearch"]

MOST = np.int32(2**31 - 1)


class Lists(NamedTuple):
    """What the kernels write of one row."""

    folded: IntArray  # (width / FOLD,)
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
            np.empty(width // FOLD + 1, np.int32),
            np.empty(width + 1, np.int32),
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
    radius: float,
    slack: float,
    lengthening: float,
    rounding: float,
    centred: Any,
    coordinates: Any,
    projected: Any,
    factors: Any,
    products: Any,
    sizes: Any,
    folded: Any,
    lanes: Any,
    near: Any,
    estimates: Any,
    least: Any,
    ids: Any,
    distances: Any,
) -> Any:
    """Find the nearest words; gives the first row that is not finite, or -1."""
    known = (pointer(mean), axes, table, radius, slack, lengthening, rounding)
    made = (pointer(centred), coordinates, projected, factors, products, pointer(sizes))
    lists = (pointer(folded), pointer(lanes), np.uintp(len(folded)), pointer(near))
    scores = (pointer(estimates), pointer(least), np.uintp(len(least)), len(distances) > 0)
    d, n_words, k = np.uintp(words.shape[1]), np.uintp(len(words)), np.uintp(len(least))
    width, step = np.uintp(products.shape[1]), np.uintp(STEP)
    for start in range(np.uintp(0), np.uintp(len(rows)), step):
        n_rows = min(step, np.uintp(len(rows)) - start)
        bound(moved(pointer(rows), start * d), n_rows, d, known, made)
        for r in range(n_rows):
            x, id_ = moved(pointer(rows), (start + r) * d), moved(pointer(ids), (start + r) * k)
            row = moved(pointer(products), r * width)
            for word in range(n_words, width):
                row[word] = MOST
            margin, farthest, n = sizes[MARGINS + r], np.inf, n_words
            if margin < np.inf:
                farthest = np.float64(_try_lanes(x, pointer(words), d, row, lists, k))
            if farthest < np.inf:
                ceiling = farthest * (1 + 2 * rounding) + SMALL - sizes[r] + margin
                n = _list_near(row, ceiling / sizes[UNITS_OF_ROWS + r], lists, k)
            else:
                for word in range(n_words):
                    near[word] = word
            if not _decide(x, pointer(words), d, rounding, margin, n, lists[3], scores, id_):
                return np.int64(start + r)
            if len(distances) > 0:
                for i in range(k):
                    distances[start + r, i] = least[i]
    return -1


@part
def _try_lanes(x: Any, words: Any, d: Any, products: Any, lists: Any, k: Any) -> Any:
    """Fold the products to lanes, list ``k`` lanes of least and take them out of the folded.

    Lane ``i`` has the products ``i + j * n_lanes``, of which the least is kept. Gives the largest
    distance, roughly, of the words of the least products: the ``k`` nearest are no farther.
    Infinite if there are not so many lanes.
    """
    folded, lanes, n, _ = lists
    farthest = np.float32(0)
    for i in range(n):
        place: Any = i
        least = products[place]
        for _ in range(FOLD - 1):
            place += n
            least = products[place] if products[place] < least else least
        folded[i] = least
    for i in range(k):
        least = MOST
        for j in range(n):
            least = folded[j] if folded[j] < least else least
        if least == MOST:
            return np.float32(np.inf)
        lane = np.uintp(0)
        while folded[lane] != least:
            lane += np.uintp(1)
        lanes[i], folded[lane] = np.int32(lane), MOST
        while products[lane] != least:
            lane += n
        distance = estimate(x, moved(words, lane * d), d)
        farthest = distance if distance > farthest else farthest
    return farthest


@part
def _list_near(products: Any, ceiling: float, lists: Any, n_tried: Any) -> Any:
    """List the words whose product is not over the ceiling; gives their number.

    Of the lanes the tried ones are listed already. What does not count is written over.
    """
    folded, lanes, n_lanes, near = lists
    most = 2.0**31 - 2
    threshold = np.int32(ceiling + 1 if ceiling + 1 < most else most)
    n_near, n = n_tried, np.uintp(0)
    for lane in range(n_lanes):
        lanes[n_near] = np.int32(lane)
        n_near += np.uintp(folded[lane] <= threshold)
    for i in range(n_near):
        word: Any = np.uintp(lanes[i])
        for _ in range(FOLD):
            near[n] = np.int32(word)
            n += np.uintp(products[word] <= threshold)
            word += n_lanes
    return n


@part
def _decide(
    x: Any,
    words: Any,
    d: Any,
    rounding: float,
    margin: float,
    n: Any,
    near: Any,
    scores: Any,
    ids: Any,
) -> bool:
    """Compare in float64 those of the listed words that are in reach of the least estimates.

    Gives whether the distances are finite.
    """
    estimates, least, k, wanted = scores
    ceiling = np.inf
    for i in range(n):
        estimates[i] = estimate(x, moved(words, np.uintp(near[i]) * d), d)
    if margin < np.inf:
        reach = -1.0
        for _ in range(k):  # The k-th least estimate; if some are equal, one beyond.
            following = np.inf
            for i in range(n):
                value = np.float64(estimates[i])
                following = value if reach < value < following else following
            reach = following
        ceiling = (reach + SMALL) * (1 + 3 * rounding) + SMALL
        n_near = 0
        for i in range(n):
            if estimates[i] <= ceiling:
                n_near += 1
                ids[0] = near[i]
        if n_near == 1 and not wanted:
            return True
    for i in range(k):
        least[i] = np.inf
    for i in range(n):
        if estimates[i] > ceiling:
            continue
        word = near[i]
        value = squared_distance(x, moved(words, np.uintp(word) * d), d)
        place: Any = k
        while place > 0:
            before = place - np.uintp(1)
            if least[before] < value or (least[before] == value and ids[before] < word):
                break
            if place < k:
                least[place], ids[place] = least[before], ids[before]
            place = before
        if place < k:
            least[place], ids[place] = value, word
    return least[0] < np.inf
