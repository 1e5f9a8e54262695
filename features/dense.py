"""Dense grids of patches; neighbours share their gradients and cells."""

import math
from collections.abc import Sequence

import numpy as np

from .image import FloatArray, Image
from .patch_kernels import N_NUMBERS, WINDOW, describe_grid, place_grid
from .patches import N_COORDINATES, Patches, halved, halvings, unit_gray

__all__ = ["DensePatches"]

Sizes = float | Sequence[float]

# The grid when none is asked for; chosen on CIFAR-10 (32 x 32) and on scenes of 250 x 300 pixels.
MIN_SIZE = 12.0
PATCHES_A_SIDE = 16
STEPS_A_SIDE = 30
MIN_SAMPLES, MAX_SAMPLES = 6, 16


class DensePatches(Patches):
    """Patches on a regular grid, each described by the 144 numbers of its HOG.

    To describe patches of side p, the grey image is resampled so that a patch has 32 x 32 samples:
    sample (i, j) of a patch whose corner is (r, c) is the image at the point
    (r + (i + 1/2) p / 32, c + (j + 1/2) p / 32), interpolated bilinearly between the centres of
    pixels; beyond the image its edge goes on. For p > 32 the image is first halved (means of
    2 x 2 pixels) until the patch's side is at most 32 pixels. A patch's descriptor is the HOG [1]_
    of its samples: central differences, magnitudes voting linearly for the two nearest of 9
    unsigned orientations, 4 x 4 cells of 8 x 8 samples, and one block of all cells, scaled to
    unit length, clipped at 0.2 and scaled again. Neighbouring patches share samples, gradients
    and cells; nothing is cut out.

    Parameters
    ----------
    patch_size : float, sequence of floats or None
        Side of the patches in pixels; several sides give several grids, one after the other. A
        side that an image is too small for gives no patch of this image. None adapts to the
        image: 12 pixels, or 1/16 of its shorter side if that is more (or that side if it is less).
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
        grids = self._grids(*image.shape[:2])
        levels = halved(unit_gray(image), max(halvings(size) for size, _ in grids))
        described = [_describe_grid(levels, size, samples) for size, samples in grids]
        if len(described) == 1:
            return described[0]
        values, positions = zip(*described, strict=True)
        return np.concatenate(values), np.concatenate(positions)

    def _grids(self, rows: int, columns: int) -> list[tuple[float, int]]:
        """Side of every grid's patches and their distance in samples."""
        shorter = min(rows, columns)
        if self.patch_size is None:
            sizes = [min(max(MIN_SIZE, shorter / PATCHES_A_SIDE), shorter)]
        else:
            sizes = _positive("patch_size", self.patch_size)
        if self.stride is None:
            return [(size, _default_samples(size, shorter)) for size in sizes]
        strides = _positive("stride", self.stride)
        if len(strides) not in (1, len(sizes)):
            raise ValueError(
                f"expected one stride or one for each of {len(sizes)} sizes, got {len(strides)}"
            )
        strides = strides * len(sizes) if len(strides) == 1 else strides
        return [
            (size, max(1, round(stride * WINDOW / size)))
            for size, stride in zip(sizes, strides, strict=True)
        ]


def _default_samples(size: float, shorter: float) -> int:
    """Stride, in samples, that makes about 30 steps along the shorter side; an even number."""
    samples = 2 * round(shorter / STEPS_A_SIDE * WINDOW / size / 2)
    return min(max(samples, MIN_SAMPLES), MAX_SAMPLES)


def _positive(name: str, numbers: Sizes) -> list[float]:
    """Give one or several positive numbers as a list."""
    values = list(numbers) if isinstance(numbers, Sequence | np.ndarray) else [numbers]
    if not values or not all(isinstance(value, int | float | np.number) for value in values):
        raise TypeError(f"expected {name} to be a number or several, got {numbers!r}")
    if not all(0 < value < math.inf for value in values):
        raise ValueError(f"expected {name} to be positive, got {numbers!r}")
    return values


def _describe_grid(
    levels: list[FloatArray], size: float, samples: int
) -> tuple[FloatArray, FloatArray]:
    """Describe one grid of patches of one size."""
    stride = samples * size / WINDOW
    n_down, first_row = _fit(levels[0].shape[0], size, stride)
    n_across, first_column = _fit(levels[0].shape[1], size, stride)
    values = np.empty((n_down * n_across, N_NUMBERS), np.float32)
    positions = np.empty((n_down * n_across, N_COORDINATES), np.float32)
    if len(values):
        corner = (first_row, first_column)
        place_grid(corner, size, stride, n_across, positions)
        level = halvings(size)
        pixel = 1 / 2**level
        corner = (first_row * pixel, first_column * pixel)
        step = stride / samples * pixel
        describe_grid(levels[level], corner, step, samples, (n_down, n_across), values)
    return values, positions


def _fit(length: int, size: float, stride: float) -> tuple[int, float]:
    """How many patches fit into a length, and where the first begins."""
    if size > length:
        return 0, 0.0
    n = int((length - size) / stride + 1e-6) + 1
    return n, (length - size - (n - 1) * stride) / 2
