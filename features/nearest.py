"""Exact nearest words for about a third of the arithmetic of a matrix product.

Definition. The distance of a row ``x`` and a word ``c`` is ``sum_i (x_i - c_i)^2`` of the float32
values in float64 arithmetic (eight interleaved partial sums, see ``squared_distance``); the nearest
word is the one of least distance, of equals the first. Whatever the search below computes in
float32 only decides which words need that distance, so the answers depend on nothing else: not on
the rows beside it, the block, the number of threads or the BLAS.

Search. Let ``x`` and ``c`` be relative to the mean of the words, ``Q`` the words' first principal
axes, ``r(x)`` the length of what is left of ``x`` beyond them. By Cauchy-Schwarz

    |x - c|^2 >= |x|^2 + |c|^2 - 2 (Q'x . Q'c) - 2 r(x) r(c)

and all but ``|x|^2`` of the right side is one matrix product of ``[Q'x, r(x), 1]`` with
``[-2 Q'c, -2 r(c), |c|^2]``. The word of least bound is tried first; then only the words remain
whose bound lies under its distance: for HOG descriptors and 1000 words about ten.

The bound is computed in float32. Its error is at most ``slack * (|x| + max |c|)^2``: a product of
``n`` terms errs by at most ``gamma_n = n u / (1 - n u)`` of the product of the absolute values,
``u = 2^-24`` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), in
whatever order it is summed. Rows too large for float32 bounds are compared with all words.
"""

from typing import NamedTuple

import numba
import numpy as np

from .distances import (
    DoubleArray,
    IntArray,
    check_finite,
    estimate,
    squared_distance,
    squared_length,
)
from .image import FloatArray

__all__ = ["WordSearch"]

UNIT = 2.0**-24
LARGE = 1e30  # Squared lengths over this are left to float64 ...
SMALL = 1e-30  # ... and what underflows under this is covered by an absolute error of the bounds.
UNEXPLAINED = 0.06  # Share of the words' variance that the principal axes may leave.
FOLD = 8  # Bounds are folded twice by this factor before any single one is looked at.
SMALL_PRODUCT = 1_000_000  # Multiplications up to which OpenBLAS packs no operand (AVX-512).


class Prepared(NamedTuple):
    """What the kernels know of the words."""

    words: FloatArray  # (n_words, d)
    mean: FloatArray  # (d,)
    axes: FloatArray  # (d, n_axes + 2), the last two columns zero
    table: FloatArray  # (n_axes + 2, n_words rounded up to FOLD^2)
    slack: float
    radius: float  # max |c - mean|
    step: int  # Rows whose bounds are computed at once.


class Work(NamedTuple):
    """Arrays that the kernels fill again and again, for a step of rows or for one."""

    centred: FloatArray  # (step, d)
    factors: FloatArray  # (step, n_axes + 2)
    squared: FloatArray  # (step,)
    bounds: FloatArray  # (step, width of the table)
    folded: FloatArray  # (width / FOLD,)
    twice: FloatArray  # (width / FOLD^2,)
    lanes: IntArray  # (width / FOLD + 1,)
    near: IntArray  # (width + 1,)
    estimates: FloatArray  # (width,)


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
        words = np.ascontiguousarray(words, np.float32)
        mean = words.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = words.astype(np.float64) - mean
        squared = np.einsum("ij,ij->i", centred, centred)
        radius = float(np.sqrt(squared.max()))
        if not squared.max() < LARGE:
            centred[:] = 0  # The bounds will not be used.
        axes = _principal_axes(centred)
        d, depth = axes.shape
        projection_error = np.sqrt(depth) * (d + 8) * UNIT
        slack = float(4 * (projection_error + (depth + 8) * UNIT))
        if slack > 1:  # Millions of columns: float32 cannot tell.
            radius = np.inf
        table = _bound_table(centred, axes, slack)
        step = int(np.clip(SMALL_PRODUCT // table.size // 8 * 8, 8, 64))
        self.prepared = Prepared(words, mean, axes, table, slack, radius, step)

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


def _principal_axes(centred: DoubleArray) -> FloatArray:
    """Principal axes of the words that explain nearly all variance, and two zero columns."""
    variances, axes = np.linalg.eigh(centred.T @ centred)
    explained = np.cumsum(variances[::-1])
    n_axes = int(np.searchsorted(explained, (1 - UNEXPLAINED) * explained[-1])) + 1
    n_axes = min(n_axes, centred.shape[1])
    padded = np.zeros((centred.shape[1], n_axes + 2), np.float32)
    padded[:, :n_axes] = axes[:, ::-1][:, :n_axes]
    return padded


def _bound_table(centred: DoubleArray, axes: FloatArray, slack: float) -> FloatArray:
    """Columns ``[-2 Q'c, -2 r(c), |c|^2]`` of the words; more columns that no row comes near."""
    n_words = len(centred)
    coordinates = centred @ axes
    squared = np.einsum("ij,ij->i", centred, centred)
    rest = squared * (1 + slack) - np.einsum("ij,ij->i", coordinates, coordinates)
    table = np.zeros((axes.shape[1], -(-n_words // FOLD**2) * FOLD**2), np.float32)
    table[:, :n_words] = -2 * coordinates.T
    table[-2, :n_words] = -2 * np.sqrt(np.maximum(rest, 0))
    table[-1] = 1e36
    table[-1, :n_words] = squared
    return table


@numba.njit(nogil=True, cache=True)
def _work(prepared: Prepared) -> Work:
    depth, width = prepared.table.shape
    step = prepared.step
    return Work(
        np.empty((step, len(prepared.mean)), np.float32),
        np.empty((step, depth), np.float32),
        np.empty(step, np.float32),
        np.empty((step, width), np.float32),
        np.empty(width // FOLD, np.float32),
        np.empty(width // FOLD**2, np.float32),
        np.empty(width // FOLD + 1, np.int32),
        np.empty(width + 1, np.int32),
        np.empty(width, np.float32),
    )


@numba.njit(nogil=True, cache=True)
def _bounds(rows: FloatArray, prepared: Prepared, work: Work) -> None:
    """Find ``|x|^2`` of a few rows and the rest of the bounds of all words."""
    centred, factors, squared = work.centred, work.factors, work.squared
    n, d = rows.shape
    for r in range(n):
        for i in range(d):
            centred[r, i] = rows[r, i] - prepared.mean[i]
        squared[r] = squared_length(centred[r])
    np.dot(centred[:n], prepared.axes, factors[:n])
    for r in range(n):
        rest = squared[r] * (1 + prepared.slack) - squared_length(factors[r])
        factors[r, -2] = np.sqrt(max(rest, 0.0))
        factors[r, -1] = 1
    np.dot(factors[:n], prepared.table, work.bounds[:n])


@numba.njit(nogil=True, cache=True)
def _margin(squared: float, prepared: Prepared) -> float:
    """Most by which a bound may exceed the squared distance; infinite where float32 fails."""
    reach = (np.sqrt(squared) + prepared.radius) ** 2
    return prepared.slack * reach + SMALL - squared if reach < LARGE else np.inf


@numba.njit(nogil=True, cache=True)
def _nearest(rows: FloatArray, prepared: Prepared, ids: IntArray, distances: DoubleArray) -> int:
    """Nearest word of every row, and its distance unless there is no room for distances.

    Gives the first row that is not finite, or -1.
    """
    work = _work(prepared)
    for start in range(0, len(rows), prepared.step):
        stop = min(start + prepared.step, len(rows))
        _bounds(rows[start:stop], prepared, work)
        for r in range(start, stop):
            margin = _margin(work.squared[r - start], prepared)
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
    work = _work(prepared)
    for start in range(0, len(rows), prepared.step):
        stop = min(start + prepared.step, len(rows))
        _bounds(rows[start:stop], prepared, work)
        for r in range(start, stop):
            margin = _margin(work.squared[r - start], prepared)
            _insert(rows[r], prepared, work.bounds[r - start], margin, ids[r], distances[r])
            if not np.isfinite(distances[r, 0]):
                return r
    return -1


@numba.njit(nogil=True, cache=True)
def _insert(
    x: FloatArray,
    prepared: Prepared,
    bounds: FloatArray,
    margin: float,
    ids: IntArray,
    distances: DoubleArray,
) -> None:
    """Keep the nearest words so far sorted; skip those whose bound is over the last of them."""
    words, slack = prepared.words, prepared.slack
    last = len(ids) - 1
    distances[:] = np.inf
    threshold = np.float32(np.inf)
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
            threshold = np.float32(distances[last] + margin)
