"""Squared distances of descriptors and words: exact ones, quick ones and all at once."""

import numba
import numpy as np
import numpy.typing as npt

from .image import FloatArray

__all__ = [
    "DoubleArray",
    "IntArray",
    "all_distances",
    "check_finite",
    "estimate",
    "squared_distance",
    "squared_length",
]

IntArray = npt.NDArray[np.int32]
DoubleArray = npt.NDArray[np.float64]


def check_finite(bad: int) -> None:
    """Refuse descriptors of which a kernel gave the first row that is not finite, if any."""
    if bad >= 0:
        raise ValueError(
            "the descriptors have NaN or infinity in float32; give finite values only, e.g. "
            "X[np.isfinite(X).all(axis=1)]"
        )


@numba.njit(nogil=True, cache=True)
def squared_distance(x: FloatArray, c: FloatArray) -> float:
    """Sum of ``(x_i - c_i)^2`` in float64: eight partial sums, added two by two, then the rest."""
    n = len(x) // 8 * 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(0, n, 8):
        s0 += (np.float64(x[i]) - np.float64(c[i])) ** 2
        s1 += (np.float64(x[i + 1]) - np.float64(c[i + 1])) ** 2
        s2 += (np.float64(x[i + 2]) - np.float64(c[i + 2])) ** 2
        s3 += (np.float64(x[i + 3]) - np.float64(c[i + 3])) ** 2
        s4 += (np.float64(x[i + 4]) - np.float64(c[i + 4])) ** 2
        s5 += (np.float64(x[i + 5]) - np.float64(c[i + 5])) ** 2
        s6 += (np.float64(x[i + 6]) - np.float64(c[i + 6])) ** 2
        s7 += (np.float64(x[i + 7]) - np.float64(c[i + 7])) ** 2
    total = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
    for i in range(n, len(x)):
        total += (np.float64(x[i]) - np.float64(c[i])) ** 2
    return total


@numba.njit(nogil=True, cache=True, fastmath={"reassoc"})
def estimate(x: FloatArray, c: FloatArray) -> np.float32:
    """Squared distance in float32, summed in any order: the slack covers its error."""
    total = np.float32(0)
    for i in range(len(x)):
        d = x[i] - c[i]
        total += d * d
    return total


@numba.njit(nogil=True, cache=True, fastmath={"reassoc"})
def squared_length(x: FloatArray) -> np.float32:
    """Squared length in float32, summed in any order, like :func:`estimate`."""
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


def all_distances(rows: FloatArray, columns: FloatArray, distances: FloatArray) -> None:
    """Find the Euclidean distances of every row to every word, summed in float64 in order.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    columns : ndarray of shape (d, n_words), float32
        The words, transposed.
    distances : ndarray of shape (n, n_words), float32
        Filled.
    """
    check_finite(_all_distances(rows, columns, distances))


@numba.njit(nogil=True, cache=True)
def _all_distances(rows: FloatArray, columns: FloatArray, distances: FloatArray) -> int:
    """Fill the distances; gives the first row that is not finite, or -1."""
    d, n_words = columns.shape
    squared = np.empty(n_words, np.float64)
    for r in range(len(rows)):
        for word in range(n_words):
            squared[word] = 0
        for i in range(d):
            value = np.float64(rows[r, i])
            if not np.isfinite(value):
                return r
            for word in range(n_words):
                difference = value - columns[i, word]
                squared[word] += difference * difference
        for word in range(n_words):
            distances[r, word] = np.sqrt(squared[word])
    return -1
