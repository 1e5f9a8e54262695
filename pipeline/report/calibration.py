"""Whether probabilities mean what they say."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .charts import INK, chart, svg
from .material import Material

__all__ = ["calibration_section", "expected_calibration_error"]

N_BINS = 15


def expected_calibration_error(
    sure: npt.NDArray[np.float64], is_right: npt.NDArray[np.bool_], n_bins: int = N_BINS
) -> float:
    """Return the mean distance of confidence and accuracy, over bins of equal width [1]_.

    Parameters
    ----------
    sure : ndarray of shape (n,), float64
        The probability of the predicted class.
    is_right : ndarray of shape (n,), bool
    n_bins : int

    Returns
    -------
    float

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities using
       Bayesian binning", AAAI 2015.

    Examples
    --------
    >>> round(expected_calibration_error(np.full(4, 0.9), np.array([True, True, True, False])), 9)
    0.15
    """
    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    gap = np.bincount(bins, sure - is_right, minlength=n_bins)
    return float(np.abs(gap).sum() / len(sure))


def calibration_section(material: Material) -> dict[str, Any] | None:
    """Return the chart of accuracy against confidence; None where there are no probabilities."""
    if not hasattr(material.model(material.main), "predict_proba"):
        return None
    sure = material.probabilities.max(axis=1)
    is_right = material.predicted == material.test.y
    bins = np.minimum((sure * N_BINS).astype(int), N_BINS - 1)
    counts = np.bincount(bins, minlength=N_BINS)
    filled = np.flatnonzero(counts)
    confidence = np.bincount(bins, sure, N_BINS)[filled] / counts[filled]
    accuracy = np.bincount(bins, is_right, N_BINS)[filled] / counts[filled]
    error = expected_calibration_error(sure, is_right)
    with chart(4.6, 4.2) as (figure, ax):
        ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--")
        ax.plot(confidence, accuracy, marker="o")
        ax.bar(
            (np.arange(N_BINS) + 0.5) / N_BINS,
            counts / counts.max() * 0.2,
            width=0.9 / N_BINS,
            alpha=0.35,
        )
        ax.set(
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel="probability of the predicted class",
            ylabel="share that is right",
        )
        text = (
            f"Reliability of {material.main}: expected calibration error {error:.3f} over {N_BINS} "
            "bins. On the dashed line, probabilities are right; bars show how many images."
        )
        return {
            "classifier": material.main,
            "error": error,
            "title": "",
            "svg": svg(figure, "reliability", text),
            "text": text,
        }
