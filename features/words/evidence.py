"""What each patch of an image adds to a linear score of its bag of words."""

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from visualwords.features.image import FloatArray, Image, check_image
from visualwords.features.patches.descriptors import PatchDescriptors
from visualwords.threads import row_blocks

from .bag import BagOfVisualWords

__all__ = ["patch_evidence"]

PATCHES_AT_A_TIME = 256


def patch_evidence(
    bag: BagOfVisualWords, image: Image, weights: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], FloatArray]:
    """Share a linear score of an image's bag out among the patches.

    A number of the bag is a function of a sum of votes, v = sum over the patches p of v_p. Patch p
    gets the share v_p / v of what the number adds to the score. So the shares of all patches add up
    to the score, whatever the norm of the bag.

    Parameters
    ----------
    bag : BagOfVisualWords
        Fitted.
    image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8 or float
    weights : array-like of shape (n_features_out_,) or (n_scores, n_features_out_)
        One linear score, or several.

    Returns
    -------
    evidence : ndarray of shape (patches,) or (patches, n_scores), float64
    positions : ndarray of shape (patches, 4), float32
        Centre row, centre column, side and angle, as in :class:`PatchDescriptors`.

    Raises
    ------
    ValueError
        If the weights do not fit the bag.

    Examples
    --------
    >>> from skimage.data import brick, grass
    >>> images = [brick()[:64, :64], grass()[:64, :64]]
    >>> bag = BagOfVisualWords(n_words=20).fit(images)
    >>> evidence, positions = patch_evidence(bag, images[0], np.ones(20))
    >>> bool(np.isclose(evidence.sum(), bag.describe(images[0]).sum()))
    True
    """
    check_is_fitted(bag)
    weights = np.asarray(weights, np.float64)
    if weights.ndim not in (1, 2) or weights.shape[-1] != bag.n_features_out_:
        raise ValueError(
            f"weights must be of shape ({bag.n_features_out_},) or (n_scores, "
            f"{bag.n_features_out_}), got {weights.shape}"
        )
    image = check_image(image)
    described, encoder = bag._of_block([image], slice(0, 1)), bag._encoder()
    votes = encoder.votes(described)[0]
    numbers = bag.describe(image).astype(np.float64)
    # A number without votes says the same of no patch in particular; it is 0 in every norm.
    shares = np.divide(weights * numbers, votes, out=np.zeros_like(weights), where=votes != 0)
    evidence = np.empty((len(described.values), *weights.shape[:-1]))
    for block in row_blocks(len(evidence), PATCHES_AT_A_TIME):
        evidence[block] = encoder.votes(_one_image_a_patch(described, block)) @ shares.T
    return evidence, described.positions


def _one_image_a_patch(described: PatchDescriptors, block: slice) -> PatchDescriptors:
    """Return some patches of the first image, each as an image with one patch."""
    values, positions = described.values[block], described.positions[block]
    shapes = np.repeat(described.image_shapes[:1], len(values), axis=0)
    return PatchDescriptors(values, np.arange(len(values) + 1), positions, shapes)
