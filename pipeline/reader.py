"""The one reader of images: bytes first, header before decoder, nothing doubtful let through.

Decisions, the same for every file:

========================  ====================================================================
what a file may be        what becomes of it
========================  ====================================================================
format                    told by the first bytes, never by the name: JPEG, PNG, GIF, BMP,
                          WebP, TIFF; anything else is refused
more than 1 GiB           refused unread
more than ``max_pixels``  refused from the header, before a decoder runs
truncated or damaged      refused: JPEG by the decoder's own warnings, PNG by the checksum of
                          every chunk, the others by the decoder's errors
EXIF orientation          applied
16 bits a channel         scaled to 8 bits, v * 255 / 65535 rounded
32-bit, floating point    refused (their scale is unknown)
alpha                     composited over white
CMYK, palette             converted to RGB
grey                      stays one channel; ``features.image.to_gray`` is the one way from
                          colour to grey
animated, many pages      the first frame
larger than ``max_side``  resampled by area averaging so that the longer side is ``max_side``
========================  ====================================================================
"""

import io
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from ..features.image import resize

__all__ = ["READER_VERSION", "Header", "ImageError", "Reader", "read_bytes"]

# Part of every cache key: raised whenever the same bytes give other pixels or another refusal.
READER_VERSION = 2

ByteImage = npt.NDArray[np.uint8]

# Twice the pixels of the largest image in 16-bit RGBA. A file is read whole, and a video or an
# archive among the images need not fit into memory.
MAX_BYTES = 1 << 30

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF_ORIENTATION = 0x0112


class ImageError(ValueError):
    """An image that cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Header:
    """What an image's header says: rows and columns are those after EXIF orientation."""

    rows: int
    columns: int
    format: str


def read_bytes(path: Path | str) -> bytes:
    """Read a whole regular file; an ``ImageError`` if it cannot be read, is empty or too large."""
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("a folder, expected an image file")
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would block or never end
            raise ImageError("not a regular file")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"{status.st_size} bytes are more than the limit of {MAX_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise ImageError("the file is empty")
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
    visualwords.pipeline.reader.ImageError: not an image: its first bytes are none of JPEG, PNG, \
GIF, BMP, WebP or TIFF
    """

    max_pixels: int = 1 << 26
    max_side: int = 512

    def header(self, data: bytes) -> Header:
        """Check the header and the pixel cap; no pixel is decoded."""
        image = self._open(data)
        columns, rows = image.size
        if _orientation(image) >= 5:
            rows, columns = columns, rows
        return Header(rows, columns, str(image.format))

    def decode(self, data: bytes) -> ByteImage:
        """Decode to uint8 of shape (rows, columns) for grey, (rows, columns, 3) for RGB.

        Raises
        ------
        ImageError
            With the reason, if the bytes are no sound image.
        """
        image = self._open(data)
        try:
            orientation = _orientation(image)
            pixels = _composite(_to_8_bit(_decode(image, data)))
        except ImageError:
            raise
        except Exception as error:  # decoders raise all kinds on damaged data
            raise ImageError(f"damaged {image.format}: {error}") from error
        return self._reduce(_orient(pixels, orientation))

    def _open(self, data: bytes) -> ImageFile:
        plugin = _plugin(data)
        try:
            image: ImageFile = plugin(io.BytesIO(data))
        except Exception as error:
            raise ImageError(f"damaged header: {error or type(error).__name__}") from error
        columns, rows = image.size
        if columns * rows > self.max_pixels:
            raise ImageError(
                f"{columns} x {rows} pixels are more than the limit of {self.max_pixels}"
            )
        return image

    def _reduce(self, pixels: ByteImage) -> ByteImage:
        rows, columns = pixels.shape[:2]
        scale = self.max_side / max(rows, columns)
        if scale >= 1:
            return np.ascontiguousarray(pixels)
        shape = (max(1, round(rows * scale)), max(1, round(columns * scale)))
        return resize(np.ascontiguousarray(pixels), shape)


def _plugin(data: bytes) -> Any:
    """Pillow's class for the format that the first bytes tell.

    The classes are called directly: ``Image.open`` would also try formats that are not wanted
    here and warn of large images through the process-wide warnings machinery.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.JpegImageFile
    if data.startswith(PNG_SIGNATURE):
        return PngImagePlugin.PngImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImagePlugin.GifImageFile
    if data.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return TiffImagePlugin.TiffImageFile
    raise ImageError("not an image: its first bytes are none of JPEG, PNG, GIF, BMP, WebP or TIFF")


def _orientation(image: ImageFile) -> int:
    """EXIF orientation 1 to 8; Pillow turns TIFF itself, so 1 there."""
    if image.format == "TIFF" or "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # unreadable EXIF says nothing of the pixels
        return 1
    return value if value in range(1, 9) else 1


def _decode(image: ImageFile, data: bytes) -> npt.NDArray[Any]:
    """Pixels as stored, after palette and CMYK conversion: 1 to 4 channels of 8 or 16 bits."""
    if image.format == "JPEG" and image.mode in ("L", "RGB"):
        # strict: a warning of the decoder (premature end, corrupt data) is an error
        space = "GRAY" if image.mode == "L" else "RGB"
        pixels = simplejpeg.decode_jpeg(data, colorspace=space, strict=True)
        return pixels[:, :, 0] if image.mode == "L" else pixels
    if image.format == "PNG":
        _check_png(data)
    if _has_16_bit_colour(image):
        return _decode_16_bit_colour(data)
    image.load()
    if image.mode in ("I", "F"):
        raise ImageError("32-bit pixels, whose scale is unknown; expected 8 or 16 bits a channel")
    if image.mode in ("L", "RGB", "RGBA", "LA") and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))


def _check_png(data: bytes) -> None:
    """Walk the chunks: every checksum must hold and the last must be IEND (PNG, section 5)."""
    position, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise ImageError("truncated PNG: the end of the image is missing")
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 8 + length
        if end + 4 > len(data):
            raise ImageError("truncated PNG: a chunk is cut off")
        (checksum,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[position + 4 : end]) != checksum:
            raise ImageError(f"damaged PNG: wrong checksum in chunk {kind!r}")
        position = end + 4


def _has_16_bit_colour(image: ImageFile) -> bool:
    """Whether Pillow, which has no such mode, would drop the low bytes of a colour image."""
    return image.mode in ("RGB", "RGBA", "LA") and any(";16" in str(tile[3]) for tile in image.tile)


def _decode_16_bit_colour(data: bytes) -> npt.NDArray[Any]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ImageError("damaged: the decoder gave no image")
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return pixels[:, :, order]


def _to_8_bit(pixels: npt.NDArray[Any]) -> ByteImage:
    if pixels.dtype == np.uint16:  # v * 255 / 65535 = v / 257, rounded
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels


def _composite(pixels: ByteImage) -> ByteImage:
    """Lay grey + alpha or RGB + alpha over white."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    alpha = pixels[:, :, -1:].astype(np.uint32)
    colour = pixels[:, :, :-1].astype(np.uint32)
    laid: ByteImage = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return laid[:, :, 0] if laid.shape[2] == 1 else laid


def _orient(pixels: ByteImage, orientation: int) -> ByteImage:
    """Turn the stored pixels as EXIF says they are to be seen (EXIF 2.3, tag 274)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
