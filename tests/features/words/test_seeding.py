"""The first words, and how good the learned words are beside those of scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs

from visualwords.features import VisualVocabulary
from visualwords.features.words.blocks import DescriptorBlocks
from visualwords.features.words.seeding import draw_rows, kmeans_plusplus
from visualwords.tests.features.words.samples import normal


def test_as_good_as_the_peer_on_digits():
    X = load_digits().data
    peer = min(KMeans(50, n_init=1, random_state=seed).fit(X).inertia_ for seed in range(3))
    for seed in range(3):
        assert VisualVocabulary(50, random_state=seed).fit(X).inertia_ < 1.03 * peer


def test_clusters_far_apart_are_found():
    X, truth = make_blobs(2000, 8, centers=25, cluster_std=0.01, random_state=1)
    labels = VisualVocabulary(25).fit_predict(X)
    assert len(set(zip(labels, truth, strict=True))) == 25


def test_a_partition_makes_no_words_of_outliers():
    X = normal(4000, 8)
    X[:12] *= 100
    alone = {
        init: np.count_nonzero(VisualVocabulary(40, init=init).fit(X).counts_ == 1)
        for init in ("k-means++", "partition")
    }
    assert alone["k-means++"] > 8
    assert alone["partition"] < alone["k-means++"] / 2


def test_a_partition_of_one_share_begins_at_the_mean():
    X = normal(64, 5)
    words = VisualVocabulary(1, init="partition", max_iter=0).fit(X).words_
    np.testing.assert_allclose(words[0], X.mean(axis=0), atol=1e-6)


def test_a_partition_ends_near_the_objective_of_the_peer():
    X = load_digits().data
    peer = KMeans(50, n_init=1, random_state=0).fit(X).inertia_
    assert VisualVocabulary(50, init="partition").fit(X).inertia_ < 1.05 * peer


def test_another_beginning_is_refused_by_name():
    with pytest.raises(ValueError, match="init must be"):
        VisualVocabulary(2, init="random").fit(normal(9, 2))


def test_kmeans_plusplus_keeps_the_trial_that_leaves_the_least_distance():
    # From 0, the rows 100, 101 and 102 are drawn with nearly equal chance. 101 is the best second
    # word; three trials miss it with a chance of 1/3 cubed or less.
    rows = np.array([[0], [0], [0], [0], [100], [101], [102]], np.float32)
    words = [
        sorted(kmeans_plusplus(rows, np.ones(7), 8, np.random.default_rng(seed))[:2, 0])
        for seed in range(40)
    ]
    assert words.count([0, 101]) > 20


def test_kmeans_plusplus_draws_by_weighted_squared_distance():
    rows = np.array([[0], [1], [3]], np.float32)
    weights = np.array([1.0, 18, 1])  # The best single word is 1.
    firsts = []
    for seed in range(300):
        first, second = kmeans_plusplus(rows, weights, 2, np.random.default_rng(seed))[:, 0]
        assert first != second
        firsts.append(first)
    counts = np.bincount(np.array(firsts, int), minlength=4)
    np.testing.assert_allclose(counts / 300, [0.05, 0.9, 0, 0.05], atol=0.05)


def test_drawn_rows_stand_for_all_rows():
    X = normal(20_000, 3)
    X[77] = 1e4
    data = DescriptorBlocks(X)
    rows, weights = draw_rows(data, 2000, np.random.default_rng(0))
    assert 77 in rows  # An outlier is never missed.
    np.testing.assert_array_equal(rows, np.unique(rows))
    far = np.linalg.norm(X - X.mean(axis=0), axis=1) ** 2
    q = 0.5 / len(X) + 0.5 * far / far.sum()
    times = weights * 2000 * q[rows]
    np.testing.assert_allclose(times, np.round(times), atol=1e-2)
    np.testing.assert_allclose(weights.sum(), len(X), rtol=0.1)
    rows, weights = draw_rows(data, 20_000, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, np.arange(20_000))
    np.testing.assert_array_equal(weights, 1)


def blobs(seed):
    X, _ = make_blobs(1000, 2, centers=20, cluster_std=0.1, random_state=seed)
    return X, 20


def heavy_tails(seed):
    return np.random.default_rng(seed).standard_cauchy((1500, 3)), 15


def one_dimension(seed):
    random = np.random.default_rng(seed)
    return np.exp(1.5 * random.normal(size=(1500, 1))), 15


@pytest.mark.parametrize("kind", [blobs, heavy_tails, one_dimension])
def test_words_are_as_good_as_those_of_the_peer(kind):
    ratios = []
    for seed in range(5):
        X, n_words = kind(seed)
        ours = VisualVocabulary(n_words, random_state=seed).fit(X).inertia_
        ratios.append(ours / KMeans(n_words, n_init=1, random_state=seed).fit(X).inertia_)
    assert np.median(ratios) < 1.02


def test_n_init_keeps_the_best_run():
    X, n_words = one_dimension(0)
    inertias = [VisualVocabulary(n_words, n_init=n_init).fit(X).inertia_ for n_init in (1, 2, 4, 8)]
    assert np.all(np.diff(inertias) <= 0)
    assert inertias[-1] < inertias[0]
