"""Probabilities: the temperature that scales them, and their error."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.model_selection import ShuffleSplit, StratifiedKFold

from visualwords.classifiers import (
    ColumnStack,
    LinearSVM,
    LinearSVMCV,
    PrimalDual,
    Softmax,
    SoftmaxCV,
    expected_calibration_error,
)
from visualwords.classifiers.calibration import find_temperature


@pytest.mark.parametrize("true", [0.2, 1.0, 5.0])
def test_the_temperature_is_that_of_the_labels(true):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20000, 4)) * 3
    up_to = softmax(scores / true, axis=1).cumsum(axis=1)[:, :-1]
    y = (rng.random((20000, 1)) > up_to).sum(axis=1)
    found = find_temperature(scores.astype(np.float32), y)
    assert found == pytest.approx(true, rel=0.05)

    def loss(inverse):
        return -log_softmax(inverse * scores, axis=1)[np.arange(len(y)), y].mean()

    assert 1 / found == pytest.approx(minimize(loss, 1.0, tol=1e-8).x[0], rel=1e-3)


def test_rows_count_by_their_weights():
    rng = np.random.default_rng(0)
    scores, y = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    scores[np.arange(300), y] += 1
    weight = rng.integers(0, 3, 300)
    rows = np.repeat(np.arange(300), weight)
    expected = find_temperature(scores[rows], y[rows])
    assert find_temperature(scores, y, weight) == pytest.approx(expected, rel=1e-3)


def test_scores_that_are_all_right_or_all_wrong_have_a_finite_temperature():
    scores, y = np.eye(3), np.arange(3)
    assert np.exp(-7) <= find_temperature(scores, y) < 0.1
    assert find_temperature(-scores, y) == pytest.approx(np.exp(7), rel=0.01)


def test_the_calibration_error_of_a_case_computed_by_hand():
    # Bins of 1/15: (0.6, 0.667] holds two rows, one of which is right; (0.733, 0.8] holds one.
    probabilities = [[0.65, 0.35], [0.62, 0.38], [0.2, 0.8]]
    expected = (abs(1 - 0.65 - 0.62) + abs(1 - 0.8)) / 3
    found = expected_calibration_error(["a", "b", "b"], probabilities, ["a", "b"])
    assert found == pytest.approx(expected)
    assert expected_calibration_error(["a"], [[0.0, 1.0]], ["a", "b"]) == 1
    assert expected_calibration_error(["b"], [[0.0, 1.0]], ["a", "b"]) == 0
    # A probability of exactly 1/15 * 12 = 0.8 belongs to the lower bin.
    assert expected_calibration_error([0, 1], [[0.8, 0.2], [0.75, 0.25]], [0, 1]) == (
        pytest.approx(abs(1 - 0.8 - 0.75) / 2)
    )


@pytest.mark.parametrize(
    ("probabilities", "n_bins", "message"),
    [
        ([0.2, 0.8], 15, r"shape \(n, n_classes\), .* got shape \(2,\)"),
        ([[0.2, 0.8]], 15, r"for 2 true classes and 2 columns, got shape \(1, 2\)"),
        (np.ones((2, 3)) / 3, 15, "2 columns"),
        ([[0.2, 0.8], [np.nan, 1.0]], 15, "from 0 to 1; predict_proba gives them"),
        ([[-3.0, 2.5], [0.1, 0.9]], 15, "from 0 to 1; predict_proba gives them"),
        ([[0.2, 0.8], [0.5, 0.5]], 0, "n_bins must be a whole number of at least 1, got 0"),
    ],
)
def test_what_are_no_probabilities_is_refused(probabilities, n_bins, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(["a", "b"], probabilities, ["a", "b"], n_bins)


def test_a_calibration_error_needs_a_row():
    with pytest.raises(ValueError, match="at least 1 row"):
        expected_calibration_error([], np.empty((0, 2)), ["a", "b"])


SEARCHES = [
    (SoftmaxCV([0.001], calibrate=True, cv=3, tol=1e-4), Softmax(0.001)),
    (LinearSVMCV([0.1], calibrate=True, cv=3, tol=1e-4), LinearSVM(0.1)),
]


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("search", "single"), SEARCHES, ids=["softmax", "svm"])
def test_the_temperature_is_that_of_rows_that_were_held_out(blobs, search, single, standardize):
    X, y = blobs(n=900, d=10)
    search.set_params(standardize=standardize).fit(X, y)
    single.set_params(standardize=standardize, solver=PrimalDual(tol=1e-5))
    scores = np.empty((900, 4))
    for train, test in StratifiedKFold(3, shuffle=True, random_state=0).split(X, y):
        scores[test] = single.fit(X[train], y[train]).decision_function(X[test])
    assert search.temperature_ == pytest.approx(find_temperature(scores, y), rel=0.01)
    whole = search.decision_function(X)
    assert_allclose(search.predict_proba(X), softmax(whole / search.temperature_, axis=1))
    assert_array_equal(search.predict(X), whole.argmax(axis=1))


@pytest.mark.parametrize(
    ("search", "single"),
    [(SoftmaxCV([1.0]), Softmax(1.0)), (LinearSVMCV([1.0]), LinearSVM(1.0))],
    ids=["softmax", "svm"],
)
def test_probabilities_are_as_good_as_those_of_scikit_learn(search, single):
    X, y = load_digits(return_X_y=True)
    X += 6 * np.random.default_rng(0).normal(size=X.shape)
    train, test = slice(0, 900), slice(900, None)
    search.set_params(calibrate=True, standardize=True).fit(X[train], y[train])
    single.set_params(standardize=True)
    peer = CalibratedClassifierCV(single, method="temperature", ensemble=False)
    peer.fit(X[train], y[train])
    probabilities = [
        search.predict_proba(X[test]),
        peer.predict_proba(X[test]),
        softmax(search.decision_function(X[test]), axis=1),
    ]
    ours, theirs, raw = (
        expected_calibration_error(y[test], p, search.classes_) for p in probabilities
    )
    assert ours < theirs + 0.03  # 897 rows alone make about 0.02
    assert ours < 0.06 < 0.2 < raw


def test_two_classes_parts_and_threads(blobs):
    X, y = blobs(n=600, k=2, dtype=np.float32)
    stack = ColumnStack([X[:, :3], X[:, 3:]])
    models = [
        LinearSVMCV([0.01], per_part=True, calibrate=True, n_jobs=n).fit(stack, y) for n in (1, 2)
    ]
    first, second = (model.predict_proba(X) for model in models)
    assert_array_equal(first, second)
    odds = models[0].decision_function(X) / models[0].temperature_
    assert_allclose(first[:, 1], 1 / (1 + np.exp(-odds)), rtol=1e-5)


def test_a_hinge_has_probabilities_only_if_calibrated(blobs):
    X, y = blobs()
    plain = LinearSVMCV([0.1], cv=2).fit(X, y)
    assert not hasattr(plain, "predict_proba")
    with pytest.raises(AttributeError) as caught:
        plain.predict_proba(X)
    assert "gives probabilities only if calibrate=True" in str(caught.value.__cause__)
    again = SoftmaxCV([0.1], cv=2, calibrate=True).fit(X, y)
    again.set_params(calibrate=False).fit(X, y)
    assert not hasattr(again, "temperature_")
    with pytest.raises(ValueError, match="calibrate needs a cv that tests each row once"):
        SoftmaxCV(calibrate=True, cv=ShuffleSplit(2, random_state=0)).fit(X, y)
