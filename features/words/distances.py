"""Squared distances of descriptors and words: exact ones, quick ones and all at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, inner, kernel, local, multiply_add
from visualwords.features.image import FloatArray
from visualwords.lanes import LANES, everywhere, load, total

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

N_SUMS = 8  # of an exact distance, added up at the end
NONE, EIGHT = np.uintp(0), np.uintp(N_SUMS)


def check_finite(bad: int) -> None:
    """Refuse descriptors of which a kernel gave the first row that is not finite, if any."""
    if bad >= 0:
        raise ValueError(
            "the descriptors have NaN or infinity in float32; give finite values only, e.g. "
            "X[np.isfinite(X).all(axis=1)]"
        )


@inner
def squared_distance(x: Any, word: Any, d: Any) -> Any:
    """Sum of ``(x_i - word_i)^2`` in float64: eight partial sums, two by two, then the rest."""
    n = d // EIGHT * EIGHT
    sums = local(N_SUMS, np.float64)
    for k in range(EIGHT):
        sums[k] = 0
    for i in range(NONE, n, EIGHT):
        for k in range(EIGHT):
            difference = np.float64(x[i + k]) - word[i + k]
            sums[k] += difference * difference
    summed = (sums[0] + sums[4]) + (sums[2] + sums[6])
    summed += (sums[1] + sums[5]) + (sums[3] + sums[7])
    for i in range(n, d):
        difference = np.float64(x[i]) - word[i]
        summed += difference * difference
    return summed


@inlined
def estimate(x: Any, word: Any, d: Any) -> Any:
    """Squared distance in float32, summed lane by lane: errs by (d + 2) 2^-24 of itself."""
    sums, rest, lanes = everywhere(np.float32(0)), np.float32(0), np.uintp(LANES)
    n = d // lanes * lanes
    for i in range(NONE, n, lanes):
        differences = load(x, i) - load(word, i)
        sums = multiply_add(differences, differences, sums)
    for i in range(n, d):
        difference = x[i] - word[i]
        rest += difference * difference
    return total(sums) + rest


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


@kernel
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
