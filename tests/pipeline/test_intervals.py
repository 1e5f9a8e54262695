import pytest
from scipy.stats import binomtest

from visualwords.pipeline.intervals import wilson_interval


@pytest.mark.parametrize(("right", "total"), [(0, 5), (3, 5), (288, 301), (6400, 10000)])
def test_interval_is_that_of_scipy(right, total):
    expected = binomtest(right, total).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(right, total)
    assert (low, high) == (pytest.approx(expected.low), pytest.approx(expected.high))
