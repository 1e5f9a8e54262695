"""A time limit for each of many calls, in threads as well as in processes."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["TooManyStuckError", "run_each"]

MAX_STUCK = 16  # calls in a process that run on after their time

_stuck: list[threading.Thread] = []
_lock = threading.Lock()


class TooManyStuckError(TimeoutError):
    """Too many calls run on after their time."""


def run_each(
    function: Callable[[int], Any], n: int, seconds: float | None
) -> Iterator[tuple[int, Any, Exception | None]]:
    """Call ``function(i)`` for each i below n and yield (i, result, error), in order.

    A call that takes longer yields a TimeoutError. Its thread ends with the call, since Python
    cannot end it before.

    Raises
    ------
    TooManyStuckError
        If more than 16 such calls run on in this process.

    Examples
    --------
    >>> [(i, value) for i, value, error in run_each(lambda i: i * i, 3, seconds=1)]
    [(0, 0), (1, 1), (2, 4)]
    """
    if seconds is None:
        for i in range(n):
            yield i, *_outcome(function, i)
        return
    start = 0
    while start < n:
        results: queue.SimpleQueue[tuple[int, Any, Exception | None]] = queue.SimpleQueue()
        is_left = threading.Event()
        thread = threading.Thread(
            target=_run, args=(function, start, n, results, is_left), daemon=True
        )
        thread.start()
        for i in range(start, n):
            try:
                yield results.get(timeout=seconds)
            except queue.Empty:
                is_left.set()
                yield i, None, TimeoutError()
                _count_stuck(thread, seconds)
                start = i + 1
                break
        else:
            return


def _count_stuck(thread: threading.Thread, seconds: float) -> None:
    """Note a call that runs on."""
    with _lock:
        _stuck[:] = [other for other in (*_stuck, thread) if other.is_alive()]
        if len(_stuck) > MAX_STUCK:
            raise TooManyStuckError(
                f"{len(_stuck)} images are still being read or decoded after their time limit of "
                f"{seconds:g} s; see whether the disk answers, or raise --time-limit, and run the "
                "job again: what was computed is kept"
            )


def _run(
    function: Callable[[int], Any],
    start: int,
    n: int,
    results: "queue.SimpleQueue[tuple[int, Any, Exception | None]]",
    is_left: threading.Event,
) -> None:
    for i in range(start, n):
        outcome = _outcome(function, i)
        if is_left.is_set():
            return
        results.put((i, *outcome))


def _outcome(function: Callable[[int], Any], i: int) -> tuple[Any, Exception | None]:
    try:
        return function(i), None
    except Exception as error:
        return None, error
