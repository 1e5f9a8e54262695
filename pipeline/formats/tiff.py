"""TIFF 6.0 and BigTIFF: tifffile parses and unpacks, what the numbers mean is decided here."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ..counts import counted
from .base import (
    ORIENTATION,
    Header,
    ImageError,
    OpenedImage,
    Samples,
    seen_size,
    unsupported,
)

__all__ = ["open_tiff"]

ICC_TAG, INK_SET = 34675, 332
MAX_SAMPLES = 16
UNSIGNED = 1  # sample format
KINDS = {1: "unsigned integer", 2: "signed integer", 3: "floating-point", 4: "undefined"}
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, SEPARATED, YCBCR = 0, 1, 2, 3, 5, 6
COLOURS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, SEPARATED: 4, YCBCR: 3}
ASSOCIATED, UNASSOCIATED = 1, 2  # alpha
CMYK_INKS = 1
COMPRESSIONS = {  # of which the decoders notice damage, as far as it can be noticed
    1: "none",
    2: "CCITT modified Huffman",
    3: "CCITT group 3",
    4: "CCITT group 4",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
}
JPEG = 7
ONE_NUMBER = (
    "imagelength",
    "imagewidth",
    "imagedepth",
    "bitspersample",
    "samplesperpixel",
    "sampleformat",
    "photometric",
    "compression",
)


def open_tiff(data: bytes) -> OpenedImage:
    """Read the header of the first image of a TIFF."""
    page = _first_page(data)
    _check_layout(page)
    _check_segments(page, len(data))
    orientation = _tag(page, ORIENTATION, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    rows, columns = seen_size(page.imagelength, page.imagewidth, orientation)
    bits = page.bitspersample * page.samplesperpixel
    stored = page.imagelength * -(-page.imagewidth * bits // 8)
    icc = _tag(page, ICC_TAG, None)
    icc = icc if isinstance(icc, bytes) else None
    header = Header("TIFF", rows, columns, stored, orientation, icc)
    return OpenedImage(header, lambda: _decode(page))


def _first_page(data: bytes) -> Any:
    try:
        return tifffile.TiffFile(io.BytesIO(data)).pages.first
    except Exception as error:  # tifffile raises all kinds on damaged structures
        raise ImageError(f"damaged TIFF: {error or type(error).__name__}") from error


def _tag(page: Any, code: int, default: Any) -> Any:
    tag = page.tags.get(code)
    return default if tag is None else tag.value


def _check_layout(page: Any) -> None:
    """Refuse by name what has no one meaning as 8-bit grey or RGB."""
    for name in ONE_NUMBER:
        if not isinstance(getattr(page, name), int):
            raise unsupported(
                f"a TIFF with {name} {getattr(page, name)!r}; expected one whole number"
            )
    kind = KINDS.get(page.sampleformat, "complex")
    if page.sampleformat not in (UNSIGNED, 4):
        raise unsupported(f"a TIFF of {kind} samples, whose scale is unknown; expected unsigned")
    if not 1 <= page.bitspersample <= 16:
        raise unsupported(
            f"a TIFF of {page.bitspersample} bits a channel, whose scale is unknown; expected 1 "
            "to 16 bits"
        )
    if page.photometric not in COLOURS:
        raise unsupported(
            f"a TIFF of the colours {_name(page.photometric)}, which are not read; save it as RGB"
        )
    if page.photometric == YCBCR and page.compression != JPEG:
        raise unsupported("a TIFF of the colours YCBCR that is not JPEG; save it as RGB")
    if page.photometric == SEPARATED and _tag(page, INK_SET, CMYK_INKS) != CMYK_INKS:
        raise unsupported("a TIFF of other inks than CMYK; save it as RGB")
    if page.compression not in COMPRESSIONS:
        raise unsupported(
            f"a TIFF with the compression {_name(page.compression)}, which is not read; save it "
            "uncompressed or with deflate"
        )
    if not COLOURS[page.photometric] <= page.samplesperpixel <= MAX_SAMPLES:
        raise unsupported(
            f"a TIFF of {counted(page.samplesperpixel, 'sample')} a pixel for "
            f"{_name(page.photometric)}"
        )
    if page.imagedepth != 1 or not page.imagelength or not page.imagewidth:
        raise unsupported(
            f"a TIFF of {page.imagewidth} x {page.imagelength} x {page.imagedepth} pixels"
        )


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def _check_segments(page: Any, n_bytes: int) -> None:
    """Refuse strips and tiles that are missing or lie outside the file."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) != len(counts) or not offsets:
        raise ImageError("damaged TIFF: it does not say where all of its pixels are")
    for offset, count in zip(offsets, counts, strict=True):
        if not offset or not count:
            raise ImageError("damaged TIFF: a strip or tile is missing")
        if offset + count > n_bytes:
            raise ImageError("truncated TIFF: a strip or tile lies beyond the end of the file")


def _decode(page: Any) -> Samples:
    samples = page.asarray(maxworkers=1)
    planes = np.moveaxis(samples, 0, -1) if page.axes.startswith("S") else samples
    planes = planes.reshape(page.imagelength, page.imagewidth, -1)
    if page.photometric == PALETTE:
        return Samples(_colours_of(page, planes[:, :, 0]))
    planes = _full_range(planes, page.bitspersample)
    n = COLOURS[page.photometric]
    colour = planes[:, :, 0] if n == 1 else planes[:, :, :n]
    if page.photometric in (MIN_IS_WHITE, SEPARATED):  # 0 is white, and no ink
        colour = np.iinfo(colour.dtype).max - colour
    for k, meaning in enumerate(page.extrasamples, n):
        if meaning in (ASSOCIATED, UNASSOCIATED) and k < planes.shape[2]:
            return Samples(colour, planes[:, :, k], meaning == ASSOCIATED)
    return Samples(colour)


def _colours_of(page: Any, indices: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    palette = page.colormap
    if palette is None or indices.max() >= palette.shape[1]:
        raise ImageError("damaged TIFF: a pixel of a colour that the palette lacks")
    colours: npt.NDArray[np.uint16] = palette.T[indices].astype(np.uint16)
    return colours


def _full_range(planes: npt.NDArray[Any], bits: int) -> npt.NDArray[Any]:
    """Scale samples of 1 to 16 bits to the range of uint8, or of uint16 above 8 bits."""
    if bits in (8, 16):
        return planes.astype(np.uint8 if bits == 8 else np.uint16, copy=False)
    largest, dtype = 2**bits - 1, np.uint8 if bits < 8 else np.uint16
    full = int(np.iinfo(dtype).max)
    scaled = (planes.astype(np.uint32) * full + largest // 2) // largest
    return scaled.astype(dtype)
