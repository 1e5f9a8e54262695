"""Penalties and folds together give what each would give alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.class_weight import compute_sample_weight

from visualwords.classifiers import (
    CrossEntropy,
    LinearSVM,
    LinearSVMCV,
    Objective,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.classifiers.scaling import column_scaling
from visualwords.classifiers.solvers.curvature import Spectrum
from visualwords.classifiers.solvers.path import Models
from visualwords.classifiers.solvers.path_model import Model

PAIRS = [
    (SoftmaxCV([0.01, 0.1, 1.0], cv=3, tol=1e-4), Softmax()),
    (LinearSVMCV([0.01, 0.1, 1.0], cv=3, tol=1e-4), LinearSVM()),
    (
        LinearSVMCV([0.1, 1.0], loss="crammer_singer", cv=4, tol=1e-4),
        LinearSVM(loss="crammer_singer"),
    ),
]


@pytest.mark.parametrize(("search", "single"), PAIRS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("standardize", [False, True])
def test_scores_are_those_of_single_fits(blobs, search, single, standardize):
    X, y = blobs(n=900, d=10)
    search = clone(search).set_params(standardize=standardize).fit(X, y)
    single = clone(single).set_params(standardize=standardize, solver=PrimalDual(tol=1e-4))
    folds = StratifiedKFold(search.cv, shuffle=True, random_state=0).split(X, y)
    for fold, (train, test) in enumerate(folds):
        for i, alpha in enumerate(search.alphas):
            alone = single.set_params(alpha=alpha).fit(X[train], y[train])
            # A few rows lie so near a border that the tolerance decides.
            expected = alone.score(X[test], y[test])
            assert search.scores_[i, fold] == pytest.approx(expected, abs=0.02)
    assert search.alpha_ == search.alphas[search.scores_.mean(axis=1).argmax()]
    whole = single.set_params(alpha=search.alpha_).fit(X, y)
    assert search.gap_ <= 1e-3 * search.loss_curve_[-1]
    assert np.mean(search.predict(X) == whole.predict(X)) > 0.99


def test_same_bits_for_any_number_of_threads_and_weights_count(blobs):
    X, y = blobs(n=6000, dtype=np.float32)
    one, two = (SoftmaxCV([0.01, 1.0], cv=3, n_jobs=n).fit(X, y) for n in (1, 2))
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(one.scores_, two.scores_)
    # Rows of weight 0 are as if they were not there, also in the scores.
    weight = (np.arange(6000) < 3000).astype(float)
    noise = np.where(weight > 0, y, (y + 1) % 4)
    weighted = SoftmaxCV([0.01, 1.0], cv=3).fit(X, noise, weight)
    assert_allclose(weighted.scores_, one.scores_, atol=0.1)


def test_classes_are_weighted_in_the_scores_as_in_training(blobs):
    X, y = blobs(n=3000)
    rare = (y > 0) | (np.arange(3000) % 8 == 0)
    X, y = X[rare], y[rare]
    search = SoftmaxCV([0.01, 1.0], cv=3, class_weight="balanced", tol=1e-4).fit(X, y)
    weight = compute_sample_weight("balanced", y)
    expected, unweighted = np.empty((2, 2, 3))
    folds = StratifiedKFold(3, shuffle=True, random_state=0).split(X, y)
    for fold, (train, test) in enumerate(folds):
        for i, alpha in enumerate(search.alphas):
            alone = Softmax(alpha).fit(X[train], y[train], weight[train])
            expected[i, fold] = alone.score(X[test], y[test], weight[test])
            unweighted[i, fold] = alone.score(X[test], y[test])
    assert_allclose(search.scores_, expected, atol=0.01)
    assert np.abs(expected - unweighted).max() > 0.03


def test_folds_without_any_weight_are_refused(blobs):
    X, y = blobs(n=300)
    weight = np.zeros(300)
    weight[[np.argmax(y == k) for k in range(3)]] = 1
    with pytest.raises(ValueError, match="cv=5: there are folds whose rows all have weight 0"):
        SoftmaxCV().fit(X, y, weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphas": [0.1, 0.0]}, "alphas must be numbers above 0"),
        ({"alphas": []}, "alphas must be numbers above 0"),
        ({"alphas": 0.1}, "alphas must be numbers above 0, got 0.1"),
        ({"alphas": ["a"]}, "alphas must be numbers above 0"),
        ({"alphas": "0.1"}, "alphas must be numbers above 0"),
        ({"alphas": [np.nan]}, "alphas must be numbers above 0"),
        ({"alphas": [0.1, np.inf]}, "alphas must be numbers above 0"),
        ({"cv": 1}, "cv must be a whole number from 2 to"),
        ({"cv": 1000}, "cv must be a whole number from 2 to"),
        ({"cv": None}, "cv must be a whole number from 2 to .* got None"),
        ({"cv": StratifiedKFold(3)}, "cv must be a whole number from 2 to"),
    ],
)
def test_bad_parameters(blobs, change, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxCV(**change).fit(*blobs())


@pytest.mark.parametrize(("search", "single"), PAIRS)
def test_the_objective_is_that_of_the_best_penalty(blobs, search, single):
    X, y = blobs(n=500)
    model = clone(search).fit(X, y)
    objective, W = model.objective(X, y)
    alone = clone(single).set_params(alpha=model.alpha_).fit(X, y)
    assert objective(W)[0] == pytest.approx(alone.loss_curve_[-1], rel=2e-3)


@pytest.mark.parametrize("standardize", [False, True])
def test_models_that_hold_out_a_fold_start_with_the_sums_of_the_rows_they_see(blobs, standardize):
    X, y = blobs(n=300, d=5)
    rng = np.random.default_rng(0)
    folds, weight = rng.integers(0, 3, 300), rng.uniform(0, 2, 300)

    def scaling(seen):
        return column_scaling(X, weight * seen, 1) if standardize else None

    objective = Objective(X, y, CrossEntropy(), 0.1, 4, sample_weight=weight)
    models = [
        Model(alpha, -1, scaling(folds >= 0), rng.normal(size=(4, 6)), np.eye(4))
        for alpha in (0.1, 1.0)
    ]
    scalings = [scaling(folds != fold) for fold in range(3)]
    held_out = Models(objective, folds, Spectrum(None)).leave_out(models, scalings)
    assert [(of.held_out, of.alpha) for of in held_out] == [
        (f, a) for f in range(3) for a in (0.1, 1)
    ]
    for model in held_out:
        seen = folds != model.held_out
        alone = Objective(
            *(X[seen], y[seen], CrossEntropy(), model.alpha, 4),
            sample_weight=weight[seen],
            scaling=model.scaling,
        )
        value, gradient = alone(model.W)
        assert model.value == pytest.approx(value, rel=1e-9)
        assert_allclose(model.gradient, gradient, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("standardize", [False, True])
def test_scores_at_the_default_tolerance_are_those_of_models_that_never_saw_the_fold(
    blobs, standardize
):
    # Columns enough for their number of rows that a model fits its own rows visibly better.
    X, y = blobs(n=8000, d=60, k=10, dtype=np.float32)
    search = SoftmaxCV([1e-4, 1e-2, 1.0], standardize=standardize).fit(X, y)
    single = Softmax(standardize=standardize, solver=PrimalDual(tol=1e-4))
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    for i, alpha in enumerate(search.alphas):
        alone = [
            clone(single).set_params(alpha=alpha).fit(X[train], y[train]) for train, _ in folds
        ]
        pairs = zip(alone, folds, strict=True)
        expected = [model.score(X[test], y[test]) for model, (_, test) in pairs]
        assert_allclose(search.scores_[i], expected, atol=0.006)
        assert search.scores_[i].mean() == pytest.approx(np.mean(expected), abs=0.003)
