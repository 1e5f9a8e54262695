"""The recipe: which features and classifiers a job has, and what is said of a wrong name."""

import numpy as np
import pyarrow as pa
import pytest

from visualwords.classifiers import SoftmaxCV
from visualwords.features import HOG, BagOfVisualWords, HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.parts import Part, RecipeError
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run


def sizes(*shapes):
    rows, columns = zip(*shapes, strict=True)
    return pa.table({"rows": pa.array(rows, pa.int32()), "columns": pa.array(columns, pa.int32())})


def test_the_default_features():
    made = Recipe().make_features(sizes((32, 32)))
    assert [type(feature) for feature in made.values()] == [HueHistogram, HOG, BagOfVisualWords]
    assert list(made) == ["hue", "hog", "words"]


def test_names_with_a_dot_have_settings_too():
    parts = {"a": Part("HueHistogram"), "a.b": Part("HOG")}
    recipe = Recipe(features=parts, classifiers={"soft.max": Part("Softmax")})
    for setting in ("a.n_bins=20", "a.b.orientations=6", "soft.max.alpha=0.5"):
        recipe = recipe.with_setting(setting)
    given = {name: dict(part.parameters) for name, part in recipe.features.items()}
    assert given == {"a": {"n_bins": 20}, "a.b": {"orientations": 6}}
    assert recipe.classifiers["soft.max"].parameters == {"alpha": 0.5}


@pytest.mark.parametrize(
    ("shapes", "side"),
    [
        ([(32, 32)], 32),
        ([(250, 300), (45, 60), (45, 200)], 40),  # the median of 250, 45, 45, in steps of 8
        ([(500, 400)], 64),
        ([(9, 300)], 16),
        ([(0, 0), (48, 50)], 48),  # an image of no size could not be read
    ],
)
def test_hog_has_the_size_of_the_training_images(shapes, side):
    assert Recipe().make_features(sizes(*shapes))["hog"].image_size == (side, side)


def test_a_setting_changes_one_value():
    recipe = Recipe()
    for setting in ("hue.n_bins=20", "hog.image_size=[16, 24]", "LinearSVM.alpha=0.5", "seed=7"):
        recipe = recipe.with_setting(setting)
    features = recipe.make_features(sizes((32, 32)))
    assert features["hue"].n_bins == 20
    assert features["hog"].image_size == (16, 24)
    assert features["words"].random_state == 7
    assert recipe.make_classifiers()["LinearSVM"].alpha == 0.5
    assert Recipe().make_features(sizes((32, 32)))["hue"].n_bins == HueHistogram().n_bins


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (HueHistogram(), r"got one of them: \[HueHistogram\(\)\] is a list"),
        (
            [HueHistogram],
            r"expected an estimator, got its class HueHistogram; write HueHistogram\(\)",
        ),
        ([len], r"got <built-in function len>; derive its class from BaseEstimator"),
    ],
)
def test_what_is_no_list_of_estimators_is_refused(features, message):
    with pytest.raises(TypeError, match=message):
        Recipe(features=features)
    with pytest.raises(TypeError, match=message):
        extract(np.zeros((1, 32, 32), np.uint8), "memory://refused", features)


def test_the_name_of_a_file_is_no_recipe(tmp_path):
    with pytest.raises(TypeError, match=r"expected a Recipe, got 'a\.toml'; read_recipe\('a"):
        Run(tmp_path / "run").run(tmp_path, recipe="a.toml")


def test_features_are_chosen_by_name_and_in_order():
    assert list(Recipe().with_features(["words", "hue"]).features) == ["words", "hue"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("hue.bins=20", r"hue has no parameter 'bins'; did you mean 'n_bins'\? \(there are n_bins"),
        ("hgo.n_bins=20", r"no feature or classifier 'hgo'; did you mean 'hog'\?"),
        ("sed=1", r"no setting 'sed'; did you mean 'seed'\?"),
        ("hue.n_bins", r"expected NAME.PARAMETER=VALUE, such as hue.n_bins=20"),
    ],
)
def test_a_wrong_setting_is_told_with_the_nearest_right_one(setting, message):
    with pytest.raises(RecipeError, match=message):
        Recipe().with_setting(setting)


def test_an_unknown_feature_or_kind_is_told():
    with pytest.raises(RecipeError, match=r"no feature 'hug'; did you mean 'hue'\?"):
        Recipe().with_features(["hug"])
    recipe = Recipe(features={"hue": Part("HueHistogramm")})
    with pytest.raises(RecipeError, match="did you mean 'HueHistogram'"):
        recipe.make_features(sizes((32, 32)))


def test_a_class_of_another_module_takes_part_by_its_name():
    recipe = Recipe(
        features={"ours": Part("visualwords.features:HueHistogram", {"n_bins": 5})},
        classifiers={"ridge": Part("sklearn.linear_model:RidgeClassifier", {"alpha": 2.0})},
    )
    assert recipe.make_features(sizes((32, 32)))["ours"].n_bins == 5
    assert recipe.make_classifiers()["ridge"].alpha == 2.0
    for kind in ("no_such_module:Class", "numpy:no_such_class", "builtins:dict"):
        with pytest.raises(RecipeError, match=kind):
            Recipe(features={"x": Part(kind)}).make_features(sizes((32, 32)))


def test_a_classifier_may_choose_its_penalty():
    recipe = Recipe(classifiers={"Softmax": Part("SoftmaxCV", {"alphas": [0.01, 1.0], "cv": 2})})
    made = recipe.make_classifiers()["Softmax"]
    assert isinstance(made, SoftmaxCV)
    X = np.random.default_rng(0).normal(size=(40, 3))
    assert made.fit(X, X[:, 0] > 0).alpha_ in (0.01, 1.0)


def test_a_classifier_has_a_penalty_for_each_feature():
    recipe = Recipe().with_setting('Softmax.alpha={"hue": 0.1, "hog": 0.01, "words": 0.02}')
    as_in_a_file = Recipe().with_setting("Softmax.alpha={hue = 0.1, hog = 0.01, words = 0.02}")
    assert as_in_a_file == recipe
    assert recipe.make_classifiers()["Softmax"].alpha["hog"] == 0.01
    recipe.with_features(["hue", "words"]).check()
    with pytest.raises(RecipeError, match="Softmax: alpha has no value for the feature 'words'"):
        Recipe().with_setting('Softmax.alpha={"hue": 0.1, "hog": 0.01}').check()
    with pytest.raises(RecipeError, match="LinearSVM: alpha: expected a number or a table of the"):
        Recipe().with_setting("LinearSVM.alpha=[0.1, 0.1, 0.1]").check()
    with pytest.raises(RecipeError, match="alpha of the part 'hog' must be a finite number above"):
        Recipe().with_setting('Softmax.alpha={"hue": 0.1, "hog": 0, "words": 1}').check()
