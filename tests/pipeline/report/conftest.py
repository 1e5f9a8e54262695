"""Runs on few photographs, their pages, and headless Chromium to open them."""

import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from visualwords.benchmarks.page_checks import OpenedRun, chromium, open_page
from visualwords.pipeline import sample
from visualwords.pipeline.cli import main
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run

# Names that would be markup, break out of an attribute, or turn the text's direction.
RENAMED = {
    "brick": "<script>window.pwned=1<",
    "coffee": "\"'><img src=x onerror=window.pwned=1>\n\u202e"[:40].replace("/", ""),
    "rocket": "שלום $x_2$ " + "r" * 100,
}
RECIPE = Recipe().with_setting("words.n_words=20").with_setting("hog.image_size=[32, 32]")
PHOTOGRAPHS = ("brick", "cat", "coins")  # and two of scikit-learn
CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def report_run(tmp_path_factory, crops, test_crops):
    """A run whose pages were written; 3 classes with hostile names."""
    folder = tmp_path_factory.mktemp("report")
    for source, name in ((crops, "train"), (test_crops, "test")):
        for label, hostile in RENAMED.items():
            shutil.copytree(source / label, folder / name / hostile)
    first = folder / "train" / RENAMED["brick"]
    shutil.copy(first / "00.jpg", folder / "test" / RENAMED["brick"] / "again <b>&amp;.jpg")
    (folder / "test" / RENAMED["coffee"] / "damaged.jpg").write_bytes(b"\xff\xd8 no image")
    run = Run(folder / "run")
    run.run(folder / "train", folder / "test", RECIPE)
    return SimpleNamespace(run=run, report=run.report(), explorer=run.explore(), folder=folder)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Images of the demo: 5 classes of photographs, 6 training and 4 test images each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "CROPS", {"train": 6, "test": 4})
        patch.setattr(sample, "SKIMAGE_PHOTOGRAPHS", PHOTOGRAPHS)
        return sample.write_sample_images(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def cifar_run(photographs, tmp_path_factory):
    """A run by the command line on CIFAR-10's own files, with images of 5 of its classes."""
    folder = tmp_path_factory.mktemp("cifar")
    for split, name in (("train", "data_batch_1.bin"), ("test", "test_batch.bin")):
        records = b""
        for k, label in enumerate(sorted((photographs / split).iterdir())):
            for file in label.iterdir():
                pixels = cv2.resize(np.asarray(Image.open(file).convert("RGB")), (32, 32))
                records += bytes([k]) + pixels.transpose(2, 0, 1).tobytes()
        (folder / name).write_bytes(records)
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR))
    command = ["run", str(folder), "--out", str(folder / "run"), "--set", "words.n_words=20"]
    assert main(command) == 0
    return Run.open(folder / "run")


@pytest.fixture(scope="session")
def scenes_run(photographs, tmp_path_factory):
    """A run on a folder like that of 15 scenes: grey photographs, no test images beside them."""
    folder = tmp_path_factory.mktemp("scenes")
    for label in sorted((photographs / "train").iterdir()):
        (folder / "images" / label.name).mkdir(parents=True)
        for file in label.iterdir():
            grey = cv2.resize(np.asarray(Image.open(file).convert("L")), (220, 180))
            Image.fromarray(grey).save(folder / "images" / label.name / f"{file.stem}.jpg")
    run = Run(folder / "run")
    run.run(folder / "images", recipe=RECIPE)
    run.report()
    return run


@pytest.fixture
def opened_run(request, browser):
    """The run of the fixture that the test names, with its page open."""
    run = request.getfixturevalue(request.param)
    opened = OpenedRun(run if isinstance(run, Run) else run.run, browser)
    yield opened
    opened.page.close()


@pytest.fixture
def open_file(browser):
    """Return a function that opens a page and collects what goes wrong in it."""
    pages = []

    def open_(file):
        pages.append(open_page(browser, file))
        return pages[-1]

    yield open_
    for page in pages:
        page.close()
