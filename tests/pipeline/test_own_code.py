"""Features and classifiers of the user's own: in a run, in its files, and in later commands."""

import csv
import json
import shutil
import sys

import numpy as np
import pytest
from rich.console import Console
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from visualwords import load_image
from visualwords.features import HueHistogram
from visualwords.pipeline.cli import main
from visualwords.pipeline.job import Options, extract
from visualwords.pipeline.progress import Progress
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.recipe_file import read_recipe
from visualwords.pipeline.run import Run
from visualwords.pipeline.store.files import LocalFolder

MODULE = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

class Colours(TransformerMixin, BaseEstimator):
    '''Mean colours, less those of the training images.'''

    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, images, y=None):
        self.mean_ = np.mean([self._colour(image) for image in images], axis=0)
        self._is_ready = True
        return self

    def _colour(self, image):
        return np.atleast_3d(image).mean(axis=(0, 1)) * np.ones(3)

    def transform(self, images):
        assert self._is_ready
        return self.scale * (np.array([self._colour(image) for image in images]) - self.mean_)
"""
RECIPE = """
[features.hue]
[features.colours]
kind = "my_colours:Colours"
scale = 0.5
[classifiers.Softmax]
kind = "SoftmaxCV"
[classifiers.ridge]
kind = "sklearn.linear_model:RidgeClassifier"
[classifiers.nearest]
kind = "sklearn.neighbors:KNeighborsClassifier"
algorithm = "kd_tree"
"""


def call(*arguments) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


def enter(folder, monkeypatch):
    """Make a folder the current one, in which ``my_colours`` is not imported yet."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.delitem(sys.modules, "my_colours", raising=False)


@pytest.fixture(scope="module")
def original(crops, test_crops, tmp_path_factory):
    """A run with an own feature that learns, and classifiers of which one fits into no file."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_colours.py").write_text(MODULE)
    (folder / "recipe.toml").write_text(RECIPE)
    command = ("run", crops, "--test", test_crops, "--out", "run", "--recipe", "recipe.toml")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        assert call(*command, "--no-report", "--jobs", 1) == 0
        del sys.modules["my_colours"]
    return folder


@pytest.fixture
def folder(original, tmp_path, monkeypatch):
    """A copy of this run, as a new process finds it."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    enter(tmp_path, monkeypatch)
    return tmp_path / "run"


def classes_of(folder, name):
    with (folder / "predictions.csv").open() as file:
        return {row["path"]: row[name] for row in csv.DictReader(file)}


@pytest.mark.parametrize("classifier", ["Softmax", "ridge", "nearest"])
def test_predict_uses_own_classes_that_a_recipe_names(folder, test_crops, capsys, classifier):
    expected = classes_of(folder, classifier)
    images = [test_crops / path for path in expected]
    command = ("predict", folder, *images, "--classifier", classifier, "--json", "--jobs", 1)
    capsys.readouterr()
    assert call(*command, "--recipe", folder / "recipe.toml") == 0
    found = [json.loads(line)["classes"] for line in capsys.readouterr().out.splitlines()]
    assert [next(iter(classes)) for classes in found] == list(expected.values())


def test_evaluate_scores_other_images_by_own_classes(folder, test_crops, capsys):
    before = json.loads((folder / "metrics.json").read_bytes())["classifiers"]
    command = ("evaluate", folder, "--test", test_crops, "--recipe", "recipe.toml", "--json")
    capsys.readouterr()
    assert call(*command) == 0
    (other,) = json.loads(capsys.readouterr().out)["other_tests"].values()
    assert set(other) == {"Softmax", "ridge", "nearest"}
    for name, scores in other.items():
        assert scores["confusion"] == before[name]["confusion"]


@pytest.mark.parametrize("command", ["predict", "evaluate", "train"])
def test_no_file_of_a_run_starts_own_classes(folder, test_crops, capsys, command):
    images = [test_crops / "brick" / "00.jpg"] if command == "predict" else []
    capsys.readouterr()
    assert call(command, folder, *images) == 1
    error = capsys.readouterr().err
    assert "code of your own, which no file of a run may start; name a recipe" in error
    assert "my_colours" not in sys.modules


@pytest.mark.parametrize("value", [{"kind": "mine:Solver"}, [["a", {"kind": "mine:Solver"}]]])
def test_no_file_of_a_run_starts_code_among_parameters(
    crops, test_crops, tmp_path, monkeypatch, capsys, value
):
    recipe = Recipe(features=[HueHistogram()])
    Run(tmp_path / "run", options=Options(n_jobs=1)).run(crops, test_crops, recipe)
    (tmp_path / "mine.py").write_text("open('started', 'w')")
    files = LocalFolder(tmp_path / "run")
    record = json.loads(files.read("run.json"))
    del record["crc32"]
    record["recipe"]["classifiers"]["Softmax"]["parameters"]["solver"] = value
    files.write_record("run.json", record)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert call("train", "run") == 1
    assert "Softmax holds mine:Solver, code of your own" in capsys.readouterr().err
    assert not (tmp_path / "started").exists()


def test_pipelines_of_scikit_learn_take_part(crops, test_crops, tmp_path):
    recipe = Recipe(
        features={"mine": make_pipeline(HueHistogram(), PCA(2, random_state=0))},
        classifiers={
            "svc": make_pipeline(StandardScaler(), SVC()),
            "votes": VotingClassifier([("a", GaussianNB()), ("b", SVC(C=9.0))]),
        },
    )
    run = Run(tmp_path, options=Options(n_jobs=1))
    trained = run.run(crops, test_crops, recipe)
    known = run.images.to_pandas().query("split == 'train'")
    images = [load_image(str(crops / path)) for path in known["path"]]
    hues = HueHistogram().transform(images)
    projected = PCA(2, random_state=0).fit_transform(hues)
    X = np.asarray(run.matrix(split="train")[:])
    np.testing.assert_allclose(X, projected, atol=1e-6)
    classifier = make_pipeline(StandardScaler(), SVC()).fit(X, known["label"])
    expected = classifier.predict(np.asarray(run.matrix(split="test")[:]))
    assert list(classes_of(tmp_path, "svc").values()) == list(expected)

    written = read_recipe(tmp_path / "recipe.toml")
    again = Run(tmp_path, options=Options(n_jobs=1)).run(crops, test_crops, written)
    assert (again["trained"], again["classifiers"]) == ([], trained["classifiers"])
    later = Run.open(tmp_path, Options(n_jobs=1), own=[Pipeline, VotingClassifier])
    for name in ("svc", "votes"):
        known = classes_of(tmp_path, name)
        found = later.predict([str(test_crops / path) for path in known], classifier=name)
        assert [prediction.labels[0] for prediction in found] == list(known.values())


def test_python_names_own_classes(folder, test_crops):
    from my_colours import Colours
    from sklearn.neighbors import KNeighborsClassifier

    expected = classes_of(folder, "ridge")
    own = [Colours, RidgeClassifier, KNeighborsClassifier]
    run = Run.open(folder, Options(n_jobs=1), own=own)
    images = [str(test_crops / path) for path in expected]
    found = [prediction.labels[0] for prediction in run.predict(images, classifier="ridge")]
    assert found == list(expected.values())
    with pytest.raises(ValueError, match="own=\\[Colours\\]"):
        list(Run.open(folder, own=own[1:]).predict(images))


class Brightness(TransformerMixin, BaseEstimator):
    def __init__(self, factor=1):
        self.factor = factor

    def fit(self, images, y=None):
        return self

    def transform(self, images):
        return np.array([[self.factor * image.mean()] for image in images])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def test_instances_take_part_in_a_run(crops, test_crops, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, Brightness.__module__, sys.modules[__name__])
    recipe = Recipe(
        features=[HueHistogram(n_bins=5), Brightness(factor=2)],
        classifiers={"ridge": RidgeClassifier(alpha=0.5)},
    )
    run = Run(tmp_path, options=Options(n_jobs=1))
    metrics = run.run(crops, test_crops, recipe)
    assert set(metrics["classifiers"]["ridge"]["by_features"]) == {
        *("hue", "brightness", "hue+brightness")
    }
    assert run.matrix("brightness").shape == (51, 1)
    image = str(test_crops / "brick" / "00.jpg")
    (here,) = run.predict([image])
    other = Run.open(tmp_path, Options(n_jobs=1), own=[Brightness, RidgeClassifier])
    (there,) = other.predict([image])
    assert here == there
    scores = other.evaluate(test_crops)["other_tests"]
    assert (
        next(iter(scores.values()))["ridge"]["confusion"]
        == (metrics["classifiers"]["ridge"]["confusion"])
    )
    again = Run(tmp_path, options=Options(n_jobs=1)).run(crops, test_crops, recipe)
    assert again["images"]["decoded"] == 0


class Centroids(ClassifierMixin, BaseEstimator):
    """What the documentation asks of a classifier, and no more: no scores."""

    def fit(self, X, y):
        X = np.asarray(X)
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == label].mean(axis=0) for label in self.classes_])

    def predict(self, X):
        distances = ((np.asarray(X)[:, None] - self.means_) ** 2).sum(axis=2)
        return self.classes_[distances.argmin(axis=1)]


class Forgetful(Centroids):
    def fit(self, X, y):
        super().fit(X, y)
        del self.classes_


def test_a_classifier_without_scores_predicts_and_is_reported(crops, test_crops, tmp_path):
    recipe = Recipe(features=[HueHistogram()], classifiers={"mine": Centroids()})
    Run(tmp_path, options=Options(n_jobs=1)).run(crops, test_crops, recipe)
    run = Run.open(tmp_path, Options(n_jobs=1), own=[Centroids])
    expected = classes_of(tmp_path, "mine")
    found = list(run.predict([str(test_crops / path) for path in expected], top=3))
    assert [prediction.labels for prediction in found] == [(name,) for name in expected.values()]
    assert {prediction.probabilities for prediction in found} == {()}
    assert "Confusion" in run.report().read_text()


def test_a_classifier_that_no_file_can_hold_is_trained_again_for_a_report(
    crops, test_crops, tmp_path
):
    tree = DecisionTreeClassifier(random_state=0)
    recipe = Recipe(features=[HueHistogram()], classifiers={"tree": tree})
    Run(tmp_path, options=Options(n_jobs=1)).run(crops, test_crops, recipe)
    run = Run.open(tmp_path, Options(n_jobs=1), own=[DecisionTreeClassifier])
    assert "Confusion" in run.report().read_text()


def test_models_in_memory_are_left_where_another_job_trained_since(crops, test_crops, tmp_path):
    def of_depth(depth):
        tree = DecisionTreeClassifier(max_depth=depth, random_state=0)
        return Recipe(features=[HueHistogram()], classifiers={"tree": tree})

    run = Run(tmp_path, options=Options(n_jobs=1))
    run.run(crops, test_crops, of_depth(1))
    other = Run.open(tmp_path, Options(n_jobs=1))
    other.train(of_depth(9))
    expected = other.evaluate()["classifiers"]["tree"]["confusion"]
    run.train(of_depth(9))
    assert run.evaluate(test_crops)["other_tests"][str(test_crops)]["tree"]["confusion"] == expected


def test_only_what_no_file_can_hold_is_trained_again(crops, test_crops, tmp_path, capsys):
    trees = {"tree": DecisionTreeClassifier(random_state=0), "tree-like": RidgeClassifier()}
    recipe = Recipe(features=[HueHistogram()], classifiers=trees)
    Run(tmp_path, options=Options(n_jobs=1)).run(crops, test_crops, recipe)
    options = Options(n_jobs=1, progress=Progress(Console()))
    own = [DecisionTreeClassifier, RidgeClassifier]
    Run.open(tmp_path, options, own=own).evaluate(test_crops)
    assert "train      tree again, which no file can hold" in capsys.readouterr().out


def test_predictions_alone_are_printed_where_a_classifier_is_trained_again(
    crops, test_crops, tmp_path, capsys
):
    recipe = tmp_path / "tree.toml"
    kind = "sklearn.tree:DecisionTreeClassifier"
    recipe.write_text(f'[features.hue]\n[classifiers.tree]\nkind = "{kind}"\nrandom_state = 0\n')
    options = ["--out", str(tmp_path / "run"), "--recipe", str(recipe), "--no-report"]
    assert main(["run", str(crops), "--test", str(test_crops), *options]) == 0
    capsys.readouterr()
    image = str(crops / "brick" / "00.jpg")
    assert main(["predict", str(tmp_path / "run"), image, "--recipe", str(recipe)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{image}\tbrick\t1.0000\n"
    assert "train      tree again, which no file can hold" in printed.err


def test_a_classifier_that_keeps_no_classes_is_refused(crops, test_crops, tmp_path):
    recipe = Recipe(features=[HueHistogram()], classifiers={"mine": Forgetful()})
    with pytest.raises(ValueError, match=r"mine: fit of Forgetful sets no classes_; .*np\.unique"):
        Run(tmp_path, options=Options(n_jobs=1)).run(crops, test_crops, recipe)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (FunctionTransformer(np.mean), "FunctionTransformer: func: expected numbers, texts, lists"),
        (
            make_pipeline(HueHistogram(), FunctionTransformer(np.mean)),
            "FunctionTransformer: func: expected numbers, texts, lists",
        ),
    ],
    ids=["function", "function in a pipeline"],
)
def test_parameters_that_no_file_can_hold_are_refused_at_once(feature, message):
    with pytest.raises(TypeError, match=message):
        Recipe(features={"mine": feature})


def test_numbers_of_numpy_are_parameters():
    recipe = Recipe(features=[HueHistogram(n_bins=np.int64(7))])
    assert json.dumps(recipe.features["hue"].parameters["n_bins"]) == "7"


class Ragged(Brightness):
    def transform(self, images):
        return [[1.0] * (1 + int(image.mean()) % 2) for image in images]


def test_rows_of_several_lengths_are_told_of_by_the_feature(tmp_path):
    pictures = [np.full((8, 8), k, np.uint8) for k in range(4)]
    with pytest.raises(ValueError, match="ragged: its rows have lengths 1 and 2"):
        extract(pictures, tmp_path, [Ragged()])


def test_names_in_place_of_estimators_are_refused_with_what_takes_names():
    with pytest.raises(TypeError, match=r"got the text 'hue'; a recipe takes names"):
        Recipe(features=["hue", "hog"])
    assert list(Recipe().with_features(["hue", "hog"]).features) == ["hue", "hog"]


def test_pages_show_own_features_and_name_own_classes(folder, capsys, tmp_path):
    page = tmp_path / "page.html"
    assert call("report", folder) == 1
    assert "code of your own, which no file of a run may start" in capsys.readouterr().err
    assert "my_colours" not in sys.modules
    assert call("report", folder, "--recipe", folder / "recipe.toml", "--out", page) == 0
    shown = page.read_text()
    assert "the strongest numbers of colours" in shown
    assert "number 2" in shown
    assert "hues for" in shown
    assert call("explore", folder, "--recipe", folder / "recipe.toml", "--out", page) == 0
    assert "By hand" in page.read_text()
