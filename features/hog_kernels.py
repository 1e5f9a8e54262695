"""Compiled loops of HOG, third part: histograms -> descriptors, and the whole."""

from typing import Any

import numpy as np

from visualwords.compiling import inlined, inner, kernel, multiply_add

from .hog_pixels import load_rows, vote_hard, vote_soft
from .hog_pooling import pool_columns, pool_rows_hard, pool_rows_soft
from .lanes import (
    LANES,
    copy,
    everywhere,
    keep,
    least,
    load,
    moved,
    pointer,
    square_root,
    store,
    total,
)

__all__ = ["SETTINGS", "describe", "normalize_cells"]

# Places in the table of settings, the first of two where they are of rows and columns: the image's
# size; channels; whether to take square roots; number of bins; half turns they cover; ends of bins;
# norm; number of windows; number of blocks; from one block to the next in windows, and in numbers
# of a descriptor; rows of windows in a block, and cells; rows of votes that are kept. Then where
# things are: groups of windows, and how many; columns of windows; cells of a block; in the working
# memory the sums of rows for a group's first and second window, histograms, a block and votes; its
# size; of it the numbers of a row of pixels, and of a histogram; numbers of a descriptor.
IMAGE, CHANNELS, ROOT, BINS, TURN, ENDS, NORM = 0, 2, 3, 4, 5, 6, 7
WINDOWS, BLOCKS, STEP = 8, 10, 12
STRIDES, DEPTH, CELLS, RING, GROUPS, N_GROUPS, COLUMNS, LIST = 14, 16, 17, 18, 19, 20, 21, 22
SUMS, MORE, HISTOGRAMS, BLOCK, VOTES, SIZE, ROOM, CELL, LENGTH, SETTINGS = range(23, 33)
ANGLES = 5  # where they begin in the constants, after those of the norm
BAND = 16  # rows that are loaded, and then vote, at a time
L1, L1_SQRT, L2, L2_HYS, NONE = range(5)


@kernel
def describe(pixels: Any, table: Any, constants: Any, ends: Any, out: Any) -> None:
    """Write the descriptors of images, or the histograms of their cells, to ``out``.

    Parameters
    ----------
    pixels : uint8 or float32 array
        Images of shape (rows, columns, channels), their axes run together; if they have fewer
        columns than LANES, as many numbers more as these have channels.
    table : int64 array
        Settings. Of each group of windows: its first row of pixels, the row behind its last, and
        where its weights are in the constants. Of each column of windows: what pool_columns says.
        Of each cell of a block, in the order of the descriptor: its row and column of windows.
    constants : float32 array
        The numbers that the norm needs; those of :func:`.vote_soft`; weights.
    ends : float32 array or None
        As in :func:`.vote_hard`. None: votes are shared between bins, and windows go by two.
    out : float32 array
        Their numbers, image after image.
    """
    source, target = pointer(pixels), pointer(out)
    settings, numbers = pointer(table), pointer(constants)
    rows, columns, channels, root = table[IMAGE], table[IMAGE + 1], table[CHANNELS], table[ROOT]
    bins, turn, ring, n_columns = table[BINS], table[TURN], table[RING], table[WINDOWS + 1]
    sums, more, votes, room, cell = table[SUMS], table[MORE], table[VOTES], table[ROOM], table[CELL]
    memory = np.empty(table[SIZE], np.float32)
    work = pointer(memory)
    # What lies beyond rows and bins has no weight, but must be numbers.
    for at in range(0, votes, LANES):
        store(work, np.uintp(at), everywhere(np.float32(0)))
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
                    work, votes, ring, start, end, numbers, weights, bins, sums, more, room
                )
            else:
                pool_rows_hard(work, votes, ring, start, end, numbers, weights, bins, sums, room)
            for pooled in range(sums, table[HISTOGRAMS], more - sums):
                if window < table[WINDOWS]:
                    begin = table[HISTOGRAMS] + slot * n_columns * cell
                    pool_columns(
                        work, pooled, room, bins, settings, table[COLUMNS], n_columns, numbers,
                        begin, cell,
                    )  # fmt: skip
                    window, slot = window + 1, slot + 1 if slot + 1 < table[DEPTH] else 0
                if window == complete:
                    _write_blocks(work, slot, settings, numbers, target, to)
                    complete, to = complete + table[STEP], to + table[STRIDES]
        source = moved(source, rows * columns * channels)
    keep(memory)


@inner
def _write_blocks(work: Any, first: int, table: Any, constants: Any, out: Any, to: int) -> None:
    """Normalise and write a row of blocks; ``first`` is where the first of its histograms are."""
    bins, norm, depth, n_columns = table[BINS], table[NORM], table[DEPTH], table[WINDOWS + 1]
    histograms, block, cell = table[HISTOGRAMS], table[BLOCK], table[CELL]
    step, end = table[STEP + 1] * cell, block + table[CELLS] * cell
    size, limit = table[CELLS] * bins, everywhere(constants[4])
    for _ in range(table[BLOCKS + 1]):
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
        _write_block(work, block, factor, norm == L1_SQRT, bins, out, to, to + size)
        to += table[STRIDES + 1]


@inlined
def _factor(summed: Any, norm: int, add: Any, plus: Any) -> Any:
    """Give what a block is multiplied by."""
    if norm == NONE:
        return np.float32(1)
    return np.float32(1) / ((np.sqrt(summed + add) if norm >= L2 else summed) + plus)


@inlined
def _write_block(
    work: Any, place: int, factor: Any, root: bool, bins: int, out: Any, to: int, end: int
) -> None:
    """Write the histograms of a block, times ``factor``, to ``out[to:end]`` side by side."""
    for cell in range(to, end, bins):
        for at in range(cell, cell + bins, LANES):
            numbers = load(work, np.uintp(place)) * everywhere(factor)
            numbers = square_root(numbers) if root else numbers
            if at + LANES <= end:  # The next cell writes over what is too many.
                store(out, np.uintp(at), numbers)
            else:
                store(work, np.uintp(place), numbers)
                _copy_few(work, np.uintp(place), out, np.uintp(at), end - at)
            place += LANES


@inlined
def _copy_few(source: Any, i: Any, target: Any, o: Any, n: int) -> None:
    """Copy less than LANES numbers."""
    if n & 8:
        copy(source, i, target, o, 8)
        i, o = i + np.uintp(8), o + np.uintp(8)
    if n & 4:
        copy(source, i, target, o, 4)
        i, o = i + np.uintp(4), o + np.uintp(4)
    if n & 2:
        copy(source, i, target, o, 2)
        i, o = i + np.uintp(2), o + np.uintp(2)
    if n & 1:
        copy(source, i, target, o, 1)


@kernel
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
