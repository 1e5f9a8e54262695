"""A run on few photographs with hostile names, its pages, and headless Chromium to open them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import sync_playwright

from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Names that would be markup, break out of an attribute, or turn the text's direction.
RENAMED = {
    "brick": "<script>window.pwned=1<",
    "coffee": "\"'><img src=x onerror=window.pwned=1>\n\u202e"[:40].replace("/", ""),
    "rocket": "שלום $x_2$ " + "r" * 100,
}


@pytest.fixture(scope="session")
def chromium():
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert program, "these tests open pages in Chromium; on Debian, apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


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
    recipe = Recipe().with_setting("words.n_words=20")
    run.run(folder / "train", folder / "test", recipe)
    return SimpleNamespace(run=run, report=run.report(), explorer=run.explore(), folder=folder)


@pytest.fixture
def open_page(chromium):
    """Return a function that opens a page and collects what goes wrong in it."""
    contexts = []

    def open_(file: Path, width: int = 1200, scheme: str = "light"):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda m: m.type in ("error", "warning") and page.faults.append(m.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on(
            "request",
            lambda r: r.url.startswith(("file:", "data:")) or page.faults.append(r.url),
        )
        page.goto(file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
