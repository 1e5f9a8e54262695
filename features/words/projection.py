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
ROUNDING = 1e-5  # of a product, as a share of the lengths of its factors


class Projection(NamedTuple):
    """The linear map z = (x - mean) @ components.

    Attributes
    ----------
    mean : ndarray of shape (d,), float64
    components : ndarray of shape (d, k), float64
    signs : ndarray of shape (k,), float64, or None
        If a patch has the projected descriptor z, its mirror image has z * signs. First come the
        components that are even (1), then those that are odd (-1). None if mirror images do not
        count.
    """

    mean: DoubleArray
    components: DoubleArray
    signs: DoubleArray | None = None

    def apply(self, values: FloatArray, offsets: OffsetArray) -> FloatArray:
        """Project the descriptors of images: each image on its own, so in any company alike.

        The mean is subtracted first, in float32, and its rest below float32 after the product. So
        columns whose mean is far larger than their deviation lose no digits.

        Parameters
        ----------
        values : ndarray of shape (m, d), float32
        offsets : ndarray of shape (n + 1,), int64
            Rows ``offsets[i]`` to ``offsets[i + 1]`` belong to image ``i``.

        Returns
        -------
        ndarray of shape (m, k), float32
        """
        matrix, mean = self.components.astype(np.float32), self.mean.astype(np.float32)
        projected = np.empty((len(values), matrix.shape[1]), np.float32)
        for first, last in pairwise(offsets):
            np.matmul(values[first:last] - mean, matrix, out=projected[first:last])
        projected -= ((self.mean - mean) @ self.components).astype(np.float32)
        return projected

    def own_mirror_images(self, values: FloatArray, projected: FloatArray) -> npt.NDArray[np.bool_]:
        """Tell of each patch whether its mirror image is alike: if its odd components are rounding.

        Parameters
        ----------
        values, projected : ndarray of shape (m, d) and (m, k), float32
            Descriptors, and what :meth:`apply` makes of them.

        Returns
        -------
        ndarray of shape (m,), bool
        """
        if self.signs is None:
            return np.zeros(len(values), bool)
        is_odd = self.signs < 0
        if not is_odd.any() or not len(values):
            return np.ones(len(values), bool)
        scales = np.linalg.norm(self.components[:, is_odd], axis=0)
        # One component tells most patches apart, with the most that a length can be.
        largest = max(abs(float(values.max())), abs(float(values.min())))
        longest = np.sqrt(values.shape[1]) * largest + np.linalg.norm(self.mean)
        alike = np.abs(projected[:, is_odd.argmax()]) <= ROUNDING * longest * scales[0]
        lengths = np.linalg.norm(values[alike] - self.mean, axis=1, keepdims=True)
        odd = np.abs(projected[alike][:, is_odd])
        alike[alike] = (odd <= ROUNDING * lengths * scales).all(axis=1)
        return alike

    def one_of_two(self, projected: FloatArray) -> FloatArray:
        """Return one of every descriptor and its mirror image: the same one for either of them.

        It is the one whose first odd component is positive.
        """
        if self.signs is None or (self.signs > 0).all():
            return projected
        is_other = projected[:, self.signs.argmin()] < 0
        return np.where(is_other[:, np.newaxis], projected * np.float32(self.signs), projected)


def learn_projection(
    sample: FloatArray,
    n_components: int | None,
    whitening: float | None,
    mirrored: OffsetArray | None,
) -> Projection:
    """Return the projection on the first principal components of a sample.

    Column j of ``components`` is the eigenvector v_j of the sample's covariance with the j-th
    largest eigenvalue l_j. Whitening divides it by sqrt(l_j + whitening). ZCA whitening, which
    turns the result back by v^T, has the same distances between descriptors.

    If mirror images count, mean and covariance are those of the sample and its mirror images. Then
    every component is even or odd.

    Parameters
    ----------
    sample : ndarray of shape (n, d), float32
    n_components : int or None
        None keeps all d.
    whitening : float or None
        What is added to the variances. None does not whiten.
    mirrored : ndarray of shape (d,), int64, or None
        Number j of a patch's mirror image is number ``mirrored[j]`` of the patch. None if mirror
        images do not count.

    Raises
    ------
    ValueError
        If the sample has a value that is not finite, or too few numbers.
    """
    d = sample.shape[1]
    if n_components is not None and n_components > d:
        raise ValueError(
            f"n_components must be at most {d}, the numbers of a descriptor, got {n_components}"
        )
    is_bad = ~np.isfinite(sample).all(axis=1)
    check_finite(int(is_bad.argmax()) if is_bad.any() else -1)
    mean = sample.mean(axis=0, dtype=np.float64)
    if mirrored is not None:
        mean = (mean + mean[mirrored]) / 2
    covariance = np.zeros((d, d))
    for block in row_blocks(len(sample), ROWS_AT_A_TIME):
        centred = sample[block] - mean
        covariance += centred.T @ centred / len(sample)
    if mirrored is None:
        variances, vectors, signs = *np.linalg.eigh(covariance), np.ones(d)
    else:
        covariance = (covariance + covariance[np.ix_(mirrored, mirrored)]) / 2
        variances, vectors, signs = _even_and_odd(covariance, mirrored)
    n_kept = d if n_components is None else int(n_components)
    chosen = np.argsort(-variances, kind="stable")[:n_kept]
    chosen = chosen[np.argsort(-signs[chosen], kind="stable")]
    components = vectors[:, chosen]
    if whitening is not None:
        components = components / np.sqrt(np.maximum(variances[chosen], 0) + whitening)
    return Projection(
        mean, np.ascontiguousarray(components), None if mirrored is None else signs[chosen]
    )


def _even_and_odd(
    covariance: DoubleArray, mirrored: OffsetArray
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Return the eigenvalues, eigenvectors and signs of a covariance that mirroring keeps.

    The sum of a number and its mirror image is even, their difference is odd. An even and an odd
    combination have no covariance, so each kind has its own eigenvectors.
    """
    unit = np.eye(len(mirrored))
    numbers = np.arange(len(mirrored))
    pairs, alone = numbers < mirrored, numbers == mirrored
    even = np.concatenate([unit[alone], (unit + unit[mirrored])[pairs] / np.sqrt(2)]).T
    odd = (unit - unit[mirrored])[pairs].T / np.sqrt(2)
    variances, vectors, signs = [], [], []
    for sign, basis in ((1.0, even), (-1.0, odd)):
        of_kind, axes = np.linalg.eigh(basis.T @ covariance @ basis)
        variances.append(of_kind)
        vectors.append(basis @ axes)
        signs.append(np.full(len(of_kind), sign))
    return np.concatenate(variances), np.concatenate(vectors, axis=1), np.concatenate(signs)
