import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from visualwords.pipeline.dataset import DatasetError
from visualwords.pipeline.job import Run, Settings


def settings(train, **more):
    return Settings(str(train), **{"words": 8, "hue_bins": 6, **more})


def files_of(folder: Path, pattern: str) -> dict[str, bytes]:
    files = sorted(file for file in folder.rglob(pattern) if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def finished(crops, test_crops, tmp_path_factory):
    """A whole run; read-only."""
    run = Run(tmp_path_factory.mktemp("run"), n_jobs=2)
    run.run(settings(crops, test=str(test_crops)))
    return run


def test_metrics(finished):
    metrics = json.loads((finished.folder / "metrics.json").read_bytes())
    images = metrics["images"]
    assert (images["found"], images["ok"], images["failed"]) == (51, 51, 0)
    assert images["decoded"] >= 51
    assert set(metrics["classifiers"]) == {"LinearSVM", "Softmax"}
    for scores in metrics["classifiers"].values():
        assert scores["test_accuracy"] == scores["by_features"]["hue+hog+words"]
        assert scores["test_accuracy"] > 0.6
        assert np.sum(scores["confusion"]) == 15
        assert scores["test_accuracy"] == pytest.approx(np.trace(scores["confusion"]) / 15)
        assert np.mean(list(scores["recall"].values())) == pytest.approx(scores["test_accuracy"])
    assert set(metrics["seconds"]) == {"scan", "learn", "extract", "train", "evaluate"}
    assert 50 < metrics["peak_rss_mb"] < 50_000


def test_predictions_table(finished):
    with (finished.folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    metrics = finished.metrics["classifiers"]
    assert len(rows) == 15
    for name in metrics:
        right = sum(row["label"] == row[name] for row in rows)
        assert right / 15 == pytest.approx(metrics[name]["test_accuracy"])


def test_predict_agrees_with_the_table(finished, test_crops):
    with (finished.folder / "predictions.csv").open() as file:
        table = {row["path"]: row["Softmax"] for row in csv.DictReader(file)}
    predictions = finished.predict([str(test_crops / name) for name in table])
    for prediction, label in zip(predictions, table.values(), strict=True):
        assert prediction.label == label
        assert 1 / 3 <= prediction.probability <= 1


def test_a_second_run_decodes_nothing_and_finds_the_same(crops, test_crops, finished):
    before = files_of(finished.cache, "*")
    again = Run(finished.folder, n_jobs=2)
    metrics = again.run(settings(crops, test=str(test_crops)))
    assert metrics["images"]["decoded"] == 0
    assert metrics["images"]["ok"] == 51
    for name, scores in metrics["classifiers"].items():
        assert scores["confusion"] == finished.metrics["classifiers"][name]["confusion"]
    assert files_of(finished.cache, "*") == before


def test_stages_alone_do_what_run_does(crops, test_crops, finished, tmp_path):
    asked = settings(crops, test=str(test_crops))
    Run(tmp_path, n_jobs=1).extract(asked)
    Run(tmp_path, n_jobs=1).train()
    metrics = Run(tmp_path, n_jobs=1).evaluate()
    assert files_of(tmp_path / "models", "*") == files_of(finished.folder / "models", "*")
    assert set(metrics) == set(finished.metrics)
    assert set(metrics["seconds"]) == {"scan", "learn", "extract", "train", "evaluate"}


def test_training_and_evaluation_need_no_images(crops, tmp_path):
    images = tmp_path / "images"
    for file in crops.rglob("*.*"):
        (images / file.parent.name).mkdir(parents=True, exist_ok=True)
        (images / file.parent.name / file.name).write_bytes(file.read_bytes())
    Run(tmp_path / "run", n_jobs=1).extract(settings(images, test_size=0.25))
    images.rename(tmp_path / "gone")
    (tmp_path / "run").rename(tmp_path / "moved")
    Run(tmp_path / "moved", n_jobs=1).train(alpha=0.1)
    metrics = Run(tmp_path / "moved", n_jobs=1).evaluate()
    assert metrics["classifiers"]["Softmax"]["alpha"] == 0.1
    assert np.sum(metrics["classifiers"]["Softmax"]["confusion"]) == 9


def test_evaluation_on_other_images(crops, test_crops, tmp_path):
    run = Run(tmp_path, n_jobs=1)
    run.run(settings(crops, test=str(test_crops)))
    metrics = Run(tmp_path, n_jobs=1).evaluate(str(crops))
    assert np.sum(metrics["classifiers"]["Softmax"]["confusion"]) == 36
    accuracy = metrics["classifiers"]["Softmax"]["test_accuracy"]
    assert accuracy == metrics["classifiers"]["Softmax"]["train_accuracy"]


def test_damaged_and_odd_files_become_failures_with_reasons(crops, tmp_path):
    images = tmp_path / "images"
    for file in crops.rglob("*.*"):
        (images / file.parent.name).mkdir(parents=True, exist_ok=True)
        (images / file.parent.name / file.name).write_bytes(file.read_bytes())
    png = (crops / "brick" / "01.png").read_bytes()
    jpg = (crops / "brick" / "00.jpg").read_bytes()
    odd = {
        "brick/empty.jpg": b"",
        "brick/text.jpg": b"hello",
        "brick/page.html": b"<html></html>",
        "brick/half.png": png[: len(png) // 2],
        "brick/half.jpg": jpg[: len(jpg) // 2],
        "rocket/tail.png": png[:-1],
        "rocket/tail.jpg": jpg[:-1],
        "rocket/flipped.png": png[:60] + bytes([png[60] ^ 255]) + png[61:],
        "rocket/signature.png": png[:8],
        "rocket/header.jpg": jpg[:30],
        "stray.png": png,
    }
    for name, data in odd.items():
        (images / name).write_bytes(data)
    (images / "coffee" / "link.png").symlink_to("nowhere.png")
    os.mkfifo(images / "coffee" / "pipe.png")
    odd_names = {*odd, "coffee/link.png", "coffee/pipe.png"}
    # sound although odd: the content decides, not the name; and names need not be ASCII
    (images / "coffee" / "png-inside.jpg").write_bytes(png)
    (images / "coffee" / "größe 漢字.dat").write_bytes(jpg)

    metrics = Run(tmp_path / "run", n_jobs=2).run(settings(images, test_size=0.25))
    counts = metrics["images"]
    assert counts["found"] == 36 + 2 + len(odd_names)
    assert counts["found"] == counts["ok"] + counts["failed"]
    assert counts["failed"] == len(odd_names)
    with (tmp_path / "run" / "failures.csv").open() as file:
        failures = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert set(failures) == odd_names
    assert all(failures.values())
    assert "empty" in failures["brick/empty.jpg"]
    assert "outside any class folder" in failures["stray.png"]


def test_the_hog_side_follows_the_training_images(crops, tmp_path):
    run = Run(tmp_path, n_jobs=1)
    run.extract(settings(crops))  # crops of 40 to 59 pixels: median of the shorter sides in 40..48
    record = json.loads((tmp_path / "train.json").read_bytes())
    columns = np.load(tmp_path / record["matrices"]["hog"] / "00000.npy", mmap_mode="r").shape[1]
    assert columns == (40 // 8 - 1) ** 2 * 36


def test_a_manifest_with_splits(crops, tmp_path):
    lines = ["path,label,split"]
    for file in sorted(crops.rglob("*.*")):
        split = "test" if file.stem in ("10", "11") else "train"
        lines.append(f"{file},{file.parent.name},{split}")
    manifest = tmp_path / "all.csv"
    manifest.write_text("\n".join(lines))
    metrics = Run(tmp_path / "run", n_jobs=1).run(settings(manifest))
    assert metrics["images"]["found"] == 36
    assert np.sum(metrics["classifiers"]["Softmax"]["confusion"]) == 6
    with pytest.raises(DatasetError, match="has a column split"):
        Run(tmp_path / "run", n_jobs=1).run(settings(manifest, test_size=0.5))


def test_a_manifest_whose_test_classes_have_no_training_images_is_refused(crops, tmp_path):
    lines = ["path,label,split"]
    for file in sorted(crops.rglob("*.*")):
        split = "test" if file.parent.name == "coffee" else "train"
        lines.append(f"{file},{file.parent.name},{split}")
    (tmp_path / "all.csv").write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=r"all\.csv: class 'coffee' has no training images"):
        Run(tmp_path / "run").extract(settings(tmp_path / "all.csv"))


def test_classes_without_training_images_are_refused(crops, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(crops / "brick", images / "brick")
    with pytest.raises(DatasetError, match="at least two classes, got only 'brick'"):
        Run(tmp_path / "run").run(settings(images))
    assert not (tmp_path / "run").exists()
    (images / "none").mkdir()
    for name in ("a.png", "b.png"):
        (images / "none" / name).write_bytes(b"no image")
    with pytest.raises(ValueError, match="class 'none' has no training image that can be used"):
        Run(tmp_path / "run", n_jobs=1).run(settings(images, test=str(images)))


@pytest.mark.parametrize("test", ["test", "val"])
def test_a_folder_of_splits_is_no_folder_of_classes(crops, test_crops, tmp_path, test):
    shutil.copytree(crops, tmp_path / "data" / "train")
    shutil.copytree(test_crops, tmp_path / "data" / test)
    message = f"data: its folders are splits, not classes; .*/train --test .*/data/{test}$"
    with pytest.raises(DatasetError, match=message):
        Run(tmp_path / "run").run(Settings(str(tmp_path / "data")))


def test_classes_without_usable_test_images(crops, tmp_path):
    tests = shutil.copytree(crops, tmp_path / "tests")
    for file in (tests / "coffee").iterdir():
        file.write_bytes(b"no image")
    run = Run(tmp_path / "run", n_jobs=1)
    metrics = run.run(settings(crops, test=str(tests)))
    for scores in metrics["classifiers"].values():
        assert scores["recall"]["coffee"] is None
        assert scores["recall"]["rocket"] == scores["confusion"][2][2] / 12
    for file in tests.rglob("*.*"):
        file.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"none of the test images .* brick/00\.jpg: not an image"):
        run.evaluate(str(tests))


@pytest.mark.parametrize("name", ["train.json", "metrics.json", "failures.csv"])
def test_files_of_no_run_are_not_overwritten(crops, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(DatasetError, match=f"{name} is of no run and would be overwritten"):
        Run(tmp_path).extract(settings(crops))
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_models_of_no_run_are_not_removed(crops, tmp_path):
    mine = tmp_path / "models" / "my-own.npz"
    mine.parent.mkdir()
    mine.write_text("mine")
    run = Run(tmp_path, n_jobs=1)
    run.extract(settings(crops))
    run.train()
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.json", b"{", r"train\.json: damaged, or of no run"),
        ("train.json", b"7", r"train\.json: damaged, or of no run"),
        ("train.json", b'{"images": []}', r"train\.json: damaged, or of no run: .* is missing"),
        ("run.json", b"{}", r"run\.json: damaged, or of no run: 'max_pixels' is missing"),
        ("models/hue.npz", None, r"hue\.npz: no such file; were"),
        ("models/Softmax-hue+hog+words.npz", b"x", r"words\.npz: not a saved estimator"),
    ],
)
def test_a_damaged_run_is_told_by_the_file(finished, crops, tmp_path, name, content, message):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(Run(folder).predict([str(crops / "brick" / "00.jpg")]))


def test_lost_matrices_are_told_by_their_folder(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    for shard in (folder / "cache" / "hog").rglob("*.npy"):
        shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cache/hog/.* damaged .*`visualwords extract` makes it"):
        Run(folder).train()
    shutil.rmtree(folder / "cache")
    with pytest.raises(ValueError, match=r"cache/hue/.* damaged .*`visualwords extract` makes it"):
        Run(folder).evaluate()


def test_contradictions_are_errors(crops, test_crops, tmp_path):
    with pytest.raises(DatasetError, match="either --test or --test-size"):
        Run(tmp_path).run(settings(crops, test=str(test_crops), test_size=0.5))
    with pytest.raises(ValueError, match="no such file"):
        Run(tmp_path / "never").train()


def test_outputs_among_the_images_are_refused(crops, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(crops, images)
    (tmp_path / "link").symlink_to(images)
    with pytest.raises(DatasetError, match=r"images/run.*outside"):
        Run(images / "run").extract(settings(images))
    with pytest.raises(DatasetError, match="outside"):
        Run(images).extract(settings(tmp_path / "link"))
    with pytest.raises(DatasetError, match=r"images/deep/cache.*outside"):
        Run(tmp_path / "run", cache=images / "deep/cache").extract(settings(images))
    with pytest.raises(DatasetError, match="outside"):
        Run(images / "run").extract(settings(crops, test=str(images)))
    assert {file.name for file in images.iterdir()} == {file.name for file in crops.iterdir()}


def test_test_images_around_the_run_are_refused(crops, tmp_path):
    Run(tmp_path / "run", n_jobs=1).extract(settings(crops, test_size=0.5))
    with pytest.raises(DatasetError, match="outside"):
        Run(tmp_path / "run").evaluate(str(tmp_path))


def test_outputs_may_lie_among_the_images_where_they_are_passed_over(crops, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(crops, images)
    for _ in range(2):
        run = Run(images / ".run", n_jobs=1)
        assert run.extract(settings(images))["images"]["found"] == 36


DIE_AFTER_WRITES = """
import os, signal, sys
from pathlib import Path
from visualwords.pipeline import cli

left, replace = int(sys.argv[1]), Path.replace

def replace_or_die(self, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

Path.replace = replace_or_die
sys.exit(cli.main(sys.argv[2:]))
"""


def test_killed_anywhere_and_run_again_the_matrices_are_the_same_bytes(
    crops, test_crops, finished, tmp_path
):
    arguments = ["run", str(crops), "--test", str(test_crops), "--out", str(tmp_path)]
    arguments += ["--words", "8", "--hue-bins", "6", "--jobs", "2"]
    script = [sys.executable, "-c", DIE_AFTER_WRITES]
    kills = 0
    for writes in (1, 2, 3, 4, 5, 1000):
        code = subprocess.run([*script, str(writes), *arguments], capture_output=True).returncode
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
    assert code == 0
    assert kills >= 4
    expected = files_of(finished.cache, "*.npy") | files_of(finished.cache, "*.json")
    found = files_of(tmp_path / "cache", "*.npy") | files_of(tmp_path / "cache", "*.json")
    assert {name: found[name] for name in expected} == expected
    assert set(found) == set(expected)
    assert not list(tmp_path.rglob("*.tmp"))
