"""Squared distances of descriptors and words: exact ones, quick ones and all at once."""

import numba
import numpy as np
import numpy.typing as npt

from visualwords.compiling import inner, reassociated

from .image import FloatArray

__all__ = [
    "DoubleArray",
    "IntArray",
    "all_distances",
    "check_finite",
    "estimate",
    "squared_distance",
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


@inner
def squared_distance(x: FloatArray, c: FloatArray) -> float:
    """Sum of ``(x_i - c_i)^2`` in float64: eight partial sums, added two by two, then the rest."""
    n = len(x) // 8 * 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(0, n, 8):
        d0, d1 = np.float64(x[i]) - c[i], np.float64(x[i + 1]) - c[i + 1]
        d2, d3 = np.float64(x[i + 2]) - c[i + 2], np.float64(x[i + 3]) - c[i + 3]
        d4, d5 = np.float64(x[i + 4]) - c[i + 4], np.float64(x[i + 5]) - c[i + 5]
        d6, d7 = np.float64(x[i + 6]) - c[i + 6], np.float64(x[i + 7]) - c[i + 7]
        s0, s1, s2, s3 = s0 + d0 * d0, s1 + d1 * d1, s2 + d2 * d2, s3 + d3 * d3
        s4, s5, s6, s7 = s4 + d4 * d4, s5 + d5 * d5, s6 + d6 * d6, s7 + d7 * d7
    total = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
    for i in range(n, len(x)):
        d0 = np.float64(x[i]) - c[i]
        total += d0 * d0
    return total


@reassociated
def estimate(x: FloatArray, c: FloatArray) -> np.float32:
    """Squared distance in float32, summed in any order: errs by (len(x) + 2) 2^-24 of itself."""
    total = np.float32(0)
    for i in range(len(x)):
        d = x[i] - c[i]
        total += d * d
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
    squared = np.empty(columns.shape[1], np.float64)
    check_finite(_all_distances(rows, columns, distances, squared))


@numba.njit(nogil=True, cache=True)
def _all_distances(
    rows: FloatArray, columns: FloatArray, distances: FloatArray, squared: DoubleArray
) -> int:
    """Fill the distances; gives the first row that is not finite, or -1."""
    d, n_words = columns.shape
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
