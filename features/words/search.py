"""The exact nearest words of descriptors, in about a third of the time of a matrix product.

Definition. The squared distance of a row ``x`` and a word ``c`` is ``sum_i (x_i - c_i)^2`` of the
float32 numbers, computed in float64 by :func:`.squared_distance`. The nearest word is the one of
least distance; of several, the first. Everything else below only decides which words need that
distance. So the answer does not depend on the rows beside it, the block, the threads or the
processor.

Search. For ``k`` nearest words of a row:

1. Every word has a lower bound of its distance (:mod:`.bounds`).
2. The words of the least bounds in ``k`` lanes are tried: the k-th nearest word is no farther
   (``farthest``) than the farthest of these. So a word whose bound is above ``farthest`` is not
   among the nearest.
3. The words that remain (seven of 1,000 on average for HOG descriptors) are estimated in float32.
   The k-th least estimate, plus its error, is again a distance that the k nearest do not exceed.
4. The words whose estimate may lie below that are compared in float64. If only one remains and its
   distance is not asked for, it is the answer.

A row without bounds (too large for float32) is compared with all words in float64.

``tests/features/words/test_search.py`` compares all of it with brute force.
"""

import numpy as np

from visualwords.compiling import kernel, part, read_only
from visualwords.features.image import FloatArray

from .bounds import STEP, Prepared, Scratch, fill_bounds, prepare, scratch
from .candidates import drop_far, farthest_of_tried, highest_product, list_all, list_near
from .distances import DoubleArray, IntArray, check_finite, squared_distance
from .int16 import ShortArray

__all__ = ["WordSearch"]


class WordSearch:
    """The search for the nearest words, prepared for one set of words.

    Parameters
    ----------
    words : ndarray of shape (n_words, d), float32

    Raises
    ------
    ValueError
        If there is no word or column, or a word is not finite.

    Examples
    --------
    >>> search = WordSearch(np.array([[0, 0], [4, 0], [4, 0]], np.float32))
    >>> ids, squared_distances = search.nearest(np.array([[3, 1], [2, 0]], np.float32))
    >>> ids, squared_distances
    (array([1, 0], dtype=int32), array([2., 4.]))
    """

    def __init__(self, words: FloatArray) -> None:
        words = np.ascontiguousarray(words, np.float32)
        if words.ndim != 2 or words.size == 0:
            raise ValueError(f"expected words of shape (n_words, d), not empty; got {words.shape}")
        if not np.isfinite(words).all():
            raise ValueError("the words have NaN or infinity in float32; give finite values only")
        self.prepared = prepare(words)

    @property
    def n_words(self) -> int:
        """The number of words."""
        return len(self.prepared.words)

    def nearest(self, rows: FloatArray) -> tuple[IntArray, DoubleArray]:
        """Find the nearest word of every row, in this thread, without the GIL.

        Parameters
        ----------
        rows : ndarray of shape (n, d), float32

        Returns
        -------
        ids : ndarray of shape (n,), int32
        squared_distances : ndarray of shape (n,), float64

        Raises
        ------
        ValueError
            If the rows have another number of columns than the words, or a value is not finite.
        """
        ids, distances = self.nearest_k(rows, 1)
        return ids[:, 0], distances[:, 0]

    def fill(self, rows: FloatArray, ids: IntArray, distances: DoubleArray) -> None:
        """Write what :meth:`nearest` returns into given arrays; no distances if there is no room.

        Parameters
        ----------
        rows : ndarray of shape (n, d), float32
        ids : ndarray of shape (n,), int32
        distances : ndarray of shape (n,) or (0,), float64
        """
        self._search(rows, ids[:, np.newaxis], distances[:, np.newaxis])

    def nearest_k(self, rows: FloatArray, k: int) -> tuple[IntArray, DoubleArray]:
        """Find the ``k`` nearest words of every row, nearest first; of equals the first word.

        Parameters
        ----------
        rows : ndarray of shape (n, d), float32
        k : int
            From 1 to the number of words.

        Returns
        -------
        ids : ndarray of shape (n, k), int32
        squared_distances : ndarray of shape (n, k), float64

        Raises
        ------
        ValueError
            As in :meth:`nearest`, or if ``k`` is out of its range.
        """
        if not 1 <= k <= self.n_words:
            raise ValueError(f"k must be from 1 to the number of words {self.n_words}, got {k}")
        ids = np.empty((len(rows), k), np.int32)
        distances = np.empty((len(rows), k), np.float64)
        self._search(rows, ids, distances)
        return ids, distances

    def _search(self, rows: FloatArray, ids: IntArray, distances: DoubleArray) -> None:
        """Write the nearest words of every row and, if there is room, their distances."""
        d = self.prepared.words.shape[1]
        rows = read_only(np.asarray(rows, np.float32))
        if rows.ndim != 2 or rows.shape[1] != d:
            raise ValueError(f"expected rows of shape (n, {d}), got {rows.shape}")
        if len(ids) != len(rows) or len(distances) not in (0, len(rows)):
            raise ValueError(
                f"expected room for {len(rows)} rows, got {len(ids)} ids and {len(distances)} "
                "distances"
            )
        near = np.empty(self.n_words + 1, np.int32)
        estimates = np.empty(self.n_words, np.float32)
        least = np.empty(ids.shape[1], np.float64)
        room = scratch(self.prepared)
        check_finite(_find(rows, *self.prepared, *room, near, estimates, least, ids, distances))


@kernel
def _find(
    rows: FloatArray,
    words: FloatArray,
    mean: FloatArray,
    axes: ShortArray,
    table: ShortArray,
    starts: IntArray,
    radius: float,
    slack: float,
    lengthening: float,
    rounding: float,
    centred: FloatArray,
    coordinates: ShortArray,
    projected: IntArray,
    factors: ShortArray,
    lowest: IntArray,
    second: IntArray,
    lengths: DoubleArray,
    squares: DoubleArray,
    margins: DoubleArray,
    units: DoubleArray,
    near: IntArray,
    estimates: FloatArray,
    least: DoubleArray,
    ids: IntArray,
    distances: DoubleArray,
) -> int:
    """Write the nearest words. Return the first row that is not finite, or -1.

    The arrays come one by one because Python hands over a tuple of them ten times slower.
    """
    known = Prepared(words, mean, axes, table, starts, radius, slack, lengthening, rounding)
    made = Scratch(
        centred, coordinates, projected, factors, lowest, second, lengths, squares, margins, units
    )
    farthest = lengths  # The bounds need the lengths no more.
    for start in range(0, len(rows), STEP):
        n_rows = min(STEP, len(rows) - start)
        fill_bounds(rows, start, n_rows, known, made)
        for r in range(n_rows):  # In a loop of its own: the waiting times for words overlap.
            farthest[r] = np.inf
            if margins[r] < np.inf:
                farthest[r] = farthest_of_tried(rows, start + r, words, lowest, r, len(least))
        for r in range(n_rows):
            row, n = start + r, 0
            if farthest[r] < np.inf:
                ceiling = highest_product(farthest[r], known, made, r)
                n = list_near(ceiling, made, r, len(words), near)
                n = drop_far(rows, row, known, farthest[r], near, n, estimates, len(least))
            else:
                n = list_all(near, len(words))
            if n == 1 and len(distances) == 0 and farthest[r] < np.inf:
                ids[row, 0] = near[0]
                continue
            if not _decide(rows, row, words, n, near, least, ids):
                return row
            if len(distances) > 0:
                for i in range(len(least)):
                    distances[row, i] = least[i]
    return -1


@part
def _decide(
    rows: FloatArray,
    row: int,
    words: FloatArray,
    n: int,
    near: IntArray,
    least: DoubleArray,
    ids: IntArray,
) -> bool:
    """Sort the listed words by their exact distance, then by number, into the ``k`` places.

    Return whether the distances are finite.
    """
    k = len(least)
    for i in range(k):
        least[i] = np.inf
    for i in range(n):
        word = near[i]
        distance = squared_distance(rows, row, words, word)
        place = k
        while place > 0:
            before = place - 1
            if least[before] < distance or (least[before] == distance and ids[row, before] < word):
                break
            if place < k:
                least[place], ids[row, place] = least[before], ids[row, before]
            place = before
        if place < k:
            least[place], ids[row, place] = distance, word
    return least[0] < np.inf
