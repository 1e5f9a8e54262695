"""From samples as stored to 8-bit grey or sRGB: depth, colour profile, inks, transparency."""

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from .base import Samples

__all__ = ["to_srgb"]

ByteImage = npt.NDArray[np.uint8]

SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
NO_CACHE = 0x0040  # so that threads may share a transform
ROWS = 256  # are converted together: what lies between stays small


def to_srgb(samples: Samples, icc: bytes | None) -> ByteImage:
    """Return 8-bit grey or sRGB pixels, laid over white where they are transparent.

    Parameters
    ----------
    samples : Samples
    icc : bytes or None
        The embedded colour profile. A profile that is damaged, or of another kind of colour than
        the samples, is ignored.

    Returns
    -------
    ndarray of shape (rows, columns) or (rows, columns, 3), uint8
    """
    colour = samples.colour
    mode = "L" if colour.ndim == 2 else "RGB" if colour.shape[2] == 3 else "CMYK"
    convert = _conversion(icc, mode) if icc else None
    if convert is None and samples.alpha is None and colour.dtype == np.uint8 and mode != "CMYK":
        return colour.astype(np.uint8, copy=False)
    parts = [
        _convert(
            Samples(
                colour[start : start + ROWS],
                None if samples.alpha is None else samples.alpha[start : start + ROWS],
                samples.premultiplied,
            ),
            convert,
        )
        for start in range(0, len(colour), ROWS)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _convert(samples: Samples, convert: Callable[[ByteImage], ByteImage] | None) -> ByteImage:
    """Convert some rows."""
    colour = _to_8_bit(samples.colour)
    alpha = None if samples.alpha is None else _to_8_bit(samples.alpha)
    if alpha is not None and samples.premultiplied:
        if convert is None:
            return _added_to_white(colour, alpha)
        colour = _divided(colour, alpha)
    if convert is not None:
        colour = convert(colour)
    elif colour.ndim == 3 and colour.shape[2] == 4:
        colour = _rgb_of_inks(colour)
    return colour if alpha is None else _over_white(colour, alpha)


def _to_8_bit(samples: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> ByteImage:
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    # v * 255 / 65535 = v / 257, rounded
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _added_to_white(premultiplied: ByteImage, alpha: ByteImage) -> ByteImage:
    """Lay pixels that are multiplied by alpha over white: ``c + 255 - a``, at most 255."""
    alpha_ = alpha.reshape(alpha.shape + (1,) * (premultiplied.ndim - 2)).astype(np.uint16)
    return np.minimum(premultiplied + (255 - alpha_), 255).astype(np.uint8)


def _divided(colour: ByteImage, alpha: ByteImage) -> ByteImage:
    """Undo the multiplication of colours by alpha; a colour above its alpha counts as full."""
    alpha_ = alpha.reshape(alpha.shape + (1,) * (colour.ndim - 2)).astype(np.uint32)
    plain = (colour.astype(np.uint32) * 255 + alpha_ // 2) // np.maximum(alpha_, 1)
    return np.minimum(plain, 255).astype(np.uint8)


def _over_white(colour: ByteImage, alpha: ByteImage) -> ByteImage:
    """Lay pixels over white: ``(c a + 255 (255 - a)) / 255``, rounded."""
    alpha_ = alpha.astype(np.uint16)
    white = 255 * (255 - alpha_)
    if colour.ndim == 2:
        return _over_255(colour * alpha_ + white)
    channels = [_over_255(colour[:, :, k] * alpha_ + white) for k in range(colour.shape[2])]
    return np.stack(channels, axis=2)


def _rgb_of_inks(paper: ByteImage) -> ByteImage:
    """Return RGB of CMYK without a profile, where 255 is no ink: ``(255 - C)(255 - K) / 255``."""
    return _over_255(paper[:, :, :3].astype(np.uint16) * paper[:, :, 3:])


def _over_255(x: npt.NDArray[np.uint16]) -> ByteImage:
    """Return x / 255, rounded, for x up to 255 * 255.

    For y below 65535 the quotient of y by 255 is ``(y + 1 + (y >> 8)) >> 8``: no division, 16 bits.
    """
    y = x + np.uint16(127)
    return ((y + 1 + (y >> 8)) >> 8).astype(np.uint8)


@lru_cache(maxsize=64)
def _conversion(icc: bytes, mode: str) -> Callable[[ByteImage], ByteImage] | None:
    """Return a function from the profile's colours to sRGB; None where there is nothing to do."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space != SPACES.get(mode):
            return None
        if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(profile).lower():
            return None
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags(NO_CACHE),
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None

    def convert(colour: ByteImage) -> ByteImage:
        inks = np.uint8(255) - colour if mode == "CMYK" else colour
        image = Image.frombytes(mode, (inks.shape[1], inks.shape[0]), inks.tobytes())
        converted = np.asarray(ImageCms.applyTransform(image, transform))
        return converted[:, :, 1] if mode == "L" else converted

    return convert
