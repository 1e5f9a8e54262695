import gc

import numba
import numpy as np
import pytest
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from visualwords.compiling import local, multiply_add, sum_up

# --- the garbage collector while a kernel is compiled --------------------------------------------


def on_while_compiled(module):
    """Compile a function of a module; gives whether the collector was on meanwhile."""
    seen = []

    @intrinsic
    def look(context):
        seen.append(gc.isenabled())
        return types.int64(), lambda context, *_: context.get_constant(types.int64, 1)

    def function():
        return look()

    function.__module__ = module
    assert numba.njit(function)() == 1
    return any(seen)


def test_collector_rests_while_our_kernels_are_compiled():
    assert not on_while_compiled("visualwords.features.some_kernels")
    assert gc.isenabled()


@pytest.mark.parametrize("module", ["somebody.elses", None])
def test_collector_runs_while_others_are_compiled(module):
    assert on_while_compiled(module)


def test_collector_that_is_off_stays_off():
    gc.disable()
    try:
        assert not on_while_compiled("visualwords.features.some_kernels")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_collector_runs_again_after_a_kernel_that_does_not_compile():
    def function():
        return no_such_name  # noqa: F821

    function.__module__ = "visualwords.features.some_kernels"
    with pytest.raises(TypingError):
        numba.njit(function)()
    assert gc.isenabled()


# --- what numba has no word for ------------------------------------------------------------------

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
def dot(a, b):
    total = np.float32(0)
    for i in range(len(a)):
        total = sum_up(a[i], b[i], total)
    return total


@numba.njit
def fused(a, b, c):
    return multiply_add(a, b, c)


def test_sums_of_products():
    random = np.random.default_rng(0)
    a, b = random.random((2, 1000), np.float32)
    assert dot(a, b) == pytest.approx(a.astype(np.float64) @ b, rel=1e-6)
    for x, y, z in zip(a, b, -a * b, strict=True):
        exact = float(x) * float(y) + float(z)
        assert fused(x, y, z) in (np.float32(exact), np.float32(x * y) + z)
