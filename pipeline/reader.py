"""The one reader of images: header before decoder, and nothing doubtful is let through.

What becomes of each format, depth and layout is decided in :mod:`.formats`, and listed in
``docs/images.md``. Here are the limits that hold for all of them.
"""

import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..checks import check_integer
from ..features.image import resize
from .failures import NOT_AN_IMAGE, TOO_LARGE, UNREADABLE
from .formats import Header, ImageError, OpenedImage, open_image
from .formats.colour import to_srgb

__all__ = ["READER_VERSION", "ByteImage", "Header", "ImageError", "Reader", "read_bytes"]

# Part of every cache key: raised whenever the same bytes give other pixels or another refusal.
READER_VERSION = 4

ByteImage = npt.NDArray[np.uint8]

# Twice the pixels of the largest image in 16-bit RGBA. A file is read whole, and a video or an
# archive among the images need not fit into memory.
MAX_BYTES = 1 << 30

# A file that unpacks to more than so many bytes, and to so many times its own size, is a bomb.
BOMB_BYTES = 1 << 25
BOMB_RATIO = 200


def read_bytes(path: Path | str) -> bytes:
    """Read a whole regular file; an ``ImageError`` if it cannot be read, is empty or too large."""
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("a folder, expected an image file", UNREADABLE)
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would block or never end
            raise ImageError("not a regular file", UNREADABLE)
        if status.st_size > MAX_BYTES:
            raise ImageError(
                f"{status.st_size} bytes are more than the limit of {MAX_BYTES}", TOO_LARGE
            )
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}", UNREADABLE) from error
    if not data:
        raise ImageError("the file is empty", NOT_AN_IMAGE)
    return data


@dataclass(frozen=True)
class Reader:
    """Bytes to pixels.

    Parameters
    ----------
    max_pixels : int
        An image whose header claims more is refused unread (a decompression bomb, or a mistake).
    max_side : int
        Larger images are reduced so that their longer side has this many pixels; classical
        features gain nothing above it, and it bounds time and memory an image.

    Examples
    --------
    >>> Reader().decode(b"hello")
    Traceback (most recent call last):
        ...
    visualwords.pipeline.formats.base.ImageError: not an image: its first bytes are none of \
JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, JPEG 2000 or PPM
    """

    max_pixels: int = 1 << 26
    max_side: int = 512

    def __post_init__(self) -> None:
        for name, limit in (("max_pixels", self.max_pixels), ("max_side", self.max_side)):
            object.__setattr__(self, name, check_integer(name, limit))

    def header(self, data: bytes) -> Header:
        """Read the header and check the limits. No pixel is decoded."""
        return self._open(data).header

    def decode(self, data: bytes) -> ByteImage:
        """Decode to uint8 of shape (rows, columns) for grey, (rows, columns, 3) for sRGB.

        Raises
        ------
        ImageError
            With the reason, if the bytes are no sound image.
        """
        opened = self._open(data)
        header = opened.header
        try:
            pixels = to_srgb(opened.decode(), header.icc)
        except ImageError:
            raise
        except Exception as error:  # decoders raise all kinds on damaged data
            raise ImageError(f"damaged {header.format}: {error}") from error
        return self.reduce(_orient(pixels, header.orientation))

    def _open(self, data: bytes) -> OpenedImage:
        try:
            opened = open_image(data)
        except ImageError:
            raise
        except Exception as error:  # parsers raise all kinds on damaged headers
            raise ImageError(f"damaged header: {error or type(error).__name__}") from error
        header = opened.header
        if header.rows * header.columns > self.max_pixels:
            raise ImageError(
                f"{header.columns} x {header.rows} pixels are more than the limit of "
                f"{self.max_pixels}; --max-pixels (in Python max_pixels) raises it",
                TOO_LARGE,
            )
        if header.stored_bytes > max(BOMB_BYTES, BOMB_RATIO * len(data)):
            raise ImageError(
                f"{len(data)} bytes that unpack to {header.stored_bytes}: a decompression bomb; "
                f"beyond {BOMB_BYTES}, at most {BOMB_RATIO} times the file's size is unpacked",
                TOO_LARGE,
            )
        return opened

    def reduce(self, pixels: ByteImage) -> ByteImage:
        """Return an image whose longer side has at most ``max_side`` pixels."""
        rows, columns = pixels.shape[:2]
        scale = self.max_side / max(rows, columns)
        if scale >= 1:
            return np.ascontiguousarray(pixels)
        shape = (max(1, round(rows * scale)), max(1, round(columns * scale)))
        return resize(np.ascontiguousarray(pixels), shape)


def _orient(pixels: ByteImage, orientation: int) -> ByteImage:
    """Turn the stored pixels as EXIF says they are to be seen (EXIF 2.3, tag 274)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
