"""Whitened columns: equal to columns that NumPy whitens beforehand."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from visualwords.classifiers import (
    ColumnStack,
    LinearSVM,
    LinearSVMCV,
    PrimalDual,
    Softmax,
    SoftmaxCV,
    whitening,
)

FLOOR = 3e-4


@pytest.fixture(scope="module")
def correlated():
    """Rows whose classes differ in directions of little variance, far from 0."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=900)
    mixing = rng.normal(size=(12, 12)) * np.geomspace(30, 0.3, 12)[:, None]
    X = rng.normal(size=(900, 12))
    X[:, -3:] += 2 * np.eye(3)[y]
    return X @ mixing + 7, y


def whitening_by_numpy(X, weight=None, fit_intercept=True):
    """Return the mean and the matrix that make whitened columns, ``(X - mean) @ root``.

    Without intercepts the mean is 0: columns are not centred.
    """
    X = X.astype(np.float64)
    mean = np.average(X, axis=0, weights=weight)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    mean *= fit_intercept
    Z = (X - mean) / scale
    share = np.full(len(X), 1 / len(X)) if weight is None else weight / weight.sum()
    values, vectors = np.linalg.eigh((Z * share[:, None]).T @ Z + FLOOR * np.eye(X.shape[1]))
    return mean, vectors / np.sqrt(values) / scale[:, None]


@pytest.mark.parametrize("model", [Softmax(0.01), LinearSVM(0.1, loss="squared_hinge")])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_model_is_that_of_columns_whitened_beforehand(correlated, model, weighted):
    X, y = correlated
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y)) if weighted else None
    solver = PrimalDual(tol=1e-7)
    inside = model.set_params(standardize="whiten", solver=solver).fit(X, y, weight)
    scores = inside.decision_function(X)
    mean, root = whitening_by_numpy(X, weight)
    Z = (X - mean) @ root
    beforehand = model.set_params(standardize=False).fit(Z, y, weight)
    np.testing.assert_allclose(scores, beforehand.decision_function(Z), atol=2e-3)
    assert inside.gap_ <= 1e-7 * inside.loss_curve_[-1]


@pytest.mark.parametrize("model", [Softmax(0.01), LinearSVM(0.1, loss="squared_hinge")])
@pytest.mark.parametrize(("n", "dtype"), [(40, np.float64), (40, np.float32), (70, np.float64)])
def test_weights_of_few_rows_are_those_that_numpy_maps_back(model, n, dtype):
    rng, d = np.random.default_rng(3), 90
    y, weight = np.arange(n) % 3, rng.integers(0, 3, n).astype(float)
    X = rng.normal(size=(n, 20)) @ rng.normal(size=(20, d)) + 0.1 * rng.normal(size=(n, d)) + 5
    X = (X + np.eye(3, d)[y]).astype(dtype)
    model = model.set_params(standardize="whiten", solver=PrimalDual(tol=1e-12))
    coef, intercept = model.fit(X, y, weight).coef_, model.intercept_
    mean, root = whitening_by_numpy(X, weight)
    beforehand = model.set_params(standardize=False).fit((X - mean) @ root, y, weight)
    expected = beforehand.coef_ @ root.T
    np.testing.assert_allclose(coef, expected, atol=1e-4)
    np.testing.assert_allclose(intercept, beforehand.intercept_ - expected @ mean, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(300, 20), (20, 20), (15, 40)])
def test_columns_far_from_zero_without_intercepts(n, d, dtype):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    far = 1000 * rng.normal(size=d)
    X = (rng.normal(size=(n, d)) + 0.3 * rng.normal(size=(3, d))[y] + far).astype(dtype)
    model = Softmax(0.1, standardize="whiten", fit_intercept=False, solver=PrimalDual(tol=1e-8))
    scores = model.fit(X, y).decision_function(X.astype(np.float64))
    _, root = whitening_by_numpy(X, fit_intercept=False)
    Z = X.astype(np.float64) @ root
    beforehand = model.set_params(standardize=False).fit(Z, y)
    np.testing.assert_allclose(scores, beforehand.decision_function(Z), atol=2e-3)


def test_columns_too_far_from_zero_without_intercepts_are_refused():
    X, y = np.random.default_rng(0).normal(size=(60, 5)) + 1e10, np.arange(60) % 3
    for model in (Softmax(), SoftmaxCV()):
        model.set_params(standardize="whiten", fit_intercept=False)
        with pytest.raises(ValueError, match="subtract them from X, or give fit_intercept=True"):
            model.fit(X, y)


def test_weights_are_sums_of_the_rows_where_rows_are_few():
    """Rows that lie elsewhere get scores of any size otherwise."""
    rng = np.random.default_rng(0)
    X, y = rng.poisson(0.3, size=(21, 90)).astype(np.float32), np.arange(21) % 3
    Z = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    coef = Softmax(0.2, standardize="whiten").fit(X, y).coef_ * X.std(axis=0)
    of_rows = np.linalg.lstsq(Z.T, coef.T)[0]
    np.testing.assert_allclose(Z.T @ of_rows, coef.T, atol=1e-5 * np.abs(coef).max())


def test_float32_and_any_number_of_threads_give_the_same_scores(correlated):
    X, y = correlated
    X = X.astype(np.float32)
    one, two = (Softmax(0.01, standardize="whiten", n_jobs=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)
    exact = Softmax(0.01, standardize="whiten").fit(X.astype(np.float64), y)
    np.testing.assert_allclose(one.decision_function(X), exact.decision_function(X), atol=0.02)


@pytest.mark.parametrize(("n", "error"), [(900, 1e-6), (6, 1e-5)])
def test_a_warm_start_begins_at_the_learned_weights(correlated, n, error):
    X, y = (values[:n] for values in correlated)
    model = Softmax(0.01, standardize="whiten", warm_start=True).fit(X, y)
    again = model.loss_curve_[-1]
    assert model.fit(X, y).loss_curve_[0] == pytest.approx(again, rel=error)


def test_a_search_scores_and_calibrates_whitened_columns(correlated):
    X, y = correlated
    search = SoftmaxCV([0.01, 30.0], standardize="whiten", calibrate=True).fit(X, y)
    assert search.alpha_ == 0.01
    single = Softmax(0.01, standardize="whiten").fit(X, y)
    np.testing.assert_allclose(search.decision_function(X), single.decision_function(X), atol=0.05)


@pytest.mark.parametrize(("search", "single"), [(SoftmaxCV, Softmax), (LinearSVMCV, LinearSVM)])
@pytest.mark.parametrize(("n", "d"), [(150, 50), (80, 120)])
def test_a_fold_is_whitened_by_the_rows_that_its_model_sees(search, single, n, d):
    """Whitened by all rows, few rows are equally far from each other, and scores are chance."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d)
    X = (rng.normal(size=(n, d)) + 0.6 * rng.normal(size=(3, d))[y]) @ mixing
    weight = rng.uniform(0.5, 2, n)
    found = search([0.01, 1.0], standardize="whiten", cv=4, tol=1e-4).fit(X, y, weight)
    splits = StratifiedKFold(4, shuffle=True, random_state=0).split(X, y)
    for fold, (train, test) in enumerate(splits):
        for number, alpha in enumerate(found.alphas):
            alone = single(alpha, standardize="whiten").fit(X[train], y[train], weight[train])
            expected = alone.score(X[test], y[test], weight[test])
            assert found.scores_[number, fold] == pytest.approx(expected, abs=0.06)  # two rows
    assert found.scores_.mean() > 0.6


@pytest.mark.parametrize("kind", [SoftmaxCV, LinearSVMCV])
def test_scores_of_labels_without_meaning_are_chance(kind):
    """A model that began at weights that know the fold would say 0.8 here."""
    rng = np.random.default_rng(7)
    X, y = (rng.random((90, 180)) < 0.02).astype(float), np.arange(90) % 2
    found = kind([1e-5, 1e-3, 0.1, 10.0], standardize="whiten", cv=3).fit(X, y)
    assert found.scores_.mean(axis=1).max() < 0.62


def test_penalties_of_parts_are_refused(correlated):
    X, y = correlated
    stack = ColumnStack({"a": X[:, :5], "b": X[:, 5:]})
    with pytest.raises(ValueError, match="takes one alpha for all of them"):
        Softmax({"a": 0.1, "b": 0.2}, standardize="whiten").fit(stack, y)
    with pytest.raises(ValueError, match="standardize='whiten' mixes"):
        SoftmaxCV(standardize="whiten", per_part=True).fit(stack, y)


def test_columns_are_computed_in_any_stripes(correlated, monkeypatch):
    X, y = correlated
    search = SoftmaxCV([0.01, 0.1], cv=3, standardize="whiten", tol=1e-3)
    whole = search.fit(X, y)
    scores, folds = whole.decision_function(X), whole.scores_
    monkeypatch.setattr(whitening, "COLUMNS", 5)
    monkeypatch.setattr(whitening, "BLOCK_ROWS", 100)
    np.testing.assert_allclose(search.fit(X, y).decision_function(X), scores, atol=1e-6)
    np.testing.assert_array_equal(search.scores_, folds)
