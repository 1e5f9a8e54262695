"""Calls with a time limit: results in order, an end for those that do not end."""

import threading
import time

import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline import timelimit
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import FolderSource
from visualwords.pipeline.timelimit import TooManyStuckError, run_each


@pytest.fixture
def gate():
    """An event that ends the calls that wait for it."""
    event = threading.Event()
    yield event
    event.set()
    end = time.monotonic() + 10
    while any(thread.is_alive() for thread in timelimit._stuck) and time.monotonic() < end:
        time.sleep(0.01)


def test_results_and_errors_come_in_order(gate):
    def work(i: int) -> int:
        if i == 1:
            gate.wait()
        if i == 2:
            raise KeyError(i)
        return i * i

    done = list(run_each(work, 5, seconds=0.2))
    assert [(i, result) for i, result, _ in done] == [(0, 0), (1, None), (2, None), (3, 9), (4, 16)]
    kinds = [type(error) for *_, error in done]
    assert kinds == [type(None), TimeoutError, KeyError, type(None), type(None)]


def test_calls_that_run_on_are_bounded(gate):
    done = []
    with pytest.raises(TooManyStuckError, match="17 images are still being read or decoded"):
        done.extend(run_each(lambda i: gate.wait(), 40, seconds=0.01))
    assert [i for i, *_ in done] == list(range(17))
    gate.set()
    end = time.monotonic() + 10
    while any(thread.is_alive() for thread in timelimit._stuck) and time.monotonic() < end:
        time.sleep(0.01)
    assert [i for i, *_ in run_each(lambda i: i, 40, seconds=5)] == list(range(40))


def test_a_disk_that_does_not_answer_ends_the_job(crops, tmp_path, gate, monkeypatch):
    class Dead(FolderSource):
        def read(self, location: str) -> bytes:
            if "coffee" in location:
                gate.wait()
            return super().read(location)

    monkeypatch.setattr(timelimit, "MAX_STUCK", 3)
    features, store = [HueHistogram()], tmp_path / "store"
    extract(crops, store, [HueHistogram(n_bins=3)])  # the scan has read all
    with pytest.raises(TooManyStuckError, match="4 images are still being read"):
        extract(Dead(crops), store, features, time_limit=0.2, n_jobs=1)
    gate.set()
    rest = extract(crops, store, features)
    kinds = rest.images["kind"].to_pylist()
    assert kinds.count("time-out") == 4
    assert rest.is_ok.sum() == len(kinds) - 4
