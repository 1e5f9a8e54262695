"""Compiled loops that HOG and the descriptor of patches share: votes and norms.

A vote is for a place in an array of numbers: that of a bin in one of many histograms.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined

from .image import FloatArray

__all__ = [
    "ARCTANGENT",
    "CLIP",
    "Places",
    "add_votes",
    "multiply_and_clip",
    "row_votes",
    "sum_of_squares",
]

# Unsigned, for numba lets negative indices count from the end.
Places = npt.NDArray[np.uint32]

# Coefficients of t, t**3, t**5 ... in a polynomial near arctan(t) for t in 0..1, of least maximal
# error (3e-7 radian).
ARCTANGENT = (
    0.999996112, -0.33317368, 0.198078153, -0.132333413, 0.0796236602, -0.0336042116, 0.00681179074
)  # fmt: skip

ZERO, HALF = np.float32(0), np.float32(0.5)
TINY = np.float32(1e-30)  # keeps the slope of a gradient of length 0 a number
CLIP = np.float32(0.2)


@inlined
def row_votes(
    gradients: FloatArray,
    n_bins: int,
    signed: bool,
    arctangent: FloatArray,
    starts: Places,
    places: Places,
    votes: FloatArray,
) -> None:
    """Share the length of each gradient linearly between the two bins nearest to its angle.

    Bin b has its centre at the angle ``(b + 1/2) * turn / n_bins``, where the turn is 2 pi if
    ``signed`` and pi if not; the bin after the last is the first. A gradient of length g and angle
    ``(b + 1/2 + s) * turn / n_bins`` gives ``(1 - s) * g`` to bin b and ``s * g`` to bin b + 1.
    ``arctangent`` are the coefficients of ``t, t**3, t**5 ...`` in arctan(t) * n_bins / turn for t
    in 0..1. The histogram of column x begins at the place ``starts[x]``. The votes are written to
    ``places`` and ``votes``, of shape (2, columns). The rows of ``gradients`` are gx and gy. The
    row may be several rows of an image.
    """
    gx, gy = gradients[0], gradients[1]
    a0, a1, a2, a3 = arctangent[0], arctangent[1], arctangent[2], arctangent[3]
    a4, a5, a6 = arctangent[4], arctangent[5], arctangent[6]
    has_higher = a4 != ZERO
    last = np.int32(n_bins - 1)
    turn = np.float32(n_bins)
    half_turn = turn * HALF if signed else turn
    quarter_turn = half_turn * HALF
    for x in range(len(gx)):
        across, down = abs(gx[x]), abs(gy[x])
        steep = down > across
        t = min(across, down) / (max(across, down) + TINY)
        s = t * t
        higher = a3 + s * (a4 + s * (a5 + s * a6)) if has_higher else a3
        angle = t * (a0 + s * (a1 + s * (a2 + s * higher)))
        angle = quarter_turn - angle if steep else angle
        leftwards, upwards = gx[x] < ZERO, gy[x] < ZERO
        mirrored = leftwards if signed else leftwards != upwards
        angle = half_turn - angle if mirrored else angle
        angle = turn - angle if signed and upwards else angle
        above = min(max(np.int32(angle + HALF), np.int32(0)), np.int32(n_bins))
        length = np.sqrt(across * across + down * down)
        share = length * (angle + HALF - np.float32(above))
        votes[0, x], votes[1, x] = length - share, share
        below = np.int32(above - 1) if above > 0 else last
        places[0, x] = starts[x] + np.uint32(below)
        places[1, x] = starts[x] + np.uint32(above if above <= last else np.int32(0))


@inlined
def add_votes(places: Places, votes: FloatArray, numbers: FloatArray) -> None:
    """Add votes, of shape (votes of a pixel, columns), to the numbers at their places."""
    if len(places) == 2:
        for x in range(places.shape[1]):
            numbers[places[0, x]] += votes[0, x]
            numbers[places[1, x]] += votes[1, x]
    else:
        for x in range(places.shape[1]):
            numbers[places[0, x]] += votes[0, x]


# The compiler may choose the order of the two sums, once and for all calls.
@inlined(fastmath={"reassoc"})
def sum_of_squares(rows: FloatArray, k: int) -> Any:
    """Return the sum of ``rows[k]**2``."""
    total = ZERO
    for i in range(rows.shape[1]):
        total += rows[k, i] * rows[k, i]
    return total


@inlined(fastmath={"reassoc"})
def multiply_and_clip(rows: FloatArray, k: int, factor: Any) -> Any:
    """Replace ``rows[k]`` by ``min(rows[k] * factor, 0.2)``; return the sum of its squares."""
    total = ZERO
    for i in range(rows.shape[1]):
        clipped = min(rows[k, i] * factor, CLIP)
        rows[k, i] = clipped
        total += clipped * clipped
    return total
