"""Scores of a block against the plain product in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from visualwords.classifiers.kernels import block_scores


@pytest.mark.parametrize("shape", [(1, 1, 2), (7, 13, 5), (8, 334, 10), (3, 40, 33), (5, 0, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_the_product(shape, dtype):
    n, d, k = shape
    rng = np.random.default_rng(0)
    X, coef = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(k, d)).astype(dtype)
    intercept = rng.normal(size=k).astype(dtype)
    scores = block_scores(X, coef, intercept)
    assert scores.shape == (n, k)
    assert scores.dtype == dtype
    exact = X.astype(np.float64) @ coef.T.astype(np.float64) + intercept
    assert_allclose(scores, exact, atol=3e-5 if dtype == np.float32 else 1e-12)


def test_a_row_of_scores_depends_on_its_row_alone():
    rng = np.random.default_rng(1)
    X, coef = rng.normal(size=(9, 30)).astype("f"), rng.normal(size=(4, 30)).astype("f")
    scores = block_scores(X, coef, np.zeros(4, "f"))
    assert_array_equal(block_scores(X[4:5], coef, np.zeros(4, "f")), scores[4:5])
    X[2, 3] = np.nan
    broken = block_scores(X, coef, np.zeros(4, "f"))
    assert np.isnan(broken[2]).all()
    assert_array_equal(np.delete(broken, 2, axis=0), np.delete(scores, 2, axis=0))
