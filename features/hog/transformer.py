"""Histograms of oriented gradients of many images: ``HOG``."""

from copy import copy
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from visualwords.checks import check_pair
from visualwords.features.base import StatelessFeature
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
from .plan import Plan, Values, find_plan

__all__ = ["HOG"]

UINT8 = np.dtype(np.uint8)


class HOG(StatelessFeature):
    """Histograms of oriented gradients of many images: :func:`hog` as a transformer.

    It learns nothing: ``transform`` works without ``fit``.

    Parameters
    ----------
    orientations, pixels_per_cell, cells_per_block, convention, block_stride, block_norm, signed, \
    transform_sqrt
        As in :func:`hog`.
    mirror : bool
        Give the mean of the descriptors of the image and its mirror image, which is the same for
        both. Numbers that say there what others say are left out, about half of them. A linear
        classifier is then that which would be learned from the images and their mirror images.
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
        "cs231n" (cell column, cell row, bin). With ``mirror``, some numbers of it are left out. Set
        by ``fit``.
    n_features_out_ : int
        Numbers an image, set by ``fit``.

    Examples
    --------
    >>> HOG().transform(np.zeros((5, 32, 32, 3), np.uint8)).shape
    (5, 324)
    """

    kernel_version: ClassVar[int] = 13
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
        mirror: bool = False,
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
        self.mirror = mirror
        self.image_size = image_size
        self.n_jobs = n_jobs

    def fit(self, images: Images, y: object = None) -> Self:
        """Set the attributes from the size of the first of the images; nothing is learned."""
        images = self._check_training(images)
        with naming_image(0):
            if self.image_size is None:
                rows, columns = check_image(images[0]).shape[:2]
                self.image_size_ = (rows, columns)
            else:
                self.image_size_ = check_pair("image_size", self.image_size)
            self.descriptor_shape_ = self._plan_of_size().shape
        return super().fit(images)

    def transform(self, images: Images) -> FloatArray:
        """Describe every image by a row of a float32 matrix.

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
        """Describe one image by a float32 vector, as :func:`hog` does."""
        image = self._resized(as_stack(check_image(image, float64=True)))[0]
        return find_plan(self._parameters(), image.shape, image.dtype).describe_one(image)

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        for rows, stack in stacks(images, first, float64=True):
            with naming_image(first + rows.start):
                stack = self._resized(stack)
            plan = find_plan(self._parameters(), stack.shape[1:], stack.dtype)
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

    def _parameters(self) -> Parameters:
        values: Values = (self.orientations, self.pixels_per_cell, self.cells_per_block)
        values += (self.convention, self.block_stride, self.block_norm, self.signed)
        values += (self.transform_sqrt, self.mirror)
        return Parameters(*values)

    def _plan_of_size(self) -> Plan:
        """Return the plan for 8-bit images of the known size; other kinds have as many numbers."""
        size = self._size()
        if size is None:
            raise NotFittedError(
                "the size of the images is not known: give HOG image_size=(rows, columns) or call "
                "fit first"
            )
        return find_plan(self._parameters(), size, UINT8)

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
        plan, names = self._plan_of_size(), []
        for *place, b in np.ndindex(*plan.shape):
            pairs = [place[i : i + 2][:: -1 if by_columns else 1] for i in range(0, len(place), 2)]
            kinds = ("block", "cell")[-len(pairs) :]
            where = "_".join(f"{k}{row}_{col}" for k, (row, col) in zip(kinds, pairs, strict=True))
            names.append(f"hog_{where}_{bins[b]}")
        return np.array(names, dtype=object)[plan.kept]
