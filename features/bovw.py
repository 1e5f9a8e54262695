"""Bag of visual words: the words of an image's patches, counted."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from visualwords.threads import row_blocks

from .base import ImageFeature
from .dense import DensePatches
from .image import FloatArray, Image, Images, check_images
from .patch_kernels import N_NUMBERS
from .patches import DescribedImages, PatchDescriptors, Patches
from .vocabulary import VisualVocabulary

__all__ = ["BagOfVisualWords"]

NORMS = ("sqrt", "l1", "l2", None)
# Images whose descriptors are held at a time (CIFAR-10: 12 MB).
IMAGES_AT_A_TIME = 256
TINY = 1e-30


class BagOfVisualWords(ImageFeature):
    """Histogram of the visual words of an image's patches [1]_.

    Every patch is described by 144 numbers and counts for the nearest of ``n_words`` words:
    k-means centres of descriptors of the training images.

    Parameters
    ----------
    n_words : int
        Size of the vocabulary and length of the histogram.
    patches : DensePatches or None
        Where to look. None is ``DensePatches()``, a grid that adapts to the image's size.
    norm : {"sqrt", "l1", "l2", None}
        "l1": counts divided by their sum; "sqrt": the square root of that, so that inner products
        are Bhattacharyya coefficients (Hellinger kernel [2]_); "l2": unit Euclidean length; None:
        counts. A histogram without counts stays zero.
    max_descriptors : int
        Size of the sample that the vocabulary is learned on. Every image gives as many
        descriptors as every other (to one), chosen at random, or all it has.
    random_state : int
        Seed of the sample and the vocabulary.
    n_jobs : int or None
        Threads, as in joblib. They do not change the result.

    Attributes
    ----------
    vocabulary_ : VisualVocabulary
        The words.
    n_features_out_ : int
        Numbers an image.

    References
    ----------
    .. [1] G. Csurka, C. Dance, L. Fan, J. Willamowski, C. Bray, "Visual categorization with bags
       of keypoints", ECCV workshop 2004.
    .. [2] R. Arandjelovic, A. Zisserman, "Three things everyone should know to improve object
       retrieval", CVPR 2012.

    Examples
    --------
    >>> from skimage.data import brick, grass
    >>> images = [brick()[:64, :64], grass()[:64, :64]]
    >>> bag = BagOfVisualWords(n_words=20).fit(images)
    >>> bag.transform(images).shape
    (2, 20)
    """

    vocabulary_: VisualVocabulary

    def __init__(
        self,
        n_words: int = 1000,
        *,
        patches: Patches | None = None,
        norm: str | None = "sqrt",
        max_descriptors: int = 256_000,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_words = n_words
        self.patches = patches
        self.norm = norm
        self.max_descriptors = max_descriptors
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, images: Images | PatchDescriptors | DescribedImages, y: Any = None) -> Self:
        """Learn the vocabulary on a sample of the images' descriptors.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]), sequence of images, PatchDescriptors \
or DescribedImages
            With descriptors computed before, nothing is described again.
        y : ignored
        """
        self._check_parameters()
        described = _describable(images)
        if len(described) == 0:
            raise ValueError("BagOfVisualWords.fit needs at least one image, got none")
        self.vocabulary_ = VisualVocabulary(
            self.n_words, random_state=self.random_state, n_jobs=self.n_jobs
        ).fit(self.sample(described))
        self.n_features_out_ = self.n_words
        return self

    def describe(self, image: Image) -> FloatArray:
        """Histogram of the words of one image: (n_words,), float32."""
        values, _ = self._where().describe(image)
        return self._histogram(self.vocabulary_.predict(values))

    def transform(self, images: Images | PatchDescriptors | DescribedImages) -> FloatArray:
        """Count the words of every image.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]), sequence of images, PatchDescriptors \
or DescribedImages

        Returns
        -------
        ndarray of shape (n, n_features_out_), float32
        """
        check_is_fitted(self)
        described = _describable(images)
        rows = np.empty((len(described), self.n_features_out_), np.float32)
        for part in row_blocks(len(described), IMAGES_AT_A_TIME):
            descriptors = self._descriptors(described, range(part.start, part.stop))
            words = self.vocabulary_.predict(descriptors.values)
            for index in range(len(descriptors)):
                first, last = descriptors.offsets[index : index + 2]
                rows[part.start + index] = self._histogram(words[first:last])
        return rows

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name the words: ``word0000``, ``word0001``, ...; ``input_features`` is ignored."""
        check_is_fitted(self)
        return np.array([f"word{word:04d}" for word in range(self.n_words)], dtype=object)

    def _check_parameters(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"expected norm to be one of {NORMS}, got {self.norm!r}")
        if self.n_words < 1:
            raise ValueError(f"expected n_words of at least 1, got {self.n_words}")
        if self.max_descriptors < self.n_words:
            raise ValueError(
                f"expected max_descriptors of at least n_words={self.n_words}, "
                f"got {self.max_descriptors}"
            )

    def _where(self) -> Patches:
        return DensePatches() if self.patches is None else self.patches

    def _descriptors(
        self, images: Images | PatchDescriptors, which: Sequence[int] | npt.NDArray[np.intp]
    ) -> PatchDescriptors:
        """Describe some of the images, or choose the descriptors that are there."""
        if isinstance(images, PatchDescriptors):
            return images[np.asarray(which, np.int64)]
        return self._where().describe_images(images, which, self.n_jobs)

    def sample(self, images: Images | PatchDescriptors) -> FloatArray:
        """Choose the descriptors that the vocabulary is learned on."""
        quotas = _quotas(len(images), self.max_descriptors)
        chosen = []
        wanted = np.flatnonzero(quotas)
        for part in row_blocks(len(wanted), IMAGES_AT_A_TIME):
            descriptors = self._descriptors(images, wanted[part])
            for index, values in zip(wanted[part], descriptors, strict=True):
                random = np.random.default_rng([self.random_state, index])
                chosen.append(values[random.permutation(len(values))[: quotas[index]]])
        return np.concatenate([np.empty((0, N_NUMBERS), np.float32), *chosen])

    def _histogram(self, words: npt.NDArray[np.int32]) -> FloatArray:
        """Count the words of one image and normalise."""
        counts = np.bincount(words, minlength=self.n_words)
        return normalize(counts, self.norm)


def _describable(images: Any) -> Images | PatchDescriptors:
    """Give the descriptors where they are known, else the images."""
    if isinstance(images, DescribedImages):
        return images.descriptors
    if isinstance(images, PatchDescriptors):
        return images
    return check_images(images)


def _quotas(n_images: int, n_descriptors: int) -> npt.NDArray[np.int64]:
    """Share out the sample among the images: integers that differ by one at most."""
    return np.diff(np.arange(n_images + 1) * n_descriptors // max(n_images, 1))


def normalize(counts: npt.NDArray[Any], norm: str | None) -> FloatArray:
    """Scale a histogram; one without counts stays zero."""
    histogram: npt.NDArray[np.float64] = counts.astype(np.float64)
    if norm in ("l1", "sqrt"):
        histogram /= max(float(histogram.sum()), TINY)
    if norm == "sqrt":
        histogram = np.sqrt(histogram)
    if norm == "l2":
        histogram /= max(float(np.linalg.norm(histogram)), TINY)
    return histogram.astype(np.float32)
