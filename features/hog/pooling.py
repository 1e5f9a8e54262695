"""Compiled loops of HOG, second part: votes -> histograms of windows.

A window is a cell, or a cell of a block, and the pixels around that count in it. A pixel's weight
in it is that of its row times that of its column. The rows are summed first, for every bin and
column of pixels; then the columns.
"""

from typing import Any

import numpy as np

from visualwords.compiling import inner
from visualwords.lanes import LANES, everywhere, load, load_integers, store, store_first

from .bins import (
    BINS_AT_ONCE,
    add_rows,
    add_votes,
    no_votes,
    share_votes,
    store_sums,
    totals,
)

__all__ = ["pool_columns", "pool_rows_hard", "pool_rows_soft"]


@inner
def pool_rows_soft(
    work: Any, votes: int, ring: int, start: int, end: int, constants: Any,
    weights: int, bins: int, sums: int, more: int, pitch: int,
) -> None:  # fmt: skip
    """Sum the rows ``start..end`` of votes for each bin and column of pixels, for two windows.

    Parameters
    ----------
    work : pointer to float32
        From ``votes`` on those of ``ring`` rows, as :func:`.hog_pixels.vote_soft` writes them: row
        y at ``y % ring``. From ``sums`` on, and from ``more`` on for the second window,
        ``pitch`` numbers for each bin, and for bins to spare up to a multiple of BINS_AT_ONCE.
    constants : pointer to float32
        From ``weights`` on the weights of each row in the two windows.
    """
    zero = everywhere(np.float32(0))
    n, row, high = np.uintp(bins), np.uintp(pitch), np.uintp(ring * pitch)
    begin, limit = np.uintp(votes + start % ring * pitch), np.uintp(votes) + high
    first, last = np.uintp(weights), np.uintp(weights + 2 * (end - start))
    for x in range(np.uintp(0), row, np.uintp(LANES)):
        at, other = np.uintp(sums) + x, np.uintp(more) + x
        below = everywhere(np.int32(bins - 1))  # The bin below the first is the last.
        for k in range(np.uintp(0), n, np.uintp(BINS_AT_ONCE)):
            bin0 = everywhere(np.int32(k))
            a, b = no_votes(), no_votes()
            i = begin + x
            for w in range(first, last, np.uintp(2)):
                place = load_integers(work, i + high + high)
                a, b = share_votes(
                    a, b, place - bin0, place == below, load(work, i), load(work, i + high),
                    everywhere(constants[w]), everywhere(constants[w + np.uintp(1)]),
                )  # fmt: skip
                i += row
                i = i - high if i >= limit else i
            store_sums(work, at, row, a)
            store_sums(work, other, row, b)
            at, other = at + np.uintp(BINS_AT_ONCE) * row, other + np.uintp(BINS_AT_ONCE) * row
            below = everywhere(np.int32(k + np.uintp(BINS_AT_ONCE - 1)))
        # A bin to spare has taken what goes from the last bin to the one above, the first.
        store(work, np.uintp(sums) + n * row + x, zero)
        store(work, np.uintp(more) + n * row + x, zero)


@inner
def pool_rows_hard(
    work: Any, votes: int, ring: int, start: int, end: int, constants: Any,
    weights: int, bins: int, sums: int, pitch: int,
) -> None:  # fmt: skip
    """Sum rows as :func:`pool_rows_soft` does, of pixels that vote for one bin each."""
    n, row, high = np.uintp(bins), np.uintp(pitch), np.uintp(ring * pitch)
    begin, limit = np.uintp(votes + start % ring * pitch), np.uintp(votes) + high
    first, last = np.uintp(weights), np.uintp(weights + end - start)
    for x in range(np.uintp(0), row, np.uintp(LANES)):
        at = np.uintp(sums) + x
        for k in range(np.uintp(0), n, np.uintp(BINS_AT_ONCE)):
            bin0, totals = everywhere(np.int32(k)), no_votes()
            i = begin + x
            for w in range(first, last):
                place = load_integers(work, i + high + high)
                weight = everywhere(constants[w])
                totals = add_votes(totals, place - bin0, load(work, i), weight)
                i += row
                i = i - high if i >= limit else i
            store_sums(work, at, row, totals)
            at += np.uintp(BINS_AT_ONCE) * row


@inner
def pool_columns(
    work: Any, sums: int, pitch: int, bins: int, table: Any, at: int, n_windows: int,
    constants: Any, to: int, cell: int,
) -> None:  # fmt: skip
    """Sum the columns of pixels of each window, and write its histogram.

    Parameters
    ----------
    work : pointer to float32
        From ``sums`` on those of rows, ``pitch`` numbers for each bin, and for bins to spare. The
        histograms go to ``to`` and after, ``cell`` numbers for each window.
    table : pointer to int64
        From ``at`` on for each window its first column; where its weights begin in the constants;
        and where they end, after a multiple of LANES.
    """
    row, lanes, n, end_of_cell = np.uintp(pitch), np.uintp(LANES), np.uintp(bins), np.uintp(cell)
    for _ in range(n_windows):
        column = np.uintp(sums + table[at])
        begin, end = np.uintp(table[at + 1]), np.uintp(table[at + 2])
        at += 3
        for b in range(np.uintp(0), n, np.uintp(BINS_AT_ONCE)):
            votes, i = no_votes(), column + b * row
            w = begin
            while w < end:
                votes = add_rows(votes, work, i, row, load(constants, w))
                i, w = i + lanes, w + lanes
            if b + lanes <= end_of_cell:
                store(work, np.uintp(to) + b, totals(votes))
            else:
                store_first(work, np.uintp(to) + b, totals(votes), end_of_cell - b)
        to += cell
