import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from visualwords.features.integer_products import as_blocks, multiply


@numba.njit
def fill(rows, n, blocks, products):
    multiply(rows, n, blocks, products)


@pytest.mark.parametrize(("n", "depth", "columns"), [(1, 1, 1), (4, 2, 16), (7, 35, 100)])
def test_products_are_those_of_int64(n, depth, columns):
    random = np.random.default_rng(depth)
    rows = np.zeros((-(-n // 4) * 4, depth + depth % 2), np.int16)
    rows[:n, :depth] = random.integers(-5000, 5000, (n, depth))
    matrix = random.integers(-5000, 5000, (depth, columns))
    products = np.full((len(rows), -(-columns // 16) * 16), -1, np.int32)
    fill(rows, n, as_blocks(matrix), products)
    np.testing.assert_array_equal(products[:n, :columns], rows[:n, :depth].astype(int) @ matrix)
    assert not products[:, columns:].any()


def test_largest_numbers():
    rows = np.full((4, 2), -(2**15), np.int16)
    rows[:, 1] = 2**15 - 1
    products = np.empty((4, 16), np.int32)
    fill(rows, 4, as_blocks(np.full((2, 16), 2**15 - 1)), products)
    assert np.all(products == -(2**15 - 1))


def test_processors_without_the_instruction():
    generic = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-k", "int64 or largest", __file__]
    subprocess.run(command, env=generic, check=True)
