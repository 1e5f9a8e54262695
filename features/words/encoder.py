"""From the patches of images to the numbers of a bag."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
        return self._codes(described, placed).reshape(len(described), -1)

    def _codes(self, described: PatchDescriptors, placed: PlacedPatches) -> DoubleArray:
        """Return the codes; of patches that are their own mirror images, half on either side."""
        if self.projection is None or not self.coding.chooses:
            return self.coding.encode(placed)
        alike = self.projection.own_mirror_images(described.values, placed.values)
        if not alike.any():
            return self.coding.encode(placed)
        here = _some(placed, alike)
        there = here._replace(regions=np.ascontiguousarray(here.regions[::-1]))
        halves = self.coding.encode(here) + self.coding.encode(there)
        return self.coding.encode(_some(placed, ~alike)) + halves / 2


def _some(placed: PlacedPatches, chosen: npt.NDArray[np.bool_]) -> PlacedPatches:
    """Return some patches of the same images."""
    offsets = np.concatenate([[0], np.cumsum(chosen)])[placed.offsets]
    regions = np.ascontiguousarray(placed.regions[:, chosen])
    return PlacedPatches(placed.values[chosen], offsets, regions, placed.n_regions)
