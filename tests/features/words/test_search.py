import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visualwords.features.words.distances import all_distances
from visualwords.features.words.search import WordSearch


def brute_force(rows, words):
    """All squared distances in float64."""
    return ((rows[:, None].astype(np.float64) - words.astype(np.float64)) ** 2).sum(axis=2)


def check(rows, words):
    """The nearest words are those of brute force, however they are asked for."""
    squared = brute_force(rows, words)
    search = WordSearch(words)
    ids, distances = search.nearest(rows)
    np.testing.assert_array_equal(ids, squared.argmin(axis=1))
    np.testing.assert_allclose(distances, squared.min(axis=1), rtol=1e-13)
    alone = np.empty_like(ids)
    search.fill(rows, alone, np.empty(0))
    np.testing.assert_array_equal(alone, ids)


def descriptors(n, d, seed=0):
    """Numbers whose variances fall from axis to axis, as those of descriptors do."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(d).normal(size=(min(d, 50), d))
    rows = random.normal(size=(n, d)) / d
    rows += random.normal(size=(n, len(mixing))) / np.arange(1, len(mixing) + 1) @ mixing
    return rows.astype(np.float32)


@pytest.mark.parametrize(
    ("n_words", "d"),
    [(1, 5), (2, 1), (7, 3), (64, 8), (65, 9), (130, 144), (1000, 144), (40, 300), (3, 4000)],
)
def test_nearest_is_that_of_float64(n_words, d):
    check(descriptors(333, d, seed=1), descriptors(n_words, d))


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-20, 1e-12, 1e-3, 1e3, 1e9, 1e14, 1e18, 1e37])
def test_any_scale(scale):
    rows, words = descriptors(60, 20, seed=1), descriptors(50, 20)
    check((rows * scale).astype(np.float32), (words * scale).astype(np.float32))


def test_small_differences_far_from_zero():
    rows, words = 1000 + descriptors(200, 24, seed=1) / 50, 1000 + descriptors(90, 24) / 50
    check(rows.astype(np.float32), words.astype(np.float32))


def test_rows_far_from_all_words():
    check(descriptors(50, 16, seed=1) * np.float32(1e6), descriptors(100, 16))


def test_words_without_spread_along_many_axes():
    words = np.zeros((80, 144), np.float32)
    words[:, 0] = np.arange(80)
    check(descriptors(100, 144) * 20, words)


def test_ties_go_to_the_first_word():
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij"), -1).reshape(-1, 2)
    words = np.concatenate([grid, grid[::-1]]).astype(np.float32)
    middles = (grid + 0.5).astype(np.float32)
    check(middles, words)
    ids, distances = WordSearch(words).nearest(middles[:1])
    assert (ids[0], distances[0]) == (0, 0.5)


def test_many_copies_of_a_word():
    words = np.repeat(descriptors(3, 30), 100, axis=0)
    ids, _ = WordSearch(words).nearest(descriptors(100, 30, seed=1))
    assert set(ids) <= {0, 100, 200}
    check(descriptors(100, 30, seed=1), words)


def test_near_ties_of_one_unit_in_the_last_place():
    word = descriptors(1, 144)[0]
    words = np.repeat(word[np.newaxis], 144, axis=0)
    np.fill_diagonal(words, np.nextafter(word, np.float32(10)))
    check(descriptors(500, 144, seed=1), words)
    check(words, words)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 23, 24, 25, 100])
def test_row_does_not_depend_on_the_rows_beside_it(n):
    rows, search = descriptors(100, 144, seed=1), WordSearch(descriptors(1000, 144))
    ids, distances = search.nearest(rows)
    some, near = search.nearest(rows[-n:])
    np.testing.assert_array_equal(some, ids[-n:])
    np.testing.assert_array_equal(near, distances[-n:])


def test_bits():
    """The answers are the same numbers on every processor; see tests/test_simd.py."""
    random, scale = np.random.default_rng(0), 2.0 ** (-np.arange(48) // 6)
    rows, words = (random.integers(-500, 501, (n, 48)) * scale for n in (300, 200))
    rows, words = rows.astype(np.float32), words.astype(np.float32)
    check(rows, words)
    ids, distances = WordSearch(words).nearest_k(rows, 3)
    assert (ids.sum(), math.fsum(distances.ravel()).hex()) == (88946, "0x1.ea3709c38e800p+26")


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
SMALL_INTEGERS = st.integers(-3, 3).map(float)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([FLOATS, SMALL_INTEGERS]))
def test_any_finite_numbers(data, numbers):
    d = data.draw(st.integers(1, 4))
    words = data.draw(arrays(np.float32, (data.draw(st.integers(1, 70)), d), elements=numbers))
    rows = data.draw(arrays(np.float32, (9, d), elements=numbers))
    check(rows, words)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-1000, 1000))
def test_shifted_and_shuffled_integers(seed, shift):
    random = np.random.default_rng(seed)
    words = random.permutation(400)[:70, None] // [20, 1] % 20
    rows = random.integers(0, 20, (30, 2))
    _, before = WordSearch(words.astype(np.float32)).nearest(rows.astype(np.float32))
    order = random.permutation(len(words))
    moved, at = words[order] + shift, rows + shift
    ids, after = WordSearch(moved.astype(np.float32)).nearest(at.astype(np.float32))
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(((at - moved[ids]) ** 2).sum(axis=1), before)


@pytest.mark.parametrize("k", [1, 2, 5, 60])
@pytest.mark.parametrize("scale", [1, 1e18])
def test_k_nearest(k, scale):
    rows = (descriptors(40, 12, seed=1) * scale).astype(np.float32)
    words = (np.repeat(descriptors(30, 12), 2, axis=0) * scale).astype(np.float32)
    squared = brute_force(rows, words)
    ids, distances = WordSearch(words).nearest_k(rows, k)
    np.testing.assert_array_equal(ids, np.argsort(squared, axis=1, kind="stable")[:, :k])
    np.testing.assert_allclose(distances, np.sort(squared, axis=1)[:, :k], rtol=1e-13)


def test_k_nearest_of_1000_words():
    rows, words = descriptors(100, 144, seed=1), descriptors(1000, 144)
    ids, _ = WordSearch(words).nearest_k(rows, 5)
    expected = np.argsort(brute_force(rows, words), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(ids, expected)


def test_all_distances():
    rows, words = descriptors(50, 144, seed=1), descriptors(30, 144)
    distances = np.empty((50, 30), np.float32)
    all_distances(rows, np.ascontiguousarray(words.T), distances)
    np.testing.assert_allclose(distances, np.sqrt(brute_force(rows, words)), rtol=1e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_words", [1, 100])
def test_values_that_are_not_finite_are_refused(value, n_words):
    rows, search = descriptors(30, 6), WordSearch(descriptors(n_words, 6))
    rows[17, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        search.nearest(rows)
    with pytest.raises(ValueError, match="NaN or infinity"):
        search.fill(rows, np.empty(30, np.int32), np.empty(0))
    with pytest.raises(ValueError, match="NaN or infinity"):
        search.nearest_k(rows, 1)
    with pytest.raises(ValueError, match="NaN or infinity"):
        all_distances(rows, search.prepared.words.T.copy(), np.empty((30, n_words), np.float32))


@pytest.mark.parametrize("words", [np.empty((0, 3)), np.empty((3, 0)), np.zeros(3)])
def test_words_of_another_shape_are_refused(words):
    with pytest.raises(ValueError, match="expected words of shape"):
        WordSearch(words.astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_words_that_are_not_finite_are_refused(value):
    words = descriptors(20, 6)
    words[3, 2] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        WordSearch(words)


def test_rows_and_results_of_another_shape_are_refused():
    search, rows = WordSearch(descriptors(20, 6)), descriptors(10, 6, seed=1)
    for wrong in (rows[:, :5], rows[0], np.zeros((10, 7), np.float32)):
        with pytest.raises(ValueError, match="expected rows of shape"):
            search.nearest(wrong)
    for k in (0, 21):
        with pytest.raises(ValueError, match="k must be from 1"):
            search.nearest_k(rows, k)
    with pytest.raises(ValueError, match="expected room for 10 rows"):
        search.fill(rows, np.empty(9, np.int32), np.empty(0))
    with pytest.raises(ValueError, match="expected room for 10 rows"):
        search.fill(rows, np.empty(10, np.int32), np.empty(11))
    with pytest.raises(ValueError, match="expected words of shape"):
        all_distances(rows, rows, np.empty((10, 10), np.float32))


def test_no_rows_have_no_words():
    ids, distances = WordSearch(descriptors(20, 6)).nearest(np.empty((0, 6), np.float32))
    assert ids.shape == distances.shape == (0,)


def test_rows_may_be_views_with_gaps():
    rows, search = descriptors(30, 12, seed=1), WordSearch(descriptors(50, 6))
    np.testing.assert_array_equal(
        search.nearest(rows[::2, ::2])[0], search.nearest(rows[::2, ::2].copy())[0]
    )
