"""Histograms of oriented gradients: ``hog``, ``hog_cells`` and ``HOG``."""

from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from visualwords.features.base import ImageFeature
from visualwords.features.image import (
    FloatArray,
    Image,
    Images,
    check_image,
    naming_image,
    resize,
    resize_stack,
    stacks,
)

from .conventions import bin_angles, check_counts
from .plan import Plan, find_plan, make_plan

__all__ = ["HOG", "hog", "hog_cells"]

FLOAT32 = np.dtype(np.float32)


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
        Number of bins of direction.
    pixels_per_cell : (int, int)
        Rows and columns of a cell.
    cells_per_block : (int, int)
        Rows and columns of cells in a block. Not for "uoctti" and "cs231n".
    convention : {"dalal", "skimage", "opencv", "uoctti", "cs231n"}
        Whose definition; see Notes.
    block_stride : (int, int) or None
        Rows and columns in pixels from one block to the next. None: one cell.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}
        Norm of a block, for "dalal" and "skimage". L2-Hys is L2, clipped at 0.2, then L2 again.
    signed : bool
        Whether opposite directions are different: bins over 360 degrees, not 180. For "dalal" and
        "opencv".
    transform_sqrt : bool or None
        Whether to take square roots of the pixels first. None: as the convention's owner does by
        default, which is yes for "opencv" and no for the others.

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
    Gradients are differences of the two neighbours, zero where one lies outside the image.

    dalal
        Dalal and Triggs, *Histograms of oriented gradients for human detection*, CVPR 2005. A vote
        is shared linearly between the two nearest bins and the 2x2 nearest cells of the block, and
        weighted by a Gaussian at the block's centre whose sigma is half the block. uint8 pixels
        count as 0..1. The norm's epsilon is 0.001.
    skimage
        ``skimage.feature.hog``: a pixel votes for one bin of one cell; cells hold means. Its own
        default for ``cells_per_block`` is (3, 3). Where channels have equally long gradients, or a
        gradient lies on the end of a bin, but for rounding, the rounding decides: so float64
        images, float32 images in colour and square roots are described in its arithmetic, which
        takes ten to twenty times as long.
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
        as are at least half in the image. uint8 pixels count as 0..1; of channels with equally long
        gradients the first counts (VLFeat lets rounding decide). With one orientation a gradient
        straight up or down, which VLFeat leaves out, counts as one to the left or right.
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
    image = check_image(image, float64=True)
    parameters = (
        image.shape,
        image.itemsize,
        orientations,
        pixels_per_cell,
        cells_per_block,
        convention,
        block_stride,
        block_norm,
        signed,
        transform_sqrt,
    )
    try:
        plan = make_plan(*parameters)
    except TypeError:  # A list or an array cannot be looked up.
        plan = find_plan(*parameters)
    out = np.empty(plan.length, FLOAT32)
    plan.describe(image.ravel(), out)
    return out


def hog_cells(
    image: Image,
    *,
    orientations: int = 9,
    pixels_per_cell: tuple[int, int] = (8, 8),
    convention: str = "dalal",
    signed: bool = False,
    transform_sqrt: bool | None = None,
) -> FloatArray:
    """Histograms of oriented gradients of the cells of an image, before any normalisation.

    Parameters
    ----------
    image, orientations, pixels_per_cell, convention, signed, transform_sqrt
        As in :func:`hog`. For "dalal" and "opencv" a pixel's vote is shared between the 2x2 nearest
        cells; there is no Gaussian, which belongs to blocks.

    Returns
    -------
    ndarray of shape (cell rows, cell columns, orientations), float32
        For "uoctti" 2 ``orientations`` signed bins.

    Examples
    --------
    >>> hog_cells(np.eye(32, dtype=np.float32)).shape
    (4, 4, 9)
    """
    image = check_image(image, float64=True)
    plan = find_plan(
        image.shape,
        image.itemsize,
        orientations,
        pixels_per_cell,
        (2, 2),
        convention,
        None,
        "L2-Hys",
        signed,
        transform_sqrt,
        True,
    )
    out = np.empty(plan.length, FLOAT32)
    plan.describe(image.ravel(), out)
    return out.reshape(plan.shape)


class HOG(ImageFeature):
    """Histograms of oriented gradients of many images: :func:`hog` as a transformer.

    Parameters
    ----------
    orientations, pixels_per_cell, cells_per_block, convention, block_stride, block_norm, signed, \
    transform_sqrt
        As in :func:`hog`.
    image_size : (rows, columns) or None
        Images of another size are resized to it first. None: all images must have the size of
        the first in ``fit``.
    n_jobs : int or None
        Threads of ``transform``; None is one unless a ``joblib.parallel_config`` says otherwise.

    Attributes
    ----------
    image_size_ : tuple of int
        (rows, columns) of the images that are described.
    descriptor_shape_ : tuple of int
        A descriptor reshaped to it is (block row, block column, cell row, cell column, bin); for
        "opencv" columns come before rows. For "uoctti" it is (cell row, cell column, number), for
        "cs231n" (cell column, cell row, bin).
    n_features_out_ : int
        Numbers an image.

    Examples
    --------
    >>> HOG().fit_transform(np.zeros((5, 32, 32, 3), np.uint8)).shape
    (5, 324)
    """

    kernel_version: ClassVar[int] = 7
    image_size_: tuple[int, int]
    descriptor_shape_: tuple[int, ...]

    def __init__(
        self,
        orientations: int = 9,
        pixels_per_cell: tuple[int, int] = (8, 8),
        cells_per_block: tuple[int, int] = (2, 2),
        convention: str = "dalal",
        block_stride: tuple[int, int] | None = None,
        block_norm: str = "L2-Hys",
        signed: bool = False,
        transform_sqrt: bool | None = None,
        image_size: tuple[int, int] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.convention = convention
        self.block_stride = block_stride
        self.block_norm = block_norm
        self.signed = signed
        self.transform_sqrt = transform_sqrt
        self.image_size = image_size
        self.n_jobs = n_jobs

    def fit(self, images: Images, y: Any = None) -> Self:
        """Learn the size of the images, and so the length of a vector.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        images = self._check_training(images)
        if self.image_size is not None:
            check_counts("image_size", self.image_size, 2)
        with naming_image(0):
            size = check_image(images[0]).shape[:2] if self.image_size is None else self.image_size
            self.image_size_ = (int(size[0]), int(size[1]))
            plan = self._plan((*self.image_size_, 1), 1)
        self.descriptor_shape_ = plan.shape
        self.n_features_out_ = plan.length
        return self

    def describe(self, image: Image) -> FloatArray:
        """Describe one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        ndarray of shape (n_features_out_,), float32
        """
        check_is_fitted(self)
        image = check_image(image, float64=True)
        image = resize(image, self._target(image.shape[:2]))
        plan = self._plan(image.shape, image.itemsize)
        self._check_fitted_length(plan.length)
        out = np.empty(plan.length, FLOAT32)
        plan.describe(image.ravel(), out)
        return out

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        for rows, stack in stacks(images, first, float64=True):
            with naming_image(first + rows.start):
                size = self._target(stack.shape[1:3])
            if stack.shape[1:3] != size:
                stack = resize_stack(stack, size)
            plan = self._plan(stack.shape[1:], stack.itemsize)
            self._check_fitted_length(plan.length)
            try:
                plan.describe(stack.ravel(), out[rows].reshape(-1))
            except ValueError:  # Describing them one by one tells whose pixels were refused.
                for row, image in enumerate(stack, rows.start):
                    with naming_image(first + row):
                        plan.describe(image.ravel(), out[row])

    def _target(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Give the size that ``fit`` settled for images of ``size``, if they may be resized."""
        if self.image_size is None and size != self.image_size_:
            raise ValueError(
                f"expected {self.image_size_[0]}x{self.image_size_[1]} pixels as in fit, got "
                f"{size[0]}x{size[1]}; give image_size=(rows, columns) to resize"
            )
        return self.image_size_

    def _plan(self, shape: tuple[int, ...], itemsize: int) -> Plan:
        return find_plan(
            shape,
            itemsize,
            self.orientations,
            self.pixels_per_cell,
            self.cells_per_block,
            self.convention,
            self.block_stride,
            self.block_norm,
            self.signed,
            self.transform_sqrt,
        )

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name every number by its place and the angle of its gradients in degrees.

        ``hog_block0_1_cell1_0_angle30`` is of the block in row 0, column 1, and in it of the cell
        in row 1, column 0.
        """
        check_is_fitted(self)
        angles = bin_angles(self.convention, self.orientations, self.signed, 360)
        bins = [f"angle{angle:g}" for angle in angles]
        if self.convention == "uoctti":
            bins += [f"unsigned{angle:g}" for angle in angles[: self.orientations]]
            bins += ["upper_left", "upper_right", "lower_left", "lower_right"]
        by_columns = self.convention in ("opencv", "cs231n")
        names = []
        for *place, b in np.ndindex(*self.descriptor_shape_):
            pairs = [place[i : i + 2][:: -1 if by_columns else 1] for i in range(0, len(place), 2)]
            kinds = ("block", "cell")[-len(pairs) :]
            where = "_".join(f"{k}{row}_{col}" for k, (row, col) in zip(kinds, pairs, strict=True))
            names.append(f"hog_{where}_{bins[b]}")
        return np.array(names, dtype=object)
