"""Duplicates, leaks, features that say nothing, and what a run replaces."""

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
from PIL import Image

from visualwords.features import HueHistogram
from visualwords.pipeline import duplicates as duplicates_module
from visualwords.pipeline.cli import main
from visualwords.pipeline.duplicates import duplicates
from visualwords.pipeline.job import extract
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.remarks import differences, silent_features
from visualwords.pipeline.run import Run


def call(*arguments) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


def test_an_image_is_the_duplicate_of_the_first_one_with_its_bytes():
    digests = [bytes([value]) * 16 for value in (1, 2, 1, 3, 1)]
    images = pa.table(
        {
            "path": ["a", "b", "c", "d", "e"],
            "label": ["x", "x", "y", None, "x"],
            "split": ["train", "train", "test", "test", "train"],
            "digest": pa.array(digests, pa.binary()),
            "kind": pa.nulls(5, pa.string()),
        }
    )
    found = duplicates(images).select(["path", "split", "same_as", "same_as_split"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("c", "test", "a", "train"),
        ("e", "train", "a", "train"),
    ]


def test_files_that_could_not_be_read_are_no_duplicates():
    images = pa.table(
        {
            "path": ["a", "b"],
            "label": ["x", "x"],
            "split": ["train", "train"],
            "digest": pa.nulls(2, pa.binary()),
            "kind": ["unreadable", "unreadable"],
        }
    )
    assert duplicates(images).num_rows == 0


def test_a_feature_says_nothing_where_all_its_rows_are_alike(tmp_path):
    grey = [np.full((8, 8, 3), value, np.uint8) for value in (10, 90, 200)]
    colour = [*grey, np.zeros((8, 8, 3), np.uint8) + np.array([250, 0, 0], np.uint8)]
    assert silent_features(extract(grey, tmp_path, [HueHistogram()])) == ["hue"]
    assert silent_features(extract(colour, tmp_path, [HueHistogram()])) == []


def test_what_changed_between_two_runs_is_named():
    before, after = {"hue": "hue-1", "hog": "hog-1"}, {"hue": "hue-2", "words": "words-1"}
    assert differences(before, before) == []
    assert differences(before, after) == ["words is new", "hog is left out", "hue changed"]


def test_a_run_names_leaks_duplicates_and_silent_features(crops, test_crops, tmp_path, capsys):
    train, test = (shutil.copytree(f, tmp_path / n) for n, f in (("a", crops), ("b", test_crops)))
    for file in [*train.rglob("*.*"), *test.rglob("*.*")]:
        Image.open(file).convert("L").save(file)
    shutil.copy(train / "brick" / "00.jpg", test / "brick" / "again.jpg")
    shutil.copy(train / "brick" / "01.png", train / "brick" / "twice.png")
    picture = Image.open(train / "coffee" / "00.jpg")
    smaller = picture.resize((picture.width * 9 // 10, picture.height * 9 // 10))
    smaller.point(lambda value: min(255, value * 6 // 5)).save(test / "coffee" / "brighter.jpg")
    command = ("run", train, "--test", test, "--out", tmp_path / "run", "--features", "hue,hog")
    command = (*command, "--no-report")
    assert call(*command) == 0
    output = capsys.readouterr().out
    assert "note       hue says nothing" in output
    assert "note       2 images are copies of an earlier one; see" in output
    assert "1 image is both in the training and in the test set" in output
    assert "note       1 image looks nearly like another one; see" in output
    assert "1 test image looks nearly like a training image" in output
    names = ("split", "path", "same_as_split", "same_as", "kind")
    with (tmp_path / "run" / "duplicates.csv").open() as text:
        rows = [tuple(row[name] for name in names) for row in csv.DictReader(text)]
    assert rows == [
        ("train", "brick/twice.png", "train", "brick/01.png", "same bytes"),
        ("test", "brick/again.jpg", "train", "brick/00.jpg", "same bytes"),
        ("test", "coffee/brighter.jpg", "train", "coffee/00.jpg", "near"),
    ]
    found = Run.open(tmp_path / "run").duplicates()
    assert [tuple(row[name] for name in names) for row in found.to_pylist()] == rows
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_bytes())
    counts = metrics["images"]
    assert (counts["duplicates"], counts["near_duplicates"]) == (2, 1)
    assert (counts["in_train_and_test"], counts["near_in_train_and_test"]) == (1, 1)
    assert metrics["silent_features"] == ["hue"]


def test_images_that_are_not_used_are_no_leaks(crops, test_crops, tmp_path):
    train, test = (shutil.copytree(f, tmp_path / n) for n, f in (("a", crops), ("b", test_crops)))
    pixels = np.asarray(Image.open(train / "brick" / "00.jpg").resize((80, 80)))
    Image.fromarray(pixels).save(train / "brick" / "large.png")
    Image.fromarray(pixels[:, :79]).resize((70, 70)).save(test / "brick" / "alike.png")
    shutil.copy(train / "brick" / "large.png", test / "brick" / "large.png")
    for folder in (train, test):
        (folder / "brick" / "broken.png").write_bytes(b"no image")
    found = []
    # The second job finds hashes of large images in the store, the third one does not.
    for store, max_pixels in (("store", 10_000), ("store", 4_000), ("other", 4_000)):
        recipe = Recipe(features=[HueHistogram()], max_pixels=max_pixels)
        run = Run(tmp_path / f"run{len(found)}", store=tmp_path / store)
        run.extract(train, test, recipe)
        counts = run.metrics["images"]
        names = ("duplicates", "in_train_and_test", "near_in_train_and_test")
        found.append(tuple(counts[name] for name in names))
    assert found[0][:2] == (2, 1)
    assert found[0][2] > found[1][2]
    assert found[1] == found[2] == (2, 0, 0)


def test_extract_names_duplicates_and_keeps_their_hashes(crops, tmp_path, capsys):
    images, store = shutil.copytree(crops, tmp_path / "images"), tmp_path / "store"
    Image.open(images / "coffee" / "01.png").save(images / "coffee" / "again.jpg", quality=80)
    command = ("extract", images, "--store", store, "--features", "hue", "--json")
    assert call(*command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["images"]["near_duplicates"] == 1
    assert set(first["computed"]) == {"hue"}
    with (store / "duplicates.csv").open() as text:
        (row,) = csv.DictReader(text)
    assert (row["path"], row["same_as"]) == ("coffee/again.jpg", "coffee/01.png")
    assert 0 <= int(row["bits"]) <= 48
    assert call(*command) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["images"]["decoded"], again["images"]["near_duplicates"]) == (0, 1)
    found = extract(images, store, [HueHistogram()])
    assert found.work.decoded == 0
    assert found.duplicates()["path"].to_pylist() == ["coffee/again.jpg"]


def test_a_run_says_what_it_replaces_and_why(crops, test_crops, tmp_path, capsys):
    command = ("run", crops, "--no-report", "--out", tmp_path, "--features", "hue", "--test")
    assert call(*command, test_crops) == 0
    assert call(*command, test_crops) == 0
    assert "replaces" not in capsys.readouterr().out
    fewer = ("--set", "hue.n_bins=12")
    assert call(*command, crops, *fewer) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("replaces")]
    assert line == (
        "replaces   predictions.csv, metrics.json, failures.csv, duplicates.csv, "
        "models/models.json (hue changed; images, labels, splits or groups changed)"
    )
    (tmp_path / "report.html").write_text("of the models before")
    assert call(*command, crops, *fewer, "--set", "Softmax.alpha=0.5") == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("replaces")]
    replaced = "predictions.csv, metrics.json, report.html, models/models.json"
    assert line == f"replaces   {replaced} (Softmax changed)"
    assert call("train", tmp_path, "--set", "LinearSVM.alpha=0.5") == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("replaces")]
    assert line.endswith("predictions.csv, metrics.json, models/models.json (LinearSVM changed)")
    assert call("evaluate", tmp_path) == 0
    assert call("train", tmp_path, "--set", "LinearSVM.alpha=0.5") == 0
    assert "replaces" not in capsys.readouterr().out


def test_pairs_among_the_same_images_are_searched_once(crops, tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates_module, "LEAST_IMAGES", 2)
    images = shutil.copytree(crops, tmp_path / "images")
    for file in sorted(images.glob("*/0[0-3].*")):
        Image.open(file).save(file.with_name(f"again-{file.stem}.png"))
    features = [HueHistogram()]
    first = extract(images, tmp_path / "store", features).duplicates()
    assert len(first) > 3
    with monkeypatch.context() as patch:
        patch.delattr(duplicates_module, "near_duplicates")
        assert extract(images, tmp_path / "store", features).duplicates().equals(first)
    next(images.glob("*/again-*.png")).unlink()
    second = extract(images, tmp_path / "store", features).duplicates()
    assert 0 < len(second) < len(first)
    assert second.equals(extract(images, tmp_path / "other", features).duplicates())


def test_other_test_images_that_fail_or_were_trained_on_are_told(
    crops, test_crops, tmp_path, capsys
):
    run, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(test_crops, other)
    shutil.copy(crops / "brick" / "00.jpg", other / "brick" / "copy.jpg")
    picture = Image.open(crops / "coffee" / "00.jpg")
    picture.resize((3 * picture.width, 3 * picture.height)).save(other / "coffee" / "larger.png")
    (other / "rocket" / "note.jpg").write_text("hello")
    cut = (other / "rocket" / "01.png").read_bytes()[:700]
    (other / "rocket" / "01.png").write_bytes(cut)
    options = ("--features", "hue", "--no-report", "--jobs", 1)
    assert call("run", crops, "--test", test_crops, "--out", run, *options) == 0
    capsys.readouterr()
    assert call("evaluate", run, "--test", other) == 0
    printed = capsys.readouterr().out
    assert "\nimages     18 found, 16 ok, 2 failed\n" in printed
    assert "\nfailed     2 images cannot be used, such as rocket/01.png: " in printed
    assert "\nwarning    1 image is both in the training and in the test set: its test" in printed
    assert "\nwarning    1 test image looks nearly like a training image\n" in printed
    metrics = json.loads((run / "metrics.json").read_bytes())
    assert metrics["other_images"][str(other)] == {
        "found": 18,
        "ok": 16,
        "failed": 2,
        "in_train_and_test": 1,
        "near_in_train_and_test": 1,
        "groups_in_train_and_test": 0,
    }
    assert call("evaluate", run, "--test", test_crops) == 0
    assert "warning" not in capsys.readouterr().out


def test_groups_of_other_test_images_that_were_trained_on_are_told(crops, test_crops, tmp_path):
    for name, folder in (("train", crops), ("other", test_crops)):
        rows = [f"{file},{file.parent.name},{file.stem}" for file in sorted(folder.glob("*/*"))]
        (tmp_path / f"{name}.csv").write_text("\n".join(["path,label,group", *rows]))
    run = Run(tmp_path / "run")
    run.run(tmp_path / "train.csv", test_crops, Recipe().with_features(["hue"]))
    metrics = run.evaluate(tmp_path / "other.csv")
    (counts,) = metrics["other_images"].values()
    assert counts["groups_in_train_and_test"] == 5  # 00 to 04
