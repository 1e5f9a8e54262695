"""Compiled loops of HOG, second part: gradients -> votes -> sums.

The image is cut into groups of pixels, alike in the weights with which their pixels count in the
windows (cells, or cells of blocks) around. A weight is that of the pixel's row times that of its
column. Each row of a group has a histogram of its own, where a slot (bin) has lanes side by side:
one for each window that the column counts in. Its votes are added to it; then the rows' weights add
the histograms of the rows to the sums of the windows. Soft bins have one slot more, which belongs
to bin 0, where the circle closes. A pixel that votes for one bin of one cell alone needs none of
that: every bin takes its votes out of whole rows, which costs less than to find each pixel's bin.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from visualwords.compiling import contracted, inner

__all__ = ["LANES", "ROWS", "add_rows", "hard_bins", "soft_bins", "vote_alone", "vote_around"]

LANES = 4  # of a slot lie side by side; more of them are in further parts of the histogram
ROWS = 8  # of a group are worked on at a time


@intrinsic
def _add_lanes(context: Any, sums: Any, place: Any, weights: Any, at: Any, vote: Any) -> Any:
    """Add LANES times ``vote * weights[at + k]`` to ``sums[place + k]``, in vector instructions.

    LLVM makes none of its own of a loop as short as this: it unrolls it first. Nothing writes to
    the weights meanwhile, which it is told, so that it keeps them in registers.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), LANES)

        def lanes_of(array: int) -> Any:
            data = context.make_array(signature.args[array])(context, builder, values[array]).data
            first = builder.gep(data, [values[array + 1]])
            return builder.bitcast(first, vector.as_pointer())

        empty = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(empty, values[4], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        votes = builder.shuffle_vector(first, empty, everywhere)
        factors = builder.load(lanes_of(2), align=4)
        factors.set_metadata("invariant.load", builder.module.add_metadata([]))
        totals = lanes_of(0)
        product = builder.fmul(votes, factors, flags=("contract",))
        result = builder.fadd(builder.load(totals, align=4), product, flags=("contract",))
        builder.store(result, totals, align=4)
        return context.get_dummy_value()

    return types.void(sums, types.uintp, weights, types.uintp, types.float32), generate


@contracted
def soft_bins(
    gx: Any, gy: Any, n: int, bins: int, turn: int, constants: Any, at: int, places: Any
) -> None:
    """Share the votes of ``n`` pixels between the two nearest bins.

    Parameters
    ----------
    gx, gy : float32 array
        Gradients; what goes to the lower bin and to the one above replaces them.
    turn : int
        How many half turns the bins cover: 1 (unsigned) or 2 (signed).
    constants : float32 array
        From ``at`` on coefficients of an odd polynomial from a slope of at most 1 to an angle in
        bins.
    places : int32 array
        The lower bins' places in a histogram.
    """
    a0, a1, a2, a3 = constants[at], constants[at + 1], constants[at + 2], constants[at + 3]
    a4, a5, a6 = constants[at + 4], constants[at + 5], constants[at + 6]
    circle = np.float32(bins)
    half_turn = circle / np.float32(turn)
    quarter_turn = half_turn * np.float32(0.5)
    # Where y counts as pointing up: the sign of the slope matters if unsigned, y's own if signed.
    never = np.float32(-np.inf)
    up_unsigned = never if turn == 2 else np.float32(0)
    up_signed = np.float32(0) if turn == 2 else never
    for i in range(np.uintp(n)):
        x, y = abs(gx[i]), abs(gy[i])
        larger = x if x > y else y
        smaller = y if x > y else x
        t = smaller / (larger + np.float32(1e-30))
        s = t * t
        s2 = s * s  # Estrin's scheme: a shorter way through than Horner's
        angle = (((a6 * s2 + (a5 * s + a4)) * s2 + (a3 * s + a2)) * s2 + (a1 * s + a0)) * t
        angle = quarter_turn - angle if y > x else angle
        angle = half_turn - angle if (gx[i] < 0) != (gy[i] < up_unsigned) else angle
        angle = circle - angle if gy[i] < up_signed else angle
        angle -= np.float32(0.5)
        below = np.floor(angle)
        whole = np.sqrt(x * x + y * y)
        above = (angle - below) * whole
        gx[i] = whole - above
        gy[i] = above
        below = below + circle if below < 0 else below
        places[i] = np.int32(below) * np.int32(LANES)


@inner
def hard_bins(
    gx: Any, gy: Any, n: int, bins: int, turn: int, stride: int, ends: Any, places: Any
) -> None:
    """Let ``n`` pixels vote for one bin each: by how many ends of bins their angle has passed.

    Products of the gradient with directions decide, not an arctangent, so that gradients of whole
    numbers that lie exactly on an end fall on one side always: into the bin that begins there if
    unsigned, into the bin that ends there if signed. Angles are taken to the first quadrant, and
    the bins mirrored; which of the products count as passed if equal is then a matter of the bits
    of floats, which compare as those of integers do.

    Parameters are those of :func:`soft_bins`, except for

    stride : int
        Of a bin in a histogram.
    ends : float32 array
        Four cosines, then four sines, of the angles in the first quadrant where a bin ends and
        another begins; then four more of each and so on, those to spare being of an angle that no
        gradient passes.
    """
    at_end = np.int32(turn - 2)
    at_end_mirrored = np.int32(1 - turn)
    circle, last = np.int32(bins), np.int32(bins - 1 if turn == 1 else bins // 2)
    behind, step = np.int32(bins // 2 if turn == 2 else 0), np.int32(stride)
    for i in range(np.uintp(n)):
        places[i] = 0
    for k in range(0, len(ends), 8):
        c0, c1, c2, c3 = ends[k], ends[k + 1], ends[k + 2], ends[k + 3]
        s0, s1, s2, s3 = ends[k + 4], ends[k + 5], ends[k + 6], ends[k + 7]
        for i in range(np.uintp(n)):
            x, y = abs(gx[i]), abs(gy[i])
            less = at_end_mirrored if gx[i] * gy[i] < 0 else at_end
            passed = _passed(y * c0, x * s0, less) + _passed(y * c1, x * s1, less)
            passed += _passed(y * c2, x * s2, less) + _passed(y * c3, x * s3, less)
            places[i] += np.int32(passed)
    for i in range(np.uintp(n)):
        x, y = gx[i], gy[i]
        place = last - places[i] if x * y < 0 else places[i]
        place += behind if y < 0 or (y == 0 and x < 0) else np.int32(0)
        places[i] = (place - circle if place >= circle else place) * step
        gx[i] = np.sqrt(x * x + y * y)
        gy[i] = 0


@inner
def _passed(along: Any, across: Any, less: Any) -> Any:
    """Give 1 if a product is larger than another, which counts as ``less`` units larger."""
    limit = np.int32(np.float32(across).view(np.int32) + less)
    return np.int32(np.float32(along).view(np.int32) > limit)


@inner
def vote_alone(
    votes: Any, places: Any, row: int, width: int, rows: int, columns: int, bins: int, totals: Any
) -> None:
    """Write the totals of the votes of at most ROWS rows of pixels for each bin, column by column.

    Parameters
    ----------
    row : int
        Where the first row begins in ``votes`` and ``places``.
    totals : float32 array of shape (bins, columns), its axes run together
    """
    step, n = np.uintp(width), np.uintp(columns)
    zero = np.float32(0)
    for y in range(0, rows, 4):
        # A row beyond the last is the last again, with a bin that none of its votes is for.
        i0 = np.uintp(row + y * width)
        i1 = i0 + (step if y + 1 < rows else np.uintp(0))
        i2 = i1 + (step if y + 2 < rows else np.uintp(0))
        i3 = i2 + (step if y + 3 < rows else np.uintp(0))
        for b in range(bins):
            to = np.uintp(b) * n
            b0 = np.int32(b)
            b1 = b0 if y + 1 < rows else np.int32(-1)
            b2 = b0 if y + 2 < rows else np.int32(-1)
            b3 = b0 if y + 3 < rows else np.int32(-1)
            for x in range(n):
                v0 = votes[i0 + x] if places[i0 + x] == b0 else zero
                v1 = votes[i1 + x] if places[i1 + x] == b1 else zero
                v2 = votes[i2 + x] if places[i2 + x] == b2 else zero
                v3 = votes[i3 + x] if places[i3 + x] == b3 else zero
                totals[to + x] += (v0 + v1) + (v2 + v3)


@inner
def add_columns(
    totals: Any, columns: int, unit: int, bins: int, weight: float, sums: Any, start: int
) -> None:
    """Add the totals of the columns of each group, times ``weight``, to the sums of the groups."""
    n, skip = np.uintp(bins), np.uintp(unit)
    to = np.uintp(start)
    for first in range(np.uintp(0), np.uintp(columns) - skip + 1, skip):
        for b in range(n):
            total = np.float32(0)
            at = first + b * np.uintp(columns)
            for x in range(skip):
                total += totals[at + x]
            sums[to] += total * weight
            to += np.uintp(1)


@contracted
def vote_around(
    lower: Any,
    upper: Any,
    places: Any,
    row: int,
    width: int,
    rows: int,
    columns: int,
    unit: int,
    constants: Any,
    at: int,
    skip: int,
    size: int,
    histograms: Any,
) -> None:
    """Add the votes of some rows of groups, at most ROWS, to the histograms of the rows.

    Parameters
    ----------
    row : int
        Where the first row begins in ``lower``, ``upper`` and ``places``.
    columns, unit : int
        Of the pixels that vote, and of a group.
    constants : float32 array
        From ``at`` to its end the weights: (parts, columns of a group, LANES), axes run together.
    skip, size : int
        Numbers of a row's histograms, and of one histogram.
    histograms : float32 array of shape (rows, groups, parts, slots, LANES), its axes run together
    """
    step, down, next_row = np.uintp(unit), np.uintp(width), np.uintp(skip)
    parts = np.uintp((len(constants) - at) // (unit * LANES))
    part, lanes = np.uintp(size) // parts, np.uintp(LANES)
    for x in range(np.uintp(min(unit, columns))):
        for p in range(parts):
            w = np.uintp(at) + (p * step + x) * lanes
            group = p * part
            for first in range(np.uintp(row) + x, np.uintp(row + columns), step):
                i: Any = first
                to = group
                end = i + np.uintp(rows) * down
                while i < end:
                    place = to + np.uintp(places[i])
                    _add_lanes(histograms, place, constants, w, lower[i])
                    _add_lanes(histograms, place + lanes, constants, w, upper[i])
                    i += down
                    to += next_row
                group += np.uintp(size)


@contracted
def add_rows(histograms: Any, n: int, constants: Any, at: int, sums: Any, start: int) -> None:
    """Add the ``n`` numbers of each of ROWS rows, by the rows' weights, to the sums of windows."""
    w0, w1, w2, w3 = constants[at], constants[at + 1], constants[at + 2], constants[at + 3]
    w4, w5, w6, w7 = constants[at + 4], constants[at + 5], constants[at + 6], constants[at + 7]
    h1, to = np.uintp(n), np.uintp(start)
    h2, h3 = h1 + h1, h1 + h1 + h1
    h4, h5 = h2 + h2, h2 + h3
    h6, h7 = h3 + h3, h3 + h4
    for i in range(h1):
        total = w0 * histograms[i] + w1 * histograms[i + h1]
        total += w2 * histograms[i + h2] + w3 * histograms[i + h3]
        more = w4 * histograms[i + h4] + w5 * histograms[i + h5]
        more += w6 * histograms[i + h6] + w7 * histograms[i + h7]
        sums[to + i] += total + more
