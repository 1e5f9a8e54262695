"""The rows of a folder, which every other source of the same images must give."""

import pickle

import numpy as np
import pytest

from visualwords.features import HOG, HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import open_source

FEATURES = [HueHistogram(), HOG(image_size=(16, 16))]


@pytest.fixture(scope="session")
def crop_files(crops):
    """Name of each crop and its bytes, sorted by name."""
    return {p.relative_to(crops).as_posix(): p.read_bytes() for p in sorted(crops.rglob("*.*"))}


@pytest.fixture(scope="session")
def folder_rows(crops, tmp_path_factory):
    """Row and label of each crop by its digest, extracted from the folder."""
    result = extract(crops, tmp_path_factory.mktemp("store"), FEATURES, n_jobs=1)
    return rows_by_digest(result)


def rows_by_digest(result):
    digests = result.images["digest"].filter(result.is_ok).to_pylist()
    labels = result.images["label"].filter(result.is_ok).to_pylist()
    rows = np.asarray(result.matrix()[:])
    return {d: (label, row) for d, label, row in zip(digests, labels, rows, strict=True)}


@pytest.fixture
def check_rows(folder_rows, tmp_path):
    """A function that extracts a source and compares its rows with those of the folder."""

    def check(source, *, labelled=True, n_images=36):
        sent = pickle.loads(pickle.dumps(open_source(source)))  # as to a worker process
        result = extract(sent, tmp_path / "store", FEATURES, n_jobs=1)
        rows = rows_by_digest(result)
        assert len(rows) == n_images
        for digest, (label, row) in rows.items():
            expected_label, expected = folder_rows[digest]
            assert label == (expected_label if labelled else None)
            np.testing.assert_array_equal(row, expected)
        assert extract(source, tmp_path / "store", FEATURES, n_jobs=1).work.decoded == 0
        return result

    return check


@pytest.fixture
def listed():
    """A function that lists a source as a table of columns."""

    def list_all(source):
        tables = list(source.images())
        return {
            name: [value for table in tables for value in table[name].to_pylist()]
            for name in ("path", "location", "signature", "label", "split", "group")
        }

    return list_all
