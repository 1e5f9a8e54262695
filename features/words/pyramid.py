"""The regions of a spatial pyramid: an image cut into grids of equal parts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_integer
from visualwords.features.image import FloatArray

__all__ = ["RegionArray", "check_sides", "n_regions", "region_names", "regions_of"]

RegionArray = npt.NDArray[np.int64]
MOST_LEVELS, MOST_SIDE = 8, 128


def check_sides(name: str, sides: object) -> tuple[int, ...]:
    """Return the sides of the grids as a tuple of ``int``, or say what they must be.

    Examples
    --------
    >>> check_sides("pyramid", [1, 2.0])
    (1, 2)
    >>> check_sides("pyramid", 2)
    Traceback (most recent call last):
    ValueError: pyramid must be 1 to 8 whole numbers, such as (1, 2, 4), got 2
    """
    several = list(sides) if isinstance(sides, Sequence | np.ndarray) else []
    if isinstance(sides, str) or not 1 <= len(several) <= MOST_LEVELS:
        raise ValueError(
            f"{name} must be 1 to {MOST_LEVELS} whole numbers, such as (1, 2, 4), got {sides!r}"
        )
    return tuple(
        check_integer(f"{name}[{i}]", side, most=MOST_SIDE) for i, side in enumerate(several)
    )


def n_regions(sides: Sequence[int]) -> int:
    """Return the number of regions of a pyramid.

    Examples
    --------
    >>> n_regions((1, 2, 4))
    21
    """
    return sum(side * side for side in sides)


def regions_of(
    positions: FloatArray, shapes: npt.NDArray[np.int64], sides: Sequence[int]
) -> RegionArray:
    """Return the numbers of the regions that contain the centres of patches.

    Parameters
    ----------
    positions : ndarray of shape (m, 4)
        The first two columns are the row and the column of the centre.
    shapes : ndarray of shape (m, 2), int64
        Rows and columns of every patch's image.
    sides : sequence of int
        Of each level: it cuts the image into side x side regions. They are numbered row by row,
        after those of the levels before it.

    Returns
    -------
    ndarray of shape (m, levels), int64
    """
    regions = np.zeros((len(positions), len(sides)), np.int64)
    relative = positions[:, :2].astype(np.float64) / shapes
    for level, side in enumerate(sides):
        rows, columns = np.clip((relative * side).astype(np.int64), 0, side - 1).T
        regions[:, level] = n_regions(sides[:level]) + rows * side + columns
    return regions


def region_names(sides: Sequence[int]) -> list[str]:
    """Return the names of the regions, in the order of their numbers.

    Examples
    --------
    >>> region_names((1, 2))[:3]
    ['grid1_row0_column0', 'grid2_row0_column0', 'grid2_row0_column1']
    """
    cells = [(side, r, c) for side in sides for r in range(side) for c in range(side)]
    return [f"grid{side}_row{r}_column{c}" for side, r, c in cells]
