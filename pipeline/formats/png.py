"""PNG (ISO/IEC 15948): chunks are checked and interpreted here, a decoder sees only the pixels.

The decoder is given a file that holds nothing but the header, the palette and the pixels of the
still image. So transparency, colour profiles, orientation and animations mean the same for every
depth, whatever a decoder makes of them.
"""

import binascii
import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import PngImagePlugin

from ..counts import counted
from .base import Header, ImageError, OpenedImage, Samples, orientation_of_exif, seen_size

__all__ = ["SIGNATURE", "open_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
FOR_THE_DECODER = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
EXIF_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")
MAX_PROFILE = 1 << 24  # bytes of an unpacked colour profile or text


@dataclass
class _Png:
    """What the chunks of a PNG say."""

    columns: int = 0
    rows: int = 0
    depth: int = 0
    kind: int = -1
    palette: bytes = b""
    transparency: bytes | None = None
    icc: bytes | None = None
    orientation: int = 1
    kept: list[bytes] = field(default_factory=list)


def open_png(data: bytes) -> OpenedImage:
    """Read the header of a PNG and check the checksum of every chunk."""
    png = _parse(data)
    rows, columns = seen_size(png.rows, png.columns, png.orientation)
    stored = png.rows * (-(-png.columns * CHANNELS[png.kind] * png.depth // 8))
    header = Header("PNG", rows, columns, stored, png.orientation, png.icc)
    return OpenedImage(header, lambda: _decode(png))


def _parse(data: bytes) -> _Png:
    png, position, name = _Png(), len(SIGNATURE), b""
    while name != b"IEND":
        if position + 12 > len(data):
            raise ImageError("truncated PNG: the end of the image is missing")
        (length,) = struct.unpack_from(">I", data, position)
        name, end = data[position + 4 : position + 8], position + 8 + length
        if end + 4 > len(data):
            raise ImageError("truncated PNG: a chunk is cut off")
        (checksum,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[position + 4 : end]) != checksum:
            raise ImageError(f"damaged PNG: wrong checksum in chunk {name!r}")
        _take(png, name, data[position + 8 : end])
        if name in FOR_THE_DECODER:
            png.kept.append(data[position : end + 4])
        position = end + 4
    return png


def _take(png: _Png, name: bytes, body: bytes) -> None:
    """Interpret one chunk."""
    if (png.kind < 0) != (name == b"IHDR"):
        raise ImageError("damaged PNG: expected one header, in the first chunk")
    if name == b"IHDR":
        _take_header(png, body)
    elif name == b"PLTE":
        png.palette = body
    elif name == b"tRNS":
        png.transparency = body
    elif name == b"eXIf":
        png.orientation = orientation_of_exif(body)
    elif name == b"iCCP":
        png.icc = _inflated(body.partition(b"\x00")[2][1:])
    elif name in (b"tEXt", b"zTXt"):
        keyword, _, text = body.partition(b"\x00")
        if keyword in EXIF_PROFILES:
            png.orientation = _orientation_of_text(text if name == b"tEXt" else _inflated(text[1:]))


def _take_header(png: _Png, body: bytes) -> None:
    if len(body) != 13:
        raise ImageError("damaged PNG: the header is not 13 bytes long")
    png.columns, png.rows, png.depth, png.kind = struct.unpack_from(">IIBB", body)
    if png.depth not in DEPTHS.get(png.kind, ()):
        raise ImageError(f"damaged PNG: colour type {png.kind} of {counted(png.depth, 'bit')}")
    if not png.columns or not png.rows:
        raise ImageError(f"damaged PNG: {png.columns} x {png.rows} pixels")


def _inflated(packed: bytes) -> bytes | None:
    """Unpack a compressed text or profile; None if it is damaged or too large to be one."""
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(packed, MAX_PROFILE)
    except zlib.error:
        return None
    return plain if unpacker.eof else None


def _orientation_of_text(text: bytes | None) -> int:
    """Return the orientation of EXIF data that are written as hexadecimal digits (ImageMagick)."""
    try:
        digits = b"".join((text or b"").split()[2:])
        return orientation_of_exif(binascii.unhexlify(digits))
    except binascii.Error:
        return 1


def _decode(png: _Png) -> Samples:
    data = SIGNATURE + b"".join(png.kept)
    if png.kind == PALETTE:  # Pillow gives the indices
        image = PngImagePlugin.PngImageFile(io.BytesIO(data))
        image.load()
        return _colours_of(png, np.asarray(image))
    pixels = imagecodecs.png_decode(data)
    if png.kind == GREY_ALPHA:
        return Samples(pixels[:, :, 0], pixels[:, :, 1])
    if png.kind == RGB_ALPHA:
        return Samples(pixels[:, :, :3], pixels[:, :, 3])
    return _with_transparency(png, pixels)


def _colours_of(png: _Png, indices: npt.NDArray[np.uint8]) -> Samples:
    """Look the colours of a palette up."""
    palette = np.frombuffer(png.palette[: len(png.palette) // 3 * 3], np.uint8).reshape(-1, 3)
    if indices.max() >= len(palette):
        raise ImageError(f"damaged PNG: a pixel of a colour beyond the palette's {len(palette)}")
    if png.transparency is None:
        return Samples(palette[indices])
    alphas = np.full(256, 255, np.uint8)
    given = np.frombuffer(png.transparency[:256], np.uint8)
    alphas[: len(given)] = given
    return Samples(palette[indices], alphas[indices])


def _with_transparency(png: _Png, colour: Any) -> Samples:
    """Make the one colour transparent that the chunk tRNS names, in units of the stored depth."""
    n = CHANNELS[png.kind]
    if png.transparency is None or len(png.transparency) < 2 * n:
        return Samples(colour)
    named = np.array(struct.unpack_from(f">{n}H", png.transparency), np.uint32)
    full = np.iinfo(colour.dtype).max
    named = (named & (2**png.depth - 1)) * full // (2**png.depth - 1)
    is_named = colour == named[0] if n == 1 else (colour == named).all(axis=2)
    return Samples(colour, np.where(is_named, 0, full).astype(colour.dtype))
