"""Extraction: rows belong to images, nothing is computed twice, nothing is lost."""

import re
import shutil
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone

from visualwords.features import HOG, BagOfVisualWords, HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.reader import Reader, read_bytes
from visualwords.pipeline.sources import SourceError
from visualwords.pipeline.store.files import open_folder
from visualwords.pipeline.store.maintenance import repair, verify


def features():
    return [HueHistogram(), HOG(image_size=(32, 32)), BagOfVisualWords(n_words=8)]


CHEAP = [HueHistogram(), HOG(image_size=(16, 16))]


def files_of(store: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(store)): file.read_bytes()
        for file in sorted(store.rglob("*"))
        if file.is_file() and "index" not in file.parts and not file.name.startswith(".")
    }


@pytest.fixture(scope="module")
def extracted(crops, tmp_path_factory):
    """An extraction of all features and the store that it is in; read-only."""
    store = tmp_path_factory.mktemp("store")
    return extract(crops, store, features(), n_jobs=2), store


def test_rows_are_those_of_the_features_themselves(crops, extracted):
    result, _ = extracted
    paths = result.images["path"].to_pylist()
    pixels = [Reader().decode(read_bytes(crops / path)) for path in paths]
    assert len(paths) == 36
    for name, feature in zip(("hue", "hog"), CHEAP, strict=True):
        expected = clone(feature).set_params(**({"image_size": (32, 32)} if name == "hog" else {}))
        np.testing.assert_array_equal(result.matrix(name)[:], expected.transform(pixels))
    in_order = sorted(range(36), key=lambda i: result.images["digest"][i].as_py())
    words = BagOfVisualWords(n_words=8).fit([pixels[i] for i in in_order])
    np.testing.assert_array_equal(result.matrix("words")[:], words.transform(pixels))
    assert result.matrix().shape == (36, 10 + 324 + 8)
    assert result.labels().tolist() == [path.split("/")[0] for path in paths]


def test_a_second_extraction_decodes_nothing_and_writes_nothing(crops, extracted):
    result, store = extracted
    before = files_of(store)
    again = extract(crops, store, features())
    assert again.work.decoded == 0
    assert again.work.computed == {"hue": 0, "hog": 0, "words": 0}
    assert again.images.equals(result.images)
    assert files_of(store) == before


def change(images: Path, what: str) -> None:
    files = sorted(images.rglob("*.*"))
    if what == "removed":
        for file in files[::4]:
            file.unlink()
    elif what == "renamed":
        for i, file in enumerate(files):
            file.rename(file.with_name(f"other{i}{file.suffix}"))
    elif what == "relabelled":
        (images / "brick").rename(images / "stone")
    elif what == "moved":
        (images / "deep").mkdir()
        (images / "brick").rename(images / "deep" / "brick")
    elif what == "touched":
        for file in files:
            file.touch()
    elif what == "copied":
        shutil.copy(files[0], images / "coffee" / "copy.jpg")


@pytest.mark.parametrize("what", ["removed", "renamed", "relabelled", "moved", "touched", "copied"])
def test_what_is_no_new_image_computes_nothing(images, tmp_path, what):
    store = tmp_path / "store"
    extract(images, store, CHEAP)
    change(images, what)
    again = extract(images, store, CHEAP)
    assert again.work.decoded == 0
    assert again.is_ok.all()


def test_another_order_computes_nothing(images, tmp_path):
    store = tmp_path / "store"
    first = extract(images, store, CHEAP)
    paths = first.images["path"].to_pylist()
    order = np.random.default_rng(0).permutation(len(paths))
    manifest = tmp_path / "all.csv"
    manifest.write_text("path\n" + "\n".join(str(images / paths[i]) for i in order))
    again = extract(manifest, store, CHEAP)
    assert again.work.decoded == 0
    np.testing.assert_array_equal(again.matrix("hog")[:], first.matrix("hog")[:][order])


def test_added_images_alone_are_computed(images, test_crops, tmp_path):
    store = tmp_path / "store"
    extract(images, store, features())
    before = files_of(store)
    for file in (test_crops / "rocket").iterdir():
        shutil.copy(file, images / "rocket" / f"new-{file.name}")
    again = extract(images, store, features())
    assert again.work.decoded == 5
    assert again.work.computed == {"hue": 5, "hog": 5, "words": 5}
    assert before.items() <= files_of(store).items()
    alone = extract(images, tmp_path / "other", CHEAP)
    np.testing.assert_array_equal(again.matrix("hue")[:], alone.matrix("hue")[:])


def test_the_vocabulary_is_kept_until_an_image_of_it_no_longer_trains(images, tmp_path):
    store = tmp_path / "store"
    words = [BagOfVisualWords(n_words=8)]
    first = extract(images, store, words)
    assert extract(images, store, words, relearn=True).refs["words"] == first.refs["words"]
    next(images.rglob("*.png")).unlink()
    again = extract(images, store, words)
    assert again.refs["words"] != first.refs["words"]
    assert again.work.computed["words"] == 35


def test_other_parameters_of_a_feature_recompute_that_feature_alone(crops, tmp_path):
    extract(crops, tmp_path, CHEAP)
    again = extract(crops, tmp_path, [HueHistogram(n_bins=5), CHEAP[1]])
    assert again.work.computed == {"hue": 36, "hog": 0}
    assert set(again.work.worker_seconds) == {"decode", "hue"}
    assert again.matrix("hue").shape == (36, 5)
    assert extract(crops, tmp_path, CHEAP).work.decoded == 0


def test_the_store_has_the_same_bytes_whatever_does_the_work(crops, extracted, tmp_path):
    with joblib.parallel_config(backend="threading"):
        extract(crops, tmp_path, features(), n_jobs=2)
    assert files_of(tmp_path) == files_of(extracted[1])


def test_images_in_memory_and_a_store_in_memory():
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (2500, 16, 16, 3), np.uint8))
    pictures[7] = rng.integers(0, 256, (5, 9), np.uint8)
    result = extract(pictures, "memory://job", CHEAP, labels=[i % 3 for i in range(2500)])
    np.testing.assert_array_equal(result.matrix("hog")[:], CHEAP[1].transform(pictures))
    np.testing.assert_array_equal(result.matrix("hue")[:], CHEAP[0].transform(pictures))
    assert result.labels()[:4].tolist() == ["0", "1", "2", "0"]
    again = extract(pictures[::-1], "memory://job", CHEAP)
    assert again.work.decoded == 0
    np.testing.assert_array_equal(again.matrix("hue")[:], result.matrix("hue")[:][::-1])
    with pytest.raises(ValueError, match="2500 images have no label, such as"):
        again.labels()


class Brightness(TransformerMixin, BaseEstimator):
    """A user's own feature, which refuses images that are not square."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def transform(self, images):
        if any(image.shape[0] != image.shape[1] for image in images):
            raise ValueError("expected square images")
        return np.array([[self.scale * image.mean(), image.std()] for image in images])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def test_a_feature_of_the_user_takes_part_and_its_refusals_are_named(tmp_path):
    describe = partial(extract, n_jobs=1)  # such features would be computed in processes
    sides = [(8, 8), (8, 9), (9, 9), (4, 5)]
    pictures = [np.full(side, 10 * i, np.uint8) for i, side in enumerate(sides)]
    result = describe(pictures, tmp_path, {"bright": Brightness(2.0), "hue": HueHistogram()})
    assert result.images["status"].to_pylist() == ["ok", "failed", "ok", "failed"]
    assert result.images["kind"].to_pylist() == [None, "refused by bright"] * 2
    assert result.images["reason"][1].as_py() == "bright: expected square images"
    np.testing.assert_array_equal(result.matrix("bright")[:], [[0, 0], [40, 0]])
    assert len(result.matrix("hue")) == 2
    bright = {"bright": Brightness(2.0)}
    assert describe(pictures, tmp_path, bright).work.decoded == 0
    for kind, decoded in (("refused by bright", 2), ("refused", 2), ("refused by hue", 0)):
        assert describe(pictures, tmp_path, bright, retry_failed=[kind]).work.decoded == decoded
    assert describe(pictures, tmp_path, {"bright": Brightness(1.0)}).work.decoded == 4
    assert len(extract(pictures, tmp_path, {"hue": HueHistogram()}).matrix("hue")) == 4


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("n_jobs", 0, "a number of workers, -1 for all cores (-2 for all but one), or None"),
        ("n_jobs", "all", "a number of workers, -1 for all cores (-2 for all but one), or None"),
        ("n_jobs", 1.5, "a number of workers, -1 for all cores (-2 for all but one), or None"),
        ("max_failures", "1 %", "a finite number of at least 0"),
        ("max_failures", -1, "a finite number of at least 0"),
        ("time_limit", 0, "a finite number above 0"),
        ("seed", -1, "a whole number from 0 to 4294967295"),
        ("max_side", 0, "a whole number of at least 1"),
        ("max_side", 64.5, "a whole number of at least 1"),
        ("max_pixels", "1M", "a whole number of at least 1"),
        ("max_pixels", -5, "a whole number of at least 1"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, option, value, expected):
    pictures = [np.zeros((8, 8), np.uint8)]
    with pytest.raises(ValueError, match=re.escape(f"{option} must be {expected}, got {value!r}")):
        extract(pictures, tmp_path, [HueHistogram()], **{option: value})


def test_whole_floats_are_the_same_options(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32), np.uint8)
    features = [BagOfVisualWords(n_words=4)]
    first = extract(pictures, tmp_path, features, seed=5, n_jobs=2, max_side=64)
    options = {"seed": 5.0, "n_jobs": 2.0, "max_side": 64.0, "time_limit": np.float32(60)}
    again = extract(pictures, tmp_path, features, **options)
    assert again.refs == first.refs
    assert again.work.decoded == 0


def test_a_split_that_is_not_there_is_named(crops, tmp_path):
    result = extract(crops, tmp_path, [HueHistogram()], n_jobs=1)
    for ask in (result.matrix, result.labels, result.paths):
        with pytest.raises(ValueError, match=r"no split 'train' \(there are none\)"):
            ask(split="train")


@pytest.mark.parametrize("features", [{"../b": HueHistogram()}, {3: HueHistogram()}, [], {}])
def test_names_that_no_folder_can_have_are_refused(tmp_path, features):
    with pytest.raises(ValueError, match=r"expected a name without slashes|at least one feature"):
        extract([np.zeros((8, 8), np.uint8)], tmp_path / "store", features)
    assert list(tmp_path.rglob("*.npy")) == []


def test_rows_that_are_not_finite_are_refused(tmp_path):
    pictures = [np.full((8, 8), 10 * i, np.uint8) for i in range(2)]
    result = extract(pictures, tmp_path, {"bright": Brightness(1e300)})  # float32 ends at 3.4e38
    assert result.images["kind"].to_pylist() == [None, "refused by bright"]
    assert result.images["reason"][1].as_py() == "bright: a number of the row is infinite or NaN"
    assert extract(pictures, tmp_path, {"bright": Brightness(1e300)}).work.decoded == 0


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "swap"])
def test_damaged_shards_are_named_removed_and_computed_again(images, tmp_path, damage):
    store = tmp_path / "store"
    first = extract(images, store, CHEAP)
    expected = first.matrix("hog")[:].copy()
    del first
    (shard,) = (file for file in store.glob("hog-*/*.npy"))
    data = bytearray(shard.read_bytes())
    if damage == "flip":
        data[5000] ^= 4
        shard.write_bytes(data)
    elif damage == "truncate":
        shard.write_bytes(data[:-100])
    elif damage == "remove":
        shard.unlink()
    else:
        shard.write_bytes(next(store.glob("hue-*/*.npy")).read_bytes())
    (name,) = verify(open_folder(store))
    assert name == f"{shard.parent.name}/{shard.name}"
    again = extract(images, store, CHEAP)
    assert again.work.computed == {"hue": 0, "hog": 36}
    np.testing.assert_array_equal(again.matrix("hog")[:], expected)
    assert verify(store) == []
    assert repair(open_folder(store)) == []


def test_the_store_is_read_without_us(crops, extracted):
    """By pyarrow's table and NumPy's files alone."""
    result, store = extracted
    table = result.images
    assert table.schema.field("hog_row").type == pa.int32()
    rows = [
        np.load(store / shard.as_py())[row.as_py()]
        for shard, row in zip(table["hog_shard"], table["hog_row"], strict=True)
    ]
    np.testing.assert_array_equal(np.stack(rows), result.matrix("hog")[:])


def test_nothing_to_extract_from_is_named(tmp_path):
    for message, where in [("no such folder", "none"), ("no images", "empty")]:
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(SourceError, match=f"{where}: {message}"):
            extract(tmp_path / where, tmp_path / "store", CHEAP)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jpg").write_bytes(b"hello")
    with pytest.raises(SourceError, match="none of the training images can be used: not an image"):
        extract(tmp_path / "bad", tmp_path / "store", [BagOfVisualWords(n_words=2)])
