"""Run blocks of rows in threads.

Every parallel computation of the library runs ``n_jobs`` Python threads over blocks of rows, in
kernels that release the GIL. The thread of the caller is one of them. Meanwhile the thread pools of
BLAS, OpenMP and OpenCV are limited to one thread each, so that ``n_jobs`` cores are busy and no
more. One thread computes a block, in a fixed order. So results do not depend on ``n_jobs``.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from sys import modules
from threading import Lock
from typing import Any

import joblib
from threadpoolctl import ThreadpoolController

from visualwords.checks import check_jobs

__all__ = ["Map", "even_blocks", "row_blocks", "worker_threads"]

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@contextmanager
def worker_threads(n_jobs: int | None = None) -> Iterator[Map]:
    """Give a ``map`` that computes blocks in threads.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib: ``None`` is 1 unless a ``joblib.parallel_config`` says otherwise, -1 is all
        cores.

    Yields
    ------
    callable
        A ``map(function, items)`` that keeps the order of the items. When a call raises an
        exception, the iteration raises it in place of the result. Items that no thread has begun
        are left out.

    Examples
    --------
    >>> with worker_threads(2) as map_:
    ...     list(map_(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    n_threads = _number_of_threads(n_jobs)
    with _library_threads:
        if n_threads == 1:
            yield map
        else:
            with ThreadPoolExecutor(n_threads - 1, thread_name_prefix="visualwords") as pool:
                yield partial(_shared_map, pool.submit, n_threads - 1)


def _number_of_threads(n_jobs: int | None) -> int:
    """Return how many threads ``n_jobs`` stands for."""
    return int(joblib.effective_n_jobs(check_jobs(n_jobs)))


def _shared_map(
    submit: Callable[..., Future[None]],
    n_more: int,
    function: Callable[[Any], Any],
    items: Iterable[Any],
) -> Iterator[Any]:
    """Map a function over items in ``n_more`` tasks and in the thread that iterates.

    Each of them takes the next item when it is free. A task for each item would often cost more
    than the work on a block.
    """
    items = list(items)
    turns = iter(range(len(items)))
    results: dict[int, tuple[Any, BaseException | None]] = {}

    def take(turn: int) -> None:
        try:
            results[turn] = function(items[turn]), None
        except BaseException as error:
            results[turn] = None, error
            deque(turns, maxlen=0)

    def take_turns() -> None:
        for turn in turns:
            take(turn)

    tasks = [submit(take_turns) for _ in range(min(n_more, len(items) - 1))]
    try:
        for i in range(len(items)):
            while i not in results and (turn := next(turns, None)) is not None:
                take(turn)
            if i not in results:  # A task computes it, and no item is left to take.
                wait([task for task in tasks if not task.cancel()])
            result, error = results.pop(i)
            if error is not None:
                raise error
            yield result
    finally:
        deque(turns, maxlen=0)


class _SingleThreadedLibraries:
    """Limits BLAS, OpenMP and OpenCV to one thread from the first entry to the last exit.

    The limits hold for the whole process. Computations may overlap, so only the last exit restores
    the limits that the first entry found.
    """

    def __init__(self) -> None:
        self._controller: ThreadpoolController | None = None
        self._n_modules = 0
        self._lock = Lock()
        self._entries = 0
        self._restore = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._entries == 0:
                self._restore.enter_context(self._found().limit(limits=1))
                self._restore.enter_context(_single_threaded_opencv())
            self._entries += 1

    def _found(self) -> ThreadpoolController:
        """Return the libraries of the process. Search again only after an import: it is slow."""
        if self._n_modules != len(modules):
            self._controller, self._n_modules = ThreadpoolController(), len(modules)
        return self._controller

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._entries -= 1
            if self._entries == 0:
                self._restore.close()


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    """Limit OpenCV to one thread if it is imported; threadpoolctl does not know OpenCV."""
    cv2 = modules.get("cv2")
    if cv2 is None:
        yield
        return
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


_library_threads = _SingleThreadedLibraries()


def row_blocks(n_rows: int, block: int) -> list[slice]:
    """Cut ``n_rows`` rows into slices of ``block`` rows; the last may be shorter.

    Examples
    --------
    >>> row_blocks(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + block, n_rows)) for start in range(0, n_rows, block)]


def even_blocks(n_rows: int, most: int, n_jobs: int | None) -> list[slice]:
    """Cut ``n_rows`` rows into slices of at most ``most`` rows, at least two for each thread.

    Examples
    --------
    >>> even_blocks(6, 256, n_jobs=1)
    [slice(0, 3, None), slice(3, 6, None)]
    """
    n_threads = _number_of_threads(n_jobs)
    return row_blocks(n_rows, max(1, min(most, -(-n_rows // (2 * n_threads)))))
