"""Let a job that is asked to end finish what is running first."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Interrupted", "ask", "check", "deferred", "is_asked"]


class Interrupted(BaseException):
    """The user (SIGINT) or the system (SIGTERM) asked the job to end.

    Its argument is the number of the signal.
    """


_depth = 0  # of nested `deferred`
_asked: list[int] = []  # numbers of signals


def ask(number: int) -> bool:
    """Ask the job to end; a handler of signals calls this, in the main thread.

    Returns
    -------
    bool
        Whether this is the first time.

    Raises
    ------
    Interrupted
        At once, where nothing is running that ought to finish.
    """
    is_first = not _asked
    if not _depth:
        raise Interrupted(number)
    _asked.append(number)
    return is_first


def is_asked() -> bool:
    """Tell whether the job was asked to end."""
    return bool(_asked)


def check() -> None:
    """End the job if that was asked for."""
    if _asked:
        raise Interrupted(_asked[0])


@contextmanager
def deferred() -> Iterator[None]:
    """Note requests to end instead of raising them; the block looks at :func:`is_asked`."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        number = _asked[0] if _asked else None
        if not _depth:
            _asked.clear()
    if number is not None:
        raise Interrupted(number)
