"""One pass of k-means over descriptors: every one to its nearest word, the words' sums."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel
from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks

from .blocks import DescriptorBlocks
from .distances import DoubleArray, IntArray
from .search import WordSearch

__all__ = ["CountArray", "assign", "means"]

ROWS_PER_TASK = 1024

CountArray = npt.NDArray[np.int64]


def assign(
    data: DescriptorBlocks,
    words: FloatArray,
    map_: Any,
    labels: IntArray,
    distances: DoubleArray,
) -> tuple[DoubleArray, CountArray]:
    """Find the nearest word of every descriptor and add up each word's descriptors.

    The threads search; this thread adds, in float64 and in the order of the descriptors, so the
    sums are the same bits for any number of threads and any cut into blocks.

    Parameters
    ----------
    data : DescriptorBlocks of n descriptors
    words : ndarray of shape (n_words, d), float32
    map_ : callable
        From :func:`visualwords.threads.worker_threads`.
    labels : ndarray of shape (n,), int32
        Filled with the nearest words.
    distances : ndarray of shape (n,) or (0,), float64
        Filled with the squared distances, if there is room.

    Returns
    -------
    sums : ndarray of shape (n_words, d), float64
    counts : ndarray of shape (n_words,), int64
    """
    search = WordSearch(words)
    sums = np.zeros(words.shape, np.float64)
    counts = np.zeros(len(words), np.int64)
    for start, block in data:
        stop = start + len(block)
        find = partial(_find, search, block, labels[start:stop], distances[start:stop])
        for rows, ids in map_(find, row_blocks(len(block), ROWS_PER_TASK)):
            _add(block[rows], ids, sums, counts)
    return sums, counts


def _find(
    search: WordSearch, block: FloatArray, labels: IntArray, distances: DoubleArray, rows: slice
) -> tuple[slice, IntArray]:
    search.fill(block[rows], labels[rows], distances[rows])
    return rows, labels[rows]


@kernel
def _add(rows: FloatArray, labels: IntArray, sums: DoubleArray, counts: CountArray) -> None:
    for r in range(len(rows)):
        word = labels[r]
        counts[word] += 1
        for i in range(rows.shape[1]):
            sums[word, i] += rows[r, i]


def means(words: FloatArray, sums: DoubleArray, counts: CountArray) -> FloatArray:
    """Give the mean of every word's descriptors; a word without descriptors stays.

    Returns
    -------
    ndarray of shape (n_words, d), float32
    """
    moved = words.copy()
    filled = counts > 0
    moved[filled] = sums[filled] / counts[filled, np.newaxis]
    return moved
