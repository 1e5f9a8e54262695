"""Code of the user's own that changes: what it made is made again, and nothing else."""

import csv
import importlib
import sys

import numpy as np

from visualwords.pipeline.cli import main
from visualwords.pipeline.job import extract
from visualwords.pipeline.planning import differences

GUESS = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Guess(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.guess_ = self.classes_[{place}]
        return self

    def predict(self, X):
        return np.full(len(X), self.guess_)
"""


def test_a_classifier_whose_code_changed_is_trained_anew(crops, test_crops, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    recipe = '[features.hue]\n[classifiers.guess]\nkind = "my_guess:Guess"\n'
    (tmp_path / "recipe.toml").write_text(recipe)
    command = ("run", crops, "--test", test_crops, "--out", "run", "--recipe", "recipe.toml")
    predicted = []
    for place in ("0", "-1"):
        (tmp_path / "my_guess.py").write_text(GUESS.format(place=place))
        monkeypatch.delitem(sys.modules, "my_guess", raising=False)
        importlib.invalidate_caches()
        assert main([str(word) for word in (*command, "--no-report", "--jobs", 1)]) == 0
        with open("run/predictions.csv") as file:
            predicted.append({row["guess"] for row in csv.DictReader(file)})
    classes = sorted(path.name for path in crops.iterdir())
    assert predicted == [{classes[0]}, {classes[-1]}]


HELPED = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
import my_base
from my_base import Base

FACTOR = np.array([{factor}])

def helped(image):
    return np.full(1, image.mean()) * FACTOR + {plus}

def unused():
    return {unused}

class Helped(Base):
    def transform(self, images):
        return np.array([helped(image) for image in images])
"""
BASE = """
from sklearn.base import BaseEstimator, TransformerMixin

def scaled(x):
    return {scale} * x

class Base(TransformerMixin, BaseEstimator):
    def fit(self, images, y=None):
        return self

    def other(self, x):
        return scaled(x)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
"""


def test_a_feature_is_computed_again_when_code_that_it_uses_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    # Python would take a file of the same size and second for the one that it has compiled.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    images = [np.full((8, 8), k, np.uint8) for k in range(4)]
    values = {"factor": 1, "plus": 0, "unused": 0, "scale": 1}
    decoded, first = {}, {}
    for name in (None, "unused", "factor", "plus", "scale"):
        if name:
            values[name] = 7
        for module, text in (("my_helped", HELPED), ("my_base", BASE)):
            (tmp_path / f"{module}.py").write_text(text.format(**values))
            monkeypatch.delitem(sys.modules, module, raising=False)
        importlib.invalidate_caches()
        kind = importlib.import_module("my_helped").Helped
        result = extract(images, tmp_path / "store", {"helped": kind()}, n_jobs=1)
        decoded[name], first[name] = result.work.decoded, result.matrix("helped")[1].tolist()
    assert decoded == {None: 4, "unused": 0, "factor": 4, "plus": 4, "scale": 4}
    newest, *others = differences(tmp_path / "store", "helped")
    assert newest.endswith(": the newest")
    assert [line.partition(": ")[2] for line in others] == ["its code changed"] * 3
    assert first == {None: [1], "unused": [1], "factor": [7], "plus": [14], "scale": [14]}
