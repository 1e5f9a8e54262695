"""The words that a vocabulary learns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from visualwords.features import DensePatches, VisualVocabulary
from visualwords.features.words.blocks import DescriptorBlocks
from visualwords.features.words.kmeans import fill_empty
from visualwords.tests.features.words.samples import normal


@parametrize_with_checks([VisualVocabulary(3)])
def test_sklearn(estimator, check):
    check(estimator)


def test_number_of_sklearn_checks():
    assert len(list(estimator_checks_generator(VisualVocabulary(3)))) > 50


def assert_same(a, b):
    """The two vocabularies are the same to the bit."""
    np.testing.assert_array_equal(a.words_, b.words_)
    np.testing.assert_array_equal(a.labels_, b.labels_)
    np.testing.assert_array_equal(a.counts_, b.counts_)
    assert a.inertia_history_ == b.inertia_history_
    assert a.inertia_ == b.inertia_ == a.inertia_history_[-1]
    assert a.n_iter_ == b.n_iter_ == len(a.inertia_history_) - 1


def brute_force_lloyd(X, words, n_iter):
    """Lloyd's algorithm in float64 for data that leaves no word empty."""
    history = []
    for _ in range(n_iter + 1):
        squared = cdist(X.astype(np.float64), words.astype(np.float64), "sqeuclidean")
        labels = squared.argmin(axis=1)
        history.append(squared.min(axis=1).sum())
        last = words
        words = np.array(
            [X[labels == word].mean(axis=0, dtype=np.float64) for word in range(len(words))]
        ).astype(np.float32)
    return last, labels, history


@pytest.mark.parametrize("seed", range(4))
def test_words_are_those_of_brute_force(seed):
    X = normal(2000, 10, seed)
    start = VisualVocabulary(30, max_iter=0, random_state=seed).fit(X)
    assert start.n_iter_ == 0
    fitted = VisualVocabulary(30, max_iter=50, tol=0, random_state=seed).fit(X)
    assert fitted.n_iter_ > 0
    words, labels, history = brute_force_lloyd(X, start.words_, fitted.n_iter_)
    np.testing.assert_array_equal(fitted.labels_, labels)
    np.testing.assert_allclose(fitted.words_, words, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(fitted.inertia_history_, history, rtol=1e-12)
    np.testing.assert_array_equal(fitted.counts_, np.bincount(labels))


def test_converged_words_are_the_means_of_their_descriptors():
    X = normal()
    vocabulary = VisualVocabulary(12, tol=0).fit(X)
    assert vocabulary.n_iter_ < vocabulary.max_iter
    for word in range(12):
        mean = X[vocabulary.labels_ == word].mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(vocabulary.words_[word], mean, rtol=1e-5, atol=1e-6)
    assert np.all(np.diff(vocabulary.inertia_history_[:-1]) < 0)
    np.testing.assert_array_equal(vocabulary.predict(X), vocabulary.labels_)


def test_tol_and_max_iter_stop():
    X = normal(3000)
    exact = VisualVocabulary(40, tol=0).fit(X)
    rough = VisualVocabulary(40, tol=1e-3).fit(X)
    assert 0 < rough.n_iter_ < exact.n_iter_
    history = np.array(rough.inertia_history_)
    falls = -np.diff(history) / history[:-1]
    assert np.all(falls[:-1] > 1e-3)
    assert falls[-1] <= 1e-3
    assert VisualVocabulary(40, tol=0, max_iter=2).fit(X).n_iter_ == 2


class Twice:
    """Blocks that are not a sequence but can be iterated again."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_same_words_for_any_blocks_and_threads(tmp_path, n_jobs):
    X = normal(3000, 12)
    expected = VisualVocabulary(10, n_jobs=1).fit(X)
    np.save(tmp_path / "X.npy", X)
    ways = {
        "array": X,
        "float64": X.astype(np.float64),
        "column by column": np.asfortranarray(X),
        "memory map": np.load(tmp_path / "X.npy", mmap_mode="r"),
        "blocks": [X[:17], X[17:17], X[17:2000].astype(np.float64), X[2000:]],
        "many blocks": Twice(np.array_split(X, 300)),
        "blocks of lists": [X[:100].tolist(), X[100:].tolist()],
    }
    for descriptors in ways.values():
        vocabulary = VisualVocabulary(10, n_jobs=n_jobs).fit(descriptors)
        assert_same(vocabulary, expected)
        np.testing.assert_array_equal(vocabulary.predict(descriptors), expected.labels_)


def test_descriptors_of_images_are_blocks():
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32), np.uint8)
    described = DensePatches(16, 4).transform(images)
    assert_same(VisualVocabulary(10).fit(described), VisualVocabulary(10).fit(described.values))


def test_same_words_for_small_blocks_in_memory(monkeypatch):
    X = normal(3000, 12)
    expected = VisualVocabulary(10).fit(X)
    monkeypatch.setattr("visualwords.features.words.blocks.ROWS", 100)
    assert_same(VisualVocabulary(10).fit(X), expected)


def test_the_seed_decides():
    X = normal()
    assert_same(
        VisualVocabulary(9, random_state=5).fit(X), VisualVocabulary(9, random_state=5).fit(X)
    )
    other = VisualVocabulary(9, random_state=6).fit(X)
    assert not np.array_equal(other.words_, VisualVocabulary(9, random_state=5).fit(X).words_)


@pytest.mark.filterwarnings("ignore:.* words have none")
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 4), st.integers(1, 60))
def test_what_always_holds(seed, n_words, d, n_more):
    random = np.random.default_rng(seed)
    X = random.integers(-3, 4, (n_words + n_more, d)).astype(np.float32)
    vocabulary = VisualVocabulary(n_words, tol=0).fit(X)
    squared = cdist(X, vocabulary.words_, "sqeuclidean")
    np.testing.assert_allclose(vocabulary.inertia_, squared.min(axis=1).sum(), atol=1e-9)
    np.testing.assert_array_equal(vocabulary.predict(X), vocabulary.labels_)
    np.testing.assert_array_equal(
        vocabulary.counts_, np.bincount(vocabulary.labels_, minlength=n_words)
    )
    order = random.permutation(len(X))
    np.testing.assert_array_equal(vocabulary.predict(X[order]), vocabulary.labels_[order])
    if len(np.unique(X, axis=0)) <= n_words and vocabulary.n_iter_ < vocabulary.max_iter:
        assert vocabulary.inertia_ < 1e-9


@pytest.mark.filterwarnings("ignore:.* words have none")
def test_constant_data_and_duplicates():
    vocabulary = VisualVocabulary(5).fit(np.full((40, 3), 7, np.float32))
    np.testing.assert_array_equal(vocabulary.words_, np.full((5, 3), 7))
    assert vocabulary.inertia_ == 0
    assert set(vocabulary.labels_) == {0}
    X = np.repeat(normal(4, 3), 10, axis=0)
    assert VisualVocabulary(6).fit(X).inertia_ < 1e-12


def test_as_many_words_as_descriptors():
    X = normal(50, 5)
    vocabulary = VisualVocabulary(50).fit(X)
    assert vocabulary.inertia_ == 0
    np.testing.assert_array_equal(vocabulary.words_[vocabulary.labels_], X)


def test_empty_words_take_the_farthest_descriptors():
    X = np.array([[0], [9], [1], [9], [5]], np.float32)
    # Words 0, 1 and 2 stand at 0; word 0 has all descriptors.
    labels, distances = np.zeros(5, np.int32), np.array([0, 81, 1, 81, 25.0])
    sums, counts = np.array([[24.0], [0], [0]]), np.array([5, 0, 0])
    fill_empty(DescriptorBlocks(X), sums, counts, labels, distances)
    np.testing.assert_array_equal(sums, [[6], [9], [9]])
    np.testing.assert_array_equal(counts, [3, 1, 1])


def test_empty_words_stay_where_no_descriptor_is_off_its_word():
    sums, counts = np.array([[4.0], [0]]), np.array([2, 0])
    data = DescriptorBlocks(np.full((2, 1), 2, np.float32))
    fill_empty(data, sums, counts, np.zeros(2, np.int32), np.zeros(2))
    np.testing.assert_array_equal(counts, [2, 0])


def test_random_state_takes_a_random_state_or_none():
    X = normal()
    first = VisualVocabulary(9, random_state=np.random.RandomState(5)).fit(X)
    assert_same(first, VisualVocabulary(9, random_state=np.random.RandomState(5)).fit(X))
    other = VisualVocabulary(9, random_state=None).fit(X)
    assert not np.array_equal(other.words_, VisualVocabulary(9, random_state=None).fit(X).words_)


def test_partial_fit_keeps_running_means():
    X = normal(900, 6)
    batches = np.array_split(X, 3)
    vocabulary = VisualVocabulary(15).partial_fit(batches[0])
    words = VisualVocabulary(15, max_iter=0).fit(batches[0]).words_.astype(np.float64)
    counts = np.zeros(15)
    for number, batch in enumerate(batches):
        if number:
            vocabulary.partial_fit(batch)
        squared = cdist(batch, words.astype(np.float32), "sqeuclidean")
        labels = squared.argmin(axis=1)
        for word in np.unique(labels):
            new = batch[labels == word].astype(np.float64)
            words[word] = (words[word] * counts[word] + new.sum(axis=0)) / (counts[word] + len(new))
            counts[word] += len(new)
        np.testing.assert_array_equal(vocabulary.labels_, labels)
        np.testing.assert_allclose(vocabulary.inertia_, squared.min(axis=1).sum(), rtol=1e-6)
        np.testing.assert_allclose(vocabulary.words_, words, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(vocabulary.counts_, counts)
        assert vocabulary.n_iter_ == number + 1


def test_partial_fit_refuses_another_number_of_words():
    X = np.random.default_rng(0).normal(size=(50, 4))
    vocabulary = VisualVocabulary(n_words=5).partial_fit(X)
    with pytest.raises(ValueError, match="n_words is 7, but 5 words were chosen before"):
        vocabulary.set_params(n_words=7).partial_fit(X)


def test_partial_fit_goes_on_from_fit():
    X = normal()
    vocabulary = VisualVocabulary(8, tol=0).fit(X)
    counts = vocabulary.counts_
    vocabulary.partial_fit(X[:100])
    assert vocabulary.counts_.sum() == 700
    assert np.all(vocabulary.counts_ >= counts)


def test_transform_and_nearest_agree():
    X = normal()
    vocabulary = VisualVocabulary(20, n_jobs=2).fit(X)
    distances = vocabulary.transform(X)
    np.testing.assert_allclose(distances, cdist(X, vocabulary.words_), rtol=1e-6)
    ids, squared = vocabulary.nearest(X, 3)
    assert (ids.dtype, squared.dtype, distances.dtype) == (np.int32, np.float64, np.float32)
    np.testing.assert_array_equal(ids[:, 0], vocabulary.predict(X))
    np.testing.assert_allclose(
        np.sqrt(squared), np.take_along_axis(distances, ids, axis=1), rtol=1e-6
    )
    assert vocabulary.predict(X[:0]).shape == (0,)
