import json
import shutil

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from visualwords.pipeline.cli import main
from visualwords.pipeline.persist import decode_estimator
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run

SECTIONS = (
    "What was run",
    "Accuracy",
    "Confusion",
    "Pictures",
    "Calibration",
    "The data examined",
    "The model, seen",
    "Single pictures taken apart",
    "A map of the test images",
    "The loss, explored",
)


def metrics_of(made):
    return json.loads((made.run.folder / "metrics.json").read_text())


def data_of(page):
    return page.evaluate("data")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_opens_without_an_error_or_a_request(report_run, open_page, scheme):
    page = open_page(report_run.report, scheme=scheme)
    assert page.faults == []
    assert report_run.report.stat().st_size < 5_000_000


def test_page_has_every_section(report_run, open_page):
    page = open_page(report_run.report)
    assert page.locator("main h2").all_inner_texts() == list(SECTIONS)
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href")).count() == 1


def test_numbers_are_those_of_metrics(report_run, open_page):
    page, metrics = open_page(report_run.report), metrics_of(report_run)
    for name in ("found", "ok", "failed"):
        shown = page.locator(f'[data-metric="{name}"]').inner_text()
        assert int(shown) == metrics["images"][name]
    for classifier, scores in metrics["classifiers"].items():
        for features, accuracy in scores["by_features"].items():
            cell = page.locator(f'[data-accuracy="{classifier}|{features}"]')
            assert cell.inner_text() == f"{accuracy:.4f}"
    confusion = np.array(metrics["classifiers"]["Softmax"]["confusion"])
    for button in page.locator("#confusion [data-cell]").all():
        i, j = map(int, button.get_attribute("data-cell").split(","))
        assert int(button.inner_text()) == confusion[i, j]
        confusion[i, j] = 0
    assert not confusion.any()
    assert page.locator("table", has_text="not an image").count()


def test_names_of_files_and_classes_are_text(report_run, open_page):
    page = open_page(report_run.report)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, img[src='x']").count() == 0
    rows = page.locator("#confusion tbody th").all_text_contents()
    assert sorted(rows) == sorted(path.name for path in (report_run.folder / "train").iterdir())
    assert page.get_by_text("again <b>&amp;.jpg").count()


def test_cell_opens_its_pictures(report_run, open_page):
    page = open_page(report_run.report)
    button = page.locator("#confusion [data-cell]").first
    cell, count = button.get_attribute("data-cell"), int(button.inner_text())
    button.click()
    pictures = page.locator("dialog[open] #gallery-all [data-pic]")
    assert pictures.count() == min(count, 4 if len(set(cell.split(","))) == 1 else 8)
    i, j = map(int, cell.split(","))
    known = data_of(page)["pictures"]
    for picture in pictures.all():
        _, split, label, predicted, *_ = known[int(picture.get_attribute("data-pic"))]
        assert (split, label, predicted) == ("test", i, j)
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_scores_of_a_picture_are_sums_over_features(report_run, open_page):
    page = open_page(report_run.report)
    data = data_of(page)
    images = report_run.run.images
    rows = {
        path: row
        for row, path in enumerate(
            images.filter(images["split"].to_numpy() == "test")
            .to_pandas()
            .query("status == 'ok'")["path"]
        )
    }
    model = decode_estimator(
        (report_run.run.folder / "models" / "Softmax-hue+hog+words.npz").read_bytes()
    )
    scores = model.decision_function(np.asarray(report_run.run.matrix(split="test")[:]))
    compared = 0
    for path, split, *_, parts in data["pictures"]:
        for k, *values in parts:
            assert split == "test"
            assert sum(values) == pytest.approx(scores[rows[path], k], abs=5e-4)
            compared += 1
    assert compared > 10


def test_rates_and_orders_of_the_matrix(report_run, open_page):
    page, metrics = open_page(report_run.report), metrics_of(report_run)
    page.get_by_role("button", name="Show rates").click()
    confusion = np.array(metrics["classifiers"]["Softmax"]["confusion"])
    rates = confusion / confusion.sum(axis=1, keepdims=True)
    first = page.locator("#confusion [data-cell]").first
    i, j = map(int, first.get_attribute("data-cell").split(","))
    assert first.inner_text() == f"{100 * rates[i, j]:.0f} %"
    page.select_option("#order", "recall")
    order = [
        int(row.get_attribute("data-class")) for row in page.locator("#confusion tbody tr").all()
    ]
    recalls = rates.diagonal()[order]
    assert (np.diff(recalls) >= 0).all()


def test_keyboard_reaches_the_pictures_and_the_map(report_run, open_page):
    page = open_page(report_run.report)
    page.locator("#confusion [data-cell]").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog[open]").count() == 1
    page.keyboard.press("Escape")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#map circle.at").count() == 1
    assert page.locator("#mapnote").inner_text()


def test_no_serious_fault_of_accessibility(report_run, open_page):
    for scheme in ("light", "dark"):
        for file in (report_run.report, report_run.explorer):
            found = Axe().run(open_page(file, scheme=scheme)).response["violations"]
            serious = [
                (v["id"], [n["html"][:200] for n in v["nodes"][:3]])
                for v in found
                if v["impact"] in ("serious", "critical")
            ]
            assert serious == []


def test_no_sideways_scrolling_on_a_phone(report_run, open_page):
    for file in (report_run.report, report_run.explorer):
        page = open_page(file, width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_picture_has_a_text(report_run, open_page):
    page = open_page(report_run.report)
    for image in page.locator("img").all():
        assert image.get_attribute("alt")
    for drawing in page.locator("svg[role=img]").all():
        assert drawing.get_attribute("aria-label")
    for button in page.locator("[data-pic]").all():
        assert button.get_attribute("aria-label")


def test_pictures_that_are_gone_are_counted(report_run, tmp_path):
    shutil.copytree(report_run.folder / "run", tmp_path / "run")
    gone = tmp_path / "run" / "run.json"
    assert gone.exists()
    moved = report_run.folder / "train"
    moved.rename(report_run.folder / "elsewhere")
    try:
        page = Run.open(tmp_path / "run").report(tmp_path / "page.html").read_text()
    finally:
        (report_run.folder / "elsewhere").rename(moved)
    assert "pictures could not be read again" in page


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


def test_commands_write_the_pages(report_run, tmp_path, capsys):
    folder = tmp_path / "run"
    train, test = report_run.folder / "train", report_run.folder / "test"
    command = ["run", str(train), "--test", str(test), "--out", str(folder), "--features", "hue"]
    assert main(command) == 0
    assert "report" in capsys.readouterr().out
    assert (folder / "report.html").stat().st_size > 10_000
    assert main(["report", str(folder), "--out", str(tmp_path / "page.html")]) == 0
    assert main(["explore", str(folder)]) == 0
    assert (tmp_path / "page.html").read_bytes()
    assert (folder / "explore.html").stat().st_size > 10_000
    assert main(["train", str(folder), "--set", "Softmax.alpha=0.5"]) == 0
    assert not (folder / "report.html").exists()  # it is of other models


def test_pages_of_features_without_words_have_no_empty_sections(report_run, open_page, tmp_path):
    run = Run(tmp_path / "run")
    recipe = Recipe().with_features(["hog"]).with_setting("Softmax.kind=SoftmaxCV")
    run.run(report_run.folder / "train", report_run.folder / "test", recipe)
    page = open_page(run.report())
    assert page.faults == []
    assert page.locator("img.gallery").count() == 0
    assert page.get_by_text("edges for").count() == 3
    assert page.get_by_text("in its own search").count() == 1


def test_two_classes_have_scores_and_pictures(report_run, open_page, tmp_path):
    for split in ("train", "test"):
        for folder in sorted((report_run.folder / split).iterdir())[:2]:
            shutil.copytree(folder, tmp_path / split / folder.name)
    run = Run(tmp_path / "run")
    recipe = Recipe().with_setting("words.n_words=20")
    run.run(tmp_path / "train", tmp_path / "test", recipe)
    page = open_page(run.report())
    assert page.faults == []
    assert page.locator("article.sheet").count() > 0
