"""Signals that end a command: Ctrl-C and SIGTERM."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .cli_screen import warn
from .interruption import ask

__all__ = ["signals"]


def _interrupt(number: int, frame: FrameType | None) -> None:
    if ask(number):
        warn("the job ends when the images in work are done; once more ends it at once")
    else:
        os._exit(128 + number)


@contextmanager
def signals() -> Iterator[None]:
    """Let signals end the job in order: what is running is finished and kept."""
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
