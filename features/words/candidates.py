"""The words that may be the nearest ones of a row, by bounds and estimates: :mod:`.search`."""

import numpy as np

from visualwords.compiling import part
from visualwords.features.image import FloatArray
from visualwords.simd import LANES, flags_below, lowest_bit

from .bounds import SMALL, Prepared, Scratch
from .distances import IntArray, estimate
from .int16 import FOLD

__all__ = ["drop_far", "farthest_of_tried", "highest_product", "list_all", "list_near"]

LAST = np.int32(FOLD - 1)  # The bits of a product that say which of its lane's words it is of.
NO_WORD = np.int32(2**31 - FOLD)  # Products of words are less.
HIGHEST = 2.0**31 - 1 - 2 * FOLD
FLAGS = 64  # Lanes that are looked through at a time, a bit each
BITS = 32  # A key holds a product and, in its lowest bits, a lane.
NO_KEY, LANE = np.int64(2**63 - 1), np.int64(2**BITS - 1)


@part
def farthest_of_tried(
    rows: FloatArray, row: int, words: FloatArray, products: IntArray, r: int, k: int
) -> np.float32:
    """Return the largest estimate among the words of least bound of the ``k`` best lanes.

    It is infinite if there are fewer lanes that have words.
    """
    n_lanes = products.shape[1]
    farthest, key = np.float32(0), -NO_KEY
    for _ in range(k):
        key = _next_key(products, r, key)
        product, lane = np.int32(key >> BITS), key & LANE
        if key == NO_KEY or product >= NO_WORD:
            return np.float32(np.inf)
        word = lane + (product & LAST) * n_lanes
        farthest = max(farthest, estimate(rows, row, words, word))
    return farthest


@part
def _next_key(products: IntArray, r: int, after: int) -> np.int64:
    """Return the least key of row ``r`` above another: a key is a lane's product, then the lane."""
    least = NO_KEY
    for lane in range(products.shape[1]):
        key = (np.int64(products[r, lane]) << BITS) | lane
        least = min(least, key if key > after else NO_KEY)
    return least


@part
def highest_product(farthest: float, known: Prepared, made: Scratch, r: int) -> float:
    """Return the product at which the lower bound of row ``r`` is ``farthest``, an estimate.

    The bound is ``squares - margins + units * product``; see :mod:`.bounds`.
    """
    distance = farthest * (1 + 2 * known.rounding) + SMALL
    return (distance - made.squares[r] + made.margins[r]) / made.units[r]


@part
def list_all(near: IntArray, n_words: int) -> int:
    """List all words. Return their number."""
    for word in range(n_words):
        near[word] = word
    return n_words


@part
def list_near(ceiling: float, made: Scratch, r: int, n_words: int, near: IntArray) -> int:
    """List the words whose product may not be over the ceiling. Return their number.

    If both products of a lane are below it, the other words of the lane may be too: all are listed.
    """
    n_lanes = made.least.shape[1]
    highest = np.int32(min(ceiling + 1, HIGHEST))
    end, n = np.int32((highest | LAST) + 1), 0
    for first in range(0, n_lanes, FLAGS):
        found = np.uint64(0)
        for lane in range(first, min(first + FLAGS, n_lanes), LANES):
            found |= flags_below(made.least, r * n_lanes + lane, end) << np.uint64(lane - first)
        while found > 0:
            lane = first + lowest_bit(found)
            found &= found - np.uint64(1)
            nearest = lane + (made.least[r, lane] & LAST) * n_lanes
            near[n] = nearest
            n += 1
            if made.second[r, lane] < end:
                for word in range(lane, n_words, n_lanes):
                    near[n] = word
                    n += word != nearest
    return n


@part
def drop_far(
    rows: FloatArray,
    row: int,
    known: Prepared,
    farthest: float,
    near: IntArray,
    n: int,
    estimates: FloatArray,
    k: int,
) -> int:
    """Keep the listed words that may be among the ``k`` nearest. Return their number.

    The ``k`` nearest words are no farther than ``farthest``, an estimate, and no farther than the
    k-th least of the estimates that are left.
    """
    for i in range(n):
        estimates[i] = estimate(rows, row, known.words, near[i])
    n = _keep_up_to(_highest_estimate(farthest, known.rounding), near, estimates, n)
    reach = _kth_least(estimates, n, k)
    return _keep_up_to(_highest_estimate(reach, known.rounding), near, estimates, n)


@part
def _highest_estimate(of_another: float, rounding: float) -> float:
    """Return the highest estimate of a word that may be as near as a word of this estimate."""
    return (of_another + SMALL) * (1 + 3 * rounding) + SMALL


@part
def _keep_up_to(ceiling: float, near: IntArray, estimates: FloatArray, n: int) -> int:
    """Keep the listed words whose estimate is at most ``ceiling``. Return their number."""
    kept = 0
    for i in range(n):
        near[kept], estimates[kept] = near[i], estimates[i]
        kept += estimates[kept] <= ceiling
    return kept


@part
def _kth_least(numbers: FloatArray, n: int, k: int) -> float:
    """Return the k-th least of the different numbers among the first ``n``, or infinity.

    The numbers are not negative. If some are equal, the result is above the k-th least of all.
    """
    reach = -1.0
    for _ in range(k):
        following = np.inf
        for i in range(n):
            number = np.float64(numbers[i])
            if reach < number < following:
                following = number
        reach = following
    return reach
