import numpy as np
import pytest

from visualwords.features.words.memory import aligned, aligned_copy


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (5, 7), (2, 3, 1000)])
def test_arrays_begin_at_a_line_of_the_cache(shape, dtype):
    array = aligned(shape, dtype)
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.ctypes.data % 64 == 0
    assert array.flags.c_contiguous
    assert array.flags.writeable


def test_copy():
    array = np.arange(12, dtype=np.int16).reshape(3, 4)[:, ::2]
    copied = aligned_copy(array)
    np.testing.assert_array_equal(copied, array)
    assert copied.ctypes.data % 64 == 0
    assert not np.shares_memory(copied, array)
