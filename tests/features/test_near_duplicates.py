"""Pairs of hashes against the comparison of all pairs."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from visualwords.features import near_duplicates
from visualwords.features.near_duplicates import MOST_PAIRS


def hashes_with_pairs(rng, n=400, n_words=16, most=60):
    """Random hashes, half of which are others with up to ``most`` bits changed."""
    hashes = rng.integers(0, 1 << 16, (n, n_words), dtype=np.uint16)
    for image in range(n // 2, n):
        bits = np.zeros(16 * n_words, np.uint8)
        bits[rng.permutation(len(bits))[: rng.integers(most)]] = 1
        hashes[image] = hashes[rng.integers(image)] ^ np.packbits(bits).view(np.uint16)
    return hashes[rng.permutation(n)]


def all_pairs(hashes, most_bits):
    """Every pair by its bits, and whether the search promises to find it."""
    changed = hashes[:, np.newaxis] ^ hashes
    counts = np.bitwise_count(changed).astype(int)
    later, earlier = np.nonzero(np.tril(counts.sum(axis=2) <= most_bits, -1))
    of_pair = counts[later, earlier]
    is_promised = (of_pair[:, :8] <= 1).any(axis=1) & (of_pair[:, :4].sum(axis=1) <= 24)
    return np.column_stack([later, earlier]), of_pair, is_promised


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize(("n_words", "most_bits"), [(16, 48), (16, 20), (4, 10), (9, 30), (1, 3)])
def test_pairs_are_those_of_all_comparisons(n_words, most_bits, n_jobs):
    hashes = hashes_with_pairs(np.random.default_rng(n_words + most_bits), n_words=n_words)
    expected, counts, is_promised = all_pairs(hashes, most_bits)
    pairs, bits = near_duplicates(hashes, most_bits, n_jobs)
    assert len(pairs) > 20
    assert_array_equal(pairs, expected[is_promised])
    assert_array_equal(bits, counts[is_promised].sum(axis=1))


def test_pairs_with_few_changed_bits_in_the_first_words_are_never_missed():
    hashes = hashes_with_pairs(np.random.default_rng(0), most=24)
    expected, counts, _ = all_pairs(hashes, 48)
    is_few = counts[:, :8].sum(axis=1) <= 15
    found = set(map(tuple, near_duplicates(hashes)[0].tolist()))
    assert is_few.sum() > 50
    assert found.issuperset(map(tuple, expected[is_few].tolist()))


def test_images_that_show_nothing_have_no_pairs():
    assert len(near_duplicates(np.zeros((5, 16), np.uint16))[0]) == 0
    assert len(near_duplicates(np.empty((0, 16), np.uint16))[0]) == 0


def test_many_images_alike_are_few_pairs_each():
    pairs, bits = near_duplicates(np.full((1000, 16), 77, np.uint16))
    assert np.bincount(pairs[:, 0]).max() == MOST_PAIRS
    assert len(pairs) == sum(min(k, MOST_PAIRS) for k in range(1000))
    assert not bits.any()


@pytest.mark.parametrize(
    ("hashes", "message"),
    [
        (["a.jpg", "b.jpg"], r"of shape \(n, words\), as PerceptualHash.*got shape \(2,\)"),
        (np.zeros((2, 3), complex), "dtype complex"),
        ([[1, 70_000]], "from 0 to 65535"),
        ([[1, -1]], "from 0 to 65535"),
        ([[0.5, 1.0]], "whole numbers"),
        ([[np.nan, 1.0]], "whole numbers"),
    ],
)
def test_what_is_no_hash_is_refused(hashes, message):
    with pytest.raises(ValueError, match=message):
        near_duplicates(hashes)


@pytest.mark.parametrize("most_bits", ["48", None, -1, 4.5, True])
def test_most_bits_is_a_whole_number(most_bits):
    with pytest.raises(ValueError, match="most_bits must be a whole number of at least 0, got"):
        near_duplicates([[1, 2], [1, 2]], most_bits)
