"""``GaussianVocabulary``: visual words as a mixture of Gaussians, for Fisher vectors."""

from collections.abc import Iterable
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from visualwords.checks import check_integer, check_real
from visualwords.compiling import kernel
from visualwords.features.image import FloatArray
from visualwords.threads import row_blocks, worker_threads

from .distances import MATH, DoubleArray, IntArray, check_finite
from .vocabulary import VisualVocabulary

__all__ = ["GaussianVocabulary", "Gaussians", "powers_of"]

ROWS_PER_TASK = 2048
AnyFloats = npt.NDArray[Any]  # float32 or float64

# Variances are at least this share of those of all descriptors, which count as at least this share
# of their mean.
LEAST_VARIANCE = 1e-3
TINY = 1e-30
# A Gaussian of less than exp(-20) of the likelihood of the likeliest has no share in a descriptor.
FARTHEST = 20.0
# Beyond this mean, in standard deviations, squares in float32 lose the variance.
FAR = 16.0


class GaussianVocabulary(BaseEstimator):
    """A mixture of Gaussians with diagonal covariances, learned by expectation maximisation.

    The density of a descriptor x is the sum over the words k of w_k N(x; mu_k, diag(s_k^2)). The
    algorithm begins with the clusters of :class:`VisualVocabulary` and repeats two steps: the share
    of word k in x becomes w_k N(x; mu_k, s_k^2) / density, then w_k, mu_k and s_k^2 become the
    mean share and the mean and variance of the descriptors, weighted by their shares. It stops when
    the mean log-likelihood rises by no more than ``tol``.

    Products are float32, of columns far from 0 less their mean. Sums over blocks are float64. The
    result has the same bits for any ``n_jobs``.

    Parameters
    ----------
    n_words : int
        At most the number of descriptors.
    random_state : int, RandomState or None
        Of the clusters that it begins with.
    max_iter : int
    tol : float
    n_jobs : int or None
        Threads, as in joblib.

    Attributes
    ----------
    words_, variances_ : ndarray of shape (n_words, d), float64
        Means and variances. Variances are at least 1/1000 of those of all descriptors.
    weights_ : ndarray of shape (n_words,), float64
        They sum to 1.
    history_ : list of float
        Mean log-likelihood before every iteration and at the end.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> descriptors = np.concatenate([rng.normal(0, 1, (500, 2)), rng.normal(9, 2, (500, 2))])
    >>> vocabulary = GaussianVocabulary(n_words=2).fit(descriptors)
    >>> np.sort(vocabulary.words_[:, 0]).round().astype(int), vocabulary.weights_.round(2)
    (array([0, 9]), array([0.5, 0.5]))
    """

    def __init__(
        self,
        n_words: int = 256,
        *,
        random_state: int | np.random.RandomState | None = 0,
        max_iter: int = 100,
        tol: float = 1e-3,
        n_jobs: int | None = None,
    ) -> None:
        self.n_words = n_words
        self.random_state = random_state
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learn the words.

        Parameters
        ----------
        X : array of shape (n, d)
            Descriptors.
        y : ignored

        Raises
        ------
        ValueError
            If a parameter is out of its range, if there are fewer descriptors than words, or if a
            value is not finite.
        """
        check_integer("max_iter", self.max_iter, least=0)
        check_real("tol", self.tol, least=0)
        rows = validate_data(self, X, dtype=np.float32, order="C")
        clusters = VisualVocabulary(
            self.n_words, random_state=self.random_state, n_jobs=self.n_jobs
        ).fit(rows)
        origin = _origin(rows)
        if origin.any():
            rows = rows - origin
        spread = rows.var(axis=0, dtype=np.float64)
        floor = LEAST_VARIANCE * np.maximum(spread, LEAST_VARIANCE * spread.mean()) + TINY
        ones = np.eye(int(self.n_words), dtype=np.float32)

        def of_clusters(block: slice) -> _Moments:
            return _moments(ones[clusters.labels_[block]], powers_of(rows[block]), 0.0)

        def expected(mixture: Gaussians, block: slice) -> _Moments:
            powers = powers_of(rows[block])
            shares, log_likelihood = mixture.shares(powers)
            return _moments(shares, powers, log_likelihood)

        blocks = row_blocks(len(rows), ROWS_PER_TASK)
        self.history_ = []
        with worker_threads(self.n_jobs) as map_:
            mixture = _maximised(_sum(map_(of_clusters, blocks)), floor)
            while True:
                found = _sum(map_(partial(expected, mixture), blocks))
                self.history_.append(found.log_likelihood / len(rows))
                rises = np.diff(self.history_[-2:]) > self.tol
                if len(self.history_) > self.max_iter or not rises.all():
                    break
                mixture = _maximised(found, floor)
        self.words_, self.variances_ = mixture.means + origin, mixture.variances
        self.weights_ = mixture.weights
        return self

    def predict(self, X: npt.ArrayLike) -> IntArray:
        """Return the number of the word that has the greatest share in every descriptor.

        Parameters
        ----------
        X : array of shape (n, d)

        Returns
        -------
        ndarray of shape (n,), int32
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        nearest, gaussians = np.empty(len(rows), np.int32), self.gaussians
        for block in row_blocks(len(rows), ROWS_PER_TASK):
            nearest[block] = gaussians.shares(powers_of(rows[block]))[0].argmax(axis=1)
        return nearest

    @property
    def gaussians(self) -> "Gaussians":
        """The mixture, prepared for :meth:`Gaussians.shares`."""
        return Gaussians(self.weights_, self.words_, self.variances_)


class Gaussians:
    """A mixture of Gaussians, prepared to tell the shares of its words in descriptors.

    Parameters
    ----------
    weights : ndarray of shape (n_words,), float64
    means, variances : ndarray of shape (n_words, d), float64
    dtype : dtype
        Of the computation: float32 or float64.
    """

    def __init__(
        self,
        weights: DoubleArray,
        means: DoubleArray,
        variances: DoubleArray,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        self.weights, self.means, self.variances = weights, means, variances
        w, mu, v = weights, means, variances
        # log w N(x) = constant + x.(mu / v) - x^2.(1 / 2 v)
        self.factors = np.concatenate([mu / v, -0.5 / v], axis=1).T.astype(dtype)
        logs = np.log(2 * np.pi * v).sum(axis=1) + (mu * mu / v).sum(axis=1)
        self.constants = (np.log(np.maximum(w, TINY)) - 0.5 * logs).astype(dtype)

    def shares(self, powers: AnyFloats) -> tuple[AnyFloats, float]:
        """Return the shares of the words in descriptors, and the sum of the log-likelihoods.

        Parameters
        ----------
        powers : ndarray of shape (n, 2 d) and of ``dtype``
            The descriptors and their squares.

        Returns
        -------
        shares : ndarray of shape (n, n_words) and of ``dtype``
            Rows sum to 1.
        log_likelihood : float
        """
        shares = powers @ self.factors
        log_likelihood = float(_softmax(shares, self.constants))
        if not np.isfinite(log_likelihood):
            check_finite(int((~np.isfinite(powers).all(axis=1)).argmax()))
        return shares, log_likelihood

    def with_mirror_images(self, signs: AnyFloats) -> "Gaussians":
        """Return the mixture of these words, followed by their mirror images."""
        return Gaussians(
            np.tile(self.weights / 2, 2),
            np.concatenate([self.means, self.means * signs]),
            np.tile(self.variances, (2, 1)),
        )


class _Moments(NamedTuple):
    """Sums over descriptors: of the shares, of the shares times x and times x^2."""

    shares: DoubleArray
    firsts: DoubleArray
    seconds: DoubleArray
    log_likelihood: float


def _origin(rows: FloatArray) -> FloatArray:
    """Return the mean of the columns that are far from 0, and 0 for the others."""
    mean = rows.mean(axis=0, dtype=np.float64)
    is_far = np.abs(mean) > FAR * rows.std(axis=0, dtype=np.float64)
    return np.where(is_far, mean, 0.0).astype(np.float32)


def powers_of(rows: AnyFloats) -> AnyFloats:
    """Return descriptors and their squares side by side: (n, 2 d)."""
    return np.concatenate([rows, rows * rows], axis=1)


def _moments(shares: AnyFloats, powers: AnyFloats, log_likelihood: float) -> _Moments:
    """Return the moments of a block of descriptors."""
    firsts, seconds = np.hsplit((shares.T @ powers).astype(np.float64), 2)
    return _Moments(shares.sum(axis=0, dtype=np.float64), firsts, seconds, log_likelihood)


def _sum(parts: Iterable[_Moments]) -> _Moments:
    """Add the moments of blocks, in their order."""
    return reduce(lambda some, more: _Moments(*map(add, some, more)), parts)


def _maximised(found: _Moments, floor: DoubleArray) -> Gaussians:
    """Return the mixture of the greatest likelihood for given shares."""
    shares = np.maximum(found.shares, TINY)[:, np.newaxis]
    means = found.firsts / shares
    variances = np.maximum(found.seconds / shares - means * means, floor)
    weights = found.shares / found.shares.sum()
    return Gaussians(weights, means, variances, np.float32)


@kernel(fastmath=MATH)
def _softmax(logs: AnyFloats, constants: AnyFloats) -> float:
    """Turn rows into exp(row + constants), scaled to the sum 1; return the sum of the logs."""
    n_words = logs.shape[1]
    total = 0.0
    for i in range(len(logs)):
        row = logs[i]
        most = row[0] + constants[0]
        for k in range(n_words):
            row[k] += constants[k]
            most = max(most, row[k])
        summed = 0.0
        for k in range(n_words):
            below = row[k] - most
            row[k] = np.exp(below) if below > -FARTHEST else 0.0
            summed += row[k]
        for k in range(n_words):
            row[k] /= summed
        total += most + np.log(summed)
    return total
