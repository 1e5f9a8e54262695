"""Lloyd's algorithm for descriptors that are read block by block."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel
from visualwords.features.image import FloatArray
from visualwords.threads import Map, row_blocks

from .blocks import DescriptorBlocks
from .distances import MATH, DoubleArray, IntArray
from .search import WordSearch

__all__ = ["Clusters", "CountArray", "assign", "fill_empty", "lloyd", "means"]

ROWS_PER_TASK = 1024
NO_DISTANCES = np.empty(0, np.float64)

CountArray = npt.NDArray[np.int64]


class Clusters(NamedTuple):
    """What :func:`lloyd` finds.

    Attributes
    ----------
    words : ndarray of shape (n_words, d), float32
    counts : ndarray of shape (n_words,), int64
        Descriptors of every word.
    labels : ndarray of shape (n,), int32
        Word of every descriptor.
    history : list of float
        Sum of squared distances before every iteration and at the end.
    """

    words: FloatArray
    counts: CountArray
    labels: IntArray
    history: list[float]


def lloyd(
    data: DescriptorBlocks,
    words: FloatArray,
    max_iter: int,
    tol: float,
    map_: Map,
    report: Callable[[int, float], None],
) -> Clusters:
    """Run Lloyd's algorithm from given words.

    An iteration gives every descriptor to its nearest word and moves every word to the mean of its
    descriptors. A word without descriptors moves to the descriptor that is farthest from its word.

    Parameters
    ----------
    data : DescriptorBlocks
    words : ndarray of shape (n_words, d), float32
    max_iter : int
        Most iterations.
    tol : float
        Iterations end when one lowers the inertia by no more than this share of it.
    map_ : callable
        From :func:`visualwords.threads.worker_threads`.
    report : callable
        Is called with the number of iterations so far and the mean squared distance.
    """
    labels = np.empty(data.n_rows, np.int32)
    distances = np.empty(data.n_rows, np.float64)
    history: list[float] = []
    for n_iter in count():
        sums, counts = assign(data, words, map_, labels, distances)
        history.append(float(distances.sum()))
        report(n_iter, history[-1] / data.n_rows)
        stands = len(history) > 1 and history[-2] - history[-1] <= tol * history[-2]
        if n_iter == max_iter or stands:
            break
        fill_empty(data, sums, counts, labels, distances)
        words = means(words, sums, counts)
    return Clusters(words, counts, labels, history)


def assign(
    data: DescriptorBlocks,
    words: FloatArray,
    map_: Map,
    labels: IntArray,
    distances: DoubleArray,
) -> tuple[DoubleArray, CountArray]:
    """Find the nearest word of every descriptor and sum each word's descriptors.

    The threads search. The calling thread sums in float64 and in the order of the descriptors, so
    the sums have the same bits for any number of threads and any cut into blocks.

    Parameters
    ----------
    data : DescriptorBlocks of n descriptors
    words : ndarray of shape (n_words, d), float32
    map_ : callable
        From :func:`visualwords.threads.worker_threads`.
    labels : ndarray of shape (n,), int32
        Filled with the nearest words.
    distances : ndarray of shape (n,) or (0,), float64
        Filled with the squared distances; an empty array saves their computation.

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
            add_rows(block[rows], ids, sums, counts)
    return sums, counts


def _find(
    search: WordSearch, block: FloatArray, labels: IntArray, distances: DoubleArray, rows: slice
) -> tuple[slice, IntArray]:
    """Search for some rows of a block; return the rows and their words."""
    search.fill(block[rows], labels[rows], NO_DISTANCES)
    if len(distances) > 0:
        fill_distances(block[rows], search.prepared.words, labels[rows], distances[rows])
    return rows, labels[rows]


@kernel(fastmath=MATH)
def fill_distances(
    rows: FloatArray, words: FloatArray, labels: IntArray, distances: DoubleArray
) -> None:
    """Fill the squared distances of rows to their words, in float64.

    The distances that the search gives differ in the last bits: the search sums in a fixed order,
    which takes three times as long.
    """
    for r in range(len(rows)):
        word, total = labels[r], 0.0
        for i in range(rows.shape[1]):
            difference = np.float64(rows[r, i]) - np.float64(words[word, i])
            total += difference * difference
        distances[r] = total


@kernel
def add_rows(rows: FloatArray, labels: IntArray, sums: DoubleArray, counts: CountArray) -> None:
    """Add rows to the sums and the counts of their words."""
    for r in range(len(rows)):
        word = labels[r]
        counts[word] += 1
        for i in range(rows.shape[1]):
            sums[word, i] += rows[r, i]


def means(words: FloatArray, sums: DoubleArray, counts: CountArray) -> FloatArray:
    """Return the mean of every word's descriptors; a word without descriptors stays.

    Returns
    -------
    ndarray of shape (n_words, d), float32
    """
    moved = words.copy()
    filled = counts > 0
    moved[filled] = sums[filled] / counts[filled, np.newaxis]
    return moved


def fill_empty(
    data: DescriptorBlocks,
    sums: DoubleArray,
    counts: CountArray,
    labels: IntArray,
    distances: DoubleArray,
) -> None:
    """Give every word without descriptors the descriptor that is farthest from its own word.

    Of equal distances the first descriptor counts. A descriptor that lies on its word does not
    move, so a word stays empty if there are fewer distinct descriptors than words. ``sums`` and
    ``counts`` are changed in place.
    """
    empty = np.flatnonzero(counts == 0)
    if len(empty) == 0:
        return
    farthest = np.argsort(-distances, kind="stable")[: len(empty)]
    farthest = farthest[distances[farthest] > 0]
    order = np.argsort(farthest)
    rows = data.take(farthest[order])
    for word, source, row in zip(empty[order], labels[farthest[order]], rows, strict=True):
        sums[source] -= row
        counts[source] -= 1
        sums[word] = row
        counts[word] = 1
