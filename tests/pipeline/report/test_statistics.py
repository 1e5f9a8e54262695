import numpy as np
import pytest
from scipy.stats import binomtest

from visualwords.pipeline.report.accuracy import wilson_interval
from visualwords.pipeline.report.calibration import expected_calibration_error


@pytest.mark.parametrize(("right", "total"), [(0, 5), (3, 5), (288, 301), (6400, 10000)])
def test_interval_is_that_of_scipy(right, total):
    expected = binomtest(right, total).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(right, total)
    assert (low, high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_error_is_the_weighted_mean_of_the_bins():
    random = np.random.default_rng(0)
    sure = random.uniform(0.1, 1, 500)
    is_right = random.uniform(size=500) < sure**2
    expected = 0.0
    for low in np.arange(15) / 15:
        members = (sure >= low) & (sure < low + 1 / 15)
        if members.any():
            gap = abs(is_right[members].mean() - sure[members].mean())
            expected += members.sum() / 500 * gap
    assert expected_calibration_error(sure, is_right) == pytest.approx(expected)
