"""``gap_`` bounds the distance to the minimum: nothing below ``value - gap_`` can be found."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression

from visualwords.benchmarks import certificates
from visualwords.classifiers import (
    CrossEntropy,
    InteriorPoint,
    LinearSVM,
    Newton,
    Objective,
    Softmax,
)
from visualwords.classifiers.balance import balanced
from visualwords.classifiers.certificate import certify
from visualwords.tests.classifiers.losses import LOSSES

# The first are problems whose gaps were once too small.
PROBLEMS = [55, 86, 106, 205, 277, 298, 301, 310, 350, 351, 354, 417, 424, 472, *range(5)]


def minimum(objective, tol):
    """Compute the minimum of a loss with a dual form, or else of a smooth loss."""
    solver = Newton if objective.loss.dual_box is None else InteriorPoint
    return solver(tol=tol).minimize(objective, np.zeros(objective.shape)).value


@pytest.mark.parametrize("seed", PROBLEMS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_point_disproves_the_gap_of_an_ill_conditioned_problem(seed):
    outcome = certificates.check(seed)
    assert outcome.excess <= certificates.ALLOWED, outcome.name


def test_one_row_of_a_class_in_float32_and_hardly_any_penalty():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 40)).astype(np.float32)
    y = (np.arange(200) == 7).astype(int)
    model = LinearSVM(1e-7).fit(X, y)
    objective, W = model.objective(X.astype(np.float64), y)
    best = InteriorPoint(tol=1e-12).minimize(objective, np.zeros(objective.shape)).value
    value = objective.value(W)
    assert 0 <= value - best <= model.gap_ <= 1e-3 * value


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", LinearSVM.losses)
def test_weights_from_1e_9_to_1_do_not_make_the_gap_0(loss):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(80, 12)), np.arange(80) % 3
    weight = 10.0 ** rng.uniform(-9, 0, 80)
    model = LinearSVM(1e-5, loss=loss).fit(X, y, sample_weight=weight)
    objective, W = model.objective(X, y, sample_weight=weight)
    best = minimum(objective, 1e-13)
    assert objective.value(W) - best <= model.gap_
    assert 0 < model.gap_ <= 0.2 * objective.value(W)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_bound_holds_everywhere(blobs, loss):
    X, y = blobs(n=120, d=5, k=3)
    objective, rng = Objective(X, y, loss, 0.05, 3), np.random.default_rng(0)
    if isinstance(loss, CrossEntropy):
        C = 1 / (len(y) * 0.05)
        peer = LogisticRegression(C=C, tol=1e-12, solver="newton-cholesky").fit(X, y)
        best = objective.value(np.column_stack([peer.coef_, peer.intercept_]))
    else:
        best = minimum(objective, 1e-10)
    for scale in (0.0, 0.01, 0.1, 1.0):
        W = scale * rng.normal(size=objective.shape)
        for width in (0.01, 0.1, 1.0):
            bound = certify(objective, W, loss.smoothed(width))
            assert bound.value == pytest.approx(objective.value(W), rel=1e-12)
            assert bound.value - bound.gap <= best * (1 + 1e-9)


ONE_EXAMPLE = np.zeros((1, 2)), np.zeros(1, np.intp)
WITH_CONJUGATE = [loss for loss in LOSSES if loss.conjugate(*ONE_EXAMPLE) is not None]


@pytest.mark.parametrize("loss", WITH_CONJUGATE, ids=repr)
def test_conjugates_at_the_gradient_by_fenchels_equality(loss):
    rng = np.random.default_rng(1)
    scores, y = 2 * rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    values, derivatives = loss.values_and_grad(scores, y)
    expected = (derivatives * scores).sum(axis=1) - values
    assert_allclose(loss.conjugate(derivatives, y), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("coupled", [True, False])
@pytest.mark.parametrize("n_classes", [2, 5, 60])
def test_a_balanced_dual_point_is_the_given_one_lowered(coupled, n_classes):
    rng = np.random.default_rng(2)
    y = np.r_[np.arange(n_classes), rng.integers(0, n_classes, 200)]
    own = np.arange(len(y)), y
    derivatives = rng.random((len(y), n_classes))
    derivatives[own] = 0
    derivatives[own] = -derivatives.sum(axis=1) if coupled else -rng.random(len(y))
    lowered = balanced(derivatives, y, coupled)
    assert_allclose(lowered.sum(axis=0), 0, atol=1e-12)
    assert np.all(np.abs(lowered) <= np.abs(derivatives) * (1 + 1e-12))
    if coupled:
        assert np.abs(lowered).sum() > 0.3 * np.abs(derivatives).sum()
        assert_allclose(lowered.sum(axis=1), 0, atol=1e-12)
    else:
        ones = np.eye(n_classes)[y]
        own, others = (np.abs(derivatives * part).sum(axis=0) for part in (ones, 1 - ones))
        assert_allclose(np.abs(lowered).sum(axis=0), 2 * np.minimum(own, others))


@pytest.mark.parametrize("smallest", [1.0, 1e-6])
@pytest.mark.parametrize("n_classes", [2, 3, 8])
def test_a_dual_point_is_lowered_as_little_as_a_linear_programme_lowers_it(n_classes, smallest):
    """There is an example for each pair of classes."""
    rng = np.random.default_rng(0)
    y, other = np.nonzero(1 - np.eye(n_classes))
    sizes = rng.random(len(y)) * smallest ** rng.random(len(y))
    signs = np.eye(n_classes)[other] - np.eye(n_classes)[y]
    bounds = np.column_stack([np.zeros(len(y)), sizes])
    programme = linprog(-np.ones(len(y)), A_eq=signs.T, b_eq=np.zeros(n_classes), bounds=bounds)
    lowered = balanced(signs * sizes[:, None], y, coupled=True)
    assert np.abs(lowered).sum() == pytest.approx(-2 * programme.fun, rel=1e-6)


def test_without_a_penalty_the_gap_is_the_value():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    objective = Objective(X, y, CrossEntropy(), 0.0, 2)
    bound = certify(objective, np.zeros(objective.shape), CrossEntropy())
    assert bound.gap == bound.value == pytest.approx(np.log(2))


def test_a_float32_fit_on_columns_of_long_rows_goes_on_until_float64_proves_it():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(178, 13)) * np.geomspace(0.1, 1000, 13)).astype(np.float32)
    y = np.arange(178) % 3
    model = Softmax(1e-4).fit(X, y)
    assert model.gap_ <= 1e-4 * model.loss_curve_[-1]
