"""Sums of votes in registers, vote by vote beside numpy."""

import numpy as np
import pytest
from numba import njit

from visualwords.features.hog.bins import (
    BINS_AT_ONCE,
    add_rows,
    add_votes,
    no_votes,
    share_votes,
    store_sums,
    totals,
)
from visualwords.lanes import LANES, load, load_integers, pointer, store

RNG = np.random.default_rng(0)
LOWER, UPPER, OF_A, OF_B = RNG.random((4, 5, LANES), np.float32)
GAP = 3  # numbers from the sums of a bin to those of the next


def places(bins):
    """Bins of five rows of pixels; some belong to none of the sums."""
    return RNG.integers(-1, bins + 1, (5, LANES)).astype(np.int32)


def stored(sums):
    return sums.reshape(BINS_AT_ONCE, LANES + GAP)[:, :LANES]


def test_votes_are_added_to_their_bins():
    @njit
    def call(place, votes, weights, out):
        sums = no_votes()
        for row in range(len(votes)):
            at = load_integers(pointer(place[row]), 0)
            sums = add_votes(sums, at, load(pointer(votes[row]), 0), load(pointer(weights[row]), 0))
        store_sums(pointer(out), 0, LANES + GAP, sums)

    place, out = places(BINS_AT_ONCE), np.zeros(BINS_AT_ONCE * (LANES + GAP), np.float32)
    call(place.view(np.float32), LOWER, OF_A, out)
    expected = np.zeros((BINS_AT_ONCE, LANES))
    for row, lane in np.ndindex(5, LANES):
        if 0 <= place[row, lane] < BINS_AT_ONCE:
            expected[place[row, lane], lane] += float(LOWER[row, lane]) * OF_A[row, lane]
    np.testing.assert_allclose(stored(out), expected, rtol=1e-6)


@pytest.mark.parametrize("last", [-1, BINS_AT_ONCE - 1])
def test_votes_are_shared_with_the_bin_above(last):
    """The bin below the first is the one before, or the last where bins go round."""

    @njit
    def call(place, lower, upper, of_a, of_b, below, a_out, b_out):
        a, b = no_votes(), no_votes()
        for row in range(len(lower)):
            at = load_integers(pointer(place[row]), 0)
            a, b = share_votes(
                a,
                b,
                at,
                at == load_integers(pointer(below), 0),
                load(pointer(lower[row]), 0),
                load(pointer(upper[row]), 0),
                load(pointer(of_a[row]), 0),
                load(pointer(of_b[row]), 0),
            )
        store_sums(pointer(a_out), 0, LANES + GAP, a)
        store_sums(pointer(b_out), 0, LANES + GAP, b)

    place, below = places(BINS_AT_ONCE - 1), np.full(LANES, last, np.int32)
    a, b = np.zeros((2, BINS_AT_ONCE * (LANES + GAP)), np.float32)
    call(place.view(np.float32), LOWER, UPPER, OF_A, OF_B, below.view(np.float32), a, b)
    for sums, weights in ((a, OF_A), (b, OF_B)):
        expected = np.zeros((BINS_AT_ONCE + 1, LANES))
        for row, lane in np.ndindex(5, LANES):
            at, weight = place[row, lane], float(weights[row, lane])
            if 0 <= at < BINS_AT_ONCE:
                expected[at, lane] += weight * LOWER[row, lane]
            above = 0 if at == last else at + 1 if at >= 0 else BINS_AT_ONCE
            expected[above, lane] += weight * UPPER[row, lane]
        np.testing.assert_allclose(stored(sums), expected[:-1], rtol=1e-6)


def test_weighted_rows_of_all_bins_are_summed():
    @njit
    def call(rows, weights, out):
        sums = no_votes()
        for k in range(len(weights)):
            place = k * LANES
            sums = add_rows(sums, pointer(rows), place, 5 * LANES, load(pointer(weights[k]), 0))
        store(pointer(out), 0, totals(sums))

    rows = RNG.random((BINS_AT_ONCE, 5, LANES), np.float32)
    out = np.full(LANES, np.nan, np.float32)
    call(rows.ravel(), OF_A, out)
    expected = np.zeros(LANES)
    expected[:BINS_AT_ONCE] = (rows.astype(float) * OF_A).sum(axis=(1, 2))
    np.testing.assert_allclose(out, expected, rtol=1e-6)
