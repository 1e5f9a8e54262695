"""Histograms of oriented gradients of one image: ``hog`` and ``hog_cells``."""

from typing import Never

from visualwords.features.hints import FEATURE_HINTS
from visualwords.features.image import FloatArray, Image, check_image
from visualwords.hints import hint_at

from .plan import Values, find_plan

__all__ = ["hog", "hog_cells"]


def hog(
    image: Image,
    *,
    orientations: int = 9,
    pixels_per_cell: tuple[int, int] = (8, 8),
    cells_per_block: tuple[int, int] = (2, 2),
    convention: str = "dalal",
    block_stride: tuple[int, int] | None = None,
    block_norm: str = "L2-Hys",
    signed: bool = False,
    transform_sqrt: bool | None = None,
    **unknown: Never,
) -> FloatArray:
    """Describe an image by histograms of oriented gradients.

    The pixels of a cell vote, with the length of their gradient (of the colour channel where it is
    longest), for the direction of their gradient. Cells are normalised in overlapping blocks.
    Pixels that do not fill a cell or a block on the right and at the bottom are left out.

    Parameters
    ----------
    image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
        Grey or RGB; uint8 values 0..255 or floating-point values, by convention 0..1.
    orientations : int
        Number of bins of direction, at most 256.
    pixels_per_cell : (int, int)
        Rows and columns of a cell.
    cells_per_block : (int, int)
        Rows and columns of cells in a block. Not for "uoctti" and "cs231n".
    convention : {"dalal", "skimage", "opencv", "uoctti", "cs231n"}
        Whose definition of HOG; docs/learn/hog.md compares them.
    block_stride : (int, int) or None
        Rows and columns in pixels from one block to the next. None: one cell.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}
        Norm of a block, for "dalal" and "skimage". L2-Hys is L2, clipped at 0.2, then L2 again.
    signed : bool
        Whether opposite directions are different: bins over 360 degrees, not 180. For "dalal" and
        "opencv".
    transform_sqrt : bool or None
        Whether to take square roots of the pixels first; None is yes for "opencv" alone.

    Returns
    -------
    ndarray of shape (n,), float32
        For a 32x32 image and the defaults n is 324: 3x3 blocks of 2x2 cells of 9 bins, the last
        index running fastest.

    Raises
    ------
    TypeError
        If the pixels are neither uint8 nor floating-point.
    ValueError
        If the image is not one or is smaller than a block, or a parameter is not valid.

    Notes
    -----
    Gradients are differences of the two neighbours, zero where one lies outside the image. For
    "dalal", "opencv" and "uoctti" float pixels are rounded to multiples of 2**-14 / 255, so that an
    8-bit image and the same image divided by 255 have the same descriptor.

    dalal
        Dalal and Triggs, *Histograms of oriented gradients for human detection*, CVPR 2005. A vote
        is shared linearly between the two nearest bins and the 2x2 nearest cells of the block, and
        weighted by a Gaussian at the block's centre whose sigma is half the block. uint8 pixels
        count as 0..1. The norm's epsilon is 0.001.
    skimage
        ``skimage.feature.hog``: a pixel votes for one bin of one cell; cells hold means. Its own
        default for ``cells_per_block`` is (3, 3). Rounding decides where channels have equally
        long gradients and where a gradient lies on the end of a bin. So every vote is that of its
        arithmetic: for 8-bit pixels it is looked up in a table; for float images and square roots
        it is computed by NumPy, which takes ten to twenty times as long.
    opencv
        ``cv2.HOGDescriptor`` of OpenCV 4, of a window at the image's top left: like dalal, with
        square roots, sigma an eighth of the block's rows plus columns, other epsilons, and blocks
        and cells listed by columns. Float images count as 255 times their values. Give OpenCV the
        same array: it calls the channels BGR, but treats them alike. Of channels with equally long
        gradients the first counts; OpenCV takes the last in the last ``columns % 4`` columns of an
        image, which cells of 8 columns do not reach.
    uoctti
        Felzenszwalb, Girshick, McAllester and Ramanan, *Object detection with discriminatively
        trained part-based models*, PAMI 2010, as in VLFeat: for each cell 2 ``orientations`` signed
        bins, ``orientations`` unsigned bins and 4 sums; 31 for 9 orientations. Cells are as many
        as are at least half in the image. uint8 pixels count as 0..1. Of directions that are
        equally near to a gradient, and of channels with equally long gradients, the first counts,
        as in VLFeat given the pixels 0..255.
    cs231n
        ``hog_feature`` of Stanford's course: means of cells, not normalised, listed by columns, of
        the grey image, on forward differences; gradients that point left do not vote.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> hog(astronaut()[:32, :32]).shape
    (324,)
    >>> hog(astronaut()[:32, :32], convention="uoctti").shape
    (496,)
    """
    if unknown:
        hint_at("hog", unknown, FEATURE_HINTS)
    image = check_image(image, float64=True)
    values: Values = (orientations, pixels_per_cell, cells_per_block, convention)
    values += (block_stride, block_norm, signed, transform_sqrt, False)
    return find_plan(values, image.shape, image.dtype).describe_one(image)


def hog_cells(
    image: Image,
    *,
    orientations: int = 9,
    pixels_per_cell: tuple[int, int] = (8, 8),
    convention: str = "dalal",
    signed: bool = False,
    transform_sqrt: bool | None = None,
    **unknown: Never,
) -> FloatArray:
    """Histograms of oriented gradients of the cells of an image, before any normalisation.

    Parameters
    ----------
    image, orientations, pixels_per_cell, convention, signed, transform_sqrt
        As in :func:`hog`. "dalal" and "opencv" share a vote between 2x2 cells, without a Gaussian.

    Returns
    -------
    ndarray of shape (cell rows, cell columns, orientations), float32
        For "uoctti" 2 ``orientations`` signed bins.

    Examples
    --------
    >>> import numpy as np
    >>> hog_cells(np.eye(32, dtype=np.float32)).shape
    (4, 4, 9)
    """
    if unknown:
        hint_at("hog_cells", unknown, FEATURE_HINTS)
    image = check_image(image, float64=True)
    values: Values = (orientations, pixels_per_cell, (2, 2), convention)
    values += (None, "L2-Hys", signed, transform_sqrt)
    plan = find_plan(values, image.shape, image.dtype, only_cells=True)
    return plan.describe_one(image).reshape(plan.shape)
