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

import numba
import numpy as np
import numpy.typing as npt

from .image import FloatArray

__all__ = ["WordSearch"]

ROWS = 128  # Rows of a step: their bounds for 1000 words, 512 KiB, stay in a core's cache.
LANES = 64  # Bounds are reduced to this many minima before any single one is looked at.
UNIT = 2.0**-24
LARGE = 1e30  # Squared lengths over this are left to float64 ...
SMALL = 1e-30  # ... and underflow under this is covered by an absolute error of the bounds.
UNEXPLAINED = 0.05  # Share of the words' variance that the principal axes may leave.

IntArray = npt.NDArray[np.int32]
DoubleArray = npt.NDArray[np.float64]


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
        self.words = np.ascontiguousarray(words, np.float32)
        exact = self.words.astype(np.float64)
        self.mean = exact.mean(axis=0).astype(np.float32)
        centred = exact - self.mean
        squared = np.einsum("ij,ij->i", centred, centred)
        if not squared.max() < LARGE:
            centred[:] = 0
        self.axes = _principal_axes(centred)
        d, n_axes = self.axes.shape
        projection_error = np.sqrt(n_axes) * (d + 8) * UNIT
        self.slack = 4 * (projection_error + (n_axes + 8) * UNIT)
        self.radius = float(np.sqrt(squared.max()))
        self.table = _bound_table(centred, self.axes, self.slack)

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
        bad = _nearest(
            rows,
            self.words,
            self.mean,
            self.axes,
            self.table,
            self.slack,
            self.radius,
            ids,
            distances,
        )
        _check_finite(bad)
        return ids, distances

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
        """
        ids = np.empty((len(rows), k), np.int32)
        distances = np.empty((len(rows), k), np.float64)
        bad = _nearest_k(
            rows,
            self.words,
            self.mean,
            self.axes,
            self.table,
            self.slack,
            self.radius,
            ids,
            distances,
        )
        _check_finite(bad)
        return ids, distances


def _check_finite(bad: int) -> None:
    if bad >= 0:
        raise ValueError(f"row {bad} of the block has NaN or infinity; descriptors must be finite")


def _principal_axes(centred: DoubleArray) -> FloatArray:
    """Principal axes of the words, as many as explain nearly all of their variance."""
    variances, axes = np.linalg.eigh(centred.T @ centred)
    explained = np.cumsum(variances[::-1])
    n_axes = np.searchsorted(explained, (1 - UNEXPLAINED) * explained[-1]) + 1
    n_axes = min(int(n_axes), centred.shape[1])
    return np.ascontiguousarray(axes[:, ::-1][:, :n_axes], np.float32)


def _bound_table(centred: DoubleArray, axes: FloatArray, slack: float) -> FloatArray:
    """Columns ``[-2 Q'c, -2 r(c), |c|^2]`` of the words, padded to whole lanes."""
    coordinates = centred @ axes
    squared = np.einsum("ij,ij->i", centred, centred)
    rest = squared * (1 + slack) - np.einsum("ij,ij->i", coordinates, coordinates)
    n_words, n_axes = coordinates.shape
    table = np.zeros((n_axes + 2, -(-n_words // LANES) * LANES), np.float32)
    table[:n_axes, :n_words] = -2 * coordinates.T
    table[n_axes, :n_words] = -2 * np.sqrt(np.maximum(rest, 0))
    table[n_axes + 1] = 1e36
    table[n_axes + 1, :n_words] = squared
    return table


@numba.njit(nogil=True, cache=True)
def squared_distance(x, c):
    """Sum of ``(x_i - c_i)^2`` in float64: eight partial sums, added two by two, then the rest."""
    n = len(x) // 8 * 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(0, n, 8):
        d0 = np.float64(x[i]) - np.float64(c[i])
        d1 = np.float64(x[i + 1]) - np.float64(c[i + 1])
        d2 = np.float64(x[i + 2]) - np.float64(c[i + 2])
        d3 = np.float64(x[i + 3]) - np.float64(c[i + 3])
        d4 = np.float64(x[i + 4]) - np.float64(c[i + 4])
        d5 = np.float64(x[i + 5]) - np.float64(c[i + 5])
        d6 = np.float64(x[i + 6]) - np.float64(c[i + 6])
        d7 = np.float64(x[i + 7]) - np.float64(c[i + 7])
        s0 += d0 * d0
        s1 += d1 * d1
        s2 += d2 * d2
        s3 += d3 * d3
        s4 += d4 * d4
        s5 += d5 * d5
        s6 += d6 * d6
        s7 += d7 * d7
    total = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
    for i in range(n, len(x)):
        d = np.float64(x[i]) - np.float64(c[i])
        total += d * d
    return total


@numba.njit(nogil=True, cache=True)
def _bounds(rows, mean, axes, table, slack, centred, coordinates, extended, squared, scores):
    """Fill ``scores`` with the bounds of a few rows less ``|x|^2``, which goes to ``squared``."""
    n, d = rows.shape
    n_axes = axes.shape[1]
    for r in range(n):
        for i in range(d):
            centred[r, i] = rows[r, i] - mean[i]
    np.dot(centred[:n], axes, coordinates[:n])
    for r in range(n):
        whole = squared_distance(rows[r], mean)
        explained = 0.0
        for i in range(n_axes):
            extended[r, i] = coordinates[r, i]
            explained += np.float64(coordinates[r, i]) ** 2
        extended[r, n_axes] = np.sqrt(max(whole * (1 + slack) - explained, 0.0))
        extended[r, n_axes + 1] = 1
        squared[r] = whole
    np.dot(extended[:n], table, scores[:n])


@numba.njit(nogil=True, cache=True)
def _work_space(d, table):
    depth, width = table.shape
    centred = np.empty((ROWS, d), np.float32)
    coordinates = np.empty((ROWS, depth - 2), np.float32)
    extended = np.empty((ROWS, depth), np.float32)
    squared = np.empty(ROWS, np.float64)
    return centred, coordinates, extended, squared, np.empty((ROWS, width), np.float32)


@numba.njit(nogil=True, cache=True)
def _nearest(rows, words, mean, axes, table, slack, radius, ids, distances):
    """Nearest word of every row; gives the first row that is not finite, or -1."""
    centred, coordinates, extended, squared, scores = _work_space(rows.shape[1], table)
    least = np.empty(LANES, np.float32)
    for start in range(0, len(rows), ROWS):
        stop = min(start + ROWS, len(rows))
        _bounds(
            rows[start:stop],
            mean,
            axes,
            table,
            slack,
            centred,
            coordinates,
            extended,
            squared,
            scores,
        )
        for r in range(start, stop):
            whole = squared[r - start]
            reach = (np.sqrt(whole) + radius) ** 2
            if reach < LARGE:
                margin = slack * reach + SMALL - whole
                _refine(rows[r], words, scores[r - start], margin, least, r, ids, distances)
            elif np.isfinite(whole):
                _scan(rows[r], words, r, ids, distances)
            else:
                return r
    return -1


@numba.njit(nogil=True, cache=True)
def _refine(x, words, bounds, margin, least, r, ids, distances):
    """Compare ``x`` with the words whose bound lies under the least distance found so far."""
    width = len(bounds)
    for lane in range(LANES):
        least[lane] = bounds[lane]
    for start in range(LANES, width, LANES):
        for lane in range(LANES):
            bound = bounds[start + lane]
            least[lane] = bound if bound < least[lane] else least[lane]
    first = np.argmin(least)
    best_id = first
    for j in range(first + LANES, width, LANES):
        if bounds[j] < bounds[best_id]:
            best_id = j
    first = best_id
    best = squared_distance(x, words[first])
    for lane in range(LANES):
        if least[lane] <= best + margin:
            for j in range(lane, width, LANES):
                if bounds[j] <= best + margin and j != first:
                    distance = squared_distance(x, words[j])
                    if distance < best or (distance == best and j < best_id):
                        best = distance
                        best_id = j
    ids[r] = best_id
    distances[r] = best


@numba.njit(nogil=True, cache=True)
def _scan(x, words, r, ids, distances):
    """Compare ``x`` with every word."""
    ids[r] = 0
    distances[r] = squared_distance(x, words[0])
    for j in range(1, len(words)):
        distance = squared_distance(x, words[j])
        if distance < distances[r]:
            ids[r] = j
            distances[r] = distance


@numba.njit(nogil=True, cache=True)
def _nearest_k(rows, words, mean, axes, table, slack, radius, ids, distances):
    """Nearest words of every row in order; gives the first row that is not finite, or -1."""
    centred, coordinates, extended, squared, scores = _work_space(rows.shape[1], table)
    for start in range(0, len(rows), ROWS):
        stop = min(start + ROWS, len(rows))
        _bounds(
            rows[start:stop],
            mean,
            axes,
            table,
            slack,
            centred,
            coordinates,
            extended,
            squared,
            scores,
        )
        for r in range(start, stop):
            whole = squared[r - start]
            if not np.isfinite(whole):
                return r
            reach = (np.sqrt(whole) + radius) ** 2
            margin = slack * reach + SMALL - whole if reach < LARGE else np.inf
            _refine_k(rows[r], words, scores[r - start], margin, ids[r], distances[r])
    return -1


@numba.njit(nogil=True, cache=True)
def _refine_k(x, words, bounds, margin, ids, distances):
    """Keep the nearest words sorted while words whose bound lies under the last are compared."""
    k = len(ids)
    found = 0
    for j in range(len(words)):
        if found == k and bounds[j] > distances[k - 1] + margin:
            continue
        distance = squared_distance(x, words[j])
        if found < k:
            place = found
            found += 1
        elif distance < distances[k - 1]:
            place = k - 1
        else:
            continue
        while place > 0 and distances[place - 1] > distance:
            distances[place] = distances[place - 1]
            ids[place] = ids[place - 1]
            place -= 1
        distances[place] = distance
        ids[place] = j
    return None
