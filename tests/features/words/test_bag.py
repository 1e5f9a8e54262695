import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from visualwords.features import (
    HOG,
    BagOfVisualWords,
    DensePatches,
    DescribedImages,
    HueHistogram,
    KeypointPatches,
    PatchDescriptors,
    PixelPatches,
)
from visualwords.features.patches.kernels import describe_windows
from visualwords.features.words.codings import CODINGS, Coding

PATCHES = DensePatches(patch_size=12, stride=6)


def crops(photo, n, side=48):
    rng = np.random.default_rng(0)
    corners = rng.integers(0, min(photo.shape[:2]) - side, (n, 2))
    return [photo[r : r + side, c : c + side - 8 * (i % 2)] for i, (r, c) in enumerate(corners)]


@pytest.fixture(scope="module")
def images():
    return [crop for photo in (data.brick(), data.grass()) for crop in crops(photo, 12)]


@pytest.fixture(scope="module")
def labels():
    return np.repeat(["brick", "grass"], 12)


@pytest.fixture(scope="module")
def bag(images):
    return BagOfVisualWords(n_words=30, patches=PATCHES).fit(images)


def squared_distances(bag, values):
    words = bag.vocabulary_.words_.astype(float)
    return ((values.astype(float)[:, None] - words) ** 2).sum(axis=2)


def brute_force_counts(bag, values):
    nearest = squared_distances(bag, values).argmin(axis=1)
    return np.bincount(nearest, minlength=bag.n_words)


def test_counts_the_nearest_word_of_every_patch(bag, images):
    plain = BagOfVisualWords(n_words=30, patches=PATCHES, norm=None).fit(images)
    histograms = plain.transform(images)
    assert histograms.dtype == np.float32
    for image, histogram in zip(images, histograms, strict=True):
        values, _ = PATCHES.describe(image)
        assert_array_equal(histogram, brute_force_counts(plain, values))


@pytest.mark.parametrize(
    ("norm", "definition"),
    [
        ("l1", lambda counts: counts / counts.sum()),
        ("l2", lambda counts: counts / np.sqrt((counts**2).sum())),
        ("sqrt", lambda counts: np.sqrt(counts / counts.sum())),
    ],
)
def test_norms(images, norm, definition):
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, norm=norm).fit(images)
    counts = brute_force_counts(bag, PATCHES.describe(images[3])[0])
    assert_allclose(bag.transform(images)[3], definition(counts), rtol=1e-6)


@pytest.mark.parametrize("chosen", [slice(None), slice(11, 14)], ids=["many", "few"])
def test_tfidf_weighs_words_by_how_few_images_have_them(images, chosen):
    images = images[chosen]
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, norm="tfidf").fit(images)
    counts = np.array([brute_force_counts(bag, PATCHES.describe(image)[0]) for image in images])
    found = (counts > 0).sum(axis=0)
    assert found.min() < found.max()
    assert (found.min() == 1) == (len(images) == 3)
    idf = np.log(len(images) / np.maximum(found, 1))
    expected = counts / counts.sum(axis=1, keepdims=True) * idf
    assert_allclose(bag.transform(images), expected, rtol=1e-6)


def test_localized_votes(images):
    bag = BagOfVisualWords(
        n_words=30, patches=PATCHES, coding="localized", n_neighbors=4, beta=3.0, norm=None
    ).fit(images)
    expected = np.zeros((len(images), 30))
    for image, histogram in zip(images, expected, strict=True):
        for squared in squared_distances(bag, PATCHES.describe(image)[0]):
            nearest = np.argsort(squared, kind="stable")[:4]
            shares = np.exp(-3.0 * squared[nearest])
            histogram[nearest] += shares / shares.sum()
    assert_allclose(bag.transform(images), expected, rtol=1e-5, atol=1e-6)


def test_localized_with_one_neighbour_is_hard(images):
    localized = BagOfVisualWords(n_words=9, coding="localized", n_neighbors=1)
    hard = BagOfVisualWords(n_words=9)
    assert_array_equal(localized.fit(images).transform(images), hard.fit(images).transform(images))


def test_triangle_votes(images):
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, coding="triangle", norm=None)
    bag.fit(images)
    distances = np.sqrt(squared_distances(bag, PATCHES.describe(images[5])[0]))
    expected = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances).sum(axis=0)
    assert_allclose(bag.transform(images)[5], expected, rtol=1e-4)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_pyramid_is_the_histograms_of_the_regions(images, coding):
    parameters = {"n_words": 12, "patches": PATCHES, "coding": coding, "n_components": 9}
    parameters["norm"] = None
    bag = BagOfVisualWords(pyramid=(1, 2, 4), **parameters).fit(images)
    whole = BagOfVisualWords(**parameters).fit(images)
    pyramid = bag.transform(images).reshape(len(images), 21, -1)
    assert_allclose(pyramid[:, 0], whole.transform(images), rtol=1e-6)
    for cells in (pyramid[:, 1:5], pyramid[:, 5:]):
        assert_allclose(cells.sum(axis=1), pyramid[:, 0], rtol=1e-5, atol=1e-6)
    values, positions = PATCHES.describe(images[0])
    lower_right = (positions[:, 0] >= 24) & (positions[:, 1] >= images[0].shape[1] / 2)
    part = PatchDescriptors(
        values[lower_right], [0, lower_right.sum()], positions[lower_right], [(48, 48)]
    )
    assert_allclose(pyramid[0, 4], whole.transform(part)[0], rtol=1e-5, atol=1e-6)


def test_a_pyramid_may_have_any_grids(images):
    parameters = {"n_words": 12, "patches": PATCHES, "norm": None}
    bag = BagOfVisualWords(pyramid=(3, 1), **parameters).fit(images)
    regions = bag.transform(images[:1]).reshape(10, 12)
    values, positions = PATCHES.describe(images[0])
    middle = np.floor(positions[:, 0] / 16) == 1
    right = positions[:, 1] * 3 >= 2 * images[0].shape[1]
    assert_array_equal(regions[5], brute_force_counts(bag, values[middle & right]))
    assert_array_equal(regions[9], brute_force_counts(bag, values))
    assert bag.get_feature_names_out()[5 * 12] == "grid3_row1_column2_word0000"


@pytest.mark.parametrize(("n_components", "whitening"), [(20, None), (None, 0.01), (20, 0.01)])
def test_projected_descriptors_are_principal_components(images, n_components, whitening):
    bag = BagOfVisualWords(
        15, patches=PATCHES, norm=None, n_components=n_components, whitening=whitening
    ).fit(images)
    sample = bag.sample(images).astype(float)
    pca = PCA(n_components).fit(sample)
    projected = pca.transform(PATCHES.describe(images[2])[0].astype(float))
    if whitening is not None:
        projected /= np.sqrt(pca.explained_variance_ * (1 - 1 / len(sample)) + whitening)
    words = bag.vocabulary_.words_.astype(float)
    signs = np.sign((pca.components_.T * bag.components_).sum(axis=0))
    nearest = ((projected * signs)[:, None] - words) ** 2
    expected = np.bincount(nearest.sum(axis=2).argmin(axis=1), minlength=15)
    assert_array_equal(bag.transform(images)[2], expected)


KINDS = {
    "grid": DensePatches([12, 17], 5),
    "keypoints": KeypointPatches("corners", 20, patch_size=10),
    "pixels": PixelPatches(5, 1),
}


@pytest.mark.parametrize("patches", KINDS.values(), ids=KINDS)
def test_descriptors_of_mirror_images_are_those_of_the_image_in_another_order(images, patches):
    values, positions = patches.describe(images[0])
    if isinstance(patches, KeypointPatches):  # The detector finds others in the mirror image.
        turned = KeypointPatches(oriented=True, detector="orb")
        for kind, angle in ((patches, 0.0), (turned, 0.7)):
            places = np.array([(20.0, 17.0, 12.0, angle), (25.5, 24.0, 9.0, -angle)])
            some, others = np.empty((2, 2, 144), np.float32)
            gray = np.ascontiguousarray(images[0], np.float32) / 255
            describe_windows(gray, places, some)
            places[:, 1] = gray.shape[1] - places[:, 1]
            places[:, 3] = np.pi - angle if kind.oriented else 0.0
            places[1, 3] = np.pi + angle if kind.oriented else 0.0
            describe_windows(gray[:, ::-1].copy(), places, others)
            assert_allclose(others, some[:, kind.mirrored], atol=1e-5)
        return
    others, places = patches.describe(images[0][:, ::-1])
    places[:, 1] = images[0].shape[1] - places[:, 1]
    order, others_order = np.lexsort(positions.T), np.lexsort(places.T)
    assert_allclose(places[others_order], positions[order])
    assert_allclose(others[others_order], values[order][:, patches.mirrored], atol=1e-5)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", ["grid", "pixels"])
def test_with_mirror_an_image_and_its_mirror_image_have_the_same_numbers(images, coding, kind):
    bag = BagOfVisualWords(
        12, patches=KINDS[kind], coding=coding, pyramid=(1, 2), mirror=True, norm=None
    )
    bag.set_params(n_components=9).fit(images)
    rows = bag.transform(images)
    others = bag.transform([image[:, ::-1] for image in images])
    # Rounding may give a patch between two words to the other one.
    difference = np.abs(others - rows).sum(axis=1) / np.abs(rows).sum(axis=1)
    assert np.median(difference) < 1e-5
    assert difference.max() < 0.01


def test_with_mirror_the_words_of_image_and_mirror_image_are_counted(images):
    bag = BagOfVisualWords(12, patches=PATCHES, pyramid=(1, 2), mirror=True, norm=None).fit(images)
    axes = bag.components_
    assert_allclose(axes.T @ axes, np.eye(144), atol=1e-10)
    words = bag.vocabulary_.words_.astype(float) @ axes.T + bag.mean_
    words = np.concatenate([words, words[:, PATCHES.mirrored]])
    expected = np.zeros((5, 12))
    for image in (images[3], images[3][:, ::-1]):
        values, positions = PATCHES.describe(image)
        nearest = ((values[:, None] - words) ** 2).sum(axis=2).argmin(axis=1)
        cells = (positions[:, :2] >= np.array(image.shape[:2]) / 2) @ [2, 1]
        for word, cell in zip(nearest, cells, strict=True):
            if word < 12:
                expected[[0, 1 + cell], word] += 1
    assert_array_equal(bag.transform(images[3:4])[0].reshape(5, 12), expected)


def test_with_mirror_triangle_votes_are_relative_to_words_and_their_mirror_images(images):
    bag = BagOfVisualWords(
        12, patches=PATCHES, coding="triangle", mirror=True, whitening=0.01, norm=None
    ).fit(images)
    words = bag.vocabulary_.words_.astype(float)
    words = np.concatenate([words, words * bag.signs_])
    expected = np.zeros(12)
    for image in (images[5], images[5][:, ::-1]):
        values = (PATCHES.describe(image)[0] - bag.mean_) @ bag.components_
        distances = np.sqrt(((values[:, None] - words) ** 2).sum(axis=2))
        votes = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances)
        expected += votes[:, :12].sum(axis=0)
    assert_allclose(bag.transform(images)[5], expected, rtol=1e-4)


def test_keypoints_and_images_without_any(images):
    bag = BagOfVisualWords(n_words=10, patches=KeypointPatches("corners")).fit(images)
    histograms = bag.transform([np.full((40, 40), 0.5), images[0]])
    assert_array_equal(histograms[0], 0)
    assert histograms[1].any()


@pytest.mark.parametrize("norm", ["sqrt", "l1", "l2", "tfidf", None])
def test_an_image_without_descriptors_is_zero(images, norm):
    bag = BagOfVisualWords(n_words=30, patches=PATCHES, norm=norm).fit(images)
    histograms = bag.transform([np.zeros((5, 5), np.uint8), images[0]])
    assert_array_equal(histograms[0], 0)
    assert histograms[1].any()


@pytest.mark.parametrize("projection", [{}, {"n_components": 9, "mirror": True}])
@pytest.mark.parametrize("coding", CODINGS)
def test_any_batch_any_threads_same_bits(images, coding, projection):
    parameters = {"n_words": 30, "coding": coding, "pyramid": (1, 2), **projection}
    bag = BagOfVisualWords(patches=PATCHES, **parameters).fit(images)
    together = bag.transform(images)
    assert_array_equal(together, np.stack([bag.describe(image) for image in images]))
    assert_array_equal(together, np.concatenate([bag.transform([image]) for image in images]))
    assert_array_equal(together[::-1], bag.transform(images[::-1]))
    threaded = BagOfVisualWords(patches=PATCHES, n_jobs=3, **parameters).fit(images)
    assert_array_equal(threaded.vocabulary_.words_, bag.vocabulary_.words_)
    assert_array_equal(threaded.transform(images), together)


def test_descriptors_computed_before_give_the_same(bag, images):
    descriptors = PATCHES.transform(images)
    for given_before in (descriptors, DescribedImages(images, descriptors)):
        again = BagOfVisualWords(n_words=30).fit(given_before)
        assert_array_equal(again.vocabulary_.words_, bag.vocabulary_.words_)
        assert_array_equal(again.transform(given_before), bag.transform(images))


def test_the_sample_is_shared_out_among_the_images(images):
    descriptors = PATCHES.transform(images)
    bag = BagOfVisualWords(n_words=10, max_descriptors=50)
    sample = bag.sample(descriptors)
    owners = [
        np.flatnonzero([(image == row).all(axis=1).any() for image in descriptors])[0]
        for row in sample
    ]
    assert len(sample) == 50
    assert set(np.bincount(owners, minlength=len(images))) == {2, 3}
    assert len(np.unique(sample, axis=0)) == 50
    other = BagOfVisualWords(n_words=10, max_descriptors=50, random_state=1)
    assert not np.array_equal(other.sample(descriptors), sample)


def test_more_images_than_descriptors_in_the_sample(images):
    bag = BagOfVisualWords(n_words=5, patches=PATCHES, max_descriptors=10)
    assert bag.sample(images).shape == (10, 144)


def test_all_descriptors_are_taken_when_they_are_few(images):
    descriptors = PATCHES.transform(images)
    sample = BagOfVisualWords(n_words=10).sample(descriptors)
    assert_array_equal(np.sort(sample, axis=0), np.sort(descriptors.values, axis=0))


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
