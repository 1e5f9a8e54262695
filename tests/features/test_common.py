"""What every feature promises; a new feature is one line in FEATURES."""

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from skimage import data
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from visualwords.classifiers import LinearSVM
from visualwords.features import (
    HOG,
    BagOfVisualWords,
    DensePatches,
    DescribedImages,
    HueHistogram,
    ImageFeature,
    KeypointPatches,
    PerceptualHash,
    PixelPatches,
    hog,
    hog_cells,
    hog_image,
    hue_histogram,
    perceptual_hash,
)

PATCHES = DensePatches(patch_size=16, stride=8)

# A factory for each feature, and a parameter with another value than the factory's.
FEATURES = {
    "hue": (HueHistogram, {"n_bins": 4}),
    "hue grid": (
        partial(HueHistogram, 6, 3, 2, weight="saturation", soft=True, achromatic="bin"),
        {"norm": "l2"},
    ),
    "hog": (partial(HOG, image_size=(32, 32)), {"orientations": 6}),
    "mirrored hog": (partial(HOG, mirror=True, image_size=(32, 32)), {"mirror": False}),
    "hash": (PerceptualHash, {"size": 8}),
    "words": (partial(BagOfVisualWords, 12, patches=PATCHES), {"n_words": 7}),
}
LEARNING = [name for name, (make, _) in FEATURES.items() if get_tags(make()).requires_fit]
STATELESS = [name for name in FEATURES if name not in LEARNING]


def photographs(n, rows=32, columns=32):
    """Crops of a photograph, as one array."""
    rng = np.random.default_rng(0)
    whole = data.astronaut()
    starts = rng.integers(0, 512 - max(rows, columns), (n, 2))
    return np.stack([whole[y : y + rows, x : x + columns] for y, x in starts])


IMAGES = photographs(70)
MIXED = [
    *photographs(5),
    *photographs(3, 33, 47),
    data.camera()[:40, :50],
    (photographs(2) / 255)[1],
    (photographs(2) / 255).astype(np.float32)[0],
    *photographs(4),
]


@pytest.fixture(scope="module", params=FEATURES)
def feature(request):
    """Give each feature, fitted."""
    make, _ = FEATURES[request.param]
    return make().fit(IMAGES[:40])


@pytest.fixture(params=FEATURES)
def unfitted(request):
    make, other = FEATURES[request.param]
    return make(), other


def test_parameters_are_kept_and_cloned(unfitted):
    feature, other = unfitted
    parameters = feature.get_params(deep=False)
    assert parameters == clone(feature).get_params(deep=False) or "patches" in parameters
    feature.set_params(**other)
    ((name, value),) = other.items()
    assert value == feature.get_params()[name] == clone(feature).get_params()[name]
    assert value != parameters[name]
    assert not [name for name in vars(feature) if name.endswith("_")]


class Pixels(np.ndarray):
    """An array of a class of the user."""


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_an_array_of_a_subclass_is_an_array(feature, dtype):
    images = (IMAGES[:5] / (1 if dtype == np.uint8 else 255)).astype(dtype)
    rows = feature.transform(images)
    assert_array_equal(feature.transform(images.view(Pixels)), rows)
    unmasked = np.ma.MaskedArray(images, np.zeros(images.shape, bool))
    assert_array_equal(feature.transform(unmasked), rows)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_masked_pixels_of_any_image_are_refused(feature, dtype):
    images = np.ma.MaskedArray((IMAGES[:5] / (1 if dtype == np.uint8 else 255)).astype(dtype))
    images[3, 0, 0] = np.ma.masked
    for collection in (images, list(images)):
        with pytest.raises(ValueError, match="image 3: the image has masked pixels"):
            feature.transform(collection)


@pytest.mark.parametrize("patches", [DensePatches(8), PixelPatches(), KeypointPatches("fast")])
def test_patches_refuse_masked_pixels_of_any_image(patches):
    images = np.ma.MaskedArray(IMAGES[:5].copy())
    expected = patches.transform(IMAGES[:5])
    assert_array_equal(patches.transform(images).values, expected.values)
    images[3, 0, 0] = np.ma.masked
    with pytest.raises(ValueError, match="image 3: the image has masked pixels"):
        patches.transform(images)


@pytest.mark.parametrize("unfitted", STATELESS, indirect=True)
def test_a_feature_that_learns_nothing_needs_no_fit(unfitted):
    feature, other = unfitted
    fitted = clone(feature).fit(IMAGES[:20])
    rows = fitted.transform(MIXED)
    assert_array_equal(feature.transform(MIXED), rows)
    assert_array_equal([feature.describe(image) for image in MIXED], rows)
    assert_array_equal(feature.get_feature_names_out(), fitted.get_feature_names_out())
    assert not [name for name in vars(feature) if name.endswith("_")]
    fitted.set_params(**other)
    feature.set_params(**other)
    assert_array_equal(fitted.transform(MIXED), feature.transform(MIXED))
    assert len(fitted.get_feature_names_out()) == feature.transform(MIXED).shape[1]


@pytest.mark.parametrize("unfitted", LEARNING, indirect=True)
def test_a_feature_that_learns_needs_fit(unfitted):
    feature, _ = unfitted
    for call in (feature.transform, lambda images: feature.describe(images[0])):
        with pytest.raises(NotFittedError):
            call(IMAGES[:2])
    with pytest.raises(NotFittedError):
        feature.get_feature_names_out()


def test_another_parameter_gives_other_numbers(unfitted):
    feature, other = unfitted
    before = feature.fit_transform(IMAGES[:20])
    after = feature.set_params(**other).fit_transform(IMAGES[:20])
    assert before.shape != after.shape or (before != after).any()


def test_fit_gives_itself_and_the_same_again(feature):
    again = clone(feature)
    assert again.fit(IMAGES[:40], np.zeros(40)) is again
    assert_array_equal(again.transform(MIXED), feature.transform(MIXED))


@pytest.mark.parametrize("unfitted", LEARNING, indirect=True)
def test_a_length_changed_after_fit_is_refused(unfitted):
    """The kernels write as many numbers as the parameters ask for now."""
    feature, other = unfitted
    feature.fit(IMAGES[:20])
    ((name, value),) = other.items()
    for changed in (value, 100):
        feature.set_params(**{name: changed})
        for call in (feature.transform, lambda images: feature.describe(images[0])):
            with pytest.raises(ValueError, match=r"changed after fit: .* call fit again"):
                call(IMAGES[:3])


def test_transform_gives_finite_float32(feature):
    rows = feature.transform(MIXED)
    assert rows.dtype == np.float32
    assert rows.shape == (len(MIXED), feature.n_features_out_)
    assert rows.flags.c_contiguous
    assert np.isfinite(rows).all()
    assert len(np.unique(rows[:8], axis=0)) == 8


def test_pickled_it_gives_the_same_bits(feature):
    copy = pickle.loads(pickle.dumps(feature))
    assert_array_equal(copy.transform(MIXED), feature.transform(MIXED))


@pytest.mark.parametrize("images", [IMAGES, MIXED], ids=["array", "mixed"])
def test_a_row_depends_on_its_image_alone(feature, images):
    rows = feature.transform(images)
    assert_array_equal([feature.describe(image) for image in images], rows)
    for size in (1, 3, 64):
        parts = [feature.transform(images[i : i + size]) for i in range(0, len(images), size)]
        assert_array_equal(np.concatenate(parts), rows)
    assert_array_equal(feature.transform(images[::-1]), rows[::-1])
    assert_array_equal(feature.transform(list(images)), rows)


def test_threads_do_not_change_a_bit(feature):
    rows = feature.transform(IMAGES)
    for n_jobs in (2, 3, -1):
        other = pickle.loads(pickle.dumps(feature)).set_params(n_jobs=n_jobs)
        assert_array_equal(other.transform(IMAGES), rows)
    assert_array_equal(clone(feature).set_params(n_jobs=2).fit(IMAGES[:40]).transform(IMAGES), rows)


LAYOUTS = {
    "read-only": lambda images: images,
    "fortran": np.asfortranarray,
    "columns reversed": lambda images: images[:, :, ::-1].copy()[:, :, ::-1],
    "every other pixel": lambda images: images.repeat(2, axis=1).repeat(2, axis=2)[:, ::2, ::2],
    "channels first": lambda images: np.moveaxis(np.moveaxis(images, 3, 1).copy(), 1, 3),
    "between numbers": lambda images: np.frombuffer(
        bytearray(1) + images.tobytes(), images.dtype, offset=1
    ).reshape(images.shape),
    "objects": lambda images: np.array([*images, None], object)[:-1],
}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layout_does_not_count_and_nothing_is_written(feature, layout, dtype):
    images = IMAGES[:6] if dtype == np.uint8 else (IMAGES[:6] / 255).astype(dtype)
    given = LAYOUTS[layout](images)
    if layout == "read-only":
        given.setflags(write=False)
    before = pickle.dumps(given)
    rows = feature.transform(given)
    assert_array_equal(rows, feature.transform(images.copy()))
    assert_array_equal([feature.describe(image) for image in given], rows)
    assert pickle.dumps(given) == before
    assert given.flags.writeable == (layout != "read-only")


def test_eight_bits_and_floats_are_described_alike(feature):
    whole = feature.transform(IMAGES[:30])
    parts = feature.transform(IMAGES[:30] / 255)
    difference = np.linalg.norm(parts - whole, axis=1)
    assert (difference <= 0.05 * np.linalg.norm(whole, axis=1)).all()


def test_names_are_one_each(feature):
    names = feature.get_feature_names_out()
    assert names.dtype == object
    assert len(names) == len(set(names)) == feature.n_features_out_
    assert all(isinstance(name, str) and name for name in names)


def test_pandas_output_has_the_names_and_the_numbers(feature):
    frame = pickle.loads(pickle.dumps(feature)).set_output(transform="pandas").transform(IMAGES)
    assert list(frame.columns) == list(feature.get_feature_names_out())
    assert_array_equal(frame.to_numpy(), feature.transform(IMAGES))
    assert (frame.dtypes == np.float32).all()


@pytest.mark.parametrize("none", [[], IMAGES[:0], np.empty(0, object)], ids=["list", "4-D", "1-D"])
def test_no_images_give_no_rows(feature, none):
    rows = feature.transform(none)
    assert rows.shape == (0, feature.n_features_out_)
    assert rows.dtype == np.float32
    with pytest.raises(ValueError, match="at least one image"):
        clone(feature).fit(none)


def test_a_series_of_images_may_have_any_index(feature):
    images = pd.Series(MIXED)[::-1]
    rows = feature.transform(MIXED[::-1])
    assert_array_equal(feature.transform(images), rows)
    assert_array_equal(
        clone(feature).fit(pd.Series(list(IMAGES))[40:]).transform(IMAGES[:5]),
        clone(feature).fit(IMAGES[40:]).transform(IMAGES[:5]),
    )


FILES = {
    "a name": "photo.jpg",
    "a path": Path("photo.jpg"),
    "bytes": b"\xff\xd8\xff",
    "what cv2.imread gives without a word": None,
}
ALL_MAKERS = [make for make, _ in FEATURES.values()] + [DensePatches, KeypointPatches, PixelPatches]


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
@pytest.mark.parametrize("make", ALL_MAKERS)
def test_a_file_is_no_image(make, file):
    message = r"expected the pixels of an image, got .*visualwords\.load_image"
    feature = make().fit(IMAGES[:12])
    with pytest.raises(TypeError, match="image 1: " + message):
        feature.transform([IMAGES[0], file])
    with pytest.raises(TypeError, match=message):
        feature.describe(file)
    for call in (make().fit, feature.transform):
        for collection in ([file, IMAGES[0]], np.array([file] * 2), pd.Series([file] * 2)):
            with pytest.raises(TypeError, match="image 0: " + message):
                call(collection)
        with pytest.raises(TypeError, match=r"a sequence of images, got .*visualwords\.load_image"):
            call(file)


@pytest.mark.parametrize("describe", [hog, hog_cells, hog_image, hue_histogram, perceptual_hash])
def test_functions_take_no_files(describe):
    for file in FILES.values():
        with pytest.raises(TypeError, match=r"the pixels of an image, .*visualwords\.load_image"):
            describe(file)
    with pytest.raises(ValueError, match=r"expected an image .*visualwords\.load_image"):
        describe(["photo.jpg"])


NOT_COLLECTIONS = {
    "one image": (IMAGES[0], ValueError, "looks like one colour image"),
    "one grey image": (IMAGES[0, :, :, 0], ValueError, "sequence of images"),
    "rows of pixels": (IMAGES.reshape(len(IMAGES), -1), ValueError, "sequence of images"),
    "five axes": (IMAGES[np.newaxis], ValueError, "sequence of images"),
    "a name": ("image.png", TypeError, "sequence of images"),
    "a number": (3, TypeError, "sequence of images"),
    "a dictionary": ({0: IMAGES[0]}, TypeError, "sequence of images, got dict"),
    "a frame": (pd.DataFrame({"image": list(IMAGES)}), ValueError, "sequence of images"),
}


@pytest.mark.parametrize("case", NOT_COLLECTIONS)
def test_what_is_not_a_collection_is_refused(feature, case):
    images, error, message = NOT_COLLECTIONS[case]
    for call in (feature.transform, clone(feature).fit):
        with pytest.raises(error, match=message):
            call(images)


def test_descriptors_are_no_images_but_may_come_with_them(feature):
    described = PATCHES.transform(IMAGES[:5])
    rows = feature.transform(IMAGES[:5])
    assert_array_equal(feature.transform(DescribedImages(IMAGES[:5], described)), rows)
    if isinstance(feature, BagOfVisualWords):
        assert_array_equal(feature.transform(described), rows)
        return
    for call in (feature.transform, clone(feature).fit):
        with pytest.raises(
            TypeError, match=r"expected images, got PatchDescriptors: .*DescribedIm"
        ):
            call(described)


NAN = np.full((32, 32, 3), np.nan)
BAD_IMAGES = {
    "alpha": (np.zeros((32, 32, 4), np.uint8), ValueError, "expected an image of shape"),
    "two channels": (np.zeros((32, 32, 2), np.uint8), ValueError, "expected an image of shape"),
    "one axis": (np.zeros(32, np.uint8), ValueError, "expected an image of shape"),
    "no pixels": (np.zeros((0, 32, 3), np.uint8), ValueError, "with pixels"),
    "NaN": (NAN, ValueError, "not finite"),
    "infinity": (np.full((32, 32), np.inf, np.float32), ValueError, "not finite"),
    "integers": (np.zeros((32, 32, 3), int), TypeError, "uint8"),
    "too large for 32 bits": (np.full((32, 32), 1e300), ValueError, "not finite|beyond 1e"),
    "16 bits": (np.zeros((32, 32), np.uint16), TypeError, "uint8"),
    "truth values": (np.zeros((32, 32), bool), TypeError, "uint8"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_a_bad_image_is_named(feature, case):
    image, error, message = BAD_IMAGES[case]
    with pytest.raises(error, match=message):
        feature.describe(image)
    for n_jobs in (1, 2):
        copy = pickle.loads(pickle.dumps(feature)).set_params(n_jobs=n_jobs)
        with pytest.raises(error, match=f"image 66: .*{message}"):
            copy.transform([*IMAGES[:66], image, *IMAGES[:2]])
    if image.ndim > 1 and image.size:
        with pytest.raises(error, match=f"image 0: .*{message}"):
            feature.transform(image[np.newaxis])


def test_tags_tell_that_it_takes_images(feature):
    assert isinstance(feature, ImageFeature)
    assert isinstance(feature.kernel_version, int)
    tags = get_tags(feature)
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert not tags.target_tags.required
    assert tags.transformer_tags is not None


@pytest.fixture(scope="module")
def task():
    """Give crops of two photographs and the photograph of each."""
    rng = np.random.default_rng(1)
    whole = {"astronaut": data.astronaut(), "coffee": data.coffee()}
    images, labels = [], []
    for label, photograph in whole.items():
        for y, x in rng.integers(0, 360, (24, 2)):
            images.append(photograph[y : y + 32, x : x + 32])
            labels.append(label)
    return np.stack(images), np.array(labels)


def make_model():
    union = make_union(
        HueHistogram(), HOG(pixels_per_cell=(16, 16)), BagOfVisualWords(n_words=8, patches=PATCHES)
    )
    return make_pipeline(union, StandardScaler(), LinearSVM())


def test_a_union_of_all_is_cross_validated(task):
    images, labels = task
    scores = cross_val_score(make_model(), images, labels, cv=3, error_score="raise")
    assert scores.mean() > 0.7
    assert_array_equal(
        cross_val_score(make_model(), list(images), labels, cv=3, error_score="raise"), scores
    )


def test_parameters_of_features_are_searched(task):
    images, labels = task
    grid = {
        "featureunion__huehistogram__n_bins": [1, 8],
        "featureunion__bagofvisualwords__n_words": [4, 8],
    }
    search = GridSearchCV(make_model(), grid, cv=2, error_score="raise").fit(images, labels)
    assert len(search.cv_results_["params"]) == 4
    names = search.best_estimator_[:-1].get_feature_names_out()
    assert len(set(names)) == len(names) == search.best_estimator_[-1].n_features_in_
    assert (search.predict(images) == labels).mean() > 0.9
