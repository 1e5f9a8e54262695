"""Nearest points of the simplex against the conditions of its quadratic program."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal

from visualwords.classifiers.kernels.simplex import nearest_on_simplex

POINTS = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-1e3, 1e3)
)


@settings(deadline=None)
@given(POINTS)
def test_a_nearest_point_keeps_the_conditions_of_its_quadratic_program(points):
    nearest = nearest_on_simplex(points)
    assert (nearest >= 0).all()
    assert_allclose(nearest.sum(axis=1), 1, rtol=0, atol=1e-12)
    # Where a coordinate is positive the distance is the same level; elsewhere it is no greater.
    distance = points - nearest
    level = np.where(nearest > 0, distance, -np.inf).max(axis=1, keepdims=True)
    assert_allclose(np.where(nearest > 0, distance, level), level + 0 * distance, atol=1e-12)
    assert (distance <= level + 1e-12).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_of_the_simplex_stay(dtype, order):
    rng = np.random.default_rng(0)
    inside = rng.dirichlet(np.ones(11), 50).astype(dtype)
    moved = np.asarray(inside + rng.normal(size=(50, 1)).astype(dtype), order=order)
    before = moved.copy()
    nearest = nearest_on_simplex(moved)
    assert nearest.dtype == dtype
    assert_allclose(nearest, inside, rtol=0, atol=10 * np.finfo(dtype).eps)
    assert_array_equal(moved, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_has_the_same_bits_alone_and_beside_others(dtype):
    # Numbers that lie at the level but for rounding, beside a row that loses a number in each pass.
    ties = np.array([-1 / 3, -2 / 3, -1, *[-50] * 7])
    slow = [0.0]
    for k in range(2, 11):
        slow.append((sum(slow) - 1) / (k - 1) - 1e-3 * 2**k)
    tenths = np.random.default_rng(0).integers(-30, 30, (2000, 10)) / 30 / 0.3
    points = np.concatenate([[ties] * 3, [slow], tenths]).astype(dtype)
    nearest = nearest_on_simplex(points)
    assert_array_equal(nearest, np.concatenate([nearest_on_simplex(row[None]) for row in points]))
    assert_allclose(nearest.sum(axis=1), 1, rtol=0, atol=20 * np.finfo(dtype).eps)


def test_numbers_without_bound():
    points = np.array([[-np.inf, 0.0, 0.0], [1e300, 0.0, -1e300], [5.0, -np.inf, -np.inf]])
    assert nearest_on_simplex(points).tolist() == [[0, 0.5, 0.5], [1, 0, 0], [1, 0, 0]]
    assert np.isnan(nearest_on_simplex(np.array([[np.nan, 1.0]]))).any()
    assert nearest_on_simplex(np.empty((0, 3))).shape == (0, 3)
