"""The report of CIFAR-10: its time and size; and flipped labels that the label check finds.

``VISUALWORDS_DATA`` names the folder with ``cifar10/{train,test}/CLASS/IMAGE``. Chromium opens the
page.
"""

import shutil
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from playwright.sync_api import sync_playwright

from visualwords.classifiers import ColumnStack, Softmax
from visualwords.pipeline.recipe_file import read_recipe
from visualwords.pipeline.report.labels import label_doubts, out_of_fold_probabilities
from visualwords.pipeline.report.material import Rows
from visualwords.pipeline.run import Run

from .harness import cifar_folder

FLIPPED = 0.05


def report():
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run")
        run.run(cifar_folder() / "train", cifar_folder() / "test")
        start = perf_counter()
        page = run.report()
        print(f"report written in {perf_counter() - start:.1f} s (at most 15 asked)")
        print(f"its size {page.stat().st_size / 1e6:.2f} MB (at most 5 asked)")
        open_page(page)
        better = Run(Path(folder) / "lecture", store=run.store)
        better.extract(cifar_folder() / "train", cifar_folder() / "test", read_recipe("lecture"))
        flipped_labels(better)


def open_page(file):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page, faults = browser.new_page(), []
        page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        start = perf_counter()
        page.goto(file.as_uri())
        print(f"opened in {perf_counter() - start:.2f} s (at most 2 asked), faults: {faults}")
        browser.close()


def flipped_labels(run):
    """Flip labels at random, and count those among the first of the ranking.

    The features are those of the recipe ``lecture``.
    """
    y = np.unique(run.labels("train"), return_inverse=True)[1]
    random = np.random.default_rng(0)
    flipped = random.choice(len(y), int(FLIPPED * len(y)), replace=False)
    wrong = y.copy()
    wrong[flipped] = (y[flipped] + random.integers(1, 10, len(flipped))) % 10
    parts = {name: np.asarray(run.matrix(name, split="train")) for name in run.features}
    rows = Rows(np.arange(len(y)), wrong, ColumnStack(parts).in_memory())
    start = perf_counter()
    probabilities = out_of_fold_probabilities(Softmax(0.03, standardize="parts", n_jobs=-1), rows)
    first = np.argsort(-label_doubts(probabilities, wrong), kind="stable")[: len(flipped)]
    found = np.isin(first, flipped).mean()
    seconds = perf_counter() - start
    print(f"flipped labels among the first 5 %: {found:.4f} (at least 0.6 asked), {seconds:.1f} s")
