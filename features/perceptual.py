"""Perceptual hashes: bits that stay nearly the same when a picture is stored again in another way.

The hash is that of pHash [1]_: the picture is made grey and small, its discrete cosine transform is
taken, and a bit says whether a coefficient is above the median of all. Only low frequencies count,
so that compression, another size and another brightness change few bits.

.. [1] C. Zauner, "Implementation and benchmarking of perceptual image hash functions", diploma
   thesis, Upper Austria University of Applied Sciences, 2010, section 3.2.1.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_integer

from .base import StatelessFeature
from .image import FloatArray, Image, Images, as_stack, check_image, resize_stack, stacks, to_gray

__all__ = ["PerceptualHash", "perceptual_hash"]

SIDE = 32  # of the small picture
WORD_BITS = 16  # A float32 holds them exactly.
LEAST_CONTRAST = 1.0  # grey levels of 255

DoubleArray = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint16]


def perceptual_hash(image: Image, size: int = 16) -> Words:
    """Return the perceptual hash of an image: bits that tell near-duplicates from other pictures.

    The image becomes grey and 32 x 32 pixels, by areas. Of its discrete cosine transform (DCT-II,
    orthonormal) the ``size`` x ``size`` coefficients of the lowest frequencies count. A bit is set
    where a coefficient is above the median of all of them but the mean of the picture, whose own
    bit is 0. The bits are ordered by the larger of both frequencies, so that the first words are
    those of the coarsest structure. An image whose 32 x 32 pixels have a standard deviation below
    1/255 of white shows nothing: all its bits are 0.

    Parameters
    ----------
    image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
        Floats are by convention 0..1.
    size : int
        A multiple of 4 up to 32. With 8 the hash has the 64 bits of pHash.

    Returns
    -------
    ndarray of shape (size * size / 16,), uint16
        Of each word the lowest bit comes first.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> picture, other = (rng.integers(0, 200, (48, 64), np.uint8) for _ in range(2))
    >>> def distance(a, b):
    ...     return int(np.bitwise_count(perceptual_hash(a) ^ perceptual_hash(b)).sum())
    >>> distance(picture, picture + 50) < 10, distance(picture, other) > 90
    (True, True)
    """
    size = _check_size(size)
    out = np.empty((1, size**2 // WORD_BITS), np.float32)
    _hash_stack(as_stack(check_image(image)), size, out)
    return out[0].astype(np.uint16)


def _check_size(size: int) -> int:
    checked = check_integer("size", size, 4, SIDE)
    if checked % 4:
        raise ValueError(f"size must be a multiple of 4, got {size}")
    return checked


def _hash_stack(stack: Image, size: int, out: FloatArray) -> None:
    """Write the hashes of a stack (n, rows, columns, channels) to the rows of ``out``."""
    n, rows, columns, channels = stack.shape
    white = 255.0 if stack.dtype == np.uint8 else 1.0
    lines = stack.reshape(n * rows, columns, channels)
    gray = to_gray(lines if channels == 3 else lines[:, :, 0]).reshape(n, rows, columns, 1)
    small = resize_stack(gray, (SIDE, SIDE))[:, :, :, 0].astype(np.float64)
    # Each matrix is multiplied by itself, so a hash does not depend on the images beside it.
    cosines = _cosines(size)
    transformed = np.matmul(np.matmul(cosines, small), cosines.T).reshape(n, -1)
    coefficients = transformed.take(_order(size), axis=1)
    others = coefficients[:, 1:]
    middle = others.shape[1] // 2  # the number of coefficients is odd
    bits = coefficients > np.partition(others, middle, axis=1)[:, middle, np.newaxis]
    bits[:, 0] = False
    bits &= (small.std(axis=(1, 2)) >= LEAST_CONTRAST * white / 255)[:, np.newaxis]
    out[:] = np.packbits(bits, axis=1, bitorder="little").view("<u2")


@lru_cache
def _cosines(size: int) -> DoubleArray:
    """Return the first rows of the matrix of the orthonormal DCT-II: shape (size, 32)."""
    places = (2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
    cosines = np.cos(np.arange(size)[:, np.newaxis] * places) * np.sqrt(2 / SIDE)
    cosines[0] /= np.sqrt(2)
    return cosines


@lru_cache
def _order(size: int) -> npt.NDArray[np.intp]:
    """Return the order of the coefficients: by the larger frequency, then column, then row."""
    row, column = np.indices((size, size)).reshape(2, -1)
    return np.lexsort((row, column, np.maximum(row, column)))


class PerceptualHash(StatelessFeature):
    """Perceptual hashes of many images: :func:`perceptual_hash` as a transformer.

    A row holds the words of a hash, whole numbers from 0 to 65,535. Compare them bit by bit.

    Parameters
    ----------
    size : int
        As in :func:`perceptual_hash`.
    n_jobs : int or None
        Threads of ``transform``; None is one unless a ``joblib.parallel_config`` says otherwise.

    Attributes
    ----------
    n_features_out_ : int
        Words a hash.

    Examples
    --------
    >>> PerceptualHash(size=8).fit_transform(np.zeros((5, 40, 40, 3), np.uint8)).shape
    (5, 4)
    """

    kernel_version = 1

    def __init__(self, size: int = 16, n_jobs: int | None = None) -> None:
        self.size = size
        self.n_jobs = n_jobs

    @property
    def _n_features_out(self) -> int:
        return _check_size(self.size) ** 2 // WORD_BITS

    def describe(self, image: Image) -> FloatArray:
        """Describe one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        ndarray of shape (n_features_out_,), float32
        """
        return perceptual_hash(image, self.size).astype(np.float32)

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        size = _check_size(self.size)
        for rows, stack in stacks(images, first):
            _hash_stack(stack, size, out[rows])
