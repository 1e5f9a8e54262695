"""A Dask worker that is killed: the job completes with the same bytes."""

import threading
import time
from pathlib import Path

import psutil

from visualwords.pipeline.job import extract

from .common import FEATURES, SlowFolder, same_bytes


def report(rounds: int = 10) -> None:
    """Kill one of two Dask workers when a third of a job is done."""
    from distributed import LocalCluster

    n_killed = 0

    def kill(cluster: LocalCluster, store: Path) -> None:
        nonlocal n_killed
        while len(list(store.glob("hog-*/*.npy"))) < 6:
            time.sleep(0.01)
        processes = [psutil.Process(worker.pid) for worker in cluster.workers.values()]
        next(process for process in processes if process.is_running()).kill()
        n_killed += len(list(store.glob("hog-*/*.npy"))) < 18

    def compute(images: Path, store: Path) -> None:
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            killer = threading.Thread(target=kill, args=(cluster, store))
            killer.start()
            scheduler = cluster.scheduler_address
            extract(SlowFolder(images), store, FEATURES, engine="dask", scheduler=scheduler)
            killer.join()

    n_same = same_bytes(rounds, compute)
    print(f"Dask, a worker killed {rounds} rounds: {n_killed} in the middle, {n_same} same bytes")
