"""Codings: how the descriptors of a region become the numbers of a bag.

``CODINGS`` lists them by the name that ``BagOfVisualWords(coding=...)`` takes.
"""

from .base import Coding, CodingOptions, PlacedPatches, Vocabulary
from .residuals import VLAD, Fisher
from .triangle import Triangle
from .votes import Hard, Localized

__all__ = ["CODINGS", "Coding", "CodingOptions", "PlacedPatches", "Vocabulary"]

CODINGS: dict[str, type[Coding]] = {
    "hard": Hard,
    "localized": Localized,
    "triangle": Triangle,
    "vlad": VLAD,
    "fisher": Fisher,
}
