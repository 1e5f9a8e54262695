"""A Dask worker that is killed: the job completes with the same bytes."""

import os
import threading
import time
from pathlib import Path

import psutil

from visualwords.pipeline.job import extract

from .common import FEATURES, SlowFolder, same_bytes


def report(rounds: int = 10) -> None:
    """Kill one of two Dask workers in the middle of a job."""
    from distributed import LocalCluster

    n_killed = 0

    def kill(pid: int, store: Path) -> None:
        nonlocal n_killed
        while not list(store.glob("hog-*/*.npy")):
            time.sleep(0.01)
        n_killed += len(list(store.glob("hog-*/*.npy"))) < 18
        psutil.Process(pid).kill()

    def compute(images: Path, store: Path) -> None:
        with cluster.get_client() as client:
            client.wait_for_workers(2)
            pid = next(iter(client.run(os.getpid).values()))
        killer = threading.Thread(target=kill, args=(pid, store))
        killer.start()
        extract(
            SlowFolder(images), store, FEATURES, engine="dask", scheduler=cluster.scheduler_address
        )
        killer.join()

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        n_same = same_bytes(rounds, compute)
    print(f"Dask, a worker killed {rounds} rounds: {n_killed} in the middle, {n_same} same bytes")
