"""Histograms of hue: ``hue_histogram`` and ``HueHistogram``."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numpy import empty, ndarray
from sklearn.utils import Tags

from . import hue_kernels
from .base import ImageFeature
from .image import FloatArray, Image, Images, check_image, naming_image, stacks

__all__ = ["HueHistogram", "hue_histogram"]

WEIGHTS = (None, "chroma", "saturation")
ACHROMATIC = ("ignore", "bin")
NORMS = ("pixels", None, "l1", "l2")

BINS, ONE, IGNORE, PIXELS = 10, 1, ACHROMATIC[0], NORMS[0]  # The defaults.
UINT8, FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)

# Float pixels whose channels differ by less of the largest are grey but for rounding, and a hue
# this near the end of a bin is on it: so 8-bit images and the same divided by 255 vote alike.
TOLERANCE = 2.0**-20


class _Plan(NamedTuple):
    """Checked parameters as the kernels take them, for uint8 and for float32 images."""

    of_uint8: npt.NDArray[np.float32]
    of_float: npt.NDArray[np.float64]
    length: int
    only_hue: bool
    describe_uint8: Callable[[Image, npt.NDArray[np.float32], FloatArray], None]
    describe_float: Callable[[Image, npt.NDArray[np.float64], FloatArray], None]


def hue_histogram(
    image: Image,
    *,
    n_bins: int = 10,
    saturation_bins: int = 1,
    value_bins: int = 1,
    weight: str | None = None,
    soft: bool = False,
    achromatic: str = "ignore",
    norm: str | None = "pixels",
) -> FloatArray:
    """Histogram of the hue of an image's pixels.

    Hue is the angle around the hexagon of colours [1]_: red at 0 degrees, yellow 60, green 120,
    cyan 180, blue 240, magenta 300. Bin b of n holds the hues from b 360/n degrees up to, not
    including, (b + 1) 360/n. A pixel whose three channels are equal has no hue, and a grey image
    has no such pixel.

    Parameters
    ----------
    image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
        Grey or RGB; uint8 values 0..255 or floating-point values, by convention 0..1.
    n_bins : int
        Bins of hue over the whole circle.
    saturation_bins, value_bins : int
        Bins of saturation and of value that each bin of hue is divided into, over 0..1; the last
        holds 1 too.
    weight : {None, "chroma", "saturation"}
        The vote of a pixel: 1, its chroma or its saturation, from 0 to 1.
    soft : bool
        Whether a pixel's vote is shared between the two bins of hue whose centres are nearest, in
        proportion to how near they are; the last and the first bin are neighbours.
    achromatic : {"ignore", "bin"}
        "ignore": pixels without a hue do not vote. "bin": one more number, at the end, holds what
        pixels do not give to a hue: 1 for a pixel without a hue, 1 - weight for the others.
    norm : {"pixels", "l1", "l2", None}
        What the votes are divided by: the number of all pixels, the sum of the votes, their
        Euclidean length, or nothing. Where there are no votes all numbers are zero.

    Returns
    -------
    ndarray of shape (n,), float32
        n is ``n_bins * saturation_bins * value_bins``, value running fastest; one more with
        ``achromatic="bin"``.

    Raises
    ------
    TypeError
        If the pixels are neither uint8 nor floating-point.
    ValueError
        If the image is not one, or a parameter is not valid; if a float image has a negative value;
        if a value of a float image that is weighted or divided by saturation or value is above 1.

    Notes
    -----
    With M the largest and m the smallest of red R, green G and blue B: value M, chroma C = M - m,
    saturation C / M, and hue in sixths of a circle, modulo 6: (G - B) / C where M = R, else
    2 + (B - R) / C where M = G, else 4 + (R - G) / C.

    The bin of an 8-bit pixel is exact. A float pixel has no hue if C is at most 2**-20 of its
    largest channel, and on the end of a bin is what is as near to it: an 8-bit image and the same
    divided by 255 have the same hues.

    References
    ----------
    .. [1] A. R. Smith, "Color gamut transform pairs", SIGGRAPH 1978.

    Examples
    --------
    >>> image = np.array([[(255, 0, 0), (0, 9, 9)], [(0, 0, 0), (7, 7, 7)]], np.uint8)
    >>> hue_histogram(image, n_bins=4)
    array([0.25, 0.  , 0.25, 0.  ], dtype=float32)
    >>> hue_histogram(image, n_bins=4, achromatic="bin")
    array([0.25, 0.  , 0.25, 0.  , 0.5 ], dtype=float32)
    """
    # The default parameters are known by identity: the cache would take longer than the pixels of
    # a small image.
    if (
        n_bins is BINS
        and saturation_bins is ONE
        and value_bins is ONE
        and weight is None
        and soft is False
        and achromatic is IGNORE
        and norm is PIXELS
    ):
        plan = USUAL_PLAN
    else:
        plan = _find_plan(n_bins, saturation_bins, value_bins, weight, soft, achromatic, norm)
    if (  # An 8-bit RGB image that is not empty is sound; so that a small one costs little.
        type(image) is ndarray
        and image.dtype is UINT8
        and image.flags.carray
        and len(shape := image.shape) == 3
        and shape[2] == 3
        and image.size
    ):
        out = empty(plan.length, FLOAT32)
        plan.describe_uint8(image, plan.of_uint8, out)
        return out
    return _describe_one(image, plan)


def _find_plan(*parameters: Any) -> _Plan:
    try:
        return _plan(*parameters)
    except TypeError:  # A list or an array cannot be looked up: it is refused by its name.
        return _plan.__wrapped__(*parameters)


@lru_cache(maxsize=256, typed=True)
def _plan(
    n_bins: int,
    saturation_bins: int,
    value_bins: int,
    weight: str | None,
    soft: bool,
    achromatic: str,
    norm: str | None,
) -> _Plan:
    counts = {"n_bins": n_bins, "saturation_bins": saturation_bins, "value_bins": value_bins}
    for name, count in counts.items():
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not whole or not 1 <= count <= hue_kernels.MOST:
            raise ValueError(
                f"{name} must be a whole number from 1 to {hue_kernels.MOST}, got {count!r}"
            )
    sides = [int(count) for count in counts.values()]  # NumPy's small integers would overflow.
    codes = [
        *sides,
        _code("weight", weight, WEIGHTS),
        _code("soft", soft, (False, True)),
        _code("achromatic", achromatic, ACHROMATIC),
        _code("norm", norm, NORMS),
    ]
    length = math.prod(sides) + codes[hue_kernels.ACHROMATIC]
    only_hue = weight is None and saturation_bins == value_bins == 1
    few = only_hue and not soft and n_bins <= hue_kernels.FEW
    return _Plan(
        np.array([*codes, 255, 0, 0], np.float32),
        np.array([*codes, 1, TOLERANCE, 0 if soft else TOLERANCE], np.float64),
        length,
        only_hue,
        hue_kernels.describe_hues_of_bytes if few else hue_kernels.describe,
        hue_kernels.describe_hues_of_floats if few else hue_kernels.describe,
    )


def _code(name: str, value: Any, choices: tuple[Any, ...]) -> int:
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")
    return choices.index(value)


USUAL_PLAN = _plan(BINS, ONE, ONE, None, False, IGNORE, PIXELS)


def _describe_one(image: Image, plan: _Plan) -> FloatArray:
    image = check_image(image)
    if image.dtype != UINT8:
        _check_range(image, plan)
    out = np.empty(plan.length, FLOAT32)
    _describe(image if image.ndim == 3 else image[:, :, np.newaxis], plan, out)
    return out


def _check_range(image: Image, plan: _Plan) -> None:
    """Check that the float pixels of an image are colours whose bins the kernels can count."""
    least, largest = image.min(), image.max()
    if least < 0:
        raise ValueError(
            f"hue needs float pixels from 0 on, got {least!s} to {largest!s}; clip the image, or "
            "add what was subtracted from it"
        )
    if largest > 1 and not plan.only_hue:
        raise ValueError(
            "saturation, chroma and value need float pixels from 0 to 1, got "
            f"{least!s} to {largest!s}; clip the image, or divide it by its full value"
        )


def _describe(image: Image, plan: _Plan, out: FloatArray) -> None:
    """Write the histograms of images (rows, columns, channels), joined by rows, to ``out``."""
    if not image.flags.carray:  # Of read-only arrays numba makes another, slower type.
        image = image.copy()
    if image.dtype == UINT8:
        plan.describe_uint8(image, plan.of_uint8, out)
    else:
        plan.describe_float(image, plan.of_float, out)


class HueHistogram(ImageFeature):
    """Histograms of hue of many images: :func:`hue_histogram` as a transformer.

    Parameters
    ----------
    n_bins, saturation_bins, value_bins, weight, soft, achromatic, norm
        As in :func:`hue_histogram`.
    n_jobs : int or None
        Threads of ``transform``; None is one unless a ``joblib.parallel_config`` says otherwise.

    Attributes
    ----------
    n_features_out_ : int
        Numbers an image.

    Examples
    --------
    >>> HueHistogram(n_bins=4).fit_transform(np.zeros((5, 8, 8, 3), np.uint8)).shape
    (5, 4)
    """

    kernel_version = 2

    def __init__(
        self,
        n_bins: int = 10,
        saturation_bins: int = 1,
        value_bins: int = 1,
        weight: str | None = None,
        soft: bool = False,
        achromatic: str = "ignore",
        norm: str | None = "pixels",
        n_jobs: int | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.saturation_bins = saturation_bins
        self.value_bins = value_bins
        self.weight = weight
        self.soft = soft
        self.achromatic = achromatic
        self.norm = norm
        self.n_jobs = n_jobs

    def fit(self, images: Images, y: Any = None) -> Self:
        """Check the parameters; nothing is learned from the images.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        self._check_training(images)
        self.n_features_out_ = self._n_features_out
        return self

    @property
    def _n_features_out(self) -> int:
        return self._plan().length

    def describe(self, image: Image) -> FloatArray:
        """Describe one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        ndarray of shape (n_features_out_,), float32
        """
        return _describe_one(image, self._plan())

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        plan = self._plan()
        for rows, stack in stacks(images, first):
            if stack.dtype != UINT8:
                for i, image in enumerate(stack, first + rows.start):
                    with naming_image(i):
                        _check_range(image, plan)
            _describe(stack.reshape(-1, *stack.shape[2:]), plan, out[rows].reshape(-1))

    def _plan(self) -> _Plan:
        return _find_plan(
            self.n_bins,
            self.saturation_bins,
            self.value_bins,
            self.weight,
            self.soft,
            self.achromatic,
            self.norm,
        )

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name the bins by where each begins: the hue in degrees, saturation and value in 0..1.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of shape (n_features_out_,), object
            Such as "hue36", or "hue36_saturation0.5_value0.25", and "achromatic" at the end.
        """
        self._plan()
        names = [f"hue{360 * b / self.n_bins:g}" for b in range(self.n_bins)]
        for axis, count in (("saturation", self.saturation_bins), ("value", self.value_bins)):
            if count > 1:
                names = [f"{name}_{axis}{b / count:g}" for name in names for b in range(count)]
        return np.array(names + ["achromatic"] * (self.achromatic == "bin"), object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
