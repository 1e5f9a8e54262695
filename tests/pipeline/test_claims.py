"""Jobs that share a store: nothing is computed twice, nothing is lost."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from visualwords.features import HueHistogram
from visualwords.pipeline import dispatch
from visualwords.pipeline import extract as extraction
from visualwords.pipeline.extract import TooManyFailuresError
from visualwords.pipeline.job import extract
from visualwords.pipeline.store.claims import open_claims
from visualwords.pipeline.store.files import open_folder
from visualwords.pipeline.store.shards import RowFailure, write_shard

HUE = "hue-0"
A, B, C = (bytes([i]) * 16 for i in range(3))


def digests(*raw: bytes) -> np.ndarray:
    return np.frombuffer(b"".join(raw), "V16")


@pytest.fixture
def store(tmp_path):
    return open_folder(tmp_path / "store")


def test_an_image_that_a_living_job_works_on_is_taken(store):
    with open_claims(store, {HUE: set()}) as one, open_claims(store, {HUE: set()}) as other:
        assert one.share([HUE], [A, B]).free == {(HUE,): [0, 1]}
        share = other.share([HUE], [B, C])
        assert (share.free, share.taken, share.done) == ({(HUE,): [1]}, [0], [])
        one.release([HUE], [A, B], "shard")
        one.publish()
        assert other.share([HUE], [B]).free == {(HUE,): [0]}


def test_an_image_that_another_job_has_computed_or_refused_is_done(store):
    with open_claims(store, {HUE: set()}) as claims:
        rows = np.zeros((1, 3), np.float32)
        write_shard(store, HUE, "shard", digests(A), rows, {B: RowFailure("damaged", "cut")})
        share = claims.share([HUE], [A, B, C])
        assert (share.free, share.taken, share.done) == ({(HUE,): [2]}, [], [0, 1])
        assert share.failed == [1]


def test_only_the_features_that_are_still_lacking_are_left(store):
    with open_claims(store, {HUE: set(), "hog-0": set()}) as claims:
        write_shard(store, HUE, "shard", digests(A), np.zeros((1, 3), np.float32), {})
        share = claims.share([HUE, "hog-0"], [A, B])
        assert share.free == {("hog-0",): [0], (HUE, "hog-0"): [1]}


def test_claims_of_a_killed_job_are_worth_nothing(store):
    code = f"""
import os, sys
from visualwords.pipeline.store.claims import open_claims
from visualwords.pipeline.store.files import open_folder
with open_claims(open_folder({store.url!r}), {{{HUE!r}: set()}}) as claims:
    claims.share([{HUE!r}], [{A!r}])
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert len(store.names(".claims")) == 2
    with open_claims(store, {HUE: set()}) as claims:
        assert claims.share([HUE], [A]).free == {(HUE,): [0]}
    assert not [name for name in store.names(".claims") if name.endswith(".json")]


def test_a_store_without_locks_is_worked_on_unguarded():
    with open_claims(open_folder("memory://claims"), {HUE: set()}) as claims:
        assert claims is None


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory):
    """Four folders of 48 images each, of which 24 are those of the next folder, too."""
    root = tmp_path_factory.mktemp("overlapping")
    pixels = np.random.default_rng(0).integers(0, 256, (120, 24, 24, 3), np.uint8)
    for i in range(4):
        (root / str(i)).mkdir()
        for k in range(24 * i, 24 * i + 48):
            Image.fromarray(pixels[k]).save(root / str(i) / f"{k:03d}.png")
    return root


def test_failures_of_another_job_count_towards_those_that_are_allowed(
    overlapping, tmp_path, monkeypatch
):
    """The other job claims all images, finds three damaged and computes the rest."""
    store = open_folder(tmp_path / "store")
    folder = extract(overlapping / "0", store.url, [HueHistogram()]).refs["hue"].folder
    pictures = extract(overlapping / "2", "memory://y", [HueHistogram()])
    images = [digest.as_py() for digest in pictures.images["digest"]]
    other = open_claims(store, {folder: set()})
    other.__enter__().share([folder], images)

    def end(seconds: float) -> None:
        failed = dict.fromkeys(images[:3], RowFailure("damaged", "cut"))
        write_shard(store, folder, "s", digests(*images[3:]), pictures.matrix("hue")[3:], failed)
        other.__exit__(None, None, None)

    monkeypatch.setattr(dispatch.time, "sleep", end)
    for _ in range(2):  # the second job finds the failures in the store
        with pytest.raises(TooManyFailuresError, match="3 of 48 images failed"):
            extract(overlapping / "2", store.url, [HueHistogram()], max_failures=2)
    allowed = extract(overlapping / "2", store.url, [HueHistogram()], max_failures=3)
    assert allowed.is_ok.sum() == 45
    assert allowed.work.computed == {"hue": 0}


# Each job is a process of its own. They are forked, so the package is imported once.
JOBS = """
import json, sys
from multiprocessing import get_context
from visualwords.features import HueHistogram
from visualwords.pipeline import extract as extraction
from visualwords.pipeline.job import extract
extraction.SHARD_ROWS = 4
store, *folders = sys.argv[1:]
extract(folders[0], "memory://warm", [HueHistogram()], n_jobs=1)  # loads what all jobs need
context = get_context("fork")
together = context.Barrier(len(folders))
def job(folder):
    together.wait()
    result = extract(folder, store, [HueHistogram()], n_jobs=1)
    return {"ok": int(result.is_ok.sum()), **result.work.computed}
with context.Pool(len(folders)) as pool:
    print(json.dumps(pool.map(job, folders, chunksize=1)))
"""


def test_four_jobs_on_overlapping_folders_compute_each_image_once(overlapping, tmp_path):
    folders = [str(overlapping / str(i)) for i in range(4)]
    command = [sys.executable, "-c", JOBS, str(tmp_path / "store"), *folders]
    jobs = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    results = json.loads(jobs.stdout)
    assert [result["ok"] for result in results] == [48] * 4
    assert sum(result["hue"] for result in results) == 120
    for i in range(4):
        shared = extract(overlapping / str(i), tmp_path / "store", [HueHistogram()])
        alone = extract(overlapping / str(i), f"memory://alone-{i}", [HueHistogram()])
        assert shared.work.decoded == 0
        np.testing.assert_array_equal(shared.matrix("hue")[:], alone.matrix("hue")[:])


def test_images_that_a_dying_job_has_claimed_are_computed_in_the_end(
    overlapping, tmp_path, monkeypatch
):
    """The other job claims all images, and dies while this one waits for them."""
    store = open_folder(tmp_path / "store")
    first = extract(overlapping / "0", store.url, [HueHistogram()])
    folder = first.refs["hue"].folder
    alone = extract(overlapping / "2", "memory://x", [HueHistogram()])
    claimed = alone.images["digest"].to_pylist()
    other = open_claims(store, {folder: set()})
    other.__enter__().share([folder], claimed)
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            other.__exit__(None, None, None)

    monkeypatch.setattr(dispatch.time, "sleep", wait)
    result = extract(overlapping / "2", store.url, [HueHistogram()], n_jobs=1)
    assert len(waited) == 2
    assert result.work.computed == {"hue": 48}
    assert extraction.SHARD_ROWS == 1024
