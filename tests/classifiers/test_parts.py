"""A penalty for each part: the minimum of the objective that is written out, by any solver."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax

from visualwords.classifiers import (
    LBFGS,
    SGD,
    ColumnStack,
    DualAscent,
    InteriorPoint,
    LinearSVM,
    Newton,
    PrimalDual,
    Softmax,
)

ALPHA = {"few": 0.3, "many": 0.004}
WIDTHS = {"few": 2, "many": 4}


def stack_of(X):
    return ColumnStack({"few": np.ascontiguousarray(X[:, :2]), "many": X[:, 2:]})


def penalties_of(X, y, standardize):
    """Give the penalty of each column's squared weight for X as it came."""
    alphas = np.repeat(list(ALPHA.values()), list(WIDTHS.values()))
    if not standardize:
        return alphas
    variances = X.var(axis=0)
    if standardize == "parts":  # each part has the same variance, the mean of all columns is 1
        widths = np.repeat(list(WIDTHS.values()), list(WIDTHS.values()))
        variances = variances * widths * 2 / X.shape[1]
    return alphas * variances


def cross_entropy(scores, y):
    """Return the losses of examples, and their derivatives by the scores."""
    logs = log_softmax(scores, axis=1)
    return -logs[np.arange(len(y)), y], np.exp(logs) - np.eye(scores.shape[1])[y]


def squared_hinge(scores, y):
    """Return the losses of examples, and their derivatives by the scores."""
    own = np.arange(len(y)), y
    margins = np.maximum(0, 1 + scores - scores[own][:, None])
    margins[own] = 0
    slopes = 2 * margins
    slopes[own] = -slopes.sum(axis=1)
    return (margins**2).sum(axis=1), slopes


def least(loss, X, y, penalties, k=3):
    """Minimise the explicit objective by SciPy's L-BFGS; return the minimum and the objective."""
    columns = np.column_stack([X, np.ones(len(y))])
    penalties = np.append(penalties, 0)

    def value_and_gradient(flat):
        W = flat.reshape(k, -1)
        losses, slopes = loss(columns @ W.T, y)
        value = losses.mean() + (penalties * W**2).sum() / 2
        return value, (slopes.T @ columns / len(y) + penalties * W).ravel()

    start = np.zeros(k * columns.shape[1])
    options = {"maxiter": 2000, "maxfun": 10**6, "ftol": 1e-13, "gtol": 1e-7}
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return found.fun, lambda flat: value_and_gradient(flat)[0]


@pytest.mark.parametrize("standardize", [False, True, "parts"])
@pytest.mark.parametrize(
    ("estimator", "loss"),
    [(Softmax(), cross_entropy), (LinearSVM(loss="squared_hinge"), squared_hinge)],
    ids=["Softmax", "LinearSVM"],
)
def test_the_minimum_is_that_of_the_explicit_objective(blobs, estimator, loss, standardize):
    X, y = blobs(n=150, d=6, k=3)
    minimum, value = least(loss, X, y, penalties_of(X, y, standardize))
    model = estimator.set_params(alpha=ALPHA, standardize=standardize, solver=None)
    model.fit(stack_of(X), y)
    found = value(np.column_stack([model.coef_, model.intercept_]).ravel())
    assert found == pytest.approx(minimum, rel=2e-3)
    assert found - model.gap_ <= minimum * (1 + 1e-6)
    assert model.loss_curve_[-1] == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize(
    ("estimator", "solver", "tolerance"),
    [
        (Softmax(), PrimalDual(tol=1e-6), 1e-5),
        (Softmax(), Newton(tol=1e-6), 1e-5),
        (Softmax(), LBFGS(tol=1e-9), 1e-4),
        (Softmax(), SGD(0.02, batch_size=32, max_iter=300), 3e-3),
        (LinearSVM(loss="squared_hinge"), DualAscent(tol=1e-4, max_iter=2000), 1e-3),
        (LinearSVM(loss="squared_hinge"), InteriorPoint(tol=1e-6), 1e-5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_solver_reaches_it(blobs, estimator, solver, tolerance):
    X, y = blobs(n=150, d=6, k=3)
    loss = cross_entropy if isinstance(estimator, Softmax) else squared_hinge
    minimum, value = least(loss, X, y, penalties_of(X, y, "parts"))
    estimator.set_params(alpha=ALPHA, standardize="parts", solver=solver).fit(stack_of(X), y)
    found = value(np.column_stack([estimator.coef_, estimator.intercept_]).ravel())
    assert minimum * (1 - 1e-6) <= found <= minimum * (1 + tolerance)


def test_names_and_order_are_two_ways_to_say_the_same(blobs):
    X, y = blobs(d=6, k=3)
    named = Softmax(ALPHA | {"unused": 1.0}).fit(stack_of(X), y)
    for stack, alpha in (
        (stack_of(X), [0.3, 0.004]),
        (ColumnStack(stack_of(X).parts), np.array([0.3, 0.004])),
        (ColumnStack(stack_of(X).parts), {1: 0.004, 0: 0.3}),
        (stack_of(X).in_memory(), ALPHA),
    ):
        assert_array_equal(Softmax(alpha).fit(stack, y).coef_, named.coef_)


def test_equal_penalties_are_one_penalty(blobs):
    X, y = blobs(d=6, k=3)
    one = LinearSVM(0.07, standardize="parts").fit(stack_of(X), y)
    same = LinearSVM([0.07, 0.07], standardize="parts").fit(stack_of(X), y)
    assert_array_equal(same.coef_, one.coef_)


def test_a_memory_map_gives_the_same_bits_as_an_array(blobs, tmp_path):
    X, y = blobs(n=3000, d=6, k=3, dtype=np.float32)
    np.save(tmp_path / "few.npy", X[:, :2])
    few = np.load(tmp_path / "few.npy", mmap_mode="r")
    mapped = ColumnStack({"few": few, "many": X[:, 2:]})
    models = [
        Softmax(ALPHA, standardize="parts", n_jobs=n).fit(s, y)
        for s, n in ((stack_of(X), 1), (mapped, 2))
    ]
    assert_array_equal(models[0].coef_, models[1].coef_)
    assert_array_equal(models[0].predict_proba(mapped), models[1].predict_proba(X))


def test_columns_far_from_zero_and_weights_of_rows(blobs):
    X, y = blobs(n=400, d=6, k=3)
    weight = np.random.default_rng(0).integers(0, 3, 400)
    far = Softmax(ALPHA, standardize="parts").fit(stack_of(X + 1e6), y, weight)
    rows = np.repeat(np.arange(400), weight)
    near = Softmax(ALPHA, standardize="parts").fit(stack_of(X[rows]), y[rows])
    assert_allclose(far.coef_, near.coef_, atol=2e-2)
    assert near.loss_curve_[-1] == pytest.approx(far.loss_curve_[-1], rel=1e-3)


@pytest.mark.parametrize("solver", [PrimalDual(tol=1e-5), DualAscent(tol=1e-4, max_iter=2000)])
def test_columns_far_from_zero_that_are_not_standardised(blobs, solver):
    X, y = blobs(n=150, d=6, k=3)
    X += 1000
    model = LinearSVM(ALPHA, loss="squared_hinge", solver=solver).fit(stack_of(X), y)
    minimum, value = least(squared_hinge, X - 1000, y, penalties_of(X, y, False))
    found = np.column_stack([model.coef_, model.intercept_ + model.coef_.sum(axis=1) * 1000])
    assert value(found.ravel()) == pytest.approx(minimum, rel=1e-3)


def test_minibatches_learn_with_the_penalties_of_parts(blobs):
    X, y = blobs(n=400, d=6, k=3)
    X = (X - X.mean(0)) / X.std(0)
    minimum, value = least(cross_entropy, X, y, penalties_of(X, y, False))
    model = Softmax(ALPHA, solver=SGD(0.02, batch_size=32))
    for _ in range(60):
        model.partial_fit(stack_of(X), y, classes=np.arange(3))
    found = value(np.column_stack([model.coef_, model.intercept_]).ravel())
    assert found == pytest.approx(minimum, rel=0.03)


def test_the_objective_is_that_which_fit_minimised(blobs):
    X, y = blobs(d=6, k=3)
    model = LinearSVM(ALPHA, standardize="parts").fit(stack_of(X), y)
    objective, W = model.objective(stack_of(X), y)
    assert objective.value(W) == pytest.approx(model.loss_curve_[-1], rel=1e-9)


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        ({"few": 0.1}, "no value for the part 'many' of X, only for 'few'; .* 'few', 'many'"),
        ({"few": 0.1, "mony": 0.1}, "no value for the part 'many' of X, only for 'few', 'mony'"),
        ([0.1], "alpha has 1 values, but X has 2 parts: 'few', 'many'"),
        (
            {"few": 0.1, "many": 0},
            "the part 'many' must be a finite number above 0, got 0",
        ),
        ([0.1, -1.0], "alpha of the part 1 must be a finite number above 0, got -1.0"),
        (
            {"few": np.nan, "many": 1},
            "the part 'few' must be a finite number above 0, got nan",
        ),
        (
            "0.1",
            "alpha must be a finite number of at least 0, got '0.1'; the parts of",
        ),
    ],
)
def test_a_wrong_penalty_names_its_part(blobs, alpha, message):
    X, y = blobs(d=6, k=3)
    with pytest.raises(ValueError, match=message):
        Softmax(alpha).fit(stack_of(X), y)


def test_an_array_has_no_parts(blobs):
    with pytest.raises(ValueError, match="parts of a ColumnStack, but X is a ndarray"):
        LinearSVM([0.1, 0.2]).fit(*blobs())
