"""Images that are in memory already."""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .base import Source, SourceError, listing

__all__ = ["ArraySource"]


class ArraySource(Source):
    """Arrays of pixels, uint8, of shape (rows, columns) or (rows, columns, 3) each.

    Parameters
    ----------
    images : sequence of ndarray
    labels : sequence, optional
        One for each image.
    """

    def __init__(
        self, images: Sequence[npt.NDArray[Any]], labels: Sequence[Any] | None = None
    ) -> None:
        self.name = f"{len(images)} arrays"
        if not len(images):
            raise SourceError("expected at least one image, got none")
        if labels is not None and len(labels) != len(images):
            raise SourceError(
                f"{len(images)} images but {len(labels)} labels: expected one label per image"
            )
        for i, image in enumerate(images):
            is_image = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
            if image.dtype != np.uint8 or not is_image or not image.size:
                raise SourceError(
                    f"image {i}: expected uint8 of shape (rows, columns) or (rows, columns, 3), "
                    f"got {image.dtype} of shape {image.shape}"
                )
        self._images: Any = images
        self._labels = labels

    def images(self) -> Iterator[pa.Table]:
        """List the arrays; see :class:`Source`."""
        labels = self._labels if self._labels is not None else [None] * len(self._images)
        return listing(
            (f"array[{i}]", str(i), _signature(image), None if y is None else str(y), None)
            for i, (image, y) in enumerate(zip(self._images, labels, strict=True))
        )

    def only(self, locations: Sequence[str]) -> "ArraySource":
        """Return a source of these arrays alone, which keep their locations."""
        part = copy.copy(self)
        part._images = {int(i): self._images[int(i)] for i in locations}
        part._labels = None
        return part

    def read(self, location: str) -> npt.NDArray[np.uint8]:
        """Return an array; see :class:`Source`."""
        return np.ascontiguousarray(self._images[int(location)])


def _signature(image: npt.NDArray[np.uint8]) -> str:
    return hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
