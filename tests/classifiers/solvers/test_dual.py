"""Dual ascent and the interior point beside solutions by general optimizers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from visualwords.classifiers import (
    CrossEntropy,
    DualAscent,
    Hinge,
    InteriorPoint,
    LinearSVM,
    Objective,
    OneVsRestHinge,
    PrimalDual,
)
from visualwords.tests.classifiers.losses import WITH_DUAL_FORM

by_loss = pytest.mark.parametrize("loss", WITH_DUAL_FORM, ids=lambda loss: type(loss).__name__)
SOLVERS = DualAscent, InteriorPoint
by_solver = pytest.mark.parametrize("solver", SOLVERS)


def problem(loss, n=8, d=3, k=3, alpha=0.1, weighted=False, **arguments):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, d)) + 0.5, rng.integers(0, k, n)
    y[:k] = np.arange(k)
    weight = rng.uniform(0.2, 2, n) * (np.arange(n) != 4) if weighted else None
    return Objective(X, y, loss, alpha, k, sample_weight=weight, **arguments)


def solve(objective, tol=1e-6, solver=DualAscent, **parameters):
    return solver(tol, **parameters).minimize(objective, np.zeros(objective.shape))


def margins_matrix(objective):
    """Matrix M and vector c such that M @ [W b] + c are all margins, example by example."""
    features = np.column_stack([objective.X, np.full(objective.n_samples, 1.0)])
    features[:, -1] *= objective.fit_intercept
    k, rows = objective.n_classes, []
    for x, own in zip(features, objective.y, strict=True):
        for other in range(k):
            by_class = np.zeros(k)
            if not objective.loss.coupled:
                by_class[other] = -1 if other == own else 1
            elif other != own:
                by_class[other], by_class[own] = 1, -1
            else:
                continue
            rows.append(np.kron(by_class, x))
    return np.array(rows)


def minimum_by_a_general_solver(objective):
    """Minimum over weights and slacks, linear constraints, by SLSQP.

    The dual form ``max over 0 <= a <= box of (a m - c/2 a^2)`` is ``min of (box * u + c/2 v^2)``
    over ``u >= 0`` and ``v >= 0`` with ``u + c v >= m``. Margins with a sum limit share ``u``.
    """
    n, k = objective.n_samples, objective.n_classes
    M = margins_matrix(objective)
    per_row = len(M) // n
    share = np.ones(n) if objective.sample_weight is None else objective.sample_weight
    share = share / share.sum()
    loss, of_margins = objective.loss, np.repeat(share, per_row)
    limit, c = min(loss.dual_box, loss.dual_sum), loss.dual_curvature
    size, slacks, cost, curved = M.shape[1], np.zeros((len(M), 0)), np.zeros(0), np.zeros(0)
    if np.isfinite(limit):
        shared = np.isfinite(loss.dual_sum)
        slack_of = np.repeat(np.arange(n), per_row) if shared else np.arange(len(M))
        cost = limit * (share if shared else of_margins)
        slacks, curved = np.eye(len(cost))[slack_of], np.zeros_like(cost)
    if c:
        slacks = np.hstack([slacks, c * np.eye(len(M))])
        cost, curved = np.r_[cost, np.zeros(len(M))], np.r_[curved, c * of_margins]
    constraints = np.hstack([-M, slacks])
    penalised = np.tile(np.r_[np.ones(objective.X.shape[1]), 0.0], k) * objective.alpha
    curved, cost = np.r_[penalised, curved], np.r_[np.zeros(size), cost]

    def value(v):
        return cost @ v + curved @ v**2 / 2

    def gradient(v):
        return cost + curved * v

    found = minimize(
        value,
        np.r_[np.zeros(size), np.ones(len(cost) - size)],
        jac=gradient,
        method="SLSQP",
        bounds=[(None, None)] * size + [(0, None)] * (len(cost) - size),
        constraints={
            "type": "ineq",
            "fun": lambda v: constraints @ v - 1,
            "jac": lambda v: constraints,
        },
        options={"maxiter": 1000, "ftol": 1e-13},
    )
    assert found.success
    return found.fun


@by_loss
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize(("alpha", "d"), [(0.02, 3), (1.0, 3), (0.1, 12)])
def test_the_optimum_and_its_bound(loss, alpha, d, fit_intercept, weighted):
    arguments = {"alpha": alpha, "d": d, "fit_intercept": fit_intercept, "weighted": weighted}
    objective = problem(loss, **arguments)
    minimum = minimum_by_a_general_solver(objective)
    for solver in SOLVERS:
        result = solve(objective, solver=solver)
        assert result.reason == "the duality gap is within tol"
        assert result.gap <= 1e-6 * result.value
        assert result.value == pytest.approx(objective.value(result.W), rel=1e-12)
        assert minimum * (1 - 1e-8) <= result.value <= minimum * (1 + 1e-6)
        assert fit_intercept or not result.W[:, -1].any()


@by_loss
def test_the_bound_never_is_above_the_minimum(loss):
    objective = problem(loss, n=60, d=40, k=5, alpha=0.5)
    minimum = solve(objective, 1e-5, PrimalDual)
    for solver in SOLVERS:
        for tol in (0.5, 0.1, 1e-2):
            rough = solve(objective, tol, solver)
            assert rough.gap <= tol * rough.value
            assert rough.value - rough.gap <= minimum.value
            assert rough.value >= minimum.value - minimum.gap


@by_loss
@pytest.mark.parametrize("k", [2, 7, 20])
def test_separable_rows_converge_in_few_steps(loss, k):
    rng = np.random.default_rng(k)
    X = rng.normal(size=(100, 1000)).astype(np.float32)
    y = np.arange(100) % k
    for alpha in (1e-4, 0.1, 10.0):
        model = LinearSVM(alpha, standardize=True, solver=DualAscent(1e-3, max_iter=30))
        model.set_params(loss=loss).fit(X, y)
        assert 0 <= model.gap_ <= 1e-3 * model.loss_curve_[-1]
        assert model.score(X, y) == 1


@by_loss
@pytest.mark.parametrize("d", [8, 80])
def test_it_begins_where_another_fit_ended(loss, d):
    objective = problem(loss, n=100, d=d, k=4)
    cold, exact = solve(objective, 1e-3), solve(objective, 1e-4)
    warm = DualAscent(1e-3).minimize(objective, exact.W)
    # At a kink the slopes do not follow from the weights.
    assert warm.n_iter <= (1 if loss.smooth else cold.n_iter)
    assert warm.gap <= 1e-3 * warm.value


@by_loss
def test_more_rows_than_columns_in_float32(loss):
    objective = problem(loss, n=900, d=60, k=7, alpha=0.01)
    single = objective.replaced(X=objective.X.astype(np.float32))
    reference = solve(objective, 1e-5, PrimalDual)
    result = solve(single, 1e-4)
    assert result.gap <= 1e-4 * result.value
    assert result.value == pytest.approx(reference.value, rel=1.2e-4)
    assert objective.value(result.W) == pytest.approx(result.value, rel=1e-6)


@by_loss
def test_degenerate_columns_and_rows(loss):
    whole = problem(loss, n=30, d=20)
    X = whole.X.copy()
    X[15:] = X[:15]  # the same rows, some with other labels
    X[:, 10:] = 3.0
    X[::7] = 0.0
    for fit_intercept in (False, True):
        objective = whole.replaced(X=X, fit_intercept=fit_intercept)
        reference = solve(objective, 1e-5, PrimalDual)
        for solver in SOLVERS:
            result = solve(objective, 1e-3, solver)
            assert result.gap <= 1e-3 * result.value
            assert result.value == pytest.approx(reference.value, rel=1e-3)
    constant = whole.replaced(X=np.full_like(X, 2.0))
    for solver in SOLVERS:
        result = solve(constant, 1e-4, solver)
        assert result.gap <= 1e-4 * result.value
        assert_allclose(result.W[:, :-1], 0, atol=1e-12)


@by_loss
def test_an_offset_of_the_scores(loss):
    shift = np.random.default_rng(5).normal(size=(30, 3))
    objective = problem(loss, n=30, d=20, offset=shift)
    reference = solve(objective, 1e-5, PrimalDual)
    for solver in SOLVERS:
        result = solve(objective, 1e-5, solver)
        assert result.gap <= 1e-5 * result.value
        assert result.value == pytest.approx(reference.value, rel=2e-5)


@by_loss
@pytest.mark.parametrize(("n", "d"), [(1100, 100), (600, 400)])
def test_seeds_and_threads(loss, n, d):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)).astype(np.float32)
    y = rng.integers(0, 4, n)
    W = [
        solve(Objective(X, y, loss, 0.5, 4, n_jobs=jobs), 0.1, random_state=seed).W
        for jobs, seed in ((1, 0), (3, 0), (1, 1))
    ]
    assert_array_equal(W[0], W[1])
    assert not np.array_equal(W[0], W[2])


@by_loss
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_repeated_rows_and_their_order(loss, fit_intercept):
    once = problem(loss, n=30, d=40, fit_intercept=fit_intercept)
    times = np.random.default_rng(1).integers(0, 4, 30)
    times[:3] = 1
    rows = np.random.default_rng(2).permutation(np.repeat(np.arange(30), times))
    repeated = once.replaced(X=once.X[rows], y=once.y[rows])
    weighted = Objective(
        once.X, once.y, loss, 0.1, 3, sample_weight=1.0 * times, fit_intercept=fit_intercept
    )
    of_repeated, of_weighted = solve(repeated, 1e-2), solve(weighted, 1e-2)
    assert of_repeated.n_iter == of_weighted.n_iter
    assert_allclose(of_repeated.W, of_weighted.W, atol=1e-9)


@by_loss
def test_the_interior_point_minds_no_scale(loss):
    """A column ``c`` times as long with its weight divided by ``c``: like a smaller penalty."""
    objective = problem(loss, n=60, d=5, k=4)
    scales = np.geomspace(1e-4, 1e4, 5)
    scaled = objective.replaced(X=objective.X * scales + 10 * scales, alpha=1e-9)
    reference = solve(objective.replaced(alpha=1e-9), 1e-2, InteriorPoint)
    result = solve(scaled, 1e-6, InteriorPoint)
    assert result.gap <= 1e-6 * result.value
    raw = objective.replaced(X=scaled.X, alpha=0.0)
    assert raw.mean(raw.losses(result.W)) == pytest.approx(result.value, rel=0.05)
    assert result.value == pytest.approx(reference.value, rel=0.05)


@by_loss
def test_the_interior_point_gives_the_same_bits_for_any_number_of_threads(loss):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3000, 12)).astype(np.float32), rng.integers(0, 5, 3000)
    one, three = (
        solve(Objective(X, y, loss, 0.01, 5, n_jobs=n), 1e-4, InteriorPoint) for n in (1, 3)
    )
    assert_array_equal(one.W, three.W)


@by_loss
def test_the_interior_point_for_weighted_rows_of_many_blocks(loss):
    """Copies of a row, whose weights sum to that of the row, make the same steps."""
    once = problem(loss, n=40, d=5, k=4, weighted=True)
    parts = np.random.default_rng(1).dirichlet(np.ones(60), 40).T
    often = once.replaced(
        X=np.tile(once.X, (60, 1)),
        y=np.tile(once.y, 60),
        sample_weight=(parts * once.sample_weight).ravel(),
    )
    of_few, of_many = (solve(each, 1e-8, InteriorPoint) for each in (once, often))
    assert of_many.n_iter == of_few.n_iter
    assert_allclose(of_many.W, of_few.W, atol=1e-6)


def test_the_interior_point_for_rows_that_it_does_not_keep():
    """A problem of which each row is there many times has the same optimum."""
    once = problem(OneVsRestHinge(), n=40, d=63)
    often = once.replaced(X=np.tile(once.X, (450, 1)), y=np.tile(once.y, 450))
    assert often.X.size > 2**20
    of_few, of_many = (solve(each, 1e-8, InteriorPoint) for each in (once, often))
    assert_allclose(of_many.W, of_few.W, atol=1e-3)


@pytest.mark.parametrize(("d", "k"), [(3, 9), (9, 3)])
def test_the_interior_point_for_classes_alone_and_side_by_side(d, k):
    """More classes than columns, and fewer: a class has the weights that it has alone."""
    objective = problem(OneVsRestHinge(), n=90, d=d, k=k)
    together = solve(objective, 1e-8, InteriorPoint).W
    for c in range(k):
        alone = objective.replaced(y=(objective.y == c).astype(np.intp), n_classes=2)
        assert_allclose(solve(alone, 1e-8, InteriorPoint).W[1], together[c], atol=1e-3)


@by_solver
def test_what_they_cannot_minimise(solver):
    for loss, name in ((CrossEntropy(), r"CrossEntropy\(\)"), (Hinge(0.1), r"Hinge\(width=0\.1\)")):
        with pytest.raises(ValueError, match=f"{solver.__name__} cannot minimise {name}.*dual_box"):
            solve(problem(loss), solver=solver)
    with pytest.raises(ValueError, match="needs an L2 penalty with alpha > 0"):
        solve(problem(Hinge(), alpha=0.0), solver=solver)
