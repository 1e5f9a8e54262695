"""Predictions of a row do not depend on the rows beside it."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from visualwords.classifiers import Softmax

N_ROWS = 1100
# Features and classes: few and many of both, and a number of features that is not even.
SHAPES = [(3, 2), (64, 10), (333, 3), (20, 45)]


@cache
def fitted(shape, dtype, standardize):
    n_features, n_classes = shape
    rng = np.random.default_rng(n_features)
    X = (rng.normal(size=(N_ROWS, n_features)) + 100 * standardize).astype(dtype)
    y = np.arange(N_ROWS) % n_classes
    return Softmax(1.0, standardize=standardize, n_jobs=2).fit(X[:200], y[:200]), X


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    dtype=st.sampled_from([np.float32, np.float64]),
    standardize=st.booleans(),
    batch=st.integers(1, 600),
    start=st.integers(0, 500),
)
def test_a_batch_of_any_size_gives_the_same_bits(shape, dtype, standardize, batch, start):
    model, X = fitted(shape, dtype, standardize)
    rows = slice(start, start + batch)
    for method in (model.decision_function, model.predict_proba, model.predict_log_proba):
        assert_array_equal(method(X[rows]), method(X)[rows])


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_the_products_with_the_weights(shape):
    model, X = fitted(shape, np.float64, False)
    expected = X @ model.coef_.T + model.intercept_
    if len(model.classes_) == 2:
        expected = expected[:, 1] - expected[:, 0]
    assert_allclose(model.decision_function(X), expected, atol=1e-12)
