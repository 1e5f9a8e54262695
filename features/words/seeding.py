"""First words for k-means: k-means++ on a sample, then passes with momentum over larger ones."""

from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel
from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks

from .blocks import DescriptorBlocks
from .distances import DoubleArray
from .kmeans import assign, means

__all__ = ["first_words", "kmeans_plusplus"]

ROWS_TO_CHOOSE_FROM = 8  # Rows a word of the sample that k-means++ chooses from.
STAGES = ((64, 6), (256, 5))  # Rows a word of a sample, and passes over it.
MOMENTUM = 0.9
STRIP = 1024  # Rows whose distances are summed up in the first cache.


def first_words(
    data: DescriptorBlocks, n_words: int, random: np.random.RandomState, map_: Any
) -> FloatArray:
    """Find words near which Lloyd's algorithm has little left to do.

    Words are chosen by k-means++ from 8 descriptors a word, then moved by 6 passes over 64
    descriptors a word and 5 over 256 (each sample holds the one before; fewer if there are fewer).
    Growing samples are the idea of Bradley & Fayyad (Refining initial points for k-means
    clustering, 1998). A pass is one iteration of Lloyd's, except that the words move on from the
    means by 0.9 of the means' last move (Polyak's momentum, 1964) while the objective falls
    (restarts: O'Donoghue & Candes, 2015).

    Parameters
    ----------
    data : DescriptorBlocks of at least n_words descriptors
    n_words : int
    random : numpy.random.RandomState
    map_ : callable
        From :func:`visualwords.threads.worker_threads`.

    Returns
    -------
    ndarray of shape (n_words, d), float32
    """
    size = min(data.n_rows, STAGES[-1][0] * n_words)
    generator = np.random.default_rng(random.randint(2**31, size=4))
    order = generator.choice(data.n_rows, size, replace=False)
    candidates = data.take(np.sort(order[: ROWS_TO_CHOOSE_FROM * n_words]))
    words = kmeans_plusplus(candidates, generator.random(n_words))
    last: FloatArray | None = None
    for rows_a_word, n_passes in STAGES:
        rows = order[: rows_a_word * n_words]
        sample = data
        if len(rows) < data.n_rows:
            sample = DescriptorBlocks(data.take(np.sort(rows)))
        words, last = _accelerated(sample, words, last, n_passes, map_)
    return words if last is None else last


def _accelerated(
    data: DescriptorBlocks, words: FloatArray, last: FloatArray | None, n_passes: int, map_: Any
) -> tuple[FloatArray, FloatArray | None]:
    """Move the words by passes with momentum; give the words and the means that they left."""
    labels = np.empty(data.n_rows, np.int32)
    best = np.inf
    for _ in range(n_passes):
        sums, counts = assign(data, words, map_, labels, np.empty(0, np.float64))
        # The sum of squared distances, less that of the descriptors' squares, which is constant.
        squares = np.einsum("ij,ij->i", words, words, dtype=np.float64)
        objective = counts @ squares - 2 * np.einsum("ij,ij->", sums, words)
        now = means(words if last is None else last, sums, counts)
        words = now
        if last is not None and objective < best:
            words = now + np.float32(MOMENTUM) * (now - last)
        best = min(best, objective)
        last = now
    return words, last


def kmeans_plusplus(rows: FloatArray, draws: npt.NDArray[np.float64]) -> FloatArray:
    """Choose words among the rows by k-means++ (Arthur & Vassilvitskii, 2007).

    The first word is a row drawn uniformly, every next one a row drawn with a probability
    proportional to its squared distance to the nearest word so far.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    draws : ndarray of shape (n_words,), float64
        A uniform draw from [0, 1) for every word.

    Returns
    -------
    ndarray of shape (n_words, d), float32

    Raises
    ------
    ValueError
        If a row has a value that is not finite.

    Examples
    --------
    >>> rows = np.array([[0, 0], [5, 5], [0, 0]], np.float32)
    >>> kmeans_plusplus(rows, np.array([0.5, 0.7]))
    array([[5., 5.],
           [0., 0.]], dtype=float32)
    """
    if not np.isfinite(rows).all():
        raise ValueError("the descriptors have NaN or infinity in float32; give finite values only")
    blocks = row_blocks(len(rows), STRIP)
    strips = [np.ascontiguousarray(rows[block].T) for block in blocks]
    squared, total = np.full(len(rows), np.inf), np.empty(STRIP)
    chosen = [int(draws[0] * len(rows))]
    for draw in draws[1:]:
        for block, strip in zip(blocks, strips, strict=True):
            _lower(strip, rows[chosen[-1]], squared[block], total)
        cumulative = np.cumsum(squared)
        choice = np.searchsorted(cumulative, draw * cumulative[-1], side="right")
        chosen.append(min(int(choice), len(rows) - 1))
    return rows[chosen]


@kernel
def _lower(columns: FloatArray, word: FloatArray, squared: DoubleArray, total: DoubleArray) -> None:
    """Lower the least squared distances of rows, given as columns, by those to a new word."""
    d, n = columns.shape
    for r in range(n):
        total[r] = 0
    for i in range(d):
        value = np.float64(word[i])
        for r in range(n):
            difference = columns[i, r] - value
            total[r] += difference * difference
    for r in range(n):
        squared[r] = total[r] if total[r] < squared[r] else squared[r]
