import os
import shutil
import sys
import tarfile

import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import FolderSource, SourceError, open_source


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def folder(tmp_path):
    for name in ("dog/b.png", "dog/a.jpg", "cat/deep/er/c.jpg", "cat/notes.txt"):
        touch(tmp_path / "images" / name)
    for name in ("cat/.DS_Store", "cat/Thumbs.db", "desktop.ini", "dog/deep/desktop.ini"):
        touch(tmp_path / "images" / name)
    return tmp_path / "images"


def test_paths_are_sorted_and_labels_are_the_names_of_class_folders(folder, listed):
    found = listed(open_source(folder))
    assert found["path"] == ["cat/deep/er/c.jpg", "cat/notes.txt", "dog/a.jpg", "dog/b.png"]
    assert found["label"] == ["cat", "cat", "dog", "dog"]
    assert found["split"] == [None] * 4


def test_an_image_beside_the_class_folders_has_no_label(folder, listed):
    touch(folder / "stray.JPG")
    touch(folder / "labels.txt")
    found = listed(FolderSource(folder))
    assert dict(zip(found["path"], found["label"], strict=True))["stray.JPG"] is None
    assert "labels.txt" not in found["path"]


def test_a_folder_without_folders_has_images_without_labels(crops, check_rows, tmp_path):
    shutil.copytree(crops / "brick", tmp_path / "images")
    check_rows(tmp_path / "images", labelled=False, n_images=12)


def test_a_class_folder_without_files_is_no_class_but_is_named(folder):
    touch(folder / "owl" / ".DS_Store")
    (folder / "yak" / "young").mkdir(parents=True)
    source = FolderSource(folder)
    assert {label for table in source.images() for label in table["label"].to_pylist()} == {
        "cat",
        "dog",
    }
    assert source.empty_folders() == ["owl", "yak"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", r"missing: no such folder; expected a folder of images, a .csv"),
        ("file.dat", r"file\.dat: not a folder; expected"),
    ],
)
def test_what_is_no_folder_is_an_error_that_says_what_was_expected(tmp_path, name, message):
    touch(tmp_path / "file.dat")
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / name)


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no images"):
        extract(tmp_path / "empty", tmp_path / "store", [HueHistogram()])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_utf8_is_read(crops, crop_files, listed, tmp_path, check_rows):
    shutil.copytree(crops, tmp_path / "images")
    folder = os.fsencode(tmp_path / "images")
    os.rename(folder + b"/brick/00.jpg", folder + b"/brick/\xff\xfe.jpg")
    check_rows(tmp_path / "images")
    os.rename(folder + b"/coffee", folder + b"/caf\xe9")
    found = listed(open_source(tmp_path / "images"))
    assert r"brick/\xff\xfe.jpg" in found["path"]
    assert r"caf\xe9" in found["label"]
    source = open_source(tmp_path / "images")
    at = found["path"].index(r"caf\xe9/00.jpg")
    assert source.read(found["location"][at]) == crop_files["coffee/00.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("kind", ["folder", "tar", "list", "paths"])
def test_a_place_whose_name_is_no_utf8_is_read(kind, crops, tmp_path, check_rows):
    place = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(crops, place / "images")
    names = sorted(str(p) for p in (place / "images").rglob("*.*"))
    with tarfile.open(place / "images.tar", "w") as archive:
        archive.add(place / "images", "images")
    (place / "list.txt").write_text("\n".join(os.path.relpath(name, place) for name in names))
    sources = {
        "folder": place / "images",
        "tar": place / "images.tar",
        "list": place / "list.txt",
        "paths": open_source(names),
    }
    check_rows(sources[kind], labelled=kind in ("folder", "tar"))


def test_links_end_and_each_is_named(folder, listed, crops, tmp_path):
    (folder / "cat" / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder)
    (folder / "up.png").symlink_to(tmp_path)
    (folder / "dog" / "gone.jpg").symlink_to(tmp_path / "nothing")
    (folder / "brick").symlink_to(crops / "brick")
    os.mkfifo(folder / "dog" / "pipe")
    found = listed(open_source(folder))
    assert len([path for path in found["path"] if path.startswith("brick/")]) == 12
    links = [path for path in found["path"] if path.startswith(("cat/loop", "self", "up.png"))]
    assert links == ["cat/loop", "up.png"]
    table = extract(folder, tmp_path / "store", [HueHistogram()]).images.to_pylist()
    reasons = {row["path"]: (row["kind"], row["reason"]) for row in table}
    assert reasons["cat/loop"] == ("unreadable", "a folder, expected an image file")
    assert reasons["dog/pipe"] == ("unreadable", "not a regular file")
    assert reasons["dog/gone.jpg"][0] == "unreadable"
    assert reasons["brick/00.jpg"] == (None, None)


def test_depth_has_no_limit_but_that_of_the_system(tmp_path, listed):
    here = os.getcwd()
    folder = tmp_path / "images"
    folder.mkdir()
    os.chdir(folder)
    try:
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        open("a.png", "wb").close()
        assert listed(open_source(folder))["path"] == ["d/" * 1500 + "a.png"]
        os.unlink("a.png")
        for _ in range(1500):  # no test framework removes so deep a folder
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.chdir(here)


def test_a_vanished_folder_is_passing_and_not_damaged(crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    source = open_source(images)
    tables = list(source.images())
    source.images = lambda: iter(tables)
    images.rename(tmp_path / "elsewhere")
    table = extract(source, tmp_path / "store", [HueHistogram()], n_jobs=1).images
    assert set(table["kind"].to_pylist()) == {"unreadable"}


def test_names_with_newlines_have_keys_of_their_own_in_joined_sources(tmp_path):
    from visualwords.pipeline.sources import JoinedSource, open_source

    for split in ("train", "test"):
        (tmp_path / split / "a\nb").mkdir(parents=True)
        (tmp_path / split / "a\nb" / "c:\nd.png").write_bytes(b"image")
    joined = JoinedSource({split: open_source(tmp_path / split) for split in ("train", "test")})
    locations = [t["location"].combine_chunks() for t in joined.images()]
    keys = [joined.index_keys(location).to_pylist() for location in locations]
    expected = [[str((tmp_path / s / "a\nb" / "c:\nd.png").resolve())] for s in ("train", "test")]
    assert keys == expected
