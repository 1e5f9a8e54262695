"""Penalties for parts, found by cross-validation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, StratifiedKFold

from visualwords.classifiers import (
    ColumnStack,
    LinearSVM,
    LinearSVMCV,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.classifiers.cross_validation import CrossValidated

SEARCHES = [
    (SoftmaxCV([0.03, 0.3], per_part=True, cv=3, tol=1e-4), Softmax()),
    (LinearSVMCV([0.03, 0.3], per_part=True, cv=3, tol=1e-4), LinearSVM()),
]


def noisy_stack(n=600, n_noise=60, dtype=np.float64):
    """Give few columns that say something beside many that say next to nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    good = np.eye(3)[y] + 0.8 * rng.normal(size=(n, 3))
    noise = rng.normal(size=(n, n_noise))
    return ColumnStack({"good": good.astype(dtype), "noise": noise.astype(dtype)}), y


@pytest.mark.parametrize(
    ("search", "single", "standardize"),
    [(*SEARCHES[0], True), (*SEARCHES[0], "parts"), (*SEARCHES[1], False), (*SEARCHES[1], "parts")],
    ids=["softmax-columns", "softmax-parts", "svm-raw", "svm-parts"],
)
def test_scores_are_those_of_single_fits(search, single, standardize):
    X, y = noisy_stack()
    whole = X[:]
    search = clone(search).set_params(standardize=standardize).fit(X, y)
    single = clone(single).set_params(standardize=standardize, solver=PrimalDual(tol=1e-4))
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(whole, y))
    assert len(search.tried_) == len(search.scores_) > len(search.alphas)
    for alpha, scores in zip(search.tried_[1::8], search.scores_[1::8], strict=True):
        for (train, test), score in zip(folds, scores, strict=True):
            of_train = ColumnStack({"good": whole[train, :3], "noise": whole[train, 3:]})
            alone = single.set_params(alpha=alpha).fit(of_train, y[train])
            assert score == pytest.approx(alone.score(whole[test], y[test]), abs=0.021)
    best = search.scores_.mean(axis=1).argmax()
    assert search.alpha_ == search.tried_[best]
    alone = single.set_params(alpha=search.alpha_).fit(X, y)
    assert np.mean(search.predict(X) == alone.predict(X)) > 0.98
    assert search.gap_ <= 2e-3 * search.loss_curve_[-1]


@pytest.mark.parametrize("kind", [SoftmaxCV, LinearSVMCV])
def test_a_part_of_noise_is_penalised_more(kind):
    X, y = noisy_stack(n=1200, n_noise=100)
    train, test = slice(0, 600), slice(600, 1200)
    part = ColumnStack({"good": X[train][:, :3], "noise": X[train][:, 3:]})
    one = kind([0.03, 0.3], standardize=True).fit(part, y[train])
    each = kind([0.03, 0.3], standardize=True, per_part=True).fit(part, y[train])
    assert each.alpha_["noise"] >= 4 * each.alpha_["good"]
    assert each.scores_.mean(axis=1).max() > one.scores_.mean(axis=1).max() + 0.02
    assert each.score(X[test], y[test]) > one.score(X[test], y[test]) + 0.01
    assert_array_equal(each.scores_[: len(one.scores_)], one.scores_)


def test_models_without_a_fold_never_begin_at_weights_that_saw_it():
    """With a loose tolerance a model stays near its first weights, which must know no label.

    Columns are too many for their curvature to be measured, and rows too many for coordinates.
    """
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2101, 2100)).astype(np.float32), rng.integers(0, 2, 2101)
    stack = ColumnStack([X[:, :100], X[:, 100:]])
    search = SoftmaxCV([1.0], per_part=True, cv=2, tol=0.5, standardize="parts").fit(stack, y)
    assert search.scores_.mean(axis=1).max() <= 0.5 + 0.02


def test_same_bits_for_any_number_of_threads():
    X, y = noisy_stack(dtype=np.float32)
    one, two = (SoftmaxCV([0.1], per_part=True, n_jobs=n).fit(X, y) for n in (1, 2))
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(one.scores_, two.scores_)
    assert one.tried_ == two.tried_


def test_the_objective_is_that_of_the_parts_penalties():
    X, y = noisy_stack()
    model = SoftmaxCV([0.1], per_part=True, standardize="parts").fit(X, y)
    objective, W = model.objective(X, y)
    assert isinstance(model.alpha_, dict)
    assert objective(W)[0] == pytest.approx(model.loss_curve_[-1], rel=1e-6)


def test_one_part_has_one_penalty():
    X, y = noisy_stack(n=200)
    plain = SoftmaxCV([0.01, 1.0]).fit(X[:], y)
    for same in (X[:], ColumnStack({"all": X[:]})):
        model = SoftmaxCV([0.01, 1.0], per_part=True).fit(same, y)
        assert model.alpha_ == plain.alpha_
        assert_allclose(model.coef_, plain.coef_, rtol=1e-12)


def test_more_columns_than_the_curvature_is_measured_for():
    X, y = noisy_stack(n=200, n_noise=2100, dtype=np.float32)
    model = SoftmaxCV([0.1], per_part=True, cv=2, standardize=True).fit(X, y)
    assert model.alpha_["noise"] > model.alpha_["good"]


def test_splits_that_do_not_test_each_row_once_are_refused():
    X, y = noisy_stack(n=200)
    search: CrossValidated = SoftmaxCV(per_part=True, cv=ShuffleSplit(2, random_state=0))
    with pytest.raises(ValueError, match="per_part needs a cv that tests each row once"):
        search.fit(X, y)


def test_what_was_tried_is_printed(capsys):
    X, y = noisy_stack(n=200)
    SoftmaxCV([0.1], per_part=True, cv=2, verbose=1).fit(X, y)
    printed = capsys.readouterr().out
    assert "SoftmaxCV: alpha 0.1: accuracy" in printed
    assert "SoftmaxCV: alpha good 0.4, noise 0.1: accuracy" in printed
