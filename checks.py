"""Checks of parameters: each returns the value in Python's own type or says what it must be."""

import math
import sys
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeGuard, TypeVar

import numpy as np

__all__ = [
    "check_bool",
    "check_choice",
    "check_integer",
    "check_jobs",
    "check_pair",
    "check_real",
    "check_seed",
]

T = TypeVar("T")
LARGEST = sys.float_info.max


def check_integer(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """Return a whole number as ``int``.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        A whole number of any numeric type; 8.0 is one, True is not.
    least, most : int, int or None
        The smallest and the largest value that are allowed; None sets no upper limit.

    Raises
    ------
    ValueError
        If the value is anything else.

    Examples
    --------
    >>> check_integer("n_bins", np.uint8(10))
    10
    >>> check_integer("n_bins", 5000, most=4096)
    Traceback (most recent call last):
    ValueError: n_bins must be a whole number from 1 to 4096, got 5000
    """
    if not _is_integer(value, least, most):
        raise ValueError(f"{name} must be a whole number {_range(least, most)}, got {value!r}")
    return int(value)


def check_pair(
    name: str, values: object, least: int = 1, most: int | None = None
) -> tuple[int, int]:
    """Return two whole numbers (rows, columns) as a tuple of ``int``.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    values : object
        A sequence or an array of two whole numbers, each as in :func:`check_integer`.
    least, most : int, int or None
        The smallest and the largest value of either number; None sets no upper limit.

    Raises
    ------
    ValueError
        If the values are anything else.

    Examples
    --------
    >>> check_pair("pixels_per_cell", [8, 4.0])
    (8, 4)
    >>> check_pair("pixels_per_cell", 8)
    Traceback (most recent call last):
    ValueError: pixels_per_cell must be two whole numbers (rows, columns) of at least 1, got 8
    """
    pair: Any = values if isinstance(values, Sequence | np.ndarray) else ()
    if len(pair) != 2 or not all(_is_integer(value, least, most) for value in pair):
        what = f"two whole numbers (rows, columns) {_range(least, most)}"
        raise ValueError(f"{name} must be {what}, got {values!r}")
    return int(pair[0]), int(pair[1])


def check_real(
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> float:
    """Return a finite number as ``float``.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        A number of any real type; True is not one.
    above, least, below, most : float
        The value must be larger than ``above`` and smaller than ``below``, at least ``least`` and
        at most ``most``.

    Raises
    ------
    ValueError
        If the value is anything else, infinite or NaN.

    Examples
    --------
    >>> check_real("beta", 0, above=0)
    Traceback (most recent call last):
    ValueError: beta must be a finite number above 0, got 0
    """
    number = _without_numpy(value)
    if (
        not _is_number(number)
        or not above < number < below
        or not -LARGEST <= number <= LARGEST
        or not least <= number <= most
    ):
        limits = {"above": above, "of at least": least, "below": below, "at most": most}
        named = [f"{what} {limit:g}" for what, limit in limits.items() if math.isfinite(limit)]
        what = " ".join(["a finite number", " and ".join(named)]).strip()
        raise ValueError(f"{name} must be {what}, got {value!r}")
    return float(number)


def check_jobs(n_jobs: object) -> int | None:
    """Return a number of workers as ``int``, or None; raise a ValueError for anything else."""
    if n_jobs is None:
        return None
    if not _is_integer(n_jobs) or n_jobs == 0:
        raise ValueError(
            "n_jobs must be a number of workers, -1 for all cores (-2 for all but one), or None, "
            f"got {n_jobs!r}"
        )
    return int(n_jobs)


def check_bool(name: str, value: object) -> bool:
    """Return a truth value of Python or NumPy as ``bool``; raise a ValueError for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_choice(name: str, value: T, choices: Sequence[T]) -> T:
    """Return a value that is one of ``choices``, strings or None; raise a ValueError otherwise.

    Examples
    --------
    >>> check_choice("norm", "l3", ("l1", "l2", None))
    Traceback (most recent call last):
    ValueError: norm must be one of ('l1', 'l2', None), got 'l3'
    """
    if not isinstance(value, str | None) or value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}, got {value!r}")
    return value


def check_seed(name: str, value: object) -> int | None:
    """Return the seed that an int, a RandomState or None stands for; None stays None.

    A RandomState gives its next number, so it moves on. Anything else raises a ValueError.
    """
    if value is None:
        return None
    if isinstance(value, np.random.RandomState):
        return int(value.randint(np.iinfo(np.int32).max))
    if not _is_integer(value, 0, None):
        what = "a whole number of at least 0, a numpy RandomState or None"
        raise ValueError(f"{name} must be {what}, got {value!r}")
    return int(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_integer(
    value: object, least: float = -math.inf, most: float | None = None
) -> TypeGuard[float]:
    number = _without_numpy(value)
    if not _is_number(number) or number % 1 != 0:
        return False
    return least <= number and (most is None or number <= most)


def _without_numpy(value: object) -> object:
    """Return a float of NumPy as Python's, whose comparisons with huge numbers do not warn."""
    return float(value) if isinstance(value, np.floating) else value


def _range(least: int, most: int | None) -> str:
    return f"of at least {least}" if most is None else f"from {least} to {most}"
