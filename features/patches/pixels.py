"""Patches described by their own pixels, for words that are learned from pixels."""

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_integer, check_real
from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray, Image, Images, as_stack, check_image, stacks

from .base import Patches
from .descriptors import N_COORDINATES, PatchDescriptors

__all__ = ["PixelPatches"]

STEPS_A_SIDE = 30
MOST_SIDE = 64
ZERO, ONE, WHITE, TINY = np.float32(0), np.float32(1), np.float32(255), np.float32(1e-30)
# A sum may be taken in any order, but always in the same.
MATH = {"reassoc", "contract", "nsz"}

IndexArray = npt.NDArray[np.int64]


class PixelPatches(Patches):
    """Colour patches on a dense grid, each described by its pixels of normalised contrast.

    A descriptor has the red, green and blue values of patch_size x patch_size pixels, row by row,
    less their mean and divided by sqrt(variance + contrast) [1]_. Images are RGB, such as
    :func:`visualwords.load_image` reads them, not OpenCV's BGR. The variance of n values has the
    divisor n - 1. Values are those of 8 bits, 0 to 255; those of float images are multiplied by
    255. The three values of a grey pixel are equal.

    Neighbouring pixels are alike, so give :class:`BagOfVisualWords` a ``whitening`` as well.

    Parameters
    ----------
    patch_size : int
        Side of the patches in pixels, at most 64.
    stride : int or None
        Pixels between neighbouring patches. None adapts to the image: 1/30 of its shorter side,
        rounded, but at least 1.
    contrast : float
        At least 0. It keeps the noise of even patches small.
    n_jobs : int or None
        Threads, as in joblib.

    Notes
    -----
    The grid has as many patches as fit; the pixels that are left over are halved between the
    edges. An image smaller than a patch has none.

    References
    ----------
    .. [1] A. Coates, A. Ng, H. Lee, "An analysis of single-layer networks in unsupervised feature
       learning", AISTATS 2011.

    Examples
    --------
    The features of that article, 6,400 numbers an image:

    >>> from visualwords.features import BagOfVisualWords
    >>> bag = BagOfVisualWords(
    ...     1600, patches=PixelPatches(), whitening=0.1, coding="triangle", pyramid=(2,), norm=None
    ... )

    >>> from skimage.data import astronaut
    >>> values, positions = PixelPatches().describe(astronaut()[:32, :32])
    >>> values.shape, positions[0].tolist()
    ((729, 108), [3.0, 3.0, 6.0, 0.0])
    """

    def __init__(
        self,
        patch_size: int = 6,
        stride: int | None = None,
        *,
        contrast: float = 10.0,
        n_jobs: int | None = None,
    ) -> None:
        self.patch_size = patch_size
        self.stride = stride
        self.contrast = contrast
        self.n_jobs = n_jobs

    @property
    def n_numbers(self) -> int:
        """Numbers of a descriptor: three for each pixel."""
        return 3 * self._size() ** 2

    @property
    def mirrored(self) -> IndexArray:
        """Where the numbers of a mirror image come from: the columns of pixels are reversed."""
        numbers = np.arange(self.n_numbers).reshape(self._size(), -1, 3)
        return numbers[:, ::-1].reshape(-1)

    def _size(self) -> int:
        return check_integer("patch_size", self.patch_size, most=MOST_SIDE)

    def describe(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Describe the patches of one image: (patches, n_numbers) and (patches, 4) positions."""
        described = self._describe_stack(as_stack(check_image(image)))
        return described.values, described.positions

    def describe_block(self, images: Images, first: int) -> PatchDescriptors:
        """Describe images of a collection, those of one shape together."""
        parts = [self._describe_stack(stack) for _, stack in stacks(images, first)]
        return PatchDescriptors.joined(parts, n_numbers=self.n_numbers)

    def _describe_stack(self, stack: Image) -> PatchDescriptors:
        """Describe images of shape (n, rows, columns, 1 or 3)."""
        size = self._size()
        contrast = check_real("contrast", self.contrast, least=0)
        n, *sides = stack.shape[:3]
        stride = max(1, round(min(sides) / STEPS_A_SIDE))
        if self.stride is not None:
            stride = check_integer("stride", self.stride)
        down, across = (_corners(side, size, stride) for side in sides)
        places = np.zeros((len(down), len(across), N_COORDINATES), np.float32)
        places[:, :, 0] = down[:, np.newaxis] + size / 2
        places[:, :, 1] = across + size / 2
        places[:, :, 2] = size
        pixels = stack.astype(np.float32)
        if stack.dtype != np.uint8:
            pixels *= WHITE
        if stack.shape[3] == 1:
            pixels = np.repeat(pixels, 3, axis=3)
        positions = np.tile(places.reshape(-1, N_COORDINATES), (n, 1))
        values = np.empty((len(positions), 3 * size * size), np.float32)
        _describe_patches(pixels, size, down, across, np.float32(contrast), values)
        offsets = np.arange(n + 1) * (len(down) * len(across))
        return PatchDescriptors(values, offsets, positions, np.full((n, 2), sides))


def _corners(length: int, size: int, stride: int) -> IndexArray:
    """Return where the patches along one side of an image begin."""
    n_steps = (length - size) // stride
    first = (length - size - n_steps * stride) // 2
    return first + stride * np.arange(max(0, n_steps + 1))


@kernel
def _describe_patches(
    images: FloatArray,
    size: int,
    down: IndexArray,
    across: IndexArray,
    contrast: np.float32,
    out: FloatArray,
) -> None:
    """Write the patches of images, one image after the other.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns, 3), float32
    down, across : ndarray of int64
        Rows and columns of the patches' corners.
    out : ndarray of shape (n * patches of an image, 3 * size * size), float32
    """
    width = 3 * size
    place = 0
    for image in range(len(images)):
        for row in down:
            for column in across:
                patch = out[place]
                for i in range(size):
                    line = images[image, row + i].reshape(-1)[3 * column :]
                    for j in range(width):
                        patch[i * width + j] = line[j]
                _normalise(patch, contrast)
                place += 1


@inlined(fastmath=MATH)
def _normalise(values: FloatArray, contrast: np.float32) -> None:
    """Subtract the mean and divide by sqrt(variance + contrast), in place."""
    total = ZERO
    for value in values:
        total += value
    mean = total / np.float32(len(values))
    squares = ZERO
    for i in range(len(values)):
        values[i] -= mean
        squares += values[i] * values[i]
    factor = ONE / np.sqrt(squares / np.float32(len(values) - 1) + contrast + TINY)
    for i in range(len(values)):
        values[i] *= factor
