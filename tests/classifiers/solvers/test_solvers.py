"""Every solver beside every loss that it fits: all reach the same optimum."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from sklearn.exceptions import ConvergenceWarning

from visualwords.classifiers import (
    LBFGS,
    SGD,
    Adam,
    CrossEntropy,
    DualAscent,
    GradientDescent,
    Hinge,
    InteriorPoint,
    LinearSVM,
    Loss,
    Objective,
    PrimalDual,
    RandomSearch,
    SquaredHinge,
)
from visualwords.classifiers.solvers.fallback import Fallback
from visualwords.classifiers.solvers.intercepts import settle_intercepts
from visualwords.tests.classifiers.losses import DEFINITIONS, KINKED, LOSSES

# A solver, and how near to the optimum (relative to its value) it must come.
SOLVERS = [
    (PrimalDual(tol=1e-5), 1e-5),
    (DualAscent(tol=1e-3, max_iter=2000), 1e-3),
    (InteriorPoint(tol=1e-6), 1e-6),
    (LBFGS(tol=1e-9), 2e-3),
    (GradientDescent(0.02, max_iter=1000), 5e-3),
    (SGD(0.02, batch_size=32, max_iter=120), 2e-3),
    (Adam(0.02, batch_size=32, max_iter=75), 2e-3),
]
# Some need a dual form. That they refuse other losses is tested in test_dual.py.
PAIRS = [
    (loss, solver, tolerance)
    for loss in LOSSES
    for solver, tolerance in SOLVERS
    if not (isinstance(solver, (DualAscent, InteriorPoint)) and loss.dual_box is None)
]
# Options that do the same for every loss. On this one a wrong step is the farthest off.
PAIRS += [
    (SquaredHinge(), SGD(0.02, batch_size=32, nesterov=True, max_iter=120), 2e-3),
    (SquaredHinge(), SGD(0.2, momentum=0, batch_size=32, schedule="inverse", max_iter=60), 2e-2),
]
ALPHA = 0.1


def problem(blobs, loss, **arguments):
    X, y = blobs(n=240, d=6, k=3)
    X = (X - X.mean(0)) / X.std(0)
    return Objective(X, y, loss, ALPHA, 3, **arguments)


@pytest.fixture(scope="module")
def optima(blobs):
    """Give each loss's minimum, by a solver whose result a dual bound proves."""
    minima = {}
    for loss in LOSSES:
        objective = problem(blobs, loss)
        result = PrimalDual(tol=1e-6).minimize(objective, np.zeros(objective.shape))
        assert result.gap <= 1e-6 * result.value
        minima[type(loss)] = result.value
    return minima


@pytest.mark.parametrize(("loss", "solver", "tolerance"), PAIRS, ids=lambda v: str(v)[:40])
def test_every_solver_reaches_the_optimum_of_every_loss(blobs, optima, loss, solver, tolerance):
    objective = problem(blobs, loss)
    W = solver.minimize(objective, np.zeros(objective.shape)).W
    minimum = optima[type(loss)]
    assert minimum * (1 - 2e-6) <= objective.value(W) <= minimum * (1 + tolerance)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_gap_bounds_the_distance_to_the_optimum_everywhere(blobs, optima, loss):
    objective = problem(blobs, loss)
    rng = np.random.default_rng(0)
    for scale in (0.0, 0.01, 0.1, 1.0):
        W = scale * rng.normal(size=objective.shape)
        for width in (0.01, 0.1, 1.0):
            certificate = objective.smoothed(width).certify(W)
            assert certificate.value == pytest.approx(objective.value(W), rel=1e-12)
            assert certificate.value - certificate.gap <= optima[type(loss)]


@pytest.mark.parametrize("loss", [*LOSSES, *(loss.smoothed(0.3) for loss in LOSSES)], ids=repr)
def test_gradients_are_those_of_the_values(loss):
    rng = np.random.default_rng(1)
    scores, y = rng.normal(size=(20, 4)), rng.integers(0, 4, 20)
    _, gradients = loss.values_and_grad(scores, y)
    for i in range(20):
        numerical = approx_fprime(
            scores[i], lambda s, i=i: loss.values(s[None], y[i : i + 1])[0], 1e-7
        )
        assert_allclose(gradients[i], numerical, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_values_follow_the_definition(loss):
    rng = np.random.default_rng(2)
    scores, y = 2 * rng.normal(size=(50, 5)), rng.integers(0, 5, 50)
    expected = [DEFINITIONS[loss](s, k) for s, k in zip(scores, y, strict=True)]
    assert_allclose(loss.values(scores, y), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("loss", KINKED, ids=lambda loss: type(loss).__name__)
def test_smoothing_only_adds_and_never_more_than_its_width(loss, width):
    rng = np.random.default_rng(3)
    scores, y = 2 * rng.normal(size=(200, 5)), rng.integers(0, 5, 200)
    added = loss.smoothed(width).values(scores, y) - loss.values(scores, y)
    assert added.min() >= -1e-12
    assert added.max() <= 5 * width / 8 + 1e-12


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_float32_does_not_drift_from_float64(blobs, loss):
    X, y = blobs(n=20000, d=30, dtype=np.float32)
    W = 0.1 * np.random.default_rng(4).normal(size=(4, 31))
    value, gradient = Objective(X, y, loss, ALPHA, 4)(W)
    exact, exact_gradient = Objective(X.astype(np.float64), y, loss, ALPHA, 4)(W)
    assert value == pytest.approx(exact, rel=1e-6)
    assert_allclose(gradient, exact_gradient, atol=2e-5 * np.abs(exact_gradient).max())


def test_a_loss_that_cannot_be_smoothed_is_refused_at_once(blobs):
    class Kinked(Loss):
        smooth = False

        def values_and_grad(self, scores, y):
            raise AssertionError("must not be reached")

    objective = problem(blobs, Kinked())
    with pytest.raises(ValueError, match="PrimalDual cannot minimise Kinked: it has kinks"):
        PrimalDual().minimize(objective, np.zeros(objective.shape))


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        (SGD(schedule="linear"), "schedule must be one of"),
        (SGD(learning_rate=0), "learning_rate must be a finite number above 0, got 0"),
        (SGD(momentum=1.0), "momentum must be a finite number of at least 0 and below 1, got 1.0"),
        (Adam(batch_size=0), "batch_size must be a whole number of at least 1, got 0"),
        (Adam(beta2=np.nan), "beta2 must be a finite number of at least 0 and below 1, got nan"),
        (Adam(epsilon=0.0), "epsilon must be a finite number above 0, got 0.0"),
        (LBFGS(max_iter=2.5), "max_iter must be a whole number of at least 0, got 2.5"),
        (LBFGS(memory=0), "memory must be a whole number of at least 1, got 0"),
        (PrimalDual(tol=-1e-3), "tol must be a finite number of at least 0, got -0.001"),
        (PrimalDual(tol="auto"), "tol must be a finite number of at least 0, got 'auto'"),
        (DualAscent(random_state=-1), "random_state must be a whole number of at least 0, got -1"),
        (Fallback([LBFGS()], tol=np.nan), "tol must be a finite number of at least 0, got nan"),
        (RandomSearch(scale=0), "scale must be a finite number above 0, got 0"),
    ],
)
def test_bad_parameters_of_solvers(blobs, solver, message):
    objective = problem(blobs, Hinge())
    with pytest.raises(ValueError, match=message):
        solver.minimize(objective, np.zeros(objective.shape))


def test_a_result_tells_the_way(blobs):
    objective = problem(blobs, CrossEntropy())
    seen = []
    result = LBFGS(max_iter=3).minimize(
        objective, np.zeros(objective.shape), keep_iterates=True, callback=seen.append
    )
    assert result.reason == "max_iter"
    assert result.n_iter == 3
    assert_array_equal(result.iterates[-1], result.W)
    assert_allclose([objective.value(W) for W in result.iterates], result.values, rtol=1e-12)
    assert [state.value for state in seen] == result.values


@pytest.mark.parametrize("loss", KINKED, ids=lambda loss: loss.name)
@pytest.mark.parametrize("max_iter", [0, 2])
def test_the_last_value_is_of_the_loss_itself_wherever_a_solver_is_stopped(blobs, loss, max_iter):
    objective = problem(blobs, loss)
    result = PrimalDual(max_iter=max_iter).minimize(objective, np.ones(objective.shape))
    assert result.reason == "max_iter"
    assert result.value == result.values[-1] == pytest.approx(objective(result.W)[0], rel=1e-12)


def test_first_steps_on_a_sample_do_not_change_the_optimum(blobs):
    X, y = blobs(n=20000, d=12, k=3, dtype=np.float32)
    order = np.argsort(y, kind="stable")  # as a folder of images gives it
    objective = Objective(X[order], y[order], Hinge(), 0.01, 3)
    result = PrimalDual(tol=1e-3).minimize(objective, np.zeros(objective.shape))
    longer = PrimalDual(tol=1e-5).minimize(objective, np.zeros(objective.shape))
    assert result.gap <= 1e-3 * result.value
    assert result.value <= longer.value * (1 + 1e-3)


def test_intercepts_settle_by_the_gradient_of_all_rows_and_its_changes_on_a_sample(blobs):
    X, y = blobs(n=60000, d=6, k=3)
    objective = Objective(X, y, CrossEntropy(), 0.1, 3)
    W = 0.3 * np.random.default_rng(0).normal(size=objective.shape)
    gradient = objective(W)[1]
    settled = settle_intercepts(objective, W, 0.1, 0.0, gradient)
    assert_array_equal(settled[:, :-1], W[:, :-1])
    before, after = (np.abs(objective(at)[1][:, -1]).sum() for at in (W, settled))
    assert after < 0.02 * before
    exact = settle_intercepts(objective, W, 0.1, 0.0)
    assert np.abs(objective(exact)[1][:, -1]).sum() < 1e-9


def test_interior_point_ends_where_rounding_lets_the_gap_fall_no_more():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(140, 5)), rng.integers(0, 30, 140)
    model = LinearSVM(1e-3, loss="one_vs_rest", standardize=True, solver=InteriorPoint(tol=1e-12))
    model.fit(X, y, sample_weight=10 ** rng.uniform(-3, 3, 140))
    assert model.n_iter_ < 200
    assert model.gap_ < 1e-11 * model.loss_curve_[-1]


def test_interior_point_returns_the_step_of_least_gap_where_rounding_raises_it_again():
    """Columns of 0s and 2000s beside one of millions make the Hessian almost singular."""
    rng = np.random.default_rng(1)
    X = np.c_[2e3 * (rng.normal(size=(22, 5)) > 1), 1e6 * rng.normal(size=22)]
    solver = InteriorPoint(tol=3e-12)
    model = LinearSVM(2e-3, loss="hinge", fit_intercept=False, solver=solver)
    with pytest.warns(ConvergenceWarning, match=r"InteriorPoint stopped at a duality gap"):
        model.fit(X, np.arange(22) % 2)
    assert model.gap_ < 1e-5 * model.loss_curve_[-1]
