"""JPEG (ITU-T T.81): the header is parsed here, libjpeg-turbo decodes, its warnings are errors."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import simplejpeg

from ..failures import TOO_LARGE
from .base import (
    Header,
    ImageError,
    OpenedImage,
    Samples,
    orientation_of_exif,
    seen_size,
    unsupported,
)

__all__ = ["open_jpeg"]

START_OF_IMAGE = b"\xff\xd8"
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
APP1, APP2, APP14 = 0xE1, 0xE2, 0xEE
FRAMES = {  # T.81, table B.1: start of frame n
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xC9: "arithmetic-coded",
    0xCA: "arithmetic-coded",
    0xCB: "lossless",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
    0xF7: "lossless (JPEG-LS)",
}
READ = ("baseline", "extended", "progressive")
EXIF_PREFIX, ICC_PREFIX = b"Exif\x00\x00", b"ICC_PROFILE\x00"
# A marker within the coded data that is neither a stuffed zero nor a restart.
NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# A decoder goes over all coefficients in each scan, so scans bound its time. Encoders write up to
# about a dozen.
MAX_SCANS = 100
MAX_SCANNED_PIXELS = 1 << 30


@dataclass
class _Frame:
    """What the segments of a JPEG say."""

    kind: str = ""
    bits: int = 0
    rows: int = 0
    columns: int = 0
    channels: int = 0
    orientation: int = 1
    is_adobe: bool = False
    n_scans: int = 0
    icc_parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def icc(self) -> bytes | None:
        """The colour profile, whose parts are numbered from 1 on."""
        return b"".join(part for _, part in sorted(self.icc_parts.items())) or None


def open_jpeg(data: bytes) -> OpenedImage:
    """Read the header of a JPEG."""
    frame = _parse(data)
    _check(frame)
    rows, columns = seen_size(frame.rows, frame.columns, frame.orientation)
    stored = frame.rows * frame.columns * frame.channels
    header = Header("JPEG", rows, columns, stored, frame.orientation, frame.icc)
    return OpenedImage(header, lambda: _decode(data, frame))


def _parse(data: bytes) -> _Frame:
    frame = _Frame()
    for marker, body in _segments(data):
        if marker in FRAMES:
            if frame.kind:
                raise ImageError("damaged JPEG: a second frame header")
            if len(body) < 6:
                raise ImageError("damaged JPEG: the frame header is cut off")
            frame.kind = FRAMES[marker]
            frame.bits, frame.rows, frame.columns, frame.channels = struct.unpack_from(
                ">BHHB", body
            )
        elif marker == START_OF_SCAN:
            frame.n_scans += 1
            if frame.kind != "progressive":
                break
        elif marker == APP1 and body.startswith(EXIF_PREFIX):
            frame.orientation = orientation_of_exif(body)
        elif marker == APP2 and body.startswith(ICC_PREFIX) and len(body) > len(ICC_PREFIX) + 2:
            frame.icc_parts[body[len(ICC_PREFIX)]] = body[len(ICC_PREFIX) + 2 :]
        elif marker == APP14 and body.startswith(b"Adobe"):
            frame.is_adobe = True
    return frame


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment; coded data behind a scan's header are skipped."""
    position = len(START_OF_IMAGE)
    while found := NEXT_MARKER.search(data, position):
        marker, start = data[found.start() + 1], found.end()
        if marker == END_OF_IMAGE:
            return
        if start + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, start)
        yield marker, data[start + 2 : start + length]
        position = start + max(length, 2)


def _check(frame: _Frame) -> None:
    """Refuse by name what the decoder does not decode, and what would keep it busy for minutes."""
    if not frame.kind:
        raise ImageError("damaged JPEG: no frame header")
    if frame.kind not in READ:
        raise unsupported(f"a {frame.kind} JPEG, which is not read; save it as a baseline JPEG")
    if frame.bits != 8:
        raise unsupported(f"a JPEG of {frame.bits} bits a channel, which is not read; expected 8")
    if frame.channels not in (1, 3, 4):
        raise unsupported(f"a JPEG of {frame.channels} channels; expected 1, 3 or 4")
    if not frame.rows or not frame.columns:
        raise ImageError(f"damaged JPEG: {frame.columns} x {frame.rows} pixels")
    pixels = frame.rows * frame.columns
    if frame.n_scans > MAX_SCANS or frame.n_scans * pixels > max(pixels, MAX_SCANNED_PIXELS):
        raise ImageError(
            f"{frame.n_scans} scans of {frame.columns} x {frame.rows} pixels would take minutes to "
            f"decode; at most {MAX_SCANS} scans and {MAX_SCANNED_PIXELS} pixels in all of them",
            TOO_LARGE,
        )


def _decode(data: bytes, frame: _Frame) -> Samples:
    space = {1: "GRAY", 3: "RGB", 4: "CMYK"}[frame.channels]
    # strict: a warning of the decoder (premature end, corrupt data) is an error
    pixels = simplejpeg.decode_jpeg(data, colorspace=space, strict=True)
    if frame.channels == 1:
        return Samples(pixels[:, :, 0])
    if frame.channels == 4 and not frame.is_adobe:
        pixels = np.uint8(255) - pixels  # only Adobe stores 255 for no ink
    return Samples(pixels)
