import gzip

import numpy as np
import pytest

from visualwords.features import HOG
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import IdxSource, SourceError, open_source


def idx(array):
    shape = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


@pytest.fixture
def digits():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (15, 28, 28), np.uint8), rng.integers(0, 10, 15, np.uint8)


def write_mnist(folder, digits, dash="-", end=".gz"):
    pack = gzip.compress if end else bytes
    for start, part in (("train", slice(10)), ("t10k", slice(10, 15))):
        for what, array in (("images-idx3", digits[0]), ("labels-idx1", digits[1])):
            name = f"{start}-{what.replace('-', dash)}-ubyte{end}"
            (folder / name).write_bytes(pack(idx(array[part])))
    return folder


@pytest.mark.parametrize("dash", "-.")
@pytest.mark.parametrize("end", ["", ".gz"])
def test_rows_are_those_of_the_arrays(tmp_path, digits, listed, dash, end):
    source = open_source(write_mnist(tmp_path, digits, dash, end))
    assert isinstance(source, IdxSource)
    found = listed(source)
    assert found["label"] == [str(label) for label in digits[1]]
    assert found["split"] == ["train"] * 10 + ["test"] * 5
    hog = HOG(image_size=(16, 16))
    result = extract(tmp_path, tmp_path / "store", [hog], n_jobs=1)
    np.testing.assert_array_equal(result.matrix()[:], hog.transform(list(digits[0])))
    assert extract(tmp_path, tmp_path / "store", [hog], n_jobs=1).work.decoded == 0


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train-images-idx3-ubyte.gz", b"\x1f\x8b\x08", "damaged gzip"),
        ("train-images-idx3-ubyte.gz", b"no gzip", "damaged gzip"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"12345678", mtime=0), "not an IDX file"),
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(idx(np.ones((10, 28, 28), np.uint8))[:-1], mtime=0),
            "7855 bytes, expected 7856 for the shape",
        ),
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12, mtime=0),
            "expected 79228162458924105385300197391",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            gzip.compress(idx(np.ones(9, np.uint8)), mtime=0),
            "10 images in .* but 9 labels",
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path, digits, listed, name, data, message):
    write_mnist(tmp_path, digits)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        listed(open_source(tmp_path))
