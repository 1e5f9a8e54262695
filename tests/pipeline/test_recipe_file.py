"""Recipes as TOML: each option is written and explained; each error is named with its line."""

import tomllib

import numpy as np
import pyarrow as pa
import pytest

from visualwords.classifiers import LinearSVM, SoftmaxCV
from visualwords.features import HOG, BagOfVisualWords, HueHistogram, KeypointPatches
from visualwords.pipeline.parts import RecipeError
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.recipe_file import read_recipe, recipe_text

IMAGES = pa.table({"rows": pa.array([32], pa.int32()), "columns": pa.array([32], pa.int32())})
OWN = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

class Mean(TransformerMixin, BaseEstimator):
    __module__ = "own_feature"
    def __init__(self, scale=1.0):
        self.scale = scale
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return np.array([[image.mean() * self.scale] for image in X], np.float32)
"""


def read(tmp_path, text):
    file = tmp_path / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    return read_recipe(file)


def test_the_written_recipe_is_the_default_one(tmp_path):
    for commented in (False, True):
        recipe = read(tmp_path, recipe_text(commented=commented))
        assert recipe_text(recipe) == recipe_text()
        for made, expected in (
            (recipe.make_features(IMAGES), Recipe().make_features(IMAGES)),
            (recipe.make_classifiers(), Recipe().make_classifiers()),
        ):
            assert {n: repr(e) for n, e in made.items()} == {
                n: repr(e) for n, e in expected.items()
            }


@pytest.mark.parametrize("kind", [HueHistogram, HOG, BagOfVisualWords, LinearSVM])
def test_every_option_is_written_with_its_default_and_a_comment(kind):
    lines = recipe_text().splitlines()
    start = lines.index(f'kind = "{kind.__name__}"')
    section = lines[start : lines.index("", start)]
    for name, value in kind().get_params(deep=False).items():
        if name in ("n_jobs", "verbose"):
            continue
        (at,) = [i for i, x in enumerate(section) if x.removeprefix("# ").startswith(f"{name} =")]
        assert section[at - 1].startswith("# ")
        if value is not None and name != "standardize":
            found = tomllib.loads(section[at])[name]
            assert (tuple(found) if isinstance(found, list) else found) == value


def test_a_table_names_all_the_features_that_there_are(tmp_path):
    recipe = read(tmp_path, "seed = 3\n[features.hog]\n[features.fine]\nkind = 'HueHistogram'\n")
    assert list(recipe.features) == ["hog", "fine"]
    assert list(recipe.classifiers) == ["LinearSVM", "Softmax"]
    assert recipe.seed == 3


def test_nested_kinds_and_none(tmp_path):
    recipe = read(
        tmp_path,
        "[features.words]\nnorm = 'none'\npatches = { kind = 'KeypointPatches', n_keypoints = 9 }\n"
        "[classifiers.Softmax]\nkind = 'SoftmaxCV'\n",
    )
    words = recipe.make_features(IMAGES)["words"]
    assert words.norm is None
    assert isinstance(words.patches, KeypointPatches)
    assert words.patches.n_keypoints == 9
    softmax = recipe.make_classifiers()["Softmax"]
    assert isinstance(softmax, SoftmaxCV)
    assert softmax.standardize == "parts"
    assert recipe_text(read(tmp_path, recipe_text(recipe))) == recipe_text(recipe)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("sed = 1", 1, "no key 'sed'; did you mean 'seed'?"),
        ("\nseed = -1", 2, "seed: expected a whole number from 0 to 4294967295, got -1"),
        ("test_size = 1.5", 1, "test_size: expected a number above 0 and below 1, got 1.5"),
        ("max_side = true", 1, "max_side: expected a whole number of at least 1, got True"),
        ("features = 3", 1, "expected tables such as [features.NAME]"),
        ("[features]\nhue = 3", 2, "hue: expected a table [features.hue]"),
        (
            "[features.hue]\n# x\nn_bin = 3",
            3,
            "hue has no parameter 'n_bin'; did you mean 'n_bins'",
        ),
        ("[features.hue]\nn_bins = 0", 2, "hue: n_bins must be a whole number from 1"),
        ("[features.words]\nnorm = 'l3'", 2, "words: norm must be one of ('sqrt', 'l1', 'l2'"),
        ("[features.hog]\nkind = 'HOGG'", 2, "no feature of the kind 'HOGG'; did you mean 'HOG'?"),
        ("seed = 1\n\n[features.huge]", 3, 'huge needs a kind, such as kind = "module:Class"'),
        ("[features.x]\nkind = 'no_such:Thing'", 2, "expected module:Class that can be imported"),
        ("[features.x]\nkind = 'builtins:dict'", 2, "derived from BaseEstimator of scikit-learn"),
        ("[features.x]\nkind = 'm.Thing'", 2, "a class of your own is named module:Class"),
        (
            "[classifiers.Softmax]\nalpha = -1",
            2,
            "Softmax: alpha must be a finite number",
        ),
        ("[classifiers.LinearSVM]\nloss = 'hing'", 2, "LinearSVM: loss must be one of"),
        (
            "[features.hue]\n[features.Softmax-hue]\nkind = 'HOG'",
            2,
            "the feature 'Softmax-hue' and the model of Softmax on hue would have the same file "
            "Softmax-hue.npz; choose another name",
        ),
        (
            "[features.a]\nkind = 'HOG'\n[features.b-a]\nkind = 'HOG'\n"
            "[classifiers.S-b]\nkind = 'Softmax'\n[classifiers.S]\nkind = 'Softmax'",
            5,
            "the model of S-b on a and the model of S on b-a would have the same file S-b-a.npz",
        ),
        (
            "[features.words]\nn_words = 20\npatches = { kind = 'DensePatches', size = 16 }",
            3,
            "words, DensePatches has no parameter 'size'; did you mean",
        ),
        (
            "[classifiers.mine]\nkind = 'sklearn.pipeline:Pipeline'\n"
            "steps = [['a', { kind = 'sklearn.svm:SVC', c = 1 }]]",
            3,
            "mine, sklearn.svm:SVC has no parameter 'c'; did you mean 'C'?",
        ),
        ("[features.'a/b']\nkind = 'HOG'", 1, "'a/b': expected a name without slashes"),
        ("[features.'.a']\nkind = 'HOG'", 1, "'.a': expected a name without slashes that does"),
        ("[features.'']\nkind = 'HOG'", 1, "'': expected a name without slashes"),
        ("[features.perceptual-hash]\nkind = 'HOG'", 1, "is a feature that each job computes"),
        ("[classifiers.'..']\nkind = 'Softmax'", 1, "'..': expected a name without slashes"),
        ("[classifiers.label]\nkind = 'Softmax'", 1, "'label' is a column of predictions.csv"),
        (
            "[classifiers.S]\nkind = 'Softmax'\n[classifiers.S_probability]\nkind = 'Softmax'",
            3,
            "'S_probability' is a column of predictions.csv",
        ),
        (
            f"[features.{'x' * 201}]\nkind = 'HOG'",
            1,
            "which is 201 bytes long, expected at most 200",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, line, message):
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'recipe.toml'}, line {line}: ")
    assert message in str(caught.value)


def test_what_is_no_toml_is_refused_with_the_place(tmp_path):
    with pytest.raises(RecipeError, match=r"not a TOML file: .*line 2"):
        read(tmp_path, "seed = 1\nseed 2\n")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="not a TOML file"):
        read_recipe(tmp_path / "bytes.toml")


def test_a_class_in_the_current_folder_takes_part(tmp_path, monkeypatch):
    (tmp_path / "own_feature.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    recipe = read(tmp_path, "[features.mean]\nkind = 'own_feature:Mean'\nscale = 2.0\n")
    feature = recipe.make_features(IMAGES)["mean"]
    np.testing.assert_array_equal(feature.transform([np.full((4, 4), 3, np.uint8)]), [[6.0]])
    assert "scale = 2.0" in recipe_text(recipe)


@pytest.mark.parametrize("name", ["small", "photographs"])
def test_the_recipes_for_the_highest_accuracy_are_sound(name):
    recipe = read_recipe(name)
    recipe.check()
    assert recipe.make_features(IMAGES)["words"].mirror
    assert recipe.make_classifiers()["Softmax"].calibrate


def test_a_recipe_that_ships_is_named_without_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = read_recipe("lecture")
    assert list(recipe.features) == ["hue", "hog", "words"]
    assert recipe.make_classifiers()["Softmax"].calibrate
    (tmp_path / "lecture").write_text("seed = 7\n")
    assert read_recipe("lecture").seed == 7
    with pytest.raises(RecipeError, match="lectures: no such file; `visualwords init` writes a"):
        read_recipe("lectures")
    with pytest.raises(RecipeError, match=r"with the package: best, lecture, photographs, small$"):
        read_recipe("lectures")
