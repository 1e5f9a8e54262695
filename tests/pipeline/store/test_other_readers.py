"""NumPy, pandas, polars and DuckDB read a store and a run without this package."""

import csv
import io

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from visualwords.features import HueHistogram
from visualwords.pipeline.job import Options, extract, extract_to_store
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.store.maintenance import (
    collect_garbage,
    export_feature,
    repair,
    summaries,
    verify,
)

N_IMAGES = 400  # of one digest in 256 the last byte is 0, which some text types drop


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of 400 pictures of 2 classes, of which one is damaged."""
    folder = tmp_path_factory.mktemp("readers")
    rng = np.random.default_rng(0)
    for number in range(N_IMAGES):
        file = folder / "images" / "ab"[number % 2] / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:100])
    recipe = Recipe().with_features(["hue"])
    extract_to_store(folder / "images", folder / "store", recipe, Options(n_jobs=1))
    return folder / "store"


@pytest.fixture(scope="module")
def expected(store):
    """Path and row of each sound picture, by the feature itself."""
    files = sorted((store.parent / "images").rglob("*.png"))[:-1]
    rows = HueHistogram().transform([np.asarray(Image.open(file)) for file in files])
    return [f"{file.parent.name}/{file.name}" for file in files], rows


def rows_of(store, shards, numbers):
    """What anybody does: open the shard that the table names, and take the row."""
    matrices = {shard: np.load(store / shard, mmap_mode="r") for shard in set(shards)}
    return np.stack([matrices[s][n] for s, n in zip(shards, numbers, strict=True)])


def test_pandas_reads_the_table_and_numpy_the_rows(store, expected):
    table = pd.read_parquet(store / "images.parquet")
    ok = table[table.status == "ok"]
    assert ok.path.tolist() == expected[0]
    assert ok.label.tolist() == [path[0] for path in expected[0]]
    assert table[table.status == "failed"].kind.tolist() == ["damaged"]
    assert_array_equal(rows_of(store, ok.hue_shard, ok.hue_row.astype(int)), expected[1])


def test_polars_reads_the_table_and_numpy_the_rows(store, expected):
    ok = pl.read_parquet(store / "images.parquet").filter(pl.col("status") == "ok")
    assert ok["path"].to_list() == expected[0]
    assert_array_equal(rows_of(store, ok["hue_shard"], ok["hue_row"]), expected[1])


def test_duckdb_reads_the_table_and_numpy_the_rows(store, expected):
    query = f"select path, hue_shard, hue_row from '{store}/images.parquet' where status = 'ok'"
    paths, shards, numbers = zip(*duckdb.sql(query).fetchall(), strict=True)
    assert list(paths) == expected[0]
    assert_array_equal(rows_of(store, shards, numbers), expected[1])
    query = f"select kind, count(*) from '{store}/images.parquet' group by kind order by kind"
    assert duckdb.sql(query).fetchall() == [("damaged", 1), (None, N_IMAGES - 1)]


@pytest.mark.parametrize("reader", ["numpy", "pandas", "polars", "duckdb", "csv"])
def test_an_exported_feature_is_read_by_everybody(store, expected, tmp_path, reader):
    file = tmp_path / {"numpy": "hue.npz", "csv": "hue.csv"}.get(reader, "hue.parquet")
    assert export_feature(store, "hue", file) == N_IMAGES - 1
    if reader == "numpy":
        with np.load(file) as arrays:
            digests, rows = arrays["digests"].tolist(), arrays["rows"]
    elif reader == "csv":
        _, *lines = csv.reader(io.StringIO(file.read_text()))
        digests, rows = [line[0] for line in lines], [line[1:] for line in lines]
    else:
        table = {
            "pandas": lambda: pd.read_parquet(file),
            "polars": lambda: pl.read_parquet(file).to_pandas(),
            "duckdb": lambda: duckdb.sql(f"select * from '{file}'").df(),
        }[reader]()
        digests, rows = table.pop("digest").tolist(), table.to_numpy()
    images = pd.read_parquet(store / "images.parquet")
    order = [digests.index(digest.hex()) for digest in images[images.status == "ok"].digest]
    assert_array_equal(np.asarray(rows, np.float32)[order], expected[1])


def test_two_versions_of_a_feature_are_exported_by_their_whole_names(tmp_path):
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    for n_bins in (3, 4):
        extract(pictures, tmp_path, [HueHistogram(n_bins=n_bins)])
    store, file = str(tmp_path), str(tmp_path / "hue.npz")
    with pytest.raises(ValueError, match=r"2 features .* 'hue'; give the whole name of one, hue-"):
        export_feature(store, "hue", file)
    assert sorted(found.columns for found in summaries(store) if "hue" in found.folder) == [3, 4]
    assert (verify(store), repair(store), collect_garbage(store)) == ([], [], [])
    widths = set()
    for folder in tmp_path.glob("hue-*"):
        export_feature(store, folder.name, file)
        with np.load(file) as arrays:
            widths.add(arrays["rows"].shape[1])
    assert widths == {3, 4}
