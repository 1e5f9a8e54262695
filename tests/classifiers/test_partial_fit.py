"""Learning that goes on: warm starts and ``partial_fit``."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import recall_score

from visualwords.classifiers import LBFGS, SGD, Adam, LinearSVM, Softmax


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


def rare_class():
    """Make 150 rows of which one in ten is of class 1."""
    return make_classification(150, 10, weights=[0.9], class_sep=0.7, flip_y=0, random_state=0)


def test_weights_count_when_rows_come_one_by_one():
    X, y = rare_class()
    weight = np.where(y == 1, 20.0, 1.0)
    by_sample = Softmax(1e-4, solver=SGD(0.01, momentum=0.0, schedule="constant"))
    by_class = clone(by_sample).set_params(class_weight={1: 20.0})
    peer = SGDClassifier(loss="log_loss", alpha=1e-4, learning_rate="constant", eta0=0.01)
    for i in range(len(y)):
        row = slice(i, i + 1)
        by_sample.partial_fit(X[row], y[row], classes=[0, 1], sample_weight=weight[row])
        by_class.partial_fit(X[row], y[row], classes=[0, 1])
        peer.partial_fit(X[row], y[row], classes=[0, 1], sample_weight=weight[row])
    expected = recall_score(y, peer.predict(X))
    assert expected > 0.8
    for model in (by_sample, by_class):
        assert recall_score(y, model.predict(X)) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("estimator", [Softmax(0.01), LinearSVM(0.01)])
def test_a_weight_multiplies_the_step_of_its_row(estimator):
    """From weights of 0 the first step is proportional to the row's weight."""
    model = clone(estimator).set_params(solver=SGD(0.1))
    row, y = np.array([[1.0, -2.0, 0.5]]), [2]
    once = clone(model).partial_fit(row, y, classes=[0, 1, 2])
    for weight in (0.0, 1.0, 0.25, 20.0):
        weighted = clone(model).partial_fit(row, y, classes=[0, 1, 2], sample_weight=[weight])
        assert_allclose(weighted.coef_, weight * once.coef_, rtol=1e-12)
        assert_allclose(weighted.intercept_, weight * once.intercept_, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_and_partial_fit_agree_for_weights_of_mean_1(blobs, dtype):
    X, y = blobs(dtype=dtype)
    weight = np.random.default_rng(0).uniform(0, 5, len(y))
    solver = SGD(0.05, schedule="constant", batch_size=32, max_iter=1)
    whole = Softmax(0.01, solver=solver).fit(X, y, weight)
    part = Softmax(0.01, solver=solver)
    part.partial_fit(X, y, classes=range(4), sample_weight=weight / weight.mean())
    assert_allclose(part.coef_, whole.coef_, rtol=1e-5, atol=1e-7)
    assert part.loss_curve_[-1] == pytest.approx(whole.loss_curve_[-1], rel=1e-5)


def learn_forty_times(model, X, y):
    for _ in range(40):
        model.partial_fit(X, y, classes=range(4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", [SGD(1e30), Adam(1e300), SGD(100.0, batch_size=8)])
def test_a_rate_that_diverges_warns_and_keeps_finite_weights(blobs, solver, dtype):
    X, y = blobs(dtype=dtype)
    model = LinearSVM(loss="squared_hinge", solver=solver)
    with pytest.warns(ConvergenceWarning, match="diverged: the value is not finite; lower its"):
        learn_forty_times(model, X, y)
    for row in (X, X[:1]):
        assert np.isfinite(model.decision_function(row)).all()
    kept = model.coef_
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.partial_fit(X, y)
    assert_array_equal(model.coef_, kept)
    # A lower rate goes on from there.
    model.set_params(solver=SGD(1e-4)).partial_fit(X, y)


def test_progress_of_partial_fit_is_printed_on_demand(blobs, capsys):
    X, y = blobs()
    Softmax(solver=SGD(), verbose=1).partial_fit(X, y, classes=range(4))
    assert "Softmax: objective" in capsys.readouterr().out
