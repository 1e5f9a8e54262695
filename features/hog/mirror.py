"""Which number of a descriptor has the place of another one in the mirror image.

A linear classifier that learns from images and their mirror images, with the same labels, gives
both the same scores: the objective does not change when weights and mirrored weights are exchanged,
and it has one minimum. So it needs the mean of the two descriptors alone, in which the numbers of a
pair of places are equal. One of them is left out.

For "dalal" and "uoctti" the descriptor of the mirror image has the same numbers in this order, up
to rounding, where cells fill the image. The Gaussian of "opencv" is half a pixel off the middle of
a block, "skimage" puts gradients at the border of two bins into one of them, and "cs231n" leaves
out those that point left. So both images are described, and the mean is that of both for all.
"""

import numpy as np
import numpy.typing as npt

from .conventions import Parameters, bin_angles

__all__ = ["kept_numbers", "mirrored_numbers"]

Numbers = npt.NDArray[np.int64]
# Of "uoctti" after the bins: energies of the blocks up left, up right, down left, down right.
ENERGIES = np.array([1, 0, 3, 2])


def mirrored_numbers(p: Parameters, shape: tuple[int, ...]) -> Numbers:
    """Return, for each number of a descriptor, the number at the same place in the mirror image.

    Columns are reversed, and a gradient of angle ``a`` has the angle ``180 - a`` degrees; where no
    bin has it, the nearest bin counts. ``shape`` is that of ``HOG.descriptor_shape_``.

    Examples
    --------
    >>> p = Parameters(3, (8, 8), (2, 2), "dalal", None, "L2-Hys", False, None)
    >>> mirrored_numbers(p, (1, 1, 1, 2, 3))  # 30, 90 and 150 degrees of two cells
    array([5, 4, 3, 2, 1, 0])
    """
    numbers = np.arange(np.prod(shape)).reshape(shape)
    columns_first = p.convention in ("opencv", "cs231n")
    axes = range(0 if columns_first else 1, len(shape) - 1, 2)
    return np.flip(numbers, tuple(axes))[..., _mirrored_bins(p)].reshape(-1)


def kept_numbers(p: Parameters, shape: tuple[int, ...]) -> Numbers:
    """Return one number of each pair of mirrored ones, and those that are their own mirror image.

    The arguments are those of :func:`mirrored_numbers`.
    """
    numbers, mirrored = np.arange(np.prod(shape)), mirrored_numbers(p, shape)
    is_second = (mirrored < numbers) & (mirrored[mirrored] == numbers)
    return numbers[~is_second]


def _mirrored_bins(p: Parameters) -> Numbers:
    angles = bin_angles(p.convention, p.orientations, p.signed, 360)
    if p.convention != "uoctti":
        return _nearest(angles, 360 if p.signed else 180)
    n = p.orientations
    directed, undirected = _nearest(angles, 360), _nearest(angles[:n], 180)
    return np.concatenate([directed, 2 * n + undirected, 3 * n + ENERGIES])


def _nearest(angles: npt.NDArray[np.float64], turn: float) -> Numbers:
    """Return the bins that are nearest to the mirrored angles, on a circle of ``turn`` degrees."""
    away = np.abs((180 - angles[:, np.newaxis] - angles + turn / 2) % turn - turn / 2)
    return away.argmin(axis=1)
