"""Bag of visual words: the words of an image's patches, counted."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from visualwords.features.base import ImageFeature, image_blocks
from visualwords.features.checks import check_choice, check_integer, check_real, check_seed
from visualwords.features.image import FloatArray, Image, Images, check_image, check_images
from visualwords.features.patches.base import Patches
from visualwords.features.patches.dense import DensePatches
from visualwords.features.patches.descriptors import DescribedImages, PatchDescriptors
from visualwords.threads import worker_threads

from .coding import CODINGS, Coding, CodingOptions
from .pyramid import MOST_LEVELS, n_regions, region_names, regions_of
from .vocabulary import VisualVocabulary

__all__ = ["BagOfVisualWords"]

NORMS = ("sqrt", "l1", "l2", "tfidf", None)
# Small blocks keep the descriptors in a cache until they are searched. In smaller blocks, Python's
# share of the time, which holds the GIL, would be large.
IMAGES_PER_BLOCK, PIXELS_PER_BLOCK = 64, 2**18
TINY = 1e-30

Describable = Images | PatchDescriptors | DescribedImages
T = TypeVar("T")


class BagOfVisualWords(ImageFeature):
    """Histogram of the visual words of an image's patches [1]_.

    Every patch is described by 144 numbers and votes for the nearest of ``n_words`` words: k-means
    centres of descriptors of the training images.

    Parameters
    ----------
    n_words : int
        Size of the vocabulary and length of the histogram of a region.
    patches : DensePatches, KeypointPatches or None
        Where the patches are. None is ``DensePatches()``, a grid that adapts to the image's size.
        ``patches.n_jobs`` has no effect. Descriptors that were computed before make no use of
        ``patches``; to fit on them and transform images, give the patches that computed them.
    assignment : {"hard", "localized", "triangle"}
        "hard": one vote for the nearest word. "localized" [2]_: a vote shared by the
        ``n_neighbors`` nearest words in proportion to exp(-beta d^2), d being the distance.
        "triangle" [3]_: votes of max(0, m - d) for every word, m being the mean of the patch's
        distances to all words; it takes many times longer.
    n_neighbors : int
        Of "localized"; at most ``n_words`` are taken.
    beta : float
        Of "localized".
    pyramid_levels : int
        1 to 8. 1: one histogram of the whole image. L: a spatial pyramid [4]_, the histograms of
        1 x 1, 2 x 2, ... 2^(L-1) x 2^(L-1) equal regions, one after the other, row by row; a patch
        belongs to the region of its centre.
    norm : {"sqrt", "l1", "l2", "tfidf", None}
        How the whole vector is scaled. "l1": divided by the sum of its absolute values. "sqrt":
        the square root of that (numbers keep their sign), whose inner products are the
        Bhattacharyya coefficients of the histograms (Hellinger kernel [5]_). "l2": to unit
        Euclidean length. "tfidf": "l1" times ``idf_`` [6]_. None: not at all. An image without
        patches has zeros.
    max_descriptors : int
        At least ``n_words``: size of the sample that the vocabulary is learned on. All images give
        the same number of descriptors (to one), or all of them. The choice in an image depends on
        ``random_state`` and on the image's number.
    random_state : int, RandomState or None
        Seed of the sample and the vocabulary. None draws others in every call of ``fit``.
    n_jobs : int or None
        Threads, as in joblib. They do not change the result.

    Attributes
    ----------
    vocabulary_ : VisualVocabulary
        The words; without ``labels_``.
    idf_ : ndarray of shape (n_features_out_,), float64
        With "tfidf" only: log(n / n_i) for n training images of which n_i (at least 1) vote for
        word i (of the region).
    n_features_out_ : int
        Numbers an image.

    See Also
    --------
    DescribedImages : images with their descriptors, for cross-validation that describes once.

    References
    ----------
    .. [1] G. Csurka, C. Dance, L. Fan, J. Willamowski, C. Bray, "Visual categorization with bags
       of keypoints", ECCV workshop 2004.
    .. [2] L. Liu, L. Wang, X. Liu, "In defense of soft-assignment coding", ICCV 2011.
    .. [3] A. Coates, A. Ng, H. Lee, "An analysis of single-layer networks in unsupervised feature
       learning", AISTATS 2011.
    .. [4] S. Lazebnik, C. Schmid, J. Ponce, "Beyond bags of features: spatial pyramid matching
       for recognizing natural scene categories", CVPR 2006.
    .. [5] R. Arandjelovic, A. Zisserman, "Three things everyone should know to improve object
       retrieval", CVPR 2012.
    .. [6] J. Sivic, A. Zisserman, "Video Google: a text retrieval approach to object matching in
       videos", ICCV 2003.

    Examples
    --------
    >>> from skimage.data import brick, grass
    >>> images = [brick()[:64, :64], grass()[:64, :64]]
    >>> bag = BagOfVisualWords(n_words=20).fit(images)
    >>> bag.transform(images).shape
    (2, 20)
    """

    kernel_version = 5
    vocabulary_: VisualVocabulary
    idf_: npt.NDArray[np.float64]

    def __init__(
        self,
        n_words: int = 1000,
        *,
        patches: Patches | None = None,
        assignment: str = "hard",
        n_neighbors: int = 5,
        beta: float = 10.0,
        pyramid_levels: int = 1,
        norm: str | None = "sqrt",
        max_descriptors: int = 256_000,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_words = n_words
        self.patches = patches
        self.assignment = assignment
        self.n_neighbors = n_neighbors
        self.beta = beta
        self.pyramid_levels = pyramid_levels
        self.norm = norm
        self.max_descriptors = max_descriptors
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, images: Describable, y: object = None) -> Self:
        """Learn the vocabulary on a sample of the images' descriptors.

        The images are read once; with ``norm="tfidf"`` twice. With descriptors computed before,
        nothing is described again; they are PatchDescriptors, since an array of them in a list
        would be a grey image.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]), sequence of images, PatchDescriptors \
or DescribedImages
        y : ignored

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the images have fewer patches than words.
        """
        self._check_parameters()
        described = self._check_training(images)
        sample = self.sample(described)
        if len(sample) < self.n_words:
            raise ValueError(
                f"{len(described)} images have {len(sample)} patches in the sample, too few for "
                f"n_words={self.n_words}; give more images, smaller patches or fewer words"
            )
        self.vocabulary_ = VisualVocabulary(
            self.n_words, random_state=self.random_state, n_jobs=self.n_jobs
        ).fit(sample)
        del self.vocabulary_.labels_  # They are as long as the sample, which is not kept.
        self.n_features_out_ = self._length()
        if self.norm == "tfidf":
            self.idf_ = self._inverse_frequencies(described)
        return self

    def transform(self, images: Describable) -> FloatArray:
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
        described = self._check_collection(images)
        if isinstance(described, PatchDescriptors):
            self._check_length(described)
        coding = self._coding()
        rows = np.empty((len(described), self.n_features_out_), np.float32)

        def encode_block(block: slice) -> None:
            rows[block] = self._normalized(self._votes(coding, self._of_block(described, block)))

        self._map_blocks(encode_block, described)
        return rows

    def describe(self, image: Image) -> FloatArray:
        """Return the histogram of the words of one image: (n_features_out_,), float32."""
        check_is_fitted(self)
        image = check_image(image)
        described = PatchDescriptors.of_image(*self._where().describe(image), image.shape)
        return self._normalized(self._votes(self._coding(), described))[0]

    def sample(self, images: Describable) -> FloatArray:
        """Choose the descriptors that :meth:`fit` learns the vocabulary on.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]), sequence of images, PatchDescriptors \
or DescribedImages

        Returns
        -------
        ndarray of shape (at most max_descriptors, 144), float32
        """
        described = self._check_collection(images)
        seed = check_seed("random_state", self.random_state)
        if seed is None:
            seed = int(np.random.default_rng().integers(2**31))
        quotas = _quotas(len(described), self.max_descriptors)

        def choose(block: slice) -> list[FloatArray]:
            chosen = []
            for index, values in enumerate(self._of_block(described, block), block.start):
                random = np.random.default_rng([seed, index])
                chosen.append(values[random.permutation(len(values))[: quotas[index]]])
            return chosen

        blocks = self._map_blocks(choose, described)
        return np.concatenate([values for block in blocks for values in block])

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Name the words, and the regions of a pyramid; ``input_features`` is ignored.

        ``word0007``; with a pyramid ``grid2_row0_column1_word0007``: of 2 x 2 regions the one in
        the first row and the second column.
        """
        check_is_fitted(self)
        shape = (len(self.vocabulary_.words_), self.vocabulary_.words_.shape[1])
        names = CODINGS[self.assignment].names(*shape)
        if self.pyramid_levels > 1:
            regions = region_names(self.pyramid_levels)
            names = [f"{region}_{name}" for region in regions for name in names]
        return np.array(names, dtype=object)

    def _check_parameters(self) -> None:
        check_choice("assignment", self.assignment, tuple(CODINGS))
        check_choice("norm", self.norm, NORMS)
        check_integer("n_words", self.n_words)
        check_integer("n_neighbors", self.n_neighbors)
        check_integer("pyramid_levels", self.pyramid_levels, most=MOST_LEVELS)
        check_integer("max_descriptors", self.max_descriptors, int(self.n_words), 2**31 - 1)
        check_real("beta", self.beta, above=0)

    def _where(self) -> Patches:
        if self.patches is None:
            return DensePatches()
        if not isinstance(self.patches, Patches):
            raise TypeError(
                f"patches must be DensePatches, KeypointPatches or None, got {self.patches!r}"
            )
        return self.patches

    def _length(self) -> int:
        """Return the numbers an image by the parameters; small integers of NumPy would overflow."""
        n_columns = self.vocabulary_.words_.shape[1]
        width = CODINGS[self.assignment].width(int(self.n_words), n_columns)
        return width * n_regions(self.pyramid_levels)

    def _coding(self) -> Coding:
        self._check_fitted_length(self._length())
        options = CodingOptions(int(self.n_neighbors), float(self.beta))
        return CODINGS[self.assignment](self.vocabulary_, options)

    def _check_collection(self, images: Any) -> Any:
        """Return the descriptors if they are known, else the checked images."""
        if isinstance(images, DescribedImages):
            return images.descriptors
        return images if isinstance(images, PatchDescriptors) else check_images(images)

    def _check_length(self, descriptors: PatchDescriptors) -> None:
        expected, given = self.vocabulary_.words_.shape[1], descriptors.values.shape[1]
        if given != expected:
            raise ValueError(f"expected descriptors of {expected} numbers, got {given}")

    def _of_block(self, described: Images | PatchDescriptors, block: slice) -> PatchDescriptors:
        """Return the descriptors of some of the images."""
        if isinstance(described, PatchDescriptors):
            return described[block]
        return self._where().describe_block(described[block], block.start)

    def _map_blocks(
        self, function: Callable[[slice], T], described: Images | PatchDescriptors
    ) -> list[T]:
        """Call ``function`` with slices of the images, on threads."""
        blocks = image_blocks(described, IMAGES_PER_BLOCK, PIXELS_PER_BLOCK, self.n_jobs)
        with worker_threads(self.n_jobs) as map_:
            return list(map_(function, blocks))

    def _votes(self, coding: Coding, described: PatchDescriptors) -> npt.NDArray[np.float64]:
        """Return the codes of images, region by region, as one row an image."""
        n, levels = len(described), self.pyramid_levels
        images = np.repeat(np.arange(n), np.diff(described.offsets))
        shapes = described.image_shapes[images]
        regions = regions_of(described.positions, shapes, levels)
        regions += (images * n_regions(levels))[:, np.newaxis]
        votes = coding.encode(described.values, regions, n * n_regions(levels))
        return votes.reshape(n, -1)

    def _inverse_frequencies(self, described: Images | PatchDescriptors) -> npt.NDArray[np.float64]:
        """Return log(images / images that vote for a word of a region)."""
        coding = self._coding()

        def count(block: slice) -> npt.NDArray[np.int64]:
            votes = self._votes(coding, self._of_block(described, block))
            return np.count_nonzero(votes, axis=0)

        found = sum(self._map_blocks(count, described))
        return np.log(len(described) / np.maximum(found, 1))

    def _normalized(self, votes: npt.NDArray[np.float64]) -> FloatArray:
        """Scale the votes of every image; an image without votes keeps zeros."""
        if self.norm in ("l1", "sqrt", "tfidf"):
            votes = votes / np.maximum(np.abs(votes).sum(axis=1, keepdims=True), TINY)
        if self.norm == "sqrt":
            votes = np.copysign(np.sqrt(np.abs(votes)), votes)
        if self.norm == "tfidf":
            votes = votes * self.idf_
        if self.norm == "l2":
            lengths = np.sqrt(np.square(votes).sum(axis=1, keepdims=True))
            votes = votes / np.maximum(lengths, TINY)
        return votes.astype(np.float32)


def _quotas(n_images: int, n_descriptors: int) -> npt.NDArray[np.int64]:
    """Return how many descriptors every image gives; the numbers differ by one at most."""
    return np.diff(np.arange(n_images + 1) * n_descriptors // max(n_images, 1))
