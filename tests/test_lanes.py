"""Vectors of compiled loops, lane by lane beside numpy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from visualwords.compiling import lowest_bit, multiply_add
from visualwords.lanes import (
    LANES,
    bits_of,
    copy,
    everywhere,
    flags_of,
    floats_of,
    floor,
    integers_of,
    keep,
    lane_of,
    least,
    load,
    load_integers,
    magnitude,
    moved,
    pointer,
    smallest,
    split_colours,
    square_root,
    store,
    store_first,
    store_short,
    total,
    where,
)

RNG = np.random.default_rng(0)
A, B, C, D = RNG.normal(size=(4, LANES)).astype(np.float32)


def run(compute, *arrays):
    """Apply a function of vectors to arrays of LANES numbers."""
    if len(arrays) == 1:

        @njit
        def call(a, out):
            store(pointer(out), 0, compute(load(pointer(a), 0)))

    else:

        @njit
        def call(a, b, out):
            store(pointer(out), 0, compute(load(pointer(a), 0), load(pointer(b), 0)))

    out = np.empty(LANES, np.float32)
    call(*arrays, out)
    return out


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (njit(lambda a, b: a + b), A + B),
        (njit(lambda a, b: a - b), A - B),
        (njit(lambda a, b: a * b), A * B),
        (njit(lambda a, b: a / b), A / B),
        (njit(lambda a, b: least(a, b)), np.minimum(A, B)),
        (njit(lambda a, b: where(a < b, a, b)), np.minimum(A, B)),
        (njit(lambda a, b: where(a > b, a, b)), np.maximum(A, B)),
        (njit(lambda a, b: where((a < b) ^ (a < a), a, b)), np.minimum(A, B)),
        (njit(lambda a, b: where((a < b) & (a == b), a, b)), B),
        (njit(lambda a, b: where((a < b) | (a == b), a, b)), np.minimum(A, B)),
    ],
)
def test_two_vectors(compute, expected):
    np.testing.assert_array_equal(run(compute, A, B), expected)


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (njit(lambda a: magnitude(a)), np.abs(A)),
        (njit(lambda a: floor(a)), np.floor(A)),
        (njit(lambda a: square_root(magnitude(a))), np.sqrt(np.abs(A))),
    ],
)
def test_one_vector(compute, expected):
    np.testing.assert_array_equal(run(compute, A), expected)


def test_total():
    got = run(njit(lambda a: everywhere(total(a))), A)
    np.testing.assert_allclose(got, A.sum(dtype=float), rtol=1e-5)


def test_a_product_and_a_sum_are_rounded_once_or_twice():
    @njit
    def call(a, b, c, out):
        store(pointer(out), 0, multiply_add(load(pointer(a), 0), load(pointer(b), 0), load(c, 0)))

    @njit
    def outer(a, b, c, out):
        call(a, b, pointer(c), out)

    out = np.empty(LANES, np.float32)
    outer(A, B, C, out)
    np.testing.assert_allclose(out, A.astype(float) * B + C, rtol=1e-6, atol=1e-7)


def test_integers_of_lanes():
    @njit
    def call(a, short, numbers, back):
        whole = integers_of(load(pointer(a), 0) * everywhere(np.float32(1000)))
        store_short(pointer(short), 1, whole)
        store(pointer(back), 0, floats_of(whole))
        for i in range(len(numbers)):
            numbers[i] = lane_of(whole, i)
        return smallest(whole)

    short, numbers = np.zeros(LANES + 2, np.int16), np.empty(LANES, np.int64)
    back = np.empty(LANES, np.float32)
    expected = (A * np.float32(1000)).astype(np.int32)
    assert call(A, short, numbers, back) == expected.min()
    np.testing.assert_array_equal(short, [0, *expected, 0])
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_array_equal(back, expected)


def test_flags_are_those_of_the_chosen_lanes():
    @njit
    def call(a, b):
        flags = flags_of(load(pointer(a), 0) < load(pointer(b), 0))
        return flags, lowest_bit(flags)

    for shift in range(LANES):
        a, b = np.roll(np.arange(LANES, dtype=np.float32), shift), np.full(LANES, 3, np.float32)
        flags, first = call(a, b)
        assert [flags >> i & 1 for i in range(LANES)] == (a < b).tolist()
        assert flags < 2**LANES
        assert first == np.flatnonzero(a < b)[0]


def test_integers_keep_their_bits():
    @njit
    def call(a, kept, out):
        whole = integers_of(load(pointer(a), 0) * everywhere(np.float32(1000)))
        store(pointer(kept), 0, whole + everywhere(np.int32(1)))
        again = load_integers(pointer(kept), 0)
        both = where(again == whole + everywhere(np.int32(1)), again, whole)
        store(pointer(out), 0, both)

    kept, out = np.empty((2, LANES), np.float32)
    call(A, kept, out)
    expected = (A * np.float32(1000)).astype(np.int32) + 1
    np.testing.assert_array_equal(kept.view(np.int32), expected)
    np.testing.assert_array_equal(out.view(np.int32), expected)


@pytest.mark.parametrize("count", [0, 1, LANES - 1, LANES])
def test_the_first_lanes_are_stored(count):
    @njit
    def call(a, out, count):
        store_first(pointer(out), 1, load(pointer(a), 0), count)

    out = np.zeros(LANES + 2, np.float32)
    call(A, out, count)
    np.testing.assert_array_equal(out, [0, *A[:count], *np.zeros(LANES + 1 - count)])


def test_bits_of_positive_numbers_are_in_their_order():
    @njit
    def call(a, out):
        store(pointer(out), 0, bits_of(magnitude(load(pointer(a), 0))))

    out = np.empty(LANES, np.float32)
    call(A, out)
    np.testing.assert_array_equal(np.argsort(out.view(np.int32)), np.argsort(np.abs(A)))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_colours_are_split(dtype):
    @njit
    def call(pixels, out):
        red, green, blue = split_colours(pointer(pixels), 3)
        to = pointer(out)
        store(to, 0, red)
        store(moved(to, LANES), 0, green)
        store(to, 2 * LANES, blue)
        keep(pixels)

    pixels = RNG.integers(0, 256, (LANES + 1, 3)).astype(dtype)
    out = np.empty((3, LANES), np.float32)
    call(pixels.ravel(), out.ravel())
    np.testing.assert_array_equal(out, pixels[1:].T)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_a_few_numbers_are_copied(count):
    source, out = np.arange(12, dtype=np.float32), np.zeros(12, np.float32)

    @njit
    def call(source, out):
        copy(pointer(source), 3, pointer(out), 2, count)

    call(source, out)
    expected = np.zeros(12)
    expected[2 : 2 + count] = source[3 : 3 + count]
    np.testing.assert_array_equal(out, expected)


def test_pointers_point_at_arrays_without_gaps():
    @njit
    def second(array):
        return pointer(array)[1]

    numbers = np.arange(6.0).reshape(2, 3)
    assert second(numbers) == 1
    with pytest.raises(TypingError):
        second(numbers.T)
