"""Compiled loops of HOG, third part: histograms -> descriptors, and the whole."""

from typing import Any

import numpy as np
from numba import types

from visualwords.compiling import inlined, inner, kernel, local, multiply_add
from visualwords.lanes import (
    LANES,
    as_floats,
    everywhere,
    keep,
    least,
    load,
    moved,
    pointer,
    square_root,
    store,
    store_first,
    total,
)

from .pixels import load_rows, vote_hard, vote_soft
from .pooling import pool_columns, pool_rows_hard, pool_rows_soft

__all__ = ["SETTINGS", "describe", "normalize_cells", "way_in"]

# Places in the table of settings, the first of two where they are of rows and columns: the image's
# size; channels; whether to take square roots; number of bins; half turns they cover; ends of bins;
# norm; number of windows; number of blocks; from one block to the next in windows, and in numbers
# of a descriptor; rows of windows in a block, and cells; rows of votes that are kept. Then where
# things are: groups of windows, and how many; columns of windows; cells of a block; in the working
# memory histograms, the sums of rows for a group's first and second window, blocks, what these are
# multiplied by, and votes; its size; of it the numbers of a row of pixels, and of a histogram;
# numbers of a descriptor; in the working memory what is zero first, up to the sums; where the
# numbers begin in the table.
IMAGE, CHANNELS, ROOT, BINS, TURN, ENDS, NORM = 0, 2, 3, 4, 5, 6, 7
WINDOWS, BLOCKS, STEP = 8, 10, 12
STRIDES, DEPTH, CELLS, RING, GROUPS, N_GROUPS, COLUMNS, LIST = 14, 16, 17, 18, 19, 20, 21, 22
HISTOGRAMS, SUMS, MORE, BLOCK, FACTORS, VOTES, SIZE, ROOM, CELL, LENGTH = range(23, 33)
ZEROS, NUMBERS, SETTINGS = 33, 34, 35
ANGLES = 5  # where those of the angles begin in the numbers, after those of the norm
ON_STACK = 12 * 1024  # numbers of working memory: for a small image no other is asked for
BAND = 32  # rows that are loaded, and then vote, at a time
L1, L1_SQRT, L2, L2_HYS, NONE = range(5)


@kernel
def describe(table: Any, ends: Any, pixels: Any, out: Any) -> None:
    """Write the descriptors of images, or the histograms of their cells, to ``out``.

    Parameters
    ----------
    table : int64 array
        Settings. Of each group of windows: its first row of pixels, the row behind its last, and
        where its weights are in the numbers. Of each column of windows: what pool_columns says.
        Where the histograms of a block are, for each place of its first row: see the plan. And as
        float32 the numbers: those that the norm needs; those of :func:`.vote_soft`; weights. An
        array of their own would make a call for a small image 2 % longer.
    ends : float32 array or None
        As in :func:`.vote_hard`. None: votes are shared between bins, and windows go by two.
    pixels : uint8 or float32 array
        Images of shape (rows, columns, channels), their axes run together; if they have fewer
        columns than LANES, as many numbers more as these have channels.
    out : float32 array
        Their numbers, image after image.
    """
    source, target, settings = pointer(pixels), pointer(out), pointer(table)
    numbers = as_floats(moved(settings, table[NUMBERS]))
    rows, columns, channels, root = table[IMAGE], table[IMAGE + 1], table[CHANNELS], table[ROOT]
    bins, turn, ring, n_columns = table[BINS], table[TURN], table[RING], table[WINDOWS + 1]
    sums, more, votes, room, cell = table[SUMS], table[MORE], table[VOTES], table[ROOM], table[CELL]
    pitch, work = room - 2 * LANES, local(ON_STACK, np.float32)
    if table[SIZE] > ON_STACK:
        memory = np.empty(table[SIZE] + LANES, np.float32)
        work = moved(pointer(memory), (-memory.ctypes.data // 4) % LANES)
    for at in range(table[ZEROS], sums, LANES):
        store(work, np.uintp(at), everywhere(np.float32(0)))
    in_order = len(out) if table[STRIDES + 1] == table[CELLS] * bins else 0
    for first in range(0, len(out), table[LENGTH]):
        voted = np.intp(0)  # a literal 0 would compile what takes it twice
        window, slot, complete, to = 0, 0, table[DEPTH], first
        for at in range(table[GROUPS], table[GROUPS] + 3 * table[N_GROUPS], 3):
            start, end, weights = table[at], table[at + 1], table[at + 2]
            while voted < end:
                last = min(voted + BAND, rows)
                load_rows(source, voted, last, rows, columns, channels, root, work, room)
                if ends is None:
                    vote_soft(
                        work, voted, last, channels, room, bins, turn, numbers, ANGLES, votes, ring
                    )
                else:
                    vote_hard(
                        work, voted, last, channels, room, bins, turn, pointer(ends), table[ENDS],
                        votes, ring,
                    )  # fmt: skip
                voted = last
            if ends is None:
                pool_rows_soft(
                    work, votes, ring, start, end, numbers, weights, bins, sums, more, pitch
                )
            else:
                pool_rows_hard(work, votes, ring, start, end, numbers, weights, bins, sums, pitch)
            for pooled in range(sums, table[BLOCK], more - sums):
                if window < table[WINDOWS]:
                    begin = table[HISTOGRAMS] + slot * n_columns * cell
                    pool_columns(
                        work, pooled, pitch, bins, settings, table[COLUMNS], n_columns, numbers,
                        begin, cell,
                    )  # fmt: skip
                    window, slot = window + 1, slot + 1 if slot + 1 < table[DEPTH] else 0
                if window == complete:
                    _write_blocks(work, slot, settings, numbers, target, to, in_order)
                    complete, to = complete + table[STEP], to + table[STRIDES]
        source = moved(source, rows * columns * channels)
    if table[SIZE] > ON_STACK:
        keep(memory)


def way_in(is_float: bool, has_ends: bool) -> Any:
    """Give :func:`describe` for arguments of these types, which it takes for granted.

    Numba's dispatcher, which looks at every argument first, makes a call for a small image 7 %
    longer.
    """
    pixels = types.float32[::1] if is_float else types.uint8[::1]
    ends = types.float32[::1] if has_ends else types.none
    return describe.compile((types.int64[::1], ends, pixels, types.float32[::1]))


@inner
def _write_blocks(
    work: Any, first: int, table: Any, constants: Any, out: Any, to: int, in_order: int
) -> None:
    """Normalise and write a row of blocks, each step for all of them: a step waits for its results.

    ``first`` is the place of the first row of histograms. If blocks are written ``in_order`` it is
    where the last of all ends, else 0.
    """
    norm, factors, block, n = table[NORM], table[FACTORS], table[BLOCK], table[BLOCKS + 1]
    _gather(work, first, table, factors)
    _invert(work, factors, n, norm, constants[0], constants[1])
    length = table[CELLS] * table[CELL]
    if norm == L2_HYS:
        for b in range(n):
            factor, squares = everywhere(work[factors + b]), everywhere(np.float32(0))
            for at in range(block, block + length, LANES):
                numbers = least(load(work, np.uintp(at)) * factor, everywhere(constants[4]))
                store(work, np.uintp(at), numbers)
                squares = multiply_add(numbers, numbers, squares)
            work[factors + b] = total(squares)
            block += length
        _invert(work, factors, n, norm, constants[2], constants[3])
    elif norm == L1_SQRT:
        for b in range(n):
            factor = everywhere(work[factors + b])
            for at in range(block, block + length, LANES):
                store(work, np.uintp(at), square_root(load(work, np.uintp(at)) * factor))
            work[factors + b] = 1
            block += length
    block, bins, size = table[BLOCK], table[BINS], table[CELLS] * table[BINS]
    for b in range(n):
        factor = everywhere(work[factors + b])
        _write_block(work, block, factor, bins, out, to, to + size, max(to + size, in_order))
        to += table[STRIDES + 1]
        block += length


@inlined
def _gather(work: Any, first: int, table: Any, sums: int) -> None:
    """Copy the histograms of each block side by side, and write their sums, or those of squares."""
    histograms, place, cell = table[HISTOGRAMS], table[BLOCK], table[CELL]
    listed, step = table[LIST] + first * table[CELLS], table[STEP + 1] * cell
    for b in range(table[BLOCKS + 1]):
        values, squares = everywhere(np.float32(0)), everywhere(np.float32(0))
        for at in range(listed, listed + table[CELLS]):
            i = histograms + table[at]
            end = i + cell
            while i < end:
                numbers = load(work, np.uintp(i))
                store(work, np.uintp(place), numbers)
                values = values + numbers
                squares = multiply_add(numbers, numbers, squares)
                i, place = i + LANES, place + LANES
        work[sums + b] = total(squares) if table[NORM] >= L2 else total(values)
        histograms += step


@inlined
def _invert(work: Any, sums: int, n: int, norm: int, add: Any, plus: Any) -> None:
    """Write what blocks are multiplied by in place of their sums."""
    one, add, plus = everywhere(np.float32(1)), everywhere(add), everywhere(plus)
    for at in range(np.uintp(sums), np.uintp(sums + n), np.uintp(LANES)):
        summed = load(work, at)
        root = square_root(summed + add) if norm >= L2 else summed
        store(work, at, one if norm == NONE else one / (root + plus))


@inlined
def _write_block(
    work: Any, place: int, factor: Any, bins: int, out: Any, to: int, end: int, limit: int
) -> None:
    """Write the histograms of a block, times ``factor``, to ``out[to:end]`` side by side.

    What lies behind, up to ``limit``, is not written yet.
    """
    for cell in range(to, end, bins):
        at = cell
        while at < cell + bins:
            numbers = load(work, np.uintp(place)) * factor
            if at + LANES <= limit:  # The next cell writes over what is too many.
                store(out, np.uintp(at), numbers)
            else:
                store_first(out, np.uintp(at), numbers, limit - at)
            at, place = at + LANES, place + LANES


@kernel
def normalize_cells(cells: Any, constants: Any, out: Any) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by each of the four blocks of 2x2 cells around it (its own row or column
    stands in for one beyond the border) and clipped; the four are summed over.

    Parameters
    ----------
    cells : float32 array of shape (images, rows, columns, 2 n directions)
    constants : float32 array
        The numbers that the norm needs.
    out : float32 array of shape (images, numbers)
    """
    rows, columns, directions = cells.shape[1:]
    for image in range(len(cells)):
        _normalize_image(cells[image].ravel(), rows, columns, directions, constants, out[image])


@inner
def _normalize_image(
    cells: Any, rows: int, columns: int, directions: int, constants: Any, out: Any
) -> None:
    """Write the descriptor of one image."""
    n = directions // 2
    energy = np.zeros(rows * columns, np.float32)
    for i in range(rows * columns):
        for o in range(i * directions, i * directions + n):
            energy[i] += (cells[o] + cells[o + n]) * (cells[o] + cells[o + n])
    for i in range(rows * columns):
        at = i * (3 * n + 4)
        for o in range(at, at + 3 * n + 4):
            out[o] = 0
        for corner in range(4):
            # Steps to the neighbours in the block at this corner; none beyond the border.
            down = min(max(i // columns + corner // 2 * 2 - 1, 0), rows - 1) - i // columns
            right = min(max(i % columns + corner % 2 * 2 - 1, 0), columns - 1) - i % columns
            below = i + down * columns
            total = energy[i] + energy[below] + energy[i + right] + energy[below + right]
            factor = np.float32(1) / np.sqrt(total + constants[0])
            for o in range(n):
                forth = cells[i * directions + o] * factor
                back = cells[i * directions + o + n] * factor
                both = min(forth + back, constants[4])
                out[at + o] += np.float32(0.5) * min(forth, constants[4])
                out[at + n + o] += np.float32(0.5) * min(back, constants[4])
                out[at + 2 * n + o] += np.float32(0.5) * both
                out[at + 3 * n + corner] += both * constants[1]
