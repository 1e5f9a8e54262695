import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from visualwords.features import VisualVocabulary


@parametrize_with_checks([VisualVocabulary(n_words=3)])
def test_sklearn(estimator, check):
    check(estimator)


def lloyd(X, words, n_iter):
    """Brute force, for data that leaves no word empty."""
    X = X.astype(np.float64)
    history = []
    for _ in range(n_iter + 1):
        squared = ((X[:, None] - words.astype(np.float64)) ** 2).sum(axis=2)
        labels = squared.argmin(axis=1)
        history.append(squared.min(axis=1).sum())
        last = words
        words = np.array([X[labels == w].mean(axis=0) for w in range(len(words))], np.float32)
    return last, labels, history


@pytest.mark.parametrize("seed", range(3))
def test_words_are_those_of_brute_force(seed):
    X = np.random.default_rng(seed).normal(size=(600, 10)).astype(np.float32)
    start = VisualVocabulary(20, max_iter=0, random_state=seed).fit(X)
    fitted = VisualVocabulary(20, max_iter=7, tol=0, random_state=seed).fit(X)
    words, labels, history = lloyd(X, start.words_, fitted.n_iter_)
    np.testing.assert_array_equal(fitted.labels_, labels)
    np.testing.assert_allclose(fitted.words_, words, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(fitted.inertia_history_, history, rtol=1e-12)
