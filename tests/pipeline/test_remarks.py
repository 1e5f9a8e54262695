"""Duplicates, leaks, features that say nothing, and what a run replaces."""

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
from PIL import Image

from visualwords.features import HueHistogram
from visualwords.pipeline.cli import main
from visualwords.pipeline.job import extract
from visualwords.pipeline.remarks import changes, duplicates, silent_features


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
    before = {"features": {"hue": "hue-1", "hog": "hog-1"}}
    after = {"features": {"hue": "hue-2", "words": "words-1"}}
    assert changes(before, before, True) == ""
    assert changes(before, after, False) == (
        "words is new, hog is left out, hue changed, images, labels or splits changed"
    )


def test_a_run_names_leaks_duplicates_and_silent_features(crops, test_crops, tmp_path, capsys):
    train, test = (shutil.copytree(f, tmp_path / n) for n, f in (("a", crops), ("b", test_crops)))
    for file in [*train.rglob("*.*"), *test.rglob("*.*")]:
        Image.open(file).convert("L").save(file)
    shutil.copy(train / "brick" / "00.jpg", test / "brick" / "again.jpg")
    shutil.copy(train / "brick" / "01.png", train / "brick" / "twice.png")
    command = (
        "run",
        train,
        "--no-report",
        "--test",
        test,
        "--out",
        tmp_path / "run",
        "--features",
        "hue,hog",
    )
    assert call(*command) == 0
    output = capsys.readouterr().out
    assert "note       hue says nothing" in output
    assert "2 of the images are there more than once" in output
    assert "1 image is both in the training and in the test set" in output
    with (tmp_path / "run" / "duplicates.csv").open() as text:
        rows = [
            (r["split"], r["path"], r["same_as_split"], r["same_as"]) for r in csv.DictReader(text)
        ]
    assert rows == [
        ("train", "brick/twice.png", "train", "brick/01.png"),
        ("test", "brick/again.jpg", "train", "brick/00.jpg"),
    ]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_bytes())
    assert metrics["images"]["duplicates"] == 2
    assert metrics["silent_features"] == ["hue"]


def test_a_run_says_what_it_replaces_and_why(crops, test_crops, tmp_path, capsys):
    command = ("run", crops, "--no-report", "--test", test_crops, "--out", tmp_path, "--features")
    assert call(*command, "hue") == 0
    assert call(*command, "hue") == 0
    assert "replaces" not in capsys.readouterr().out
    assert call(*command, "hue", "--set", "hue.n_bins=12") == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("replaces")]
    assert line == (
        "replaces   predictions.csv, metrics.json, failures.csv, duplicates.csv, "
        "models/models.json (hue changed)"
    )
