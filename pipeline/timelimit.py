"""A time limit for each of many calls, in threads as well as in processes."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["run_each"]


def run_each(
    function: Callable[[int], Any], n: int, seconds: float | None
) -> Iterator[tuple[int, Any, Exception | None]]:
    """Call ``function(i)`` for each i below n and yield (i, result, error), in order.

    A call that takes longer is left to itself, in its thread, and yields a TimeoutError.

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
        threading.Thread(
            target=_run, args=(function, start, n, results, is_left), daemon=True
        ).start()
        for i in range(start, n):
            try:
                yield results.get(timeout=seconds)
            except queue.Empty:
                is_left.set()
                yield i, None, TimeoutError()
                start = i + 1
                break
        else:
            return


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
