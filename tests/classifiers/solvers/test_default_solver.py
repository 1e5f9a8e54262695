"""What ``solver=None`` stands for: a certified answer whatever the data look like."""

from collections import Counter

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from visualwords.classifiers import (
    DualAscent,
    InteriorPoint,
    LinearSVM,
    LinearSVMCV,
    Objective,
    PrimalDual,
    Softmax,
)
from visualwords.classifiers.solvers.fallback import Fallback

DATA = {"iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer}
ESTIMATORS = [*(LinearSVM(loss=loss) for loss in LinearSVM.losses), Softmax()]


def fit_within_tolerance(estimator, X, y, tol):
    """A warning would be an error here."""
    model = estimator.fit(X, y)
    assert 0 <= model.gap_ <= tol * model.loss_curve_[-1]
    objective, W = model.objective(np.asarray(X, np.float64), y)
    value = objective.value(W)
    assert model.loss_curve_[-1] == pytest.approx(value, rel=1e-4)
    return value


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: getattr(e, "loss", "softmax"))
@pytest.mark.parametrize(
    ("name", "standardize"),
    [("iris", False), ("wine", False), ("cancer", False), ("wine", True), ("cancer", True)],
)
def test_small_data_sets_as_they_come(name, standardize, estimator):
    X, y = DATA[name](return_X_y=True)
    tol = 1e-4 if isinstance(estimator, Softmax) else 1e-3
    for alpha in (1e-4, 10.0):
        model = clone(estimator).set_params(alpha=alpha, standardize=standardize)
        values = [fit_within_tolerance(model, X.astype(t), y, tol) for t in ("f", "d")]
        assert values[0] == pytest.approx(values[1], rel=2 * tol)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "crammer_singer", "one_vs_rest"])
def test_weights_of_very_different_size_and_hardly_any_penalty(loss):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 20)), np.arange(80) % 3
    weight = 10.0 ** rng.uniform(-9, 0, 80)
    model = LinearSVM(1e-7, loss=loss, standardize=True).fit(X, y, weight)
    assert model.gap_ <= 1e-3 * model.loss_curve_[-1]


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "one_vs_rest"])
def test_digits_with_hardly_any_penalty(loss):
    X, y = load_digits(return_X_y=True)
    model = LinearSVM(1e-3, loss=loss, standardize=True)
    fit_within_tolerance(model, X[:1200], y[:1200], 1e-3)


@pytest.mark.parametrize("loss", LinearSVM.losses)
def test_more_columns_than_rows_of_very_different_scale(loss):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 80)) * np.geomspace(1e-3, 1e3, 80), np.arange(30) % 3
    value = fit_within_tolerance(LinearSVM(1e-2, loss=loss), X.astype("f"), y, 1e-3)
    turned = X.astype("f") @ np.linalg.qr(rng.normal(size=(80, 80)))[0]
    assert value == pytest.approx(
        fit_within_tolerance(LinearSVM(1e-2, loss=loss), turned, y, 1e-3), rel=2e-3
    )


@pytest.mark.parametrize("alpha", [1e-5, 0.1])
@pytest.mark.parametrize("loss", LinearSVM.losses)
def test_columns_far_from_zero_without_intercepts(loss, alpha):
    """Weights along the common offset cost next to nothing: they are intercepts for the others."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 6)), np.arange(60) % 3
    far = fit_within_tolerance(
        LinearSVM(alpha, loss=loss, fit_intercept=False), X + 1e6, y, tol=1e-3
    )
    without_offset = X - X.mean(axis=1, keepdims=True)
    near = fit_within_tolerance(LinearSVM(alpha, loss=loss), without_offset, y, tol=1e-3)
    assert far == pytest.approx(near, rel=2e-3)


@pytest.mark.parametrize("alpha", [1e-4, 0.1, 10.0])
@pytest.mark.parametrize("loss", ["hinge", "crammer_singer"])
def test_two_classes_beside_libsvm(loss, alpha):
    """With two classes the weights are opposite, and both losses are the hinge of w = w_1 - w_0.

    libsvm keeps the products of rows in float32, so that its minimum is off by up to some 1e-5.
    """
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    peer = SVC(C=2 / (len(y) * alpha), kernel="linear", tol=1e-7).fit(X, y)
    hinge = np.maximum(0, 1 - (2 * y - 1) * peer.decision_function(X)).mean()
    minimum = hinge + alpha / 4 * (peer.coef_**2).sum()
    model = LinearSVM(alpha, loss=loss).fit(X, y)
    assert minimum * (1 - 1e-4) <= model.loss_curve_[-1] <= minimum * (1 + 1e-3)
    assert model.loss_curve_[-1] - model.gap_ <= minimum * (1 + 1e-5)


@pytest.mark.parametrize("alpha", [1e-4, 0.1, 10.0])
def test_one_against_the_rest_beside_libsvm(alpha):
    X, y = load_wine(return_X_y=True)
    X, minimum = StandardScaler().fit_transform(X), 0.0
    for k in range(3):
        sign = np.where(y == k, 1, -1)
        peer = SVC(C=1 / (len(y) * alpha), kernel="linear", tol=1e-7).fit(X, sign)
        hinge = np.maximum(0, 1 - sign * peer.decision_function(X)).mean()
        minimum += hinge + alpha / 2 * (peer.coef_**2).sum()
    model = LinearSVM(alpha, loss="one_vs_rest").fit(X, y)
    assert minimum * (1 - 1e-4) <= model.loss_curve_[-1] <= minimum * (1 + 1e-3)


def test_three_hundred_classes_against_the_rest_beside_liblinear():
    """liblinear penalises intercepts, so there are none."""
    rng = np.random.default_rng(0)
    n, d, k, alpha = 600, 5, 300, 1e-2
    y = np.arange(n) % k
    X = rng.normal(size=(n, d)) + 3 * rng.normal(size=(k, d))[y]
    peer = LinearSVC(C=1 / (n * alpha), loss="hinge", fit_intercept=False, max_iter=10**5)
    peer.fit(X, y)
    signs = np.where(y[:, None] == np.arange(k), 1, -1)
    minimum = np.maximum(0, 1 - signs * peer.decision_function(X)).sum(axis=1).mean()
    minimum += alpha / 2 * (peer.coef_**2).sum()
    model = LinearSVM(alpha, loss="one_vs_rest", fit_intercept=False).fit(X, y)
    assert len(model.loss_curve_) < 40
    assert model.loss_curve_[-1] <= minimum * (1 + 1e-3)
    assert model.loss_curve_[-1] - model.gap_ <= minimum


@pytest.mark.parametrize("weights", ["equal", "zeros"])
def test_a_class_of_its_own_problem_does_not_change_with_the_others(weights):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(90, 3)), np.arange(90) % 3
    weight = np.where((weights == "zeros") & (np.arange(90) % 7 == 0), 0.0, 1.0)
    solver = InteriorPoint(tol=1e-9)
    model = LinearSVM(1e-2, loss="one_vs_rest", solver=solver).fit(X, y, weight)
    for k in range(3):
        alone = LinearSVM(1e-2, loss="one_vs_rest", solver=solver).fit(X, y == k, weight)
        # The two classes have opposite scores, whose difference is the decision function.
        expected = alone.decision_function(X) / 2
        assert np.allclose(model.decision_function(X)[:, k], expected, atol=1e-4)


def test_squared_hinge_of_raw_columns_beside_liblinear():
    X, y = load_breast_cancer(return_X_y=True)
    alpha = 1e-4
    peer = LinearSVC(C=2 / (len(y) * alpha), dual=False, fit_intercept=False, tol=1e-9).fit(X, y)
    hinge = np.maximum(0, 1 - (2 * y - 1) * peer.decision_function(X))
    minimum = (hinge**2).mean() + alpha / 4 * (peer.coef_**2).sum()
    model = LinearSVM(alpha, loss="squared_hinge", fit_intercept=False).fit(X, y)
    assert minimum * (1 - 1e-4) <= model.loss_curve_[-1] <= minimum * (1 + 1e-3)


def test_softmax_of_raw_float32_columns_beside_newton():
    X, y = load_wine(return_X_y=True)
    alpha = 1e-3
    peer = LogisticRegression(
        C=1 / (len(y) * alpha), solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(X, y)
    minimum = -np.log(peer.predict_proba(X)[np.arange(len(y)), y]).mean()
    minimum += alpha / 2 * (peer.coef_**2).sum()
    model = Softmax(alpha).fit(X.astype(np.float32), y)
    assert minimum * (1 - 1e-6) <= model.loss_curve_[-1] <= minimum * (1 + 1e-4)


@pytest.mark.parametrize(
    ("shape", "loss", "alpha", "expected"),
    [
        ((48, 3), "hinge", 0.1, [DualAscent, PrimalDual, InteriorPoint]),
        ((49, 3), "hinge", 0.1, [PrimalDual, InteriorPoint]),
        ((40, 20), "squared_hinge", 0.1, [DualAscent, PrimalDual, InteriorPoint]),
        ((41, 20), "squared_hinge", 0.1, [PrimalDual, InteriorPoint]),
        ((16368, 1023), "hinge", 0.1, [DualAscent, PrimalDual, InteriorPoint]),
        ((16368, 1024), "hinge", 0.1, [DualAscent, PrimalDual]),
        ((16385, 1024), "hinge", 0.1, [PrimalDual, DualAscent]),
        ((1023, 2**16), "hinge", 0.1, [DualAscent, PrimalDual, InteriorPoint]),
        ((1024, 2**16), "hinge", 0.1, [DualAscent, PrimalDual]),
        ((1023, 2**17), "hinge", 0.1, [DualAscent, PrimalDual]),
        ((2**15, 2**11), "hinge", 0.1, [DualAscent, PrimalDual]),
        ((2**15 + 1, 2**11), "hinge", 0.1, [PrimalDual]),
        ((40, 20), "one_vs_rest", 0.1, [InteriorPoint, PrimalDual]),
        ((2**20, 31), "one_vs_rest", 0.1, [InteriorPoint, PrimalDual]),
        ((2**20 + 1, 31), "one_vs_rest", 0.1, [PrimalDual, InteriorPoint]),
        ((40, 32), "one_vs_rest", 0.1, [DualAscent, PrimalDual, InteriorPoint]),
    ],
)
def test_which_solvers_are_the_default(shape, loss, alpha, expected):
    X = np.broadcast_to(np.float32(1), shape)
    model = LinearSVM(loss=loss)
    solver = model._default_solver(Objective(X, np.arange(len(X)) % 4, model._loss(), alpha, 4))
    assert [type(each) for each in solver.solvers] == expected
    assert solver.tol == 1e-3


def test_a_small_penalty_on_few_rows_a_column():
    """Dual ascent takes more than 100 steps here, and the primal method does not get there."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    ramps = np.maximum((X[:450] - 8) @ rng.normal(size=(64, 8)) @ rng.normal(size=(8, 420)), 0)
    model = LinearSVM(1e-3, standardize=True).fit(ramps, y[:450])  # a warning would be an error
    assert model.gap_ <= 1e-3 * model.loss_curve_[-1]


def test_a_softmax_of_few_rows_and_hardly_any_penalty_needs_no_newton():
    alpha = 1e-5  # with the model of the first step for all, 1,000 steps did not suffice
    rng = np.random.default_rng(1)
    y = rng.integers(0, 5, 60)
    hidden = rng.normal(size=(60, 10)) + rng.normal(0, 0.7, (5, 10))[y]
    X = StandardScaler().fit_transform(hidden @ rng.normal(size=(10, 400)) + rng.normal(size=400))
    model = Softmax(alpha).fit(X.astype(np.float32), y)
    assert model.n_iter_ < 300
    peer = LogisticRegression(C=1 / (60 * alpha), tol=1e-10, max_iter=100_000).fit(X, y)
    of_peer = np.column_stack([peer.coef_, peer.intercept_])
    value = model.objective(X, y)[0].value(of_peer)
    assert value * (1 - 1e-8) <= model.loss_curve_[-1] <= value * (1 + 1e-4)


def test_without_a_penalty_there_is_no_proof(blobs):
    model = LinearSVM(0.0).fit(*blobs(n=100))
    assert isinstance(model._default_solver(model.objective(*blobs(n=100))[0]), PrimalDual)


def test_without_a_penalty_the_warning_asks_for_one(blobs):
    X, y = blobs(n=30, d=8)
    with pytest.warns(ConvergenceWarning, match="give alpha above 0, .* grow for ever"):
        Softmax(0.0, solver=PrimalDual(max_iter=5)).fit(X, y)


def test_the_random_state_reaches_the_solver_in_turn(blobs):
    X, y = blobs(n=60, d=8)
    one, again, other = (LinearSVM(random_state=seed).fit(X, y).coef_ for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_solvers_in_turn_that_do_not_get_there(blobs):
    X, y = blobs(n=60)
    short = Fallback([PrimalDual(max_iter=5), InteriorPoint(max_iter=2)], tol=1e-6)
    model = LinearSVM(1e-4, solver=short)
    with pytest.warns(ConvergenceWarning, match="the default solver stopped .*raise alpha"):
        model.fit(X, y)
    # The start, the steps, and the better of the two ends.
    assert len(model.loss_curve_) == 1 + 5 + 2 + 1
    objective, W = model.objective(X, y)
    assert model.loss_curve_[-1] == pytest.approx(objective(W)[0], rel=1e-9)
    # The fifth value is of a smoothed loss, which is higher than the loss itself.
    assert model.loss_curve_[-1] <= min(model.loss_curve_[5], model.loss_curve_[7])


def test_a_result_tells_whether_the_first_solver_was_enough(blobs):
    X, y = blobs(n=60)
    objective, W = LinearSVM(1e-3).fit(X, y).objective(X, y)
    first, last = PrimalDual(max_iter=1), InteriorPoint()
    for solvers, falls_back in (
        ([last, first], False),
        ([first, last], True),
        ([first, first], True),
    ):
        solver = Fallback(solvers, tol=1e-3)
        assert solver.minimize(objective, 0 * W).fell_back is falls_back
    assert not last.minimize(objective, 0 * W).fell_back


def test_only_a_robust_solver_is_left_alone():
    quick, robust = PrimalDual(), InteriorPoint()
    left = Fallback([quick, robust], tol=1e-5, random_state=3).fallback
    assert (left.solvers, left.tol, left.random_state) == ([robust], 1e-5, 3)
    for solver in (quick, robust, Fallback([robust, quick], tol=1e-3)):
        assert solver.fallback is solver


def test_a_search_gives_up_solvers_that_fell_short_for_a_penalty():
    asked = Counter()

    class Quick(PrimalDual):
        def start(self, objective, W):
            asked["quick", objective.alpha] += 1
            return super().start(objective, W)

    class Last(InteriorPoint):
        def start(self, objective, W):
            asked["last", objective.alpha] += 1
            return super().start(objective, W)

    class Search(LinearSVMCV):
        def _default_solver(self, objective):
            return Fallback([Quick(max_iter=20), Last()], tol=1e-3)

    X, y = load_wine(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[::5]), y[::5]  # so few rows that each fit is alone
    alphas = [1e-5, 1e-4, 10.0]
    search = Search(alphas, cv=3).fit(X, y)
    asked["quick", search.alpha_] -= 1  # the fit to all rows
    asked["last", search.alpha_] -= search.alpha_ < 1
    assert +asked == {
        ("quick", 10.0): 3,
        ("quick", 1e-4): 1,
        ("last", 1e-4): 3,
        ("last", 1e-5): 3,
    }
    scores = LinearSVMCV(alphas, cv=3).fit(X, y).scores_
    np.testing.assert_allclose(search.scores_, scores, atol=1 / 12)  # a row of a fold
