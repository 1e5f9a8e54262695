"""Slices through the loss against direct evaluation, breakpoints against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from visualwords.classifiers import (
    LBFGS,
    CrossEntropy,
    Hinge,
    LinearSVM,
    Objective,
    Softmax,
    breakpoints,
    landscape,
    path_plane,
    random_directions,
)
from visualwords.classifiers.scaling import Scaling
from visualwords.tests.classifiers.losses import PIECEWISE_LINEAR, ROUNDED, SMOOTH


@pytest.fixture
def objective(blobs):
    X, y = blobs(n=5000)  # more than one block of rows

    def make(loss, dtype=np.float64, n_jobs=None):
        return Objective(
            X.astype(dtype),
            y,
            loss,
            0.3,
            4,
            sample_weight=np.linspace(0, 2, 5000),
            scaling=Scaling(X.mean(axis=0), X.std(axis=0)),
            n_jobs=n_jobs,
        )

    return make


@pytest.mark.parametrize("loss", [Hinge(), CrossEntropy()])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_plane_is_the_objective_at_its_points(objective, loss, dtype, rtol):
    f = objective(loss, dtype)
    W = np.random.default_rng(0).normal(size=f.shape)
    U, V = 3 * random_directions(W)
    a, b = np.linspace(-1, 1, 4), np.linspace(-2, 2, 3)
    points = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1)
    direct = [[f.value(W + i * U + j * V) for j in b] for i in a]
    assert_allclose(landscape(f, W, [U, V], points), direct, rtol=rtol)


@pytest.mark.parametrize("loss", [Hinge(), CrossEntropy()])
def test_a_line_by_example(objective, loss):
    f = objective(loss)
    W = np.zeros(f.shape)
    (U,) = random_directions(W, 1)
    a = np.linspace(-3, 3, 5)
    losses = landscape(f, W, [U], a[:, None], per_example=True)
    assert losses.shape == (5, 5000)
    assert_allclose(losses, [f.losses(W + t * U) for t in a], rtol=1e-12)


def test_the_number_of_threads_changes_no_bit(objective):
    W = np.ones((4, 9))
    points = np.linspace(-1, 1, 6).reshape(3, 2)
    one, two = (
        landscape(objective(Hinge(), np.float32, n), W, random_directions(W), points)
        for n in (1, 2)
    )
    assert_array_equal(one, two)


def test_random_directions_are_orthonormal_and_seeded():
    W = np.zeros((3, 5))
    rows = random_directions(W, 4, random_state=1).reshape(4, -1)
    assert_allclose(rows @ rows.T, np.eye(4), atol=1e-12)
    assert_array_equal(rows, random_directions(W, 4, random_state=1).reshape(4, -1))
    assert not np.array_equal(rows, random_directions(W, 4, random_state=2).reshape(4, -1))


@pytest.mark.parametrize("count", [0, 16])
def test_more_directions_than_weights_are_refused(count):
    with pytest.raises(ValueError, match=f"count must be from 1 to .*, 15, got {count}"):
        random_directions(np.zeros((3, 5)), count)


def hinge_breakpoints(scores, changes, y, start, stop):
    """Where 1 + s_k - s_y + t (c_k - c_y) is zero."""
    found = []
    for i, label in enumerate(y):
        for k in range(scores.shape[1]):
            slope = changes[i, k] - changes[i, label]
            if k != label and slope != 0:
                t = -(1 + scores[i, k] - scores[i, label]) / slope
                if start < t < stop:
                    found.append((t, i))
    return sorted(found)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), k=st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_breakpoints_of_the_hinge_are_zeros_of_its_margins(seed, n, k):
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(n, 3)), random.integers(0, k, n)
    W, U = random.normal(size=(2, k, 4))
    examples, positions = breakpoints(Objective(X, y, Hinge(), 0.1, k), W, U, -3.0, 2.0)
    ones = np.column_stack([X, np.ones(n)])
    expected = hinge_breakpoints(ones @ W.T, ones @ U.T, y, -3.0, 2.0)
    assert_allclose(positions, [t for t, _ in expected], atol=1e-9)
    assert_array_equal(examples, [i for _, i in expected])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_several_breakpoints_at_one_place_are_found(seed):
    """Whole numbers make margins cross zero together."""
    random = np.random.default_rng(seed)
    X, y = random.integers(-2, 3, (10, 2)).astype(float), random.integers(0, 4, 10)
    W, U = random.integers(-2, 3, (2, 4, 3)).astype(float)
    objective = Objective(X, y, Hinge(), 0.0, 4)
    examples, positions = breakpoints(objective, W, U, -2.01, 2.01)
    ones = np.column_stack([X, np.ones(10)])
    expected = hinge_breakpoints(ones @ W.T, ones @ U.T, y, -2.01, 2.01)
    assert {(round(t, 9), i) for t, i in zip(positions, examples, strict=True)} == {
        (round(t, 9), i) for t, i in expected
    }


def assert_straight_between(objective, W, U, examples, positions, start, stop):
    """Between neighbouring breakpoints the middle is the mean; around one it is below."""
    for example in range(objective.n_samples):
        own = np.r_[start, positions[examples == example], stop]
        middles = (own[1:] + own[:-1]) / 2
        at = landscape(objective, W, [U], np.r_[own, middles][:, None], per_example=True)
        ends, halfway = at[: len(own), example], at[len(own) :, example]
        assert_allclose(halfway, (ends[1:] + ends[:-1]) / 2, atol=1e-9)
        slopes = np.diff(ends) / np.diff(own)
        assert (np.diff(slopes) > 0).all()


@pytest.mark.parametrize("loss", PIECEWISE_LINEAR, ids=repr)
def test_the_losses_are_straight_between_breakpoints_and_bent_at_them(loss):
    random = np.random.default_rng(7)
    X, y = random.normal(size=(30, 3)), random.integers(0, 5, 30)
    W, U = random.normal(size=(2, 5, 4))
    objective = Objective(X, y, loss, 0.0, 5)
    examples, positions = breakpoints(objective, W, U, -4.0, 4.0)
    assert len(positions) > 30
    assert (np.diff(positions) >= 0).all()
    assert_straight_between(objective, W, U, examples, positions, -4.0, 4.0)


def test_only_piecewise_linear_losses_have_breakpoints():
    W = np.zeros((3, 4))
    for loss in (*SMOOTH, *ROUNDED):
        with pytest.raises(ValueError, match="needs a piecewise linear loss"):
            breakpoints(Objective(np.eye(3), np.arange(3), loss, 0.0, 3), W, W, 0, 1)
    with pytest.raises(ValueError, match="start must be less than stop, got 1 and 1"):
        breakpoints(Objective(np.eye(3), np.arange(3), Hinge(), 0.0, 3), W, W, 1, 1)


def test_a_path_within_a_plane_is_recovered():
    random = np.random.default_rng(0)
    U, V = random_directions(np.zeros((3, 4)))
    end = random.normal(size=(3, 4))
    steps = np.array([[5, 1], [4, -2], [1, 0.5], [0, 0]])
    iterates = [end + a * U + b * V for a, b in steps]
    plane = path_plane(iterates)
    assert plane.explained == pytest.approx(1)
    assert_allclose(
        plane.origin + np.tensordot(plane.points, plane.directions, 1), iterates, atol=1e-12
    )
    assert_allclose(np.linalg.norm(plane.points, axis=1), np.linalg.norm(steps, axis=1))
    assert plane.points[0, 0] > 0


def test_the_loss_along_the_path_of_an_optimizer(blobs):
    X, y = blobs()
    objective = Objective(X, y, CrossEntropy(), 0.01, 4)
    result = LBFGS().minimize(objective, np.zeros(objective.shape), keep_iterates=True)
    plane = path_plane(result.iterates)
    values = landscape(objective, plane.origin, plane.directions, plane.points)
    assert values[-1] == pytest.approx(result.value, rel=1e-12)
    offsets = np.stack(result.iterates) - result.iterates[-1]
    left = offsets - np.tensordot(plane.points, plane.directions, 1)
    assert plane.explained == pytest.approx(1 - (left**2).sum() / (offsets**2).sum())
    assert plane.explained > 0.8
    # No other plane through the end keeps more.
    for seed in range(5):
        others = random_directions(plane.origin, random_state=seed).reshape(2, -1)
        assert ((offsets.reshape(len(offsets), -1) @ others.T) ** 2).sum() < (plane.points**2).sum()


@pytest.mark.parametrize(
    "model", [LinearSVM(0.1), Softmax(0.1, standardize=True, class_weight="balanced")]
)
def test_a_model_lies_at_the_bottom_of_its_landscape(blobs, model):
    X, y = blobs()
    names = np.array(["a", "b", "c", "d"])[y]
    model.set_params(solver=LBFGS(tol=1e-12)).fit(X, names)
    objective, W = model.objective(X, names)
    assert objective.value(W) == pytest.approx(model.loss_curve_[-1], rel=1e-12)
    for seed in range(5):
        line = landscape(
            objective,
            W,
            random_directions(W, 1, random_state=seed),
            [[-0.1], [-0.01], [0], [0.01], [0.1]],
        )
        assert (np.diff(line, 2) > 0).all()
        assert line.argmin() == 2
    with pytest.raises(ValueError, match=r"labels that are not among the classes.*'e'"):
        model.objective(X, ["e"] * len(y))


def test_a_path_without_motion_lies_in_any_plane():
    plane = path_plane([np.ones((2, 3))] * 3)
    assert plane.explained == 1
    assert_array_equal(plane.points, np.zeros((3, 2)))


def test_bad_arguments_are_named():
    objective = Objective(np.eye(3), np.arange(3), Hinge(), 0.0, 3)
    W = np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"W must be of shape \(3, 4\), got \(3, 3\)"):
        landscape(objective, np.eye(3), [W], [[0.0]])
    with pytest.raises(ValueError, match=r"directions must be of shape .* got \(3, 4\)"):
        landscape(objective, W, W, [[0.0]])
    with pytest.raises(ValueError, match="points must have 1 coordinates"):
        landscape(objective, W, [W], [0.0, 1.0])
    with pytest.raises(ValueError, match="at least 3 iterates, got 2"):
        path_plane([W, W])
