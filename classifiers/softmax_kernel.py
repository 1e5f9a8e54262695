"""The cross-entropy of many examples in float32: :class:`.CrossEntropy`, compiled."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["cross_entropy"]

# Below it exp(x) is not a normal number of float32.
LOWEST = np.float32(-87.3)
LOG2_E = np.float32(1.44269504)
# The logarithm of 2, its first digits apart, so that a multiple of them is exact.
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
HALF = np.float32(0.5)
ONE = np.float32(1)


def cross_entropy(scores: npt.NDArray[Any], y: npt.NDArray[Any]) -> tuple[Any, Any]:
    """Compute the cross-entropy of every example, and its derivative by the example's scores.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes), float32
    y : ndarray of shape (n,), integers in [0, n_classes)

    Returns
    -------
    values : ndarray of shape (n,)
    gradients : ndarray of shape (n, n_classes), contiguous along the examples
    """
    slopes = np.array(scores.T, order="C")
    largest = slopes.max(axis=0)
    own, sums = np.empty_like(largest), np.empty_like(largest)
    _softmax(slopes, np.ascontiguousarray(y, np.intp), largest, own, sums)
    return np.log(sums) - own, slopes.T


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _softmax(p, y, largest, own, sums):  # type: ignore[no-untyped-def]
    """Turn scores, a row for each class, into derivatives.

    Gives the score of the example's class, less the largest, and the sum of the exponentials.
    """
    n = np.uintp(p.shape[1])
    for i in range(n):
        own[i] = p[y[i], i] - largest[i]
        sums[i] = 0
    for k in range(np.uintp(p.shape[0])):
        for i in range(n):
            e = _exp(p[k, i] - largest[i])
            p[k, i] = e
            sums[i] += e
    for k in range(np.uintp(p.shape[0])):
        for i in range(n):
            p[k, i] /= sums[i]
    for i in range(n):
        p[y[i], i] -= ONE


@njit(nogil=True, cache=True, fastmath={"contract"})
def _exp(x):  # type: ignore[no-untyped-def]
    """``exp(x)`` for x of at most 0, to two units in the last place; below LOWEST it is 0.

    With ``x = m ln 2 + r`` it is ``2^m exp(r)``; the polynomial is that of Cephes (S. Moshier).
    """
    inside = x if x > LOWEST else LOWEST
    m = np.floor(inside * LOG2_E + HALF)
    r = x - m * LN2_HIGH - m * LN2_LOW
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + HALF
    power = np.int32((np.int32(m) + np.int32(127)) << np.int32(23)).view(np.float32)
    result = (p * (r * r) + r + ONE) * power
    return np.float32(0) if x < LOWEST else result
