import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.mixture import GaussianMixture

from visualwords.features import GaussianVocabulary, VisualVocabulary


def blobs(n=3000, d=6, n_blobs=5):
    rng = np.random.default_rng(0)
    centres, widths = rng.normal(0, 3, (n_blobs, d)), rng.uniform(0.3, 1.5, (n_blobs, d))
    blob = rng.integers(0, n_blobs, n)
    return (centres[blob] + widths[blob] * rng.normal(size=(n, d))).astype(np.float32)


@pytest.fixture(scope="module")
def rows():
    return blobs()


def peer_from(rows, n_words, **parameters):
    """Give scikit-learn's mixture, from the clusters that ours begins with."""
    clusters = VisualVocabulary(n_words).fit(rows)
    labels = clusters.labels_
    means = [rows[labels == k].mean(axis=0) for k in range(n_words)]
    precisions = [1 / rows[labels == k].astype(float).var(axis=0) for k in range(n_words)]
    return GaussianMixture(
        n_words,
        covariance_type="diag",
        reg_covar=0,
        weights_init=np.bincount(labels) / len(labels),
        means_init=means,
        precisions_init=precisions,
        **parameters,
    ).fit(rows.astype(float))


@pytest.mark.parametrize("offset", [1e2, 2.0**12])
def test_columns_far_from_zero_give_the_same_mixture(offset):
    rows = np.round(blobs(n=1000, d=3) * 256) / 256  # so that a sum with the offset is exact
    offset = np.float32([offset, 0, -offset])
    near, far = (GaussianVocabulary(5).fit(x) for x in (rows, rows + offset))
    assert_allclose(far.words_ - offset, near.words_, atol=2e-3)
    assert_allclose(far.variances_, near.variances_, rtol=5e-3)
    assert_allclose(far.weights_, near.weights_, atol=1e-3)
    assert far.history_[-1] == pytest.approx(near.history_[-1], abs=1e-4)


def test_the_mixture_is_that_of_scikit_learn(rows):
    ours = GaussianVocabulary(5, tol=1e-5).fit(rows)
    peer = peer_from(rows, 5, tol=1e-5, max_iter=200)
    assert_allclose(ours.history_[-1], peer.score(rows), atol=1e-4)
    assert_allclose(ours.words_, peer.means_, atol=5e-3)
    assert_allclose(ours.variances_, peer.covariances_, rtol=2e-2)
    assert_allclose(ours.weights_, peer.weights_, atol=1e-3)
    assert (ours.predict(rows) == peer.predict(rows)).mean() > 0.999


def test_the_likelihood_rises(rows):
    history = np.array(GaussianVocabulary(12, tol=0, max_iter=30).fit(rows).history_)
    assert (np.diff(history) > -1e-5).all()
    assert history[-1] > history[0] + 0.01


def test_any_threads_same_bits(rows):
    some, others = (GaussianVocabulary(6, n_jobs=n).fit(rows) for n in (1, 3))
    for name in ("words_", "variances_", "weights_"):
        assert_array_equal(getattr(some, name), getattr(others, name))


def test_variances_have_a_floor():
    rows = np.repeat(blobs(8, 3), 20, axis=0)
    vocabulary = GaussianVocabulary(8).fit(rows)
    floor = np.tile(rows.var(axis=0) / 1000, (8, 1))
    assert_allclose(vocabulary.variances_, floor, rtol=1e-3)


def test_no_iterations_are_the_clusters(rows):
    vocabulary = GaussianVocabulary(5, max_iter=0).fit(rows)
    clusters = VisualVocabulary(5).fit(rows)
    means = [rows[clusters.labels_ == k].mean(axis=0) for k in range(5)]
    assert_allclose(vocabulary.words_, means, atol=1e-4)
    assert_allclose(vocabulary.weights_, clusters.counts_ / len(rows), rtol=1e-6)
    assert len(vocabulary.history_) == 1


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_words": 0}, "n_words must be a whole number of at least 1, got 0"),
        ({"n_words": 4000}, "too few for n_words=4000"),
        ({"tol": -1}, "tol must be a finite number of at least 0, got -1"),
        ({"max_iter": 1.5}, "max_iter must be a whole number of at least 0, got 1.5"),
    ],
)
def test_wrong_parameters_are_named(rows, parameters, words):
    with pytest.raises(ValueError, match=words):
        GaussianVocabulary(**parameters).fit(rows)
