"""Compiled loops of HOG, third part: histograms -> descriptors, and the whole."""

from typing import Any

import numpy as np
from numba import njit

from visualwords.compiling import inlined, inner

from .hog_pixels import load_rows, vote_hard, vote_soft
from .hog_pooling import BINS_AT_ONCE, pool_columns, pool_rows_hard, pool_rows_soft
from .lanes import (
    LANES,
    copy,
    everywhere,
    keep,
    least,
    load,
    moved,
    multiply_add,
    pointer,
    square_root,
    store,
    total,
)

__all__ = ["SETTINGS", "describe", "normalize_cells"]

# Places in the table of settings: the image's rows, columns and channels; whether to take square
# roots; number of bins; half turns they cover; norm; rows and columns of windows; rows and columns
# of blocks; rows of windows in a block, and cells; windows from one block to the next, downwards
# and to the right; numbers of a descriptor from one block to the next, likewise; rows of votes that
# are kept; where the list of cells begins; ends of
# bins. After the settings come for each row of windows its
# first row of pixels, the row behind its last, and where the weights begin in the constants; then
# for each column of windows what pool_columns wants; then the row and column of a block's cells.
IMAGE, ROOT, BINS, TURN, NORM, WINDOWS, BLOCKS, DEPTH, CELLS = 0, 3, 4, 5, 6, 7, 9, 11, 12
STEP, STRIDES, RING, LIST, ENDS, SETTINGS = 13, 15, 17, 18, 19, 20
ANGLES = 5  # where they begin in the constants, after those of the norm
BAND = 16  # rows that are loaded, and then vote, at a time
L1, L1_SQRT, L2, L2_HYS, NONE = range(5)


@njit(nogil=True, cache=True, error_model="numpy")
def describe(pixels: Any, table: Any, constants: Any, ends: Any, out: Any) -> None:
    """Write the descriptors of images, or the histograms of their cells, to ``out``.

    Parameters
    ----------
    pixels : uint8 or float32 array
        Images of shape (rows, columns, channels), their axes run together.
    table : int64 array
        Settings, windows and cells.
    constants : float32 array
        The numbers that the norm needs; those of :func:`.vote_soft`; weights.
    ends : float32 array or None
        As in :func:`.vote_hard`. None: votes are shared between bins.
    out : float32 array
        Their numbers, image after image.
    """
    room = _whole(table[IMAGE + 1], LANES) + 2 * LANES
    cell = _whole(table[BINS], LANES)
    at_once = 2 if ends is None else 1
    # One array of several parts: rows of pixels, sums of rows, histograms, a block, votes.
    sums = (BAND + 2) * table[IMAGE + 2] * room
    more = sums + (_whole(table[BINS], 4 * BINS_AT_ONCE) + 1) * room
    histograms = more + (at_once - 1) * (more - sums)
    block = histograms + table[DEPTH] * table[WINDOWS + 1] * cell
    votes = _whole(block + table[CELLS] * cell, LANES)
    parts = sums, more, histograms, block, votes
    work = np.empty(votes + 3 * table[RING] * (room - 2 * LANES), np.float32)
    place = pointer(work)
    # What lies beyond rows and bins has no weight, but must be numbers.
    for at in range(0, votes, LANES):
        store(place, np.uintp(at), everywhere(np.float32(0)))
    step = table[IMAGE] * table[IMAGE + 1] * table[IMAGE + 2]
    n_images = len(pixels) // step
    length = len(out) // n_images
    limits = None if ends is None else pointer(ends)
    source, target, settings, numbers = pointer(pixels), pointer(out), pointer(table), pointer(constants)
    for image in range(n_images):
        _describe_image(
            moved(source, image * step), settings, numbers, limits, place, parts, room, cell,
            moved(target, image * length),
        )  # fmt: skip
    keep(work)


@inlined
def _describe_image(
    pixels: Any, table: Any, constants: Any, ends: Any, work: Any, parts: Any,
    room: int, cell: int, out: Any,
) -> None:  # fmt: skip
    """Write the descriptor of one image."""
    bins, ring, n_rows, n_columns = table[BINS], table[RING], table[WINDOWS], table[WINDOWS + 1]
    rows, columns, channels, root = table[IMAGE], table[IMAGE + 1], table[IMAGE + 2], table[ROOT]
    turn, n_ends = table[TURN], table[ENDS]
    at_once = 2 if ends is None else 1
    n_groups = (n_rows + at_once - 1) // at_once
    sums, more, histograms, block, votes = parts
    pitch = room - 2 * LANES
    voted, window, slot, complete, to = 0, 0, 0, table[DEPTH], 0
    for group in range(n_groups):
        at = SETTINGS + 3 * group
        start, end, weights = table[at], table[at + 1], table[at + 2]
        while voted < end:
            last = min(voted + BAND, rows)
            load_rows(pixels, voted, last, rows, columns, channels, root, work, room)
            if ends is None:
                vote_soft(
                    work, voted, last, channels, room, bins, turn, constants, ANGLES, votes, ring
                )  # fmt: skip
            else:
                vote_hard(
                    work, voted, last, channels, room, bins, turn, ends, n_ends, votes, ring
                )  # fmt: skip
            voted = last
        if ends is None:
            pool_rows_soft(
                work, votes, pitch, ring, start, end, constants, weights, bins, sums, more, room
            )
        else:
            pool_rows_hard(
                work, votes, pitch, ring, start, end, constants, weights, bins, sums, room
            )
        at = SETTINGS + 3 * n_groups
        pooled = sums
        while window < min((group + 1) * at_once, n_rows):
            begin = histograms + slot * n_columns * cell
            pool_columns(work, pooled, room, bins, table, at, n_columns, constants, begin, cell)
            pooled, window = more, window + 1
            slot = slot + 1 if slot + 1 < table[DEPTH] else 0
            if window == complete:
                _write_blocks(work, histograms, block, cell, slot, table, constants, out, to)
                complete += table[STEP]
                to += table[STRIDES]


@inlined
def _whole(n: int, step: int) -> int:
    """Round up to a multiple."""
    return -(-n // step) * step


@inlined
def _write_blocks(
    work: Any, histograms: int, block: int, cell: int, first: int, table: Any, constants: Any,
    out: Any, to: int,
) -> None:  # fmt: skip
    """Normalise and write a row of blocks; ``first`` is where the first of its histograms are."""
    bins, norm, depth, n_columns = table[BINS], table[NORM], table[DEPTH], table[WINDOWS + 1]
    step, end = table[STEP + 1] * cell, block + table[CELLS] * cell
    limit = everywhere(constants[4])
    for column in range(table[BLOCKS + 1]):
        sums = everywhere(np.float32(0))
        place = block
        for at in range(table[LIST], table[LIST] + 2 * table[CELLS], 2):
            row = first + table[at] - (depth if first + table[at] >= depth else 0)
            i = histograms + (row * n_columns + table[at + 1]) * cell
            for part in range(0, cell, LANES):
                numbers = load(work, np.uintp(i + part))
                store(work, np.uintp(place), numbers)
                sums = multiply_add(numbers, numbers, sums) if norm >= L2 else sums + numbers
                place += LANES
        histograms += step
        factor = _factor(total(sums), norm, constants[0], constants[1])
        if norm == L2_HYS:
            sums = everywhere(np.float32(0))
            for at in range(block, end, LANES):
                numbers = least(load(work, np.uintp(at)) * everywhere(factor), limit)
                store(work, np.uintp(at), numbers)
                sums = multiply_add(numbers, numbers, sums)
            factor = _factor(total(sums), norm, constants[2], constants[3])
        for at in range(block, end, LANES):
            numbers = load(work, np.uintp(at)) * everywhere(factor)
            store(work, np.uintp(at), square_root(numbers) if norm == L1_SQRT else numbers)
        begin = to + column * table[STRIDES + 1]
        _list(work, block, cell, bins, out, begin, begin + table[CELLS] * bins)


@inlined
def _factor(summed: Any, norm: int, add: Any, plus: Any) -> Any:
    """Give what a block is multiplied by."""
    if norm == NONE:
        return np.float32(1)
    return np.float32(1) / ((np.sqrt(summed + add) if norm >= L2 else summed) + plus)


@inlined
def _list(work: Any, block: int, cell: int, bins: int, out: Any, to: int, end: int) -> None:
    """Write the cells of a block to ``out[to:end]`` side by side."""
    while to < end:
        for part in range(0, bins, LANES):
            i, o, n = np.uintp(block + part), np.uintp(to + part), min(bins - part, LANES)
            if n == LANES or to + part + LANES <= end:  # The next cell writes over what is too many.
                copy(work, i, out, o, 16)
                continue
            if n & 8:
                copy(work, i, out, o, 8)
                i, o = i + np.uintp(8), o + np.uintp(8)
            if n & 4:
                copy(work, i, out, o, 4)
                i, o = i + np.uintp(4), o + np.uintp(4)
            if n & 2:
                copy(work, i, out, o, 2)
                i, o = i + np.uintp(2), o + np.uintp(2)
            if n & 1:
                copy(work, i, out, o, 1)
        block += cell
        to += bins


@njit(nogil=True, cache=True, error_model="numpy")
def normalize_cells(cells: Any, constants: Any, out: Any) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by each of the four blocks of 2x2 cells around it (its own row or column
    stands in for one beyond the border) and clipped; the four are summed over.

    Parameters
    ----------
    cells : float32 array of shape (images, rows, columns, 2 n directions)
    constants : float32 array
        As in :func:`describe`.
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
