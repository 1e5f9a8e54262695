"""The estimators against peers and general-purpose solvers."""

import inspect
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog, minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from visualwords.classifiers import (
    LBFGS,
    SGD,
    ColumnStack,
    GradientDescent,
    InteriorPoint,
    LinearSVM,
    LinearSVMCV,
    Objective,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)

TIGHT = PrimalDual(tol=1e-11)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_softmax_is_multinomial_logistic_regression(blobs, n_classes, fit_intercept):
    X, y = blobs(k=n_classes)
    alpha = 0.02
    ours = Softmax(alpha, solver=TIGHT, fit_intercept=fit_intercept).fit(X, y)
    # Two classes: scikit-learn's one row is the difference of our two, whose squared norms add up
    # to half of its own.
    factor = 2 if n_classes == 2 else 1
    peer = LogisticRegression(
        C=factor / (len(y) * alpha), tol=1e-10, max_iter=10000, fit_intercept=fit_intercept
    ).fit(X, y)
    coef, intercept = ours.coef_, ours.intercept_ - ours.intercept_.mean()
    if n_classes == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    assert_allclose(coef, peer.coef_, atol=1e-4)
    assert_allclose(
        intercept, peer.intercept_ - (n_classes > 2) * peer.intercept_.mean(), atol=1e-4
    )
    assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=1e-4)
    assert_allclose(ours.predict_log_proba(X), peer.predict_log_proba(X), rtol=1e-3, atol=1e-4)


def test_logarithms_of_probabilities_below_the_least_number(blobs):
    X, y = blobs(k=2)
    model = Softmax(0.02).fit(X, y)
    odds = model.decision_function(1e5 * X)
    found = model.predict_log_proba(1e5 * X)
    assert_allclose(found, -np.logaddexp(0, np.column_stack([odds, -odds])), atol=1e-9)
    assert found.min() < -1000


def test_standardisation_inside_equals_a_standard_scaler_before(blobs):
    X, y = blobs()
    inside = Softmax(0.1, standardize=True, solver=TIGHT).fit(X, y)
    outside = Softmax(0.1, solver=TIGHT).fit(StandardScaler().fit_transform(X), y)
    assert_allclose(
        inside.decision_function(X),
        outside.decision_function(StandardScaler().fit_transform(X)),
        atol=1e-5,
    )


def test_hinge_reaches_the_optimum_of_a_quadratic_program(blobs):
    """Slack variables xi_ik >= 1 + s_k - s_y, xi >= 0: scipy minimises the same as a smooth QP."""
    X, y = blobs(n=40, d=4, k=3)
    alpha, n, d, k = 0.05, 40, 4, 3
    rows, others = np.nonzero(np.arange(k) != y[:, None])
    m = len(rows)
    constraints = np.zeros((m, k * (d + 1) + m))  # [W b] then slacks
    features = np.column_stack([X, np.ones(n)])
    for j, (i, c) in enumerate(zip(rows, others, strict=True)):
        constraints[j, c * (d + 1) : (c + 1) * (d + 1)] = -features[i]
        constraints[j, y[i] * (d + 1) : (y[i] + 1) * (d + 1)] = features[i]
        constraints[j, k * (d + 1) + j] = 1
    penalised = np.zeros(constraints.shape[1])
    penalised[: k * (d + 1)] = np.tile(np.r_[np.ones(d), 0], k)
    costs = np.r_[np.zeros(k * (d + 1)), np.ones(m) / n]
    start = linprog(
        costs, -constraints, -np.ones(m), bounds=[(-9, 9)] * (k * (d + 1)) + [(0, None)] * m
    )
    quadratic = minimize(
        lambda v: costs @ v + alpha / 2 * (penalised * v * v).sum(),
        start.x,
        jac=lambda v: costs + alpha * penalised * v,
        method="SLSQP",
        bounds=[(None, None)] * (k * (d + 1)) + [(0, None)] * m,
        constraints={
            "type": "ineq",
            "fun": lambda v: constraints @ v - 1,
            "jac": lambda v: constraints,
        },
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    assert quadratic.success
    ours = LinearSVM(alpha, solver=PrimalDual(tol=1e-6)).fit(X, y)
    assert ours.loss_curve_[-1] == pytest.approx(quadratic.fun, rel=1e-4)
    assert ours.loss_curve_[-1] >= quadratic.fun * (1 - 1e-9)


@pytest.mark.parametrize(
    "tight", [LinearSVM(0.05, solver=InteriorPoint(1e-11)), Softmax(0.05, solver=TIGHT)]
)
def test_invariances(blobs, tight):
    """The gap bounds the weights: ||W - W*||^2 <= 2 * gap / alpha, that is (2e-5)^2 here."""
    X, y = blobs()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    scores = clone(tight).fit(X, y, weight).decision_function(X)
    order = np.random.default_rng(1).permutation(len(y))
    shuffled = clone(tight).fit(X[order], y[order], weight[order])
    assert_allclose(shuffled.decision_function(X), scores, atol=2e-3)
    scaled = clone(tight).fit(X, y, 1000 * weight)
    assert_allclose(scaled.decision_function(X), scores, atol=2e-3)
    names = np.array(["delta", "alpha", "charlie", "bravo"])  # in another order than 0..3
    named = clone(tight).fit(X, names[y], weight)
    column = np.searchsorted(named.classes_, names)
    assert_allclose(named.decision_function(X)[:, column], scores, atol=2e-3)


@pytest.mark.parametrize("loss", LinearSVM.losses)
def test_gap_of_the_default_solver(blobs, loss):
    X, y = blobs()
    model = LinearSVM(0.05, loss=loss).fit(X, y)
    assert 0 <= model.gap_ <= 1e-3 * model.loss_curve_[-1]
    by_sgd = LinearSVM(0.05, loss=loss, solver=SGD(0.001, max_iter=5)).fit(X, y)
    objective = Objective(X, y, by_sgd._loss(), 0.05, 4)
    above = objective.value(np.column_stack([by_sgd.coef_, by_sgd.intercept_]))
    assert above - model.loss_curve_[-1] <= by_sgd.gap_


def test_solver_parameters_in_a_grid_search(blobs):
    X, y = blobs()
    search = GridSearchCV(Softmax(solver=SGD()), {"solver__learning_rate": [1e-9, 0.01]}, cv=3)
    assert search.fit(X, y).best_params_ == {"solver__learning_rate": 0.01}


@pytest.mark.parametrize("of_first", [1.0, 0.0])
def test_balanced_classes_have_the_same_weight_whatever_their_rows_weigh(blobs, of_first):
    X, y = blobs(n=200)
    weight = np.random.default_rng(0).uniform(0.1, 2, len(y)) * np.where(y == 0, of_first, y + 1)
    balanced = Softmax(0.05, class_weight="balanced").fit(X, y, sample_weight=weight)
    totals = np.bincount(y, weight)
    alike = Softmax(0.05).fit(X, y, sample_weight=weight / np.where(totals > 0, totals, 1)[y])
    np.testing.assert_allclose(balanced.coef_, alike.coef_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("scales", [(1e300, 1e-300), (5e-324, 1.0), (1e307, 1e307), (1.0, 1e-300)])
def test_balanced_classes_may_have_weights_of_any_size(blobs, scales):
    X, y = blobs(n=200)
    labels, weight = np.where(y == 0, "a", "b"), np.where(y == 0, *scales)
    balanced = LinearSVM(class_weight="balanced").fit(X, labels, sample_weight=weight)
    expected = LinearSVM(class_weight="balanced").fit(X, labels)
    np.testing.assert_allclose(balanced.coef_, expected.coef_, rtol=1e-6, atol=1e-9)


def test_balanced_rows_that_count_twice_are_those_of_scikit_learn(blobs):
    X, y = blobs(n=200)
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    ours = Softmax(1 / len(rows), class_weight="balanced", solver=TIGHT)
    theirs = LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=1000)
    expected = theirs.fit(X[rows], y[rows]).predict_proba(X)
    np.testing.assert_allclose(ours.fit(X, y, weight).predict_proba(X), expected, atol=1e-5)


def test_class_weight_and_random_state(blobs):
    X, y = blobs()
    by_class = Softmax(0.05, class_weight={0: 3.0}).fit(X, y)
    by_row = Softmax(0.05).fit(X, y, sample_weight=np.where(y == 0, 3.0, 1.0))
    assert_array_equal(by_class.coef_, by_row.coef_)
    of_seed = [
        Softmax(solver=SGD(max_iter=1), random_state=seed).fit(X, y).coef_ for seed in (1, 1, 2)
    ]
    assert_array_equal(of_seed[0], of_seed[1])
    assert not np.array_equal(of_seed[0], of_seed[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": -1.0}, "alpha must be a finite number of at least 0"),
        ({"loss": "hing"}, "loss must be one of"),
        ({"solver": "lbfgs"}, r"such as LBFGS\(\), or None, got 'lbfgs'"),
    ],
)
def test_bad_parameters(blobs, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        LinearSVM(**change).fit(*blobs())


def test_a_solver_that_ran_out_of_iterations_warns(blobs):
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        Softmax(solver=PrimalDual(tol=1e-9, max_iter=2)).fit(*blobs())


def test_progress_is_printed_on_demand(blobs, capsys):
    Softmax(verbose=1).fit(*blobs())
    assert "Softmax: objective" in capsys.readouterr().out


def test_parts_of_equal_total_variance():
    """``standardize="parts"`` is ``True`` on columns that were scaled by hand."""
    rng = np.random.default_rng(0)
    hue, words = rng.normal(size=(60, 2)), 5 * rng.normal(size=(60, 6)) + 1
    y = np.arange(60) % 3
    standard = [(part - part.mean(0)) / part.std(0) for part in (hue, words)]
    by_hand = np.hstack([standard[0] * np.sqrt(8 / (2 * 2)), standard[1] * np.sqrt(8 / (2 * 6))])
    expected = Softmax(solver=TIGHT).fit(by_hand, y)
    stack = ColumnStack([hue, words])
    for X in (stack, stack.in_memory()):
        found = Softmax(standardize="parts", solver=TIGHT).fit(X, y)
        assert_allclose(found.predict_proba(X), expected.predict_proba(by_hand), atol=1e-6)
    with pytest.raises(ValueError, match="standardize must be"):
        Softmax(standardize="columns").fit(hue, y)


def test_a_gap_above_the_tolerance_is_told():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 5)).astype(np.float32), rng.integers(0, 3, 400)
    X *= [1e-3, 1, 10, 100, 1000]
    model = LinearSVM(1e-4, loss="crammer_singer", solver=PrimalDual(tol=1e-8))
    with pytest.warns(ConvergenceWarning, match="above its tol: no lower value .*; standardize"):
        model.fit(X, y)
    assert model.gap_ > 1e-8 * model.loss_curve_[-1]


@pytest.mark.parametrize("estimator", [LinearSVM, Softmax])
@pytest.mark.parametrize("kind", ["far", "collinear", "constant"])
@pytest.mark.parametrize("alpha", [0.0, 1e-8, 1e-2])
def test_float32_columns_that_are_hard_to_tell_apart_are_learned(estimator, kind, alpha):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 36)), rng.integers(0, 3, 600)
    X[:, 0] += 3 * y
    if kind == "far":
        X += 1000
    elif kind == "collinear":
        X[:, 18:] = X[:, :18] @ rng.normal(size=(18, 18))
    else:
        X[:, 18:] = 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = estimator(alpha).fit(X.astype(np.float32), y)
    assert model.score(X.astype(np.float32), y) > 0.85


@pytest.mark.parametrize("estimator", [Softmax(10.0), LinearSVM(10.0, loss="squared_hinge")])
def test_the_gap_is_a_bound_however_far_off_the_intercepts_are(blobs, estimator):
    X, y = blobs(n=400, d=10)
    X += 1000
    rough = clone(estimator).set_params(solver=LBFGS()).fit(X, y)
    optimum = clone(estimator).fit(X, y)
    lowest = optimum.loss_curve_[-1]
    missed = rough.loss_curve_[-1] - lowest
    assert missed > 1e-3 * lowest  # else it would show nothing
    assert missed <= rough.gap_ <= rough.loss_curve_[-1]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("solver", [GradientDescent(100.0), SGD(100.0)])
def test_a_solver_that_diverges_stops_and_says_so(blobs, solver, n_jobs):
    """Warnings of NumPy would be errors here."""
    X, y = blobs(n=3000, dtype=np.float32)
    model = LinearSVM(loss="squared_hinge", solver=solver, n_jobs=n_jobs)
    with pytest.warns(ConvergenceWarning, match="diverged: the value is not finite; lower its"):
        model.fit(X, y)
    assert model.gap_ == np.inf
    assert not np.isfinite(model.loss_curve_[-1])
    assert np.isfinite(model.loss_curve_[:-1]).all()


@pytest.mark.parametrize("estimator", [LinearSVM, Softmax])
def test_fewer_rows_than_columns_without_penalty(estimator):
    """The columns are collinear, and products of float32 are not exactly of as few dimensions."""
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(24, 1764))).astype(np.float32)
    X[:, ::7] = X[:, 1::7]
    y = np.repeat([0, 1, 2], 8)
    model = estimator(alpha=0, standardize=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert model.score(X, y) == 1
    assert model.loss_curve_[-1] < 1e-3


LINEAR_SVC = [
    ("one_vs_rest", 4, 1, {"loss": "hinge"}),
    ("one_vs_rest", 2, 1, {"loss": "hinge"}),
    ("crammer_singer", 4, 1, {"multi_class": "crammer_singer"}),
    ("crammer_singer", 2, 2, {"loss": "hinge"}),
    ("hinge", 2, 2, {"loss": "hinge"}),
    ("squared_hinge", 2, 2, {"loss": "squared_hinge"}),
]
# liblinear has no sample weights for multi_class="crammer_singer".
CASES = [(*row, False) for row in LINEAR_SVC]
CASES += [(*row, True) for row in LINEAR_SVC if "multi_class" not in row[3]]


@pytest.mark.parametrize(("loss", "n_classes", "factor", "options", "weighted"), CASES)
def test_penalties_in_terms_of_linear_svc(blobs, loss, n_classes, factor, options, weighted):
    """Without intercepts, because liblinear penalises them."""
    X, y = blobs(n=120, k=n_classes)
    weight = np.random.default_rng(0).uniform(0.5, 2, 120) if weighted else np.ones(120)
    alpha = 0.05
    peer = LinearSVC(
        C=factor / (weight.sum() * alpha),
        fit_intercept=False,
        tol=1e-7,
        max_iter=10**6,
        random_state=0,
        **options,
    ).fit(X, y, weight)
    ours = LinearSVM(alpha, loss=loss, solver=InteriorPoint(1e-10), fit_intercept=False)
    scores = ours.fit(X, y, weight).decision_function(X)
    twice = 2 if (loss, n_classes) == ("one_vs_rest", 2) else 1
    assert_allclose(scores, twice * peer.decision_function(X), atol=2e-4)


@pytest.mark.parametrize("make", [LinearSVM, LinearSVMCV, Softmax, SoftmaxCV])
def test_every_parameter_is_described(make):
    described = {
        name.strip()
        for line in inspect.getdoc(make).splitlines()
        if " : " in line and not line.startswith(" ")
        for name in line.split(" : ")[0].split(",")
    }
    assert set(make().get_params()) <= described
    assert {"coef_", "intercept_", "classes_", "gap_"} <= described
    assert not any(line.strip().startswith("{") for line in make.__doc__.splitlines())
