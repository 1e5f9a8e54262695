"""The recipe ``best``: ``small`` or ``photographs``, whichever suits the size of the images."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from .formats.base import ImageError
from .reader import Reader
from .recipe import Recipe
from .recipe_file import read_recipe
from .sources import Source, open_source

__all__ = ["BEST", "best_recipe"]

BEST = "best"
SMALL, LARGE = "small", "photographs"
SMALL_SIDE = 64  # pixels; where the median of the shorter sides is larger, they are photographs
LOOKED_AT = 32  # images whose size is read


def best_recipe(images: Any, **columns: str) -> tuple[Recipe, str]:
    """Return the recipe with the highest accuracy for images of their size.

    Parameters
    ----------
    images : str, Path, Source, or sequence
        As :func:`~visualwords.extract` takes them.
    **columns : str
        Names of a manifest's columns.

    Returns
    -------
    recipe : Recipe
    why : str
        The name of the recipe, and the size of the images that decided.

    Examples
    --------
    >>> best_recipe([np.zeros((32, 32, 3), np.uint8)])[1]
    'small, for images of 32 pixels on their shorter side'
    """
    source = open_source(images, **columns)
    sides = list(islice(_shorter_sides(source), LOOKED_AT))
    if not sides:  # the job itself says what is wrong with the images
        return read_recipe(SMALL), f"{SMALL}, as the size of no image can be read"
    side = int(np.median(sides))
    name = SMALL if side <= SMALL_SIDE else LARGE
    return read_recipe(name), f"{name}, for images of {side} pixels on their shorter side"


def _shorter_sides(source: Source) -> Iterator[int]:
    """Yield the shorter sides of images that can be read, of some from each part of the listing."""
    reader = Reader(max_pixels=sys.maxsize)  # a size is not refused: no pixel is decoded
    for listed in source.images():
        step = -(-len(listed) // LOOKED_AT)  # rounded up, so that the steps reach the last class
        for location in listed["location"][::step].to_pylist():
            try:
                image = source.read(location)
                if isinstance(image, bytes):
                    header = reader.header(image)
                    yield min(header.rows, header.columns)
                else:
                    yield min(image.shape[:2])
            except ImageError:
                continue
