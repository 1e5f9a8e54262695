"""Dense grids of patches; neighbours share their gradients and cells."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from visualwords.checks import check_real
from visualwords.features.image import (
    FloatArray,
    Image,
    Images,
    as_stack,
    check_image,
    check_images,
    naming_image,
    stacks,
)
from visualwords.threads import row_blocks, worker_threads

from .base import IMAGES_PER_BLOCK, MOST_PIXELS, Patches, halved, halvings, unit_gray
from .descriptors import N_COORDINATES, PatchDescriptors
from .grid import N_NUMBERS, WINDOW, Grid, lay_grid
from .kernels import describe_grid, normalize

__all__ = ["DensePatches"]

Sizes = float | Sequence[float]

# The grid when none is asked for; chosen on CIFAR-10 (32 x 32) and on scenes of 250 x 300 pixels.
MIN_SIZE = 12.0
PATCHES_A_SIDE = 16
STEPS_A_SIDE = 30
MIN_SAMPLES, MAX_SAMPLES = 6, 16

PIXELS_AT_A_TIME = 2**14  # of small images, whose descriptors fit in a core's second cache


class DensePatches(Patches):
    """Patches on a regular grid, each described by the 144 numbers of its HOG.

    To describe patches of side p, the grey image is resampled so that a patch has 32 x 32 samples:
    sample (i, j) of a patch whose corner is (r, c) is the image at the point
    (r + (i + 1/2) p / 32, c + (j + 1/2) p / 32), interpolated bilinearly between the centres of
    pixels; beyond the image its edge goes on. For p > 32 the image is first halved (means of
    2 x 2 pixels) until the patch's side is at most 32 pixels. A patch's descriptor is the HOG [1]_
    of its samples: central differences, magnitudes voting linearly for the two nearest of 9
    unsigned orientations, 4 x 4 cells of 8 x 8 samples, and one block of all cells: divided by
    sqrt(length^2 + 0.1^2), clipped at 0.2 and scaled to unit length. Votes are shared between
    cells by halves of cells, of 4 x 4 samples: along either axis a cell takes 1/4, 3/4, 3/4 and 1/4
    of the four halves from the one before it to the one behind it, so that samples around the patch
    count as well. Neighbouring patches share samples, gradients and cells; nothing is cut out.

    Parameters
    ----------
    patch_size : float, sequence of floats or None
        Side of the patches in pixels, from 1 to 65,536; several sides give several grids, one after
        the other. A side that an image is too small for gives no patch of this image. None adapts
        to the image: 12 pixels, or 1/16 of its shorter side if that is more (or that side if it is
        less).
    stride : float, sequence of floats or None
        Pixels between neighbouring patches, one for all sizes or one for each. It is rounded to
        a whole number of samples, that is of 1/32 of the patch. None adapts to the image: 1/30
        of its shorter side, but at least 3/16 and at most 1/2 of the patch, rounded to 1/16 of it.
    n_jobs : int or None
        Threads, as in joblib.

    See Also
    --------
    KeypointPatches : the same descriptor where a detector finds something.

    Notes
    -----
    The grid has as many patches as fit; what is left over at the image's edges is the same on
    either side. The descriptor of a patch without gradients is zero.

    References
    ----------
    .. [1] N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.

    Examples
    --------
    >>> from skimage.data import camera
    >>> values, positions = DensePatches(patch_size=64, stride=32).describe(camera())
    >>> values.shape, positions[0].tolist()
    ((225, 144), [32.0, 32.0, 64.0, 0.0])
    """

    def __init__(
        self,
        patch_size: Sizes | None = None,
        stride: Sizes | None = None,
        *,
        n_jobs: int | None = None,
    ) -> None:
        self.patch_size = patch_size
        self.stride = stride
        self.n_jobs = n_jobs

    def describe(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Describe the grids of one image: (patches, 144) values and (patches, 4) positions."""
        image = check_image(image)
        placed = self._place(*image.shape[:2])
        values = np.empty((len(placed.positions), N_NUMBERS), np.float32)
        _describe_stack(as_stack(image), placed, values)
        return values, placed.positions.copy()

    def transform(self, images: Images) -> PatchDescriptors:
        """Describe the patches of every image.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images

        Returns
        -------
        PatchDescriptors
            Image by image; the patches of one do not depend on the others.
        """
        images = check_images(images)
        if not isinstance(images, np.ndarray) or len(images) == 0:
            return super().transform(images)
        # The images of an array have one shape, so every descriptor is written to its final place;
        # to join parts would take as long as to describe them.
        with naming_image(0):
            shape = check_image(images[0]).shape[:2]
        placed = self._place(*shape)
        n_patches = len(placed.positions)
        values = np.empty((len(images) * n_patches, N_NUMBERS), np.float32)

        def describe_block(block: slice) -> None:
            for part, stack in stacks(images[block], block.start):
                begin, end = block.start + part.start, block.start + part.stop
                _describe_stack(stack, placed, values[begin * n_patches : end * n_patches])

        with worker_threads(self.n_jobs) as map_:
            for _ in map_(describe_block, row_blocks(len(images), IMAGES_PER_BLOCK)):
                pass
        return _of_alike(values, placed, len(images), shape)

    def describe_block(self, images: Images, first: int) -> PatchDescriptors:
        """Describe images of a collection, those of one shape together."""
        alike = [stack for _, stack in stacks(images, first)]
        placed = [self._place(*stack.shape[1:3]) for stack in alike]
        counts = [len(stack) * len(of.positions) for stack, of in zip(alike, placed, strict=True)]
        values, end, parts = np.empty((sum(counts), N_NUMBERS), np.float32), 0, []
        for stack, of, count in zip(alike, placed, counts, strict=True):
            part = values[end : end + count]
            _describe_stack(stack, of, part)
            parts.append(_of_alike(part, of, len(stack), stack.shape[1:3]))
            end += count
        return PatchDescriptors.joined(parts, values)

    def _place(self, rows: int, columns: int) -> "_Placed":
        patch_sizes = _check_sizes("patch_size", self.patch_size, least=1)
        strides = _check_sizes("stride", self.stride, above=0)
        if patch_sizes and strides and len(strides) not in (1, len(patch_sizes)):
            raise ValueError(
                f"stride must be one number or one for each of {len(patch_sizes)} patch sizes, "
                f"got {self.stride!r}"
            )
        return _place(rows, columns, patch_sizes, strides)


def _check_sizes(name: str, sizes: Sizes | None, **limits: float) -> tuple[float, ...] | None:
    """Return one or several numbers within limits as a tuple; None stays None."""
    if sizes is None:
        return None
    if isinstance(sizes, np.ndarray):
        sizes = sizes.tolist()
    if isinstance(sizes, Sequence) and len(sizes) and not isinstance(sizes, str):
        return tuple(
            check_real(f"{name}[{i}]", size, most=MOST_PIXELS, **limits)
            for i, size in enumerate(sizes)
        )
    return (check_real(name, sizes, most=MOST_PIXELS, **limits),)


def _grids(
    rows: int,
    columns: int,
    patch_sizes: tuple[float, ...] | None,
    strides: tuple[float, ...] | None,
) -> list[tuple[float, int]]:
    """Return the side of every grid's patches and their distance in samples."""
    shorter = min(rows, columns)
    if patch_sizes is None:
        patch_sizes = (min(max(MIN_SIZE, shorter / PATCHES_A_SIDE), shorter),)
    if strides is None:
        return [(size, _default_samples(size, shorter)) for size in patch_sizes]
    if len(strides) == 1:
        strides = strides * len(patch_sizes)
    return [
        (size, max(1, round(stride * WINDOW / size)))
        for size, stride in zip(patch_sizes, strides, strict=True)
    ]


def _default_samples(size: float, shorter: float) -> int:
    """Return the even stride in samples that makes about 30 steps along the shorter side."""
    samples = 2 * round(shorter / STEPS_A_SIDE * WINDOW / size / 2)
    return min(max(samples, MIN_SAMPLES), MAX_SAMPLES)


class _Placed(NamedTuple):
    """Grids of patches in images of one shape."""

    positions: FloatArray  # (patches, 4), of one grid after the other
    # For every grid that has patches: the number of its first patch, how often the images are
    # halved, and the grid in the halved images.
    grids: list[tuple[int, int, Grid]]
    n_halvings: int  # the most


@lru_cache(maxsize=64)
def _place(
    rows: int,
    columns: int,
    patch_sizes: tuple[float, ...] | None,
    strides: tuple[float, ...] | None,
) -> _Placed:
    """Place the patches of all sizes in an image; cached, as it takes as long as to describe it."""
    positions, grids, first = [], [], 0
    for size, samples in _grids(rows, columns, patch_sizes, strides):
        places, level, grid = _place_size(rows, columns, size, samples)
        positions.append(places)
        if grid is not None:
            grids.append((first, level, grid))
        first += len(places)
    return _Placed(
        np.concatenate(positions), grids, max((level for _, level, _ in grids), default=0)
    )


def _place_size(
    rows: int, columns: int, size: float, samples: int
) -> tuple[FloatArray, int, Grid | None]:
    """Place the patches of one size; return their positions, the level of the image and the grid.

    ``samples`` is the distance between neighbours. Where no patch fits, the grid is None.
    """
    stride = samples * size / WINDOW
    n_down, first_row = _fit(rows, size, stride)
    n_across, first_column = _fit(columns, size, stride)
    places = np.zeros((n_down, n_across, N_COORDINATES), np.float32)
    places[:, :, 0] = (first_row + size / 2 + stride * np.arange(n_down))[:, np.newaxis]
    places[:, :, 1] = first_column + size / 2 + stride * np.arange(n_across)
    places[:, :, 2] = size
    positions = places.reshape(-1, N_COORDINATES)
    level = halvings(size)
    if not len(positions):
        return positions, level, None
    pixel = 1 / 2**level
    shape = (-(-rows // 2**level), -(-columns // 2**level))
    corner = (first_row * pixel, first_column * pixel)
    grid = lay_grid(corner, size / WINDOW * pixel, samples, (n_down, n_across), shape)
    return positions, level, grid


def _of_alike(
    values: FloatArray, placed: _Placed, n: int, shape: tuple[int, int]
) -> PatchDescriptors:
    """Join the descriptors of ``n`` images of one shape to their positions."""
    offsets = np.arange(n + 1) * len(placed.positions)
    return PatchDescriptors(
        values, offsets, np.tile(placed.positions, (n, 1)), np.full((n, 2), shape)
    )


def _describe_stack(stack: Image, placed: _Placed, values: FloatArray) -> None:
    """Describe the grids of images of shape (n, rows, columns, channels), image by image."""
    n, rows, columns = stack.shape[:3]
    n_patches = len(placed.positions)
    for block in row_blocks(n, max(1, PIXELS_AT_A_TIME // (rows * columns))):
        part = values[block.start * n_patches : block.stop * n_patches]
        levels = halved(unit_gray(stack[block]), placed.n_halvings)
        for first, level, grid in placed.grids:
            describe_grid(levels[level], grid, part, first)
        normalize(part)


def _fit(length: int, size: float, stride: float) -> tuple[int, float]:
    """Return how many patches fit into a length, and where the first begins."""
    if size > length:
        return 0, 0.0
    n = int((length - size) / stride + 1e-6) + 1
    return n, (length - size - (n - 1) * stride) / 2
