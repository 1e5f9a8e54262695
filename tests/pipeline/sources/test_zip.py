import shutil
import zipfile

import numpy as np
import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.reader import ImageError
from visualwords.pipeline.sources import SourceError, open_source


def write_zip(file, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("root", ["", "photos/train/"])
def test_a_zip_gives_the_rows_of_the_folder(crop_files, check_rows, tmp_path, method, root):
    members = [(root + name, data) for name, data in crop_files.items()]
    members += [("__MACOSX/._a.jpg", b"1"), ("brick/.DS_Store", b"2"), ("LICENSE", b"3")]
    check_rows(write_zip(tmp_path / "all.zip", members if not root else members[:36], method))


def test_a_zip_without_folders_has_images_without_labels(crop_files, check_rows, tmp_path):
    members = [(name.replace("/", "-"), data) for name, data in crop_files.items()]
    check_rows(write_zip(tmp_path / "all.zip", members), labelled=False)


def test_one_class_alone_is_a_class(crop_files, listed, tmp_path):
    members = [(name, data) for name, data in crop_files.items() if name.startswith("brick")]
    found = listed(open_source(write_zip(tmp_path / "all.zip", members)))
    assert set(found["label"]) == {"brick"}


def test_a_zip_with_bytes_before_it_is_read(crop_files, check_rows, tmp_path):
    write_zip(tmp_path / "all.zip", crop_files.items())
    whole = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(b"#!/bin/sh\n" + whole)
    check_rows(tmp_path / "all.zip")


def test_each_damaged_file_is_named_and_the_others_are_read(crop_files, tmp_path):
    write_zip(tmp_path / "all.zip", crop_files.items())
    data = bytearray((tmp_path / "all.zip").read_bytes())
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        first, second = archive.infolist()[:2]
    data[first.header_offset + 200] ^= 1
    data[second.header_offset] ^= 1
    (tmp_path / "all.zip").write_bytes(data)
    result = extract(tmp_path / "all.zip", tmp_path / "store", [HueHistogram()], n_jobs=1)
    failed = [row for row in result.images.to_pylist() if row["status"] == "failed"]
    assert [row["path"] for row in failed] == sorted([first.filename, second.filename])
    assert {row["kind"] for row in failed} == {"damaged"}
    assert all("damaged zip" in row["reason"] for row in failed)
    assert result.is_ok.sum() == 34


def test_encrypted_files_and_other_methods_are_named(tmp_path, listed):
    write_zip(tmp_path / "all.zip", [("a.png", b"1" * 99)], zipfile.ZIP_LZMA)
    source = open_source(tmp_path / "all.zip")
    with pytest.raises(ImageError, match="packed by method 14"):
        source.read(listed(source)["location"][0])
    write_zip(tmp_path / "all.zip", [("a.png", b"1" * 99)])
    data = bytearray((tmp_path / "all.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "all.zip").write_bytes(data)
    source = open_source(tmp_path / "all.zip")
    with pytest.raises(ImageError, match="encrypted; unpack the archive with its password"):
        source.read(listed(source)["location"][0])


def test_a_bomb_is_not_unpacked(tmp_path, listed):
    write_zip(tmp_path / "all.zip", [("a.png", bytes(50_000_000)), ("b.png", b"12")])
    data = bytearray((tmp_path / "all.zip").read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "all.zip").write_bytes(data)
    source = open_source(tmp_path / "all.zip")
    with pytest.raises(ImageError, match="damaged zip: its checksum is wrong"):
        source.read(listed(source)["location"][0])
    data[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    (tmp_path / "all.zip").write_bytes(data)
    with pytest.raises(ImageError, match="4294967280 bytes are more than the limit") as caught:
        source.read(listed(source)["location"][0])
    assert caught.value.kind == "too large"


def test_a_truncated_zip_is_refused_by_name(crop_files, listed, tmp_path):
    whole = write_zip(tmp_path / "all.zip", crop_files.items()).read_bytes()
    for size in np.linspace(0, len(whole) - 1, 9).astype(int):
        (tmp_path / "all.zip").write_bytes(whole[:size])
        with pytest.raises(SourceError, match=r"all\.zip: damaged zip: "):
            listed(open_source(tmp_path / "all.zip"))


def test_a_vanished_zip_is_passing_and_not_damaged(crop_files, tmp_path):
    source = open_source(write_zip(tmp_path / "all.zip", crop_files.items()))
    tables = list(source.images())
    source.images = lambda: iter(tables)
    shutil.move(tmp_path / "all.zip", tmp_path / "other")
    table = extract(source, tmp_path / "store", [HueHistogram()], n_jobs=1).images
    assert set(table["kind"].to_pylist()) == {"unreadable"}
