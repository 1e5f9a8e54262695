"""Histograms of oriented gradients: ``hog``, ``hog_cells`` and ``HOG``."""

from copy import copy
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags

from visualwords.features.base import ImageFeature
from visualwords.features.checks import check_pair
from visualwords.features.image import (
    FloatArray,
    Image,
    Images,
    as_stack,
    check_image,
    naming_image,
    resize_stack,
    stacks,
)

from .conventions import Parameters, bin_angles
from .plan import Dtype, Plan, find_plan

__all__ = ["HOG", "hog", "hog_cells"]

UINT8 = np.dtype(np.uint8)


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
        Number of bins of direction, at most 256.
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
    image = check_image(image, float64=True)
    p = Parameters(
        orientations,
        pixels_per_cell,
        cells_per_block,
        convention,
        block_stride,
        block_norm,
        signed,
        transform_sqrt,
    )
    plan = find_plan(p, image.shape, image.dtype)
    out = np.empty((1, plan.length), np.float32)
    plan.describe(as_stack(image), out)
    return out[0]


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
    p = Parameters(
        orientations, pixels_per_cell, (2, 2), convention, None, "L2-Hys", signed, transform_sqrt
    )
    plan = find_plan(p, image.shape, image.dtype, only_cells=True)
    out = np.empty((1, plan.length), np.float32)
    plan.describe(as_stack(image), out)
    return out.reshape(plan.shape)


class HOG(ImageFeature):
    """Histograms of oriented gradients of many images: :func:`hog` as a transformer.

    It learns nothing: ``transform`` works without ``fit``.

    Parameters
    ----------
    orientations, pixels_per_cell, cells_per_block, convention, block_stride, block_norm, signed, \
    transform_sqrt
        As in :func:`hog`.
    image_size : (rows, columns) or None
        Images of another size are resized to it first. None: all images of a call must have the
        size of the first, and that of the images given to ``fit`` if it was called.
    n_jobs : int or None
        Threads of ``transform``; None is one unless a ``joblib.parallel_config`` says otherwise.

    Attributes
    ----------
    image_size_ : tuple of int
        (rows, columns) of the images that are described, set by ``fit``.
    descriptor_shape_ : tuple of int
        A descriptor reshaped to it is (block row, block column, cell row, cell column, bin); for
        "opencv" columns come before rows. For "uoctti" it is (cell row, cell column, number), for
        "cs231n" (cell column, cell row, bin). Set by ``fit``.
    n_features_out_ : int
        Numbers an image, set by ``fit``.

    Examples
    --------
    >>> HOG().transform(np.zeros((5, 32, 32, 3), np.uint8)).shape
    (5, 324)
    """

    kernel_version: ClassVar[int] = 9
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

    def fit(self, images: Images, y: object = None) -> Self:
        """Set the attributes from the size of the first image; nothing is learned.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        images = self._check_training(images)
        with naming_image(0):
            if self.image_size is None:
                rows, columns = check_image(images[0]).shape[:2]
                self.image_size_ = (rows, columns)
            else:
                self.image_size_ = check_pair("image_size", self.image_size)
            plan = self._plan(self.image_size_, UINT8)
        self.descriptor_shape_ = plan.shape
        self.n_features_out_ = plan.length
        return self

    def transform(self, images: Images) -> FloatArray:
        """Describe every image.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images

        Returns
        -------
        ndarray of shape (n, numbers of a descriptor), float32

        Raises
        ------
        ValueError
            If ``image_size`` is None and an image has another size than the first.
        """
        images = self._check_collection(images)
        if len(images) and self._size() is None:
            return copy(self).fit(images).transform(images)
        return super().transform(images)

    def describe(self, image: Image) -> FloatArray:
        """Describe one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        ndarray of shape (numbers of a descriptor,), float32
        """
        stack = as_stack(check_image(image, float64=True))
        stack = self._resized(stack)
        plan = self._plan(stack.shape[1:], stack.dtype)
        out = np.empty((1, plan.length), np.float32)
        plan.describe(stack, out)
        return out[0]

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        for rows, stack in stacks(images, first, float64=True):
            with naming_image(first + rows.start):
                stack = self._resized(stack)
            plan = self._plan(stack.shape[1:], stack.dtype)
            try:
                plan.describe(stack, out[rows])
            except ValueError:  # Describing them one by one tells whose pixels were refused.
                for row, image in enumerate(stack, rows.start):
                    with naming_image(first + row):
                        plan.describe(image[np.newaxis], out[row : row + 1])

    def _size(self) -> tuple[int, int] | None:
        """Return the size of the images that are described, or None if any image sets it."""
        if self.image_size is not None:
            return check_pair("image_size", self.image_size)
        return getattr(self, "image_size_", None)

    def _resized(self, stack: Image) -> Image:
        """Resize a stack of images if that is asked for."""
        size, given = self._size(), stack.shape[1:3]
        if size is None or given == size:
            return stack
        if self.image_size is None:
            raise ValueError(
                f"expected {size[0]}x{size[1]} pixels as in the first image, got "
                f"{given[0]}x{given[1]}; give image_size=(rows, columns) to resize"
            )
        return resize_stack(stack, size)

    def _plan(self, size: tuple[int, ...], dtype: Dtype) -> Plan:
        p = Parameters(
            self.orientations,
            self.pixels_per_cell,
            self.cells_per_block,
            self.convention,
            self.block_stride,
            self.block_norm,
            self.signed,
            self.transform_sqrt,
        )
        return find_plan(p, size, dtype)

    def _plan_of_size(self) -> Plan:
        """Return the plan for grey images of the known size; colour has as many numbers."""
        size = self._size()
        if size is None:
            raise NotFittedError(
                "the size of the images is not known: give HOG image_size=(rows, columns) or call "
                "fit first"
            )
        return self._plan(size, UINT8)

    @property
    def _n_features_out(self) -> int:
        return self._plan_of_size().length

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Name every number by its place and the angle of its gradients in degrees.

        ``hog_block0_1_cell1_0_angle30`` is of the block in row 0, column 1, and in it of the cell
        in row 1, column 0.
        """
        angles = bin_angles(self.convention, self.orientations, self.signed, 360)
        bins = [f"angle{angle:g}" for angle in angles]
        if self.convention == "uoctti":
            bins += [f"unsigned{angle:g}" for angle in angles[: self.orientations]]
            bins += ["upper_left", "upper_right", "lower_left", "lower_right"]
        by_columns = self.convention in ("opencv", "cs231n")
        names = []
        for *place, b in np.ndindex(*self._plan_of_size().shape):
            pairs = [place[i : i + 2][:: -1 if by_columns else 1] for i in range(0, len(place), 2)]
            kinds = ("block", "cell")[-len(pairs) :]
            where = "_".join(f"{k}{row}_{col}" for k, (row, col) in zip(kinds, pairs, strict=True))
            names.append(f"hog_{where}_{bins[b]}")
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
