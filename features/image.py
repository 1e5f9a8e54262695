"""What the features take as an image, and the few conversions that they share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from os import PathLike
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from visualwords.compiling import kernel

from .resize import average

__all__ = [
    "FloatArray",
    "Image",
    "Images",
    "as_stack",
    "check_image",
    "check_images",
    "for_kernels",
    "naming_image",
    "resize",
    "resize_stack",
    "stacks",
    "to_gray",
]

Image = npt.NDArray[Any]
Images = npt.NDArray[Any] | Sequence[Image]
FloatArray = npt.NDArray[np.float32]

# ITU-R BT.601 luma, the weights of JPEG's Y and of every grey conversion in OpenCV and Pillow.
LUMA = (0.299, 0.587, 0.114)

# To compare with a dtype takes half the time of a comparison with a type.
UINT8 = np.dtype(np.uint8)

# Larger float pixels have no meaning, and the squares of their sums overflow float32.
LARGEST = 1e10

# Modes of PIL whose pixels look like grey values or RGB in an array, but are not.
OTHER_MODES = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")

# Images of at least so many bytes are described alone: a copy of them gains nothing.
LARGE = 1 << 17


def check_image(image: Any, *, float64: bool = False) -> Image:
    """Check that ``image`` is one grey or RGB image and return it as an array.

    All features follow one rule for float pixels. By convention 1 is white, as 255 is in 8-bit
    images, but every finite value from -1e10 to 1e10 is taken: images in 0..255 and images whose
    mean was subtracted are described as they are. Use one scale for all images of a task, since
    the small constants in the norms of HOG and of patches are meant for 0..1. Pixels
    without a meaning are refused: negative ones for hues and square roots, and those above 1 where
    chroma, saturation or value count.

    Parameters
    ----------
    image : array-like of shape (rows, columns), (rows, columns, 1) or (rows, columns, 3)
        8-bit values 0..255 or floating-point values, by convention 0..1.
    float64 : bool
        Whether to keep float64; otherwise it becomes float32.

    Returns
    -------
    ndarray of shape (rows, columns) or (rows, columns, 3), uint8, float32 or float64
        A view where possible; the input never changes.

    Raises
    ------
    TypeError
        If the values are neither uint8 nor floating-point.
    ValueError
        If the shape is not an image's, the image is empty or a value is not finite or beyond 1e10.
    """
    if type(image) is not np.ndarray:
        image = _as_array(image)
    if image.dtype is UINT8 and image.size and (image.ndim == 2 or image.shape[2:] == (3,)):
        return image
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(
            f"expected an image of shape (rows, columns) or (rows, columns, 3), got {image.shape}"
            + _hint(image)
        )
    if image.size == 0:
        raise ValueError(f"expected an image with pixels, got shape {image.shape}")
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind != "f":
        raise TypeError(
            f"expected uint8 (0..255) or floating-point (0..1) pixels, got {image.dtype}; "
            "convert the image, e.g. with skimage.util.img_as_ubyte"
        )
    image = _as_floats(image, float64)
    if _is_within(image):
        return image
    if not np.isfinite(image).all():
        raise ValueError("the image has values that are not finite (NaN or infinity)")
    raise ValueError(
        f"the image has values beyond {LARGEST:g}, of which gradients overflow float32; scale "
        "them to 0..1"
    )


def _as_array(image: Any) -> Image:
    """Return an image of another type as an array."""
    _refuse_files(image, "the pixels of an image")
    mode = getattr(image, "mode", None)
    if mode in OTHER_MODES:
        raise TypeError(
            f"the pixels of a PIL image of mode {mode!r} are not grey values or RGB; convert it "
            'first, with image.convert("RGB")'
        )
    if np.ma.is_masked(image):
        raise ValueError("the image has masked pixels; fill them first, e.g. with image.filled(0)")
    return np.asarray(image)


def _refuse_files(value: object, expected: str) -> None:
    """Refuse a file name, a path, the bytes of a file, or what is there when reading failed."""
    if isinstance(value, str | bytes | PathLike):
        raise TypeError(
            f"expected {expected}, got {repr(value)[:80]}; read the file first, with "
            "visualwords.load_image"
        )
    if value is None:
        raise TypeError(
            f"expected {expected}, got None, which cv2.imread returns for a file that it cannot "
            "read; visualwords.load_image says why a file cannot be read"
        )


def _as_floats(image: Image, float64: bool) -> Image:
    """Return floating-point numbers of any precision as float32, or keep float64."""
    kind = np.float64 if float64 and image.itemsize >= 8 else np.float32
    with np.errstate(over="ignore"):  # Too large becomes infinity, refused later.
        return image.astype(kind, copy=False)


def _is_within(image: Image) -> bool:
    """Whether all values are numbers no larger than LARGEST."""
    if image.dtype == np.float32 and image.flags.carray:
        return bool(_all_within(image.reshape(-1), np.float32(LARGEST)))
    return bool((np.abs(image) <= LARGEST).all())


@kernel
def _all_within(values: FloatArray, largest: np.float32) -> bool:
    found = True
    for i in range(len(values)):
        found &= abs(values[i]) <= largest
    return found


def _hint(image: Image) -> str:
    if image.dtype.kind in "USO":
        return "; read files first, with visualwords.load_image"
    if image.ndim == 3 and image.shape[2] == 4:
        return "; blend or drop the alpha channel, e.g. with skimage.color.rgba2rgb or [:, :, :3]"
    if image.ndim == 4:
        return "; give a collection of images to the transformers' transform"
    return ""


def check_images(images: Any) -> Images:
    """Check that ``images`` is a collection of images (its images are checked one by one later).

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns[, channels]) or sequence of images
        Images of different sizes come as a sequence; a Series of pandas is one, whatever its index.
        A sequence of arrays that are no images, such as :class:`PatchDescriptors`, has an attribute
        ``not_images`` that says what to do with it.
    """
    if hasattr(images, "not_images"):
        raise TypeError(f"expected images, got {type(images).__name__}: {images.not_images}")
    if hasattr(images, "iloc"):
        images = images.to_numpy()
    if isinstance(images, np.ndarray):
        if images.dtype.kind in "USO" and images.ndim == 1:
            return check_images(list(images))
        if images.ndim not in (3, 4):
            raise ValueError(
                "expected a sequence of images or an array of shape (n, rows, columns) or "
                f"(n, rows, columns, channels), got an array of shape {images.shape}; "
                "reshape rows of raw pixels, e.g. X.reshape(-1, 32, 32, 3)"
            )
        if images.ndim == 3 and images.shape[2] in (3, 4):
            raise ValueError(
                f"an array of shape {images.shape} looks like one colour image, not a collection: "
                "give [image] or image[np.newaxis]"
            )
        # A list is checked image by image. Kernels take no subclasses.
        return list(images) if np.ma.is_masked(images) else np.asarray(images)
    _refuse_files(images, "a sequence of images")
    if isinstance(images, Mapping) or not hasattr(images, "__len__"):
        raise TypeError(f"expected a sequence of images, got {type(images).__name__}")
    try:
        images[:0]
    except TypeError:  # No sequence, or one that cannot be cut, such as a deque.
        images = list(images)
    with naming_image(0):
        _refuse_files(images[0] if len(images) else (), "the pixels of an image")
    return images


def to_gray(image: Image) -> FloatArray:
    """Return the luma (BT.601) of an RGB image, or a grey image as it is, in float32.

    The scale of the input is kept: 0..255 for uint8.

    Examples
    --------
    >>> to_gray(np.full((1, 1, 3), 100, np.uint8))
    array([[100.]], dtype=float32)
    """
    if image.ndim == 2:
        return image.astype(np.float32)
    gray: FloatArray = cv2.transform(image.astype(np.float32), np.array([LUMA], np.float32))
    return gray


def resize(image: Image, shape: tuple[int, int]) -> Image:
    """Resample an image to ``shape`` = (rows, columns), as uint8 or float32.

    Where neither side grows, a pixel is the mean over its area in the image, without aliasing; the
    mean of 8-bit pixels is exact and rounded half up. Otherwise pixels are interpolated bilinearly.
    An image that has the shape already is returned as it is.
    """
    if image.shape[:2] == tuple(shape):
        return image
    return resize_stack(as_stack(image), shape).reshape(*shape, *image.shape[2:])


def resize_stack(stack: Image, shape: tuple[int, int]) -> Image:
    """Resample the images of a stack as :func:`resize` does, in one call of the kernel."""
    if stack.dtype != UINT8:
        stack = stack.astype(np.float32, copy=False)
    n, rows, columns, channels = stack.shape
    out = np.empty((n, *shape, channels), stack.dtype)
    if shape[0] > rows or shape[1] > columns:
        for image, resized in zip(stack, out, strict=True):
            cv2.resize(image, (shape[1], shape[0]), resized, interpolation=cv2.INTER_LINEAR)
        return out
    average(for_kernels(stack), out)
    return out


@contextmanager
def naming_image(index: int) -> Iterator[None]:
    """Begin the message of an error in a block of code with the number of the image."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise type(error)(f"image {index}: {error}") from error


def as_stack(image: Image) -> Image:
    """Give a checked image as a stack of shape (1, rows, columns, channels), for kernels.

    It is C-contiguous and may be written to; a view where possible.
    """
    image = for_kernels(image)
    return image[None] if image.ndim == 3 else image[None, :, :, None]


def for_kernels(array: Image) -> Image:
    """Give a C-contiguous array that may be written to: the array itself or a copy.

    numba would compile each kernel again for read-only arrays, which takes seconds.
    """
    return array if array.flags.carray else array.copy()


def stacks(images: Images, first: int, *, float64: bool = False) -> Iterator[tuple[slice, Image]]:
    """Check images and join neighbours of one shape and type, for kernels that take many at once.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns[, channels]) or sequence of images
    first : int
        The number of ``images[0]`` in the whole collection, for messages.
    float64 : bool
        As in :func:`check_image`.

    Yields
    ------
    slice, ndarray of shape (length of the slice, rows, columns, channels)
        Where in ``images`` the stack comes from, and the stack, as of
        :func:`as_stack`. It is a copy where small images of a list are joined or images are
        read-only, and a view otherwise if possible.
    """
    start = 0
    for alike in _runs(images, first):
        yield slice(start, start + len(alike)), _checked_stack(alike, first + start, float64)
        start += len(alike)


def _runs(images: Images, first: int) -> Iterator[Images]:
    """Cut a collection where the shape or the type changes, and between large images."""
    if isinstance(images, np.ndarray):
        if len(images):
            yield images
        return
    arrays = [
        image if type(image) is np.ndarray else _array(image, number)
        for number, image in enumerate(images, first)
    ]
    for _, group in groupby(arrays, attrgetter("shape", "dtype")):
        alike = list(group)
        if alike[0].nbytes < LARGE:
            yield alike
        else:
            yield from ([image] for image in alike)


def _array(image: Any, number: int) -> Image:
    with naming_image(number):
        return _as_array(image)


def _checked_stack(alike: Images, number: int, float64: bool) -> Image:
    """Check images of one shape and type; ``number`` is the number of the first of them."""
    with naming_image(number):
        example = check_image(alike[0], float64=float64)
    if len(alike) == 1:
        return as_stack(example)
    if isinstance(alike, np.ndarray):
        joined = for_kernels(alike)
    else:  # numpy's functions release the GIL for each image, and other threads would take it.
        pieces: list[Any] = [np.ascontiguousarray(image) for image in alike]
        joined = np.frombuffer(bytearray().join(pieces), alike[0].dtype)
    stack = joined.reshape(len(alike), *example.shape[:2], -1)
    if stack.dtype == np.uint8:
        return stack
    stack = _as_floats(stack, float64)
    if not _is_within(stack):
        for i, image in enumerate(alike, number):
            with naming_image(i):
                check_image(image)
    return stack
