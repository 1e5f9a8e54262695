"""Image formats: the first bytes tell which, its header says what the pixels mean.

A new format is one function in a file of this folder and one line in ``READ``.
"""

import logging
from collections.abc import Callable

from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..failures import NOT_AN_IMAGE, UNSUPPORTED
from .base import Header, ImageError, OpenedImage, Samples
from .heif import open_heic
from .jpeg import open_jpeg
from .pillow import open_bmp, open_with_pillow
from .png import SIGNATURE, open_png
from .ppm import is_ppm, open_ppm
from .tiff import open_tiff

__all__ = ["Header", "ImageError", "OpenedImage", "Samples", "open_image"]

# What they warn of is refused here, or of no matter; the screen belongs to the job.
for library in ("tifffile", "imagecodecs"):
    logging.getLogger(library).addHandler(logging.NullHandler())
    logging.getLogger(library).propagate = False

Open = Callable[[bytes], OpenedImage]

READ: list[tuple[Callable[[bytes], bool], Open]] = [
    (lambda d: d.startswith(b"\xff\xd8\xff"), open_jpeg),
    (lambda d: d.startswith(SIGNATURE), open_png),
    (
        lambda d: d.startswith((b"GIF87a", b"GIF89a")),
        lambda d: open_with_pillow(d, GifImageFile, "GIF"),
    ),
    (lambda d: d.startswith(b"BM"), open_bmp),
    (
        lambda d: d.startswith(b"RIFF") and d[8:12] == b"WEBP",
        lambda d: open_with_pillow(d, WebPImageFile, "WEBP"),
    ),
    (lambda d: d.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")), open_tiff),
    (
        lambda d: d[4:8] == b"ftyp" and d[8:12] in (b"avif", b"avis"),
        lambda d: open_with_pillow(d, AvifImageFile, "AVIF"),
    ),
    (
        lambda d: d.startswith((b"\x00\x00\x00\x0cjP  \r\n", b"\xff\x4f\xff\x51")),
        lambda d: open_with_pillow(d, Jpeg2KImageFile, "JPEG2000"),
    ),
    (
        lambda d: d[4:8] == b"ftyp" and d[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"),
        open_heic,
    ),
    (is_ppm, open_ppm),
]

# What is known by its first bytes and is not read.
KNOWN: list[tuple[Callable[[bytes], bool], str]] = [
    (lambda d: d[4:8] == b"ftyp", "MP4 or another video"),
    (lambda d: d.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")), "JPEG XL"),
    (lambda d: d.startswith(b"DDS "), "DDS"),
    (lambda d: d.startswith(b"8BPS"), "Photoshop"),
    (lambda d: d[-18:-2] == b"TRUEVISION-XFILE" or _is_old_tga(d), "TGA"),
    (lambda d: d.startswith((b"\x00\x00\x01\x00", b"\x00\x00\x02\x00")), "ICO"),
    (lambda d: d.startswith(b"icns"), "ICNS"),
    (lambda d: d.startswith(b"\x01\xda"), "SGI"),
    (lambda d: d[:1] == b"\n" and d[1:2] in b"\x00\x02\x03\x05" and d[2:3] == b"\x01", "PCX"),
    (lambda d: d.startswith(b"#define "), "XBM"),
    (lambda d: d.startswith(b"II\xbc"), "JPEG XR"),
    (
        lambda d: d[:1] == b"P" and d[1:2] in b"12347fF" and d[2:3].isspace(),
        "PBM, PAM or plain PPM",
    ),
    (lambda d: d.startswith(b"v/1\x01"), "OpenEXR"),
    (lambda d: d.startswith((b"#?RADIANCE", b"#?RGBE")), "Radiance HDR"),
    (lambda d: d.startswith(b"SIMPLE  ="), "FITS"),
    (lambda d: d.startswith(b"qoif"), "QOI"),
    (lambda d: d.startswith(b"%PDF"), "PDF"),
    (lambda d: d.startswith(b"%!PS"), "PostScript"),
    (lambda d: b"<svg" in d[:1024], "SVG"),
]


def _is_old_tga(data: bytes) -> bool:
    """Tell a TGA without a footer: no palette, and a kind of image (TGA 2.0, field 3)."""
    is_kind = data[:2] == bytes(2) and data[2:3] in (b"\x02", b"\x03", b"\x0a", b"\x0b")
    return is_kind and len(data) > 18 and data[3:8] == bytes(5)


def open_image(data: bytes) -> OpenedImage:
    """Read the header of an image, of the format that its first bytes tell.

    Raises
    ------
    ImageError
        If the bytes are of no format that is read, or the header is damaged.
    """
    for is_format, open_format in READ:
        if is_format(data):
            return open_format(data)
    for is_format, name in KNOWN:
        if is_format(data):
            raise ImageError(
                f"a file of the format {name}, which is not read; save it as PNG or JPEG",
                UNSUPPORTED,
            )
    raise ImageError(
        "not an image: its first bytes are none of JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, "
        "JPEG 2000 or PPM",
        NOT_AN_IMAGE,
    )
