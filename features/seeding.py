"""First words for k-means."""

import numba
import numpy as np

from .image import FloatArray
from .nearest import squared_distance

__all__ = ["kmeans_plusplus"]


def kmeans_plusplus(rows: FloatArray, n_words: int, random: np.random.RandomState) -> FloatArray:
    """Choose words among the rows by k-means++ (Arthur & Vassilvitskii, 2007).

    The first word is a row drawn uniformly, every next one a row drawn with a probability
    proportional to its squared distance to the nearest word so far.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    n_words : int
    random : numpy.random.RandomState

    Returns
    -------
    ndarray of shape (n_words, d), float32
    """
    chosen = np.empty(n_words, np.int64)
    _choose(np.ascontiguousarray(rows), random.random_sample(n_words), chosen)
    return rows[chosen]


@numba.njit(nogil=True, cache=True)
def _choose(rows, draws, chosen):
    """Choose rows by the given uniform draws of [0, 1)."""
    n = len(rows)
    squared = np.full(n, np.inf)
    chosen[0] = int(draws[0] * n)
    for word in range(1, len(chosen)):
        total = 0.0
        for r in range(n):
            distance = squared_distance(rows[r], rows[chosen[word - 1]])
            if distance < squared[r]:
                squared[r] = distance
            total += squared[r]
        left = draws[word] * total
        choice = 0
        while choice < n - 1 and left >= squared[choice]:
            left -= squared[choice]
            choice += 1
        chosen[word] = choice
