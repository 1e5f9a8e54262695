"""Vectors of compiled loops beside NumPy, on this processor and as on others."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding
from numba import config, njit
from numba.core.errors import TypingError

from visualwords.simd import (
    LANES,
    TALL,
    add_pair_products,
    flags_below,
    larger,
    load,
    load_pairs,
    lowest_bit,
    smaller,
    spread,
    store_tile,
    tile_of,
)

WORDS = Path(__file__).parent / "features" / "words"
RNG = np.random.default_rng(0)
# As numba compiles for processors with vectors of 8 numbers. It runs on each that has AVX2.
# ``test_environments.py`` compiles without the instruction that multiplies pairs.
HASWELL = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2"}


@njit
def keep_two(rows, columns, starts, least, second):
    lowest = tile_of(spread(2**31 - 1))
    following = lowest
    for k in range(len(starts)):
        sums = tile_of(load(starts, k * LANES))
        sums = add_pair_products(sums, rows, 2, rows.shape[1], load_pairs(columns, 2 * k * LANES))
        following = smaller(following, larger(lowest, sums))
        lowest = smaller(lowest, sums)
    store_tile(lowest, least, 1, least.shape[1])
    store_tile(following, second, 1, second.shape[1])


def test_the_two_least_sums_of_products_of_pairs():
    n = 5
    rows = RNG.integers(-(2**15), 2**15, (TALL, 6), np.int16)
    columns = RNG.integers(-(2**15), 2**15 - 1, (n, LANES, 2), np.int16)
    starts = RNG.integers(-(2**10), 2**10, (n, LANES), np.int32)
    least, second = np.zeros((2, TALL, LANES + 2), np.int32)
    keep_two(rows, columns, starts, least, second)
    pair = rows[:, 2:4].astype(int)
    sums = np.sort(np.einsum("rp,kip->kri", pair, columns.astype(int)) + starts[:, None], axis=0)
    np.testing.assert_array_equal(least[:, 1:-1], sums[0])
    np.testing.assert_array_equal(second[:, 1:-1], sums[1])
    assert not least[:, [0, -1]].any()


@njit
def flags(numbers, place, limit):
    found = flags_below(numbers, place, limit)
    return found, lowest_bit(found)


def test_flags_say_which_numbers_are_below_a_limit():
    for shift in range(LANES):
        numbers = np.roll(np.arange(-3, LANES - 3, dtype=np.int32), shift)
        found, first = flags(np.append(np.int32(-9), numbers), 1, 2)
        assert [found >> i & 1 for i in range(LANES)] == (numbers < 2).tolist()
        assert found < 2**LANES
        assert first == np.flatnonzero(numbers < 2)[0]


@pytest.mark.parametrize(
    "array", [np.zeros(64, np.int64), np.zeros((64, 2), np.int32)[:, 0], np.zeros(64, np.float32)]
)
def test_arrays_with_gaps_or_of_another_dtype_are_refused(array):
    with pytest.raises(TypingError):
        flags(array, 0, 2)


def test_places_beyond_an_array_are_found_by_numbas_checks(monkeypatch):
    monkeypatch.setattr(config, "BOUNDSCHECK", 1)
    call = njit(lambda array, place: flags_below(array, place, 1))
    array = np.zeros(LANES + 1, np.int32)
    assert call(array, 0) == call(array, 1) == 2**LANES - 1
    for place in (2, -1):
        with pytest.raises(IndexError, match="vector out of bounds"):
            call(array, place)


@pytest.mark.skipif(
    not binding.get_host_cpu_features().get("avx2"), reason="this processor has no AVX2"
)
def test_eight_lanes():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [__file__, str(WORDS / "test_int16.py"), f"{WORDS / 'test_search.py'}::test_bits"]
    command += ["-k", "not eight_lanes"]
    environment = {**os.environ, **HASWELL}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
