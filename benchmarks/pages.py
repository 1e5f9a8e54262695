"""The pages of runs on real images: every check of them, their times and sizes, and flipped labels.

``VISUALWORDS_DATA`` names the folder with ``cifar10/{train,test}/CLASS/IMAGE`` and
``scenes15/CLASS/IMAGE``. Chromium opens the pages.
"""

import os
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from visualwords.classifiers import ColumnStack, PrimalDual, Softmax
from visualwords.pipeline.recipe_file import read_recipe
from visualwords.pipeline.report.labels import (
    TOLERANCE,
    label_doubts,
    out_of_fold_probabilities,
    refined,
)
from visualwords.pipeline.report.material import Rows
from visualwords.pipeline.run import Run
from visualwords.pipeline.sample import write_sample_images

from .harness import cifar_folder
from .page_checks import CHECKS, OpenedRun, accessibility, chromium, open_page, phone_width

FLIPPED, SEEDS = 0.05, range(5)


def report():
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        cifar = Run(folder / "cifar")
        cifar.run(cifar_folder() / "train", cifar_folder() / "test")
        check_pages("CIFAR-10", cifar, browser)
        scenes = Run(folder / "scenes")
        scenes.run(Path(os.environ["VISUALWORDS_DATA"]) / "scenes15")
        check_pages("15 scenes", scenes, browser)
        images = write_sample_images(folder / "images")
        demo = Run(folder / "demo")
        demo.run(images / "train", images / "test")
        check_pages("demo", demo, browser)
        lecture = Run(folder / "lecture", store=cifar.store)
        lecture.run(cifar_folder() / "train", cifar_folder() / "test", read_recipe("lecture"))
        check_pages("CIFAR-10, recipe lecture", lecture, browser)
        for run, features in ((cifar, "the default features"), (lecture, "those of lecture")):
            flipped_labels(run, features)


def check_pages(name, run, browser):
    """Write the pages of a run and print a line for each check of them."""
    print(f"-- {name}")
    start = perf_counter()
    file = run.report()
    print(f"report: written in {perf_counter() - start:.1f} s (at most 15 asked)")
    start = perf_counter()
    open_page(browser, file).close()
    print(f"report: opened in {perf_counter() - start:.2f} s (at most 2 asked)")
    opened = OpenedRun(run, browser)
    for check in CHECKS:
        print(f"{check.__name__.removeprefix('check_').replace('_', ' ')}: {check(opened)}")
    opened.page.close()
    page = open_page(browser, run.explore())
    print(f"explorer: {accessibility(page)}, {phone_width(page)} pixels wide, {page.faults}")
    page.close()


def flipped_labels(run, features):
    """Flip labels at random, and count those among the first of the ranking."""
    y = np.unique(run.labels("train"), return_inverse=True)[1]
    parts = {name: np.asarray(run.matrix(name, split="train")) for name in run.features}
    X, found = ColumnStack(parts).in_memory(), []
    judge = Softmax(0.03, standardize="parts", solver=PrimalDual(TOLERANCE))
    start = perf_counter()
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        flipped = random.choice(len(y), int(FLIPPED * len(y)), replace=False)
        wrong = y.copy()
        wrong[flipped] = (y[flipped] + random.integers(1, 10, len(flipped))) % 10
        rows = Rows(np.arange(len(y)), wrong, X)
        probabilities = refined(out_of_fold_probabilities(judge, rows), rows)
        first = np.argsort(-label_doubts(probabilities, wrong), kind="stable")[: len(flipped)]
        found.append(float(np.isin(first, flipped).mean()))
    print(
        f"flipped labels among the first 5 %, by {features}, of {len(found)} seeds: "
        f"{', '.join(f'{share:.4f}' for share in found)} (at least 0.6 asked), "
        f"{(perf_counter() - start) / len(found):.1f} s each"
    )
