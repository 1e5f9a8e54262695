"""Compiled sweeps of :mod:`.dual`: improve the dual variables of one example after the other."""

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inner, kernel

from .slopes import FloatArray, Limits, improve

__all__ = ["CLASSES", "LANES", "sweep_products", "sweep_rows"]

IndexArray = npt.NDArray[np.intp]

# Scores are computed for so many classes at a time, with columns in whole vectors of 64 bytes.
CLASSES, LANES = 2, 16
# Sums may be split over vector lanes. NaN and infinity keep their meaning.
MATH = {"reassoc", "contract", "nsz"}


@kernel
def sweep_products(
    order: IndexArray,
    y: IndexArray,
    limits: Limits,
    coupled: bool,
    relaxation: float,
    slopes: FloatArray,
    intercept: FloatArray,
    rate: float,
    moved: npt.NDArray[np.bool_],
    products: FloatArray,
    scores: FloatArray,
    own_scores: FloatArray,
    step: FloatArray,
) -> None:
    """Improve the slopes of each example in turn and keep the scores of all examples up to date.

    Parameters
    ----------
    order : ndarray of shape (m,)
        The examples to visit.
    y : ndarray of shape (n,)
    limits : Limits
    coupled : bool
        Whether margins are ``1 + s_k - s_y``; otherwise they are ``1 - t_k s_k``.
    relaxation : float in [1, 2)
        How much longer than the best step a step is, within the limits.
    slopes : ndarray of shape (n, n_classes)
        Changed.
    intercept : ndarray of shape (n_classes,)
        Changed.
    rate : float
        How fast the intercepts follow the slopes.
    moved : ndarray of bool of shape (n,)
        Set to whether an example's slopes changed.
    products : ndarray of shape (n, n)
        Products of all pairs of rows, divided by alpha.
    scores : ndarray of shape (n, n_classes)
        Scores without intercepts. Changed.
    own_scores, step : ndarray of shape (n_classes,)
        Working memory.
    """
    for i in order:
        for k in range(len(own_scores)):
            own_scores[k] = scores[i, k] + intercept[k]
        moved[i] = improve(
            i, own_scores, y[i], limits, coupled, relaxation, slopes[i], intercept, rate, step
        )
        if moved[i]:
            for j in range(len(scores)):
                product = products[i, j]
                for k in range(len(step)):
                    scores[j, k] -= product * step[k]


@inner(fastmath=MATH)
def _four_scores(
    x0: FloatArray, x1: FloatArray, x2: FloatArray, x3: FloatArray, W: FloatArray, out: FloatArray
) -> None:
    """Set ``out[r, k]`` to the product of row ``r`` with the weights of class ``k``.

    Four rows and two classes at a time make eight sums that stay in registers.
    """
    zero = x0.dtype.type(0)
    for k in range(0, len(W), 2):
        w0, w1 = W[k], W[k + 1]
        p0 = p1 = q0 = q1 = r0 = r1 = s0 = s1 = zero
        for j in range(len(x0)):
            a, b, c, d, w = x0[j], x1[j], x2[j], x3[j], w0[j]
            p0, q0, r0, s0 = p0 + a * w, q0 + b * w, r0 + c * w, s0 + d * w
            w = w1[j]
            p1, q1, r1, s1 = p1 + a * w, q1 + b * w, r1 + c * w, s1 + d * w
        out[0, k], out[1, k], out[2, k], out[3, k] = p0, q0, r0, s0
        out[0, k + 1], out[1, k + 1], out[2, k + 1], out[3, k + 1] = p1, q1, r1, s1


@inner(fastmath=MATH)
def _products_of_four(
    x0: FloatArray, x1: FloatArray, x2: FloatArray, x3: FloatArray, products: FloatArray
) -> None:
    """Set ``products[r, q]`` to the product of row ``r`` with each earlier row ``q``."""
    a = b = c = d = e = f = x0.dtype.type(0)
    for j in range(len(x0)):
        a += x1[j] * x0[j]
        b += x2[j] * x0[j]
        c += x2[j] * x1[j]
        d += x3[j] * x0[j]
        e += x3[j] * x1[j]
        f += x3[j] * x2[j]
    products[1, 0], products[2, 0], products[2, 1] = a, b, c
    products[3, 0], products[3, 1], products[3, 2] = d, e, f


@inner(fastmath={"contract"})
def _subtract(
    x0: FloatArray, x1: FloatArray, x2: FloatArray, x3: FloatArray, steps: FloatArray, W: FloatArray
) -> None:
    """Subtract ``steps.T @ rows`` from the weights."""
    for k in range(steps.shape[1]):
        p, q, r, s = steps[0, k], steps[1, k], steps[2, k], steps[3, k]
        if p != 0 or q != 0 or r != 0 or s != 0:
            w = W[k]
            for j in range(len(w)):
                w[j] -= p * x0[j] + q * x1[j] + r * x2[j] + s * x3[j]


@kernel
def sweep_rows(
    order: IndexArray,
    y: IndexArray,
    limits: Limits,
    coupled: bool,
    relaxation: float,
    slopes: FloatArray,
    intercept: FloatArray,
    rate: float,
    moved: npt.NDArray[np.bool_],
    X: FloatArray,
    offset: FloatArray,
    W: FloatArray,
    alpha: float,
    scores: FloatArray,
    products: FloatArray,
    own_scores: FloatArray,
    steps: FloatArray,
    scaled_steps: FloatArray,
) -> None:
    """Improve the slopes of each example in turn and keep the weights up to date.

    The scores of four examples are computed at once. The changes that the first of them make to
    the scores of the later ones follow from the products of their rows. The parameters up to
    ``moved`` are those of :func:`sweep_products`.

    Parameters
    ----------
    X : ndarray of shape (n + 1, d)
        The rows and a last row of zeros; ``d`` is a multiple of ``LANES``.
    offset : ndarray of shape (n, n_classes)
        Added to the scores.
    W : ndarray of shape (w, d), dtype of X
        Weights; ``w`` is ``n_classes`` rounded up to a multiple of ``CLASSES``. Changed.
    alpha : float
    scores : ndarray of shape (4, w), dtype of X
    products : ndarray of shape (4, 4), dtype of X
    own_scores : ndarray of shape (n_classes,)
    steps : ndarray of shape (4, n_classes)
    scaled_steps : ndarray of shape (4, n_classes), dtype of X
        Working memory.
    """
    for start in range(0, len(order), 4):
        count = min(4, len(order) - start)
        x0 = X[order[start]]
        x1 = X[order[start + 1]] if count > 1 else X[-1]
        x2 = X[order[start + 2]] if count > 2 else X[-1]
        x3 = X[order[start + 3]] if count > 3 else X[-1]
        _four_scores(x0, x1, x2, x3, W, scores)
        _products_of_four(x0, x1, x2, x3, products)
        for r in range(count):
            i, step = order[start + r], steps[r]
            for k in range(len(own_scores)):
                own_scores[k] = scores[r, k] + offset[i, k] + intercept[k]
                for before in range(r):
                    own_scores[k] -= products[r, before] / alpha * steps[before, k]
            moved[i] = improve(
                i, own_scores, y[i], limits, coupled, relaxation, slopes[i], intercept, rate, step
            )
        for r in range(4):
            for k in range(len(own_scores)):
                scaled_steps[r, k] = steps[r, k] / alpha if r < count else 0
        _subtract(x0, x1, x2, x3, scaled_steps, W)
