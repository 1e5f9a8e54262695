"""What a vocabulary takes and refuses, and what it prints."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from visualwords.features import VisualVocabulary
from visualwords.tests.features.words.samples import normal


def test_fewer_distinct_descriptors_than_words_warn():
    X = np.repeat(normal(3, 2), 10, axis=0)
    with pytest.warns(ConvergenceWarning, match="5 of n_words=8 words have none of the 30"):
        vocabulary = VisualVocabulary(8).fit(X)
    assert np.count_nonzero(vocabulary.counts_) == 3
    with pytest.warns(ConvergenceWarning, match="5 of n_words=8"):
        VisualVocabulary(8).partial_fit(X)


def test_float64_descriptors_far_from_zero_are_refused():
    X = np.random.default_rng(0).normal(size=(50, 3))
    for descriptors in (X + 1e8, [X[:20] + 1e8, X[20:] + 1e8]):
        with pytest.raises(ValueError, match=r"float32 loses .* subtract their mean in float64"):
            VisualVocabulary(4).fit(descriptors)
    near, far = VisualVocabulary(4).fit(X), VisualVocabulary(4).fit(X + 1e3)
    np.testing.assert_allclose(far.inertia_, near.inertia_, rtol=1e-3)
    assert VisualVocabulary(1).fit(np.full((5, 2), 0.1)).inertia_ == 0


def test_progress_is_printed(capsys):
    VisualVocabulary(5, verbose=True, max_iter=2, tol=0).fit(normal())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "after 2 iterations" in lines[-1]


def test_progress_of_batches_is_printed(capsys):
    vocabulary = VisualVocabulary(5, verbose=True)
    for batch in (normal(), normal(seed=1), normal(0)):
        vocabulary.partial_fit(batch)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("after")[1] for line in lines] == [f" {n} iterations" for n in range(3)]
    assert "distance 0 " in lines[-1]


def test_input_is_not_changed():
    X = normal()
    VisualVocabulary(5).fit(X).predict(X)
    assert X.flags.writeable
    X.setflags(write=False)
    VisualVocabulary(5).fit(X).predict(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (normal(0), "n_samples=0 .* n_words=5"),
        (normal(4), "n_samples=4 .* n_words=5"),
        ([normal(2), normal(2)], "n_samples=4 .* n_words=5"),
        ([normal(9), normal(9, 3)], "block 1 .* 3 columns"),
        ([normal(9), normal(9)[0]], r"block 1 .* shape \(10,\)"),
        ([normal(9)[:, :0]], "no columns"),
        ([normal(9), normal(9) + 1j], "block 1 .* complex64, expected real numbers"),
        ([normal(9).astype(str)], "block 0 .* <U32, expected real numbers"),
        (np.where(np.eye(10) == 1, np.nan, 0), "NaN"),
        (np.where(np.eye(10) == 1, np.inf, 0), "NaN or infinity"),
        (np.where(np.eye(10) == 1, 1e300, 0), "infinity in float32"),
        (normal()[0], "1D array"),
    ],
)
def test_errors_of_fit(X, message):
    with pytest.raises(ValueError, match=message):
        VisualVocabulary(5).fit(X)


@pytest.mark.parametrize(
    "parameter",
    [
        {"n_words": 0},
        {"n_words": 2.5},
        {"n_init": 0},
        {"max_iter": -1},
        {"tol": -0.1},
        {"tol": np.nan},
        {"tol": np.inf},
        {"tol": "0"},
        {"random_state": -1},
        {"random_state": "a"},
        {"verbose": "yes"},
    ],
)
def test_errors_of_parameters(parameter):
    with pytest.raises(ValueError, match=f"{next(iter(parameter))} must be"):
        VisualVocabulary(**parameter).fit(normal())


def test_errors_after_fit():
    vocabulary = VisualVocabulary(5).fit(normal())
    with pytest.raises(ValueError, match="3 columns"):
        vocabulary.predict([normal(9, 3)])
    with pytest.raises(ValueError, match="3 features"):
        vocabulary.predict(normal(9, 3))
    for k in (6, 0, 2.5, "3", None, True):
        with pytest.raises(ValueError, match="k must be a whole number from 1 to 5, got"):
            vocabulary.nearest(normal(), k)
    assert_array_equal(vocabulary.nearest(normal(), 2.0)[0], vocabulary.nearest(normal(), 2)[0])
    with pytest.raises(ValueError, match="infinity"):
        vocabulary.predict(np.full((1, 10), np.inf))
    with pytest.raises(TypeError, match="iterator"):
        vocabulary.predict(iter([normal()]))
    with pytest.raises(ValueError, match="n_samples=3"):
        VisualVocabulary(5).partial_fit(normal(3))
