"""Formats whose pixels Pillow decodes as they are meant: GIF, BMP, WebP, AVIF and JPEG 2000."""

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile

from .base import (
    Header,
    ImageError,
    OpenedImage,
    Samples,
    orientation_of_exif,
    seen_size,
    unsupported,
)

__all__ = ["open_bmp", "open_with_pillow"]

BITFIELDS = 3
MASKS_OF_16_BITS = (0x7C00, 0x3E0, 0x1F)


def open_with_pillow(data: bytes, plugin: type[ImageFile], name: str) -> OpenedImage:
    """Read the header of an image by one class of Pillow.

    The class is called directly: ``PIL.Image.open`` also tries formats that are not wanted here,
    and it warns of large images through the process-wide warnings machinery.
    """
    try:
        image = plugin(io.BytesIO(data))
    except Exception as error:  # Pillow raises all kinds on damaged headers
        raise ImageError(f"damaged {name}: {error or type(error).__name__}") from error
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK"):
        is_deep = image.mode.startswith(("I", "F"))
        kind = "more than 8 bits a channel" if is_deep else f"the kind {image.mode!r}"
        raise unsupported(f"a {name} image of {kind}, which is not read; save it as PNG")
    exif = image.info.get("exif")
    orientation = orientation_of_exif(exif) if exif else 1
    columns, rows = image.size
    seen = seen_size(rows, columns, orientation)
    stored = rows * columns * max(1, len(image.getbands()))
    header = Header(name, *seen, stored, orientation, image.info.get("icc_profile"))
    return OpenedImage(header, lambda: _decode(image))


def _decode(image: ImageFile) -> Samples:
    image.load()
    if image.mode == "P" or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        return Samples(pixels[:, :, :3], pixels[:, :, 3])
    if image.mode in ("LA", "RGBA"):
        pixels = np.asarray(image)
        colour = pixels[:, :, 0] if image.mode == "LA" else pixels[:, :, :3]
        return Samples(colour, pixels[:, :, -1])
    if image.mode == "CMYK":
        return Samples(np.uint8(255) - np.asarray(image))
    return Samples(np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB")))


def open_bmp(data: bytes) -> OpenedImage:
    """Read the header of a BMP. Pillow does not scale 16-bit pixels to 255, so we unpack them."""
    opened = open_with_pillow(data, BmpImageFile, "BMP")
    bits = struct.unpack_from("<H", data, 28)[0] if _header_bytes(data) >= 40 else 0
    if bits != 16:
        return opened
    return OpenedImage(opened.header, lambda: Samples(_decode_16_bits(data)))


def _header_bytes(data: bytes) -> int:
    return int(struct.unpack_from("<I", data, 14)[0])


def _decode_16_bits(data: bytes) -> npt.NDArray[np.uint8]:
    """Unpack 16-bit pixels: a field of v of ``largest`` is ``255 v / largest``, rounded."""
    (start,) = struct.unpack_from("<I", data, 10)
    columns, rows = struct.unpack_from("<ii", data, 18)
    (compression,) = struct.unpack_from("<I", data, 30)
    masks: tuple[Any, ...] = MASKS_OF_16_BITS
    if compression == BITFIELDS:
        masks = struct.unpack_from("<III", data, 54)
    if compression not in (0, BITFIELDS) or not all(masks):
        raise ImageError("damaged BMP: a compression that 16-bit pixels do not have")
    pitch = -(-columns * 2 // 4) * 4
    if start + abs(rows) * pitch > len(data):
        raise ImageError("truncated BMP: rows are missing")
    words = np.frombuffer(data, np.uint8, abs(rows) * pitch, start).reshape(abs(rows), pitch)
    words = words[:, : 2 * columns].copy().view("<u2").astype(np.uint32)
    channels = []
    for mask in masks:
        lowest = mask & -mask
        largest = mask // lowest
        channels.append(((words & mask) // lowest * 255 + largest // 2) // largest)
    pixels = np.stack(channels, axis=2).astype(np.uint8)
    return pixels[::-1] if rows > 0 else pixels
