import io
import tarfile
import zipfile

import pyarrow as pa
import pytest

from visualwords.pipeline.sources import open_source
from visualwords.pipeline.store.files import open_folder
from visualwords.pipeline.store.listings import Listings
from visualwords.pipeline.store.maintenance import repair, verify

N = 600
SCHEMA = pa.schema([("path", pa.string())])
TABLE = pa.table({"path": [f"{i}.png" for i in range(N)]}, SCHEMA)


def refuse():
    raise AssertionError("the archive was read")


def test_a_listing_is_kept_until_the_signature_changes(tmp_path):
    folder = open_folder(tmp_path)
    other = TABLE.slice(0, N - 1)
    assert Listings(folder).table("a.tar", "1", SCHEMA, lambda: [TABLE]).equals(TABLE)
    assert Listings(folder).table("a.tar", "1", SCHEMA, refuse).equals(TABLE)
    assert Listings(folder).table("b.tar", "1", SCHEMA, lambda: [other]).equals(other)
    assert Listings(folder).table("a.tar", "2", SCHEMA, lambda: [other]).equals(other)
    assert Listings(folder).table("a.tar", "2", SCHEMA, refuse).equals(other)
    assert len(folder.names("index/listings")) == 2


@pytest.mark.parametrize(("signature", "n"), [("", N), ("1", 3)])
def test_nothing_is_kept_without_a_signature_or_of_few_members(tmp_path, signature, n):
    folder = open_folder(tmp_path)
    Listings(folder).table("a.tar", signature, SCHEMA, lambda: [TABLE.slice(0, n)])
    assert folder.names("index/listings") == []


def test_a_damaged_listing_is_made_again(tmp_path):
    folder = open_folder(tmp_path)
    Listings(folder).table("a.tar", "1", SCHEMA, lambda: [TABLE])
    (name,) = folder.names("index/listings")
    folder.write(f"index/listings/{name}", folder.read(f"index/listings/{name}")[:-9])
    assert verify(folder) == [f"index/listings/{name}"]
    assert Listings(folder).table("a.tar", "1", SCHEMA, lambda: [TABLE]).equals(TABLE)
    assert repair(folder) == []
    assert Listings(folder).table("a.tar", "1", SCHEMA, refuse).equals(TABLE)


def write_tar(file, n):
    with tarfile.open(file, "w") as tar:
        for i in range(n):
            tar.addfile(tarfile.TarInfo(f"all/class{i % 3}/{i}.png"), io.BytesIO())


def write_zip(file, n):
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(n):
            archive.writestr(f"all/class{i % 3}/{i}.png", b"")


@pytest.mark.parametrize(("name", "write"), [("a.tar", write_tar), ("a.zip", write_zip)])
def test_a_kept_listing_is_that_of_the_archive(tmp_path, name, write):
    store = open_folder(tmp_path / "store")
    for n in (N, N + 1):
        write(tmp_path / name, n)
        source = open_source(tmp_path / name)
        expected = pa.concat_tables(source.images())
        assert set(expected["label"].to_pylist()) == {"class0", "class1", "class2"}
        for _ in range(2):
            assert pa.concat_tables(source.listed(Listings(store))).equals(expected)
        assert len(store.names("index/listings")) == 1
