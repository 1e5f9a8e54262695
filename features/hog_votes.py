"""Compiled loops of HOG, second part: gradients -> votes -> sums.

The image is cut into groups of pixels, alike in the weights with which their pixels count in the
windows (cells, or cells of blocks) around. A group has sums of its own for each slot (bin) and each
lane (window around it); soft bins have one slot more, which belongs to bin 0, where the circle
closes. Lanes lie side by side: that is what vector instructions add at once.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["LANES", "hard_bins", "soft_bins", "vote_alone", "vote_around"]

VECTOR = 8  # numbers: an array of numba begins at a multiple of their 32 bytes
LANES = 16  # are added at once: their number is a multiple of it, or one


@intrinsic
def _add_lanes(context: Any, sums: Any, place: Any, weights: Any, at: Any, vote: Any) -> Any:
    """Add LANES times ``vote * weights[at + k]`` to ``sums[place + k]``, in vector instructions.

    LLVM makes none of its own of a loop as short as this: it unrolls it first. Nothing writes to
    the weights meanwhile, which it is told, so that it keeps them in registers.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), VECTOR)

        def vectors_of(array: int) -> Any:
            data = context.make_array(signature.args[array])(context, builder, values[array]).data
            first = builder.gep(data, [values[array + 1]])
            return builder.bitcast(first, vector.as_pointer())

        totals, weights = vectors_of(0), vectors_of(2)
        empty = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(empty, values[4], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)
        votes = builder.shuffle_vector(first, empty, everywhere)
        for i in range(LANES // VECTOR):
            place = [ir.Constant(ir.IntType(64), i)]
            total, weight = builder.gep(totals, place), builder.gep(weights, place)
            factors = builder.load(weight, align=4)
            factors.set_metadata("invariant.load", builder.module.add_metadata([]))
            product = builder.fmul(votes, factors, flags=("contract",))
            result = builder.fadd(builder.load(total, align=4), product, flags=("contract",))
            builder.store(result, total, align=4)
        return context.get_dummy_value()

    return types.void(sums, types.uintp, weights, types.uintp, types.float32), generate


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def soft_bins(
    gx: Any,
    gy: Any,
    length: Any,
    n: int,
    bins: int,
    turn: int,
    lanes: int,
    angles: Any,
    upper: Any,
    places: Any,
) -> None:
    """Share the votes of ``n`` pixels between the two nearest bins.

    Parameters
    ----------
    length : float32 array
        Squared lengths of the gradients; what goes to the lower bin replaces them.
    turn : int
        How many half turns the bins cover: 1 (unsigned) or 2 (signed).
    angles : float32 array
        Coefficients of an odd polynomial from a slope of at most 1 to an angle in bins.
    upper : float32 array
        What goes to the bin above.
    places : int32 array
        The lower bins, in lanes.
    """
    a0, a1, a2, a3 = angles[0], angles[1], angles[2], angles[3]
    a4, a5, a6 = angles[4], angles[5], angles[6]
    signed = turn == 2
    circle = np.float32(bins)
    half_turn = circle / np.float32(turn)
    quarter_turn = half_turn * np.float32(0.5)
    stride = np.int32(lanes)
    for i in range(np.uintp(n)):
        x = abs(gx[i])
        y = abs(gy[i])
        larger = x if x > y else y
        smaller = y if x > y else x
        t = smaller / (larger + np.float32(1e-30))
        s = t * t
        angle = ((((((a6 * s + a5) * s + a4) * s + a3) * s + a2) * s + a1) * s + a0) * t
        angle = quarter_turn - angle if y > x else angle
        mirrored = gx[i] < 0 if signed else (gx[i] < 0) != (gy[i] < 0)
        angle = half_turn - angle if mirrored else angle
        angle = circle - angle if signed and gy[i] < 0 else angle
        angle -= np.float32(0.5)
        below = np.floor(angle)
        whole = np.sqrt(length[i])
        above = (angle - below) * whole
        upper[i] = above
        length[i] = whole - above
        below = below + circle if below < 0 else below
        below = below - circle if below >= circle else below
        places[i] = np.int32(below) * stride


@njit(nogil=True, cache=True, error_model="numpy")
def hard_bins(
    gx: Any,
    gy: Any,
    length: Any,
    n: int,
    bins: int,
    turn: int,
    lanes: int,
    angles: Any,
    upper: Any,
    places: Any,
) -> None:
    """Let ``n`` pixels vote for one bin each: by how many ends of bins their angle has passed.

    Products of the gradient with directions decide, not an arctangent, so that gradients of whole
    numbers that lie exactly on an end fall on one side always: into the bin that begins there if
    unsigned, into the bin that ends there if signed.

    Parameters are those of :func:`soft_bins`, except for ``angles``: cosines, then sines, of the
    angles in a half turn where a bin ends and another begins; a multiple of four of each, those to
    spare being NaN, which no gradient passes. The gradients are overwritten, ``upper`` is zero.
    """
    behind = np.int32(bins // 2 if turn == 2 else 0)
    for i in range(np.uintp(n)):
        below = gy[i] < 0 or (gy[i] == 0 and gx[i] < 0)
        gx[i] = -gx[i] if below else gx[i]
        gy[i] = -gy[i] if below else gy[i]
        places[i] = behind if below else np.int32(0)
        length[i] = np.sqrt(length[i])
        upper[i] = 0
    ends = len(angles) // 2
    for k in range(0, ends, 4):
        c0, c1, c2, c3 = angles[k], angles[k + 1], angles[k + 2], angles[k + 3]
        k += ends
        s0, s1, s2, s3 = angles[k], angles[k + 1], angles[k + 2], angles[k + 3]
        if turn == 2:
            for i in range(np.uintp(n)):
                x, y = gx[i], gy[i]
                passed = np.int32(y * c0 > x * s0) + np.int32(y * c1 > x * s1)
                passed += np.int32(y * c2 > x * s2) + np.int32(y * c3 > x * s3)
                places[i] += np.int32(passed)
        else:
            for i in range(np.uintp(n)):
                x, y = gx[i], gy[i]
                passed = np.int32(y * c0 >= x * s0) + np.int32(y * c1 >= x * s1)
                passed += np.int32(y * c2 >= x * s2) + np.int32(y * c3 >= x * s3)
                places[i] += np.int32(passed)
    circle, stride = np.int32(bins), np.int32(lanes)
    for i in range(np.uintp(n)):
        place = places[i]
        places[i] = (place - circle if place >= circle else place) * stride


@njit(nogil=True, cache=True, error_model="numpy")
def vote_alone(
    length: Any,
    places: Any,
    row: int,
    columns: int,
    unit: int,
    stride: int,
    start: int,
    weight: float,
    sums: Any,
) -> None:
    """Add the votes of a row of pixels to the sums of their groups, which have one lane.

    Groups take turns, since an addition to a sum waits for the last one to it.

    Parameters
    ----------
    row : int
        Where the row begins in ``length`` and ``places``.
    unit : int
        Columns of a group.
    stride, start : int
        Sums of a group, and where those of the row's first group begin.
    weight : float
        Of every vote.
    """
    step, skip, end = np.uintp(unit), np.uintp(stride), np.uintp(row + columns)
    for x in range(np.uintp(min(unit, columns))):
        to = np.uintp(start)
        i = np.uintp(row) + x
        while i < end:
            sums[to + np.uintp(places[i])] += weight * length[i]
            to += skip
            i += step


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def vote_around(
    length: Any,
    upper: Any,
    places: Any,
    row: int,
    columns: int,
    unit: int,
    stride: int,
    start: int,
    lanes: int,
    weights: Any,
    at: int,
    sums: Any,
) -> None:
    """Add the votes of a row of pixels to the lanes of their groups.

    Parameters are those of :func:`vote_alone`, and the weights of the row's first pixel begin at
    ``weights[at]``.
    """
    step, skip, end = np.uintp(unit), np.uintp(stride), np.uintp(row + columns)
    n = np.uintp(lanes)
    for x in range(np.uintp(min(unit, columns))):
        for part in range(np.uintp(0), n, np.uintp(LANES)):
            w = np.uintp(at) + x * n + part
            to = np.uintp(start) + part
            i = np.uintp(row) + x
            while i < end:
                place = to + np.uintp(places[i])
                _add_lanes(sums, place, weights, w, length[i])
                _add_lanes(sums, place + n, weights, w, upper[i])
                to += skip
                i += step
