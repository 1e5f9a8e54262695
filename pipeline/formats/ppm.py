"""PPM and PGM: a header in text, then samples as they are."""

import re

import numpy as np

from .base import Header, ImageError, OpenedImage, Samples

__all__ = ["is_ppm", "open_ppm"]

CHANNELS = {b"5": 1, b"6": 3}
GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
HEADER = re.compile(rb"P([56])" + 3 * (GAP + rb"(\d{1,9})") + rb"\s")


def is_ppm(data: bytes) -> bool:
    """Return whether bytes begin as those of a binary PPM or PGM."""
    return data[:2] in (b"P5", b"P6") and data[2:3].isspace()


def open_ppm(data: bytes) -> OpenedImage:
    """Read the header: columns, rows and the largest sample, at most 65535."""
    found = HEADER.match(data)
    if found is None:
        raise ImageError("damaged PPM: its header is not that of a PPM")
    columns, rows, largest = (int(number) for number in found.groups()[1:])
    if not (columns and rows and 0 < largest <= 65535):
        raise ImageError(f"damaged PPM: {columns} x {rows} pixels up to {largest}")
    shape = (rows, columns, CHANNELS[found[1]])
    n_bytes = rows * columns * shape[2] * (1 if largest < 256 else 2)
    start = found.end()
    header = Header("PPM", rows, columns, n_bytes)
    return OpenedImage(header, lambda: _decode(data, start, n_bytes, shape, largest))


def _decode(
    data: bytes, start: int, n_bytes: int, shape: tuple[int, int, int], largest: int
) -> Samples:
    if len(data) < start + n_bytes:
        raise ImageError("truncated PPM: rows are missing")
    kind = np.dtype(np.uint8 if largest < 256 else ">u2")
    samples = np.frombuffer(data, kind, n_bytes // kind.itemsize, start).astype(np.uint32)
    if samples.max() > largest:
        raise ImageError(f"damaged PPM: a sample of {samples.max()}, above {largest}")
    white = 255 if largest < 256 else 65535
    scaled = ((samples * white + largest // 2) // largest).reshape(shape)
    colour = scaled[:, :, 0] if shape[2] == 1 else scaled
    return Samples(colour.astype(np.uint8) if white == 255 else colour.astype(np.uint16))
