"""What sums in float32 can hide of a duality gap, and when a gap needs a proof in float64."""

from dataclasses import replace

import numpy as np

from visualwords.classifiers.objective import Certificate, Objective
from visualwords.classifiers.sources import take_rows

from .moments import sample

__all__ = ["allowing_for_rounding", "gradient_error", "needs_proof"]

# The products of so many rows are summed one after the other in float32: 64 in registers, then up
# to 64 sums.
TERMS = 128
# Rows that are read to estimate the length of a row.
SAMPLED_ROWS = 1024
# A gap of a smooth loss needs no proof if X has so many numbers and the derivatives by the
# intercepts are at most such a part of the rarest class.
LARGE, UNBALANCED = 1 << 22, 0.05


def gradient_error(objective: Objective) -> float:
    """Bound the error of a gradient's norm in float32, for derivatives of mean square 1.

    A float32 sum of products ``a_i x_ij`` over ``TERMS`` rows is off by at most ``TERMS`` times
    half the precision times the sum of their absolute values. The product of the root mean squares
    bounds that sum.
    """
    if objective.X.dtype == np.float64:
        return 0.0
    if objective.scaling is not None:
        squares = 1 + (objective.scaling.mean / objective.scaling.scale) ** 2
        length = float(np.sqrt(squares.sum()))
    else:
        rows = take_rows(objective.X, sample(objective, SAMPLED_ROWS, 0))
        length = 2 * float(np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1).mean()))
    return TERMS * float(np.finfo(np.float32).eps) / 2 * length


def allowing_for_rounding(
    certificate: Certificate, objective: Objective, error: float
) -> Certificate:
    """Add to the gap of a smooth loss what float32 can hide of the gradient.

    Parameters
    ----------
    certificate : Certificate
    objective : Objective
    error : float
        Result of :func:`gradient_error`.
    """
    alpha = objective.alpha
    if not (error and certificate.distance and alpha):
        return certificate
    error *= float(np.sqrt(2 * min(1.0, certificate.value)))
    length = float(np.sqrt(2 * alpha * certificate.distance)) + error
    return replace(certificate, distance=length**2 / (2 * alpha))


def needs_proof(certificate: Certificate, objective: Objective) -> bool:
    """Whether a gap by sums in the dtype of X has to be proved in float64.

    A large X with a smooth loss needs no proof, which would take a good part of the time of a fit.
    Errors of the scores have a second-order effect there, and :func:`allowing_for_rounding` covers
    errors of the gradient. The derivatives by the intercepts must be a small part of the rarest
    class.
    """
    smooth = objective.loss.smoothed(0.0).smooth
    if objective.n_samples * objective.X.shape[1] < LARGE or not smooth:
        return True
    weight = objective.sample_weight
    of_classes = np.bincount(objective.y, weight, minlength=objective.n_classes)
    return not certificate.intercepts <= UNBALANCED * of_classes.min() / of_classes.sum()
