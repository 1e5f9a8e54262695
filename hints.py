"""Hints for arguments that other libraries have by another name."""

from collections.abc import Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

__all__ = ["hint_at", "with_hints"]

Class = TypeVar("Class", bound=type)


def hint_at(callee: str, unknown: Iterable[str], hints: Mapping[str, str]) -> None:
    """Refuse the first unknown argument, with the hint that belongs to its name.

    Raises
    ------
    TypeError
        If any argument is unknown.

    Examples
    --------
    >>> hint_at("LinearSVM", ["C"], {"C": "use alpha = 1 / (n * C)"})
    Traceback (most recent call last):
        ...
    TypeError: LinearSVM has no argument 'C': use alpha = 1 / (n * C)
    """
    for name in unknown:
        hint = hints.get(name)
        raise TypeError(f"{callee} has no argument {name!r}{f': {hint}' if hint else ''}")


def _check_nested(kind: str, name: str, values: Mapping[str, object]) -> None:
    """Refuse a name such as solver__tol where the value of ``solver`` has no parameters."""
    outer, is_nested, inner = name.partition("__")
    if is_nested and outer in values and not hasattr(values[outer], "set_params"):
        raise ValueError(
            f"{kind} cannot set {name!r}: {outer} is {values[outer]!r}, which has no parameters; "
            f"set {outer} to an object that has {inner!r}"
        )


def with_hints(hints: Mapping[str, str]) -> Any:
    """Return a decorator of an estimator: names that others have for its parameters get a hint.

    The constructor refuses any unknown argument. ``set_params`` refuses those that have a hint, and
    parameters of a parameter that has none. The signature of the constructor, which scikit-learn
    reads, stays as it is.
    """

    def decorate(cls: Class) -> Class:
        """Let an estimator refuse unknown parameters with a hint."""
        init, set_params = cls.__init__, cls.set_params  # type: ignore[misc, attr-defined]
        known = set(init.__kwdefaults__ or ()) | set(init.__code__.co_varnames)

        @wraps(init)
        def hinted(self: Any, *args: Any, **kwargs: Any) -> None:
            hint_at(cls.__name__, [name for name in kwargs if name not in known], hints)
            init(self, *args, **kwargs)

        @wraps(set_params)
        def hinted_set_params(self: BaseEstimator, **params: object) -> BaseEstimator:
            known, kind = self.get_params(deep=False), type(self).__name__
            for name in params:
                if name in hints and name not in known:
                    raise ValueError(f"{kind} has no parameter {name!r}: {hints[name]}")
                _check_nested(kind, name, known | params)
            return set_params(self, **params)

        cls.__init__ = hinted  # type: ignore[misc]
        cls.set_params = hinted_set_params  # type: ignore[attr-defined]
        return cls

    return decorate
