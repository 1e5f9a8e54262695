"""What every image format gives to the reader: a header, and samples that are not yet RGB bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..failures import DAMAGED, UNSUPPORTED

__all__ = [
    "Header",
    "ImageError",
    "OpenedImage",
    "Samples",
    "orientation_of_exif",
    "seen_size",
    "unsupported",
]

ORIENTATION = 0x0112  # the EXIF and TIFF tag


class ImageError(ValueError):
    """An image that cannot be used.

    Parameters
    ----------
    reason : str
        Without the name of the file.
    kind : str
        One of :mod:`visualwords.pipeline.failures`.
    """

    def __init__(self, reason: str, kind: str = DAMAGED) -> None:
        super().__init__(reason)
        self.kind = kind

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        return type(self), (str(self), self.kind)


@dataclass(frozen=True)
class Header:
    """What the header of an image says.

    Attributes
    ----------
    format : str
        Such as "JPEG".
    rows, columns : int
        Size of the image as it is seen, after its orientation is applied.
    stored_bytes : int
        Bytes that the samples take when they are unpacked but not yet converted.
    orientation : int
        1 to 8, as in EXIF 2.3, tag 274.
    icc : bytes or None
        The embedded colour profile.
    """

    format: str
    rows: int
    columns: int
    stored_bytes: int
    orientation: int = 1
    icc: bytes | None = None


class Samples(NamedTuple):
    """Decoded samples, as stored: before orientation and colour profile.

    Attributes
    ----------
    colour : ndarray of shape (rows, columns) for grey, (rows, columns, 3) for RGB, or
        (rows, columns, 4) for CMYK, uint8 or uint16
        The full range of the dtype is black to white; 255 or 65535 of CMYK is no ink.
    alpha : ndarray of shape (rows, columns), of the dtype of ``colour``, or None
        0 is transparent.
    premultiplied : bool
        Whether ``colour`` is already multiplied by ``alpha``.
    """

    colour: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    alpha: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | None = None
    premultiplied: bool = False


@dataclass(frozen=True)
class OpenedImage:
    """An image whose header was read and whose pixels were not.

    Attributes
    ----------
    header : Header
    decode : callable
        Decodes the samples. It raises an :class:`ImageError`, or whatever its decoder raises.
    """

    header: Header
    decode: Callable[[], Samples]


def unsupported(reason: str) -> ImageError:
    """Return the error of an image that is sound and of a layout that is not read."""
    return ImageError(reason, UNSUPPORTED)


def orientation_of_exif(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that EXIF data state; 1 where they state none.

    Parameters
    ----------
    exif : bytes
        A TIFF structure, with or without the prefix "Exif".
    """
    block = Image.Exif()
    try:
        block.load(exif)
        value = block.get(ORIENTATION, 1)
    except Exception:  # unreadable EXIF says nothing of the pixels
        return 1
    return value if value in range(1, 9) else 1


def seen_size(rows: int, columns: int, orientation: int) -> tuple[int, int]:
    """Return rows and columns after the orientation is applied."""
    return (columns, rows) if orientation >= 5 else (rows, columns)
