"""Descriptors of patches, image by image: ``PatchDescriptors`` and ``DescribedImages``."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Self, overload

import numpy as np
import numpy.typing as npt

from visualwords.features.image import FloatArray, Image, Images, check_images

from .grid import N_NUMBERS

__all__ = ["N_COORDINATES", "DescribedImages", "PatchDescriptors"]

N_COORDINATES = 4  # row, column, size, angle

Several = slice | Sequence[int] | npt.NDArray[np.integer | np.bool_]
IndexArray = npt.NDArray[np.int64]


class PatchDescriptors(Sequence[FloatArray]):
    """Descriptors of the patches of images: a sequence with one array an image.

    Item ``i`` is the (patches, numbers) array of image ``i``. A slice, an index array or a boolean
    mask gives the ``PatchDescriptors`` of the chosen images. So ``cross_val_score`` and
    ``GridSearchCV`` split it like a matrix, and :class:`BagOfVisualWords` takes it in place of the
    images.

    Parameters
    ----------
    values : ndarray of shape (total, numbers), float32
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

    Raises
    ------
    ValueError
        If the shapes of the arrays do not belong together.

    Examples
    --------
    >>> from visualwords.features import DensePatches
    >>> described = DensePatches(patch_size=8, stride=8).transform(np.zeros((3, 16, 24)))
    >>> len(described), described[0].shape, described[1:].values.shape
    (3, (6, 144), (12, 144))
    """

    not_images: ClassVar[str] = (
        "only BagOfVisualWords takes them; give a union of features "
        "DescribedImages(images, descriptors)"
    )

    def __init__(
        self,
        values: FloatArray,
        offsets: IndexArray,
        positions: FloatArray,
        image_shapes: IndexArray,
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
    def of_image(cls, values: FloatArray, positions: FloatArray, shape: tuple[int, ...]) -> Self:
        """Return the descriptors of one image of ``shape`` (rows, columns[, channels])."""
        return cls(values, np.array([0, len(values)]), positions, np.array([shape[:2]]))

    @classmethod
    def joined(
        cls,
        parts: "Sequence[PatchDescriptors]",
        values: FloatArray | None = None,
        n_numbers: int = N_NUMBERS,
    ) -> "PatchDescriptors":
        """Join the descriptors of several collections, one after another.

        Parameters
        ----------
        parts : sequence of PatchDescriptors
        values : ndarray of shape (total, n_numbers) or None
            The values of all parts where they lie in one array already; None copies them.
        n_numbers : int
            Of a descriptor, where there are no parts.
        """
        if len(parts) == 1:
            return parts[0]
        counts = [np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)]
        if values is None:
            values = np.empty((0, n_numbers), np.float32)
            if parts:
                values = np.concatenate([part.values for part in parts])
        no_place = np.empty((0, N_COORDINATES), np.float32)
        no_shape = np.empty((0, 2), np.int64)
        return cls(
            values,
            np.cumsum(np.concatenate(counts)),
            np.concatenate([no_place, *(part.positions for part in parts)]),
            np.concatenate([no_shape, *(part.image_shapes for part in parts)]),
        )

    @property
    def shape(self) -> tuple[int]:
        """The number of images, as a shape."""
        return (len(self),)

    @property
    def without_patches(self) -> IndexArray:
        """Numbers of the images that have no patch, int64."""
        return np.flatnonzero(np.diff(self.offsets) == 0)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, key: int) -> FloatArray: ...
    @overload
    def __getitem__(self, key: Several) -> "PatchDescriptors": ...
    def __getitem__(self, key: int | Several) -> "FloatArray | PatchDescriptors":
        chosen = _chosen(key, len(self))
        if isinstance(chosen, int):
            return self.values[self.offsets[chosen] : self.offsets[chosen + 1]]
        if isinstance(key, slice) and len(chosen) and key.step in (None, 1):
            return self._from_to(int(chosen[0]), int(chosen[-1]) + 1)
        starts, counts = self.offsets[:-1][chosen], np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])
        return PatchDescriptors(
            self.values[rows], offsets, self.positions[rows], self.image_shapes[chosen]
        )

    def _from_to(self, start: int, stop: int) -> "PatchDescriptors":
        """Return a view of consecutive images."""
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
    """Images together with the descriptors of their patches.

    :class:`BagOfVisualWords` takes the descriptors; every other feature takes the images. So a
    union of features is cross-validated while the patches are described only once.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
    descriptors : PatchDescriptors
        The descriptors of the same images.

    Raises
    ------
    ValueError
        If there are not as many descriptors as images.

    Examples
    --------
    >>> from visualwords.features import DensePatches
    >>> images = np.zeros((3, 16, 24))
    >>> described = DescribedImages(images, DensePatches(8, 8).transform(images))
    >>> described[0].shape, described[[0, 2]].descriptors
    ((16, 24), PatchDescriptors(2 images, 12 patches))
    """

    def __init__(self, images: Images, descriptors: PatchDescriptors) -> None:
        self.images = check_images(images)
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
    def __getitem__(self, key: Several) -> "DescribedImages": ...
    def __getitem__(self, key: int | Several) -> "Image | DescribedImages":
        chosen = _chosen(key, len(self))
        if isinstance(chosen, int):
            return self.images[chosen]
        if isinstance(self.images, np.ndarray):
            return DescribedImages(self.images[chosen], self.descriptors[chosen])
        return DescribedImages([self.images[i] for i in chosen], self.descriptors[chosen])

    def __repr__(self) -> str:
        return f"DescribedImages({len(self)} images, {len(self.descriptors.values)} patches)"


def _chosen(key: int | Several | tuple[object, ...], n: int) -> int | IndexArray:
    """Return the number of the image that ``key`` chooses out of ``n``, or the array of several.

    scikit-learn indexes a sequence that has a ``shape`` with ``[key, ...]``.
    """
    if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
        key = key[0]  # type: ignore[assignment]
    if not isinstance(key, slice) and np.size(key) == 0:  # type: ignore[arg-type]
        return np.empty(0, np.int64)
    try:
        chosen = np.arange(n)[key]  # type: ignore[index]
    except IndexError as error:
        raise IndexError(f"expected images among 0..{n - 1}, got {key}") from error
    return int(chosen) if np.ndim(chosen) == 0 else chosen
