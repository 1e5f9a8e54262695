"""Learning that goes on: warm starts and ``partial_fit``."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from visualwords.classifiers import LBFGS, SGD, Adam, Softmax


def test_warm_start_continues():
    X, y = load_digits(return_X_y=True)
    cold = Softmax(0.01, standardize=True, warm_start=True).fit(X, y)
    first = cold.n_iter_
    assert cold.fit(X, y).n_iter_ < first / 3


def test_partial_fit_learns_as_rows_come(blobs):
    X, y = blobs(n=2000)
    model = Softmax(0.01, solver=SGD(0.01, batch_size=32, schedule="constant"))
    for _ in range(10):
        for rows in np.array_split(np.arange(2000), 4):
            model.partial_fit(X[rows], y[rows], classes=range(4))
    assert model.n_iter_ == len(model.loss_curve_) == 40
    assert model.score(X, y) > Softmax(0.01).fit(X, y).score(X, y) - 0.02
    with pytest.raises(ValueError, match="labels that are not among the classes"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="classes changed between calls"):
        model.partial_fit(X, y, classes=range(5))
    with pytest.raises(ValueError, match="first call of partial_fit needs"):
        clone(model).partial_fit(X, y)
    with pytest.raises(ValueError, match="cannot standardize"):
        clone(model).set_params(standardize=True).partial_fit(X, y, classes=range(4))
    with pytest.raises(ValueError, match="cannot balance the classes"):
        clone(model).set_params(class_weight="balanced").partial_fit(X, y, classes=range(4))
    assert not hasattr(Softmax(), "partial_fit")


@pytest.mark.parametrize("first", [SGD(), Adam(), LBFGS()])
def test_partial_fit_goes_on_from_a_fit_and_with_another_solver(blobs, first):
    X, y = blobs(n=2000)
    model = Softmax(0.01, solver=first).fit(X, y)
    n_iter, score = model.n_iter_, model.score(X, y)
    model.set_params(solver=SGD()).partial_fit(X, y)
    model.set_params(solver=Adam()).partial_fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) - 1 == n_iter + 2
    assert model.score(X, y) > score - 0.02
    assert not hasattr(model, "gap_")  # that was the bound of other weights
    model.fit(X[y < 3], y[y < 3]).partial_fit(X[y < 3], y[y < 3])
    assert model.coef_.shape == (3, 8)


def test_partial_fit_has_no_end(blobs):
    X, y = blobs(n=2000)
    model = Softmax(0.01, solver=SGD(max_iter=5))
    for _ in range(10):
        model.partial_fit(X, y, classes=range(4))
    before = model.coef_
    model.partial_fit(X, y)
    assert np.abs(model.coef_ - before).max() > 1e-3


def test_a_warm_start_without_intercepts_has_none(blobs):
    X, y = blobs()
    model = Softmax(0.01, warm_start=True).fit(X, y).set_params(fit_intercept=False)
    assert not model.fit(X, y).intercept_.any()
