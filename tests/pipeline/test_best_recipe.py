"""The recipe ``best`` is ``small`` or ``photographs``, whichever suits the size of the images."""

import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from visualwords.pipeline import sources
from visualwords.pipeline.cli import main
from visualwords.pipeline.parts import RecipeError
from visualwords.pipeline.recipe_file import read_recipe
from visualwords.pipeline.run import Run

PHOTOGRAPHS = "photographs, for images of 100 pixels on their shorter side"


def write_images(folder, *shapes):
    folder.mkdir(parents=True, exist_ok=True)
    for i, shape in enumerate(shapes):
        pixels = np.random.default_rng(i).integers(0, 256, (*shape, 3), np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), pixels)
    return folder


def sizes(*shapes):
    rows, columns = zip(*shapes, strict=True)
    return pa.table({"rows": rows, "columns": columns})


@pytest.mark.parametrize(
    ("shapes", "name", "side"),
    [
        ([(32, 32)] * 3, "small", 32),
        ([(64, 300)], "small", 64),
        ([(65, 300)], "photographs", 65),
        ([(20, 20), (90, 80), (70, 100)], "photographs", 70),
        ([(0, 0), (0, 0), (100, 100)], "photographs", 100),
        ([(100, 4096)], "small", 12),  # 512 pixels on the longer side are described
    ],
)
def test_the_median_of_the_shorter_sides_decides(shapes, name, side):
    recipe, why = read_recipe("best").for_images(sizes(*shapes))
    assert recipe == read_recipe(name)
    assert why == f"{name}, for images of {side} pixels on their shorter side"


def test_images_of_no_known_size_are_left_to_the_job():
    recipe, why = read_recipe("best").for_images(sizes((0, 0)))
    assert recipe == read_recipe("small")
    assert why == "small, as the size of no image can be read"


def test_the_size_to_which_images_are_reduced_decides():
    best, images = read_recipe("best"), sizes((100, 200))
    assert best.for_images(images)[0] == read_recipe("photographs")
    recipe, why = best.with_setting("max_side=40").for_images(images)
    assert recipe == read_recipe("small").with_setting("max_side=40")
    assert why == "small, for images of 20 pixels on their shorter side"


def test_a_change_that_one_of_the_two_allows_is_an_error_where_the_other_is_chosen():
    best = read_recipe("best").with_setting("hue.n_bins=20").with_features(["hue"])
    recipe, _ = best.for_images(sizes((30, 30)))
    assert recipe.features["hue"].parameters["n_bins"] == 20
    with pytest.raises(RecipeError, match=r"^photographs, for images of 99 .* 'hue' \(there are"):
        best.for_images(sizes((99, 99)))
    with pytest.raises(RecipeError, match="no feature or classifier 'huge'"):
        read_recipe("best").with_setting("huge.n_bins=20")
    with pytest.raises(RecipeError, match="words: n_words"):
        read_recipe("best").with_setting("words.n_words=0").check()


def test_the_choice_is_told_on_the_screen_in_json_and_in_the_log(tmp_path, capsys):
    images = write_images(tmp_path / "images", (100, 100))
    log = tmp_path / "log"
    arguments = [str(images), "--store", str(tmp_path / "store"), "--recipe", "best"]
    arguments += ["--set", "words.n_words=2", "--set", "words.n_components=2"]
    assert main(["plan", *arguments]) == 0
    recipe, words, _ = capsys.readouterr().out.splitlines()[-3:]
    assert recipe == f"recipe     {PHOTOGRAPHS}"
    assert words.split()[0] == "words"
    assert main(["plan", *arguments, "--json", "--log", str(log)]) == 0
    assert json.loads(capsys.readouterr().out)["words"]["recipe"] == PHOTOGRAPHS
    (told,) = [
        line for line in map(json.loads, log.read_text().splitlines()) if line["stage"] == "recipe"
    ]
    assert told["summary"] == PHOTOGRAPHS
    assert main(["extract", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] == PHOTOGRAPHS


def test_a_run_tells_the_choice_until_another_recipe_is_named(tmp_path, capsys):
    for split, n in (("train", 6), ("test", 1)):
        for name in ("a", "b"):
            write_images(tmp_path / split / name, *[(100, 4 + ord(name))] * n)
    asked = [str(tmp_path / "train"), "--test", str(tmp_path / "test")]
    asked += ["--out", str(tmp_path / "run"), "--set", "words.n_words=2", "--json"]
    asked += ["--set", "words.n_components=2"]
    assert main(["run", *asked, "--recipe", "best"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] == PHOTOGRAPHS
    assert PHOTOGRAPHS in (tmp_path / "run/report.html").read_text()
    assert Run.open(tmp_path / "run").record()["recipe"]["features"].keys() == {"words"}
    assert main(["train", str(tmp_path / "run"), "--recipe", "best", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] == PHOTOGRAPHS
    assert main(["run", *asked, "--recipe", "photographs", "--no-report"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] is None


def test_an_archive_is_listed_once(tmp_path, monkeypatch):
    images = write_images(tmp_path / "images", (100, 100))
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        tar.add(images / "0.png", "0.png")
    listed = []
    of_tar = sources.TarSource.listed
    monkeypatch.setattr(
        sources.TarSource, "listed", lambda *given: listed.append(1) or of_tar(*given)
    )
    monkeypatch.setattr(sources.TarSource, "images", None)
    store = str(tmp_path / "store")
    assert main(["plan", str(tmp_path / "images.tar"), "--store", store, "--recipe", "best"]) == 0
    assert listed == [1]


def test_a_file_of_that_name_is_read(tmp_path, monkeypatch, capsys):
    images = write_images(tmp_path / "images", (100, 100))
    monkeypatch.chdir(tmp_path)
    Path("best").write_text('[features.hue]\nkind = "HueHistogram"\n')
    assert main(["plan", str(images), "--store", "store", "--recipe", "best"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("hue ")


@pytest.mark.parametrize("name", ["best", "lecture"])
def test_a_folder_of_that_name_is_no_recipe(tmp_path, monkeypatch, name):
    images = write_images(tmp_path / "images", (30, 30))
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    assert main(["plan", str(images), "--store", name, "--recipe", name]) == 0
