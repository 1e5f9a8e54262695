"""Features and classifiers of the user's own that fail: told by their name and line."""

import csv
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from visualwords import load_image
from visualwords.features import HueHistogram
from visualwords.pipeline.job import Options
from visualwords.pipeline.own_code import OwnCodeError
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.tests.pipeline.test_own_code import call

FAULTY = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
IMPORTED

class Faulty(TransformerMixin, BaseEstimator):
    def __init__(self):
        MADE

    def fit(self, images, y=None):
        FITTED
        return self

    def transform(self, images):
        rows = []
        for image in images:
            DESCRIBED
            rows.append([image.mean()])
        return np.array(rows)
"""
EACH = "one row for each"
EVERY = "on brick/00.jpg and each of the 36 images tried with it; mend Faulty and run the job again"


class Failing(ClassifierMixin, BaseEstimator):
    """Raises, or gives what no classifier gives, in the method that is named."""

    def __init__(self, method="predict", given=None):
        self.method = method
        self.given = given

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self if self.method != "fit" else self._given(X)

    def _given(self, X):
        if self.given == "short":
            return self.classes_[:1]
        if self.given == "numbers":
            return np.zeros(len(X))
        if self.given == "gaps":
            return np.full((len(X), len(self.classes_)), np.nan)
        raise KeyError("missing")

    def predict(self, X):
        return self._given(X) if self.method == "predict" else self.classes_[:1].repeat(len(X))

    def predict_proba(self, X):
        if self.method == "predict_proba":
            return self._given(X)
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("fit", None, r"KeyError: 'missing' \(.*, line \d+\), in fit on 36 rows; mend Failing"),
        ("predict", None, r"KeyError: 'missing' \(.*\), in predict of 36 rows; mend Failing"),
        (
            "predict",
            "short",
            r"predict of Failing gives .* shape \(1,\); expected 36 of the labels",
        ),
        ("predict", "numbers", r"predict of Failing gives an array of float64 .*; expected 36 of"),
        (
            "predict_proba",
            "gaps",
            r"of shape \(15, 3\); expected finite numbers of shape \(15, 3\)",
        ),
        ("predict_proba", "numbers", r"of shape \(15,\); expected finite numbers of shape"),
    ],
)
def test_a_classifier_that_fails_is_told_of_by_name(
    crops, test_crops, tmp_path, method, given, message
):
    recipe = Recipe(features=[HueHistogram()], classifiers={"mine": Failing(method, given)})
    with pytest.raises(OwnCodeError, match=f"^mine: .*{message}"):
        Run(tmp_path, options=Options(n_jobs=1)).run(crops, test_crops, recipe)


@pytest.mark.parametrize(
    ("place", "code", "expected"),
    [
        ("IMPORTED", "1 / 0", "my_fault:Faulty: ZeroDivisionError: division by zero; expected"),
        ("MADE", "{}['x']", "faulty: KeyError: 'x'"),
        ("FITTED", "assert not images, 'no'", "faulty: AssertionError: no (my_fault.py, line 11)"),
        ("FITTED", "raise ValueError('odd')", "faulty: ValueError: odd (my_fault.py, line 11)"),
        ("DESCRIBED", "image.no", "faulty: AttributeError: 'numpy.ndarray' object has no"),
        ("DESCRIBED", "image.no", f"(my_fault.py, line 17), {EVERY}"),
        ("IMPORTED", "raise SystemExit(0)", "my_fault:Faulty: SystemExit: 0; expected module:"),
        ("MADE", "raise SystemExit('end')", "faulty: SystemExit: end"),
        ("FITTED", "raise SystemExit(0)", "faulty: SystemExit: 0 (my_fault.py, line 11)"),
        ("DESCRIBED", "raise SystemExit(0)", f"SystemExit: 0 (my_fault.py, line 17), {EVERY}"),
        ("DESCRIBED", "return 3", f"returned shape () for 1 image; expected {EACH}, {EVERY}"),
    ],
)  # fmt: skip
def test_an_exception_of_own_code_ends_the_job_with_one_sentence(
    crops, tmp_path, monkeypatch, capsys, place, code, expected
):
    assert run_faulty(crops, tmp_path, monkeypatch, place, code) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert expected in error


def test_an_exception_on_one_image_is_in_the_ledger(crops, tmp_path, monkeypatch, capsys):
    mean = load_image(crops / "coffee" / "00.jpg").mean()
    code = f"self.failed = 1 / (not np.allclose(image.mean(), {mean}))"
    assert run_faulty(crops, tmp_path, monkeypatch, "DESCRIBED", code) == 0
    with (tmp_path / "store" / "failures.csv").open() as file:
        (failure,) = csv.DictReader(file)
    assert (failure["path"], failure["kind"]) == ("coffee/00.jpg", "refused by faulty")
    assert failure["reason"] == (
        "faulty: ZeroDivisionError: division by zero (my_fault.py, line 17)"
    )


def run_faulty(crops, folder, monkeypatch, place, code):
    """Extract by a class that has some code in one place; return the exit code."""
    text = FAULTY.replace(place, code)
    for other in ("IMPORTED", "MADE", "FITTED", "DESCRIBED"):
        text = text.replace(other, "pass")
    (folder / "my_fault.py").write_text(text)
    recipe = folder / "recipe.toml"
    recipe.write_text('[features.faulty]\nkind = "my_fault:Faulty"\n')
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.delitem(sys.modules, "my_fault", raising=False)
    return call("extract", crops, "--store", "store", "--recipe", recipe, "--jobs", 1)
