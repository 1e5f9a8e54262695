"""Histograms of oriented gradients: ``hog`` and ``HOG``."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from . import hog_kernels
from .base import ImageFeature
from .hog_plan import Plan, plan_dalal
from .image import FloatArray, Image, Images, as_stack, check_image, naming_image, resize, stacks

__all__ = ["HOG", "hog"]

CONVENTIONS = ("dalal",)
EPSILON = np.float32(1e-3)
CLIP = np.float32(0.2)


def hog(
    image: Image,
    *,
    orientations: int = 9,
    pixels_per_cell: tuple[int, int] = (8, 8),
    cells_per_block: tuple[int, int] = (2, 2),
    convention: str = "dalal",
    block_stride: tuple[int, int] | None = None,
    signed: bool = False,
) -> FloatArray:
    """Describe an image by histograms of oriented gradients.

    Parameters
    ----------
    image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

    Returns
    -------
    ndarray of shape (n,), float32

    Examples
    --------
    >>> hog(np.zeros((32, 32), np.uint8)).shape
    (324,)
    """
    image = check_image(image)
    plan = _plan(
        image.shape[:2],
        orientations,
        pixels_per_cell,
        cells_per_block,
        convention,
        block_stride,
        signed,
    )
    out = np.empty((1, int(np.prod(plan.shape))), np.float32)
    _describe(as_stack(image), plan, signed, out)
    return out[0]


def _plan(
    size: tuple[int, ...],
    orientations: int,
    pixels_per_cell: tuple[int, int],
    cells_per_block: tuple[int, int],
    convention: str,
    block_stride: tuple[int, int] | None,
    signed: bool,
) -> Plan:
    if convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {CONVENTIONS}, got {convention!r}")
    cell = (int(pixels_per_cell[0]), int(pixels_per_cell[1]))
    cells = (int(cells_per_block[0]), int(cells_per_block[1]))
    stride = cell if block_stride is None else (int(block_stride[0]), int(block_stride[1]))
    return plan_dalal((size[0], size[1]), orientations, cell, cells, stride, signed)


def _describe(stack: Image, plan: Plan, signed: bool, out: FloatArray) -> None:
    hog_kernels.describe_block(
        stack,
        np.float32(1 / 255 if stack.dtype == np.uint8 else 1),
        False,
        1,
        plan.arctangent,
        signed,
        plan.rows.first,
        plan.rows.weights,
        plan.columns.first,
        plan.columns.weights,
        np.array(plan.shape[:4]),
        np.array(plan.shape[2:4]),
        EPSILON,
        CLIP,
        np.array((plan.rows.number, plan.shape[4], plan.columns.number)),
        out,
    )


class HOG(ImageFeature):
    """Histograms of oriented gradients of many images: :func:`hog` as a transformer.

    Parameters
    ----------
    orientations, pixels_per_cell, cells_per_block, convention, block_stride, signed
        As in :func:`hog`.
    image_size : (rows, columns) or None
        Images are resized to it first. None: all images must have the size of those in ``fit``.
    n_jobs : int or None
        Threads of ``transform``; None is one unless a ``joblib.parallel_config`` says otherwise.

    Attributes
    ----------
    image_size_ : tuple of int
        (rows, columns) of the images that are described.

    Examples
    --------
    >>> HOG().fit_transform(np.zeros((5, 32, 32, 3), np.uint8)).shape
    (5, 324)
    """

    image_size_: tuple[int, int]

    def __init__(
        self,
        orientations: int = 9,
        pixels_per_cell: tuple[int, int] = (8, 8),
        cells_per_block: tuple[int, int] = (2, 2),
        convention: str = "dalal",
        block_stride: tuple[int, int] | None = None,
        signed: bool = False,
        image_size: tuple[int, int] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.convention = convention
        self.block_stride = block_stride
        self.signed = signed
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
        with naming_image(0):
            size = check_image(images[0]).shape[:2] if self.image_size is None else self.image_size
            self.image_size_ = (int(size[0]), int(size[1]))
            self.n_features_out_ = int(np.prod(self._plan().shape))
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
        out = np.empty((1, self.n_features_out_), np.float32)
        _describe(as_stack(self._sized(check_image(image))), self._plan(), self.signed, out)
        return out[0]

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        plan = self._plan()
        for rows, stack in stacks(images, first, self._sized):
            _describe(stack, plan, self.signed, out[rows])

    def _sized(self, image: Image) -> Image:
        """Give the image in the size that ``fit`` saw."""
        if image.shape[:2] == self.image_size_:
            return image
        if self.image_size is None:
            raise ValueError(
                f"expected {self.image_size_[0]}x{self.image_size_[1]} pixels as in fit, got "
                f"{image.shape[0]}x{image.shape[1]}; give image_size=(rows, columns) to resize"
            )
        return resize(image, self.image_size_)

    def _plan(self) -> Plan:
        return _plan(
            self.image_size_,
            self.orientations,
            self.pixels_per_cell,
            self.cells_per_block,
            self.convention,
            self.block_stride,
            self.signed,
        )

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name every number ``hog_block<row>_<column>_cell<row>_<column>_<orientation>``."""
        check_is_fitted(self)
        names = [
            f"hog_block{i}_{j}_cell{k}_{m}_{o}" for i, j, k, m, o in np.ndindex(*self._plan().shape)
        ]
        return np.array(names, dtype=object)
