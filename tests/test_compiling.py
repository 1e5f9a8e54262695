import numba
import numpy as np

from visualwords.compiling import local, multiply_add

N = 5


@numba.njit
def squares(n):
    numbers, others = local(N, np.float64), local(N, np.int16)
    for i in range(N):
        numbers[i], others[i] = i * i, -i
    return numbers[n], others[n]


def test_local_numbers_are_kept():
    assert [squares(n) for n in range(N)] == [(0, 0), (1, -1), (4, -2), (9, -3), (16, -4)]


@numba.njit
def fused(a, b, c):
    return multiply_add(a, b, c)


def test_a_product_and_a_sum():
    random = np.random.default_rng(0)
    a, b = random.random((2, 1000), np.float32)
    for x, y, z in zip(a, b, -a * b, strict=True):
        exact = float(x) * float(y) + float(z)
        assert fused(x, y, z) in (np.float32(exact), np.float32(x * y) + z)
