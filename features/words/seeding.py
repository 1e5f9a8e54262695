"""First words for k-means: chosen from a sample, then moved by quick passes over larger samples."""

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_choice
from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray
from visualwords.threads import Map, row_blocks

from .blocks import DescriptorBlocks
from .distances import DoubleArray, check_finite
from .kmeans import add_rows, assign, means

__all__ = ["INITS", "draw_rows", "first_words", "kmeans_plusplus"]

IndexArray = npt.NDArray[np.int64]
INITS = ("k-means++", "partition")
ROWS_TO_CHOOSE_FROM = 7  # Rows a word of the sample that k-means++ chooses from,
LEAST_ROWS = 7168  # but at least so many.
# Rows a word of a sample, and passes over it.
STAGES = {"k-means++": ((64, 5), (128, 3), (256, 3)), "partition": ((256, 10),)}
MOST_ROWS = 256
ROWS_OF_A_MEAN = 64
MOMENTUM = 0.9
STRIP = 64  # Rows that stay, with their distances to four trials, in the first caches.
STRIPS_PER_TASK = 128
AT_ONCE = 4  # Trials whose distances are computed together.


def first_words(
    data: DescriptorBlocks, n_words: int, init: str, generator: np.random.Generator, map_: Map
) -> FloatArray:
    """Return words that are close to a local optimum of k-means.

    "k-means++": greedy k-means++ chooses the words from a sample of 7 descriptors a word, at least
    7168 (:func:`draw_rows`, :func:`kmeans_plusplus`). Then 5 passes over 64 descriptors a word, 3
    passes over 128 and 3 passes over 256 move the words. These samples are uniform, and a larger
    one contains the smaller ones (Bradley & Fayyad, Refining initial points for k-means clustering,
    1998).

    "partition": descriptors are dealt out at random, at most 64 to a word, and every word is the
    mean of its own (Hamerly & Elkan, Alternatives to the k-means algorithm that find better
    clusterings, 2002). Then 10 passes over 256 descriptors a word move the words. None of them
    begins at an outlier, which would stay a word of its own.

    Parameters
    ----------
    data : DescriptorBlocks of at least n_words descriptors
    n_words : int
    init : {"k-means++", "partition"}
    generator : numpy.random.Generator
    map_ : callable
        From :func:`visualwords.threads.worker_threads`.

    Returns
    -------
    ndarray of shape (n_words, d), float32
    """
    check_choice("init", init, INITS)
    if init == "k-means++":
        words = _spread_rows(data, n_words, generator, map_)
    else:
        words = _means_of_shares(data, n_words, generator)
    order = generator.permutation(data.n_rows)[: MOST_ROWS * n_words]
    last: FloatArray | None = None
    drawn: list[FloatArray] = []
    for rows_a_word, n_passes in STAGES[init]:
        sample, n_rows = data, rows_a_word * n_words
        if n_rows < data.n_rows:
            drawn.append(data.take(np.sort(order[sum(map(len, drawn)) : n_rows])))
            sample = DescriptorBlocks(drawn)
        words, last = _accelerated(sample, words, last, n_passes, map_)
    return words if last is None else last


def _spread_rows(
    data: DescriptorBlocks, n_words: int, generator: np.random.Generator, map_: Map
) -> FloatArray:
    """Return descriptors that are far from each other, chosen by k-means++."""
    rows, weights = draw_rows(data, max(LEAST_ROWS, ROWS_TO_CHOOSE_FROM * n_words), generator)
    candidates = data.take(rows)
    check_finite(-1 if np.isfinite(candidates).all() else 0)
    return kmeans_plusplus(candidates, weights, n_words, generator, map_)


def _means_of_shares(
    data: DescriptorBlocks, n_words: int, generator: np.random.Generator
) -> FloatArray:
    """Return the means of equal shares of a random sample."""
    share = min(ROWS_OF_A_MEAN, data.n_rows // n_words)
    drawn = generator.permutation(data.n_rows)[: share * n_words]
    order = np.argsort(drawn)
    rows = data.take(drawn[order])
    check_finite(-1 if np.isfinite(rows).all() else 0)
    sums = np.zeros((n_words, data.n_columns))
    add_rows(rows, (order // share).astype(np.int32), sums, np.zeros(n_words, np.int64))
    return (sums / share).astype(np.float32)


def draw_rows(
    data: DescriptorBlocks, n_draws: int, generator: np.random.Generator
) -> tuple[IndexArray, DoubleArray]:
    """Draw weighted rows that stand for all descriptors: a lightweight coreset.

    A row ``x`` is drawn with the probability ``q(x) = 1 / (2 n) + d(x)^2 / (2 sum d^2)``, where
    ``d`` is the distance to the mean of the descriptors, so that outliers are not missed. Its
    weight is the number of its draws divided by ``n_draws q(x)`` (Bachem, Lucic & Krause, Scalable
    k-means clustering via lightweight coresets, 2018). The draws are stratified: draw ``i`` falls
    into the interval ``i`` of ``n_draws`` equal ones of the cumulative probability.

    Parameters
    ----------
    data : DescriptorBlocks of n descriptors
    n_draws : int
        If this is n or more, every row is taken once, with weight 1.
    generator : numpy.random.Generator

    Returns
    -------
    rows : ndarray of shape (m,), int64
        In ascending order, without repetition; m is at most ``n_draws``.
    weights : ndarray of shape (m,), float64
    """
    n = data.n_rows
    if n <= n_draws:
        return np.arange(n), np.ones(n)
    sums, counts = np.zeros((1, data.n_columns)), np.zeros(1, np.int64)
    for _, block in data:
        add_rows(block, np.zeros(len(block), np.int32), sums, counts)
    squares = np.empty(n)
    for start, block in data:
        _distances_to(block, sums[0] / n, squares[start : start + len(block)])
    total = squares.sum()
    check_finite(0 if np.isnan(total) else -1)
    q = np.full(n, 1 / n) if total == 0 else 0.5 / n + 0.5 * squares / total
    cumulative = np.cumsum(q)
    places = (np.arange(n_draws) + generator.random(n_draws)) / n_draws * cumulative[-1]
    drawn = np.minimum(np.searchsorted(cumulative, places, side="right"), n - 1)
    rows, times = np.unique(drawn, return_counts=True)
    return rows, times / (n_draws * q[rows])


@kernel
def _distances_to(rows: FloatArray, point: DoubleArray, squares: DoubleArray) -> None:
    """Fill the squared distances of rows to a point."""
    for r in range(len(rows)):
        squares[r] = 0
        for i in range(len(point)):
            difference = rows[r, i] - point[i]
            squares[r] += difference * difference


def _accelerated(
    data: DescriptorBlocks, words: FloatArray, last: FloatArray | None, n_passes: int, map_: Map
) -> tuple[FloatArray, FloatArray | None]:
    """Move the words by passes with momentum; return the words and the means of the last pass.

    A pass is an iteration of Lloyd's algorithm, but while the objective falls, the words move on
    from the means by 0.9 of the means' last move (Polyak's momentum, 1964; restarts: O'Donoghue &
    Candes, 2015). ``last`` are the means of the pass before, if there was one.
    """
    labels = np.empty(data.n_rows, np.int32)
    best = np.inf
    for _ in range(n_passes):
        sums, counts = assign(data, words, map_, labels, np.empty(0, np.float64))
        # The sum of squared distances less the sum of the descriptors' squares, a constant.
        squares = np.einsum("ij,ij->i", words, words, dtype=np.float64)
        objective = counts @ squares - 2 * np.einsum("ij,ij->", sums, words)
        now = means(words if last is None else last, sums, counts)
        words = now
        if last is not None and objective < best:
            words = now + np.float32(MOMENTUM) * (now - last)
        best = min(best, objective)
        last = now
    return words, last


def kmeans_plusplus(
    rows: FloatArray,
    weights: DoubleArray,
    n_words: int,
    generator: np.random.Generator,
    map_: Map = map,
) -> FloatArray:
    """Return words that greedy k-means++ chooses among rows.

    The first word is a row ``x`` drawn in proportion to its weight ``w(x)``. For every next word,
    ``2 + floor(log n_words)`` rows are drawn in proportion to ``w(x) D(x)^2``, where ``D`` is the
    distance to the nearest word so far, and the row that leaves the least
    ``sum_x w(x) D(x)^2`` becomes the word (Arthur & Vassilvitskii, k-means++: the advantages of
    careful seeding, 2007, section 6). Of equals the first draw wins.

    Distances are float32 sums of the rows less their mean, divided by their largest number, so
    they neither overflow nor lose a common offset.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
        Finite values.
    weights : ndarray of shape (n,), float64
        Positive.
    n_words : int
    generator : numpy.random.Generator
    map_ : callable
        From :func:`visualwords.threads.worker_threads`.

    Returns
    -------
    ndarray of shape (n_words, d), float32

    Examples
    --------
    >>> rows = np.array([[0, 0], [5, 5], [0, 0]], np.float32)
    >>> words = kmeans_plusplus(rows, np.ones(3), 2, np.random.default_rng(0))
    >>> np.sort(words, axis=0)
    array([[0., 0.],
           [5., 5.]], dtype=float32)
    """
    n, n_trials = len(rows), 2 + int(np.log(n_words))
    n_slots = -(-n_trials // AT_ONCE) * AT_ONCE  # Trials are repeated to fill them.
    centred = _centred(rows)
    strips = np.zeros((-(-n // STRIP), rows.shape[1], STRIP), np.float32)
    for strip, block in zip(strips, row_blocks(n, STRIP), strict=True):
        strip[:, : block.stop - block.start] = centred[block].T
    # Rows that fill up the last strip have the weight 0.
    padded = np.zeros((len(strips), STRIP))
    padded.reshape(-1)[:n] = weights
    least, cumulative = np.full(padded.shape, np.inf, np.float32), np.empty(padded.shape)
    squared = np.empty((len(strips), n_slots, STRIP), np.float32)
    tasks = row_blocks(len(strips), STRIPS_PER_TASK)
    chosen: list[int] = []
    trials = _draw(np.cumsum(weights), generator.random(1))
    for _ in range(n_words):
        rows_tried = centred[np.resize(trials, n_slots)]

        def attempt(task: slice, tried: FloatArray = rows_tried) -> DoubleArray:
            sums = np.zeros((len(tried), STRIP))
            _try(strips[task], tried, padded[task], least[task], squared[task], sums)
            return sums

        potentials = np.sum(list(map_(attempt, tasks)), axis=(0, 2))
        best = int(potentials.argmin())
        chosen.append(int(trials[best % len(trials)]))
        _keep(best, squared, padded, least, cumulative)
        trials = _draw(cumulative.reshape(-1)[:n], generator.random(n_trials))
    return rows[chosen]


def _centred(rows: FloatArray) -> FloatArray:
    """Return the rows less their mean, divided by the largest number that is left."""
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    return (centred / (np.abs(centred).max() or 1.0)).astype(np.float32)


def _draw(cumulative: DoubleArray, uniform: DoubleArray) -> IndexArray:
    """Return the indices where uniform draws from [0, 1) fall among cumulative weights."""
    drawn = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return np.minimum(drawn, len(cumulative) - 1)


@kernel(fastmath={"contract"})  # Lets the processor multiply and add at once.
def _try(
    strips: FloatArray,
    trials: FloatArray,
    weights: DoubleArray,
    least: FloatArray,
    squared: FloatArray,
    sums: DoubleArray,
) -> None:
    """Compute what the sum of weighted squared distances would be with each of several new words.

    Parameters
    ----------
    strips : ndarray of shape (n_strips, d, STRIP)
        Rows, transposed strip by strip.
    trials : ndarray of shape (n_trials, d)
        Candidates for the new word, a multiple of AT_ONCE.
    weights, least : ndarray of shape (n_strips, STRIP)
        Of every row: its weight and its squared distance to the nearest word so far.
    squared : ndarray of shape (n_strips, n_trials, STRIP)
        Filled with the squared distances of rows and trials.
    sums : ndarray of shape (n_trials, STRIP)
        Raised by the new weighted distances; the sum over a row is a trial's result.
    """
    n_strips, d, size = strips.shape
    fours = d // 4 * 4
    for s in range(n_strips):
        x, weight, nearest = strips[s], weights[s], least[s]
        for t in range(0, len(trials), AT_ONCE):
            # The trials are a, b, c and e; d is the number of columns.
            a, b, c, e = trials[t], trials[t + 1], trials[t + 2], trials[t + 3]
            to_a, to_b = squared[s, t], squared[s, t + 1]
            to_c, to_e = squared[s, t + 2], squared[s, t + 3]
            squared[s, t : t + AT_ONCE] = 0
            # Four trials and four columns at a time: a number is loaded once for four differences,
            # a sum is loaded and stored once for four.
            for i in range(0, fours, 4):
                a0, a1, a2, a3 = a[i], a[i + 1], a[i + 2], a[i + 3]
                b0, b1, b2, b3 = b[i], b[i + 1], b[i + 2], b[i + 3]
                c0, c1, c2, c3 = c[i], c[i + 1], c[i + 2], c[i + 3]
                e0, e1, e2, e3 = e[i], e[i + 1], e[i + 2], e[i + 3]
                for r in range(size):
                    x0, x1, x2, x3 = x[i, r], x[i + 1, r], x[i + 2, r], x[i + 3, r]
                    to_a[r] = _add_squares(to_a[r], x0 - a0, x1 - a1, x2 - a2, x3 - a3)
                    to_b[r] = _add_squares(to_b[r], x0 - b0, x1 - b1, x2 - b2, x3 - b3)
                    to_c[r] = _add_squares(to_c[r], x0 - c0, x1 - c1, x2 - c2, x3 - c3)
                    to_e[r] = _add_squares(to_e[r], x0 - e0, x1 - e1, x2 - e2, x3 - e3)
            for i in range(fours, d):
                for r in range(size):
                    to_a[r] += (x[i, r] - a[i]) ** 2
                    to_b[r] += (x[i, r] - b[i]) ** 2
                    to_c[r] += (x[i, r] - c[i]) ** 2
                    to_e[r] += (x[i, r] - e[i]) ** 2
        for t in range(len(trials)):
            total, left = squared[s, t], sums[t]
            for r in range(size):
                left[r] += weight[r] * min(total[r], nearest[r])


@inlined(fastmath={"contract"})
def _add_squares(
    total: np.float32, a: np.float32, b: np.float32, c: np.float32, e: np.float32
) -> np.float32:
    """Add four squares to a total, one after the other."""
    return total + a * a + b * b + c * c + e * e


@kernel
def _keep(
    trial: int,
    squared: FloatArray,
    weights: DoubleArray,
    least: FloatArray,
    cumulative: DoubleArray,
) -> None:
    """Make a trial a word: lower the least distances, and sum them, weighted, row by row.

    ``cumulative``, of the shape of ``weights``, is filled; the others are as in :func:`_try`.
    """
    total = 0.0
    for s in range(len(least)):
        for r in range(least.shape[1]):
            least[s, r] = min(least[s, r], squared[s, trial, r])
            total += weights[s, r] * least[s, r]
            cumulative[s, r] = total
