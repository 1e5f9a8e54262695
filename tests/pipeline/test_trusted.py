"""Pipelines of this package in files of skops: nothing but our own types needs trust."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from skops import io
from skops.io.exceptions import UntrustedTypesFoundException

import visualwords as vw
from visualwords import classifiers, features

MODELS = [
    classifiers.LinearSVM(standardize=True),
    classifiers.LinearSVM(loss=classifiers.SquaredHinge(), solver=classifiers.LBFGS()),
    classifiers.Softmax(solver=classifiers.SGD(max_iter=3)),
    classifiers.LinearSVMCV([0.01, 0.1], cv=2),
    classifiers.SoftmaxCV([0.01, 0.1], cv=2, calibrate=True),
]
BAGS = [
    vw.BagOfVisualWords(6),
    vw.BagOfVisualWords(6, coding="vlad", patches=features.KeypointPatches("fast")),
    vw.BagOfVisualWords(4, coding="fisher", n_components=4, pyramid=(1, 2)),
    vw.BagOfVisualWords(
        6, coding="triangle", patches=features.PixelPatches(stride=4), whitening=0.1, mirror=True
    ),
]


@pytest.fixture(scope="module")
def images():
    from skimage.data import astronaut

    photo = astronaut()
    return np.stack(
        [photo[i : i + 32, j : j + 32] for i in range(0, 480, 96) for j in (0, 99, 300)]
    )


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three steps of SGD do not converge
        return model.fit(X, y)


def loaded(model):
    data = io.dumps(model)
    assert set(io.get_untrusted_types(data=data)) <= set(vw.TRUSTED_TYPES)
    return io.loads(data, trusted=vw.TRUSTED_TYPES)


@pytest.mark.parametrize("bag", BAGS, ids=lambda bag: bag.coding)
def test_a_loaded_pipeline_predicts_the_same_bits(bag, images):
    described = make_union(vw.HueHistogram(), vw.HOG(), features.PerceptualHash(), bag)
    model = make_pipeline(described, StandardScaler(), vw.Softmax())
    fitted(model, images, np.arange(len(images)) % 3)
    again = loaded(model)
    np.testing.assert_array_equal(again.predict_proba(images), model.predict_proba(images))
    names = described.get_feature_names_out()
    assert again[0].get_feature_names_out().tolist() == names.tolist()


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_loaded_classifier_scores_the_same_bits(model):
    X = np.random.default_rng(0).normal(size=(40, 5))
    fitted(model, X, np.array(["a", "b", "c"])[np.argmax(X[:, :3], axis=1)])
    again = loaded(model)
    np.testing.assert_array_equal(again.decision_function(X), model.decision_function(X))
    assert again.predict(X).tolist() == model.predict(X).tolist()


def test_without_trust_the_file_is_refused():
    with pytest.raises(UntrustedTypesFoundException):
        io.loads(io.dumps(vw.HueHistogram()))


def test_the_types_are_estimators_losses_and_solvers_and_nothing_that_runs_commands():
    assert "visualwords.classifiers.linear.LinearSVM" in vw.TRUSTED_TYPES
    assert "visualwords.features.words.bag.BagOfVisualWords" in vw.TRUSTED_TYPES
    assert all(name.startswith("visualwords.") for name in vw.TRUSTED_TYPES)
    assert not [name for name in vw.TRUSTED_TYPES if "pipeline" in name]
