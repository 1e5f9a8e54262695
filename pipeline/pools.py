"""Workers of each kind behind one interface: a task goes in, a future comes back."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import joblib
from joblib.parallel import get_active_backend
from loky import get_reusable_executor

__all__ = ["Pool", "engine_name", "open_pool"]

IDLE_SECONDS = 60  # after which a process without work ends
DASK_SECONDS = 60  # to wait for the first worker, and for another one when all have died
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ENGINE_OF = {
    "SequentialBackend": "threads",
    "ThreadingBackend": "threads",
    "LokyBackend": "processes",
    "MultiprocessingBackend": "processes",
    "DaskDistributedBackend": "dask",
    "RayBackend": "ray",
}


class Pool(Protocol):
    """Some workers.

    Attributes
    ----------
    crashes : tuple of exception classes
        What a future raises when the process of its worker died.
    """

    crashes: tuple[type[BaseException], ...]

    def size(self) -> int:
        """Return how many tasks can run side by side; 0 while workers are being replaced.

        Raises
        ------
        ConnectionError
            If there has been no worker for a minute.
        """

    def submit(self, function: Callable[..., Any], task: Any) -> Future[Any]:
        """Hand out a task."""

    def close(self) -> None:
        """End what belongs to this pool alone."""


@contextmanager
def open_pool(engine: str | None, n_jobs: int | None, scheduler: str | None) -> Iterator[Pool]:
    """Open a pool of an engine; None: of that which ``joblib.parallel_config`` names."""
    name = engine_name(engine)
    pool: Pool
    if name == "dask":
        backend, _ = get_active_backend()
        pool = DaskPool(scheduler, None if scheduler else getattr(backend, "client", None))
    elif name == "ray":
        pool = RayPool(scheduler)
    else:
        n_workers = joblib.effective_n_jobs(n_jobs)
        pool = ThreadPool(n_workers) if name == "threads" else ProcessPool(n_workers)
    try:
        yield pool
    finally:
        pool.close()


def engine_name(engine: str | None) -> str:
    """Return the engine, or that which ``joblib.parallel_config`` names."""
    backend, _ = get_active_backend(prefer="threads")
    kind = type(backend).__name__
    name = engine or ENGINE_OF.get(kind)
    if name is None:
        expected = "threading, loky, multiprocessing, dask or ray"
        raise ValueError(f"joblib's backend {kind} is not supported: expected {expected}")
    return name


class ThreadPool:
    """Threads of this process."""

    crashes: tuple[type[BaseException], ...] = ()

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._threads = ThreadPoolExecutor(n_workers, thread_name_prefix="visualwords-task")

    def size(self) -> int:
        """Return the number of threads."""
        return self._n_workers

    def submit(self, function: Callable[..., Any], task: Any) -> Future[Any]:
        """Hand out a task."""
        return self._threads.submit(function, task)

    def close(self) -> None:
        """Wait for the running tasks; drop the others."""
        self._threads.shutdown(cancel_futures=True)


class ProcessPool:
    """Processes of this machine, which are started without a fork and kept from stage to stage."""

    crashes: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers

    def size(self) -> int:
        """Return the number of processes."""
        return self._n_workers

    def submit(self, function: Callable[..., Any], task: Any) -> Future[Any]:
        """Hand out a task; where a process died before, to new processes."""
        executor = get_reusable_executor(
            self._n_workers,
            timeout=IDLE_SECONDS,
            initializer=_ignore_signals,
            env=ONE_THREAD,
        )
        return executor.submit(function, task)

    def close(self) -> None:
        """Leave the processes to the next stage; they end by themselves."""


def _ignore_signals() -> None:
    """Leave signals, which terminals and Slurm send to all processes, to the parent process.

    The running tasks are finished; a process whose parent is gone ends after ``IDLE_SECONDS``.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class DaskPool:
    """The workers of a Dask scheduler.

    Dask gives the tasks of a worker that died to others; a task during which several workers died
    is given back as a crash.
    """

    def __init__(self, scheduler: str | None, client: Any) -> None:
        try:
            from distributed import Client, KilledWorker, get_client
            from distributed.comm import CommClosedError
        except ImportError as error:
            raise ValueError('Dask is not installed: pip install "visualwords[dask]"') from error
        self.crashes: tuple[type[BaseException], ...] = (KilledWorker, CommClosedError)
        self._own = None
        if client is None and scheduler is not None:
            try:
                client = self._own = Client(scheduler, set_as_default=False)
            except OSError as error:
                raise ValueError(f"no Dask scheduler answers at {scheduler}") from error
        if client is None:
            try:
                client = get_client()
            except ValueError as error:
                raise ValueError(
                    "the engine dask needs the address of a scheduler; give --scheduler "
                    "tcp://HOST:8786, or make a dask.distributed.Client first"
                ) from error
        self._client = client
        if not client.nthreads():
            try:
                client.wait_for_workers(1, timeout=DASK_SECONDS)
            except TimeoutError as error:
                raise ValueError(f"no worker is at {client.scheduler.address}") from error
        self._last_seen = time.monotonic()  # of any worker

    def size(self) -> int:
        """Return the number of threads of all workers."""
        n_threads = int(sum(self._client.nthreads().values()))
        if n_threads:
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > DASK_SECONDS:
            raise ConnectionError(
                f"all workers of the Dask scheduler at {self._client.scheduler.address} are gone; "
                "start new ones and run the job again: what was computed is kept"
            )
        return n_threads

    def submit(self, function: Callable[..., Any], task: Any) -> Future[Any]:
        """Hand out a task. It cannot be cancelled, since nobody here knows whether it runs."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        remote = self._client.submit(function, task, pure=False)
        self._client.loop.add_callback(_hand_over, remote, future)
        return future

    def close(self) -> None:
        """Leave the scheduler."""
        if self._own is not None:
            self._own.close()


async def _hand_over(remote: Any, future: Future[Any]) -> None:
    """Wait for a task of Dask and hand its result over, or whatever error comes instead."""
    try:
        result = await remote
    except asyncio.CancelledError as error:
        future.set_exception(ConnectionError(f"the Dask scheduler has dropped a task: {error}"))
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


class RayPool:
    """The workers of a Ray cluster, or of a Ray that is started on this machine."""

    def __init__(self, address: str | None) -> None:
        try:
            import ray
            from ray import exceptions
        except ImportError as error:
            raise ValueError('Ray is not installed: pip install "visualwords[ray]"') from error
        self.crashes: tuple[type[BaseException], ...] = (
            exceptions.WorkerCrashedError,
            exceptions.OutOfMemoryError,
            exceptions.NodeDiedError,
        )
        self._ray = ray
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False)
        self._call = ray.remote(max_retries=1)(_call)

    def size(self) -> int:
        """Return the number of processors of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, function: Callable[..., Any], task: Any) -> Future[Any]:
        """Hand out a task. It cannot be cancelled, since nobody here knows whether it runs."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        remote = self._call.remote(function, task).future()
        remote.add_done_callback(partial(_copy_outcome, future))
        return future

    def close(self) -> None:
        """Leave Ray running, for the next stage."""


def _copy_outcome(future: Future[Any], remote: Future[Any]) -> None:
    """Hand the result or error of a task of Ray over."""
    if (error := remote.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(remote.result())


def _call(function: Callable[..., Any], task: Any) -> Any:
    return function(task)
