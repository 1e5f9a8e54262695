"""The best dual variables of one example while those of all other examples stay.

The dual variables are the slopes of the example: the derivatives of its loss by its margins, times
its share of the objective. The kernels know a loss by its :class:`Limits` only.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inner

__all__ = ["FloatArray", "Limits", "improve"]

FloatArray = npt.NDArray[np.floating]

# A step that changes no margin by more than this is left out.
NEGLIGIBLE = 1e-12


class Limits(NamedTuple):
    """What the loss allows for the slopes of each example.

    Attributes
    ----------
    largest : ndarray of shape (n,)
        Largest slope.
    largest_sum : ndarray of shape (n,)
        Largest sum of the slopes.
    shortening : ndarray of shape (n,)
        Factor of a step, ``curvature / (curvature + dual_curvature / share)``; 1 for a loss whose
        dual form is linear in the slopes.
    curvature : ndarray of shape (n,)
        How much a score of the example falls when the derivative by the score rises by 1.
    """

    largest: FloatArray
    largest_sum: FloatArray
    shortening: FloatArray
    curvature: FloatArray


@inner
def _excess(
    z: FloatArray, own: int, t: float, shortening: float, largest: float, largest_sum: float
) -> tuple[float, float]:
    """Compute how far slopes at level ``t`` exceed the level, and how fast that falls with ``t``.

    The first is ``sum over k != own of clip(shortening (z_k - t), 0, largest) - min(t,
    largest_sum)``.
    """
    excess, descent = -min(t, largest_sum), 1.0 if t < largest_sum else 0.0
    for k in range(len(z)):
        if k != own:
            slope = shortening * (z[k] - t)
            excess += min(max(slope, 0.0), largest)
            if 0.0 < slope < largest:
                descent += shortening
    return excess, descent


@inner
def _level(
    z: FloatArray,
    own: int,
    highest: float,
    shortening: float,
    largest: float,
    largest_sum: float,
) -> float:
    """Find the ``t`` where :func:`_excess` is 0, by Newton's method within a shrinking bracket."""
    low, high, t, enough = 0.0, highest, 0.0, 1e-14 * highest
    for _ in range(100):
        excess, descent = _excess(z, own, t, shortening, largest, largest_sum)
        if abs(excess) <= enough:
            break
        if excess > 0:
            low = t
        else:
            high = t
        t = t + excess / descent if descent > 0 else low
        if not low < t < high:
            t = (low + high) / 2
    return t


@inner
def _solve_coupled(
    scores: FloatArray,
    own: int,
    slopes: FloatArray,
    largest: float,
    largest_sum: float,
    shortening: float,
    curvature: float,
    step: FloatArray,
) -> None:
    """Set ``step`` to the best slopes of margins ``1 + s_k - s_own``, minus the present slopes.

    A rise of one slope lowers its own margin by ``curvature`` twice, and the other margins of the
    example once, because all of them share the score of the own class. With the present slopes
    ``a`` and ``z_k = margin_k / curvature + a_k + sum of a``, the best slopes are
    ``clip(shortening * (z_k - t), 0, largest)``. The level ``t`` is the sum of the best slopes, or
    above it where the sum is ``largest_sum``; :func:`_level` finds it.
    """
    total = highest = new_total = 0.0
    # ``step`` holds z, then the best slopes, then the changes.
    for k in range(len(slopes)):
        total += slopes[k]
    for k in range(len(slopes)):
        step[k] = (1 + scores[k] - scores[own]) / curvature + slopes[k] + total
        if k != own:
            highest = max(highest, step[k])
    t = 0.0
    if highest > 0:
        t = _level(step, own, highest, shortening, largest, largest_sum)
    for k in range(len(slopes)):
        step[k] = min(max(shortening * (step[k] - t), 0.0), largest) if k != own else 0.0
        new_total += step[k]
    # The level is found up to rounding, which must not lift the sum above its limit.
    shrink = largest_sum / new_total if new_total > largest_sum else 1.0
    for k in range(len(slopes)):
        step[k] = step[k] * shrink - slopes[k]


@inner
def _solve_separate(
    scores: FloatArray,
    own: int,
    slopes: FloatArray,
    largest: float,
    shortening: float,
    curvature: float,
    step: FloatArray,
) -> None:
    """Set ``step`` to the best slopes of margins ``1 - t_k s_k``, minus the present slopes."""
    for k in range(len(slopes)):
        sign = -1.0 if k == own else 1.0
        best = shortening * (slopes[k] + (1 + sign * scores[k]) / curvature)
        step[k] = min(max(best, 0.0), largest) - slopes[k]


@inner
def _relax(
    slopes: FloatArray,
    largest: float,
    largest_sum: float,
    coupled: bool,
    relaxation: float,
    step: FloatArray,
) -> None:
    """Lengthen a step up to ``relaxation`` times, within the limits."""
    length, room, rise = relaxation, largest_sum, 0.0
    for k in range(len(slopes)):
        if step[k] != 0:
            bound = largest if step[k] > 0 else 0.0
            length = min(length, (bound - slopes[k]) / step[k])
        room -= slopes[k]
        rise += step[k]
    if coupled and rise > 0:
        length = min(length, room / rise)
    if length > 1:
        for k in range(len(slopes)):
            step[k] *= length


@inner
def improve(
    i: int,
    scores: FloatArray,
    own: int,
    limits: Limits,
    coupled: bool,
    relaxation: float,
    slopes: FloatArray,
    intercept: FloatArray,
    rate: float,
    step: FloatArray,
) -> bool:
    """Set the slopes of example ``i`` to the best ones while all other examples stay.

    ``step`` becomes the change of the example's derivatives by scores. The intercepts follow the
    change. Returns whether the change is more than negligible.
    """
    largest, largest_sum = limits.largest[i], limits.largest_sum[i]
    shortening, curvature = limits.shortening[i], limits.curvature[i]
    if coupled:
        _solve_coupled(scores, own, slopes, largest, largest_sum, shortening, curvature, step)
    else:
        _solve_separate(scores, own, slopes, largest, shortening, curvature, step)
    moved, total = False, 0.0
    for k in range(len(slopes)):
        if abs(step[k]) * curvature <= NEGLIGIBLE:
            step[k] = 0.0
        else:
            moved = True
    if moved:
        _relax(slopes, largest, largest_sum, coupled, relaxation, step)
        for k in range(len(slopes)):
            slopes[k] += step[k]
            total += step[k]
        step[own] = -total if coupled else -step[own]
        for k in range(len(slopes)):
            intercept[k] -= rate * step[k]
    return moved
