"""Numbers of the report: those of all images, and of what classifiers predict."""

import re

import numpy as np
import pyarrow.csv
from sklearn.naive_bayes import GaussianNB

from visualwords.features import HueHistogram
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.report import material
from visualwords.pipeline.run import Run


class Contrary(GaussianNB):
    """Predicts the class after the likeliest one, as no classifier of scikit-learn does."""

    def predict(self, X):
        return self.classes_[(self.predict_proba(X).argmax(axis=1) + 1) % len(self.classes_)]


def numbers(page, name):
    return [int(number) for number in re.findall(rf'data-{name}="(\d+)"', page)]


def test_all_images_are_counted_where_some_are_looked_at(report_run, tmp_path, monkeypatch):
    whole = report_run.report.read_text()
    monkeypatch.setattr(material, "MOST_ROWS", 7)
    page = report_run.run.report(tmp_path / "page.html").read_text()
    n_train, n_test = (len(report_run.run.labels(split)) for split in ("train", "test"))
    assert n_train > n_test > 7
    assert f"On {n_test} test images; " in page
    assert sum(numbers(page, "count")) == n_test
    by_class = re.compile(r'class="number">(\d+)</td><td class="number">(\d+)</td><td><span')
    assert np.array(by_class.findall(page), int).sum(axis=0).tolist() == [n_train, n_test]
    for pattern in (r"mean F1 is ([\d.]+)", r"of (\d+) test images by"):
        assert re.findall(pattern, page) == re.findall(pattern, whole) != []


def test_confusions_are_of_what_is_predicted(crops, test_crops, tmp_path):
    run = Run(tmp_path / "run")
    run.run(crops, test_crops, Recipe(features=[HueHistogram()], classifiers={"own": Contrary()}))
    page = run.report().read_text()
    table = pyarrow.csv.read_csv(tmp_path / "run" / "predictions.csv")
    n_right = sum(np.array(table["label"]) == np.array(table["own"]))
    right = re.findall(r'data-cell="(\d+),\1" data-count="(\d+)"', page)
    assert sum(int(count) for _, count in right) == n_right
    assert n_right < len(table)
    said = [prediction.labels for prediction in run.predict(test_crops, top=2)]
    assert [labels[0] for labels in said] == table["own"].to_pylist()
    assert all(labels[0] != labels[1] for labels in said)


def test_the_speed_of_decoding_is_that_of_the_images_that_were_timed(report_run):
    """Images that the vocabulary was learned from are decoded twice, the first time untimed."""
    metrics = report_run.run.metrics
    assert metrics["worker_decoded"] == metrics["computed"]["words"]
    assert metrics["images"]["decoded"] > metrics["worker_decoded"]
    rate = metrics["worker_decoded"] / metrics["worker_seconds"]["decode"]
    assert f"A core decoded {rate:,.0f} images a second" in report_run.report.read_text()
