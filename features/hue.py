"""Histograms of hue: ``hue_histogram`` and ``HueHistogram``."""

import math
from typing import NamedTuple, Never

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_bool, check_choice, check_integer
from visualwords.hints import hint_at

from .base import StatelessFeature
from .hints import FEATURE_HINTS
from .hue_kernels import (
    CHROMA,
    L1,
    L2,
    MOST_BINS,
    PIXELS,
    SATURATION,
    UNWEIGHTED,
    VOTES,
    HueBins,
    count_pixels,
    weigh_pixels,
)
from .image import FloatArray, Image, Images, as_stack, check_image, naming_image, stacks

__all__ = ["HueHistogram", "hue_histogram"]

WEIGHTS = {None: UNWEIGHTED, "chroma": CHROMA, "saturation": SATURATION}
ACHROMATIC = ("ignore", "bin")
NORMS = {"pixels": PIXELS, None: VOTES, "l1": L1, "l2": L2}

MOST_CELLS = 2**20  # of a histogram

# A float pixel is grey where its channels differ by no more than this share of the largest, and a
# hue this near to the end of a bin belongs to the next bin. So an 8-bit image and the same image
# divided by 255 have the same hues.
TOLERANCE = np.float64(2.0**-20)

# The arguments white, tolerance and snap of the kernels: for 8-bit pixels, and for float pixels
# whose votes are not or are shared.
EXACT = np.float32(255), np.float32(0), np.float32(0)
SNAPPED = np.float64(1), TOLERANCE, TOLERANCE
SOFT = np.float64(1), TOLERANCE, np.float64(0)


class _Parameters(NamedTuple):
    """The checked parameters of a histogram."""

    bins: HueBins
    weight: int
    soft: bool
    has_achromatic: bool
    norm: int

    @property
    def length(self) -> int:
        """Numbers of a histogram."""
        return math.prod(self.bins) + self.has_achromatic

    @property
    def only_hue(self) -> bool:
        """Whether the scale of a float image does not count."""
        return self.weight == UNWEIGHTED and self.bins[1:] == (1, 1)


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
    **unknown: Never,
) -> FloatArray:
    """Histogram of the hue of an image's pixels.

    Hue is the angle around the hexagon of colours [1]_: red at 0 degrees, yellow 60, green 120,
    cyan 180, blue 240, magenta 300. Bin b of n holds the hues from b 360/n degrees up to, not
    including, (b + 1) 360/n. A pixel whose three channels are equal has no hue, so a grey image has
    no hue at all.

    Parameters
    ----------
    image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
        Grey or RGB; uint8 values 0..255 or floating-point values, by convention 0..1.
        ``cv2.imread`` gives BGR, which turns blue into orange: read files with
        :func:`visualwords.load_image`.
    n_bins : int
        Bins of hue over the whole circle, at most 4,096.
    saturation_bins, value_bins : int
        Bins of saturation and of value that each bin of hue is divided into, over 0..1; the last
        holds 1 too. At most 4,096 each, and 1,048,576 cells in all.
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

    The bin of an 8-bit pixel is exact. A float pixel has no hue if C is at most 2**-20 M, and a
    hue that is this near to the end of a bin belongs to the next bin. So an 8-bit image and the
    same image divided by 255 have the same hues.

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
    if unknown:
        hint_at("hue_histogram", unknown, FEATURE_HINTS)
    parameters = _check_parameters(
        n_bins, saturation_bins, value_bins, weight, soft, achromatic, norm
    )
    return _describe_one(image, parameters)


def _check_parameters(
    n_bins: int,
    saturation_bins: int,
    value_bins: int,
    weight: str | None,
    soft: bool,
    achromatic: str,
    norm: str | None,
) -> _Parameters:
    bins = HueBins(
        check_integer("n_bins", n_bins, 1, MOST_BINS),
        check_integer("saturation_bins", saturation_bins, 1, MOST_BINS),
        check_integer("value_bins", value_bins, 1, MOST_BINS),
    )
    if math.prod(bins) > MOST_CELLS:
        raise ValueError(
            f"n_bins * saturation_bins * value_bins must be at most {MOST_CELLS}, "
            f"got {' * '.join(map(str, bins))} = {math.prod(bins)}"
        )
    return _Parameters(
        bins,
        WEIGHTS[check_choice("weight", weight, tuple(WEIGHTS))],
        check_bool("soft", soft),
        check_choice("achromatic", achromatic, ACHROMATIC) == "bin",
        NORMS[check_choice("norm", norm, tuple(NORMS))],
    )


def _describe_one(image: Image, parameters: _Parameters) -> FloatArray:
    image = check_image(image)
    _check_range(image, parameters)
    out = np.empty((1, parameters.length), np.float32)
    _describe(as_stack(image), parameters, out)
    return out[0]


def _check_range(images: Image, parameters: _Parameters) -> None:
    """Check that float pixels are colours whose cells the kernels can find."""
    if images.dtype == np.uint8:
        return
    least, largest = images.min(), images.max()
    if least < 0:
        raise ValueError(
            f"hue needs float pixels from 0 on, got {least!s} to {largest!s}; clip the image, or "
            "add what was subtracted from it"
        )
    if largest > 1 and not parameters.only_hue:
        raise ValueError(
            "saturation, chroma and value need float pixels from 0 to 1, got "
            f"{least!s} to {largest!s}; clip the image, or divide it by its full value"
        )


def _describe(stack: Image, parameters: _Parameters, out: FloatArray) -> None:
    """Write the histograms of a stack (n, rows, columns, channels) to the rows of ``out``."""
    bins, weight, soft, has_achromatic, norm = parameters
    n, rows, columns, channels = stack.shape
    if channels == 1:
        out[:] = 0
        if has_achromatic:
            out[:, -1] = rows * columns if norm == VOTES else 1
        return
    pixels = stack.reshape(n, -1)
    white, tolerance, snap = EXACT if stack.dtype == np.uint8 else SOFT if soft else SNAPPED
    if weight == UNWEIGHTED and not soft:
        count_pixels(pixels, bins, white, tolerance, snap, norm, out)
    else:
        weigh_pixels(pixels, bins, weight, soft, white, tolerance, snap, norm, out)


class HueHistogram(StatelessFeature):
    """Histograms of hue of many images: :func:`hue_histogram` as a transformer.

    Parameters
    ----------
    n_bins, saturation_bins, value_bins, weight, soft, achromatic, norm
        As in :func:`hue_histogram`, for images in RGB, such as :func:`visualwords.load_image` reads
        them, not in OpenCV's BGR.
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

    kernel_version = 3

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

    @property
    def _n_features_out(self) -> int:
        return self._checked_parameters().length

    def describe(self, image: Image) -> FloatArray:
        """Describe one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        ndarray of shape (n_features_out_,), float32
        """
        return _describe_one(image, self._checked_parameters())

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        parameters = self._checked_parameters()
        for rows, stack in stacks(images, first):
            try:
                _check_range(stack, parameters)
            except ValueError:  # To check the images one by one tells which one is refused.
                for i, image in enumerate(stack, first + rows.start):
                    with naming_image(i):
                        _check_range(image, parameters)
            _describe(stack, parameters, out[rows])

    def _checked_parameters(self) -> _Parameters:
        return _check_parameters(
            self.n_bins,
            self.saturation_bins,
            self.value_bins,
            self.weight,
            self.soft,
            self.achromatic,
            self.norm,
        )

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Name the bins by where each begins: the hue in degrees, saturation and value in 0..1.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of shape (n_features_out_,), object
            Such as "hue36", or "hue36_saturation0.5_value0.25", and "achromatic" at the end.
        """
        bins, _, _, has_achromatic, _ = self._checked_parameters()
        names = [f"hue{360 * b / bins.hues:g}" for b in range(bins.hues)]
        for axis, count in (("saturation", bins.saturations), ("value", bins.values)):
            if count > 1:
                names = [f"{name}_{axis}{b / count:g}" for name in names for b in range(count)]
        return np.array(names + ["achromatic"] * has_achromatic, object)
