"""Compiled loops of HOG, second part: votes -> histograms of windows.

A window is a cell, or a cell of a block, and the pixels around that count in it. A pixel's weight
in it is that of its row times that of its column. The rows are summed first, for every bin and
column of pixels; then the columns.
"""

from typing import Any

import numpy as np

from visualwords.compiling import inner, multiply_add

from .lanes import (
    LANES,
    add_where,
    everywhere,
    load,
    load_integers,
    store,
    store_four_totals,
    where,
)

__all__ = ["BINS_AT_ONCE", "pool_columns", "pool_rows_hard", "pool_rows_soft"]

BINS_AT_ONCE = 3  # as many as registers hold the sums of


@inner
def pool_rows_soft(
    work: Any, votes: int, ring: int, start: int, end: int, constants: Any,
    weights: int, bins: int, sums: int, more: int, room: int,
) -> None:  # fmt: skip
    """Sum the rows ``start..end`` of votes for each bin and column of pixels, for two windows.

    Parameters
    ----------
    work : pointer to float32
        From ``votes`` on those of ``ring`` rows, as :func:`.hog_pixels.vote_soft` writes them: row
        y at ``y % ring``. From ``sums`` on, and from ``more`` on for the second window,
        ``room`` numbers for each bin, and for bins to spare up to a multiple of BINS_AT_ONCE.
    constants : pointer to float32
        From ``weights`` on the weights of each row in the two windows.
    """
    zero, one, three = everywhere(np.float32(0)), everywhere(np.int32(1)), np.uintp(BINS_AT_ONCE)
    pitch = room - 2 * LANES
    n, row, wide, high = np.uintp(bins), np.uintp(pitch), np.uintp(room), np.uintp(ring * pitch)
    begin, limit = np.uintp(votes + start % ring * pitch), np.uintp(votes) + high
    first, last = np.uintp(weights), np.uintp(weights + 2 * (end - start))
    for x in range(np.uintp(0), row, np.uintp(LANES)):
        a, b = np.uintp(sums) + x, np.uintp(more) + x
        below = everywhere(np.int32(bins - 1))  # The bin below the first is the last.
        for k in range(np.uintp(0), n, three):
            bin0 = everywhere(np.int32(k))
            bin1, bin2 = bin0 + one, bin0 + one + one
            a0, a1, a2, b0, b1, b2 = zero, zero, zero, zero, zero, zero
            i = begin + x
            for w in range(first, last, np.uintp(2)):
                lower, upper = load(work, i), load(work, i + high)
                place = load_integers(work, i + high + high)
                is0, is1, is2 = place == bin0, place == bin1, place == bin2
                v0 = add_where(where(is0, lower, zero), place == below, upper)
                v1 = add_where(where(is1, lower, zero), is0, upper)
                v2 = add_where(where(is2, lower, zero), is1, upper)
                weight = everywhere(constants[w])
                a0 = multiply_add(v0, weight, a0)
                a1 = multiply_add(v1, weight, a1)
                a2 = multiply_add(v2, weight, a2)
                weight = everywhere(constants[w + np.uintp(1)])
                b0 = multiply_add(v0, weight, b0)
                b1 = multiply_add(v1, weight, b1)
                b2 = multiply_add(v2, weight, b2)
                i += row
                i = i - high if i >= limit else i
            store(work, a, a0)
            store(work, a + wide, a1)
            store(work, a + wide + wide, a2)
            store(work, b, b0)
            store(work, b + wide, b1)
            store(work, b + wide + wide, b2)
            a, b, below = a + three * wide, b + three * wide, bin2
        # A bin to spare has taken what goes from the last bin to the one above, the first.
        store(work, np.uintp(sums) + n * wide + x, zero)
        store(work, np.uintp(more) + n * wide + x, zero)


@inner
def pool_rows_hard(
    work: Any, votes: int, ring: int, start: int, end: int, constants: Any,
    weights: int, bins: int, sums: int, room: int,
) -> None:  # fmt: skip
    """Sum rows as :func:`pool_rows_soft` does, of pixels that vote for one bin each."""
    zero, three = everywhere(np.float32(0)), np.uintp(BINS_AT_ONCE)
    pitch = room - 2 * LANES
    n, row, wide, high = np.uintp(bins), np.uintp(pitch), np.uintp(room), np.uintp(ring * pitch)
    begin, limit = np.uintp(votes + start % ring * pitch), np.uintp(votes) + high
    first, last = np.uintp(weights), np.uintp(weights + end - start)
    for x in range(np.uintp(0), row, np.uintp(LANES)):
        at = np.uintp(sums) + x
        for b in range(np.uintp(0), n, three):
            b0 = everywhere(np.int32(b))
            b1, b2 = b0 + everywhere(np.int32(1)), b0 + everywhere(np.int32(2))
            s0, s1, s2 = zero, zero, zero
            i = begin + x
            for w in range(first, last):
                vote = load(work, i) * everywhere(constants[w])
                place = load_integers(work, i + high + high)
                s0 = add_where(s0, place == b0, vote)
                s1 = add_where(s1, place == b1, vote)
                s2 = add_where(s2, place == b2, vote)
                i += row
                i = i - high if i >= limit else i
            store(work, at, s0)
            store(work, at + wide, s1)
            store(work, at + wide + wide, s2)
            at += three * wide


@inner
def pool_columns(
    work: Any, sums: int, room: int, bins: int, table: Any, at: int, n_windows: int,
    constants: Any, to: int, pitch: int,
) -> None:  # fmt: skip
    """Sum the columns of pixels of each window, and write its histogram.

    Parameters
    ----------
    work : pointer to float32
        From ``sums`` on those of rows, ``room`` numbers for each bin, in fours of bins. The
        histograms go to ``to`` and after, ``pitch`` numbers for each window.
    table : pointer to int64
        From ``at`` on for each window its first column; where its weights begin in the constants;
        and where they end, after a multiple of LANES.
    """
    zero, wide, lanes = everywhere(np.float32(0)), np.uintp(room), np.uintp(LANES)
    for _ in range(n_windows):
        column = np.uintp(sums + table[at])
        begin, end = np.uintp(table[at + 1]), np.uintp(table[at + 2])
        at += 3
        for b in range(np.uintp(0), np.uintp(bins), np.uintp(4)):
            s0, s1, s2, s3 = zero, zero, zero, zero
            i = column + b * wide
            for w in range(begin, end, lanes):
                weight = load(constants, w)
                s0 = multiply_add(load(work, i), weight, s0)
                s1 = multiply_add(load(work, i + wide), weight, s1)
                s2 = multiply_add(load(work, i + wide + wide), weight, s2)
                s3 = multiply_add(load(work, i + wide + wide + wide), weight, s3)
                i += lanes
            store_four_totals(work, np.uintp(to) + b, s0, s1, s2, s3)
        to += pitch
