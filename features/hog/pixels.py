"""Compiled loops of HOG, first part: the pixels of a row -> what they vote for.

A row is kept with one pixel more at either end, a mirror image like the rows beyond the first and
the last: so the difference of the two neighbours is 0 where one lies outside the image.
"""

from typing import Any

import numpy as np

from visualwords.compiling import inlined, inner, multiply_add
from visualwords.lanes import (
    LANES,
    bits_of,
    everywhere,
    floor,
    integers_of,
    load,
    magnitude,
    moved,
    split_colours,
    square_root,
    store,
    where,
)

__all__ = ["load_rows", "vote_hard", "vote_soft"]


@inner
def load_rows(
    pixels: Any, start: int, end: int, rows: int, columns: int, channels: int, root: bool,
    work: Any, room: int,
) -> None:  # fmt: skip
    """Write the rows ``start - 1..end + 1`` of an image as float32, with mirror images around it.

    Parameters
    ----------
    pixels : pointer to uint8 or float32
        The image of shape (rows, columns, channels), its axes run together.
    root : bool
        Whether to take square roots.
    work : pointer to float32
        Room for the rows, of ``room`` numbers a channel; LANES of them come before the first pixel.
    """
    n, lanes, plane = np.uintp(columns), np.uintp(LANES), np.uintp(room)
    second, last_but_one = np.uintp(min(1, columns - 1)), np.uintp(max(columns - 2, 0))
    row = moved(work, LANES)
    for y in range(start - 1, end + 1):
        inside = abs(y) if y < rows else 2 * rows - 2 - y
        source = moved(pixels, min(max(inside, 0), rows - 1) * columns * channels)
        for x in range(np.uintp(0), n, lanes):
            # The last lanes overlap others, so as to end with the row; if narrow, they go beyond.
            at: Any = x if n < lanes else min(x, n - lanes)
            if channels == 1:
                store(row, at, _rooted(load(source, at), root))
            else:
                red, green, blue = split_colours(source, np.uintp(3) * at)
                store(row, at, _rooted(red, root))
                store(row, at + plane, _rooted(green, root))
                store(row, at + plane + plane, _rooted(blue, root))
        for _ in range(channels):
            row[-1], row[n] = row[second], row[last_but_one]
            row = moved(row, room)


@inlined
def _rooted(numbers: Any, root: bool) -> Any:
    return square_root(numbers) if root else numbers


@inlined
def _gradient(row: Any, above: Any, below: Any, x: Any, channels: Any, plane: Any) -> Any:
    """Give the gradients of LANES pixels: a pixel's longest, the first of equally long channels."""
    gx, gy = _differences(row, above, below, x)
    if channels > np.uintp(1):
        gx, gy = _longer(gx, gy, *_differences(row, above, below, x + plane))
        gx, gy = _longer(gx, gy, *_differences(row, above, below, x + plane + plane))
    return gx, gy


@inlined
def _differences(row: Any, above: Any, below: Any, x: Any) -> Any:
    one = np.uintp(1)
    return load(row, x + one) - load(row, x - one), load(below, x) - load(above, x)


@inlined
def _longer(gx: Any, gy: Any, x: Any, y: Any) -> Any:
    longer = x * x + y * y > gx * gx + gy * gy
    return where(longer, x, gx), where(longer, y, gy)


@inner
def vote_soft(
    work: Any, start: int, end: int, channels: int, room: int, bins: int, turn: int,
    constants: Any, at: int, votes: int, ring: int,
) -> None:  # fmt: skip
    """Share the votes of the rows ``start..end`` of pixels between the two nearest bins.

    Parameters
    ----------
    work : pointer to float32
        The rows from :func:`load_rows`. From ``votes`` on room for those of ``ring`` rows, row y
        at ``y % ring``: what goes to the lower bin; behind all of these what goes to the bin above;
        and then the lower bins.
    turn : int
        How many half turns the bins cover: 1 (unsigned) or 2 (signed).
    constants : pointer to float32
        From ``at`` on coefficients of an odd polynomial from a slope of at most 1 to an angle in
        bins.
    """
    a0, a1, a2 = (
        everywhere(constants[at]),
        everywhere(constants[at + 1]),
        everywhere(constants[at + 2]),
    )
    a3, a4 = everywhere(constants[at + 3]), everywhere(constants[at + 4])
    a5, a6 = everywhere(constants[at + 5]), everywhere(constants[at + 6])
    zero, tiny = everywhere(np.float32(0)), everywhere(np.float32(1e-30))
    # Angles are kept less half a bin, so that the floor is the bin below.
    half_bin, circle = everywhere(np.float32(0.5)), everywhere(np.float32(bins))
    before_circle = everywhere(np.float32(bins - 1))
    before_half_turn = everywhere(np.float32(bins) / np.float32(turn) - np.float32(1))
    before_quarter_turn = everywhere(np.float32(bins) / np.float32(2 * turn) - np.float32(1))
    pitch, down = room - 2 * LANES, channels * room
    above = moved(work, LANES)
    row, below = moved(above, down), moved(above, 2 * down)
    slot = start % ring
    for _ in range(start, end):
        first = moved(work, votes + slot * pitch)
        second = moved(first, ring * pitch)
        third = moved(second, ring * pitch)
        for x in range(np.uintp(0), np.uintp(pitch), np.uintp(LANES)):
            gx, gy = _gradient(row, above, below, x, np.uintp(channels), np.uintp(room))
            across, along = magnitude(gx), magnitude(gy)
            steep = along > across
            larger, smaller = where(steep, along, across), where(steep, across, along)
            t = smaller / (larger + tiny)
            s = t * t
            s2 = s * s  # Estrin's scheme: a shorter way through than Horner's
            high = multiply_add(
                multiply_add(a6, s2, multiply_add(a5, s, a4)), s2, multiply_add(a3, s, a2)
            )
            slope = multiply_add(high, s2, multiply_add(a1, s, a0))
            angle = multiply_add(slope, t, zero - half_bin)
            angle = where(steep, before_quarter_turn - angle, angle)
            backwards = gx < zero
            if turn == 1:
                backwards = backwards ^ (gy < zero)
            angle = where(backwards, before_half_turn - angle, angle)
            if turn == 2:
                angle = where(gy < zero, before_circle - angle, angle)
            below_ = floor(angle)
            whole = square_root(multiply_add(across, across, along * along))
            upper = (angle - below_) * whole
            store(first, x, whole - upper)
            store(second, x, upper)
            lower_bin = where(below_ < zero, below_ + circle, below_)
            store(third, x, integers_of(lower_bin))
        above, row, below = row, below, moved(below, down)
        slot = slot + 1 if slot + 1 < ring else 0


@inner
def vote_hard(
    work: Any, start: int, end: int, channels: int, room: int, bins: int, turn: int,
    ends: Any, n_ends: int, votes: int, ring: int,
) -> None:  # fmt: skip
    """Let the rows ``start..end`` of pixels vote for one bin each.

    It is the bin of as many ends of bins as their angle has passed.

    The angle has passed an end where ``along * cotangent - across``, rounded once where the
    processor can, is not negative: no arctangent, so that gradients of whole numbers that lie
    exactly on an end fall on one side always: into the bin that begins there if unsigned, into the
    bin that ends there if signed. Angles are taken to the first quadrant, and the bins mirrored;
    whether 0 counts as passed is then a matter of the bits of floats, which compare as those of
    integers do.

    Parameters are those of :func:`vote_soft`, except for

    ends : pointer to float32
        Cotangent of each of ``n_ends`` angles in the first quadrant, in rising order, where a bin
        ends and another begins; in fours, with -1 for those to spare, which no gradient passes.
    """
    zero, none = everywhere(np.float32(0)), everywhere(np.int32(0))
    one, two = everywhere(np.int32(1)), everywhere(np.int32(2))
    three, four = everywhere(np.int32(3)), everywhere(np.int32(4))
    at_end = everywhere(np.int32(turn - 2))
    # If signed, of two bins with the same claim the lower: of four bins the one that begins there.
    at_end_mirrored = everywhere(np.int32(0 if bins == 4 else 1 - turn))
    circle = everywhere(np.int32(bins))
    last = everywhere(np.int32(bins - 1 if turn == 1 else bins // 2))
    behind = everywhere(np.int32(bins // 2 if turn == 2 else 0))
    pitch, down = room - 2 * LANES, channels * room
    above = moved(work, LANES)
    row, below = moved(above, down), moved(above, 2 * down)
    slot = start % ring
    for _ in range(start, end):
        first = moved(work, votes + slot * pitch)
        second = moved(first, ring * pitch)
        third = moved(second, ring * pitch)
        for x in range(np.uintp(0), np.uintp(pitch), np.uintp(LANES)):
            gx, gy = _gradient(row, above, below, x, np.uintp(channels), np.uintp(room))
            across, along, mirrored = magnitude(gx), magnitude(gy), gx * gy < zero
            least, minus = where(mirrored, at_end_mirrored, at_end), zero - across
            passed = none
            for k in range(0, n_ends, 4):
                past1 = bits_of(multiply_add(along, everywhere(ends[k]), minus)) > least
                past2 = bits_of(multiply_add(along, everywhere(ends[k + 1]), minus)) > least
                past3 = bits_of(multiply_add(along, everywhere(ends[k + 2]), minus)) > least
                past4 = bits_of(multiply_add(along, everywhere(ends[k + 3]), minus)) > least
                one_or_two = where(past2, two, where(past1, one, none))
                passed = passed + where(past4, four, where(past3, three, one_or_two))
            place = where(mirrored, last - passed, passed)
            if turn == 2:
                backwards = (gy < zero) | ((gy == zero) & (gx < zero))
                place = where(backwards, place + behind, place)
                place = where(place < circle, place, place - circle)
            store(first, x, square_root(across * across + along * along))
            store(third, x, place)
        above, row, below = row, below, moved(below, down)
        slot = slot + 1 if slot + 1 < ring else 0
