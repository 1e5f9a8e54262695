"""Threads, processes and clusters give the same bytes; a worker that dies ends no job."""

import os
import signal
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import psutil
import pytest
from PIL import Image

from visualwords.features import HOG, BagOfVisualWords, HueHistogram
from visualwords.pipeline import extract as extraction
from visualwords.pipeline import interruption, pools
from visualwords.pipeline.engine import Crash, Workers, in_workers
from visualwords.pipeline.interruption import Interrupted
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import FolderSource

FEATURES = [HueHistogram(), HOG(image_size=(16, 16)), BagOfVisualWords(n_words=8)]
PROCESSES = Workers(2, "processes")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """60 small images and one that is damaged."""
    folder = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 24, 24, 3), np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    whole = (folder / "000.png").read_bytes()
    (folder / "damaged.png").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(extraction, "SHARD_ROWS", 8)


def files_of(store: Path) -> dict[str, bytes]:
    found = (file for file in sorted(store.rglob("*")) if file.is_file())
    return {
        str(file.relative_to(store)): file.read_bytes()
        for file in found
        if "index" not in file.parts and not any(p.startswith(".") for p in file.parts)
    }


@pytest.fixture(scope="module")
def expected(images, tmp_path_factory) -> dict[str, bytes]:
    """The files of a store that one thread fills."""
    store = tmp_path_factory.mktemp("expected")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "SHARD_ROWS", 8)
        extract(images, store, FEATURES, n_jobs=1)
    return files_of(store)


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_every_engine_writes_the_same_bytes(images, expected, tmp_path, engine):
    extract(images, tmp_path, FEATURES, n_jobs=2, engine=engine)
    assert len(expected) == 4 * 2 + 4 * 2 * 8 + 1  # of the three, the perceptual hash; the words
    assert files_of(tmp_path) == expected


def test_workers_find_relative_paths(images, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(images.parent)
    store = os.path.relpath(tmp_path)
    with joblib.parallel_config("loky"):
        extract(images.name, store, FEATURES, n_jobs=2)
    assert files_of(tmp_path) == expected


def test_parts_meet_in_the_store(images, tmp_path):
    for i in (1, 2, 3):
        result = extract(images, tmp_path, FEATURES, n_jobs=1, part=(i, 3))
        assert result.images.num_rows in (20, 21)
    whole = extract(images, tmp_path, FEATURES, n_jobs=1)
    assert whole.work.decoded == 0
    assert whole.matrix("hog").shape == (60, 36)
    with pytest.raises(ValueError, match="part 4/3: expected i/n with i from 1 to n"):
        extract(images, tmp_path, FEATURES, part=(4, 3))


@pytest.mark.parametrize("sizes", [[16] * 20, range(16, 28)])
def test_arrays_are_sent_to_processes(tmp_path, sizes):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (size, 16, 3), np.uint8) for size in sizes]
    pixels = images if len(set(sizes)) > 1 else np.stack(images)
    result = extract(pixels, tmp_path, [HueHistogram()], n_jobs=2, engine="processes")
    assert result.work.decoded == len(sizes)
    np.testing.assert_array_equal(result.matrix("hue")[:], HueHistogram().transform(pixels))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "mpi"}, "engine 'mpi': expected one of threads, processes, dask, ray"),
        ({"scheduler": "tcp://x:1"}, "a scheduler needs the engine dask or ray"),
        ({"engine": "processes"}, "a store in memory is of one process"),
    ],
)
def test_what_cannot_work_is_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        extract(images, "memory://refused", FEATURES, **options)


def test_an_image_that_kills_its_worker_is_cut_out(images, expected, tmp_path):
    class Killer(HueHistogram):
        """Dies of a white corner."""

        def transform(self, X):
            if any((np.asarray(image)[0, 0] == 255).all() for image in X):
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            return super().transform(X)

    folder = tmp_path / "images"
    folder.mkdir()
    for i, colour in enumerate((10, 255)):
        Image.new("RGB", (16, 16), (colour,) * 3).save(folder / f"{i}.png")
    with pytest.warns(UserWarning, match="a worker process died"):
        result = extract(folder, tmp_path / "store", {"k": Killer()}, n_jobs=1, engine="processes")
    assert result.images["kind"].to_pylist() == [None, "crashed"]
    assert result.matrix("k").shape == (1, 10)
    again = extract(folder, tmp_path / "store", {"k": Killer()}, n_jobs=1)
    assert again.work.decoded == 0


def test_tasks_of_a_worker_that_died_are_tried_again_and_one_that_kills_twice_is_named(tmp_path):
    def die(number: int) -> int:
        marker = tmp_path / "died"
        if number == 1 or (number == 3 and not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return number * number

    with pytest.warns(UserWarning, match="a worker process died"):
        done = dict(in_workers(die, range(8), PROCESSES))
    assert isinstance(done.pop(1), Crash)
    assert done == {i: i * i for i in (0, *range(2, 8))}


def test_an_error_in_a_task_ends_the_job():
    def fail(number: int) -> int:
        raise OSError(28, "No space left on device", f"file {number}")

    for workers in (2, PROCESSES):
        with pytest.raises(OSError, match="No space left"):
            list(in_workers(fail, range(9), workers))


def test_what_runs_is_finished_when_the_job_is_asked_to_end():
    taken = []

    def tasks():
        for i in range(100):
            taken.append(i)
            yield i

    done = []
    with pytest.raises(Interrupted) as caught:  # noqa: PT012
        for task, _ in in_workers(abs, tasks(), 2):
            done.append(task)
            if task == 10:
                assert interruption.ask(signal.SIGINT)
    assert caught.value.args == (signal.SIGINT,)
    assert 10 in done
    assert len(taken) < 30
    assert not interruption.is_asked()


def test_the_job_ends_at_once_where_nothing_runs():
    with pytest.raises(Interrupted):
        interruption.ask(signal.SIGTERM)
    interruption.check()


@pytest.mark.filterwarnings("ignore")
def test_a_dask_worker_is_killed_in_the_middle(images, expected, tmp_path, dask_cluster):
    class Slow(FolderSource):
        def read(self, location: str) -> bytes:
            time.sleep(0.02)
            return super().read(location)

    killed = []

    def kill(pid: int) -> None:
        while not list(tmp_path.glob("*/*.npy")):
            time.sleep(0.005)
        killed.append(len(list(tmp_path.glob("hue-*/*.npy"))))
        psutil.Process(pid).kill()

    with dask_cluster(n_workers=2, threads_per_worker=1) as cluster:
        with cluster.get_client() as client:
            pids = client.run(os.getpid)
        killer = threading.Thread(target=kill, args=[min(pids.values())])
        killer.start()
        extract(
            Slow(images), tmp_path, FEATURES, engine="dask", scheduler=cluster.scheduler_address
        )
        killer.join()
    assert killed[0] < 7
    assert files_of(tmp_path) == expected


@pytest.mark.filterwarnings("ignore")
def test_a_dask_job_whose_workers_are_all_gone_says_so(monkeypatch, dask_cluster):
    monkeypatch.setattr(pools, "DASK_SECONDS", 1.0)

    def square(number: int) -> int:
        time.sleep(0.05)
        return number * number

    with dask_cluster(n_workers=1, threads_per_worker=1, processes=False) as cluster:
        results = in_workers(square, range(99), Workers(None, "dask", cluster.scheduler_address))
        assert next(results) == (0, 0)
        cluster.scale(0)
        with pytest.raises(ConnectionError, match="all workers of the Dask scheduler"):
            list(results)
