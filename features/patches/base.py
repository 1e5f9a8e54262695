"""``Patches``: what the places to look at have in common."""

import math
from abc import abstractmethod
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from visualwords.features.image import (
    FloatArray,
    Image,
    Images,
    check_image,
    check_images,
    naming_image,
    to_gray,
)
from visualwords.threads import row_blocks, worker_threads

from .descriptors import PatchDescriptors
from .grid import CELLS, N_NUMBERS, ORIENTATIONS, WINDOW
from .kernels import halve

__all__ = ["IMAGES_PER_BLOCK", "MOST_PIXELS", "Patches", "halved", "halvings", "unit_gray"]

IMAGES_PER_BLOCK = 16
MOST_PIXELS = 2**16  # along the side of a patch


class Patches(TransformerMixin, BaseEstimator):
    """Base of the places to look at: transformers from images to :class:`PatchDescriptors`.

    A subclass defines :meth:`describe`. There is nothing to learn: ``fit`` returns ``self``.
    """

    n_jobs: int | None

    @property
    def n_numbers(self) -> int:
        """Numbers of a descriptor: 144, unless a subclass has other descriptors."""
        return N_NUMBERS

    @property
    def mirrored(self) -> npt.NDArray[np.int64]:
        """Where the numbers of a mirror image come from.

        Number j of the descriptor of a patch's mirror image is number ``mirrored[j]`` of the
        descriptor of the patch. Here: the columns of cells and the orientations are reversed.
        """
        numbers = np.arange(N_NUMBERS).reshape(CELLS, CELLS, ORIENTATIONS)
        return numbers[:, ::-1, ::-1].reshape(-1)

    @abstractmethod
    def describe(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Describe the patches of one image.

        Parameters
        ----------
        image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float

        Returns
        -------
        values : ndarray of shape (patches, n_numbers), float32
        positions : ndarray of shape (patches, 4), float32
            Centre row, centre column, side, angle, as in :class:`PatchDescriptors`.
        """

    def fit(self, images: Images, y: object = None) -> Self:
        """Check that ``images`` is a collection of images; nothing is learned from them.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        y : ignored
        """
        check_images(images)
        return self

    def transform(self, images: Images) -> PatchDescriptors:
        """Describe the patches of every image.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images

        Returns
        -------
        PatchDescriptors
            Image by image; the patches of one image do not depend on the other images.
        """
        images = check_images(images)

        def describe_block(block: slice) -> PatchDescriptors:
            return self.describe_block(images[block], block.start)

        with worker_threads(self.n_jobs) as map_:
            return PatchDescriptors.joined(
                list(map_(describe_block, row_blocks(len(images), IMAGES_PER_BLOCK))),
                n_numbers=self.n_numbers,
            )

    def describe_block(self, images: Images, first: int) -> PatchDescriptors:
        """Describe images of a collection, in the thread of the caller.

        Parameters
        ----------
        images : ndarray of shape (n, rows, columns[, 3]) or sequence of images
        first : int
            The number of ``images[0]`` in the whole collection, for messages.

        Returns
        -------
        PatchDescriptors
        """
        parts = []
        for index, image in enumerate(images, first):
            with naming_image(index):
                image = check_image(image)
                parts.append(PatchDescriptors.of_image(*self.describe(image), image.shape))
        return PatchDescriptors.joined(parts, n_numbers=self.n_numbers)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


def unit_gray(stack: Image) -> FloatArray:
    """Return the grey images of a stack (n, rows, columns, channels), where 1 is white."""
    n, rows, columns, channels = stack.shape
    one_below_another = (n * rows, columns, channels)[: 2 if channels == 1 else 3]
    gray = to_gray(stack.reshape(one_below_another)).reshape(n, rows, columns)
    if stack.dtype == np.uint8:
        gray *= np.float32(1 / 255)
    return gray


def halved(grays: FloatArray, n_halvings: int) -> list[FloatArray]:
    """Return images (n, rows, columns) and their successive halves.

    Item k is halved k times. A patch of side s is read from item ``halvings(s)``.
    """
    levels = [grays]
    for _ in range(n_halvings):
        levels.append(halve(levels[-1]))
    return levels


def halvings(size: float) -> int:
    """Return how often to halve an image until patches of side ``size`` fit into 32 pixels."""
    return max(0, math.ceil(math.log2(size / WINDOW)))
