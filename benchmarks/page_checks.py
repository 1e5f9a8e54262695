"""What is asked of the page of any run, checked in Chromium: by the tests and by a benchmark.

A check takes an :class:`OpenedRun`, raises an ``AssertionError`` where the page falls short, and
returns what it counted.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from visualwords.pipeline.persist import decode_estimator
from visualwords.pipeline.run import Run

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
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
MOST_BYTES = 5_000_000
PHONE = 390  # pixels
TABS = 20
TOLERANCE = 1e-5  # of sums of scores


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium without a window."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert program, "the pages are opened in Chromium; on Debian, apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(browser: Any, file: Path) -> Any:
    """Open a file, and collect console messages and requests in ``page.faults``."""
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
    page.faults = []
    page.on("console", lambda m: m.type in ("error", "warning") and page.faults.append(m.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    local = ("file:", "data:")
    page.on("request", lambda r: r.url.startswith(local) or page.faults.append(r.url))
    page.goto(file.as_uri())
    return page


class OpenedRun:
    """A run whose pages are open.

    Parameters
    ----------
    run : Run
        Its report is written.
    browser : Browser of playwright
    """

    def __init__(self, run: Run, browser: Any) -> None:
        self.run = run
        self.file = run.folder / "report.html"
        self.page = open_page(browser, self.file)
        self.metrics = json.loads((run.folder / "metrics.json").read_text())
        self.data = self.page.evaluate("data")

    @property
    def confusion(self) -> Any:
        """The confusion matrix in ``metrics.json`` of the classifier that the page shows."""
        return np.array(self.metrics["classifiers"][self.data["classifier"]]["confusion"])


def check_size(opened: OpenedRun) -> str:
    n_bytes = opened.file.stat().st_size
    assert n_bytes < MOST_BYTES
    return f"{n_bytes / 1e6:.2f} MB"


def check_sections(opened: OpenedRun) -> str:
    titles = opened.page.locator("main h2").all_inner_texts()
    assert titles == list(SECTIONS)
    links = [link.get_attribute("href") for link in opened.page.locator("nav a").all()]
    assert all(opened.page.locator(link).count() == 1 for link in links)
    return f"{len(titles)} sections, {len(links)} links to them"


def check_numbers(opened: OpenedRun) -> str:
    page, metrics, n = opened.page, opened.metrics, 0
    known = ("found", "ok", "failed", "duplicates", "near_duplicates")
    for name in (*known, "in_train_and_test", "near_in_train_and_test"):
        shown = page.locator(f'[data-metric="{name}"]').inner_text()
        assert int(shown.replace(",", "")) == metrics["images"][name], name
        n += 1
    for classifier, scores in metrics["classifiers"].items():
        for features, accuracy in scores["by_features"].items():
            cell = page.locator(f'[data-accuracy="{classifier}|{features}"]')
            assert cell.inner_text() == f"{accuracy:.4f}"
            n += 1
        if "calibration_error" in scores and classifier == opened.data["classifier"]:
            shown = page.locator('[data-metric="calibration"]').inner_text()
            assert abs(float(shown) - scores["calibration_error"]) <= 1e-4
            n += 1
    left = opened.confusion
    for cell, text in page.evaluate(
        "[...document.querySelectorAll('#confusion [data-cell]')]"
        ".map((b) => [b.dataset.cell, b.textContent])"
    ):
        i, j = map(int, cell.split(","))
        assert int(text) == left[i, j]
        left[i, j] = 0
        n += 1
    assert not left.any()
    return f"{n} numbers equal those of metrics.json"


def check_cells(opened: OpenedRun) -> str:
    page, pictures, n = opened.page, opened.data["pictures"], 0
    buttons = page.locator("#confusion [data-cell]").all()
    for button in buttons[:: max(1, len(buttons) // 5)]:
        i, j = map(int, button.get_attribute("data-cell").split(","))
        count = int(button.inner_text())
        button.click()
        shown = page.locator("dialog[open] #gallery-all [data-pic]")
        places = shown.evaluate_all("all => all.map((b) => Number(b.dataset.pic))")
        assert len(places) == min(count, 4 if i == j else 8)
        for place in places:
            _, split, label, predicted, *_ = pictures[place]
            assert (split, label, predicted) == ("test", i, j)
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0
        n += len(places)
    return f"{n} pictures behind cells of {len(buttons)}"


def check_rates_and_orders(opened: OpenedRun) -> str:
    page, confusion = opened.page, opened.confusion
    page.get_by_role("button", name="Show rates").click()
    totals = confusion.sum(axis=1, keepdims=True)
    rates = np.where(totals, confusion / np.maximum(totals, 1), 2)  # without images: last
    first = page.locator("#confusion [data-cell]").first
    i, j = map(int, first.get_attribute("data-cell").split(","))
    assert first.inner_text() == f"{100 * rates[i, j]:.0f} %"
    page.select_option("#order", "recall")
    rows = page.locator("#confusion tbody tr").all()
    order = [int(row.get_attribute("data-class")) for row in rows]
    assert (np.diff(rates.diagonal()[order]) >= 0).all()
    page.select_option("#order", "name")
    page.get_by_role("button", name="Show rates").click()
    return f"{len(order)} classes, the worst first"


def check_keyboard(opened: OpenedRun) -> str:
    """Give each control the focus, go through the first ones by Tab, and open what opens."""
    page = opened.page
    controls = "main a, main button, main select, main summary, main [tabindex], nav a"
    kept_from = page.evaluate(
        "(which) => [...document.querySelectorAll(which)].filter((e) => {"
        "e.focus({preventScroll: true}); return document.activeElement !== e || e.tabIndex < 0;})"
        ".map((e) => e.outerHTML)",
        controls,
    )
    assert kept_from == []
    page.locator("a").first.focus()
    reached = set()
    for _ in range(TABS):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
    assert len(reached) == TABS
    page.locator("#confusion [data-cell]").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog[open]").count() == 1
    page.keyboard.press("Escape")
    page.locator("#map").focus()
    before = page.locator("#mapnote").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("#map circle.at").count() == 1
    assert page.locator("#mapnote").inner_text() != before
    return f"{page.locator(controls).count()} controls take the focus, the map its arrow keys"


def check_accessibility(opened: OpenedRun) -> str:
    return accessibility(opened.page)


def check_accessibility_but_contrast(opened: OpenedRun) -> str:
    """Leave out the contrast, three quarters of the time, which pages share with their style."""
    return accessibility(opened.page, contrast=False)


def accessibility(page: Any, contrast: bool = True) -> str:
    """Look for serious faults in light colours, and for faults of contrast in dark ones."""
    few_details: dict[str, Any] = {"resultTypes": ["violations"]}  # three times as fast
    rules = {"rules": {"color-contrast": {"enabled": contrast}}}
    responses = {"light": Axe().run(page, options=few_details | rules).response}
    if contrast:
        only = {"runOnly": ["color-contrast"]} | few_details
        page.emulate_media(color_scheme="dark")
        responses["dark"] = page.evaluate("(options) => axe.run(document, options)", only)
        page.emulate_media(color_scheme="light")
    for scheme, response in responses.items():
        serious = [
            (found["id"], [node["html"][:200] for node in found["nodes"][:3]])
            for found in response["violations"]
            if found["impact"] in ("serious", "critical")
        ]
        assert serious == [], scheme
    n_passed = sum(len(response["passes"]) for response in responses.values())
    return f"no serious fault of accessibility, {n_passed} rules passed"


def check_phone(opened: OpenedRun) -> str:
    width = phone_width(opened.page)
    assert width <= PHONE
    return f"{width} pixels wide at {PHONE}"


def phone_width(page: Any) -> int:
    """Return how wide a page is on a phone; more than the phone is scrolling."""
    size = page.viewport_size
    page.set_viewport_size({"width": PHONE, "height": 844})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(size)
    return int(width)


def check_texts(opened: OpenedRun) -> str:
    texts = opened.page.evaluate(
        "[...document.querySelectorAll('img')].map((e) => e.alt).concat("
        "[...document.querySelectorAll('svg[role=img], main [data-pic]')]"
        ".map((e) => e.getAttribute('aria-label')))"
    )
    assert all(texts)
    return f"{len(texts)} pictures with a text"


def check_charts(opened: OpenedRun) -> str:
    """Look for texts that the border of their chart cuts off."""
    texts, cut = opened.page.evaluate(
        """() => {
            const texts = [...document.querySelectorAll("svg.chart")].flatMap((chart) => {
                const whole = chart.getBoundingClientRect();
                return [...chart.querySelectorAll("text")].map((text) => [
                    text.textContent, whole, text.getBoundingClientRect()
                ]);
            });
            const cut = texts.filter(([, whole, own]) =>
                own.left < whole.left || own.right > whole.right ||
                own.top < whole.top || own.bottom > whole.bottom);
            return [texts.length, cut.map(([text]) => text)];
        }"""
    )
    assert texts > 0
    assert cut == []
    return f"{texts} texts lie within their charts"


def check_scores(opened: OpenedRun) -> str:
    """Compare what the features add with the classifier's scores, and patches with the words."""
    run = opened.run
    row_of = {path: row for row, path in enumerate(run.paths("test"))}
    asked = [
        (row_of[path], parts)
        for path, split, *_, parts in opened.data["pictures"]
        if split == "test" and parts
    ]
    X = run.matrix(split="test")
    X = np.hstack([np.asarray(part[:])[[row for row, _ in asked]] for part in X.parts])
    name = f"{opened.data['classifier']}-{'+'.join(opened.data['features'][:-1])}.npz"
    model = decode_estimator((run.folder / "models" / name).read_bytes())
    scores = model.decision_function(X)
    if scores.ndim == 1:  # of two classes, the second one's; each of them has half of it
        scores = np.column_stack([-scores, scores]) / 2
    worst = 0.0
    for row, (_, parts) in zip(scores, asked, strict=True):
        for k, *values in parts:
            worst = max(worst, abs(sum(values) - row[k]))
    assert worst <= TOLERANCE, worst
    return f"{len(asked)} scores are sums to {worst:.1e}"


def check_evidence(opened: OpenedRun) -> str:
    """Compare what the patches of a sheet add with what the words add in its table."""
    worst, sheets = 0.0, opened.page.locator("article.sheet").all()
    column = opened.data["features"].index("words")
    for sheet in sheets:
        shown = sheet.locator("[data-words]")
        share = float(shown.get_attribute("data-words"))
        rows = {
            row.locator("th").inner_text(): row.locator("[data-part]").nth(column)
            for row in sheet.locator("tr:has([data-part])").all()
        }
        names = shown.locator("xpath=..").locator("bdi").all_inner_texts()
        given, taken = (float(rows[name].get_attribute("data-part")) for name in names)
        worst = max(worst, abs(share - (given - taken)))
    assert sheets
    assert worst <= TOLERANCE, worst
    return f"the patches of {len(sheets)} sheets add up to the words to {worst:.1e}"


def check_faults(opened: OpenedRun) -> str:
    assert opened.page.faults == []
    return "no console error, no request"


CHECKS: tuple[Callable[[OpenedRun], str], ...] = (
    check_size,
    check_sections,
    check_numbers,
    check_cells,
    check_rates_and_orders,
    check_keyboard,
    check_accessibility,
    check_phone,
    check_texts,
    check_charts,
    check_scores,
    check_evidence,
    check_faults,
)
