"""A run: images in; matrices, classifiers and scores out; one job's results in its folder."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from visualwords.classifiers import expected_calibration_error
from visualwords.features import HueHistogram
from visualwords.pipeline.job import Options
from visualwords.pipeline.persist import load_estimator
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.pipeline.sources import SourceError
from visualwords.pipeline.store.files import DamagedError, open_folder


def recipe(*settings):
    made = Recipe()
    for setting in ("words.n_words=3", "hue.n_bins=3", "hog.image_size=[16,16]", *settings):
        made = made.with_setting(setting)
    return made


def open_run(folder, **options):
    return Run(folder, options=Options(n_jobs=1), **options)


def scores_of(folder):
    metrics = json.loads((folder / "metrics.json").read_bytes())
    classifiers = metrics.get("classifiers", {})
    return {name: entry["confusion"] for name, entry in classifiers.items() if "confusion" in entry}


def rows_of(file):
    with file.open() as text:
        return list(csv.DictReader(text))


def models_of(folder):
    return {f.name: f.read_bytes() for f in (folder / "models").iterdir() if f.suffix == ".npz"}


@pytest.fixture(scope="module")
def original(crops, test_crops, tmp_path_factory):
    """A whole run; read-only."""
    folder = tmp_path_factory.mktemp("run") / "run"
    open_run(folder).run(crops, test_crops, recipe())
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "run")


def test_metrics(original):
    metrics = json.loads((original / "metrics.json").read_bytes())
    images = metrics["images"]
    assert (images["found"], images["ok"], images["failed"]) == (51, 51, 0)
    assert images["decoded"] >= 51
    assert set(metrics["classifiers"]) == {"LinearSVM", "Softmax"}
    for scores in metrics["classifiers"].values():
        assert scores["test_accuracy"] == scores["by_features"]["hue+hog+words"]
        assert scores["test_accuracy"] > 0.5
        assert np.sum(scores["confusion"]) == 15
        assert scores["test_accuracy"] == pytest.approx(np.trace(scores["confusion"]) / 15)
        assert np.mean(list(scores["recall"].values())) == pytest.approx(scores["test_accuracy"])
    assert {"scan", "learn", "extract", "train", "evaluate"} <= set(metrics["seconds"])
    assert 50 < metrics["peak_rss_mb"] < 50_000


def test_what_python_sees_of_a_run(original):
    run = Run.open(original)
    assert run.features == ["hue", "hog", "words"]
    X, y = run.matrix(["hue", "hog"], split="train"), run.labels("train")
    assert X.shape == (36, 3 + 36)
    assert sorted(set(y)) == ["brick", "coffee", "rocket"]
    assert run.matrix("words", split="test").shape == (15, 3)
    assert run.images.num_rows == 51


def test_a_notebook_shows_the_scores_of_a_run(original):
    shown = Run.open(original)._repr_html_()
    for name, scores in json.loads((original / "metrics.json").read_text())["classifiers"].items():
        assert f"<th>{name}</th>" in shown
        for features, accuracy in scores["by_features"].items():
            assert f"<td>{features}</td>" in shown
            assert f"<td>{accuracy:.4f}</td>" in shown


def test_predictions_agree_with_the_table_and_the_scores(original, test_crops):
    table = {row["path"]: row for row in rows_of(original / "predictions.csv")}
    for name, confusion in scores_of(original).items():
        assert sum(row["label"] == row[name] for row in table.values()) == np.trace(confusion)
    images = [str(test_crops / path) for path in table]
    for prediction, row in zip(Run(original).predict(images, top=3), table.values(), strict=True):
        assert prediction.labels[0] == row["Softmax"]
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert list(prediction.probabilities) == sorted(prediction.probabilities, reverse=True)


def test_a_second_run_decodes_nothing_and_trains_nothing(crops, test_crops, folder):
    before = models_of(folder), scores_of(folder)
    (folder / "report.html").write_text("a report of before")
    run = open_run(folder)
    metrics = run.run(crops, test_crops, recipe())
    assert run.has_report
    assert metrics["images"]["decoded"] == 0
    assert not {"train", "evaluate"} & set(run.options.progress.seconds)
    assert (models_of(folder), scores_of(folder)) == before


def test_predictions_that_are_damaged_are_made_again(crops, test_crops, folder):
    file = folder / "predictions.csv"
    before = file.read_bytes()
    file.write_bytes(before.replace(b"brick", b"stone"))
    (folder / "report.html").write_text("a report of before")
    run = open_run(folder)
    run.run(crops, test_crops, recipe())
    assert file.read_bytes() == before
    assert not run.has_report


def test_stages_alone_do_what_run_does(crops, test_crops, original, tmp_path):
    open_run(tmp_path / "run").extract(crops, test_crops, recipe())
    Run.open(tmp_path / "run", Options(n_jobs=1)).train()
    Run.open(tmp_path / "run", Options(n_jobs=1)).evaluate()
    assert models_of(tmp_path / "run") == models_of(original)
    assert scores_of(tmp_path / "run") == scores_of(original)


def test_training_and_evaluation_need_no_images_and_the_folder_may_move(crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    open_run(tmp_path / "run").extract(images, None, recipe("test_size=0.25"))
    images.rename(tmp_path / "gone")
    (tmp_path / "run").rename(tmp_path / "moved")
    run = open_run(tmp_path / "moved")
    run.train(recipe("LinearSVM.alpha=0.25"))
    metrics = run.evaluate()
    assert metrics["classifiers"]["LinearSVM"]["alpha"] == 0.25
    n_test = len(run.labels("test"))
    assert np.sum(metrics["classifiers"]["Softmax"]["confusion"]) == n_test > 0


def test_columns_of_train_and_test_manifests_are_named_once(crops, test_crops, tmp_path):
    for name, images in (("a", crops), ("b", test_crops)):
        files = sorted(images.rglob("*.*"))
        rows = [f"{file},{file.parent.name}" for file in files]
        (tmp_path / f"{name}.csv").write_text("\n".join(["file,species", *rows]))
    columns = {"path_column": "file", "label_column": "species"}
    for train, test in (("a.csv", "b.csv"), (crops, "b.csv"), ("a.csv", test_crops)):
        places = [p if isinstance(p, Path) else tmp_path / p for p in (train, test)]
        run = open_run(tmp_path / "run")
        run.extract(*places, recipe().with_features(["hue"]), **columns)
        assert (len(run.labels("train")), len(run.labels("test"))) == (36, 15)


def test_added_images_never_change_the_split_of_others(crops, test_crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    run = open_run(tmp_path / "run")
    run.extract(images, None, recipe("test_size=0.4"))
    before = dict(zip(run.images["path"].to_pylist(), run.images["split"].to_pylist(), strict=True))
    for file in (test_crops / "rocket").iterdir():
        shutil.copy(file, images / "rocket" / f"new-{file.name}")
    run = open_run(tmp_path / "run")
    run.extract(images, None, recipe("test_size=0.4"))
    after = dict(zip(run.images["path"].to_pylist(), run.images["split"].to_pylist(), strict=True))
    assert before.items() <= after.items()
    assert len(after) == len(before) + 5
    assert set(before.values()) == {"train", "test"}


def test_other_test_images_are_described_by_the_features_of_the_run(test_crops, folder, tmp_path):
    expected = scores_of(folder)
    images = shutil.copytree(test_crops, tmp_path / "other")
    run = open_run(folder)
    metrics = run.evaluate(images)
    (other,) = metrics["other_tests"].values()
    assert {name: scores["confusion"] for name, scores in other.items()} == expected
    assert "learn" not in run.options.progress.seconds


def test_other_test_images_are_scored_beside_those_of_the_run(crops, test_crops, folder):
    before = scores_of(folder)
    metrics = open_run(folder).evaluate(crops)
    (other,) = metrics["other_tests"].values()
    assert np.sum(other["Softmax"]["confusion"]) == 36
    trained = metrics["classifiers"]["Softmax"]["train_accuracy"]
    assert other["Softmax"]["test_accuracy"] == trained
    assert scores_of(folder) == before
    assert len(rows_of(folder / "predictions.csv")) == 15


def test_other_images_of_an_unknown_class_are_refused(crops, folder, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    (images / "brick").rename(images / "stone")
    with pytest.raises(SourceError, match="class 'stone' is not among the training classes"):
        open_run(folder).evaluate(images)


def test_other_settings_leave_no_models_and_no_scores(crops, test_crops, folder):
    open_run(folder).extract(crops, test_crops, recipe("hue.n_bins=4"))
    assert scores_of(folder) == {}
    assert not (folder / "predictions.csv").exists()
    image = str(test_crops / "rocket/00.jpg")
    for command in (open_run(folder).evaluate, lambda: list(Run(folder).predict([image]))):
        with pytest.raises(ValueError, match=r"models\.json: no such file; `visualwords train`"):
            command()


def test_training_with_another_penalty_leaves_no_old_scores(folder):
    run = open_run(folder)
    run.train(recipe("Softmax.alpha=0.5"))
    assert scores_of(folder) == {}
    assert not (folder / "predictions.csv").exists()
    assert run.evaluate()["classifiers"]["Softmax"]["alpha"] == 0.5


def test_a_penalty_for_each_feature_serves_all_sets_of_features(folder):
    run, alphas = open_run(folder), dict.fromkeys(Run.open(folder).features, 0.1)
    one = run.train(recipe("Softmax.alpha=0.1")) and run.evaluate()["classifiers"]["Softmax"]
    run.train(recipe(f"Softmax.alpha={json.dumps(alphas)}"))
    same = run.evaluate()["classifiers"]["Softmax"]
    assert same["alpha"] == alphas
    assert same["by_features"] == one["by_features"]
    assert same["confusion"] == one["confusion"]


def test_a_command_that_fails_leaves_all_as_it_was(folder):
    before = models_of(folder), scores_of(folder)
    with pytest.raises(ValueError, match="alpha"):
        open_run(folder).train(recipe("Softmax.alpha=-1"))
    assert (models_of(folder), scores_of(folder)) == before


def write_manifest(file, crops, split_of):
    lines = ["path,label,split"]
    for image in sorted(crops.rglob("*.*")):
        lines.append(f"{image},{image.parent.name},{split_of(image)}")
    file.write_text("\n".join(lines))
    return file


def test_a_manifest_with_splits_keeps_all_of_them(crops, tmp_path):
    names = {"09": "val", "10": "test", "11": "test"}
    manifest = write_manifest(tmp_path / "a.csv", crops, lambda f: names.get(f.stem, "train"))
    run = open_run(tmp_path / "run")
    metrics = run.run(manifest, None, recipe())
    assert np.sum(metrics["classifiers"]["Softmax"]["confusion"]) == 6
    assert run.matrix("hue", split="val").shape == (3, 3)
    assert len(run.labels("train")) == 27


REFUSED = {
    "a single class": (
        lambda data, crops: shutil.copytree(crops / "brick", data / "brick"),
        "at least two classes",
    ),
    "no class": (
        lambda data, crops: shutil.copytree(crops / "brick", data),
        "at least two classes, .*got no labels",
    ),
    "splits": (
        lambda data, crops: [shutil.copytree(crops, data / name) for name in ("train", "val")],
        "its folders are splits, not classes; .*/data/train --test .*/data/val$",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_folders_that_are_no_folders_of_classes_are_refused(crops, tmp_path, case):
    make, message = REFUSED[case]
    make(tmp_path / "data", crops)
    with pytest.raises(SourceError, match=message):
        open_run(tmp_path / "run").run(tmp_path / "data", None, recipe())
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_test_class_without_training_images_is_refused(crops, tmp_path):
    manifest = write_manifest(
        tmp_path / "a.csv", crops, lambda f: "test" if f.parent.name == "coffee" else "train"
    )
    with pytest.raises(SourceError, match=r"a\.csv: class 'coffee' has no training images"):
        open_run(tmp_path / "run").extract(manifest)


def test_a_class_without_a_usable_training_image_is_named(crops, test_crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    (images / "none").mkdir()
    (images / "none" / "a.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match="class 'none' has no training image that can be used"):
        open_run(tmp_path / "run").run(images, test_crops, recipe())


def test_a_class_without_a_usable_test_image_has_no_recall(crops, test_crops, tmp_path):
    tests = shutil.copytree(test_crops, tmp_path / "tests")
    for file in (tests / "coffee").iterdir():
        file.write_bytes(b"no image")
    metrics = open_run(tmp_path / "run").run(crops, tests, recipe())
    for scores in metrics["classifiers"].values():
        assert scores["recall"]["coffee"] is None
        assert scores["recall"]["rocket"] == scores["confusion"][2][2] / 5
    assert metrics["failures"] == {"not an image": 5}
    rows = rows_of(tmp_path / "run" / "failures.csv")
    assert {(row["split"], row["kind"]) for row in rows} == {("test", "not an image")}


def test_images_in_both_splits_are_counted(crops, tmp_path):
    metrics = open_run(tmp_path / "run").run(crops, crops, recipe())
    assert metrics["images"]["in_train_and_test"] == 36


def test_outputs_among_the_images_are_refused(crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    (tmp_path / "link").symlink_to(images)
    for run, train in [
        (open_run(images / "run"), images),
        (open_run(images), tmp_path / "link"),
        (open_run(tmp_path / "run", store=images / "deep/store"), images),
    ]:
        with pytest.raises(SourceError, match="choose a folder outside"):
            run.extract(train, None, recipe())
    with pytest.raises(SourceError, match="outside"):
        open_run(images / "run").extract(crops, images, recipe())
    assert {file.name for file in images.iterdir()} == {file.name for file in crops.iterdir()}


@pytest.mark.parametrize("name", ["images.parquet", "metrics.json", "failures.csv"])
def test_files_of_no_run_are_not_overwritten(crops, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(SourceError, match=f"{name} is of no run and would be overwritten"):
        open_run(tmp_path).extract(crops)
    assert [file.name for file in tmp_path.iterdir()] == [name]


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
    job.wait()
    open_run(tmp_path / "run").run(crops, test_crops, recipe())
    assert scores_of(tmp_path / "run") == scores_of(original)
    assert models_of(tmp_path / "run") == models_of(original)


def test_calibrated_classifiers_report_the_error_of_their_probabilities(folder):
    run = open_run(folder)
    run.train(recipe("LinearSVM.kind=LinearSVMCV", "LinearSVM.calibrate=true", "LinearSVM.cv=2"))
    scores = run.evaluate()["classifiers"]
    predicted = rows_of(folder / "predictions.csv")
    labels = [row["label"] for row in predicted]
    for name in ("LinearSVM", "Softmax"):
        model = load_estimator(folder / f"models/{name}-hue+hog+words.npz")
        probabilities = model.predict_proba(run.matrix(split="test"))
        expected = expected_calibration_error(labels, probabilities, model.classes_)
        assert scores[name]["calibration_error"] == pytest.approx(expected)
    assert expected > 0
