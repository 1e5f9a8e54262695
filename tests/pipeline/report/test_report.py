import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC

from visualwords.benchmarks.page_checks import (
    CHECKS,
    check_accessibility,
    check_accessibility_but_contrast,
)
from visualwords.classifiers import Softmax
from visualwords.features import HueHistogram
from visualwords.pipeline.class_scores import is_linear
from visualwords.pipeline.cli import main
from visualwords.pipeline.load_image import load_image
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.pipeline.sources import open_source


# Pages that have all tables, notes and shades of cells between them.
@pytest.mark.parametrize("opened_run", ["report_run", "cifar_run"], indirect=True)
def test_page_passes_every_check(opened_run):
    for check in CHECKS:
        assert check(opened_run)


@pytest.mark.parametrize("opened_run", ["scenes_run"], indirect=True)
def test_page_of_another_source_passes_every_check_but_contrast(opened_run):
    for check in CHECKS:
        if check is check_accessibility:
            check = check_accessibility_but_contrast
        assert check(opened_run)


def test_names_of_files_and_classes_are_text(report_run, open_file):
    page = open_file(report_run.report)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, img[src='x']").count() == 0
    rows = page.locator("#confusion tbody th").all_text_contents()
    assert sorted(rows) == sorted(path.name for path in (report_run.folder / "train").iterdir())
    assert page.get_by_text("again <b>&amp;.jpg").count()
    assert page.locator("table", has_text="not an image").count()


def test_report_of_a_run_without_scores_is_refused(report_run, tmp_path):
    run = Run(tmp_path / "run")
    run.extract(
        report_run.folder / "train",
        report_run.folder / "test",
        Recipe().with_features(["hue"]),
    )
    run.train()
    with pytest.raises(ValueError, match="not scored yet; `visualwords evaluate"):
        Run.open(tmp_path / "run").report()


def test_one_test_image_in_a_manifest_beside_a_folder_is_shown(crops, test_crops, tmp_path):
    table = tmp_path / "test.csv"
    table.write_text(f"file,species\n{test_crops / 'brick/00.jpg'},brick\n")
    run = Run(tmp_path / "run")
    columns = {"path_column": "file", "label_column": "species"}
    run.run(crops, table, Recipe().with_features(["hue"]), **columns)
    page = run.report().read_text()
    assert "could not be read again" not in page
    assert "On 1 test image; " in page


def test_features_that_are_the_same_for_all_images_have_a_report(tmp_path):
    """Grey images have no hue; t-SNE crashes where all points are one."""
    grey = np.random.default_rng(0).integers(0, 256, (192, 8, 8), np.uint8)
    train, test = (
        open_source(list(images), labels=["a", "b"] * 48) for images in np.split(grey, 2)
    )
    run = Run(tmp_path / "run")
    run.run(train, test, HUE)
    assert "A map of the test images" in run.report().read_text()


def pictures_of(page):
    """The sheets of thumbnails and the pictures taken apart in the text of a page."""
    return re.findall(r"data:image/[^\"')]+", page)


NO_UTF8 = os.fsdecode(b"\xe9") if sys.platform == "linux" else ""  # in names of folders
HUE = Recipe(features=[HueHistogram()], classifiers=[Softmax()])


@pytest.fixture(scope="module")
def pictures_of_folders(crops, test_crops, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("folders") / "run")
    run.run(crops, test_crops, HUE)
    return pictures_of(run.report().read_text())


def as_list(folder, take):
    files = sorted(folder.glob("*/*"))
    labels = [file.parent.name for file in files]
    return open_source([take(file) for file in files], labels=labels)


def test_pictures_of_a_list_of_paths_are_those_of_its_files(
    crops, test_crops, pictures_of_folders, tmp_path, monkeypatch
):
    monkeypatch.chdir(shutil.copytree(crops, tmp_path / "train"))
    folder = tmp_path / "run"
    Run(folder).run(as_list(Path(), str), as_list(test_crops, str), HUE)
    monkeypatch.chdir(tmp_path)
    assert pictures_of(Run.open(folder).report().read_text()) == pictures_of_folders
    shutil.copy("train/brick/00.jpg", "train/coffee/00.jpg")
    page = Run.open(folder).report().read_text()
    assert "<strong>1 picture could not be read again</strong>" in page
    assert "given as arrays" not in page


def test_pictures_are_found_from_every_folder(
    crops, test_crops, pictures_of_folders, tmp_path, monkeypatch
):
    work = tmp_path / "work [1]"
    shutil.copytree(crops, work / "train")
    shutil.copytree(test_crops, work / "test")
    monkeypatch.chdir(work)
    Run("runs/run").run("train", Path("test"), HUE)
    monkeypatch.chdir(tmp_path)
    shutil.move(work, tmp_path / "moved together")
    moved = tmp_path / "moved together"
    assert pictures_of(Run.open(moved / "runs/run").report().read_text()) == pictures_of_folders
    alone = shutil.move(moved / "runs/run", tmp_path / "alone")
    monkeypatch.chdir(moved)
    assert pictures_of(Run.open(alone).report().read_text()) == pictures_of_folders


def test_pictures_of_arrays_are_shown_while_the_run_has_them(
    crops, test_crops, pictures_of_folders, tmp_path
):
    run = Run(tmp_path / "run")
    run.run(as_list(crops, load_image), as_list(test_crops, load_image), HUE)
    assert pictures_of(run.report().read_text()) == pictures_of_folders
    page = Run.open(run.folder).report().read_text()
    assert "<strong>51 pictures could not be read again</strong>" in page
    assert "given as arrays" in page


def test_classes_that_are_left_out_are_told(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for k in range(65):
            folder = tmp_path / split / f"class{k:02d}"
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / "a.png"), rng.integers(0, 256, (16, 16, 3), np.uint8))
    run = Run(tmp_path / "run")
    run.run(tmp_path / "train", tmp_path / "test", Recipe().with_features(["hue"]))
    page = run.report().read_text()
    assert "25 more classes are left out" in page  # of 40 that have typical pictures
    assert "45 more classes are left out" in page  # of 20 whose weights are drawn
    assert "5 classes between them are left out" in page  # of 60 that are counted


@pytest.mark.parametrize(
    ("kind", "has_weights"), [(LinearSVC, True), (partial(SVC, kernel="linear"), False)]
)
def test_a_linear_classifier_of_others_has_a_report(crops, test_crops, tmp_path, kind, has_weights):
    run = Run(tmp_path / "run")
    run.run(crops, test_crops, Recipe(features=[HueHistogram()], classifiers={"other": kind()}))
    page = run.report().read_text()
    assert ("What other looks for" in page) == has_weights  # those of SVC are of pairs of classes
    assert ('<article class="sheet">' in page) == has_weights


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_scores_are_linear_where_weights_give_them(n_classes):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 5)), np.arange(40) % n_classes
    linear = [
        LogisticRegression(),
        LinearSVC(),
        LinearDiscriminantAnalysis(),
        Softmax(),
        Perceptron(),
    ]
    others = [GaussianNB(), SVC(), KNeighborsClassifier()]
    others += [SVC(kernel="linear")] if n_classes > 2 else []
    assert [is_linear(model.fit(X, y), X) for model in linear] == [True] * len(linear)
    assert [is_linear(model.fit(X, y), X) for model in others] == [False] * len(others)
    assert is_linear(RidgeClassifier().fit(X, y), X) == (n_classes > 2)


def test_commands_write_the_pages(report_run, tmp_path, capsys):
    folder = shutil.copytree(report_run.run.folder, tmp_path / "run")
    assert (folder / "report.html").stat().st_size > 10_000
    assert main(["report", str(folder), "--out", str(tmp_path / "page.html")]) == 0
    assert "report" in capsys.readouterr().out
    assert main(["explore", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"explorer": str(folder / "explore.html")}
    assert (tmp_path / "page.html").read_bytes() == (folder / "report.html").read_bytes()
    assert (folder / "explore.html").stat().st_size > 10_000
    assert main(["train", str(folder), "--set", "Softmax.alpha=0.5"]) == 0
    assert not (folder / "report.html").exists()  # it is of other models


@pytest.fixture
def two_classes(report_run, tmp_path):
    """A run of two classes, by HOG and a classifier with a search of its own."""
    for split in ("train", "test"):
        for folder in sorted((report_run.folder / split).iterdir())[:2]:
            shutil.copytree(folder, tmp_path / f"{split}{NO_UTF8}" / folder.name)
    run = Run(tmp_path / "run")
    recipe = Recipe().with_features(["hog"]).with_setting("hog.image_size=[32, 32]")
    recipe = recipe.with_setting("Softmax.kind=SoftmaxCV")
    run.run(tmp_path / f"train{NO_UTF8}", tmp_path / f"test{NO_UTF8}", recipe)
    return run


def test_page_has_no_empty_sections(two_classes, open_file, tmp_path):
    page = open_file(two_classes.report())
    assert page.faults == []
    assert page.locator("article.sheet").count() > 0
    assert page.locator("img.gallery").count() == 0
    assert page.get_by_text("edges for").count() == 2
    assert page.get_by_text("in its own search").count() == 1
    for split in ("train", "test"):
        (tmp_path / f"{split}{NO_UTF8}").rename(tmp_path / f"{split}-elsewhere")
    gone = Run.open(two_classes.folder).report(tmp_path / "page.html").read_text()
    assert re.search(r"\d+ pictures could not be read again", gone)
