"""Signals that end a command: Ctrl-C and SIGTERM."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupted", "signals"]


class Interrupted(BaseException):
    """The user (SIGINT) or the system (SIGTERM) asked the job to end.

    Typer would take a KeyboardInterrupt for its own.
    """


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def signals() -> Iterator[None]:
    """Turn signals into an exception, so that a job ends in order."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    try:
        before = [signal.signal(number, _interrupt) for number in numbers]
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
