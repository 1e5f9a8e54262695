"""Tasks in workers: threads by default, or what ``joblib.parallel_config`` says."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import joblib

__all__ = ["in_workers"]

T = TypeVar("T")


def in_workers(
    function: Callable[..., T], tasks: Sequence[Any], n_jobs: int | None
) -> Iterator[tuple[int, T]]:
    """Apply a function to tasks by workers and yield each result as soon as it is there.

    Parameters
    ----------
    function : callable
    tasks : sequence
        Arguments that are small: they are sent to the workers.
    n_jobs : int or None
        As in joblib.

    Yields
    ------
    (int, object)
        Number of the task and its result.

    Notes
    -----
    Some backends of joblib (Ray, multiprocessing) give all results at the end. They are given some
    tasks at a time.
    """
    jobs = [joblib.delayed(_numbered)(function, i, task) for i, task in enumerate(tasks)]
    try:
        parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator_unordered")
    except ValueError:
        parallel = joblib.Parallel(n_jobs=n_jobs)
        at_a_time = 4 * joblib.effective_n_jobs(n_jobs)
        for start in range(0, len(jobs), at_a_time):
            yield from parallel(jobs[start : start + at_a_time])
        return
    yield from parallel(jobs)


def _numbered(function: Callable[[Any], T], number: int, task: Any) -> tuple[int, T]:
    return number, function(task)
