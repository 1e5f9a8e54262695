"""The regions of a spatial pyramid: an image cut into 1 x 1, 2 x 2, 4 x 4, ... equal parts."""

import numpy as np
import numpy.typing as npt

from visualwords.features.image import FloatArray

__all__ = ["MOST_LEVELS", "RegionArray", "n_regions", "region_names", "regions_of"]

RegionArray = npt.NDArray[np.int64]
MOST_LEVELS = 8  # The finest level then has 128 x 128 regions, the whole pyramid 21,845.


def n_regions(levels: int) -> int:
    """Return the number of regions of a pyramid: 1 + 4 + 16 + ..."""
    return (4 ** int(levels) - 1) // 3


def regions_of(positions: FloatArray, shapes: npt.NDArray[np.int64], levels: int) -> RegionArray:
    """Return the numbers of the regions that contain the centres of patches.

    Parameters
    ----------
    positions : ndarray of shape (m, 4)
        The first two columns are the row and the column of the centre.
    shapes : ndarray of shape (m, 2), int64
        Rows and columns of every patch's image.
    levels : int
        Level l cuts the image into 2^l x 2^l regions. They are numbered row by row, after those of
        the coarser levels.

    Returns
    -------
    ndarray of shape (m, levels), int64
    """
    regions = np.zeros((len(positions), levels), np.int64)
    for level in range(1, levels):
        side = 2**level
        cells = positions[:, :2].astype(np.float64) / shapes * side
        rows, columns = np.clip(cells.astype(np.int64), 0, side - 1).T
        regions[:, level] = n_regions(level) + rows * side + columns
    return regions


def region_names(levels: int) -> list[str]:
    """Return the names of the regions, in the order of their numbers.

    Examples
    --------
    >>> region_names(2)[:3]
    ['grid1_row0_column0', 'grid2_row0_column0', 'grid2_row0_column1']
    """
    sides = [2**level for level in range(int(levels))]
    cells = [(side, r, c) for side in sides for r in range(side) for c in range(side)]
    return [f"grid{side}_row{r}_column{c}" for side, r, c in cells]
