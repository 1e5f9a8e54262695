"""Principal components of descriptors: a projection on some of them, whitened or not."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks

from .distances import DoubleArray, check_finite

__all__ = ["OffsetArray", "Projection", "learn_projection"]

OffsetArray = npt.NDArray[np.int64]
ROWS_AT_A_TIME = 16384


class Projection(NamedTuple):
    """The linear map z = (x - mean) @ components.

    Attributes
    ----------
    mean : ndarray of shape (d,), float64
    components : ndarray of shape (d, k), float64
    """

    mean: DoubleArray
    components: DoubleArray

    def apply(self, values: FloatArray, offsets: OffsetArray) -> FloatArray:
        """Project the descriptors of images: each image on its own, so in any company alike.

        Parameters
        ----------
        values : ndarray of shape (m, d), float32
        offsets : ndarray of shape (n + 1,), int64
            Rows ``offsets[i]`` to ``offsets[i + 1]`` belong to image ``i``.

        Returns
        -------
        ndarray of shape (m, k), float32
        """
        matrix = self.components.astype(np.float32)
        projected = np.empty((len(values), matrix.shape[1]), np.float32)
        for first, last in pairwise(offsets):
            np.matmul(values[first:last], matrix, out=projected[first:last])
        projected -= (self.mean @ self.components).astype(np.float32)
        return projected


def learn_projection(
    sample: FloatArray, n_components: int | None, whitening: float | None
) -> Projection:
    """Return the projection on the first principal components of a sample.

    Column j of ``components`` is the eigenvector v_j of the sample's covariance with the j-th
    largest eigenvalue l_j. Whitening divides it by sqrt(l_j + whitening). ZCA whitening, which
    turns the result back by v^T, has the same distances between descriptors.

    Parameters
    ----------
    sample : ndarray of shape (n, d), float32
    n_components : int or None
        None keeps all d.
    whitening : float or None
        What is added to the variances. None does not whiten.

    Raises
    ------
    ValueError
        If the sample has a value that is not finite, or too few numbers.
    """
    if n_components is not None and n_components > sample.shape[1]:
        raise ValueError(
            f"n_components must be at most {sample.shape[1]}, the numbers of a descriptor, "
            f"got {n_components}"
        )
    is_bad = ~np.isfinite(sample).all(axis=1)
    check_finite(int(is_bad.argmax()) if is_bad.any() else -1)
    mean = sample.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for block in row_blocks(len(sample), ROWS_AT_A_TIME):
        centred = sample[block] - mean
        covariance += centred.T @ centred
    variances, vectors = np.linalg.eigh(covariance / len(sample))
    components = vectors[:, ::-1][:, :n_components]
    if whitening is not None:
        kept = np.maximum(variances[::-1][:n_components], 0)
        components = components / np.sqrt(kept + whitening)
    return Projection(mean, np.ascontiguousarray(components))
