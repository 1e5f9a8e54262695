"""Bag of visual words: the words of an image's patches, counted."""

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from visualwords.checks import (
    check_bool,
    check_choice,
    check_integer,
    check_real,
    check_seed,
)
from visualwords.features.base import ImageFeature, image_blocks
from visualwords.features.image import FloatArray, Image, Images, check_image, check_images
from visualwords.features.patches.base import Patches
from visualwords.features.patches.dense import DensePatches
from visualwords.features.patches.descriptors import DescribedImages, PatchDescriptors
from visualwords.threads import worker_threads

from .codings import CODINGS, CodingOptions, Vocabulary
from .distances import DoubleArray
from .encoder import Encoder
from .norms import NORMS, normalized
from .projection import Projection, learn_projection
from .pyramid import check_sides, n_regions, region_names
from .sampling import draw_descriptors, quotas

__all__ = ["BagOfVisualWords"]

# Small blocks keep the descriptors in a cache until they are searched. In smaller blocks, Python's
# share of the time, which holds the GIL, would be large.
IMAGES_PER_BLOCK, PIXELS_PER_BLOCK, NUMBERS_PER_BLOCK = 64, 2**18, 2**22

Describable = Images | PatchDescriptors | DescribedImages
T = TypeVar("T")


class BagOfVisualWords(ImageFeature):
    """Histogram of the visual words of an image's patches.

    Every patch is described by numbers and votes for the nearest of ``n_words`` words: k-means
    centres of descriptors of the training images.

    Parameters
    ----------
    n_words : int
        Size of the vocabulary and of a region's histogram.
    patches : DensePatches, KeypointPatches or None
        Where the patches are. None is ``DensePatches()``, a grid that adapts to the image's size.
        ``patches.n_jobs`` has no effect. Descriptors that were computed before make no use of
        ``patches``; to fit on them and transform images, give the patches that computed them.
    coding : {"hard", "localized", "triangle", "vlad", "fisher"}
        How a patch becomes numbers; docs/words.md has the sources. "hard": one vote for the
        nearest word. "localized": a vote shared by the ``n_neighbors`` nearest words in proportion
        to exp(-beta d^2), d being the distance. "triangle": votes of max(0, m - d) for every word,
        m being the mean of the patch's distances to all words; it takes several times longer.
        "vlad": the difference of the descriptor and its nearest word, d numbers a word. "fisher":
        derivatives of a mixture of ``n_words`` Gaussians, 2 d numbers a word.
    n_neighbors : int
        Of "localized"; at most ``n_words`` are taken.
    beta : float
        Of "localized".
    pyramid : sequence of int
        Sides of the grids of a spatial pyramid [2]_, 1 to 8 of them, each from 1 to 128. (1,): one
        histogram of the whole image. (1, 2, 4): the histograms of 1 x 1, 2 x 2 and 4 x 4 equal
        regions, one after the other, row by row; a patch belongs to the region of its centre.
    n_components : int or None
        Project the descriptors on so many principal components of the sample before all else.
    whitening : float or None
        Whiten the descriptors before all else: a principal component of variance v is divided by
        sqrt(v + whitening). :class:`PixelPatches` need it, with 0.1.
    mirror : bool
        Add what is counted in the image's mirror image to what is counted in the image. If the
        grid is symmetric, both then have the same numbers. Every word has a mirror image too.
    norm : {"sqrt", "l1", "l2", "tfidf", None}
        How the whole vector is scaled. "l1": divided by the sum of its absolute values. "sqrt":
        the square root of that (numbers keep their sign), whose inner products are the
        Bhattacharyya coefficients of the histograms (Hellinger kernel [3]_). "l2": to unit
        Euclidean length. "tfidf": "l1" times ``idf_`` [4]_. None: not at all. An image without
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
    vocabulary_ : VisualVocabulary or GaussianVocabulary
        The words, without ``labels_``; Gaussians with "fisher".
    mean_, components_ : ndarray of shape (d,) and (d, n_components), float64
        (descriptor - mean_) @ components_ is coded. None without ``n_components``, ``whitening``
        and ``mirror``.
    signs_ : ndarray of shape (n_components,), float64
        With ``mirror``: what a mirror image multiplies the components by, 1 or -1. Else None.
    idf_ : ndarray of shape (n_features_out_,), float64
        With "tfidf" only: log(n / n_i) for n training images of which n_i (at least 1) vote for
        word i (of the region).

    See Also
    --------
    DescribedImages : images with their descriptors, for cross-validation that describes once.

    References
    ----------
    .. [1] G. Csurka, C. Dance, L. Fan, J. Willamowski, C. Bray, "Visual categorization with bags
       of keypoints", ECCV workshop 2004.
    .. [2] S. Lazebnik, C. Schmid, J. Ponce, "Beyond bags of features: spatial pyramid matching
       for recognizing natural scene categories", CVPR 2006.
    .. [3] R. Arandjelovic, A. Zisserman, "Three things everyone should know to improve object
       retrieval", CVPR 2012.
    .. [4] J. Sivic, A. Zisserman, "Video Google: a text retrieval approach to object matching in
       videos", ICCV 2003.

    Examples
    --------
    >>> from skimage.data import brick, grass
    >>> images = [brick()[:64, :64], grass()[:64, :64]]
    >>> bag = BagOfVisualWords(n_words=20).fit(images)
    >>> bag.transform(images).shape
    (2, 20)
    """

    kernel_version = 10
    vocabulary_: Vocabulary
    mean_: DoubleArray | None
    components_: DoubleArray | None
    signs_: DoubleArray | None
    idf_: DoubleArray

    def __init__(
        self,
        n_words: int = 1000,
        *,
        patches: Patches | None = None,
        coding: str = "hard",
        n_neighbors: int = 5,
        beta: float = 10.0,
        pyramid: Sequence[int] = (1,),
        n_components: int | None = None,
        whitening: float | None = None,
        mirror: bool = False,
        norm: str | None = "sqrt",
        max_descriptors: int = 256_000,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_words = n_words
        self.patches = patches
        self.coding = coding
        self.n_neighbors = n_neighbors
        self.beta = beta
        self.pyramid = pyramid
        self.n_components = n_components
        self.whitening = whitening
        self.mirror = mirror
        self.norm = norm
        self.max_descriptors = max_descriptors
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, images: Describable, y: object = None) -> Self:
        """Learn the vocabulary on a sample of the images' descriptors.

        The images are read once; with ``norm="tfidf"`` twice.

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
                f"n_words={self.n_words} needs as many patches, but the sample has {len(sample)}; "
                "give more images, smaller patches or fewer words"
            )
        self.vocabulary_ = CODINGS[self.coding].learn(
            self._learn_projection(sample), self.n_words, self.random_state, self.n_jobs
        )
        self.n_features_out_ = self._length()
        if self.norm == "tfidf":
            self.idf_ = self._inverse_frequencies(described)
        return self

    def _learn_projection(self, sample: FloatArray) -> FloatArray:
        """Learn the projection, if one is asked for, and return the projected sample."""
        self.mean_ = self.components_ = self.signs_ = None
        if self.n_components is None and self.whitening is None and not self.mirror:
            return sample
        mirrored = self._where().mirrored if self.mirror else None
        with worker_threads(self.n_jobs):
            projection = learn_projection(sample, self.n_components, self.whitening, mirrored)
            projected = projection.apply(sample, np.array([0, len(sample)]))
        self.mean_, self.components_, self.signs_ = projection
        return projection.one_of_two(projected)

    def transform(self, images: Describable) -> FloatArray:
        """Count the words of every image; ``images`` as in :meth:`fit`.

        Returns
        -------
        ndarray of shape (n, n_features_out_), float32
        """
        check_is_fitted(self)
        return self._encoded(self._check_collection(images))

    def describe(self, image: Image) -> FloatArray:
        """Return the histogram of the words of one image: (n_features_out_,), float32."""
        check_is_fitted(self)
        image = check_image(image)
        described = PatchDescriptors.of_image(*self._where().describe(image), image.shape)
        return self._encoded(described)[0]

    def _encoded(self, described: Images | PatchDescriptors) -> FloatArray:
        """Return the rows of images."""
        if isinstance(described, PatchDescriptors):
            self._check_length(described)
        encoder, idf = self._encoder(), self.idf_ if self.norm == "tfidf" else 1.0
        rows = np.empty((len(described), self.n_features_out_), np.float32)

        def encode_block(block: slice) -> None:
            votes = encoder.votes(self._of_block(described, block))
            rows[block] = normalized(votes, self.norm, idf)

        self._map_blocks(encode_block, described, self.n_features_out_)
        return rows

    def sample(self, images: Describable) -> FloatArray:
        """Choose the descriptors of images that :meth:`fit` learns from.

        Returns
        -------
        ndarray of shape (at most max_descriptors, numbers of a descriptor), float32
        """
        described = self._check_collection(images)
        seed = check_seed("random_state", self.random_state)
        if seed is None:
            seed = int(np.random.default_rng().integers(2**31))
        of_each = quotas(len(described), int(self.max_descriptors))

        def draw(block: slice) -> list[FloatArray]:
            return draw_descriptors(self._of_block(described, block), block.start, of_each, seed)

        blocks = self._map_blocks(draw, described, 1)
        return np.concatenate([values for block in blocks for values in block])

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Name the words, and the regions of a pyramid; ``input_features`` is ignored.

        ``word0007``; with a pyramid ``grid2_row0_column1_word0007``: of 2 x 2 regions the one in
        the first row and the second column.
        """
        check_is_fitted(self)
        names = CODINGS[self.coding].names(*self.vocabulary_.words_.shape)
        if tuple(self.pyramid) != (1,):
            regions = region_names(check_sides("pyramid", self.pyramid))
            names = [f"{region}_{name}" for region in regions for name in names]
        return np.array(names, dtype=object)

    def _check_parameters(self) -> None:
        check_choice("coding", self.coding, tuple(CODINGS))
        check_choice("norm", self.norm, NORMS)
        check_integer("n_words", self.n_words)
        check_integer("n_neighbors", self.n_neighbors)
        check_sides("pyramid", self.pyramid)
        if self.n_components is not None:
            check_integer("n_components", self.n_components)
        if self.whitening is not None:
            check_real("whitening", self.whitening, above=0)
        check_bool("mirror", self.mirror)
        check_integer("max_descriptors", self.max_descriptors, int(self.n_words), 2**31 - 1)
        check_real("beta", self.beta, above=0)

    def _where(self) -> Patches:
        if self.patches is None:
            return DensePatches()
        if not isinstance(self.patches, Patches):
            raise TypeError(f"patches must be such as DensePatches() or None, got {self.patches!r}")
        return self.patches

    def _length(self) -> int:
        """Return the numbers an image by the parameters; small integers of NumPy would overflow."""
        width = CODINGS[self.coding].width(int(self.n_words), self.vocabulary_.words_.shape[1])
        return width * n_regions(check_sides("pyramid", self.pyramid))

    def _encoder(self) -> Encoder:
        self._check_fitted_length(self._length())
        signs = None if self.signs_ is None else self.signs_.astype(np.float32)
        options = CodingOptions(int(self.n_neighbors), float(self.beta), signs)
        projection = None
        if self.mean_ is not None and self.components_ is not None:
            projection = Projection(self.mean_, self.components_, self.signs_)
        coding = CODINGS[self.coding](self.vocabulary_, options)
        return Encoder(coding, projection, check_sides("pyramid", self.pyramid))

    def _check_collection(self, images: Any) -> Any:
        """Return the descriptors if they are known, else the checked images."""
        if isinstance(images, DescribedImages):
            return images.descriptors
        return images if isinstance(images, PatchDescriptors) else check_images(images)

    def _check_length(self, descriptors: PatchDescriptors) -> None:
        given, expected = descriptors.values.shape[1], self.vocabulary_.words_.shape[1]
        if self.mean_ is not None:
            expected = len(self.mean_)
        if given != expected:
            raise ValueError(f"expected descriptors of {expected} numbers, got {given}")

    def _of_block(self, described: Images | PatchDescriptors, block: slice) -> PatchDescriptors:
        """Return the descriptors of some of the images."""
        if isinstance(described, PatchDescriptors):
            return described[block]
        return self._where().describe_block(described[block], block.start)

    def _map_blocks(
        self, function: Callable[[slice], T], described: Images | PatchDescriptors, n_numbers: int
    ) -> list[T]:
        """Call ``function`` with slices of images, of ``n_numbers`` each, on threads."""
        most = max(1, min(IMAGES_PER_BLOCK, NUMBERS_PER_BLOCK // n_numbers))
        blocks = image_blocks(described, most, PIXELS_PER_BLOCK, self.n_jobs)
        with worker_threads(self.n_jobs) as map_:
            return list(map_(function, blocks))

    def _inverse_frequencies(self, described: Images | PatchDescriptors) -> DoubleArray:
        """Return log(images / images that vote for a word of a region)."""
        encoder = self._encoder()

        def count(block: slice) -> npt.NDArray[np.int64]:
            votes = encoder.votes(self._of_block(described, block))
            return np.count_nonzero(votes, axis=0)

        found = sum(self._map_blocks(count, described, self.n_features_out_))
        return np.log(len(described) / np.maximum(found, 1))
