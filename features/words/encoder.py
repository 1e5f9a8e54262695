"""From the patches of images to the numbers of a bag."""

from collections.abc import Sequence

import numpy as np

from visualwords.features.patches.descriptors import PatchDescriptors

from .codings import Coding, PlacedPatches
from .distances import DoubleArray
from .projection import Projection
from .pyramid import n_regions, regions_of

__all__ = ["Encoder"]


class Encoder:
    """Projects the descriptors of images, codes them and sums the codes over regions.

    Parameters
    ----------
    coding : Coding
    projection : Projection or None
    sides : sequence of int
        Of the grids of the pyramid.
    """

    def __init__(self, coding: Coding, projection: Projection | None, sides: Sequence[int]) -> None:
        self.coding = coding
        self.projection = projection
        self.sides = sides

    def votes(self, described: PatchDescriptors) -> DoubleArray:
        """Return the codes of images, region by region, as one row an image."""
        values, offsets, positions = described.values, described.offsets, described.positions
        shapes = np.repeat(described.image_shapes, np.diff(offsets), axis=0)
        kinds = [positions]
        if self.projection is not None:
            values = self.projection.apply(values, offsets)
            if self.projection.signs is not None:
                mirrored = positions.copy()
                mirrored[:, 1] = shapes[:, 1] - positions[:, 1]
                kinds.append(mirrored)
        regions = np.stack([regions_of(places, shapes, self.sides) for places in kinds])
        placed = PlacedPatches(values, offsets, regions, n_regions(self.sides))
        return self.coding.encode(placed).reshape(len(described), -1)
