"""The numbers of HOG's conventions: scale of the pixels, arctangent, ends of bins, and norms."""

import numpy as np
import numpy.typing as npt

from .conventions import Parameters

__all__ = ["arctangent_in_bins", "constants_of_norm", "ends_of_bins", "scale_of_pixels"]

CLIP = 0.2

# Odd polynomials of arctan(t), t in 0..1. The first is ours, of least maximal error (3e-7 radian);
# the second is OpenCV's, good to 2e-4 radian, which is part of its convention.
ARCTANGENT = (
    0.999996112,
    -0.333173680,
    0.198078153,
    -0.132333413,
    0.0796236602,
    -0.0336042116,
    0.00681179074,
)
OPENCV_ARCTANGENT = (
    0.9997878412794807,
    -0.3258083974640975,
    0.1555786518463281,
    -0.04432655554792128,
    0.0,
    0.0,
    0.0,
)


def scale_of_pixels(p: Parameters, is_float: bool) -> float:
    """Give the factor of the pixels: to 0..1, to 0..255 for "opencv", or 1."""
    if p.convention in ("skimage", "cs231n"):
        return 1.0
    of_uint8 = 1.0 if p.convention == "opencv" else 1 / 255
    return 255 * of_uint8 if is_float else of_uint8


def constants_of_norm(p: Parameters) -> npt.NDArray[np.float32]:
    """Give the constants of the norm: see the kernels' normalisation."""
    size = p.block[0] * p.block[1] * p.orientations
    constants = {
        "dalal": (1e-6, 1e-3, 1e-6, 0.0),
        "skimage": (1e-10, 1e-5, 1e-10, 0.0),
        "opencv": (0.0, 0.1 * size, 0.0, 1e-3),
        "uoctti": (1e-4, 18**-0.5, 0.0, 0.0),
        "cs231n": (0.0, 0.0, 0.0, 0.0),
    }
    add, plus, add_again, plus_again = constants[p.convention]
    if p.norm in ("L2", "L2-Hys") and p.convention in ("dalal", "skimage"):
        plus = 0.0
    return np.array([add, plus, add_again, plus_again, CLIP], np.float32)


def arctangent_in_bins(p: Parameters) -> npt.NDArray[np.float64]:
    """Polynomial from a slope to an angle in bins."""
    bins_a_radian = p.orientations / (2 * np.pi if p.signed else np.pi)
    return np.array(OPENCV_ARCTANGENT if p.convention == "opencv" else ARCTANGENT) * bins_a_radian


def ends_of_bins(p: Parameters) -> npt.NDArray[np.float32] | None:
    """Cotangents of the ends of bins, where a pixel votes for one bin only."""
    if p.convention not in ("skimage", "uoctti"):
        return None
    if p.convention == "uoctti":
        ends = (np.arange(p.orientations // 2) + 0.5) * np.pi / p.orientations
    else:
        ends = np.arange(1, p.orientations // 2 + 1) * np.pi / p.orientations
    # Rounded, so that the cotangent of 45 degrees is one and that of 90 is zero.
    cotangents = (np.cos(ends) / np.sin(ends)).round(12)
    return np.append(cotangents, [-1.0] * (-len(ends) % 4)).astype(np.float32)
