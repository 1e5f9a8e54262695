"""Tasks in workers: threads, processes, or the workers of Dask or Ray."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from . import interruption
from .counts import counted
from .pools import Pool, engine_name, open_pool

__all__ = ["ENGINES", "Crash", "Workers", "engine_of", "in_workers", "ordered_map"]

ENGINES = ("threads", "processes", "dask", "ray")
POLL_SECONDS = 1.0  # on Windows a signal is noticed between two waits

Task = TypeVar("Task")
T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """Which workers do the tasks.

    Attributes
    ----------
    n_jobs : int or None
        Threads or processes, as in joblib. The workers of Dask and Ray are all used.
    engine : str or None
        One of ``ENGINES``. None: what ``joblib.parallel_config`` says, or threads.
    scheduler : str or None
        Address of Dask's scheduler or of the Ray cluster.
    """

    n_jobs: int | None = None
    engine: str | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.engine is not None and self.engine not in ENGINES:
            raise ValueError(f"engine {self.engine!r}: expected one of {', '.join(ENGINES)}")
        if self.scheduler is not None and self.engine not in ("dask", "ray"):
            raise ValueError("a scheduler needs the engine dask or ray")


@dataclass(frozen=True)
class Crash:
    """Stands for the result of a task whose worker process died, with the task alone in it."""

    reason: str


def in_workers(
    function: Callable[[Task], T],
    tasks: Iterable[Task],
    workers: Workers | int | None = None,
    *,
    alone: bool = False,
    pool: Pool | None = None,
) -> Iterator[tuple[Task, T | Crash]]:
    """Apply a function to tasks by workers and yield each result as soon as it is there.

    Tasks are taken from the iterable while workers become free. When a worker process dies, the
    tasks that it may have taken with it are tried again at the end, one at a time.

    Parameters
    ----------
    function : callable
    tasks : iterable
        Arguments that are small: they are sent to the workers.
    workers : Workers or int or None
        An int is ``n_jobs``.
    alone : bool
        Do one task at a time, and none of them twice.
    pool : Pool, optional
        One that is open already, of these workers.

    Yields
    ------
    (object, object)
        A task and its result.

    Raises
    ------
    Interrupted
        If the job was asked to end, when the running tasks are done and yielded.

    Examples
    --------
    >>> sorted(in_workers(abs, [-1, 2], 2))
    [(-1, 1), (2, 2)]
    """
    workers = workers if isinstance(workers, Workers) else Workers(workers)
    with (
        interruption.deferred(),
        _opened(workers) if pool is None else nullcontext(pool) as pool,
    ):
        lost: list[Task] = list(tasks) if alone else []
        if not alone:
            yield from _side_by_side(function, iter(tasks), pool, lost)
        interruption.check()
        if lost and not alone:
            warnings.warn(
                f"a worker process died; {counted(len(lost), 'task is', 'tasks are')} tried again, "
                "one at a time",
                stacklevel=2,
            )
        for task in lost:
            interruption.check()
            yield task, _alone(function, task, pool)


@contextmanager
def ordered_map(
    workers: Workers | int | None,
) -> Iterator[Callable[[Callable[[Any], T], Iterable[Any]], Iterator[T]]]:
    """Open workers for a function that maps functions over tasks and yields results in order.

    Raises
    ------
    ChildProcessError
        If a task kills its worker, twice.

    Examples
    --------
    >>> with ordered_map(2) as map_:
    ...     list(map_(abs, [-1, 2]))
    [1, 2]
    """
    workers = workers if isinstance(workers, Workers) else Workers(workers)
    with _opened(workers) as pool:

        def map_(function: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
            results: dict[int, T] = {}
            turn, of_number = 0, partial(_second, function)
            for (i, _), result in in_workers(of_number, enumerate(tasks), workers, pool=pool):
                if isinstance(result, Crash):
                    raise ChildProcessError(f"a worker process died twice: {result.reason}")
                results[i] = result
                while turn in results:
                    yield results.pop(turn)
                    turn += 1

        yield map_


def _second(function: Callable[[Any], T], task: tuple[int, Any]) -> T:
    return function(task[1])


def _opened(workers: Workers) -> AbstractContextManager[Pool]:
    return open_pool(workers.engine, workers.n_jobs, workers.scheduler)


def engine_of(workers: Workers | int | None) -> str:
    """Return the name of the engine that :func:`in_workers` uses."""
    return engine_name(workers.engine if isinstance(workers, Workers) else None)


def _side_by_side(
    function: Callable[[Task], T], tasks: Iterator[Task], pool: Pool, lost: list[Task]
) -> Iterator[tuple[Task, T]]:
    """Keep all workers busy; tasks whose worker died are added to ``lost``."""
    running: dict[Future[T], Task] = {}
    try:
        while True:
            is_over = interruption.is_asked() or not _fill(function, tasks, pool, running, lost)
            if is_over and not running:
                return
            if not running:  # all workers are being replaced
                time.sleep(POLL_SECONDS)
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            if interruption.is_asked():
                done |= {future for future in running if future.cancel()}
            for future in done:
                task = running.pop(future)
                if future.cancelled():
                    continue
                if isinstance(future.exception(), pool.crashes):
                    lost.append(task)
                else:
                    yield task, future.result()
    finally:
        for future in running:
            future.cancel()


def _fill(
    function: Callable[[Task], T],
    tasks: Iterator[Task],
    pool: Pool,
    running: dict[Future[T], Task],
    lost: list[Task],
) -> bool:
    """Hand out tasks, two for each worker; return whether there may be more of them."""
    room = 2 * pool.size() - len(running)
    for _ in range(room):
        try:
            task = next(tasks)
        except StopIteration:
            return False
        try:
            running[pool.submit(function, task)] = task
        except pool.crashes:
            lost.append(task)
    return True


def _alone(function: Callable[[Task], T], task: Task, pool: Pool) -> T | Crash:
    try:
        future = pool.submit(function, task)
        while not wait([future], timeout=POLL_SECONDS).done:
            pool.size()  # an error where no worker is left
        return future.result()
    except pool.crashes as error:
        return Crash(str(error).partition("\n")[0])
