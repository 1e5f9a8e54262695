import io
import json
import tarfile

import numpy as np
import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.reader import ImageError
from visualwords.pipeline.sources import SourceError, open_source
from visualwords.pipeline.sources.tarwalk import walk

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def write_tar(file, members, format=tarfile.USTAR_FORMAT):
    with tarfile.open(file, "w", format=format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def samples(crop_files, end=".cls"):
    """Members in the WebDataset convention: an image and its label share their name."""
    for number, (name, data) in enumerate(crop_files.items()):
        label, key = name.split("/")[0], f"{number:05d}"
        text = json.dumps({"label": label, "size": 3}) if end == ".json" else f"{label}\n"
        yield f"{key}.{name.rpartition('.')[2]}", data
        yield key + end, text.encode()
        yield f"{key}.weight.npy", b"\x93NUMPY"


@pytest.fixture
def shards(crop_files, tmp_path):
    members, folder = list(samples(crop_files)), tmp_path / "shards"
    folder.mkdir()
    for number in range(4):
        write_tar(folder / f"shard-{number:03d}.tar", members[number * 27 : number * 27 + 27])
    return folder


@pytest.mark.parametrize("name", ["shard-{000..003}.tar", "shard-*.tar", "."])
def test_shards_give_the_rows_of_the_folder(shards, check_rows, name):
    (shards / "sizes.json").write_text("{}")
    result = check_rows(str(shards / name) if name != "." else shards)
    assert result.images["path"][0].as_py() == "shard-000.tar/00000.jpg"


@pytest.mark.parametrize("end", [".cls", ".json", ".txt"])
def test_labels_come_from_the_file_of_the_same_name(crop_files, check_rows, tmp_path, end):
    check_rows(write_tar(tmp_path / "all.tar", samples(crop_files, end)))


@pytest.mark.parametrize("root", ["", "./", "photos/train/"])
def test_labels_come_from_class_folders_in_the_archive(crop_files, check_rows, tmp_path, root):
    members = [(root + name, data) for name, data in crop_files.items()]
    check_rows(write_tar(tmp_path / "all.tar", members))


def test_images_without_labels(crop_files, check_rows, tmp_path):
    members = [(name.replace("/", "-"), data) for name, data in crop_files.items()]
    check_rows(write_tar(tmp_path / "all.tar", members), labelled=False)


@pytest.mark.parametrize("format", FORMATS)
def test_names_and_offsets_are_those_of_tarfile(tmp_path, listed, format):
    names = ["a.png", "b" * 90 + "/" + "c" * 60 + ".png"]
    names += [] if format == "ustar" else ["d/" * 150 + "é.png", "e" * 300 + ".png"]
    members = [(name, bytes([k + 1]) * (700 * k + 1)) for k, name in enumerate(names)]
    write_tar(tmp_path / "all.tar", members, FORMATS[format])
    source = open_source(tmp_path / "all.tar")
    found = listed(source)
    with tarfile.open(tmp_path / "all.tar") as tar:
        assert [path.removeprefix("all.tar/") for path in found["path"]] == tar.getnames()
    for location, (_, data) in zip(found["location"], members, strict=True):
        assert source.read(location) == data


def test_an_archive_cut_anywhere_gives_its_whole_members_and_names_the_cut(tmp_path, listed):
    members = [(f"{k}.png", bytes([65 + k]) * 700) for k in range(4)]
    whole = write_tar(tmp_path / "all.tar", members).read_bytes()
    for size in [*range(1, 4 * 1536 + 1024, 97), 512, 1536, 2 * 1536, 4 * 1536, 4 * 1536 + 512]:
        (tmp_path / "cut.tar").write_bytes(whole[:size])
        source = open_source(tmp_path / "cut.tar")
        read, failed = [], []
        for location in listed(source)["location"]:
            try:
                read.append(source.read(location))
            except ImageError as error:
                failed.append(error.kind)
        n_whole = sum(1536 * k + 512 + 700 <= size for k in range(4))
        assert read == [data for _, data in members[:n_whole]]
        assert set(failed) == {"damaged"}


def test_every_damaged_header_is_named_and_no_member_behind_it_is_lost(tmp_path, listed):
    members = [(f"{k}.png", bytes([65 + k]) * 700) for k in range(4)]
    whole = write_tar(tmp_path / "all.tar", members).read_bytes()
    for k in range(4):
        for damage in (bytes(512), b"\xff" * 512, None):
            data = bytearray(whole)
            header = slice(1536 * k, 1536 * k + 512)
            data[header] = damage or bytes([data[1536 * k] ^ 1]) + data[header][1:]
            (tmp_path / "bad.tar").write_bytes(data)
            paths = listed(open_source(tmp_path / "bad.tar"))["path"]
            expected = [f"bad.tar/{j}.png" for j in range(4) if j != k]
            assert [path for path in paths if "@" not in path] == expected
            assert f"bad.tar@{1536 * k}" in paths


def test_damage_is_a_failure_of_the_job(shards, tmp_path):
    shard = shards / "shard-001.tar"
    shard.write_bytes(shard.read_bytes()[:-15_000])
    result = extract(shards, tmp_path / "store", [HueHistogram()], n_jobs=1)
    failed = result.images.filter(np.asarray(result.images["status"]) == "failed").to_pylist()
    assert {row["kind"] for row in failed} == {"damaged"}
    assert all(row["path"].startswith("shard-001.tar") for row in failed)
    assert 27 < result.is_ok.sum() < 36


def test_shards_of_one_name_in_several_folders_have_names_of_their_own(tmp_path, listed):
    for folder in ("ab", "ac"):
        (tmp_path / folder).mkdir()
        write_tar(tmp_path / folder / "0.tar", [("x.png", folder.encode())])
    source = open_source(tmp_path / "*" / "0.tar")
    found = listed(source)
    assert found["path"] == ["ab/0.tar/x.png", "ac/0.tar/x.png"]
    assert [source.read(location) for location in found["location"]] == [b"ab", b"ac"]


def test_a_vanished_shard_is_passing_and_not_damaged(shards, tmp_path):
    source = open_source(shards)
    tables = list(source.images())
    source.listed = lambda _: iter(tables)
    (shards / "shard-002.tar").rename(shards / "elsewhere")
    table = extract(source, tmp_path / "store", [HueHistogram()], n_jobs=1).images.to_pylist()
    gone = [row for row in table if row["status"] == "failed"]
    assert {row["path"].split("/")[0] for row in gone} == {"shard-002.tar"}
    assert {row["kind"] for row in gone} == {"unreadable"}


def test_what_is_no_image_or_no_file_is_named(tmp_path):
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        for name, kind in (("a.png", tarfile.SYMTYPE), ("b.png", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name, data in (
            ("c.png", b""),
            ("d.npy", b"123"),
            (".hidden.png", b"1"),
            ("Thumbs.db", b""),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    table = extract(tmp_path / "all.tar", tmp_path / "store", [HueHistogram()]).images
    reasons = dict(zip(table["path"].to_pylist(), table["reason"].to_pylist(), strict=True))
    assert reasons["all.tar/a.png"] == "a link to /etc/passwd in an archive, expected a file"
    assert reasons["all.tar/b.png"] == "not a regular file"
    assert reasons["all.tar/c.png"] == "the file is empty"
    assert "not an image" in reasons["all.tar/d.npy"]
    assert len(reasons) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-{0..2}.tar", "no-0.tar: cannot be read: no such file"),
        ("no-*.tar", r"no-\*.tar: no file matches"),
        ("no-{0..9999999}.tar", "10000000 files, expected 1 to 1000000"),
        ("no-{3..1}.tar", "0 files, expected"),
        ("all.tar.gz", "all.tar.gz: compressed by gzip"),
    ],
)
def test_what_is_no_shard_is_an_error(tmp_path, listed, name, message):
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz"):
        pass
    with pytest.raises(SourceError, match=message):
        listed(open_source(tmp_path / name))
    with pytest.raises(SourceError):
        extract(tmp_path / name, tmp_path / "store", [HueHistogram()])


def test_random_bytes_are_no_archive_but_a_failure(tmp_path, listed):
    rng = np.random.default_rng(0)
    (tmp_path / "all.tar").write_bytes(rng.bytes(5000))
    assert all("@" in path for path in listed(open_source(tmp_path / "all.tar"))["path"])
    (tmp_path / "all.tar").write_bytes(b"")
    assert listed(open_source(tmp_path / "all.tar"))["path"] == ["all.tar@0"]


def test_common_headers_are_read_as_tarfile_reads_them(tmp_path):
    """By the short way and by the long one, in all formats, whatever is long or not ASCII."""
    names = ["a/b.png", "./c/d.png", "é/ü.png", "x" * 99 + "/e.png", "y" * 150 + "/f.png", "-1.png"]
    for format_ in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        archive = tmp_path / f"{format_}.tar"
        with tarfile.open(archive, "w", format=format_) as tar:
            for number, name in enumerate(names):
                member = tarfile.TarInfo(name)
                member.size, member.mtime = 512 * number + number % 2, 0.5 * number
                tar.addfile(member, io.BytesIO(bytes(member.size)))
        with tarfile.open(archive) as tar, archive.open("rb") as file:
            expected = [(m.name, m.offset_data, m.size, "") for m in tar]
            assert list(walk(file)) == expected
