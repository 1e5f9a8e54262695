"""Arrays that begin where a line of the cache does: vectors across two lines take twice as long."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import LINE

__all__ = ["aligned", "aligned_copy"]


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Make room for an array, C-contiguous, like ``np.empty``."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    return memory[begin : begin + size].view(dtype).reshape(shape)


def aligned_copy(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy an array."""
    copied = aligned(array.shape, array.dtype)
    copied[:] = array
    return copied
