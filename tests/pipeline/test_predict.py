"""Names of images to predict, and predictions in a file."""

import csv
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from visualwords.pipeline.predict import find_images, write_predictions
from visualwords.pipeline.run import Prediction
from visualwords.pipeline.sources import SourceError

PREDICTIONS = [
    Prediction("a.jpg", ("owl", "cat"), (0.75, 0.25)),
    Prediction("b, c.jpg", failure="not an image"),
]


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.png", "deep/er/c.jpg", "deep/.hidden.jpg", "[x].jpg"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return tmp_path


def names_of(images):
    return [name for found in find_images(images) for name in found.names]


def test_names_stand_for_files_folders_and_globs(photographs):
    assert names_of(["b.jpg", "a.png"]) == ["b.jpg", "a.png"]
    assert names_of(["deep"]) == ["deep/er/c.jpg"]
    assert names_of(["*.jpg"]) == ["[x].jpg", "b.jpg"]
    assert names_of(["**/*.jpg"]) == ["[x].jpg", "b.jpg", "deep/er/c.jpg"]


def test_any_place_of_images_is_meant_by_its_name(photographs):
    (photographs / "list.txt").write_text("a.png\nb.jpg\n")
    (photographs / "table.csv").write_text("path,label\nb.jpg,x\n")
    with zipfile.ZipFile("all.zip", "w") as archive:
        archive.write("a.png", "class/a.png")
    given = ["list.txt", "a.png", "table.csv", "all.zip", Path("deep")]
    assert names_of(given) == ["a.png", "b.jpg", "a.png", "b.jpg", "class/a.png", "deep/er/c.jpg"]
    assert names_of("list.txt") == ["a.png", "b.jpg"]
    assert names_of([np.zeros((4, 4), np.uint8)]) == ["array[0]"]


def test_an_empty_place_is_named(photographs):
    (photographs / "nothing").mkdir()
    with pytest.raises(SourceError, match="nothing: no images in it; name a place that holds"):
        names_of(["deep", "nothing"])


@pytest.mark.parametrize(
    "image", [b"data", Image.new("RGB", (4, 4)), None], ids=["bytes", "PIL", "None"]
)
def test_what_is_no_name_of_an_image_is_refused(image):
    with pytest.raises(
        TypeError, match=r"expected paths or URLs of images, .* vw\.load_image makes"
    ):
        names_of([image])
    with pytest.raises(TypeError, match="expected paths or URLs"):
        names_of(["b.jpg", np.zeros((4, 4), np.uint8)])
    with pytest.raises(TypeError, match=r"expected paths or URLs of images, .* got int"):
        names_of(3)


def test_a_generator_is_a_list_of_images_and_a_table_is_none(photographs):
    assert names_of(name for name in ["b.jpg", "a.png"]) == ["b.jpg", "a.png"]
    assert names_of(pd.Series(["b.jpg", "a.png"])) == ["b.jpg", "a.png"]
    for table in (pd.DataFrame({"path": ["b.jpg"]}), {"path": ["b.jpg"]}):
        with pytest.raises(TypeError, match="expected a list of arrays or paths, got"):
            names_of(table)


def test_a_file_is_meant_before_a_pattern(photographs):
    assert names_of(["[x].jpg"]) == ["[x].jpg"]


def test_what_is_not_there_is_told_when_it_is_read(photographs):
    assert names_of(["nowhere.jpg", "*.gif"]) == ["nowhere.jpg", "*.gif"]


def test_predictions_as_csv(tmp_path):
    write_predictions(tmp_path / "out.csv", PREDICTIONS)
    with (tmp_path / "out.csv").open(newline="") as text:
        first, second = csv.DictReader(text)
    assert (first["image"], first["class1"], first["class2"]) == ("a.jpg", "owl", "cat")
    assert float(first["probability1"]) == 0.75
    assert second["image"] == "b, c.jpg"
    assert (second["class1"], second["failure"]) == ("", "not an image")


def test_classes_that_are_not_sure_enough_are_left_out_of_a_table(tmp_path):
    unsure = [prediction.at_least(0.5) for prediction in PREDICTIONS]
    write_predictions(tmp_path / "out.csv", unsure)
    with (tmp_path / "out.csv").open(newline="") as text:
        first, second = csv.DictReader(text)
    assert (first["class1"], first["probability1"], first["failure"]) == ("owl", "0.75", "")
    assert "class2" not in first
    assert second["failure"] == "not an image"
    write_predictions(tmp_path / "out.csv", [PREDICTIONS[0].at_least(0.8)])
    with (tmp_path / "out.csv").open(newline="") as text:
        (row,) = csv.DictReader(text)
    assert row == {"image": "a.jpg", "class1": "", "probability1": "", "failure": ""}


def test_predictions_as_parquet(tmp_path):
    write_predictions(tmp_path / "out.parquet", PREDICTIONS)
    first, second = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (first["class2"], first["probability2"], first["failure"]) == ("cat", 0.25, None)
    assert (second["class1"], second["probability1"]) == (None, None)


def test_another_kind_of_file_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"expected a name that ends in \.csv or \.parquet"):
        write_predictions(tmp_path / "out.xlsx", PREDICTIONS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["found.csv", "found.parquet"])
def test_names_that_are_not_utf_8_are_written_with_escapes(name, tmp_path):
    write_predictions(tmp_path / name, [Prediction(os.fsdecode(b"caf\xe9.jpg"), ("cat",), (1.0,))])
    data = (tmp_path / name).read_bytes()
    if name.endswith(".csv"):
        assert data.decode().splitlines()[1] == r"caf\xe9.jpg,cat,1.0,"
    else:
        assert pq.read_table(tmp_path / name)["image"].to_pylist() == [r"caf\xe9.jpg"]
