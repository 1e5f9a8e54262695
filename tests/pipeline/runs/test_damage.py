"""Runs that were damaged, interrupted or killed, and other jobs in their folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.run import Run
from visualwords.pipeline.store.files import DamagedError, open_folder
from visualwords.tests.pipeline.runs.helpers import models_of, open_run, recipe, scores_of

FILES = [
    "run.json",
    "images.parquet",
    "models/models.json",
    "models/hue.npz",
    "models/words.npz",
    "models/Softmax-hue+hog+words.npz",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone", "pipe"])
def test_a_damaged_run_is_told_by_the_file_and_the_command_that_makes_it(
    original, test_crops, tmp_path, name, damage
):
    folder = shutil.copytree(original, tmp_path / "run")
    file = folder / name
    data = bytearray(file.read_bytes())
    file.unlink()
    if damage == "flip":
        data[len(data) // 3] ^= 1
        file.write_bytes(data)
    elif damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        file.touch()
    elif damage == "pipe":
        os.mkfifo(file)
    image = str(test_crops / "rocket" / "00.jpg")
    try:
        (found,) = Run(folder).predict([image])
        open_run(folder).train(recipe("Softmax.alpha=0.3"))
    except ValueError as error:
        message = str(error)
        assert re.search(r"`visualwords (run|train|extract)`", message.replace("\n", " "))
        assert file.name in message
    else:  # a flipped bit may change nothing, such as the date of an archive's entry
        assert damage == "flip"
        assert [found] == list(Run(original).predict([image]))


def test_lost_rows_are_told_by_their_store(original, tmp_path):
    folder = shutil.copytree(original, tmp_path / "run")
    for shard in (folder / "store").glob("hog-*/*.npy"):
        shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(DamagedError, match=r"rows of 51 images are missing or damaged; `visualw"):
        open_run(folder).train(recipe("Softmax.alpha=0.3"))


def test_a_store_that_is_elsewhere_is_named(folder):
    (folder / "store").rename(folder / "elsewhere")
    with pytest.raises(DamagedError, match="store: the store of this run is not there, or empty"):
        open_run(folder).train(recipe("Softmax.alpha=0.3"))


def test_one_job_at_a_time_writes_to_a_folder(crops, test_crops, folder):
    with open_folder(folder).lock("run"):
        for job in (
            lambda run: run.extract(crops, test_crops, recipe()),
            lambda run: run.train(recipe("Softmax.alpha=0.3")),
            lambda run: run.evaluate(),
        ):
            with pytest.raises(ValueError, match="another job is at work in this folder"):
                job(open_run(folder))
        (prediction,) = Run(folder).predict([str(test_crops / "rocket" / "00.jpg")])
        assert prediction.failure is None


def test_a_new_version_of_a_feature_does_not_describe_for_old_models(
    crops, folder, test_crops, monkeypatch
):
    monkeypatch.setattr(HueHistogram, "kernel_version", HueHistogram.kernel_version + 1)
    image = str(test_crops / "rocket" / "00.jpg")
    for command in (
        lambda: list(Run(folder).predict([image])),
        lambda: open_run(folder).evaluate(crops),
    ):
        with pytest.raises(ValueError, match="or of another version; `visualwords run` makes it"):
            command()


class Interrupted(KeyboardInterrupt):
    pass


@pytest.fixture
def interrupt(monkeypatch):
    """Press ctrl-C at the n-th file that a job writes or removes."""
    left = 0

    def interrupting(change):
        def changed(*arguments, **options):
            nonlocal left
            left -= 1
            if left == 0:
                raise Interrupted
            return change(*arguments, **options)

        return changed

    def at(n):
        nonlocal left
        left = n

    monkeypatch.setattr(os, "replace", interrupting(os.replace))
    monkeypatch.setattr(Path, "unlink", interrupting(Path.unlink))
    return at


def answers(folder, images):
    """All that a user can learn from a folder."""
    files = [folder / name for name in ("predictions.csv", "failures.csv")]
    found = {file.name: file.read_bytes() for file in files if file.exists()}
    if (folder / "metrics.json").exists():
        found["scores"] = scores_of(folder)
    with suppress(ValueError):
        found["predict"] = list(Run(folder).predict(images))
    with suppress(ValueError):
        open_run(folder).evaluate()
        found["evaluate"] = scores_of(folder)
    return found


JOBS = {
    "extract": lambda run, crops, tests: run.extract(crops, tests, recipe("hue.n_bins=2")),
    "train": lambda run, crops, tests: run.train(recipe("Softmax.alpha=0.5")),
    "evaluate": lambda run, crops, tests: run.evaluate(crops),
}


@pytest.mark.parametrize("job", JOBS)
def test_interrupted_anywhere_it_answers_as_before_or_as_after_or_not_at_all(
    crops, test_crops, original, tmp_path, interrupt, job
):
    images = [str(test_crops / "rocket" / name) for name in ("00.jpg", "01.png")]
    warm = shutil.copytree(original, tmp_path / "warm")
    JOBS[job](open_run(warm), crops, test_crops)
    before = answers(shutil.copytree(original, tmp_path / "before"), images)
    after = answers(shutil.copytree(warm, tmp_path / "after"), images)
    for n in range(1, 100):
        # with the rows there already, what is left to write are the results
        folder = shutil.copytree(original, tmp_path / f"run{n}")
        shutil.copytree(warm / "store", folder / "store", dirs_exist_ok=True)
        interrupt(n)
        try:
            JOBS[job](open_run(folder), crops, test_crops)
            break
        except Interrupted:
            interrupt(0)
            found = answers(shutil.copytree(folder, tmp_path / f"interrupted{n}"), images)
            assert found.items() <= before.items() or found.items() <= after.items()
            JOBS[job](open_run(folder), crops, test_crops)
            assert answers(folder, images) == after
    assert n > 1


def test_a_killed_job_goes_on_where_it_stopped(crops, test_crops, original, tmp_path):
    command = [
        sys.executable,
        "-m",
        "visualwords",
        "run",
        "--no-report",
        str(crops),
        "--test",
        str(test_crops),
    ]
    command += ["--out", str(tmp_path / "run"), "--set", "words.n_words=3", "--jobs", "1"]
    command += ["--set", "hue.n_bins=3", "--set", "hog.image_size=[16,16]"]
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while job.poll() is None:
        if any((tmp_path / "run" / "store").glob("hue-*/*.npy")):
            job.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    job.wait()
    open_run(tmp_path / "run").run(crops, test_crops, recipe())
    assert scores_of(tmp_path / "run") == scores_of(original)
    assert models_of(tmp_path / "run") == models_of(original)
