import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from visualwords.features.words.int16 import FOLD, ROWS, as_blocks, fold, multiply
from visualwords.lanes import moved, pointer


@numba.njit
def fill(rows, n, blocks, products):
    columns = np.uintp(products.shape[1])
    for i in range(np.uintp(len(blocks))):
        block = moved(pointer(blocks), i * np.uintp(blocks[0].size))
        to = moved(pointer(products), i * np.uintp(16))
        multiply(pointer(rows), np.uintp(n), np.uintp(blocks.shape[1]), block, to, columns)


@numba.njit
def fill_folded(rows, n, blocks, starts, least, second):
    n_pairs, n_lanes = np.uintp(blocks.shape[1]), np.uintp(least.shape[1])
    for lane in range(np.uintp(0), n_lanes, np.uintp(16)):
        block = moved(pointer(blocks), lane * n_pairs * np.uintp(2))
        start, to = moved(pointer(starts), lane), moved(pointer(least), lane)
        following = moved(pointer(second), lane)
        fold(pointer(rows), np.uintp(n), n_pairs, block, start, n_lanes, to, following, n_lanes)


@pytest.mark.parametrize(("n", "depth", "columns"), [(1, 1, 1), (4, 2, 16), (7, 35, 100)])
def test_products_are_those_of_int64(n, depth, columns):
    random = np.random.default_rng(depth)
    rows = np.zeros((-(-n // ROWS) * ROWS, depth + depth % 2), np.int16)
    rows[:n, :depth] = random.integers(-5000, 5000, (n, depth))
    matrix = random.integers(-5000, 5000, (depth, columns))
    products = np.full((len(rows), -(-columns // 16) * 16), -1, np.int32)
    fill(rows, n, as_blocks(matrix), products)
    np.testing.assert_array_equal(products[:n, :columns], rows[:n, :depth].astype(int) @ matrix)
    assert not products[:, columns:].any()


@pytest.mark.parametrize(("n", "depth", "lanes"), [(1, 1, 16), (7, 34, 48), (ROWS + 1, 9, 16)])
def test_the_two_least_products_of_each_lane(n, depth, lanes):
    random = np.random.default_rng(depth)
    rows = np.zeros((-(-n // ROWS) * ROWS, depth + depth % 2), np.int16)
    rows[:n, :depth] = random.integers(-5000, 5000, (n, depth))
    matrix = random.integers(-5000, 5000, (depth, FOLD * lanes))
    starts = random.integers(-(2**30), 2**30, FOLD * lanes, np.int32)
    least, second = np.empty((2, len(rows), lanes), np.int32)
    fill_folded(rows, n, as_blocks(matrix), starts, least, second)
    products = rows[:n, :depth].astype(int) @ matrix + starts
    expected = np.sort(products.reshape(n, FOLD, lanes), axis=1)
    np.testing.assert_array_equal(least[:n], expected[:, 0])
    np.testing.assert_array_equal(second[:n], expected[:, 1])


def test_largest_numbers():
    rows = np.full((ROWS, 2), -(2**15), np.int16)
    rows[:, 1] = 2**15 - 1
    products = np.empty((ROWS, 16), np.int32)
    fill(rows, ROWS, as_blocks(np.full((2, 16), 2**15 - 1)), products)
    assert np.all(products == -(2**15 - 1))


def test_processors_without_the_instruction():
    generic = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-k", "int64 or largest or least", __file__]
    subprocess.run(command, env=generic, check=True)
