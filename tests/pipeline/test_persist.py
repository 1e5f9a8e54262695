import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from visualwords.classifiers import ColumnStack, LinearSVM, Softmax
from visualwords.features import HOG, BagOfVisualWords, HueHistogram
from visualwords.pipeline.persist import (
    decode_estimator,
    describe_estimator,
    load_estimator,
    save_estimator,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 32, 32, 3), np.uint8)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = np.array(["a", "b", "c"])[np.arange(60) % 3]


@pytest.mark.parametrize(
    "feature", [HueHistogram(n_bins=7), HOG(image_size=(24, 24)), BagOfVisualWords(n_words=5)]
)
def test_a_loaded_feature_gives_the_same_bits(tmp_path, feature):
    feature.fit(IMAGES)
    (tmp_path / "f.npz").write_bytes(save_estimator(feature))
    loaded = load_estimator(tmp_path / "f.npz")
    np.testing.assert_array_equal(loaded.transform(IMAGES), feature.transform(IMAGES))
    assert describe_estimator(loaded) == describe_estimator(feature)


@pytest.mark.parametrize("classifier", [LinearSVM(alpha=0.1), Softmax(standardize=True)])
def test_a_loaded_classifier_gives_the_same_answers(tmp_path, classifier):
    classifier.fit(X, Y)
    (tmp_path / "c.npz").write_bytes(save_estimator(classifier))
    loaded = load_estimator(tmp_path / "c.npz")
    np.testing.assert_array_equal(loaded.decision_function(X), classifier.decision_function(X))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    assert loaded.get_params()["alpha"] == classifier.alpha


def test_a_classifier_with_mappings_is_kept(tmp_path):
    stack = ColumnStack({"few": X[:, :2], "many": X[:, 2:]})
    weights = {"a": 1.0, "b": 2.0, "c": 0.5}
    classifier = Softmax({"few": 0.1, "many": 0.2}, class_weight=weights).fit(stack, Y)
    (tmp_path / "c.npz").write_bytes(save_estimator(classifier))
    loaded = load_estimator(tmp_path / "c.npz")
    assert (loaded.alpha, loaded.class_weight) == (classifier.alpha, weights)
    np.testing.assert_array_equal(loaded.fit(stack, Y).coef_, classifier.coef_)


def test_the_same_estimator_gives_the_same_bytes():
    assert save_estimator(Softmax().fit(X, Y)) == save_estimator(Softmax().fit(X, Y))


def test_estimators_of_others_are_made_only_where_their_class_is_named():
    model = LogisticRegression(C=2).fit(X, Y)
    data = save_estimator(model)
    with pytest.raises(ValueError, match="code of your own, which no file may start"):
        decode_estimator(data)
    again = decode_estimator(data, [LogisticRegression])
    assert again.get_params() == model.get_params()
    assert (again.predict_proba(X) == model.predict_proba(X)).all()


def test_estimators_that_hold_other_objects_are_not_saved():
    with pytest.raises(TypeError, match="cannot save a"):
        save_estimator(DecisionTreeClassifier().fit([[0], [1]], [0, 1]))
    with pytest.raises(TypeError, match="cannot save a"):
        save_estimator(HueHistogram(n_bins=lambda: 3))


@pytest.mark.parametrize("name", ["os.system", "features.np", "pipeline.Run", "features.resize"])
def test_a_file_cannot_name_anything_but_an_estimator(tmp_path, name):
    text = json.dumps({"class": name, "parameters": {}, "learned": {}})
    np.savez(tmp_path / "f.npz", json=np.frombuffer(text.encode(), np.uint8))
    with pytest.raises(ValueError, match="no estimator"):
        load_estimator(tmp_path / "f.npz")


def test_damaged_missing_and_pickled_files_are_refused_by_name(tmp_path):
    (tmp_path / "damaged.npz").write_bytes(save_estimator(HueHistogram())[:-30])
    np.savez(tmp_path / "pickled.npz", json=np.array([{"a": 1}], dtype=object))
    np.savez(tmp_path / "other.npz", json=np.frombuffer(b'{"a": 1}', np.uint8))
    with pytest.raises(ValueError, match=r"damaged\.npz: not a saved estimator"):
        load_estimator(tmp_path / "damaged.npz")
    with pytest.raises(ValueError, match=r"pickled\.npz: not a saved estimator"):
        load_estimator(tmp_path / "pickled.npz")
    with pytest.raises(ValueError, match=r"other\.npz: not a saved estimator"):
        load_estimator(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"missing\.npz: no such file"):
        load_estimator(tmp_path / "missing.npz")
