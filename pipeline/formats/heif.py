"""HEIC, the photographs of phones: read where the package pillow-heif is installed."""

import io
from typing import Any

from ..failures import NEEDS_LIBRARY
from .base import ImageError, OpenedImage, unsupported
from .pillow import open_with_pillow

__all__ = ["open_heic"]

# The numbers of ISO/IEC 23091-2: what sRGB has, and what says nothing.
PRIMARIES, TRANSFERS = (1, 2), (1, 2, 6, 13)


def open_heic(data: bytes) -> OpenedImage:
    """Read the header of a HEIC. libheif turns and mirrors the image as its properties say.

    The orientation in EXIF says the same again, and pillow-heif sets it to 1. Colours other than
    sRGB are read by their ICC profile; without one they are refused.
    """
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError as error:
        raise ImageError(
            'a HEIC, which needs pillow-heif: pip install "visualwords[heic]"', NEEDS_LIBRARY
        ) from error
    plugin: Any = HeifImageFile
    opened = open_with_pillow(data, plugin, "HEIC")
    colours = plugin(io.BytesIO(data)).info.get("nclx_profile") or {}
    primaries = colours.get("color_primaries", 2)
    transfer = colours.get("transfer_characteristics", 2)
    is_srgb = primaries in PRIMARIES and transfer in TRANSFERS
    if opened.header.icc is None and not is_srgb:
        raise unsupported(
            f"a HEIC of other colours (primaries {primaries}, transfer {transfer}) and without a "
            "colour profile, which is not read; save it as PNG"
        )
    return opened
