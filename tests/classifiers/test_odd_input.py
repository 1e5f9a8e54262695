"""Input that is legal but odd, and input that is refused with a sentence."""

import warnings
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from visualwords.classifiers import (
    LBFGS,
    SGD,
    Adam,
    ColumnStack,
    CrossEntropy,
    LinearSVM,
    Objective,
    Softmax,
    SoftmaxCV,
)

X, Y = load_iris(return_X_y=True)
by_estimator = pytest.mark.parametrize(
    "estimator", [LinearSVM(), Softmax()], ids=["svm", "softmax"]
)


@pytest.mark.parametrize("loss", LinearSVM.losses)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_columns_of_huge_numbers(loss, fit_intercept):
    """Weights of 1e-8 cost nothing: what is left is the mean loss."""
    model = LinearSVM(0.1, loss=loss, fit_intercept=fit_intercept)
    huge = clone(model).fit(1e8 * X, Y)
    assert 0 <= huge.gap_ <= 1e-3 * huge.loss_curve_[-1]
    free = clone(model).set_params(alpha=1e-9).fit(X, Y)
    assert huge.loss_curve_[-1] == pytest.approx(free.loss_curve_[-1], rel=3e-3)


LARGEST = {np.float32: 1e15, np.float64: 1e50}
by_dtype = pytest.mark.parametrize("dtype", LARGEST)


@by_estimator
@by_dtype
@pytest.mark.parametrize("standardize", [False, True])
def test_columns_of_the_largest_numbers(estimator, dtype, standardize):
    """A solver may fall short of its tolerance and say so, but nothing overflows."""
    largest = (X / np.abs(X).max(axis=0) * LARGEST[dtype] * (1 - 1e-6)).astype(dtype)
    model = clone(estimator).set_params(standardize=standardize)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(largest, Y)
    assert model.score(largest, Y) > 0.9


# What is added to the first column of iris, in units of the largest allowed; and weights of rows.
FIRST = np.arange(len(Y)) == 0
TOO_LARGE = {
    "one value": (2.0 * FIRST, None),
    "one value beyond squares": (1e16 * FIRST, None),
    "one negative value": (-2.0 * FIRST[::-1], None),
    "one value of hardly any weight": (2.0 * FIRST, np.where(FIRST, 1e-9, 1.0)),
    "one value without weight": (2.0 * FIRST, 1.0 - FIRST),
    "half the column": (2.0 * (np.arange(len(Y)) % 2), None),
    "a constant column": (np.full(len(Y), 2.0), None),
}


@cache
def fitted(make, standardize, fit_intercept, dtype):
    return make(standardize=standardize, fit_intercept=fit_intercept).fit(X.astype(dtype), Y)


@by_dtype
@pytest.mark.parametrize("kind", TOO_LARGE)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False, "parts"])
def test_too_large_numbers_are_refused(dtype, kind, standardize, fit_intercept):
    added, weight = TOO_LARGE[kind]
    A = X.astype(dtype)
    A[:, 1] += added.astype(dtype) * dtype(LARGEST[dtype])
    message = rf"X has values beyond {LARGEST[dtype]:g}".replace("+", r"\+")
    for make in (Softmax, SoftmaxCV):
        model = make(standardize=standardize, fit_intercept=fit_intercept)
        for data in (A, ColumnStack([A[:, :2], A[:, 2:]])):
            with pytest.raises(ValueError, match=message + r".* in rows 0 to 149; scale its col"):
                model.fit(data, Y, weight)
        with pytest.raises(ValueError, match=message):
            fitted(make, standardize, fit_intercept, dtype).predict(A)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", [None, LBFGS()])
@pytest.mark.parametrize("rows", [slice(0, 100), [0, 60], [0, 60, 120]])
def test_separable_classes_without_a_penalty(dtype, solver, rows):
    """The loss falls to 0 and the weights grow: it ends where rounding could tell no more."""
    A, y = X[rows].astype(dtype), Y[rows]
    for model in (Softmax(0.0, solver=solver), LinearSVM(0.0, loss="squared_hinge", solver=solver)):
        model.fit(A, y)
        assert 0 <= model.loss_curve_[-1] <= 1e-15
        assert model.n_iter_ < 100
        assert np.abs(model.coef_).max() < 1e5
        assert model.score(A, y) == 1


@by_estimator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [2.0**-200, 2.0**1020, 1e-50, 1e50])
def test_only_ratios_of_sample_weights_matter(estimator, dtype, factor):
    weight = np.random.default_rng(0).integers(0, 5, len(Y)).astype(float)
    model = clone(estimator).fit(X.astype(dtype), Y, weight)
    scaled = clone(estimator).fit(X.astype(dtype), Y, factor * weight)
    if np.frexp(factor)[0] == 0.5:
        assert_array_equal(scaled.coef_, model.coef_)
    assert_allclose(scaled.coef_, model.coef_, rtol=1e-3, atol=1e-3)


@by_estimator
def test_alpha_of_any_kind_of_number(estimator):
    reference = clone(estimator).set_params(alpha=0.5).fit(X, Y)
    for alpha in (np.float32(0.5), np.float16(0.5)):
        model = clone(estimator).set_params(alpha=alpha).fit(X, Y)
        assert_array_equal(model.coef_, reference.coef_)
        assert model.loss_curve_ == reference.loss_curve_
        assert model.gap_ == reference.gap_


@by_estimator
@pytest.mark.parametrize("alpha", [-1.0, np.nan, np.inf, "0.1", None, True, np.array(0.1)])
def test_alpha_out_of_range(estimator, alpha):
    with pytest.raises(ValueError, match="alpha must be a finite number of at least 0, got"):
        clone(estimator).set_params(alpha=alpha).fit(X, Y)
    by_parts = clone(estimator).set_params(alpha=alpha, solver=SGD())
    with pytest.raises(ValueError, match="alpha must be a finite number of at least 0, got"):
        by_parts.partial_fit(X, Y, classes=range(3))


@by_estimator
def test_one_class_is_none(estimator):
    with pytest.raises(ValueError, match="needs at least 2 classes in y, got 1 class: 0"):
        clone(estimator).fit(X, 0 * Y)
    with pytest.raises(ValueError, match=r"needs at least 2 classes, got classes=\[0\]"):
        clone(estimator).set_params(solver=SGD()).partial_fit(X, 0 * Y, classes=[0])


@by_estimator
@pytest.mark.parametrize("labels", [["a", 1, 2.5], ["a", "b", None], ["a", "b", pd.NA]])
def test_labels_that_cannot_be_sorted(estimator, labels):
    with pytest.raises(ValueError, match="y has labels that cannot be sorted"):
        clone(estimator).fit(X, np.array(labels, object)[Y])


@by_estimator
@pytest.mark.parametrize("labels", [[b"a", b"b", b"c"], ["a", b"b", b"c"]])
@pytest.mark.parametrize("kind", [object, np.bytes_])
def test_labels_of_bytes_are_refused_as_by_scikit_learn(estimator, labels, kind):
    y = np.array(labels, kind)[Y]
    for classifier, message in (
        (estimator, "labels of type bytes.*decode"),
        (LinearSVC(), "bytes"),
    ):
        with pytest.raises(TypeError, match=message):
            clone(classifier).fit(X, y)
    decoded = clone(estimator).fit(X, np.array(["a", "b", "c"])[Y])
    assert_array_equal(decoded.classes_, ["a", "b", "c"])


@by_estimator
def test_a_negative_class_weight(estimator):
    with pytest.raises(ValueError, match=r"class_weight must not be negative, got \{0: -1\}"):
        clone(estimator).set_params(class_weight={0: -1}).fit(X, Y)


@by_estimator
def test_rows_of_a_class_without_weight_are_as_if_they_were_not_there(estimator):
    model = clone(estimator).set_params(class_weight={0: 0}).fit(X, Y)
    known = Y > 0
    alone = clone(estimator).fit(X[known], Y[known])
    assert_array_equal(model.predict(X[known]), alone.predict(X[known]))


@by_estimator
def test_a_negative_sample_weight(estimator):
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        clone(estimator).fit(X, Y, np.where(Y > 1, -1.0, 1.0))


@pytest.mark.parametrize("solver", [SGD, Adam])
@pytest.mark.parametrize("state", [None, -1, np.random.RandomState(0)])
def test_minibatches_need_a_whole_number_as_a_seed(solver, state):
    with pytest.raises(ValueError, match="random_state must be a whole number of at least 0, got"):
        Softmax(solver=solver(random_state=state)).fit(X, Y)


@by_dtype
@pytest.mark.parametrize("labels", [Y + 1, Y - 1, 10**9 * Y, Y[:-1], Y.astype(float), Y.tolist()])
def test_labels_of_an_objective_are_numbers_of_classes(dtype, labels):
    message = "y must be an array of 150 integers, one for each row, from 0 to n_classes - 1 = 2"
    with pytest.raises(ValueError, match=message):
        Objective(X.astype(dtype), labels, CrossEntropy(), 0.1, 3)


@by_dtype
def test_weights_of_an_objective_have_its_shape(dtype):
    objective = Objective(X.astype(dtype), Y, CrossEntropy(), 0.1, 3)
    for shape in ((2, 5), (3, 4), (3, 6), (15,)):
        calls = [objective, objective.value]
        calls += [partial(solver.minimize, objective) for solver in (SGD(), LBFGS())]
        for call in calls:
            with pytest.raises(ValueError, match=r"weights must have shape \(3, 5\), a column for"):
                call(np.zeros(shape))
    with pytest.raises(ValueError, match=r"weights must have shape \(7, 5\), a column for each"):
        objective.scores(np.zeros((7, 4)))


@by_estimator
def test_weights_whose_product_overflows(estimator):
    model = clone(estimator).set_params(class_weight={0: 100.0})
    with pytest.raises(ValueError, match="sample_weight times class_weight is too large"):
        model.fit(X, Y, np.full(len(Y), 1e307))


BAD_OPTIONS = [
    (
        {"standardize": "columns"},
        "standardize must be False, True, 'parts' or 'whiten', got 'columns'",
    ),
    ({"random_state": -1}, "random_state must be a whole number of at least 0, .* got -1"),
    ({"random_state": "0"}, "random_state must be a whole number of at least 0, .* got '0'"),
    ({"class_weight": {0: np.inf}}, "class_weight must be finite, got"),
    ({"class_weight": {7: 2.0}}, "class"),
    ({"class_weight": "equal"}, "class_weight must be a dict .* 'balanced' or None, got 'equal'"),
    ({"class_weight": {0: "1"}}, "class_weight must be a dict of the classes and their weights"),
    ({"class_weight": np.ones(3)}, "class_weight must be a dict of the classes and their weights"),
]


@by_estimator
@pytest.mark.parametrize(("change", "message"), BAD_OPTIONS)
def test_an_option_is_refused_on_every_path(estimator, change, message):
    learned = clone(estimator).set_params(solver=SGD(1e-3)).fit(X, Y)
    learned.set_params(**change)
    calls = [
        partial(clone(learned).fit, X, Y),
        partial(clone(learned).partial_fit, X, Y, classes=range(3)),
        partial(learned.partial_fit, X, Y),
        partial(learned.objective, X, Y),
        partial(SoftmaxCV([0.1], **change).fit, X, Y),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()
