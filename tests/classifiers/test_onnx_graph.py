"""A graph of ONNX gives what the classifier gives."""

import sys

import numpy as np
import onnxruntime
import pytest
from sklearn.exceptions import NotFittedError

from visualwords.classifiers import LinearSVM, LinearSVMCV, Softmax, SoftmaxCV, to_onnx

MODELS = [
    LinearSVM(),
    LinearSVM(loss="one_vs_rest", standardize=True),
    Softmax(),
    Softmax(standardize=True, fit_intercept=False),
    SoftmaxCV([0.01, 0.1], cv=2, calibrate=True),
    LinearSVMCV([0.01, 0.1], cv=2),
    LinearSVMCV([0.01, 0.1], cv=2, calibrate=True),
]
LABELS = {
    "texts": np.array(["crème", "fox", "石"]),
    "objects": np.array(["a", "b", "c"], object),
    "integers": np.array([-3, 0, 2**40]),
    "bytes": np.array([1, 2, 200], np.uint8),
    "floats": np.array([1.0, 2.0, 5.0]),
}


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(90, 12)).astype(np.float32)


def classes_of(X, n):
    return np.argmax(X[:, :n] + 0.5 * X[:, n : 2 * n], axis=1)


def run(graph, X):
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def assert_same(model, X):
    found = run(to_onnx(model), X)
    scores = found["scores"]
    assert scores.dtype == np.float32
    ours = model.decision_function(X)
    theirs = scores[:, 1] - scores[:, 0] if ours.ndim == 1 else scores
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
    assert ("probabilities" in found) == hasattr(model, "predict_proba")
    if "probabilities" in found:
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(found["label"], model.predict(X))


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_scores_probabilities_and_labels_are_the_same(model, n_classes, X):
    assert_same(model.fit(X, classes_of(X, n_classes)), X)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind_come_back(kind, X):
    assert_same(LinearSVM().fit(X, LABELS[kind][classes_of(X, 3)]), X)


def test_two_truth_values_come_back(X):
    assert_same(Softmax().fit(X, X[:, 0] > 0), X)


def test_columns_far_from_zero_keep_their_digits(X):
    far = (X * np.logspace(-3, 3, 12) + 1e4 * np.arange(12)).astype(np.float32)
    model = Softmax(standardize=True).fit(far, classes_of(X, 3))
    assert hasattr(model, "center_")
    assert_same(model, far)


def test_any_number_of_rows_is_taken(X):
    model = Softmax().fit(X, classes_of(X, 3))
    assert run(to_onnx(model), X[:1])["label"] == model.predict(X[:1])


def test_a_model_without_weights_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(Softmax())


def test_without_onnx_the_error_says_what_to_install(X, monkeypatch):
    model = Softmax().fit(X, classes_of(X, 3))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "visualwords\[onnx\]"'):
        to_onnx(model)
