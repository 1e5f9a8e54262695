"""``ImageFeature`` and ``StatelessFeature``: what features have in common."""

import math
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from visualwords.threads import even_blocks, worker_threads

from .hints import with_feature_hints
from .image import FloatArray, Image, Images, check_image, check_images, naming_image

__all__ = ["ImageFeature", "StatelessFeature", "image_blocks"]

# One thread describes a block of at most so many images and pixels. The limits bound the memory of
# a block: float64 images and small images of a list are copied.
IMAGES_PER_BLOCK = 512
PIXELS_PER_BLOCK = 2**22


class ImageFeature(TransformerMixin, BaseEstimator):
    """Base of the features: transformers from images to a float32 matrix.

    A feature defines :meth:`describe` (one image to one vector) and the names of its numbers. This
    class adds ``fit``, ``transform`` and scikit-learn's protocol. A row depends on its image alone:
    not on the other images, on their order or on ``n_jobs``. A feature that describes many small
    images faster together than one by one overrides :meth:`_describe_block` too.

    A feature that learns nothing is a :class:`StatelessFeature`.

    Attributes
    ----------
    kernel_version : int
        Part of every cache key. It is raised whenever the feature's numbers change for the same
        image and parameters, be it in the last bit.
    n_features_out_ : int
        Numbers an image, set by ``fit``.
    """

    kernel_version: ClassVar[int] = 1
    n_jobs: int | None
    n_features_out_: int

    def __init_subclass__(cls, **options: Any) -> None:
        """Let the constructor answer names of other libraries' parameters with a hint."""
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            with_feature_hints(cls)

    @abstractmethod
    def describe(self, image: Image) -> FloatArray:
        """Describe one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        ndarray of shape (n_features_out_,), float32
        """

    @property
    def _n_features_out(self) -> int:
        """Numbers an image, as ``fit`` found."""
        check_is_fitted(self)
        return self.n_features_out_

    def fit(self, images: Images, y: object = None) -> Self:
        """Learn what the feature learns from training images; for most, the vector's length.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        images = self._check_training(images)
        with naming_image(0):
            self.n_features_out_ = len(self.describe(check_image(images[0])))
        return self

    def transform(self, images: Images) -> FloatArray:
        """Describe every image.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images

        Returns
        -------
        ndarray of shape (n, n_features_out_), float32
        """
        n_features = self._n_features_out
        images = self._check_collection(images)
        rows = np.empty((len(images), n_features), np.float32)

        def describe_block(block: slice) -> None:
            self._describe_block(images[block], block.start, rows[block])

        blocks = image_blocks(images, IMAGES_PER_BLOCK, PIXELS_PER_BLOCK, self.n_jobs)
        with worker_threads(self.n_jobs) as map_:
            for _ in map_(describe_block, blocks):
                pass
        return rows

    def _describe_block(self, images: Images, first: int, out: FloatArray) -> None:
        """Write the vectors of some images to the rows of ``out``.

        ``first`` is the number of ``images[0]`` in the whole collection, for messages.
        """
        for i, image in enumerate(images):
            with naming_image(first + i):
                out[i] = self.describe(check_image(image))

    def _check_fitted_length(self, length: int) -> None:
        """Check that the parameters ask for as many numbers as in ``fit``."""
        if length != self.n_features_out_:
            raise ValueError(
                f"the parameters of {type(self).__name__} were changed after fit: {length} numbers "
                f"an image, {self.n_features_out_} in fit; call fit again"
            )

    def _check_collection(self, images: Any) -> Any:
        """Check that ``images`` is a collection; its images are checked one by one later.

        A feature that takes something else in place of the images overrides this method.
        """
        return check_images(images)

    def _check_training(self, images: Any) -> Any:
        images = self._check_collection(images)
        if len(images) == 0:
            raise ValueError(f"{type(self).__name__}.fit needs at least one image, got none")
        return images

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Name every number of the vector; ``input_features`` is ignored."""
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{i}" for i in range(self._n_features_out)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags


class StatelessFeature(ImageFeature):
    """Base of the features that learn nothing: ``transform`` works without ``fit``.

    It is what scikit-learn's ``Normalizer`` is among its transformers. Such a feature defines the
    property ``_n_features_out``, which follows from the parameters.
    """

    @property
    @abstractmethod
    def _n_features_out(self) -> int:
        """Numbers an image, by the parameters, which are checked."""

    def fit(self, images: Images, y: object = None) -> Self:
        """Check the parameters; nothing is learned from the images.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        self._check_training(images)
        self.n_features_out_ = self._n_features_out
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def image_blocks(images: Any, most: int, pixels: int, n_jobs: int | None) -> list[slice]:
    """Cut a collection into blocks of at most so many images and so many pixels of the first."""
    of_one = math.prod(getattr(images[0], "shape", ())[:2]) if len(images) else 0
    return even_blocks(len(images), max(1, min(most, pixels // max(1, of_one))), n_jobs)
