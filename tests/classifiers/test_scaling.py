"""Standardised columns far from 0, very small or very large, against a ``StandardScaler``."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import StandardScaler

from visualwords.classifiers import (
    SGD,
    ColumnStack,
    LinearSVM,
    LinearSVMCV,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.classifiers.scaling import column_scaling, scalings_outside


def far_columns(blobs, offset, dtype):
    """Make columns at an offset, rounded to ``dtype``, and the same numbers in float64."""
    X, y = blobs(n=600)
    X = (X + offset).astype(dtype)
    return X, X.astype(np.float64), y


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e5, -1e6])
@pytest.mark.parametrize("solver", [PrimalDual(1e-8), None])
def test_probabilities_at_an_offset_are_those_behind_a_standard_scaler(blobs, offset, solver):
    X, exact, y = far_columns(blobs, offset, np.float32)
    standard = StandardScaler().fit_transform(exact)
    expected = Softmax(0.01, solver=PrimalDual(1e-10)).fit(standard, y).predict_proba(standard)
    model = Softmax(0.01, standardize=True, solver=solver).fit(X, y)
    scaler = StandardScaler().fit(X)
    pipeline = Softmax(0.01, solver=solver).fit(scaler.transform(X), y)
    theirs = np.abs(pipeline.predict_proba(scaler.transform(X)) - expected).max()
    ours = np.abs(model.predict_proba(X) - expected).max()
    assert ours < max(1.2 * theirs, 1e-4)
    # Scores in float64 of the raw weights are the same ones.
    raw = exact @ model.coef_.T + model.intercept_
    assert_allclose(model.decision_function(X), raw, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_predicts_rows_of_the_other_dtype(blobs, dtype):
    X, exact, y = far_columns(blobs, 1e5, np.float32)
    model = Softmax(0.01, standardize=True).fit(X.astype(dtype), y)
    assert_allclose(model.predict_proba(X), model.predict_proba(exact), atol=1e-5)


@pytest.mark.parametrize("factor", [1e-30, 1e-40, 1e-12, 1e12])
@pytest.mark.parametrize("make", [Softmax, LinearSVM, SoftmaxCV, LinearSVMCV])
def test_the_size_of_columns_does_not_matter(blobs, make, factor):
    X, y = blobs(n=300, dtype=np.float32)
    plain = make(standardize=True).fit(X, y)
    model = make(standardize=True).fit(X * np.float32(factor), y)
    assert plain.score(X, y) > 0.6
    assert model.score(X * np.float32(factor), y) == pytest.approx(plain.score(X, y), abs=0.01)


def test_columns_of_float64_whose_squares_underflow(blobs):
    X, y = blobs(n=600)
    assert Softmax(standardize=True).fit(X * 1e-200, y).score(X * 1e-200, y) > 0.6


@pytest.mark.parametrize("factor", [1.0, 1e-30, 1e-200])
def test_moments_of_small_columns(factor):
    rng = np.random.default_rng(0)
    X = rng.normal(2, 3, (700, 4)) * [factor, 1, factor, 1]
    X[:, 2] = factor
    if factor > 1e-37:
        X = X.astype(np.float32)
    weight, groups = rng.uniform(size=700), rng.integers(0, 3, 700)
    exact = X.astype(np.float64) / [factor, 1, factor, 1]
    mean = np.average(exact, axis=0, weights=weight)
    std = np.sqrt(np.average((exact - mean) ** 2, axis=0, weights=weight))
    found = column_scaling(X, weight, n_jobs=1)
    assert_allclose(found.mean, mean * [factor, 1, factor, 1], rtol=1e-5)
    assert_allclose(found.scale[[0, 1, 3]], (std * [factor, 1, 1, 1])[[0, 1, 3]], rtol=1e-5)
    assert found.scale[2] == 1
    weights = weight * (groups == np.arange(3)[:, None])
    for group, outside in enumerate(scalings_outside(X, weights, n_jobs=1)):
        alone = column_scaling(X, weight * (groups != group), n_jobs=1)
        assert_allclose(outside.scale, alone.scale, rtol=1e-5)
        assert_allclose(outside.mean, alone.mean, rtol=1e-5)


def test_weights_at_an_offset_survive_a_warm_start_and_a_look_at_the_objective(blobs):
    X, _, y = far_columns(blobs, 1e5, np.float32)
    model = Softmax(0.01, standardize=True, warm_start=True, solver=PrimalDual(1e-7)).fit(X, y)
    objective, W = model.objective(X, y)
    assert objective(W)[0] == pytest.approx(model.loss_curve_[-1], rel=1e-6)
    assert model.fit(X, y).n_iter_ <= 2


def test_a_frame_does_not_outlive_its_fit(blobs):
    X, y = blobs()
    near = Softmax(standardize=True).fit(X, y)
    model = Softmax(standardize=True).fit(X + 1e6, y).fit(X, y)
    assert_allclose(model.decision_function(X), near.decision_function(X), rtol=1e-12)
    model.fit(X + 1e6, y)
    model.set_params(standardize=False, solver=SGD(1e-3)).partial_fit(X, y)
    raw = X @ model.coef_.T + model.intercept_
    assert_allclose(model.decision_function(X), raw, rtol=1e-9)


def test_parts_at_an_offset(blobs):
    X, _, y = far_columns(blobs, 1e5, np.float32)
    stack = ColumnStack([X[:, :3], X[:, 3:]])
    standard = StandardScaler().fit_transform(X.astype(np.float64))
    shares = np.sqrt(np.repeat([3 / 4, 5 / 4], [3, 5]))
    expected = Softmax(0.01, solver=PrimalDual(1e-9)).fit(standard / shares, y)
    model = Softmax(0.01, standardize="parts", solver=PrimalDual(1e-8)).fit(stack, y)
    assert_allclose(
        model.predict_proba(stack), expected.predict_proba(standard / shares), atol=1e-4
    )
