"""With fewer rows than columns, a search scores penalties as single fits on the same splits do."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import ShuffleSplit, StratifiedKFold

from visualwords.classifiers import (
    ColumnStack,
    CrossEntropy,
    DualAscent,
    LinearSVM,
    LinearSVMCV,
    Objective,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.classifiers.few_rows import RowSpace
from visualwords.classifiers.parts import ColumnPenalty

ALPHAS = [0.01, 1.0, 0.1]
KINDS = {
    "softmax": (SoftmaxCV, Softmax, partial(PrimalDual, tol=1e-6)),
    "hinge": (LinearSVMCV, LinearSVM, partial(DualAscent, tol=1e-6)),
}


def few_rows(dtype=np.float64, n=60, d=90):
    """Give rows of 3 classes whose columns have many scales and offsets."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, d)) + 1.5 * np.eye(3, d)[y]
    return (X * rng.uniform(0.5, 2, d) + rng.normal(size=d)).astype(dtype), y


OPTIONS = [
    (np.float32, {}),
    (np.float64, {"standardize": True}),
    (np.float32, {"standardize": True, "fit_intercept": False}),
    (np.float64, {"standardize": "whiten"}),
    (np.float32, {"standardize": True, "class_weight": "balanced"}),
    (np.float64, {"cv": ShuffleSplit(3, test_size=0.3, random_state=0), "standardize": True}),
]


@pytest.mark.parametrize(
    ("loss", "dtype", "options"),
    [*(("softmax", *row) for row in OPTIONS), *(("hinge", *row) for row in OPTIONS[:2])],
    ids=str,
)
def test_scores_are_those_of_single_fits(loss, dtype, options):
    X, y = few_rows(dtype)
    kind, single_kind, solver = KINDS[loss]
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    search = kind(ALPHAS, tol=1e-4, **{"cv": 3, **options}).fit(X, y, weight)
    splits = search.cv if search.cv != 3 else StratifiedKFold(3, shuffle=True, random_state=0)
    options = {name: value for name, value in options.items() if name != "cv"}
    if options.pop("class_weight", None) == "balanced":
        weight /= np.bincount(y, weight)[y]
    for fold, (train, test) in enumerate(splits.split(X, y)):
        for i, alpha in enumerate(ALPHAS):
            single = single_kind(alpha, solver=solver(), **options)
            single.fit(X[train], y[train], weight[train])
            expected = single.score(X[test], y[test], weight[test])
            # One row of 20 may differ, whose weight may be 2 where the mean is 1.
            assert search.scores_[i, fold] == pytest.approx(expected, abs=0.11)
    whole = single_kind(search.alpha_, solver=solver(), **options)
    whole.fit(X, y, weight)
    assert search.loss_curve_[-1] == pytest.approx(whole.loss_curve_[-1], rel=2e-3)
    assert search.loss_curve_[0] == pytest.approx(whole.loss_curve_[-1], rel=2e-2)
    assert_array_equal(search.predict(X), whole.predict(X))


@pytest.mark.parametrize(("loss", "standardize"), [("softmax", False), ("hinge", "parts")])
def test_a_search_for_penalties_of_parts_scores_as_single_fits_do(loss, standardize):
    X, y = few_rows()
    kind, single_kind, solver = KINDS[loss]

    def parts_of(rows):
        return ColumnStack({"few": X[rows, :20], "many": X[rows, 20:]})

    options = {"per_part": True, "cv": 3, "tol": 1e-4, "standardize": standardize}
    search = kind([0.1, 1.0], **options).fit(parts_of(slice(None)), y)
    assert len(search.tried_) > 6
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    for alpha, scores in list(zip(search.tried_, search.scores_, strict=True))[2::8]:
        single = single_kind(alpha, standardize=standardize, solver=solver())
        expected = [
            single.fit(parts_of(train), y[train]).score(parts_of(test), y[test])
            for train, test in folds
        ]
        assert_allclose(scores, expected, atol=0.051)  # one row of 20


def test_the_temperature_is_that_of_single_fits():
    X, y = few_rows()
    search = SoftmaxCV([0.1], cv=3, calibrate=True, tol=1e-4).fit(X, y)
    scores = np.empty((len(y), 3))
    for train, test in StratifiedKFold(3, shuffle=True, random_state=0).split(X, y):
        scores[test] = Softmax(0.1).fit(X[train], y[train]).decision_function(X[test])

    def mean_loss(temperature):
        exponents = scores / temperature
        return np.mean(np.log(np.exp(exponents).sum(axis=1)) - exponents[np.arange(len(y)), y])

    grid = np.geomspace(0.1, 10, 2000)
    best = grid[np.argmin([mean_loss(temperature) for temperature in grid])]
    assert search.temperature_ == pytest.approx(best, rel=0.02)


@pytest.mark.parametrize("factors", [None, np.repeat([2.0, 0.5], [20, 70])])
def test_coordinates_have_the_products_and_the_scores_of_the_rows(factors):
    X, y = few_rows()
    X[1], X[2] = X[0], X[0]  # rows that depend on each other
    weight = np.where(np.arange(len(y)) < 40, 1.0, 0.0)
    objective = Objective(X, y, CrossEntropy(), 1.0, 3, sample_weight=weight)
    space = RowSpace(objective, [20, 70], lambda _: PrimalDual(tol=1e-6), tol=1e-6)
    coordinates, _ = space.coordinates(factors)
    centred = (X - X[:40].mean(axis=0)) / (1 if factors is None else factors)
    assert_allclose(coordinates @ coordinates[:40].T, centred @ centred[:40].T, atol=1e-6)

    (fit,) = space.fits([ColumnPenalty(0.1, factors)], None)
    W = space.weights(fit, factors)
    assert_allclose(X @ W[:, :-1].T + W[:, -1], fit.scores, atol=1e-6)
    divided = centred[:40]
    alone = Objective(divided, y[:40], CrossEntropy(), 0.1, 3)
    of_divided = W[:, :-1] * (1 if factors is None else factors)
    _, gradient = alone(np.column_stack([of_divided, W[:, -1] + W[:, :-1] @ X[:40].mean(axis=0)]))
    assert np.abs(gradient).max() < 1e-3


def test_same_bits_for_any_number_of_threads():
    X, y = few_rows(np.float32)
    one, two = (SoftmaxCV(ALPHAS, cv=3, standardize=True, n_jobs=n).fit(X, y) for n in (1, 2))
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(one.scores_, two.scores_)


@pytest.mark.parametrize("standardize", [False, True])
def test_columns_that_say_nothing(standardize):
    y = np.arange(18) % 3
    search = SoftmaxCV(ALPHAS, cv=3, standardize=standardize).fit(np.ones((18, 20)), y)
    assert_allclose(search.scores_, 1 / 3)
