"""The steps of HOG from the pixels of images to descriptors."""

from collections.abc import Callable
from functools import partial

import numpy as np

from visualwords.features.image import FloatArray, Image
from visualwords.lanes import LANES

from . import kernels as hog_kernels
from .conventions import NORMS
from .course import course_cells
from .exact import normalize_blocks, skimage_cells
from .tables import Layout, Tables

__all__ = [
    "Describe",
    "as_skimage",
    "course",
    "kernel",
    "narrowed",
    "normalized",
    "refusing_negative",
    "widened",
]

# Writes the descriptors of images of one size to an array: the axes of both are run together.
Describe = Callable[[Image, FloatArray], None]


def kernel(tables: Tables, is_float: bool) -> Describe:
    """Describe, or give histograms of cells, by the compiled loops."""
    return partial(hog_kernels.way_in(is_float, tables.ends is not None), *tables)


def normalized(describe: Describe, cells: tuple[int, int, int], constants: FloatArray) -> Describe:
    """Normalise histograms of cells as "uoctti" does."""

    def normalize(pixels: Image, out: FloatArray) -> None:
        n = len(out) // (cells[0] * cells[1] * (3 * (cells[2] // 2) + 4))
        histograms = np.empty((n, *cells), np.float32)
        describe(pixels, histograms.reshape(-1))
        hog_kernels.normalize_cells(histograms, constants, out.reshape(n, -1))

    return normalize


def widened(describe: Describe, channels: int) -> Describe:
    """Add pixels behind those of narrow images: the kernel loads LANES at once."""

    def widen(pixels: Image, out: FloatArray) -> None:
        describe(np.append(pixels, np.zeros(LANES * channels, pixels.dtype)), out)

    return widen


def narrowed(describe: Describe) -> Describe:
    """Make float64 pixels float32 first."""

    def narrow(pixels: Image, out: FloatArray) -> None:
        describe(pixels.astype(np.float32), out)

    return narrow


def refusing_negative(describe: Describe) -> Describe:
    """Check first that the pixels have square roots."""

    def refuse(pixels: Image, out: FloatArray) -> None:
        if pixels.min() < 0:
            raise ValueError("transform_sqrt needs pixels that are not negative")
        describe(pixels, out)

    return refuse


def as_skimage(layout: Layout, shape: tuple[int, ...]) -> Describe:
    """Describe, or give histograms of cells, in the arithmetic of scikit-image."""
    p, step, norm = layout.p, layout.blocks.step, NORMS.index(layout.p.norm)

    def describe(pixels: Image, out: FloatArray) -> None:
        images = pixels.reshape(-1, *layout.size)
        for image, of_image in zip(images, out.reshape(-1, *shape), strict=True):
            votes = skimage_cells(image, p.cell, layout.cells, layout.takes_roots)
            if layout.has_blocks:
                normalize_blocks(votes, step[0], step[1], norm, of_image)
            else:
                of_image[:] = votes

    return describe


def course(
    size: tuple[int, int, int], cell: tuple[int, int], cells: tuple[int, int, int], by_columns: bool
) -> Describe:
    """Describe, or give histograms of cells by rows, as the course's own code does."""

    def describe(pixels: Image, out: FloatArray) -> None:
        images = pixels.reshape(-1, *size)
        means = np.empty((len(images), *cells))
        for image, of_image in zip(images, means, strict=True):
            course_cells(image, np.array(cell), of_image)
        listed = means.swapaxes(1, 2) if by_columns else means
        out.reshape(listed.shape)[:] = listed

    return describe
