"""Hints for arguments that other libraries have by another name."""

from collections.abc import Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

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


def with_hints(hints: Mapping[str, str]) -> Any:
    """Return a decorator of an estimator: unknown arguments of its constructor get a hint.

    The signature of the constructor, which scikit-learn reads, stays as it is.
    """

    def decorate(cls: Class) -> Class:
        """Let the constructor of an estimator refuse unknown arguments with a hint."""
        init = cls.__init__  # type: ignore[misc]
        known = set(init.__kwdefaults__ or ()) | set(init.__code__.co_varnames)

        @wraps(init)
        def hinted(self: Any, *args: Any, **kwargs: Any) -> None:
            hint_at(cls.__name__, [name for name in kwargs if name not in known], hints)
            init(self, *args, **kwargs)

        cls.__init__ = hinted  # type: ignore[misc]
        return cls

    return decorate
