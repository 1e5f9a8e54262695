"""Accuracy, time and memory of whole jobs, from files to test scores.

Each row is a `visualwords run` in a process of its own, with a new store. ``VISUALWORDS_DATA``
names the folder that holds ``cifar10/{train,test}/CLASS`` and ``scenes15/CLASS``. The test images
of a row are scored once. ``search.py`` chooses the defaults, on training images alone.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import cifar_folder, processor
from visualwords.classifiers import expected_calibration_error
from visualwords.pipeline.persist import load_estimator
from visualwords.pipeline.run import Run

SEEDS = range(200, 205)  # of the splits of the scenes; no option was chosen on these splits

PIXELS = """
[features.pixels]
kind = "benchmarks.recognition.pixels:Pixels"

[classifiers.LinearSVM]
kind = "LinearSVMCV"
standardize = true
alphas = [0.1, 1.0, 3.0, 10.0]
calibrate = true

[classifiers.Softmax]
kind = "SoftmaxCV"
standardize = true
alphas = [0.03, 0.1, 0.3, 1.0]
calibrate = true
"""

# 800 words and their mirror images: 1,600 words; docs/words.md explains the options.
LEARNED = """
[features.words]
kind = "BagOfVisualWords"
n_words = 800
coding = "triangle"
pyramid = [2]
whitening = 0.1
mirror = true
norm = "none"

[features.words.patches]
kind = "PixelPatches"

[classifiers.Softmax]
kind = "SoftmaxCV"
standardize = "whiten"
alphas = [0.03, 0.1, 0.3]
cv = 3
calibrate = true
"""

PYRAMID = """
[features.hue]
kind = "HueHistogram"
n_bins = 12
saturation_bins = 3
value_bins = 3
achromatic = "bin"

[features.hog]
convention = "uoctti"
pixels_per_cell = [4, 4]
mirror = true

[features.words]
coding = "localized"
pyramid = [1, 2]
mirror = true

[classifiers.Softmax]
kind = "SoftmaxCV"
alphas = [0.02, 0.05, 0.1]
cv = 3
calibrate = true
"""


class Configuration(NamedTuple):
    """A row: a recipe on a data set, and the accuracy that it must have."""

    name: str
    data: str
    recipe: str  # the name of a recipe, or its text
    options: tuple[str, ...]
    least: float


CONFIGURATIONS = [
    Configuration("CIFAR-10, raw pixels", "cifar10", PIXELS, (), 0.41),
    Configuration("CIFAR-10, hue + HOG", "cifar10", "lecture", ("--features", "hue,hog"), 0.60),
    Configuration("CIFAR-10, --recipe lecture", "cifar10", "lecture", (), 0.66),
    Configuration("CIFAR-10, pyramid of words, fine HOG", "cifar10", PYRAMID, (), 0.70),
    Configuration("CIFAR-10, learned patches", "cifar10", LEARNED, (), 0.78),
    Configuration("CIFAR-10, --recipe best", "cifar10", "best", (), 0.82),
    Configuration("scenes15, --recipe lecture", "scenes15", "lecture", (), 0.79),
    Configuration("scenes15, --recipe best", "scenes15", "best", (), 0.83),
]


def report(names: tuple[str, ...] = ()) -> None:
    """Print a row for each configuration, or for those whose name has one of some words in it."""
    print(f"processor: {processor()}")
    print(f"{'configuration':<36} {'classifier':<12} accuracy   least    ECE  seconds   peak MB")
    for configuration in CONFIGURATIONS:
        if names and not any(name in configuration.name for name in names):
            continue
        runs = runs_of(configuration)
        for classifier in runs[0]["classifiers"]:
            print(row(configuration, classifier, runs), flush=True)


def row(configuration: Configuration, classifier: str, runs: list[dict[str, Any]]) -> str:
    of_runs = [run["classifiers"][classifier] for run in runs]
    accuracy = float(np.mean([scores["test_accuracy"] for scores in of_runs]))
    predicted = [run["predicted"][classifier] for run in runs if classifier in run["predicted"]]
    error = np.nan
    if predicted:  # of the test images of all splits together: a few would leave much noise
        labels, probabilities, classes = zip(*predicted, strict=True)
        pooled = np.concatenate(labels), np.concatenate(probabilities)
        error = expected_calibration_error(*pooled, classes[0])
    seconds = float(np.mean([run["wall"] for run in runs]))
    peak = max(run["peak_rss_mb"] for run in runs)
    verdict = "ok" if accuracy >= configuration.least else "MISSED"
    return (
        f"{configuration.name:<36} {classifier:<12} {accuracy:8.4f} {configuration.least:7.2f} "
        f"{error:6.3f} {seconds:8.1f} {peak:9.0f}  {verdict}"
    )


def runs_of(configuration: Configuration) -> list[dict[str, Any]]:
    """Return the metrics of the run on CIFAR-10, or of the runs on several splits of the scenes."""
    data = cifar_folder().parent / configuration.data
    if configuration.data == "cifar10":
        return [run(configuration, data / "train", "--test", str(data / "test"))]
    return [run(configuration, data, "--test-size", "0.3", "--seed", str(seed)) for seed in SEEDS]


def run(configuration: Configuration, images: Path, *options: str) -> dict[str, Any]:
    """Return the metrics of a run and its seconds as ``wall``."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = configuration.recipe
        if "\n" in recipe:
            file = Path(folder, "recipe.toml")
            file.write_text(recipe)
            recipe = str(file)
        command = [sys.executable, "-m", "visualwords", "run", str(images), "--json", "--no-report"]
        command += ["--out", str(Path(folder, "run")), "--recipe", recipe]
        start = perf_counter()
        done = subprocess.run(
            [*command, *configuration.options, *options], capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{' '.join(done.args)}\n{done.stderr}")
        wall = perf_counter() - start
        metrics: dict[str, Any] = json.loads(done.stdout)
        return metrics | {"wall": wall, "predicted": predictions(Path(folder, "run"))}


def predictions(folder: Path) -> dict[str, Any]:
    """Return labels, probabilities and classes of a run's test images, for each classifier."""
    job, found = Run.open(folder), {}
    X, labels = job.matrix(split="test"), job.labels("test")
    for file in (folder / "models").glob(f"*-{'+'.join(job.features)}.npz"):
        model = load_estimator(file)
        if hasattr(model, "predict_proba"):
            name = file.name.partition("-")[0]
            found[name] = labels, model.predict_proba(X), model.classes_
    return found
