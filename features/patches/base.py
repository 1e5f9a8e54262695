"""Patches of images, each described by 144 numbers: where to look, and the ragged result."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from visualwords.features.image import (
    FloatArray,
    Image,
    Images,
    check_image,
    check_images,
    naming_image,
    to_gray,
)
from visualwords.threads import row_blocks, worker_threads

from .grid import N_NUMBERS, WINDOW
from .kernels import halve

__all__ = ["DescribedImages", "PatchDescriptors", "Patches"]

IMAGES_PER_BLOCK = 16
N_COORDINATES = 4  # row, column, size, angle


class PatchDescriptors(Sequence[FloatArray]):
    """Descriptors of the patches of images: a sequence with one array an image.

    Item ``i`` is the (patches, 144) array of image ``i``; a slice, an index array or a boolean
    mask gives the ``PatchDescriptors`` of these images. So it can be split by
    ``cross_val_score`` and ``GridSearchCV`` like a matrix, and be given to
    :class:`BagOfVisualWords` in place of the images.

    Parameters
    ----------
    values : ndarray of shape (total, 144), float32
        Descriptors of all images, one image after another.
    offsets : ndarray of shape (n + 1,), int64
        Rows ``offsets[i]`` to ``offsets[i + 1]`` belong to image ``i``; none if they are equal.
    positions : ndarray of shape (total, 4), float32
        Centre row, centre column and side of every patch in pixels, and its angle in radians
        from the column axis towards the row axis. The image's corner is (0, 0), the centre of its
        first pixel (0.5, 0.5).
    image_shapes : ndarray of shape (n, 2), int64
        Rows and columns of every image.

    Attributes
    ----------
    shape : tuple
        ``(n,)``: the number of images.

    Examples
    --------
    >>> from visualwords.features import DensePatches
    >>> described = DensePatches(patch_size=8, stride=8).transform(np.zeros((3, 16, 24)))
    >>> len(described), described[0].shape, described[1:].values.shape
    (3, (6, 144), (12, 144))
    """

    def __init__(
        self,
        values: FloatArray,
        offsets: npt.NDArray[np.int64],
        positions: FloatArray,
        image_shapes: npt.NDArray[np.int64],
    ) -> None:
        self.values = np.asarray(values, np.float32)
        self.offsets = np.asarray(offsets, np.int64)
        self.positions = np.asarray(positions, np.float32)
        self.image_shapes = np.asarray(image_shapes, np.int64)
        self._check()

    def _check(self) -> None:
        total = len(self.values)
        if self.values.ndim != 2:
            raise ValueError(f"expected values of shape (total, numbers), got {self.values.shape}")
        if self.positions.shape != (total, N_COORDINATES):
            raise ValueError(
                f"expected positions of shape {(total, N_COORDINATES)}, got {self.positions.shape}"
            )
        ends = self.offsets
        if ends.ndim != 1 or not len(ends) or ends[0] != 0 or ends[-1] != total:
            raise ValueError(f"expected offsets from 0 to {total}, got {ends}")
        if (np.diff(ends) < 0).any():
            raise ValueError("expected offsets that never decrease")
        if self.image_shapes.shape != (len(ends) - 1, 2):
            raise ValueError(
                f"expected image_shapes of shape {(len(ends) - 1, 2)}, "
                f"got {self.image_shapes.shape}"
            )

    @classmethod
    def of_image(
        cls, values: FloatArray, positions: FloatArray, image_shape: tuple[int, int]
    ) -> "PatchDescriptors":
        """Take the descriptors and positions of one image's patches."""
        return cls(values, np.array([0, len(values)]), positions, np.array([image_shape]))

    @classmethod
    def joined(
        cls, parts: "Sequence[PatchDescriptors]", values: FloatArray | None = None
    ) -> "PatchDescriptors":
        """Join parts, the images of one after those of another; of ``values`` they are views."""
        if len(parts) == 1:
            return parts[0]
        counts = [np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)]
        nothing = np.empty((0, N_NUMBERS), np.float32), np.empty((0, N_COORDINATES), np.float32)
        if values is None:
            values = np.concatenate([nothing[0], *(part.values for part in parts)])
        return cls(
            values,
            np.cumsum(np.concatenate(counts)),
            np.concatenate([nothing[1], *(part.positions for part in parts)]),
            np.concatenate([np.empty((0, 2), np.int64), *(part.image_shapes for part in parts)]),
        )

    @property
    def shape(self) -> tuple[int]:
        """The number of images, as a shape."""
        return (len(self),)

    @property
    def without_patches(self) -> npt.NDArray[np.int64]:
        """Numbers of the images that have no patch, int64."""
        return np.flatnonzero(np.diff(self.offsets) == 0)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, key: int) -> FloatArray: ...
    @overload
    def __getitem__(self, key: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        chosen = _chosen(key, len(self))
        if np.ndim(chosen) == 0:
            return self.values[self.offsets[chosen] : self.offsets[chosen + 1]]
        if isinstance(key, slice) and len(chosen) and key.step in (None, 1):
            return self._from_to(chosen[0], chosen[-1] + 1)
        starts, counts = self.offsets[:-1][chosen], np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])
        return PatchDescriptors(
            self.values[rows], offsets, self.positions[rows], self.image_shapes[chosen]
        )

    def _from_to(self, start: int, stop: int) -> "PatchDescriptors":
        """View consecutive images."""
        rows = slice(self.offsets[start], self.offsets[stop])
        return PatchDescriptors(
            self.values[rows],
            self.offsets[start : stop + 1] - self.offsets[start],
            self.positions[rows],
            self.image_shapes[start:stop],
        )

    def __iter__(self) -> Iterator[FloatArray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"PatchDescriptors({len(self)} images, {len(self.values)} patches)"


class DescribedImages(Sequence[Image]):
    """Images together with the descriptors of their patches, computed once.

    A sequence of images to every other feature; :class:`BagOfVisualWords` takes the descriptors.
    With it a union of features can be cross-validated while patches are described only once.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
    descriptors : PatchDescriptors
        Of the same images.

    Examples
    --------
    >>> from visualwords.features import DensePatches
    >>> images = np.zeros((3, 16, 24))
    >>> described = DescribedImages(images, DensePatches(8, 8).transform(images))
    >>> described[0].shape, described[[0, 2]].descriptors
    ((16, 24), PatchDescriptors(2 images, 12 patches))
    """

    def __init__(self, images: Images, descriptors: PatchDescriptors) -> None:
        self.images = check_undescribed(images)
        self.descriptors = descriptors
        if len(self.images) != len(descriptors):
            raise ValueError(
                f"expected descriptors of {len(self.images)} images, got {len(descriptors)}"
            )

    @property
    def shape(self) -> tuple[int]:
        """The number of images, as a shape."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, key: int) -> Image: ...
    @overload
    def __getitem__(self, key: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        chosen = _chosen(key, len(self))
        if np.ndim(chosen) == 0:
            return self.images[chosen]
        if isinstance(self.images, np.ndarray):
            return DescribedImages(self.images[chosen], self.descriptors[chosen])
        return DescribedImages([self.images[i] for i in chosen], self.descriptors[chosen])

    def __repr__(self) -> str:
        return f"DescribedImages({len(self)} images, {len(self.descriptors.values)} patches)"


def check_undescribed(images: Any) -> Images:
    """Check that a collection is one of images (:func:`check_images`), not of descriptors.

    The (patches, 144) array of an image would pass for a grey image.
    """
    if isinstance(images, PatchDescriptors):
        raise TypeError(
            "expected images, got PatchDescriptors, which only BagOfVisualWords takes; give a "
            "union of features DescribedImages(images, descriptors)"
        )
    return check_images(images)


def _chosen(key: Any, n: int) -> Any:
    """Give the image's number or the array of numbers that ``key`` chooses out of ``n``.

    scikit-learn indexes what has a ``shape`` with ``[key, ...]``.
    """
    if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
        key = key[0]
    if np.size(key) == 0:
        return np.empty(0, np.int64)
    try:
        return np.arange(n)[key]
    except IndexError as error:
        raise IndexError(f"expected images among 0..{n - 1}, got {key}") from error


class Patches(TransformerMixin, BaseEstimator):
    """Base of the places to look at: transformers from images to :class:`PatchDescriptors`.

    A subclass defines :meth:`describe`. There is nothing to learn: ``fit`` gives ``self`` back.
    """

    n_jobs: int | None

    @abstractmethod
    def describe(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Describe the patches of one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        values : ndarray of shape (patches, 144), float32
        positions : ndarray of shape (patches, 4), float32
            Centre row, centre column, side, angle, as in :class:`PatchDescriptors`.
        """

    def fit(self, images: Images, y: Any = None) -> Self:
        """Do nothing; for pipelines.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        check_undescribed(images)
        return self

    def transform(self, images: Images) -> PatchDescriptors:
        """Describe the patches of every image.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images

        Returns
        -------
        PatchDescriptors
            Image by image; the patches of one do not depend on the others.
        """
        images = check_undescribed(images)

        def describe_block(block: slice) -> PatchDescriptors:
            return self.describe_block(images[block], block.start)

        with worker_threads(self.n_jobs) as map_:
            return PatchDescriptors.joined(
                list(map_(describe_block, row_blocks(len(images), IMAGES_PER_BLOCK)))
            )

    def describe_block(self, images: Images, first: int) -> PatchDescriptors:
        """Describe images of a collection, in this thread.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        first : int
            The number of the first of them in the whole collection, for messages.

        Returns
        -------
        PatchDescriptors
        """
        parts = []
        for index, image in enumerate(images, first):
            with naming_image(index):
                image = check_image(image)
                parts.append(PatchDescriptors.of_image(*self.describe(image), image.shape[:2]))
        return PatchDescriptors.joined(parts)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


def unit_gray(stack: Image) -> FloatArray:
    """Give the grey images of a stack (n, rows, columns, channels) in units of 0..1."""
    n, rows, columns, channels = stack.shape
    one_below_another = (n * rows, columns, channels)[: 2 if channels == 1 else 3]
    gray = to_gray(stack.reshape(one_below_another)).reshape(n, rows, columns)
    if stack.dtype == np.uint8:
        gray *= np.float32(1 / 255)
    return gray


def halved(grays: FloatArray, n_halvings: int) -> list[FloatArray]:
    """Give images (n, rows, columns) and their successive halves.

    Item k is halved k times; a patch of side s is read from item ``halvings(s)``.
    """
    levels = [grays]
    for _ in range(n_halvings):
        levels.append(halve(levels[-1]))
    return levels


def halvings(size: float) -> int:
    """How often an image is halved until patches of side ``size`` have at most 32 pixels a side."""
    return max(0, math.ceil(math.log2(size / WINDOW)))
