"""The recipe ``best`` is ``small`` or ``photographs``, whichever suits the size of the images."""

import json

import cv2
import numpy as np
import pytest

from visualwords.pipeline.best_recipe import best_recipe
from visualwords.pipeline.cli import main
from visualwords.pipeline.recipe_file import read_recipe


def write_images(folder, *shapes):
    folder.mkdir(parents=True, exist_ok=True)
    for i, shape in enumerate(shapes):
        pixels = np.random.default_rng(i).integers(0, 256, (*shape, 3), np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), pixels)
    return folder


@pytest.mark.parametrize(
    ("shapes", "name", "side"),
    [
        ([(32, 32)] * 3, "small", 32),
        ([(64, 300)], "small", 64),
        ([(65, 300)], "photographs", 65),
        ([(20, 20), (90, 80), (70, 100)], "photographs", 70),
    ],
)
def test_the_median_of_the_shorter_sides_decides(tmp_path, shapes, name, side):
    recipe, why = best_recipe(write_images(tmp_path / "images", *shapes))
    assert recipe == read_recipe(name)
    assert why == f"{name}, for images of {side} pixels on their shorter side"


def test_arrays_and_manifests_have_a_size_too(tmp_path):
    assert best_recipe([np.zeros((28, 28), np.uint8)])[0] == read_recipe("small")
    write_images(tmp_path / "large", (100, 120))
    table = tmp_path / "table.csv"
    table.write_text("file,label\nlarge/0.png,a\n")
    assert best_recipe(table, path_column="file")[0] == read_recipe("photographs")


def test_files_that_are_no_images_are_left_to_the_job(tmp_path):
    folder = write_images(tmp_path / "images", (100, 100), (100, 100))
    for i in range(5):
        (folder / f"a{i}.jpg").write_bytes(b"no image")
    assert best_recipe(folder)[1].startswith("photographs, for images of 100 pixels")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/0.png").write_bytes(b"no image")
    recipe, why = best_recipe(tmp_path / "bad")
    assert recipe == read_recipe("small")
    assert why == "small, as the size of no image can be read"


def test_images_beyond_the_limit_of_pixels_have_a_size_too(tmp_path):
    header = b"P5 9000 8000 255\n"
    (tmp_path / "0.pgm").write_bytes(header + bytes(9000 * 8000))
    assert best_recipe(tmp_path)[1].startswith("photographs, for images of 8000 pixels")


def test_all_classes_of_a_small_folder_are_looked_at(tmp_path):
    write_images(tmp_path / "a", *[(20, 20)] * 30)
    write_images(tmp_path / "b", *[(80, 80)] * 33)
    assert best_recipe(tmp_path)[1].startswith("photographs")


def test_the_command_line_names_the_recipe_that_it_took(tmp_path, capsys):
    images = write_images(tmp_path / "images", (100, 100))
    arguments = ["plan", str(images), "--store", str(tmp_path / "store"), "--recipe", "best"]
    assert main(arguments) == 0
    recipe, _, words, _ = capsys.readouterr().out.splitlines()
    assert recipe == "recipe     photographs, for images of 100 pixels on their shorter side"
    assert words.split()[0] == "words"
    assert main([*arguments, "--json"]) == 0
    assert "words" in json.loads(capsys.readouterr().out)


def test_a_file_of_that_name_is_read(tmp_path, monkeypatch, capsys):
    images = write_images(tmp_path / "images", (100, 100))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best").write_text('[features.hue]\nkind = "HueHistogram"\n')
    assert main(["plan", str(images), "--store", "store", "--recipe", "best"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("hue ")


@pytest.mark.parametrize("name", ["best", "lecture"])
def test_a_folder_of_that_name_is_no_recipe(tmp_path, monkeypatch, name):
    images = write_images(tmp_path / "images", (30, 30))
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert main(["plan", str(images), "--store", name, "--recipe", name]) == 0
