"""Whether probabilities mean what they say."""

from typing import Any

import numpy as np

from ...classifiers import expected_calibration_error
from ..intervals import wilson_interval
from .charts import INK, chart, svg
from .material import Material

__all__ = ["calibration_section"]

N_BINS = 15


def calibration_section(material: Material) -> dict[str, Any] | None:
    """Return the chart of accuracy against confidence; None where there are no probabilities."""
    if not hasattr(material.model(material.main), "predict_proba"):
        return None
    sure = material.probabilities.max(axis=1)
    is_right = material.probabilities.argmax(axis=1) == material.test.y
    bins = np.clip(np.ceil(sure * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    counts = np.bincount(bins, minlength=N_BINS)
    filled = np.flatnonzero(counts)
    confidence = np.bincount(bins, sure, N_BINS)[filled] / counts[filled]
    accuracy = np.bincount(bins, is_right, N_BINS)[filled] / counts[filled]
    low, high = wilson_interval(np.round(accuracy * counts[filled]), counts[filled])
    reach = np.maximum([accuracy - low, high - accuracy], 0)
    names = np.arange(len(material.classes))
    error = expected_calibration_error(material.test.y, material.probabilities, names, N_BINS)
    with chart(4.6, 4.2) as (figure, ax):
        ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--")
        ax.errorbar(confidence, accuracy, reach, marker="o", capsize=2, clip_on=False)
        ax.bar(
            (np.arange(N_BINS) + 0.5) / N_BINS,
            counts / counts.max() * 0.2,
            width=0.9 / N_BINS,
            alpha=0.35,
        )
        ax.set(
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel="probability of the likeliest class",
            ylabel="share that is right",
        )
        text = (
            f"Reliability of {material.main}: expected calibration error {error:.3f} over {N_BINS} "
            "bins, with 95 % intervals. On the dashed line, probabilities are right. The bars at "
            "the bottom show how many images a bin has."
        )
        return {
            "classifier": material.main,
            "error": error,
            "title": "",
            "svg": svg(figure, "reliability", text),
            "text": text,
        }
