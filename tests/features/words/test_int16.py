"""Products of int16 matrices beside those of int64."""

import numba
import numpy as np
import pytest

from visualwords.features.words.int16 import COLUMNS, FOLD, MOST, as_blocks, fold, multiply
from visualwords.simd import LANES, TALL


@numba.njit
def fill(rows, n, blocks, products):
    multiply(rows, n, blocks, products)


@numba.njit
def fill_folded(rows, n, blocks, starts, least, second):
    fold(rows, n, blocks, starts, least, second)


def padded_rows(n, depth, random):
    rows = np.zeros((-(-n // TALL) * TALL, depth + depth % 2), np.int16)
    rows[:n, :depth] = random.integers(-5000, 5000, (n, depth))
    return rows


def test_blocks_hold_pairs_of_rows_side_by_side():
    matrix = np.arange(3 * 5).reshape(3, 5)
    blocks = as_blocks(matrix)
    assert blocks.shape == (COLUMNS // LANES, 2, LANES, 2)
    assert blocks.dtype == np.int16
    np.testing.assert_array_equal(blocks[0, 0, :5], matrix[:2].T)
    np.testing.assert_array_equal(blocks[0, 1, :5], np.stack([matrix[2], np.zeros(5)], axis=1))
    assert not blocks[0, :, 5:].any()


@pytest.mark.parametrize(("n", "depth", "columns"), [(1, 1, 1), (4, 2, 16), (9, 35, 100)])
def test_products_are_those_of_int64(n, depth, columns):
    random = np.random.default_rng(depth)
    rows = padded_rows(n, depth, random)
    matrix = random.integers(-5000, 5000, (depth, columns))
    products = np.full((len(rows), -(-columns // COLUMNS) * COLUMNS), -1, np.int32)
    fill(rows, n, as_blocks(matrix), products)
    np.testing.assert_array_equal(products[:n, :columns], rows[:n, :depth].astype(int) @ matrix)
    assert not products[:, columns:].any()


@pytest.mark.parametrize(("n", "depth", "lanes"), [(1, 1, 16), (7, 34, 48), (TALL + 1, 9, 16)])
def test_the_two_least_products_of_each_lane(n, depth, lanes):
    random = np.random.default_rng(depth)
    rows = padded_rows(n, depth, random)
    matrix = random.integers(-5000, 5000, (depth, FOLD * lanes))
    starts = random.integers(-(2**30), 2**30, FOLD * lanes, np.int32)
    least, second = np.empty((2, len(rows), lanes), np.int32)
    fill_folded(rows, n, as_blocks(matrix), starts, least, second)
    products = rows[:n, :depth].astype(int) @ matrix + starts
    expected = np.sort(products.reshape(n, FOLD, lanes), axis=1)
    np.testing.assert_array_equal(least[:n], expected[:, 0])
    np.testing.assert_array_equal(second[:n], expected[:, 1])


def test_a_lane_without_a_word_keeps_the_largest_number():
    least, second = np.empty((2, TALL, 16), np.int32)
    starts = np.full(16 * FOLD, MOST, np.int32)
    zeros = np.zeros((TALL, 2), np.int16)
    fill_folded(zeros, 1, as_blocks(np.zeros((2, 16 * FOLD))), starts, least, second)
    assert np.all(least == MOST)
    assert np.all(second == MOST)


def test_largest_numbers():
    rows = np.full((TALL, 2), -(2**15), np.int16)
    rows[:, 1] = 2**15 - 1
    products = np.empty((TALL, 16), np.int32)
    fill(rows, TALL, as_blocks(np.full((2, 16), 2**15 - 1)), products)
    assert np.all(products == -(2**15 - 1))
