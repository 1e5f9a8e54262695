"""The cross-entropy of many examples in float32, compiled.

:class:`.CrossEntropy` has the same in NumPy for float64; the tests compare the two. The loops over
examples become vector instructions, which they would not with numba's own ``exp`` and ``log``.
"""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel

__all__ = ["cross_entropy"]

FloatArray = npt.NDArray[np.float32]

# Below this x, exp(x) is not a normal number of float32.
LOWEST = np.float32(-87.3)
LOG2_E = np.float32(1.44269504)
# The logarithm of 2 as a sum: a small multiple of the first part is exact in float32.
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
HALF = np.float32(0.5)
ONE = np.float32(1)
SQRT_HALF = np.int32(0x3F3504F3)  # the bits of the square root of 1/2


def cross_entropy(scores: FloatArray, y: npt.NDArray[np.integer]) -> tuple[FloatArray, FloatArray]:
    """Return the cross-entropy of every example, and its derivatives by the example's scores.

    The cross-entropy of scores ``s`` and a class ``y`` is ``log sum_k exp(s_k) - s_y``. Its
    derivative by ``s_k`` is ``exp(s_k) / sum_j exp(s_j)``, less 1 for ``k = y``.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes), float32
    y : ndarray of shape (n,), integers in [0, n_classes)

    Returns
    -------
    values : ndarray of shape (n,)
    gradients : ndarray of shape (n, n_classes)
        Each class's derivatives are contiguous.

    Raises
    ------
    IndexError
        If ``y`` has another shape or a number beyond the classes.

    Examples
    --------
    >>> values, gradients = cross_entropy(np.zeros((1, 2), np.float32), np.array([1]))
    >>> values.round(4), gradients
    (array([0.6931], dtype=float32), array([[ 0.5, -0.5]], dtype=float32))
    """
    slopes = np.array(scores.T, order="C")
    largest = slopes.max(axis=0)
    values, sums = np.empty_like(largest), np.empty_like(largest)
    own = np.ascontiguousarray(y, np.intp).view(np.uintp)
    if own.shape != largest.shape or not _softmax(slopes, own, largest, values, sums):
        n_classes, n = slopes.shape
        raise IndexError(f"expected {n} classes from 0 to {n_classes - 1}, got {y!r}")
    return values, slopes.T


@kernel(fastmath={"contract"})
def _softmax(
    p: FloatArray,
    y: npt.NDArray[np.uintp],
    largest: FloatArray,
    values: FloatArray,
    sums: FloatArray,
) -> bool:
    """Replace the scores ``p``, of shape (n_classes, n), by derivatives; write the losses.

    Return False, and change nothing, if a label is beyond the classes.

    ``sums`` leaves out the example's own class. Where its score is far above all others, the loss
    is ``log(1 + sum)`` with a tiny sum, which would be lost in ``1 + sum``.
    """
    n, n_classes, known = np.uintp(p.shape[1]), np.uintp(p.shape[0]), True
    for i in range(n):
        known &= y[i] < n_classes
    if not known:
        return False
    for i in range(n):
        values[i] = largest[i] - p[y[i], i]
        p[y[i], i] = -np.inf
        sums[i] = 0
    for k in range(n_classes):
        for i in range(n):
            e = _exp(p[k, i] - largest[i])
            p[k, i] = e
            sums[i] += e
    for i in range(n):
        others = sums[i]
        total = others + _exp(-values[i])
        values[i] += _log_of_one_and(total - ONE if values[i] > 0 else others)
        sums[i] = total
        largest[i] = others / total
    for k in range(n_classes):
        for i in range(n):
            p[k, i] /= sums[i]
    for i in range(n):
        p[y[i], i] = -largest[i]
    return True


@inlined(fastmath={"contract"})
def _log_of_one_and(x: np.float32) -> np.float32:
    """Return ``log(1 + x)`` for ``x >= 0``, to two units in the last place.

    Let ``u`` be ``1 + x`` as rounded, and ``u = 2^m (1 + r)``. The result is
    ``m ln 2 + log(1 + r)``, plus ``(1 + x - u) / u`` for the rounding. The polynomial is that of
    Cephes (S. Moshier).
    """
    u = np.float32(ONE + x)
    bits = u.view(np.int32)
    power = np.int32(np.int32(bits - SQRT_HALF) >> np.int32(23))
    m = np.float32(power)
    r = np.int32(bits - np.int32(power << np.int32(23))).view(np.float32) - ONE
    p = np.float32(7.0376836292e-2)
    p = p * r - np.float32(1.1514610310e-1)
    p = p * r + np.float32(1.1676998740e-1)
    p = p * r - np.float32(1.2420140846e-1)
    p = p * r + np.float32(1.4249322787e-1)
    p = p * r - np.float32(1.6668057665e-1)
    p = p * r + np.float32(2.0000714765e-1)
    p = p * r - np.float32(2.4999993993e-1)
    p = p * r + np.float32(3.3333331174e-1)
    lost = (x - (u - ONE)) / u
    return p * r * (r * r) + m * LN2_LOW + lost - HALF * (r * r) + r + m * LN2_HIGH


@inlined(fastmath={"contract"})
def _exp(x: np.float32) -> np.float32:
    """Return ``exp(x)`` for ``x <= 0``, to two units in the last place, and 0 below LOWEST.

    With ``x = m ln 2 + r`` it is ``2^m exp(r)``. The polynomial is that of Cephes (S. Moshier).
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
