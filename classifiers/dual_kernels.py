"""Compiled sweeps of :mod:`.dual`: every example's dual variables in turn, each solved exactly.

``a[i, k]`` is the slope of example ``i``'s loss in its ``k``-th margin times its share ``p[i]`` of
the objective. What a loss allows (``cap`` for one slope, ``total`` for their sum) and how much of
a step it takes (``h``, below 1 where the loss is curved) is all that the kernels know of it.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["sweep_coupled", "sweep_separate"]

# A step that changes no margin by more than this is left out.
NEGLIGIBLE = 1e-9


@njit(nogil=True, cache=True)
def _excess(z: Any, y: int, t: float, h: float, cap: float, total: float) -> tuple[float, float]:
    """Compute ``sum over k != y of clip(h (z_k - t), 0, cap) - min(t, total)`` and its descent."""
    excess, descent = -min(t, total), 1.0 if t < total else 0.0
    for k in range(len(z)):
        if k != y:
            v = h * (z[k] - t)
            excess += min(max(v, 0.0), cap)
            if 0.0 < v < cap:
                descent += h
    return excess, descent


@njit(nogil=True, cache=True)
def _level(z: Any, y: int, h: float, cap: float, total: float) -> float:
    """Find the ``t`` where :func:`_excess` is 0, by Newton's method within a shrinking bracket."""
    low = high = t = 0.0
    for k in range(len(z)):
        if k != y:
            high = max(high, z[k])
    for _ in range(100):
        excess, descent = _excess(z, y, t, h, cap, total)
        if excess > 0:
            low = t
        else:
            high = t
        if excess == 0 or high - low <= 1e-15 * high:
            break
        t = t + excess / descent if descent > 0 else low
        if not low < t < high:
            t = (low + high) / 2
    return t


@njit(nogil=True, cache=True)
def _apply(G: Any, i: int, step: Any, S: Any, b: Any, rho: float) -> None:
    """Add ``step`` to the gradient of row ``i``: subtract what that takes from all scores."""
    for k in range(len(step)):
        b[k] -= rho * step[k]
    for j in range(len(S)):
        g = G[i, j]
        for k in range(len(step)):
            S[j, k] -= g * step[k]


@njit(nogil=True, cache=True)
def sweep_coupled(
    G: Any,
    order: Any,
    y: Any,
    caps: Any,
    totals: Any,
    h: Any,
    q: Any,
    a: Any,
    S: Any,
    b: Any,
    rho: float,
) -> None:
    """Improve the slopes of margins ``1 + s_k - s_y`` of each example in turn.

    Parameters
    ----------
    G : ndarray of shape (n, n)
        Products of the rows, divided by alpha.
    order : ndarray of shape (m,)
        The examples to visit.
    y : ndarray of shape (n,)
    caps, totals, h, q : ndarray of shape (n,)
        Highest slope, highest sum of slopes, shortening of the step, curvature.
    a, S : ndarray of shape (n, n_classes)
        Slopes and scores (without intercepts); changed.
    b : ndarray of shape (n_classes,)
        Intercepts; changed.
    rho : float
        How fast the intercepts follow the slopes.
    """
    n_classes = len(b)
    z, step = np.empty(n_classes), np.empty(n_classes)
    for i in order:
        own, sum_ = y[i], a[i].sum()
        for k in range(n_classes):
            z[k] = (1 + S[i, k] + b[k] - S[i, own] - b[own]) / q[i] + a[i, k] + sum_
        t = _level(z, own, h[i], caps[i], totals[i])
        new_sum = largest = 0.0
        for k in range(n_classes):
            z[k] = min(max(h[i] * (z[k] - t), 0.0), caps[i]) if k != own else 0.0
            new_sum += z[k]
        shrink = min(1.0, totals[i] / new_sum) if new_sum > 0 else 1.0
        for k in range(n_classes):
            step[k] = z[k] * shrink - a[i, k]
            largest = max(largest, abs(step[k]))
        if largest * q[i] > NEGLIGIBLE:
            a[i] += step
            step[own] = -step.sum()
            _apply(G, i, step, S, b, rho)


@njit(nogil=True, cache=True)
def sweep_separate(
    G: Any, order: Any, y: Any, caps: Any, q: Any, a: Any, S: Any, b: Any, rho: float
) -> None:
    """Improve the slopes of margins ``1 - t_k s_k`` of each example; see :func:`sweep_coupled`."""
    step = np.empty(len(b))
    for i in order:
        largest = 0.0
        for k in range(len(b)):
            sign = -1.0 if k == y[i] else 1.0
            slope = a[i, k] + (1 + sign * (S[i, k] + b[k])) / q[i]
            step[k] = sign * (min(max(slope, 0.0), caps[i]) - a[i, k])
            largest = max(largest, abs(step[k]))
        if largest * q[i] > NEGLIGIBLE:
            for k in range(len(b)):
                a[i, k] += -step[k] if k == y[i] else step[k]
            _apply(G, i, step, S, b, rho)
