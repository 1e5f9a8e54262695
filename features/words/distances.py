"""Squared distances of descriptors and words: exact ones, quick ones and all at once."""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, inner, kernel, read_only
from visualwords.features.image import FloatArray

__all__ = [
    "MATH",
    "DoubleArray",
    "IntArray",
    "all_distances",
    "check_finite",
    "estimate",
    "squared_distance",
]

IntArray = npt.NDArray[np.int32]
DoubleArray = npt.NDArray[np.float64]

# A sum may be taken in any order: where only a bound of its error is needed.
MATH = {"reassoc", "contract", "nsz"}


def check_finite(bad: int) -> None:
    """Refuse descriptors, if a kernel returned the number of a row that is not finite (else -1)."""
    if bad >= 0:
        raise ValueError(
            f"row {bad} of the descriptors has NaN or infinity in float32; give finite values "
            "only, e.g. X[np.isfinite(X).all(axis=1)]"
        )


@inner
def squared_distance(rows: FloatArray, row: int, words: FloatArray, word: int) -> float:
    """Return the sum of ``(x_i - c_i)^2`` in float64: this is the distance that decides.

    Eight partial sums (of i = 0, 8, 16 ..., of i = 1, 9, 17 ... and so on) are added two by two,
    then the numbers after the last eight one by one.
    """
    d = rows.shape[1]
    whole = d // 8 * 8
    a = b = c = e = f = g = h = k = 0.0
    for i in range(0, whole, 8):
        a += (np.float64(rows[row, i]) - words[word, i]) ** 2
        b += (np.float64(rows[row, i + 1]) - words[word, i + 1]) ** 2
        c += (np.float64(rows[row, i + 2]) - words[word, i + 2]) ** 2
        e += (np.float64(rows[row, i + 3]) - words[word, i + 3]) ** 2
        f += (np.float64(rows[row, i + 4]) - words[word, i + 4]) ** 2
        g += (np.float64(rows[row, i + 5]) - words[word, i + 5]) ** 2
        h += (np.float64(rows[row, i + 6]) - words[word, i + 6]) ** 2
        k += (np.float64(rows[row, i + 7]) - words[word, i + 7]) ** 2
    total = (a + f) + (c + h)
    total += (b + g) + (e + k)
    for i in range(whole, d):
        total += (np.float64(rows[row, i]) - words[word, i]) ** 2
    return total


@inlined(fastmath=MATH)
def estimate(rows: FloatArray, row: int, words: FloatArray, word: int) -> np.float32:
    """Return the squared distance in float32, in error by at most (d + 2) 2^-24 of itself."""
    total = np.float32(0)
    for i in range(rows.shape[1]):
        difference = rows[row, i] - words[word, i]
        total += difference * difference
    return total


def all_distances(rows: FloatArray, columns: FloatArray, distances: FloatArray) -> None:
    """Compute the Euclidean distances of every row to every word, summed in float64 in order.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    columns : ndarray of shape (d, n_words), float32
        The words, transposed.
    distances : ndarray of shape (n, n_words), float32
        Filled.

    Raises
    ------
    ValueError
        If a row has a value that is not finite, or the shapes do not fit together.
    """
    n, d = rows.shape
    if columns.shape[0] != d or distances.shape != (n, columns.shape[1]):
        raise ValueError(
            f"expected words of shape ({d}, n_words) and distances of shape ({n}, n_words), got "
            f"{columns.shape} and {distances.shape}"
        )
    squared = np.empty(columns.shape[1], np.float64)
    check_finite(_all_distances(read_only(rows), columns, distances, squared))


@kernel
def _all_distances(
    rows: FloatArray, columns: FloatArray, distances: FloatArray, squared: DoubleArray
) -> int:
    """Fill the distances. Return the first row that is not finite, or -1."""
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
