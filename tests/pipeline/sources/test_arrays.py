import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from visualwords.features import HOG
from visualwords.pipeline.job import Options, extract
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.pipeline.sources import ArraySource, JoinedSource, SourceError, open_source

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (20 + k, 24, 3), np.uint8) for k in range(12)]


def test_rows_are_those_of_the_features(tmp_path):
    hog = HOG(image_size=(16, 16))
    images = [*PICTURES, PICTURES[0][:, :, 1], PICTURES[1][::2, ::-1]]
    result = extract(images, tmp_path, [hog], labels=range(14), n_jobs=1)
    np.testing.assert_array_equal(result.matrix()[:], hog.transform(images))
    assert result.labels().tolist() == [str(k) for k in range(14)]
    stacked = np.stack([PICTURES[0]] * 2)
    assert extract(stacked, tmp_path, [hog], n_jobs=1).work.decoded == 0


def test_the_same_bytes_in_another_shape_are_another_image(tmp_path):
    wide = RNG.integers(0, 256, (20, 40), np.uint8)
    tall = wide.reshape(40, 20)
    extract([wide], tmp_path, [HOG(image_size=(16, 16))], n_jobs=1)
    result = extract([tall], tmp_path, [HOG(image_size=(16, 16))], n_jobs=1)
    expected = HOG(image_size=(16, 16)).transform([tall])
    np.testing.assert_array_equal(result.matrix()[:], expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (PICTURES[0] / 255, r"image 1: .* got float64 of shape \(20, 24, 3\); scale it"),
        (np.zeros((4, 4, 4), np.uint8), "image 1: .* lay its alpha channel over a colour"),
        (np.zeros((4, 4, 2), np.uint8), r"image 1: .* got uint8 of shape \(4, 4, 2\)"),
        (np.zeros((4, 4), np.uint16), "image 1: .* got uint16"),
        (np.zeros((4, 0, 3), np.uint8), r"image 1: .* of shape \(4, 0, 3\)"),
        (np.zeros(4, np.uint8), "image 1: expected"),
        ([[1, 2], [3, 4]], "image 1: .* got list"),
        (Image.new("RGB", (2, 2)), "image 1: .* got Image"),
    ],
)
def test_what_is_no_image_is_refused_by_its_number(image, message):
    with pytest.raises(SourceError, match=message):
        open_source([PICTURES[0], image])


def test_one_colour_image_is_no_list_of_grey_ones():
    with pytest.raises(SourceError, match=r"\(20, 24, 3\) looks like one colour image; give"):
        open_source(PICTURES[0])


LABELS = {
    "text": (["cat", " dog "], ["cat", "dog"]),
    "text of NumPy": (np.array(["nan", "dog"]), ["nan", "dog"]),
    "bytes": (np.array([b"cat", b"d\xc3\xb6g"]), ["cat", "d\xf6g"]),
    "numbers": (np.array([3, 1], np.uint8), ["3", "1"]),
    "a column": (np.array([[3], [1]]), ["3", "1"]),
    "missing": ([None, float("nan")], [None, None]),
    "missing in pandas": (pd.Series(["cat", pd.NA], index=[7, 9]), ["cat", None]),
    "empty": (["", "dog"], [None, "dog"]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_of_every_kind_are_text_or_missing(tmp_path, case):
    labels, expected = LABELS[case]
    for number, image in enumerate(PICTURES[:2]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    files = [tmp_path / "0.png", tmp_path / "1.png"]
    for images in (PICTURES[:2], files):
        (table,) = open_source(images, labels=labels).images()
        assert table["label"].to_pylist() == expected


@pytest.mark.parametrize(
    ("label", "message"), [(b"\xff", "label 1: .* no text in UTF-8"), ([0, 1], "label 1: .*argmax")]
)
def test_labels_that_name_no_class_are_refused(label, message):
    with pytest.raises(SourceError, match=message):
        open_source(PICTURES[:2], labels=["cat", label])


def test_every_image_has_one_label_and_there_is_one():
    with pytest.raises(SourceError, match="2 arrays but 1 label:"):
        ArraySource(PICTURES[:2], ["a"])
    with pytest.raises(SourceError, match="at least one image"):
        open_source([])


def test_a_run_takes_arrays_with_labels_as_a_source(tmp_path):
    run = Run(tmp_path / "run", options=Options(n_jobs=1))
    labels, asked = ["a", "b"] * 6, Recipe(features=[HOG(image_size=(16, 16))], test_size=0.4)
    with pytest.raises(TypeError, match=r"open_source\(images, labels=labels\)"):
        run.run(PICTURES, recipe=asked, labels=labels)
    with pytest.raises(
        TypeError, match="a list of images has no columns to name, got label_column"
    ):
        run.run(PICTURES, recipe=asked, label_column="species")
    assert not (tmp_path / "run").exists()
    run.extract(open_source(PICTURES, labels=labels), recipe=asked)
    assert run.images["label"].to_pylist() == labels


def test_a_worker_is_sent_its_own_images_alone():
    source = JoinedSource({"train": ArraySource(PICTURES), "test": ArraySource(PICTURES[::-1])})
    part = pickle.loads(pickle.dumps(source.only(["train:3", "test:0"])))
    np.testing.assert_array_equal(part.read("train:3"), PICTURES[3])
    np.testing.assert_array_equal(part.read("test:0"), PICTURES[-1])
    assert len(pickle.dumps(part)) < 2 * PICTURES[-1].nbytes + 1000 < len(pickle.dumps(source)) / 3
