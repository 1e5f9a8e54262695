"""Rows of images that are in no run any more."""

import json

import cv2
import numpy as np
import pytest

from visualwords.pipeline.cli import main
from visualwords.pipeline.store.files import DamagedError
from visualwords.pipeline.store.forget import forget_images
from visualwords.pipeline.store.maintenance import export_feature, summaries, verify


@pytest.fixture
def extract(tmp_path, capsys):
    """Return a function that extracts some of nine images, of which the last is damaged."""
    rng = np.random.default_rng(0)
    for number in range(9):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), rng.integers(0, 256, (16, 16, 3), np.uint8))
    damaged = tmp_path / "8.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-100])

    def extract(numbers, store):
        names = tmp_path / "images.txt"
        names.write_text("".join(f"{number}.jpg\n" for number in numbers))
        command = ["extract", names, "--store", store, "--features", "hue,hog", "--json"]
        assert main([*map(str, command), "--set", "hog.image_size=[16,16]"]) == 0
        return json.loads(capsys.readouterr().out)["computed"]

    return extract


@pytest.fixture
def store(extract, tmp_path):
    """A store of nine images, of which the last extraction had four."""
    extract(range(9), tmp_path / "store")
    extract(range(2, 6), tmp_path / "store")
    return tmp_path / "store"


def sizes(store):
    return {summary.folder: summary.rows for summary in summaries(store)}


def rows(store, tmp_path):
    export_feature(store, "hog", tmp_path / "hog.npz")
    exported = np.load(tmp_path / "hog.npz")
    return dict(zip(exported["digests"].tolist(), exported["rows"].tolist(), strict=True))


def test_other_images_are_forgotten_and_rows_of_kept_ones_stay(store, extract, tmp_path):
    extract([7], tmp_path / "elsewhere")
    before = rows(store, tmp_path)
    keep = [store, tmp_path / "elsewhere" / "images.parquet"]
    told = forget_images(store, keep, dry_run=True)
    assert set(sizes(store).values()) == {8}
    assert forget_images(store, keep) == told == dict.fromkeys(sizes(store), 4)
    assert set(sizes(store).values()) == {5}
    assert verify(store) == []
    after = rows(store, tmp_path)
    assert after == {digest: before[digest] for digest in after}
    assert set(forget_images(store, keep).values()) == {0}
    assert extract(range(2, 8), store) == {"hue": 1, "hog": 1}


def test_a_place_without_a_table_and_a_damaged_store_are_refused(store, tmp_path):
    with pytest.raises(ValueError, match=r"no images\.parquet in it; give a run"):
        forget_images(store, [tmp_path])
    shard = next(store.glob("hue-*/*.npy"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"store repair .*store` removes it"):
        forget_images(store, [store])


def test_the_command_says_what_it_does(store, capsys):
    command = ["store", "forget", str(store), "--keep", str(store)]
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("5 images") == 3
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == dict.fromkeys(sizes(store), 5)
