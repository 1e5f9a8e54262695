"""The HOG of Stanford's course CS231n, in the float64 arithmetic of its numpy code."""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["course_cells"]

# The course's weights of grey; the last is 0.144 there, not BT.601's 0.114.
GRAY = (0.299, 0.587, 0.144)


@njit(nogil=True, cache=True, error_model="numpy")
def course_cells(image: Any, cell: Any, out: Any) -> None:
    """Write the mean votes of the cells, as (rows, columns, orientations).

    Forward differences; the angle is that of the gradient plus 90 degrees, and gradients outside
    0..180, the half that points left, do not vote. A gradient straight up or down lies on the edge,
    and rounding decides whether it counts: hence float64 and the formula as the course has it.
    """
    rows, columns, orientations = out.shape
    width = 180 / orientations
    out[:] = 0
    for y in range(rows * cell[0]):
        for x in range(columns * cell[1]):
            here = _gray(image, y, x)
            gx = _gray(image, y, x + 1) - here if x + 1 < image.shape[1] else 0.0
            gy = _gray(image, y + 1, x) - here if y + 1 < image.shape[0] else 0.0
            angle = np.arctan2(gy, gx + 1e-15) * (180 / np.pi) + 90
            if 0 < angle < 180:
                bin_ = min(int(angle / width), orientations - 1)
                bin_ += angle >= width * (bin_ + 1)
                bin_ -= angle < width * bin_
                out[y // cell[0], x // cell[1], bin_] += np.sqrt(gx * gx + gy * gy)
    out /= cell[0] * cell[1]


@njit(nogil=True, cache=True, error_model="numpy")
def _gray(image: Any, y: int, x: int) -> float:
    if image.shape[2] == 1:
        return np.float64(image[y, x, 0])
    return (
        np.float64(image[y, x, 0]) * GRAY[0]
        + np.float64(image[y, x, 1]) * GRAY[1]
        + np.float64(image[y, x, 2]) * GRAY[2]
    )
