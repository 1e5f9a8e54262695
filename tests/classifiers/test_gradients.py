"""Numerical gradients against scipy and by hand; kinks against the margins themselves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime, check_grad

from visualwords.classifiers import (
    CrossEntropy,
    Hinge,
    LinearSVM,
    NumericalGradientDescent,
    Objective,
    Softmax,
    check_gradient,
    numerical_gradient,
)
from visualwords.classifiers.scaling import Scaling
from visualwords.tests.classifiers.losses import LOSSES

# Scores of cat, car and frog for an image of each (CS231n, lecture 3).
LECTURE_SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])


def lecture_objective(loss):
    """X is the identity, so the weights' columns are the examples' scores."""
    return Objective(np.eye(3), np.arange(3), loss, 0.0, 3)


def test_the_example_of_the_lecture():
    objective = lecture_objective(Hinge())
    W = np.column_stack([LECTURE_SCORES.T, np.zeros(3)])
    assert_allclose(objective.losses(W), [2.9, 0, 12.9])
    by_hand = np.array([[-1, 0, 1], [1, 0, 1], [0, 0, -2]]) / 3
    by_hand = np.column_stack([by_hand, by_hand.sum(axis=1)])
    for formula in ("centered", "forward"):
        gradient = numerical_gradient(objective.value, W, formula=formula)
        assert_allclose(gradient, by_hand, atol=1e-9)
    check = check_gradient(objective, W)
    assert_array_equal(check.analytic, by_hand.ravel())
    assert not check.kinks.any()
    assert check.errors().max() < 1e-9


def test_formulas_on_a_cube():
    """(x + h)^3 - x^3 = 3 x^2 h + 3 x h^2 + h^3; the centred formula keeps only h^2 of error."""
    x, h = np.array([2.0, -1.5]), 0.125
    cubes = lambda v: float((v**3).sum())  # noqa: E731
    forward = numerical_gradient(cubes, x, step=h, formula="forward")
    assert_allclose(forward, 3 * x**2 + 3 * x * h + h**2, rtol=1e-12)
    assert_allclose(numerical_gradient(cubes, x, step=h), 3 * x**2 + h**2, rtol=1e-12)
    assert_array_equal(x, [2.0, -1.5])


def test_forward_formula_is_scipys(blobs):
    X, y = blobs(n=30, d=4, k=3)
    objective = Objective(X, y, CrossEntropy(), 0.1, 3)
    W = np.random.default_rng(1).normal(size=(3, 5))
    ours = numerical_gradient(objective.value, W, step=1e-6, formula="forward")
    scipys = approx_fprime(W.ravel(), lambda v: objective.value(v.reshape(3, 5)), 1e-6)
    assert_allclose(ours.ravel(), scipys, atol=1e-8)
    some = np.array([14, 0, 7])
    assert_array_equal(
        numerical_gradient(objective.value, W, step=1e-6, formula="forward", indices=some),
        ours.ravel()[some],
    )


@pytest.mark.parametrize("loss", [*LOSSES, Hinge(0.5)], ids=repr)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradients_of_the_objective(blobs, loss, fit_intercept):
    X, y = blobs(n=60, d=5, k=3)
    objective = Objective(
        X,
        y,
        loss,
        0.3,
        3,
        sample_weight=np.linspace(0.1, 3, 60),
        scaling=Scaling(X.mean(axis=0) * fit_intercept, X.std(axis=0)),
        fit_intercept=fit_intercept,
    )
    W = np.random.default_rng(2).normal(size=objective.shape)
    W[:, -1] *= fit_intercept
    check = check_gradient(objective, W)
    assert len(check.indices) == 3 * (5 + fit_intercept)
    assert np.count_nonzero(check.kinks) <= 1
    assert check.errors("centered").max() < 1e-7
    assert check.errors("forward").max() < 1e-3
    if fit_intercept:
        error = check_grad(
            lambda v: objective.value(v.reshape(W.shape)),
            lambda v: objective(v.reshape(W.shape))[1].ravel(),
            W.ravel(),
        )
        assert error < 1e-5


def test_kinks_are_margins_that_cross_zero(blobs):
    X, y = blobs(n=200, d=4, k=3)
    objective = Objective(X, y, Hinge(), 0.1, 3)
    W = np.random.default_rng(3).normal(size=objective.shape)
    step = 0.02
    check = check_gradient(objective, W, step=step)

    def margins(W):
        scores = X @ W[:, :-1].T + W[:, -1]
        return 1 + scores - scores[np.arange(200), y][:, None]

    for index, kinks in zip(check.indices, check.kinks, strict=True):
        move = np.zeros(W.size)
        move[index] = step
        low, high = margins(W - move.reshape(W.shape)), margins(W + move.reshape(W.shape))
        crossed = ((low > 0) != (high > 0)).any(axis=1)
        assert kinks == crossed.sum()
    free = check.kinks == 0
    assert 0 < free.sum() < len(free)  # the step is chosen so that there are both kinds
    assert check.errors().max() < 1e-10
    # Had the kinks counted, they would have been errors.
    jumps = np.abs(check.centered - check.analytic)[~free]
    assert jumps.max() > 1e-4
    assert f"{(~free).sum()} with kinks" in str(check)


def test_smooth_losses_have_no_kinks(blobs):
    X, y = blobs(n=200, d=4, k=3)
    objective = Objective(X, y, CrossEntropy(), 0.1, 3)
    assert not check_gradient(objective, np.zeros(objective.shape), step=1.0).kinks.any()


def test_a_wrong_gradient_is_found(blobs):
    class Wrong(CrossEntropy):
        def values_and_grad(self, scores, y):
            values, gradients = super().values_and_grad(scores, y)
            gradients[:, 1] *= 1.01
            return values, gradients

    X, y = blobs(n=50, d=4, k=3)
    objective = Objective(X, y, Wrong(), 0.0, 3)
    check = check_gradient(objective, np.zeros(objective.shape))
    wrong = check.indices // 5 == 1
    assert_allclose(check.errors()[wrong], 1 - 1 / 1.01, rtol=1e-3)
    assert check.errors()[~wrong].max() < 1e-7


def test_the_sample_of_coordinates_is_seeded(blobs):
    X, y = blobs(n=50)
    objective = Objective(X, y, Hinge(), 0.0, 4)
    W = np.zeros(objective.shape)
    seeds = [
        check_gradient(objective, W, n_coordinates=7, random_state=seed).indices
        for seed in (1, 1, 2)
    ]
    assert len(np.unique(seeds[0])) == 7
    assert_array_equal(seeds[0], seeds[1])
    assert not np.array_equal(seeds[0], seeds[2])


@pytest.mark.parametrize("formula", ["centered", "forward"])
@pytest.mark.parametrize("model", [Softmax, LinearSVM])
def test_descent_on_differences_follows_the_gradient(blobs, formula, model):
    """Plain gradient descent with the analytic gradient takes the same path."""
    X, y = blobs(n=100, d=4, k=3)
    objective = Objective(X, y, model()._loss(), 0.1, 3)
    W = np.zeros(objective.shape)
    values = []
    for _ in range(21):
        value, gradient = objective(W)
        values.append(value)
        W = W - 0.05 * gradient
    solver = NumericalGradientDescent(0.05, 20, tol=0, difference=1e-7, formula=formula)
    assert_allclose(model(0.1, solver=solver).fit(X, y).loss_curve_, values, rtol=1e-5)


def test_descent_on_differences_ends_where_the_gradient_is_small(blobs):
    X, y = blobs(n=50, d=4, k=3)
    objective = Objective(X, y, CrossEntropy(), 1.0, 3, fit_intercept=False)
    result = NumericalGradientDescent(0.1, tol=1e-3).minimize(objective, np.zeros((3, 5)))
    assert result.reason == "the gradient is within tol of 0"
    assert np.abs(objective(result.W)[1]).max() <= 1.001e-3
    assert (result.W[:, -1] == 0).all()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="step must be greater than 0, got 0"):
        numerical_gradient(np.sum, np.ones(2), step=0)
    with pytest.raises(ValueError, match=r"formula must be one of .*, got 'central'"):
        numerical_gradient(np.sum, np.ones(2), formula="central")
