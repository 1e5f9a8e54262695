"""Arguments that other libraries have by another name are refused with a hint."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from visualwords import classifiers, features

IMAGE = np.zeros((32, 32, 3), np.uint8)
HINTED = [
    (classifiers.LinearSVM, "C", "alpha = 1 / (n * C)"),
    (classifiers.LinearSVM, "multi_class", "crammer_singer"),
    (classifiers.Softmax, "max_iter", "solver=PrimalDual(max_iter="),
    (classifiers.Softmax, "penalty", "alpha"),
    (classifiers.Softmax, "alphas", "SoftmaxCV"),
    (classifiers.Softmax, "learning_rate", "solver=SGD(learning_rate="),
    (classifiers.SoftmaxCV, "Cs", "alphas"),
    (classifiers.SoftmaxCV, "solver", "a search chooses its solver"),
    (classifiers.SoftmaxCV, "eta0", "a search chooses its solver"),
    (classifiers.LinearSVMCV, "alpha", "alphas"),
    (features.HOG, "channel_axis", "RGB"),
    (features.HOG, "winSize", "image_size=(rows, columns)"),
    (features.HueHistogram, "bins", "n_bins"),
    (features.BagOfVisualWords, "n_clusters", "n_words"),
    (features.VisualVocabulary, "n_clusters", "n_words"),
]
ESTIMATORS = list(dict.fromkeys(kind for kind, _, _ in HINTED))
FUNCTIONS = [features.hog, features.hog_cells, features.hog_image, features.hue_histogram]


@pytest.mark.parametrize(("kind", "name", "hint"), HINTED)
def test_an_estimator_refuses_an_argument_of_others_with_a_hint(kind, name, hint):
    with pytest.raises(TypeError) as refused:
        kind(**{name: 1})
    assert str(refused.value).startswith(f"{kind.__name__} has no argument {name!r}: ")
    assert hint in str(refused.value)


@pytest.mark.parametrize(("kind", "name", "hint"), HINTED)
def test_set_params_refuses_a_parameter_of_others_with_a_hint(kind, name, hint):
    with pytest.raises(ValueError, match=f"{kind.__name__} has no parameter {name!r}: ") as refused:
        kind().set_params(**{name: 1})
    assert hint in str(refused.value)
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        kind().set_params(colour=1)


def test_a_parameter_of_a_solver_needs_a_solver():
    model = classifiers.Softmax()
    with pytest.raises(ValueError, match=r"cannot set 'solver__tol': solver is None, .* has 'tol'"):
        model.set_params(solver__tol=1e-3)
    with pytest.raises(ValueError, match="cannot set 'loss__width': loss is 'cross_entropy'"):
        model.set_params(loss__width=0.1)
    model.set_params(solver__tol=1e-3, solver=classifiers.Newton())
    assert model.set_params(solver__max_iter=7).solver.get_params() == {"tol": 1e-3, "max_iter": 7}


def test_a_subclass_may_have_a_parameter_of_that_name():
    class WithC(classifiers.LinearSVM):
        def __init__(self, C=1.0):
            super().__init__(1 / C)
            self.C = C

    assert WithC().set_params(C=3.0).C == 3.0


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_refuses_an_argument_of_others_with_a_hint(function):
    with pytest.raises(
        TypeError, match=rf"{function.__name__} has no argument 'channel_axis': .*R"
    ):
        function(IMAGE, channel_axis=-1)
    with pytest.raises(TypeError, match=rf"{function.__name__} has no argument 'n_bin'$"):
        function(IMAGE, n_bin=3)
    with pytest.raises(TypeError, match="hog_image draws"):
        function(IMAGE, visualize=True)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_keeps_its_signature(kind):
    parameters = inspect.signature(kind).parameters
    assert list(kind().get_params(deep=False)) == sorted(parameters)
    name, value = next((n, p.default) for n, p in parameters.items() if n.startswith(("n_", "al")))
    model = kind(**{name: value})
    assert clone(model).get_params(deep=False) == model.get_params(deep=False)
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()
    with pytest.raises(TypeError, match=f"{kind.__name__} has no argument 'colour'$"):
        kind(colour=1)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_hint_for_C_names_the_same_model(n_classes):
    from sklearn.linear_model import LogisticRegression

    X = np.random.default_rng(0).normal(size=(60, 4))
    y = np.argmax(X[:, :n_classes] + 0.3 * X[:, 1:2], axis=1)
    C = 0.7
    alpha = (2 if n_classes == 2 else 1) / (len(X) * C)
    ours = classifiers.Softmax(alpha, solver=classifiers.Newton(tol=1e-10)).fit(X, y)
    theirs = LogisticRegression(C=C, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
