"""Images, folders and files that a run refuses, and classes without usable images."""

import shutil

import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.cli import main
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import SourceError
from visualwords.tests.pipeline.runs.helpers import open_run, recipe, rows_of, write_manifest

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


def test_splits_of_other_names_are_told_as_such(crops, tmp_path):
    of_split = {"brick": "Test", "coffee": "Train", "rocket": "Train"}
    manifest = write_manifest(tmp_path / "a.csv", crops, lambda f: of_split[f.parent.name])
    with pytest.raises(SourceError, match=r"the splits 'train' and 'test', got 'Test', 'Train'; n"):
        open_run(tmp_path / "run").extract(manifest)


def test_paths_that_lead_nowhere_are_told_as_such(crops, tmp_path):
    manifest = write_manifest(tmp_path / "a.csv", crops, lambda _: "train")
    manifest.write_text(manifest.read_text().replace(f"{crops}", "C:\\images").replace("/", "\\"))
    with pytest.raises(
        SourceError, match=r"none of the images can be used, such as C:.*: cannot be"
    ):
        open_run(tmp_path / "run").extract(manifest)


@pytest.mark.parametrize(("split", "called"), [("train", "training"), ("test", "test")])
def test_images_of_no_use_are_told_before_any_is_decoded(
    crops, test_crops, tmp_path, split, called
):
    folders = {"train": crops, "test": test_crops}
    folders[split] = shutil.copytree(folders[split], tmp_path / split)
    (folders[split] / "stray.png").write_bytes((crops / "brick" / "00.jpg").read_bytes())
    message = f"1 {called} image has no label, such as .*stray.png; put images into class folders"
    with pytest.raises(SourceError, match=message):
        open_run(tmp_path / "run").extract(folders["train"], folders["test"], recipe())
    for file in folders[split].rglob("*.*"):
        file.write_bytes(b"no image")
    message = f"none of the {called} images can be used, such as .*: not an image"
    with pytest.raises(SourceError, match=message):
        open_run(tmp_path / "run").extract(folders["train"], folders["test"], recipe())
    assert not (tmp_path / "run" / "run.json").exists()


def test_other_test_images_of_no_use_are_named(folder, tmp_path):
    (tmp_path / "others" / "brick").mkdir(parents=True)
    (tmp_path / "others" / "brick" / "a.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match="others: none of the test images can be used"):
        open_run(folder).evaluate(tmp_path / "others")


def test_a_class_without_a_usable_training_image_is_named(crops, test_crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    (images / "none").mkdir()
    (images / "none" / "a.png").write_bytes(b"no image")
    with pytest.raises(
        SourceError, match=r"'none' has no .* used, such as none/a\.png: not an image"
    ):
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
    with pytest.raises(SourceError, match="outside"):
        extract(images, images / "store", [HueHistogram()])
    assert main(["extract", str(images), "--store", str(images / "deep" / "store")]) == 1
    assert {file.name for file in images.iterdir()} == {file.name for file in crops.iterdir()}


@pytest.mark.parametrize("name", ["images.parquet", "metrics.json", "failures.csv"])
def test_files_of_no_run_are_not_overwritten(crops, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(SourceError, match=f"{name} is of no run and would be overwritten"):
        open_run(tmp_path).extract(crops)
    assert [file.name for file in tmp_path.iterdir()] == [name]
