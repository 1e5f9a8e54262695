"""Compiled loops of HOG, second part: gradients -> votes.

A vote is a length at ``votes[pixel, slot]``. A pixel has one (hard bins) or two (soft bins: shared
linearly between neighbours) among zeros. Soft bins have one slot more than there are bins: what is
in it belongs to bin 0, where the circle closes. The number of slots is even, so that later steps
may copy two at a time.
"""

from typing import Any

import numpy as np
from numba import njit

from .hog_gradients import ANGLE, GX, GY, LENGTH, UPPER

__all__ = ["cast_votes", "slots_of"]


@njit(nogil=True, cache=True, error_model="numpy")
def slots_of(bins: int, hard: bool) -> int:
    """Count the slots of a pixel."""
    used = bins if hard else bins + 1
    return used + used % 2


@njit(nogil=True, cache=True, error_model="numpy")
def cast_votes(
    planes: Any, n: int, hard: bool, bins: int, turn: int, angles: Any, places: Any, votes: Any
) -> None:
    """Write the votes of the first ``n`` pixels.

    Parameters
    ----------
    planes : float32 array of shape (PLANES, pixels)
        Rows GX, GY and LENGTH are given; the others are overwritten.
    hard : bool
        Whether a gradient votes for one bin only.
    bins : int
        Number of bins.
    turn : int
        How many half turns the bins cover: 1 (unsigned) or 2 (signed).
    angles : float32 array
        Soft: coefficients of an odd polynomial from a slope of at most 1 to an angle in bins.
        Hard: cosines, then sines, of the angles in a half turn where a bin ends and another begins;
        a multiple of four of each, those to spare being NaN, which no gradient passes.
    places : uint32 array of shape (pixels,)
        Is overwritten.
    votes : float32 array of shape (at least n * slots,)
    """
    slots = slots_of(bins, hard)
    for i in range(np.uintp(n * slots)):
        votes[i] = 0
    if hard:
        _hard_angles(planes, n, bins, turn == 2, angles)
        _places(planes, n, bins, slots, places)
        _cast_one(planes, n, places, votes)
    else:
        _soft_angles(planes, n, np.float32(bins) / np.float32(turn), turn == 2, angles)
        _share(planes, n)
        _places(planes, n, bins, slots, places)
        _cast_two(planes, n, places, votes)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _soft_angles(planes: Any, n: int, half_turn: float, signed: bool, angles: Any) -> None:
    """Write the angle of each gradient in bins, counted from the centre of bin 0."""
    a0, a1, a2, a3 = angles[0], angles[1], angles[2], angles[3]
    a4, a5, a6 = angles[4], angles[5], angles[6]
    quarter_turn = half_turn * np.float32(0.5)
    full_turn = half_turn * np.float32(2)
    for i in range(np.uintp(n)):
        gx = planes[GX, i]
        gy = planes[GY, i]
        x = abs(gx)
        y = abs(gy)
        larger = x if x > y else y
        smaller = y if x > y else x
        t = smaller / (larger + np.float32(1e-30))
        s = t * t
        angle = ((((((a6 * s + a5) * s + a4) * s + a3) * s + a2) * s + a1) * s + a0) * t
        angle = quarter_turn - angle if y > x else angle
        mirrored = gx < 0 if signed else (gx < 0) != (gy < 0)
        angle = half_turn - angle if mirrored else angle
        angle = full_turn - angle if signed and gy < 0 else angle
        planes[ANGLE, i] = angle - np.float32(0.5)


@njit(nogil=True, cache=True, error_model="numpy")
def _share(planes: Any, n: int) -> None:
    """Cut angles into the bin below and the part of the length that goes to the bin above."""
    for i in range(np.uintp(n)):
        below = np.floor(planes[ANGLE, i])
        upper = (planes[ANGLE, i] - below) * planes[LENGTH, i]
        planes[UPPER, i] = upper
        planes[LENGTH, i] -= upper
        planes[ANGLE, i] = below


@njit(nogil=True, cache=True, error_model="numpy")
def _hard_angles(planes: Any, n: int, bins: int, signed: bool, angles: Any) -> None:
    """Write the bin of each gradient: how many ends of bins its angle has passed.

    Products of the gradient with directions decide, not an arctangent, so that gradients of whole
    numbers that lie exactly on an end fall on one side always: into the bin that begins there if
    unsigned, into the bin that ends there if signed.
    """
    behind = np.float32(bins // 2 if signed else 0)
    for i in range(np.uintp(n)):
        gx = planes[GX, i]
        gy = planes[GY, i]
        below = gy < 0 or (gy == 0 and gx < 0)
        planes[GX, i] = -gx if below else gx
        planes[GY, i] = -gy if below else gy
        planes[ANGLE, i] = behind if below else np.float32(0)
    ends = len(angles) // 2
    for k in range(0, ends, 4):
        c0, c1, c2, c3 = angles[k], angles[k + 1], angles[k + 2], angles[k + 3]
        k += ends
        s0, s1, s2, s3 = angles[k], angles[k + 1], angles[k + 2], angles[k + 3]
        if signed:
            for i in range(np.uintp(n)):
                x, y = planes[GX, i], planes[GY, i]
                passed = np.int32(y * c0 > x * s0) + np.int32(y * c1 > x * s1)
                passed += np.int32(y * c2 > x * s2) + np.int32(y * c3 > x * s3)
                planes[ANGLE, i] += np.float32(passed)
        else:
            for i in range(np.uintp(n)):
                x, y = planes[GX, i], planes[GY, i]
                passed = np.int32(y * c0 >= x * s0) + np.int32(y * c1 >= x * s1)
                passed += np.int32(y * c2 >= x * s2) + np.int32(y * c3 >= x * s3)
                planes[ANGLE, i] += np.float32(passed)


@njit(nogil=True, cache=True, error_model="numpy")
def _places(planes: Any, n: int, bins: int, slots: int, places: Any) -> None:
    """Write where among the votes each pixel's bin is; angles lie in -1..2 bins."""
    turn = np.float32(bins)
    stride = np.uint32(slots)
    for i in range(np.uintp(n)):
        angle = planes[ANGLE, i]
        angle = angle + turn if angle < 0 else angle
        angle = angle - turn if angle >= turn else angle
        places[i] = np.uint32(i) * stride + np.uint32(np.int32(angle))


@njit(nogil=True, cache=True, error_model="numpy")
def _cast_one(planes: Any, n: int, places: Any, votes: Any) -> None:
    for i in range(np.uintp(n)):
        votes[np.uintp(places[i])] = planes[LENGTH, i]


@njit(nogil=True, cache=True, error_model="numpy")
def _cast_two(planes: Any, n: int, places: Any, votes: Any) -> None:
    for i in range(np.uintp(n)):
        place = np.uintp(places[i])
        votes[place] = planes[LENGTH, i]
        votes[place + np.uintp(1)] = planes[UPPER, i]
