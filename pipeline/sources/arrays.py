"""Images that are in memory already."""

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..counts import counted
from .base import Source, SourceError, listing
from .labels import listed_labels

__all__ = ["ArraySource"]


class ArraySource(Source):
    """Arrays of pixels, uint8, of shape (rows, columns) or (rows, columns, 3) each.

    Floating-point images and images with alpha are refused: only their owner knows their scale and
    their background.

    Parameters
    ----------
    images : sequence of ndarray
    labels : sequence, optional
        One for each image.
    """

    def __init__(
        self, images: Sequence[npt.NDArray[Any]], labels: Sequence[Any] | None = None
    ) -> None:
        self.name = counted(len(images), "array")
        if not len(images):
            raise SourceError("expected at least one image, got none")
        if isinstance(images, np.ndarray) and images.ndim == 3 and images.shape[2] in (3, 4):
            raise SourceError(
                f"an array of shape {images.shape} looks like one colour image; give [image]"
            )
        for i, image in enumerate(images):
            _check(i, image)
        self._images: Sequence[npt.NDArray[Any]] | Mapping[int, npt.NDArray[Any]] = images
        self._labels = listed_labels(labels, len(images), "array")

    def images(self) -> Iterator[pa.Table]:
        """List the arrays; see :class:`Source`."""
        return listing(
            (f"array[{i}]", str(i), _signature(self._images[i]), label, None)
            for i, label in enumerate(self._labels)
        )

    def only(self, locations: Sequence[str]) -> "ArraySource":
        """Return a source of these arrays alone, which keep their locations."""
        part = copy.copy(self)
        part._images = {int(i): self._images[int(i)] for i in locations}
        part._labels = []
        return part

    def read(self, location: str) -> npt.NDArray[np.uint8]:
        """Return an array; see :class:`Source`."""
        return np.ascontiguousarray(self._images[int(location)])

    def index_keys(self, locations: pa.Array) -> pa.Array:
        """Return names that no file has; the signature tells arrays apart; see :class:`Source`."""
        return pc.binary_join_element_wise(pa.scalar("array:"), locations, "")


def _check(number: int, image: Any) -> None:
    expected = "expected an array of uint8 of shape (rows, columns) or (rows, columns, 3)"
    if not isinstance(image, np.ndarray):
        raise SourceError(f"image {number}: {expected}, got {type(image).__name__}")
    got = f"{expected}, got {image.dtype} of shape {image.shape}"
    if image.ndim == 3 and image.shape[2] == 4:
        raise SourceError(f"image {number}: {got}; lay its alpha channel over a colour first")
    if np.issubdtype(image.dtype, np.floating):
        raise SourceError(f"image {number}: {got}; scale it to 0 to 255, round and convert it")
    is_image = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not is_image or not image.size:
        raise SourceError(f"image {number}: {got}")


def _signature(image: npt.NDArray[np.uint8]) -> str:
    data = f"{image.shape}".encode() + image.tobytes()
    return hashlib.blake2b(data, digest_size=16).hexdigest()
