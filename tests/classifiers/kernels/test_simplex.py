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
def test_points_of_the_simplex_stay_and_the_row_alone_counts(dtype, order):
    rng = np.random.default_rng(0)
    inside = rng.dirichlet(np.ones(11), 50).astype(dtype)
    moved = np.asarray(inside + rng.normal(size=(50, 1)).astype(dtype), order=order)
    before = moved.copy()
    nearest = nearest_on_simplex(moved)
    assert nearest.dtype == dtype
    assert_allclose(nearest, inside, rtol=0, atol=10 * np.finfo(dtype).eps)
    assert_array_equal(moved, before)
    assert_array_equal(nearest, np.concatenate([nearest_on_simplex(row[None]) for row in moved]))


def test_numbers_without_bound():
    points = np.array([[-np.inf, 0.0, 0.0], [1e300, 0.0, -1e300], [5.0, -np.inf, -np.inf]])
    assert nearest_on_simplex(points).tolist() == [[0, 0.5, 0.5], [1, 0, 0], [1, 0, 0]]
    assert np.isnan(nearest_on_simplex(np.array([[np.nan, 1.0]]))).any()
    assert nearest_on_simplex(np.empty((0, 3))).shape == (0, 3)
