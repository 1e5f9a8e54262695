"""Norms: how the whole vector of an image is scaled."""

import numpy as np

from visualwords.features.image import FloatArray

from .distances import DoubleArray

__all__ = ["NORMS", "normalized"]

NORMS = ("sqrt", "l1", "l2", "tfidf", None)
TINY = 1e-30


def normalized(votes: DoubleArray, norm: str | None, idf: DoubleArray | float) -> FloatArray:
    """Scale the votes of every image; an image without votes keeps zeros.

    Parameters
    ----------
    votes : ndarray of shape (n, width), float64
    norm : {"sqrt", "l1", "l2", "tfidf", None}
        "l1": divided by the sum of the absolute values. "sqrt": the square root of that, with the
        sign of the vote. "tfidf": "l1" times ``idf``. "l2": divided by the Euclidean length.
    idf : ndarray of shape (width,), float64
        Without "tfidf" any.
    """
    if norm in ("l1", "sqrt", "tfidf"):
        votes = votes / np.maximum(np.abs(votes).sum(axis=1, keepdims=True), TINY)
    if norm == "sqrt":
        votes = np.copysign(np.sqrt(np.abs(votes)), votes)
    if norm == "tfidf":
        votes = votes * idf
    if norm == "l2":
        lengths = np.sqrt(np.square(votes).sum(axis=1, keepdims=True))
        votes = votes / np.maximum(lengths, TINY)
    return votes.astype(np.float32)
