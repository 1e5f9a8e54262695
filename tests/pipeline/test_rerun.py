"""A run's folder that is used again: nothing in it is of other matrices or models than the rest."""

import csv
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import Run, Settings
from visualwords.pipeline.store import alone_in


def settings(train, test, **more):
    """A few poor features, whose scores differ."""
    return Settings(str(train), str(test), **{"words": 3, "hue_bins": 2, "image_size": 16, **more})


def scores_of(folder):
    classifiers = json.loads((folder / "metrics.json").read_bytes()).get("classifiers", {})
    return {name: entry["confusion"] for name, entry in classifiers.items() if "confusion" in entry}


def rows_of(file):
    with file.open() as text:
        return list(csv.DictReader(text))


def models_of(folder):
    return {file.name: file.read_bytes() for file in (folder / "models").iterdir()}


@pytest.fixture(scope="module")
def original(crops, test_crops, tmp_path_factory):
    """A whole run; read-only."""
    run = Run(tmp_path_factory.mktemp("run"), n_jobs=1)
    run.run(settings(crops, test_crops))
    return run.folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "run")


def test_extraction_anew_with_the_same_settings_changes_nothing(crops, test_crops, folder):
    before = models_of(folder), scores_of(folder), (folder / "predictions.csv").read_bytes()
    run = Run(folder, n_jobs=1)
    run.extract(settings(crops, test_crops))
    assert (models_of(folder), scores_of(folder)) == before[:2]
    assert (folder / "predictions.csv").read_bytes() == before[2]
    assert run.metrics["classifiers"]["Softmax"]["train_accuracy"] > 0.5
    assert run.evaluate()["images"]["found"] == 51


def test_extraction_with_other_settings_leaves_no_models_and_no_scores(crops, test_crops, folder):
    run = Run(folder, n_jobs=1)
    run.extract(settings(crops, test_crops, seed=1))
    assert sorted(models_of(folder)) == ["hog.npz", "hue.npz", "words.npz"]
    assert scores_of(folder) == {}
    assert not (folder / "predictions.csv").exists()
    for command in (run.evaluate, lambda: list(run.predict([str(test_crops / "rocket/00.jpg")]))):
        with pytest.raises(ValueError, match=r"Softmax.*npz|LinearSVM.*npz"):
            command()


def test_extraction_of_other_test_images_leaves_the_models_and_no_scores(crops, test_crops, folder):
    before = models_of(folder)
    run = Run(folder, n_jobs=1)
    run.extract(settings(crops, crops))
    assert models_of(folder) == before
    assert scores_of(folder) == {}
    assert not (folder / "predictions.csv").exists()
    metrics = run.evaluate()
    assert metrics["classifiers"]["Softmax"]["train_accuracy"] > 0.5
    assert np.sum(scores_of(folder)["Softmax"]) == 36


def test_training_with_another_penalty_leaves_no_scores_of_the_old_models(folder):
    run = Run(folder, n_jobs=1)
    run.train(alpha=0.5)
    assert scores_of(folder) == {}
    assert not (folder / "predictions.csv").exists()
    run.evaluate()
    assert len(rows_of(folder / "predictions.csv")) == 15


def test_training_or_evaluation_that_fails_leaves_all_as_it_was(crops, folder):
    before = models_of(folder), scores_of(folder)
    with pytest.raises(ValueError, match="alpha"):
        Run(folder, n_jobs=1).train(alpha=-1.0)
    (folder / "models" / "Softmax-hue.npz").rename(folder / "aside")
    with pytest.raises(ValueError, match=r"Softmax-hue\.npz"):
        Run(folder, n_jobs=1).evaluate(str(crops))
    (folder / "aside").rename(folder / "models" / "Softmax-hue.npz")
    assert (models_of(folder), scores_of(folder)) == before
    assert np.sum(Run(folder, n_jobs=1).evaluate()["classifiers"]["Softmax"]["confusion"]) == 15


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

    monkeypatch.setattr(Path, "replace", interrupting(Path.replace))
    monkeypatch.setattr(Path, "unlink", interrupting(Path.unlink))
    return at


def answers(folder, images):
    """All that a user can learn from a folder."""
    files = [folder / name for name in ("predictions.csv", "failures.csv")]
    found = {file.name: file.read_bytes() for file in files if file.exists()}
    if (folder / "metrics.json").exists():
        found["scores"] = scores_of(folder)
    with suppress(ValueError):
        found["predict"] = list(Run(folder, n_jobs=1).predict(images))
    with suppress(ValueError):
        Run(folder, n_jobs=1).evaluate()
        found["evaluate"] = scores_of(folder)
    return found


JOBS = {
    "extract": lambda run, crops, tests: run.extract(settings(crops, tests, seed=1)),
    "train": lambda run, crops, tests: run.train(alpha=0.5),
    "evaluate": lambda run, crops, tests: run.evaluate(str(crops)),
}


@pytest.mark.parametrize("job", JOBS)
def test_interrupted_anywhere_it_answers_as_before_or_as_after_or_not_at_all(
    crops, test_crops, original, tmp_path, interrupt, job
):
    images = [str(test_crops / "rocket" / name) for name in ("00.jpg", "01.png", "02.jpg")]
    warm = shutil.copytree(original, tmp_path / "warm")
    JOBS[job](Run(warm, n_jobs=1), crops, test_crops)
    before = answers(shutil.copytree(original, tmp_path / "before"), images)
    after = answers(shutil.copytree(warm, tmp_path / "after"), images)
    assert before != after
    for n in range(1, 100):
        # with the matrices there already, what is left to write are the results
        folder = shutil.copytree(original, tmp_path / f"run{n}")
        shutil.copytree(warm / "cache", folder / "cache", dirs_exist_ok=True)
        interrupt(n)
        try:
            JOBS[job](Run(folder, n_jobs=1), crops, test_crops)
            break
        except Interrupted:
            found = answers(shutil.copytree(folder, tmp_path / f"interrupted{n}"), images)
            assert found.items() <= before.items() or found.items() <= after.items()
            JOBS[job](Run(folder, n_jobs=1), crops, test_crops)
            assert answers(folder, images) == after
    assert n > 5


def test_one_job_at_a_time_writes_to_a_folder(crops, test_crops, folder):
    before = models_of(folder), scores_of(folder)
    run = Run(folder, n_jobs=1)
    with alone_in(folder):
        for job in JOBS.values():
            with pytest.raises(ValueError, match="another job is at work in this folder"):
                job(run, crops, test_crops)
        (prediction,) = run.predict([str(test_crops / "rocket" / "00.jpg")])
        assert prediction.failure is None
    assert (models_of(folder), scores_of(folder)) == before
    run.train(alpha=0.5)
    with alone_in(folder), pytest.raises(ValueError, match="another job is at work"):
        run.train(alpha=0.5)


@pytest.fixture(scope="module")
def other(crops, test_crops, tmp_path_factory):
    """A run with other words, as many, and another number of hues; read-only."""
    run = Run(tmp_path_factory.mktemp("other"), n_jobs=1)
    run.run(settings(crops, test_crops, seed=1, hue_bins=3))
    return run.folder


ALL = "Softmax-hue+hog+words.npz"
STRANGERS = {
    "other words": ("words.npz", "words.npz", r"models/words\.npz: not what the training images"),
    "other hues": ("hue.npz", "hue.npz", r"models/hue\.npz: not what the training images"),
    "a classifier": (ALL, "hue.npz", r"models/hue\.npz: not what the training images"),
    "another classifier": (ALL, ALL, r"words\.npz: not a Softmax learned from \d+ numbers"),
    "a feature": ("hog.npz", ALL, r"words\.npz: not a Softmax learned from \d+ numbers an image"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_models_of_another_run_are_told_by_their_file(crops, folder, other, test_crops, case):
    source, target, message = STRANGERS[case]
    shutil.copy(other / "models" / source, folder / "models" / target)
    run = Run(folder, n_jobs=1)
    image = str(test_crops / "rocket" / "00.jpg")
    for command in (lambda: list(run.predict([image])), lambda: run.evaluate(str(crops))):
        with pytest.raises(ValueError, match=message):
            command()


def test_a_classifier_of_another_kind_is_told_by_its_file(crops, folder, test_crops):
    shutil.copy(folder / "models" / ALL.replace("Softmax", "LinearSVM"), folder / "models" / ALL)
    run = Run(folder, n_jobs=1)
    image = str(test_crops / "rocket" / "00.jpg")
    for command in (lambda: list(run.predict([image])), run.evaluate):
        with pytest.raises(ValueError, match=r"words\.npz: not a Softmax learned from"):
            command()


def test_a_new_version_of_a_feature_does_not_describe_for_old_models(
    crops, folder, test_crops, monkeypatch
):
    monkeypatch.setattr(HueHistogram, "kernel_version", HueHistogram.kernel_version + 1)
    run = Run(folder, n_jobs=1)
    image = str(test_crops / "rocket" / "00.jpg")
    for command in (lambda: list(run.predict([image])), lambda: run.evaluate(str(crops))):
        with pytest.raises(ValueError, match="of other settings or another version"):
            command()
    run.evaluate()


def test_a_prediction_is_never_by_models_of_two_jobs(crops, test_crops, folder):
    """A job with other words begins and ends while predict waits for a file, here at a pipe."""
    image = str(test_crops / "rocket" / "00.jpg")
    words = folder / "models" / "words.npz"
    data = words.read_bytes()
    words.unlink()
    os.mkfifo(words)
    with ThreadPoolExecutor(1) as pool:
        predicted = pool.submit(lambda: list(Run(folder, n_jobs=1).predict([image])))
        with words.open("wb") as pipe:  # which opens when predict does
            Run(folder, n_jobs=1).run(settings(crops, test_crops, seed=1))
            pipe.write(data)
        with pytest.raises(ValueError, match="a job replaces the models just now; predict again"):
            predicted.result()
    assert words.read_bytes() != data
    (prediction,) = Run(folder, n_jobs=1).predict([image])
    assert prediction.failure is None


def test_other_test_images_leave_the_counts_and_failures_of_the_training_images(crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    (images / "brick" / "bad.jpg").write_bytes(b"no image")
    run = Run(tmp_path / "run", n_jobs=1)
    run.run(settings(images, crops))
    (images / "coffee" / "worse.jpg").write_bytes(b"no image")
    counts = run.evaluate(str(images))["images"]
    assert (counts["found"], counts["ok"], counts["failed"]) == (37 + 38, 72, 3)
    assert counts["in_train_and_test"] == 37
    rows = [(row["split"], row["path"]) for row in rows_of(tmp_path / "run" / "failures.csv")]
    bad, worse = "brick/bad.jpg", "coffee/worse.jpg"
    assert rows == [("train", bad), ("test", bad), ("test", worse)]
