"""The checks of parameters."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from visualwords.checks import (
    check_bool,
    check_choice,
    check_integer,
    check_jobs,
    check_pair,
    check_real,
)


@pytest.mark.parametrize("value", [8, 8.0, np.uint8(8), np.float32(8), Fraction(8)], ids=repr)
def test_a_whole_number_of_any_type_becomes_int(value):
    assert check_integer("n", value, 8, 8) == 8
    assert type(check_integer("n", value)) is int
    assert check_pair("sizes", (value, 4)) == (8, 4)
    assert [type(n) for n in check_pair("sizes", np.array([8, 4], np.uint8))] == [int, int]


NOT_WHOLE = [8.5, "8", None, True, np.True_, [8], np.array(8), math.nan, math.inf, 8j]


@pytest.mark.parametrize("value", [*NOT_WHOLE, 0, 11, -8], ids=repr)
def test_other_values_are_no_whole_number_in_the_range(value):
    message = f"n must be a whole number from 1 to 10, got {re.escape(repr(value))}$"
    with pytest.raises(ValueError, match=message):
        check_integer("n", value, 1, 10)
    message = r"n must be two whole numbers \(rows, columns\) from 1 to 10, got "
    for values in ((value, 8), [8, value]):
        with pytest.raises(ValueError, match=message + re.escape(repr(values))):
            check_pair("n", values, 1, 10)


@pytest.mark.parametrize("values", [8, (8,), (8, 8, 8), "88", None, {8: 8, 9: 9}], ids=repr)
def test_other_values_are_no_pair(values):
    message = r"n must be two whole numbers \(rows, columns\) of at least 1, got "
    with pytest.raises(ValueError, match=message + re.escape(repr(values))):
        check_pair("n", values)


@pytest.mark.parametrize("value", [2, 2.0, np.int8(2), np.float32(2), Fraction(2)], ids=repr)
def test_a_number_of_any_type_becomes_float(value):
    assert type(check_real("x", value, above=1, least=2)) is float
    assert check_real("x", value) == 2


@pytest.mark.parametrize("value", ["2", None, True, [2], math.nan, math.inf, 1j, -0.0], ids=repr)
def test_other_values_are_no_number_above_zero(value):
    message = f"x must be a finite number above 0, got {re.escape(repr(value))}$"
    with pytest.raises(ValueError, match=message):
        check_real("x", value, above=0)


def test_the_least_number_is_allowed():
    assert check_real("x", 0, least=0) == 0
    with pytest.raises(ValueError, match="x must be a finite number of at least 0, got -1"):
        check_real("x", -1, least=0)
    with pytest.raises(ValueError, match="x must be a finite number above 0 and at most 9, got 10"):
        check_real("x", 10, above=0, most=9)
    with pytest.raises(ValueError, match="number of at least 0 and below 1, got 1"):
        check_real("x", 1, least=0, below=1)
    assert check_real("x", 1 - 2**-53, least=0, below=1) == 1 - 2**-53


def test_numbers_of_workers():
    assert [check_jobs(n) for n in (None, -1, 2.0, np.uint8(3))] == [None, -1, 2, 3]
    for value in (0, 1.5, "2", True, [1], math.inf):
        with pytest.raises(ValueError, match="n_jobs must be a number of workers, -1 for all"):
            check_jobs(value)


def test_truth_values():
    assert check_bool("flag", np.True_) is True
    assert check_bool("flag", False) is False
    for value in (0, 1, "yes", None, np.array([True])):
        with pytest.raises(ValueError, match="flag must be True or False, got"):
            check_bool("flag", value)


def test_choices():
    choices = ("l1", "l2", None)
    assert [check_choice("norm", choice, choices) for choice in choices] == list(choices)
    for value in ("L1", "", 1, True, ["l1"], np.array(["l1", "l2"])):
        with pytest.raises(ValueError, match=r"norm must be one of \('l1', 'l2', None\), got "):
            check_choice("norm", value, choices)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_floats_of_numpy_are_checked_without_warnings(kind):
    assert check_integer("n", kind(12), most=10**6) == 12
    assert check_real("x", kind(12), above=0, most=2.0**16) == 12
    for value in (kind(np.inf), kind(-np.inf), kind(np.nan)):
        with pytest.raises(ValueError, match="n must be a whole number"):
            check_integer("n", value)
        with pytest.raises(ValueError, match="x must be a finite number"):
            check_real("x", value)


def test_integers_beyond_all_floats_are_no_finite_numbers():
    with pytest.raises(ValueError, match="x must be a finite number of at least 0, got 1000"):
        check_real("x", 10**400, least=0)
    assert check_integer("n", 10**400) == 10**400
