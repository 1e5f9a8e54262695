"""Bags of words as transformers of scikit-learn: parameters, names, errors."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from visualwords.features import (
    HOG,
    BagOfVisualWords,
    DescribedImages,
    HueHistogram,
    PatchDescriptors,
    PixelPatches,
)
from visualwords.features.words.codings import CODINGS, Coding
from visualwords.tests.features.words.samples import PATCHES


def test_cross_validation_learns_the_words_within_each_fold(images, labels):
    descriptors = PATCHES.transform(images)
    model = make_pipeline(BagOfVisualWords(n_words=15), StandardScaler(), LogisticRegression())
    scores = cross_val_score(model, descriptors, labels, cv=3)
    assert_array_equal(
        scores,
        cross_val_score(model.set_params(bagofvisualwords__patches=PATCHES), images, labels, cv=3),
    )
    assert scores.mean() > 0.9
    search = GridSearchCV(model, {"bagofvisualwords__n_words": [5, 15]}, cv=2)
    assert search.fit(descriptors, labels).best_score_ > 0.9


def test_a_union_of_features_takes_the_descriptors_computed_before(images, labels):
    def model(**parameters):
        hog = HOG(pixels_per_cell=(16, 16), image_size=(48, 48))
        union = make_union(HueHistogram(), hog, BagOfVisualWords(15, **parameters))
        return make_pipeline(union, StandardScaler(), LogisticRegression())

    described = DescribedImages(images, PATCHES.transform(images))
    scores = cross_val_score(model(), described, labels, cv=3)
    assert_array_equal(scores, cross_val_score(model(patches=PATCHES), images, labels, cv=3))
    assert scores.mean() > 0.9


def test_what_is_only_known_of_the_sample_is_not_kept(bag):
    assert not hasattr(bag.vocabulary_, "labels_")
    assert len(pickle.dumps(bag)) < bag.vocabulary_.words_.nbytes + 5000


def test_pandas_columns_clone_pickle(bag, images):
    again = pickle.loads(pickle.dumps(bag))
    assert_array_equal(again.transform(images), bag.transform(images))
    fresh = clone(bag)
    assert not hasattr(fresh, "vocabulary_")
    assert fresh.patches.get_params() == PATCHES.get_params()
    frame = again.set_output(transform="pandas").transform(images)
    assert list(frame.columns) == list(bag.get_feature_names_out())


def test_feature_names(bag, images):
    names = bag.get_feature_names_out()
    assert_array_equal(names[[0, 29]], ["word0000", "word0029"])
    assert len(names) == 30
    pyramid = BagOfVisualWords(4, patches=PATCHES, pyramid=(1, 2)).fit(images)
    names = pyramid.get_feature_names_out()
    assert len(set(names)) == 20 == pyramid.n_features_out_
    assert_array_equal(
        names[[0, 9]], ["grid1_row0_column0_word0000", "grid2_row0_column1_word0001"]
    )


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"norm": "max"}, "norm must be one of"),
        ({"coding": "soft"}, "coding must be one of"),
        ({"beta": 0.0}, "beta must be a finite number above 0, got 0.0"),
        ({"beta": np.nan}, "beta must be a finite number above 0, got nan"),
        ({"beta": "1"}, "beta must be a finite number above 0, got '1'"),
        ({"n_neighbors": 0}, "n_neighbors must be a whole number of at least 1, got 0"),
        ({"n_neighbors": 2.5}, "n_neighbors must be a whole number of at least 1, got 2.5"),
        ({"pyramid": 2}, r"pyramid must be 1 to 8 whole numbers, such as \(1, 2, 4\), got 2"),
        ({"pyramid": ()}, r"pyramid must be 1 to 8 whole numbers, such as \(1, 2, 4\), got \(\)"),
        ({"pyramid": (1, 400)}, r"pyramid\[1\] must be a whole number from 1 to 128, got 400"),
        ({"pyramid": [True]}, r"pyramid\[0\] must be a whole number from 1 to 128, got True"),
        ({"whitening": 0}, "whitening must be a finite number above 0, got 0"),
        ({"mirror": 1}, "mirror must be True or False, got 1"),
        ({"n_components": 0}, "n_components must be a whole number of at least 1, got 0"),
        ({"n_components": 145}, "n_components must be at most 144, .* got 145"),
        ({"n_words": 0}, "n_words must be a whole number of at least 1, got 0"),
        ({"n_words": None}, "n_words must be a whole number of at least 1, got None"),
        ({"max_descriptors": 10**30}, "max_descriptors must be a whole number from 1000 to 2147"),
        ({"random_state": -1}, "random_state must be a whole number of at least 0"),
        ({"n_words": 50, "max_descriptors": 49}, "max_descriptors must be .* from 50 to .* got 49"),
    ],
)
def test_wrong_parameters_are_named(images, parameters, words):
    with pytest.raises(ValueError, match=words):
        BagOfVisualWords(**parameters).fit(images)


def test_random_state_takes_none_and_a_random_state(images):
    def words(random_state):
        bag = BagOfVisualWords(9, patches=PATCHES, random_state=random_state).fit(images)
        return bag.vocabulary_.words_

    assert not np.array_equal(words(None), words(None))
    assert_array_equal(words(np.random.RandomState(3)), words(np.random.RandomState(3)))


class Residuals(Coding):
    """The sum of the differences of descriptors and the first word: signed, 144 numbers."""

    def __init__(self, vocabulary, options):
        self.word = vocabulary.words_[0].astype(np.float64)

    @classmethod
    def width(cls, n_words, n_columns):
        return n_columns

    @classmethod
    def names(cls, n_words, n_columns):
        return [f"residual{i}" for i in range(n_columns)]

    def encode(self, patches):
        sums = np.zeros((patches.n_images, patches.n_regions, len(self.word)))
        for level in patches.regions[0].T:
            np.add.at(sums, (patches.images, level), patches.values - self.word)
        return sums


def test_another_coding_is_one_class(images, monkeypatch):
    monkeypatch.setitem(CODINGS, "residuals", Residuals)
    bag = BagOfVisualWords(3, patches=PATCHES, coding="residuals", pyramid=(1, 2))
    rows = bag.fit_transform(images[:4])
    assert rows.shape == (4, 5 * 144)
    assert bag.get_feature_names_out()[-1] == "grid2_row1_column1_residual143"
    sums = (PATCHES.describe(images[0])[0] - bag.vocabulary_.words_[0].astype(float)).sum(axis=0)
    total = np.abs(bag.set_params(norm=None).transform(images[:1])[0].astype(float)).sum()
    assert_allclose(
        rows[0, :144], np.sign(sums) * np.sqrt(np.abs(sums) / total), rtol=1e-4, atol=1e-6
    )


def test_whole_numbers_of_any_kind_are_the_same_parameters(images):
    """Though a product of small ones overflows."""
    small = {"n_words": np.uint8(20), "pyramid": np.array([1, 2, 4, 8], np.uint8)}
    expected = BagOfVisualWords(20, pyramid=(1, 2, 4, 8), patches=PATCHES).fit_transform(images)
    bag = BagOfVisualWords(**small, patches=PATCHES).fit(images)
    assert_array_equal(bag.transform(images), expected)
    assert len(bag.get_feature_names_out()) == expected.shape[1] == 20 * (1 + 4 + 16 + 64)


@pytest.mark.parametrize("coding", ["hard", "fisher"])
def test_whole_floats_are_whole_numbers(images, coding):
    """As JSON, NumPy and searches of parameters write them."""
    whole = {
        "n_words": 4.0,
        "n_components": 6.0,
        "max_descriptors": 1e3,
        "pyramid": [1.0, 2.0],
        "n_neighbors": np.float32(2),
    }
    floats, integers = (
        BagOfVisualWords(
            **{name: kind(value) for name, value in whole.items() if name != "pyramid"},
            pyramid=[kind(side) for side in whole["pyramid"]],
            patches=PixelPatches(kind(6), kind(3)),
            coding=coding,
            mirror=True,
        ).fit(images[:6])
        for kind in (float, int)
    )
    assert_array_equal(floats.transform(images), integers.transform(images))
    assert_array_equal(floats.get_feature_names_out(), integers.get_feature_names_out())


def test_patches_of_another_kind_are_refused(images):
    with pytest.raises(TypeError, match=r"patches must be such as DensePatches\(\) or None, got"):
        BagOfVisualWords(n_words=2, patches="sift").fit(images)


def test_descriptors_of_another_length_are_refused(bag):
    other = PatchDescriptors(np.zeros((2, 128)), [0, 2], np.zeros((2, 4)), [(9, 9)])
    with pytest.raises(ValueError, match="descriptors of 144 numbers, got 128"):
        bag.transform(other)


def test_too_few_images_or_descriptors(images):
    with pytest.raises(ValueError, match="at least one image"):
        BagOfVisualWords(n_words=2).fit([])
    with pytest.raises(ValueError, match="n_words"):
        BagOfVisualWords(n_words=1000, patches=PATCHES).fit(images[:1])
    with pytest.raises(ValueError, match="n_words"):
        BagOfVisualWords(n_words=2, patches=PATCHES).fit([np.zeros((4, 4))])


def test_nothing_in_nothing_out(bag):
    assert bag.transform([]).shape == (0, 30)
    empty = PatchDescriptors(np.zeros((0, 144)), [0], np.zeros((0, 4)), np.zeros((0, 2)))
    assert bag.transform(empty).shape == (0, 30)
