"""Random search and random local search against plain loops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from visualwords.classifiers import (
    CrossEntropy,
    Hinge,
    LinearSVM,
    Objective,
    RandomLocalSearch,
    RandomSearch,
    Softmax,
)

SEARCHES = [RandomSearch, RandomLocalSearch]


def hinge_objective(W, X, y, alpha):
    """The definition, example by example and class by class."""
    total = 0.0
    for x, label in zip(X, y, strict=True):
        scores = [row[:-1] @ x + row[-1] for row in W]
        total += sum(max(0, 1 + s - scores[label]) for k, s in enumerate(scores) if k != label)
    return total / len(y) + alpha / 2 * (W[:, :-1] ** 2).sum()


@pytest.mark.parametrize("search", SEARCHES)
def test_it_is_the_plain_loop_of_the_lecture(blobs, search):
    X, y = blobs(n=25, d=5, k=3)
    alpha, scale, tries = 0.1, 0.2, 70  # more than one batch
    random = np.random.RandomState(5)
    best = np.zeros((3, 6))
    lowest = hinge_objective(best, X, y, alpha)
    values = [lowest]
    for _ in range(tries):
        W = random.normal(scale=scale, size=best.shape) + (search is RandomLocalSearch) * best
        value = hinge_objective(W, X, y, alpha)
        if value < lowest:
            best, lowest = W, value
        values.append(lowest)

    solver = search(max_iter=tries, scale=scale, random_state=5)
    result = solver.minimize(Objective(X, y, Hinge(), alpha, 3), np.zeros((3, 6)))
    assert_allclose(result.W, best, rtol=1e-12)
    assert_allclose(result.values, values, rtol=1e-12)
    assert result.n_iter == tries
    assert result.reason == "max_iter"


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("loss", [Hinge(), CrossEntropy()])
def test_the_value_never_rises_and_is_that_of_the_weights(blobs, search, loss):
    X, y = blobs(n=6000, dtype=np.float32)
    objective = Objective(X, y, loss, 0.01, 4, sample_weight=np.linspace(0.5, 2, len(y)))
    result = search(max_iter=60, scale=0.1).minimize(objective, np.zeros(objective.shape))
    assert (np.diff(result.values) <= 0).all()
    assert result.values[-1] < result.values[0]
    exact = Objective(X.astype(np.float64), y, loss, 0.01, 4, sample_weight=objective.sample_weight)
    assert result.value == pytest.approx(exact.value(result.W), rel=1e-6)


@pytest.mark.parametrize("search", SEARCHES)
def test_the_seed_decides_and_the_number_of_threads_does_not(blobs, search):
    X, y = blobs(n=5000, d=40, dtype=np.float32)

    def coef(seed, n_jobs=1):
        solver = search(max_iter=40, scale=0.01, random_state=seed)
        return LinearSVM(solver=solver, n_jobs=n_jobs).fit(X, y).coef_

    assert_array_equal(coef(3), coef(3, n_jobs=2))
    assert not np.array_equal(coef(3), coef(4))


@pytest.mark.parametrize("search", SEARCHES)
def test_it_learns_within_an_estimator(blobs, search):
    X, y = blobs()
    names = np.array(["a", "b", "c", "d"])[y]
    model = Softmax(
        0.01, solver=search(max_iter=500, scale=0.2), standardize=True, fit_intercept=False
    )
    grid = GridSearchCV(model, {"solver__max_iter": [1, 500]}, cv=2).fit(X, names)
    assert grid.best_params_ == {"solver__max_iter": 500}
    assert grid.score(X, names) > 0.35  # chance is 0.25
    assert (grid.best_estimator_.intercept_ == 0).all()
    assert clone(model).solver.max_iter == 500


@pytest.mark.parametrize("search", SEARCHES)
def test_a_scale_of_zero_is_refused(blobs, search):
    X, y = blobs(n=30)
    with pytest.raises(ValueError, match="scale must be a finite number above 0, got 0"):
        LinearSVM(solver=search(scale=0)).fit(X, y)
