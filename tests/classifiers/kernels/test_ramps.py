"""Sums of ramps against the formulas of a rounded hinge, worked out by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from visualwords.classifiers.kernels.ramps import sum_of_ramps


def rounded(m, width):
    """Value and slope of ``max(0, m)`` whose kink is a parabola over the width."""
    inside = np.abs(m) < width / 2
    value = np.where(inside, (m + width / 2) ** 2 / (2 * width or 1), np.maximum(m, 0))
    return value, np.where(inside, m / (width or 1) + 0.5, m > 0)


def by_hand(scores, y, width, coupled):
    values, slacks = np.zeros(len(y)), np.zeros(len(y))
    gradients = np.zeros(scores.shape)
    for i, own in enumerate(y):
        for k in range(scores.shape[1]):
            if coupled and k == own:
                continue
            direction = np.zeros(scores.shape[1])
            direction[k] = -1 if k == own else 1
            direction[own] -= coupled
            m = 1 + direction @ scores[i]
            value, slope = rounded(m, width)
            values[i] += value
            slacks[i] += max(m, 0) - slope * m
            gradients[i] += slope * direction
    return values, slacks, gradients


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("coupled", [True, False])
@pytest.mark.parametrize("width", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("shape", [(40, 2), (1, 3), (75, 11), (0, 3)])
def test_values_slacks_and_gradients_are_those_of_rounded_hinges(shape, width, coupled, dtype):
    rng = np.random.default_rng(0)
    scores, y = 2 * rng.normal(size=shape).astype(dtype), rng.integers(0, shape[1], shape[0])
    found = sum_of_ramps(scores, y, width, coupled)
    exact = by_hand(scores.astype(np.float64), y, width, coupled)
    for of_kernel, truth in zip(found, exact, strict=True):
        assert of_kernel.dtype == dtype
        assert_allclose(of_kernel, truth, atol=2e-5 if dtype == np.float32 else 1e-13)


def test_a_step_is_0_at_the_kink():
    found = sum_of_ramps(np.array([[1.0, 0.0]]), np.array([0]), 0.0, coupled=True)
    assert [array.tolist() for array in found] == [[0], [0], [[0, 0]]]
