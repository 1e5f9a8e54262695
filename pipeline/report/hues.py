"""Numbers of hues as colours, for bars and for a wheel."""

import colorsys
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ...features import HueHistogram

__all__ = ["hue_numbers"]

MIDDLE, REACH = 30, 28  # of the wheel: the radius of 0, and the length of the greatest number


def hue_numbers(hue: HueHistogram, numbers: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return each hue's colour and number, summed over saturations and values.

    Parameters
    ----------
    hue : HueHistogram
    numbers : ndarray of shape (n_features_out,)
        A histogram, or weights of one.

    Returns
    -------
    list of dict
        ``angle`` in degrees, ``colour``, ``number``, ``share`` of the greatest number, and
        ``path``, the outline of its piece of the wheel in SVG.
    """
    sums: dict[float, float] = {}
    for name, number in zip(hue.get_feature_names_out(), numbers, strict=True):
        if found := re.match(r"hue([\d.]+)", name):
            angle = float(found[1])
            sums[angle] = sums.get(angle, 0.0) + float(number)
    most = max((abs(number) for number in sums.values()), default=0) or 1.0
    width = 360 / max(len(sums), 1)
    return [
        {
            "angle": round(start + width / 2),
            "colour": _colour(start + width / 2),
            "number": number,
            "share": number / most,
            "path": _petal(start, width, number / most),
        }
        for start, number in sums.items()
    ]


def _colour(angle: float) -> str:
    red, green, blue = colorsys.hsv_to_rgb(angle / 360 % 1, 0.85, 0.9)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _petal(start: float, width: float, share: float) -> str:
    """Return the outline of a piece: beyond the middle circle, or within for less than 0."""
    outer = MIDDLE + REACH * share
    first, last = (math.radians(start + width * part) for part in (0.04, 0.96))
    corners = [(MIDDLE, first), (outer, first), (outer, last), (MIDDLE, last)]
    points = [(radius * math.cos(angle), radius * math.sin(angle)) for radius, angle in corners]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"
