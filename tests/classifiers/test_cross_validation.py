"""Penalties and folds together give what each would give alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import (
    KFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.utils.class_weight import compute_sample_weight

from visualwords.classifiers import (
    ColumnStack,
    CrossEntropy,
    InteriorPoint,
    LinearSVM,
    LinearSVMCV,
    Objective,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.classifiers.parts import divided
from visualwords.classifiers.scaling import column_scaling
from visualwords.classifiers.solvers.curvature import Spectrum
from visualwords.classifiers.solvers.path import Models
from visualwords.classifiers.solvers.path_model import Columns, Model

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
    X, y = blobs(n=600, d=10)
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


@pytest.mark.parametrize(("search", "single"), PAIRS[:2], ids=["softmax", "svm"])
def test_folds_may_follow_each_other(blobs, search, single):
    """Then a block of rows has none of some folds."""
    X, y = blobs(n=12_000, d=4)
    search = clone(search).set_params(alphas=[0.1], cv=KFold(3), calibrate=True).fit(X, y)
    single = clone(single).set_params(alpha=0.1, solver=PrimalDual(tol=1e-4))
    for (train, test), score in zip(KFold(3).split(X), search.scores_[0], strict=True):
        alone = single.fit(X[train], y[train])
        assert score == pytest.approx(alone.score(X[test], y[test]), abs=0.002)
    assert 0.01 < search.temperature_ < 100


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphas": [0.1, 0.0]}, r"alphas\[1\] must be a finite number above 0, got 0.0"),
        ({"alphas": []}, "alphas must be a list of numbers above 0"),
        ({"alphas": 0.1}, "alphas must be a list of numbers above 0, got 0.1"),
        ({"alphas": ["a"]}, r"alphas\[0\] must be a finite number above 0, got 'a'"),
        ({"alphas": "0.1"}, "alphas must be a list of numbers above 0"),
        ({"alphas": [np.nan]}, r"alphas\[0\] must be a finite number"),
        ({"alphas": [0.1, np.inf]}, r"alphas\[1\] must be a finite number"),
        ({"cv": 1}, "at least one train/test split .* got n_splits=1"),
        ({"cv": 1000}, "cv=1000: 1000 folds need a class of 1000 rows, the largest class has"),
        ({"cv": 2.5}, "Expected `?cv`? as an integer"),
        ({"cv": "5"}, "Expected `?cv`? as an integer"),
        ({"cv": []}, "cv must give at least one split into train and test"),
        ({"cv": [([0, 100], [])]}, "split 0 of cv=.* has 2 training rows and 0 test rows"),
        ({"random_state": -1}, "random_state must be a whole number of at least 0"),
        ({"standardize": "columns"}, "standardize must be False, True, 'parts' or 'whiten'"),
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
@pytest.mark.parametrize("factors", [None, np.array([0.5, 0.5, 1.0, 2.0, 2.0])])
def test_models_that_hold_out_a_fold_start_with_the_sums_of_the_rows_they_see(
    blobs, standardize, factors
):
    X, y = blobs(n=300, d=5)
    rng = np.random.default_rng(0)
    folds, weight = rng.integers(0, 3, 300), rng.uniform(0, 2, 300)

    def scaling(seen):
        return column_scaling(X, weight * seen, 1) if standardize else None

    objective = Objective(X, y, CrossEntropy(), 0.1, 4, sample_weight=weight)
    columns, whole = Columns(Spectrum(None), factors), divided(scaling(folds >= 0), factors)
    models = [
        Model(alpha, -1, whole, rng.normal(size=(4, 6)), np.eye(4), columns) for alpha in (0.1, 1.0)
    ]
    scalings = [scaling(folds != fold) for fold in range(3)]
    held_out = Models(objective, folds, Spectrum(None), lambda _: PrimalDual()).leave_out(
        models, scalings
    )
    assert [(of.held_out, of.alpha) for of in held_out] == [
        (f, a) for f in range(3) for a in (0.1, 1)
    ]
    for model in held_out:
        seen = folds != model.held_out
        alone = Objective(
            *(X[seen], y[seen], CrossEntropy(), model.alpha, 4),
            sample_weight=weight[seen],
            scaling=divided(scaling(seen), factors),
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
    search = SoftmaxCV([1e-4, 1e-2, 1.0], cv=3, standardize=standardize).fit(X, y)
    single = Softmax(standardize=standardize, solver=PrimalDual(tol=1e-4))
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    for i, alpha in enumerate(search.alphas):
        alone = [
            clone(single).set_params(alpha=alpha).fit(X[train], y[train]) for train, _ in folds
        ]
        pairs = zip(alone, folds, strict=True)
        expected = [model.score(X[test], y[test]) for model, (_, test) in pairs]
        assert_allclose(search.scores_[i], expected, atol=0.006)
        assert search.scores_[i].mean() == pytest.approx(np.mean(expected), abs=0.003)


@pytest.mark.parametrize("loss", ["hinge", "crammer_singer"])
def test_models_of_few_rows_know_nothing_of_the_fold(loss):
    # A small penalty separates such rows, also without their fold. A model that began where the
    # fold was known, and stopped early, would be right in nearly all rows of it.
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 150)
    X = rng.normal(size=(150, 300)) + 0.6 * np.eye(5, 300)[y]
    search = LinearSVMCV([1e-4, 1e-2, 1.0], cv=3, loss=loss).fit(X, y)
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    for alpha, scores in zip(search.alphas, search.scores_, strict=True):
        single = LinearSVM(alpha, loss=loss)
        alone = [
            clone(single).fit(X[train], y[train]).score(X[test], y[test]) for train, test in folds
        ]
        assert_allclose(scores, alone, atol=1.01 / 50)  # a row of a fold


def test_a_large_penalty_is_scored_by_weights_and_not_by_the_first_guess():
    # Here intercepts lower the loss by far more than weights, so progress since weights of 0 is
    # no measure of the weights. They would be those that know the fold, with a score of 0.5.
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(120, 36)) * np.geomspace(1, 1e-3, 36), rng.integers(5, size=120)
    options = {"loss": "one_vs_rest", "standardize": True}
    search = LinearSVMCV([10.0], tol=0.1, **options).fit(X, y)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    single = LinearSVM(10.0, solver=InteriorPoint(tol=1e-6), **options)
    expected = [single.fit(X[a], y[a]).score(X[b], y[b]) for a, b in folds]
    assert search.scores_.mean() == pytest.approx(np.mean(expected), abs=0.1)


@pytest.mark.parametrize("alpha", [0.01, 0.1])
def test_scores_are_not_too_high_on_average(alpha):
    """Models that began at weights that know the fold would say 0.01 more, with a loose tolerance.

    A model fits its own rows far better than others here: 8 rows a column, little signal.
    """
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=1600)
    X = rng.normal(size=(1600, 200)) + 0.15 * rng.normal(size=(10, 200))[y]
    search = SoftmaxCV([alpha], tol=0.1).fit(X, y)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    single = Softmax(alpha, solver=PrimalDual(1e-3))
    expected = [single.fit(X[train], y[train]).score(X[test], y[test]) for train, test in folds]
    assert search.scores_.mean() == pytest.approx(np.mean(expected), abs=0.005)


def scores_of_single_fits(single, alphas, X, y, splits, weight=None):
    """Fit each penalty on the training rows of each split, and score it on the test rows."""
    weight = np.ones(len(y)) if weight is None else weight
    scores = np.empty((len(alphas), len(splits)))
    for i, alpha in enumerate(alphas):
        for j, (train, test) in enumerate(splits):
            part = ColumnStack([half[train] for half in X.parts])
            model = clone(single).set_params(alpha=alpha).fit(part, y[train], weight[train])
            held_out = ColumnStack([half[test] for half in X.parts])
            scores[i, j] = model.score(held_out, y[test], weight[test])
    return scores


def parts_of_unequal_width(offset=7.0, n=400, seed=1):
    """Make three informative columns beside forty of noise, in another scale and at an offset."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    few = rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[y]
    return ColumnStack([100 * few, 0.01 * rng.normal(size=(n, 40)) + offset]), y


ALPHAS = [0.003, 0.3]
OF_PARTS = [
    (SoftmaxCV(ALPHAS, cv=3, tol=1e-7), Softmax(solver=PrimalDual(1e-10))),
    (
        LinearSVMCV(ALPHAS, loss="squared_hinge", cv=3, tol=1e-7),
        LinearSVM(loss="squared_hinge", solver=PrimalDual(1e-10)),
    ),
]


@pytest.mark.parametrize(("search", "single"), OF_PARTS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_folds_are_scored_with_balanced_parts(search, single, fit_intercept):
    X, y = parts_of_unequal_width(offset=7.0 if fit_intercept else 0.0)
    options = {"standardize": "parts", "fit_intercept": fit_intercept}
    search = clone(search).set_params(**options).fit(X, y)
    splits = list(StratifiedKFold(3, shuffle=True, random_state=0).split(y, y))
    single = clone(single).set_params(**options)
    expected = scores_of_single_fits(single, ALPHAS, X, y, splits)
    assert_allclose(search.scores_, expected, atol=1e-6)
    by_columns = clone(search).set_params(standardize=True).fit(X, y)
    assert np.abs(by_columns.scores_ - search.scores_).max() > 0.01


SPLITTERS = {
    "folds": StratifiedKFold(3),
    "random": ShuffleSplit(2, test_size=0.2, train_size=0.5, random_state=0),
    "time": TimeSeriesSplit(2),
    "repeated": RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
    "one": PredefinedSplit(np.where(np.arange(400) < 100, 0, -1)),
    "pairs": [(np.arange(300), np.arange(300, 400)), (range(100, 400), range(100))],
    "bootstrap": [(np.arange(400) // 2, np.arange(200, 400))],
    "masks": [(np.arange(400) % 3 > 0, np.arange(400) % 3 == 0)],
}


@pytest.mark.parametrize(
    ("kind", "standardize"),
    [*((kind, "parts") for kind in SPLITTERS), ("time", False), ("bootstrap", False)],
)
def test_any_splitter_of_scikit_learn(kind, standardize):
    X, y = parts_of_unequal_width()
    weight = np.random.default_rng(2).uniform(0.5, 2, 400)
    if not standardize:
        X = ColumnStack([0.01 * X.parts[0], X.parts[1] - 7])
    cv = SPLITTERS[kind]
    options = {"standardize": standardize}
    search = SoftmaxCV([0.01, 0.3], cv=cv, tol=1e-7, **options).fit(X, y, weight)
    splits = cv if isinstance(cv, list) else list(cv.split(y, y))
    splits = [(np.arange(400)[train], np.arange(400)[test]) for train, test in splits]
    single = Softmax(solver=PrimalDual(1e-10), **options)
    expected = scores_of_single_fits(single, [0.01, 0.3], X, y, splits, weight)
    assert_allclose(search.scores_, expected, atol=1e-6)
    assert search.alpha_ == [0.01, 0.3][search.scores_.mean(axis=1).argmax()]


@pytest.mark.parametrize("scale", [2.0**-990, 2.0**990])
def test_only_the_ratios_of_weights_matter(blobs, scale):
    X, y = blobs(n=200, dtype=np.float32)
    weight = np.random.default_rng(0).uniform(0.5, 2, 200)
    search = SoftmaxCV([0.01, 1.0], cv=ShuffleSplit(2, random_state=0))
    expected = search.fit(X, y, weight).scores_
    assert_array_equal(search.fit(X, y, scale * weight).scores_, expected)


def test_a_temperature_is_that_of_the_last_fit(blobs):
    X, y = blobs(n=200)
    search = SoftmaxCV([0.1], calibrate=True).fit(X, y)
    search.set_params(calibrate=False, cv=ShuffleSplit(2, random_state=0)).fit(X, y)
    assert_array_equal(search.predict_proba(X), Softmax(0.1).fit(X, y).predict_proba(X))


def test_rows_without_weight_are_none_of_many():
    """Models that began at weights that know the fold would say 0.7 here."""
    scores = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(1600, 60)).astype(np.float32), rng.integers(0, 2, 1600)
        weight = rng.permutation(1600) < 100
        found = LinearSVMCV([1e-4], cv=3, standardize=True).fit(X, y, weight.astype(float))
        scores.append(found.scores_.mean())
    assert np.mean(scores) < 0.6


def test_test_rows_of_some_classes_in_any_proportion(blobs):
    """The intercept of a class without test rows falls until its slope underflows."""
    X, y = blobs(k=3)
    first, second = (np.flatnonzero(y == k) for k in (0, 1))
    for n in range(1, 12):
        test = np.r_[first[:n], second[:1]]
        train = np.setdiff1d(np.arange(300), test)
        search = SoftmaxCV([0.01], cv=[(train, test)]).fit(X, y)
        alone = Softmax(0.01).fit(X[train], y[train])
        assert search.scores_[0, 0] == pytest.approx(alone.score(X[test], y[test]))


@pytest.mark.parametrize("search", [SoftmaxCV, LinearSVMCV])
@pytest.mark.parametrize("tol", [-1.0, np.nan, "0.01", None])
def test_a_tolerance_that_is_none(blobs, search, tol):
    with pytest.raises(ValueError, match="tol must be a finite number of at least 0, got"):
        search([0.1], tol=tol).fit(*blobs(n=300))


def test_the_score_of_each_penalty_is_printed_on_demand(blobs, capsys):
    X, y = blobs(n=300)
    search = SoftmaxCV([0.01, 1.0], cv=3, verbose=1).fit(X, y)
    printed = capsys.readouterr().out
    for alpha, score in zip((0.01, 1.0), search.scores_.mean(axis=1), strict=True):
        assert f"SoftmaxCV: alpha {alpha:g}: accuracy {score:.4f}" in printed
